// Azure's and Anthropic's requests and responses; what all providers share is in
// openai_test.cc, and all of them against a server in bad_answers_test.cc.
#include "scorer/provider.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/tokens.h"
#include "scorer/answer.h"
#include "scorer/anthropic.h"
#include "scorer/metrics.h"
#include "scorer/openai.h"
#include "scorer/settings.h"
#include "tests/support/environment.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::microseconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::Pair;
using wire::ProviderFailure;

const ChatCall kCall{.model = "m", .prompt = "Choose owls.", .papers = 4};

LlmServerSettings Server(const std::string& backend, const std::string& url) {
  return {.backend = backend, .base_url = url, .key = "k-secret", .temperature = "0"};
}

TEST(Azure, NamesTheDeploymentInTheUrlAndTheKeyInItsOwnHeader) {
  LlmServerSettings server = Server("azure", "https://r.openai.azure.com");
  const HttpRequest request = BuildChatRequest(server, {}, kCall);
  EXPECT_EQ(request.url,
            "https://r.openai.azure.com/openai/deployments/m/chat/completions"
            "?api-version=2024-10-21");
  EXPECT_THAT(request.headers, Contains(Pair("api-key", "k-secret")));
  EXPECT_THAT(request.headers, Not(Contains(Key("authorization"))));
  EXPECT_EQ(json::parse(request.body)["response_format"]["type"], "json_schema");
  server.base_url += "?api-version=2025-01-01-preview";
  EXPECT_THAT(BuildChatRequest(server, {}, kCall).url,
              testing::EndsWith("/chat/completions?api-version=2025-01-01-preview"));
  server.base_url = "https://r.openai.azure.com?subscription=7";
  EXPECT_THAT(BuildChatRequest(server, {}, kCall).url,
              testing::EndsWith("/chat/completions?subscription=7&api-version=2024-10-21"));
}

TEST(Azure, ItsNewerAddressWorksAsOpenAis) {
  const HttpRequest request = BuildChatRequest(
      Server("openai", "https://r.openai.azure.com/openai/v1?api-version=preview"), {}, kCall);
  EXPECT_EQ(request.url,
            "https://r.openai.azure.com/openai/v1/chat/completions?api-version=preview");
  EXPECT_THAT(request.headers, Contains(Pair("authorization", "Bearer k-secret")));
}

TEST(Anthropic, WritesMessages) {
  const HttpRequest request = BuildChatRequest(Server("anthropic", kAnthropicUrl), {}, kCall);
  EXPECT_EQ(request.url, "https://api.anthropic.com/v1/messages");
  EXPECT_THAT(request.headers, Contains(Pair("x-api-key", "k-secret")));
  EXPECT_THAT(request.headers, Contains(Pair("anthropic-version", "2023-06-01")));
  EXPECT_THAT(request.headers, Not(Contains(Key("authorization"))));
  const json body = json::parse(request.body);
  EXPECT_EQ(body["model"], "m");
  EXPECT_EQ(body["max_tokens"], MaxAnswerTokens(wire::STAGE_ABSTRACT, 4));
  EXPECT_EQ(body["messages"].dump(), R"([{"content":"Choose owls.","role":"user"}])");
  EXPECT_EQ(body["temperature"].dump(), "0");
  EXPECT_EQ(body["output_config"]["format"]["type"], "json_schema");
  EXPECT_EQ(body["output_config"]["format"]["schema"]["type"], "object");
  EXPECT_FALSE(body.contains("response_format"));
  const HttpRequest plain =
      BuildChatRequest(Server("anthropic", kAnthropicUrl), {.json_schema = false}, kCall);
  EXPECT_FALSE(json::parse(plain.body).contains("output_config"));
}

ChatOutcome Read(int status, const std::string& body,
                 std::vector<std::pair<std::string, std::string>> headers = {},
                 bool worked = true) {
  return InterpretChat(Server("anthropic", kAnthropicUrl), {}, "m", worked,
                       std::chrono::system_clock::from_time_t(1'735'689'600),  // 2025-01-01
                       HttpResponse{status, std::move(headers), body});
}

std::string Message(const std::string& stop, const std::string& content) {
  return R"({"id": "msg_1", "type": "message", "role": "assistant", "model": "m-20250101",
    "content": )" +
         content + R"(, "stop_reason": ")" + stop + R"(",
    "usage": {"input_tokens": 100, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 64,
              "output_tokens": 30}})";
}

std::string ErrorBody(const std::string& type, const std::string& message) {
  return json{{"type", "error"}, {"error", {{"type", type}, {"message", message}}}}.dump();
}

TEST(Anthropic, AnAnswerWithItsTokensOfWhichTheCachedArePart) {
  const ChatOutcome outcome =
      Read(200, Message("end_turn", R"([{"type": "thinking", "thinking": "Hm."},
                                        {"type": "text", "text": "{"}, {"type": "text", "text": "}"}])"));
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kAnswered);
  EXPECT_EQ(outcome.content, "{}");
  EXPECT_EQ(outcome.call.outcome(), "ok");
  EXPECT_EQ(outcome.call.model(), "m-20250101");
  EXPECT_TRUE(outcome.call.tokens_reported());
  EXPECT_EQ(outcome.call.prompt_tokens(), 171u);
  EXPECT_EQ(outcome.call.cached_tokens(), 64u);
  EXPECT_EQ(outcome.call.completion_tokens(), 30u);
}

TEST(Anthropic, AnAnswerCutOffAndOneDeclined) {
  const ChatOutcome cut = Read(200, Message("max_tokens", R"([{"type": "text", "text": "{"}])"));
  EXPECT_EQ(cut.why, kCutOff);
  EXPECT_EQ(cut.call.outcome(), "cut_off");
  const ChatOutcome declined = Read(200, Message("refusal", "[]"));
  EXPECT_TRUE(declined.declined);
  EXPECT_EQ(declined.call.outcome(), "refused");
}

TEST(Anthropic, WithoutUsageTokensAreNotReportedAndWithoutContentItIsNoAnswer) {
  EXPECT_FALSE(Read(200, R"({"content": []})").call.tokens_reported());
  const ChatOutcome none = Read(200, R"({"type": "message"})");
  EXPECT_EQ(none.failure.kind(), ProviderFailure::TRANSIENT);
  EXPECT_EQ(none.call.outcome(), "bad_answer");
}

TEST(Anthropic, Errors) {
  const ChatOutcome overloaded = Read(529, ErrorBody("overloaded_error", "Overloaded"));
  EXPECT_EQ(overloaded.failure.kind(), ProviderFailure::TRANSIENT);
  EXPECT_THAT(overloaded.failure.message(), HasSubstr("Overloaded"));
  EXPECT_EQ(Read(401, ErrorBody("authentication_error", "invalid x-api-key")).call.outcome(),
            "auth");
  EXPECT_EQ(Read(404, ErrorBody("not_found_error", "model: m")).call.outcome(), "not_found");
  const std::string schema = ErrorBody("invalid_request_error", "output_config: Extra inputs");
  const ChatOutcome plain = Read(400, schema, {}, /*worked=*/false);
  EXPECT_EQ(plain.failure.kind(), ProviderFailure::AGAIN);
  EXPECT_FALSE(plain.dialect.json_schema);
  const std::string limited = ErrorBody("rate_limit_error", "This request would exceed");
  EXPECT_EQ(Read(429, limited, {{"retry-after", "12"}}).pause, microseconds(12s));
  EXPECT_EQ(Read(429, limited).failure.kind(), ProviderFailure::RATE_LIMITED);
}

TEST(Anthropic, LimitsAndResetsOfItsHeaders) {
  const auto outcome = Read(429, ErrorBody("rate_limit_error", "no"),
                            {{"anthropic-ratelimit-requests-limit", "50"},
                             {"anthropic-ratelimit-requests-remaining", "0"},
                             {"anthropic-ratelimit-requests-reset", "2025-01-01T00:00:05Z"},
                             {"anthropic-ratelimit-input-tokens-remaining", "12"},
                             {"anthropic-ratelimit-input-tokens-reset", "2025-01-01T00:00:30Z"},
                             {"anthropic-ratelimit-tokens-limit", "96000"},
                             {"anthropic-ratelimit-input-tokens-limit", "80000"},
                             {"anthropic-ratelimit-output-tokens-limit", "16000"},
                             {"anthropic-ratelimit-output-tokens-remaining", "0"},
                             {"anthropic-ratelimit-output-tokens-reset", "2025-01-01T00:00:09Z"},
                             {"anthropic-ratelimit-tokens-remaining", "0"},
                             {"anthropic-ratelimit-tokens-reset", "soon"}});
  EXPECT_EQ(outcome.limits.requests, 50);
  EXPECT_EQ(outcome.limits.tokens, 80'000);
  EXPECT_EQ(outcome.pause, microseconds(9s));
}

// ---- what is counted --------------------------------------------------------

TEST(ScorerMetrics, TokensThatAreNotReportedAreNeverZero) {
  prometheus::Registry registry;
  ScorerMetrics metrics(registry);
  const auto has_tokens = [&] {
    for (const auto& family : registry.Collect()) {
      if (family.name == "paperboy_llm_tokens_total" && !family.metric.empty()) return true;
    }
    return false;
  };
  wire::Call call;
  call.set_outcome("ok");
  call.set_http_status(200);
  metrics.OnCall(call);
  EXPECT_FALSE(has_tokens());
  EXPECT_EQ(metrics.TokensForPeople(), "tokens not reported");
  call.set_tokens_reported(true);
  call.set_prompt_tokens(9);
  call.set_completion_tokens(2);
  metrics.OnCall(call);
  EXPECT_TRUE(has_tokens());
  EXPECT_EQ(metrics.TokensForPeople(),
            "9 prompt and 2 completion tokens, and those of 1 calls not reported");
}

// ---- what is asked of the user ----------------------------------------------

Result<ScorerSettings> Settings(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "paperboy-scorer");
  Options options = ScorerOptions();
  const auto parsed = options.Parse(static_cast<int>(arguments.size()), arguments.data());
  if (!parsed) return parsed.error();
  return ReadScorerSettings(options, "host");
}
std::string Trouble(std::vector<const char*> arguments) {
  const auto settings = Settings(std::move(arguments));
  return settings ? "" : settings.error().message;
}

TEST(ScorerSettings, AUserInTheUrlIsRefusedAndNotSaid) {
  const std::string trouble = Trouble({"--llm-url", "http://me:pw-1234@localhost:9/v1?a=b"});
  EXPECT_THAT(trouble, HasSubstr("--api-key-file"));
  EXPECT_THAT(trouble, Not(HasSubstr("pw-1234")));
  EXPECT_EQ(Trouble({"--llm-url", "http://localhost:9/v1?at=a@b"}), "");
}

TEST(ScorerSettings, AKeyFileThatIsAFolderIsSaid) {
  EXPECT_THAT(Trouble({"--api-key-file", "/"}), HasSubstr("--api-key-file /: cannot be read"));
}

TEST(ScorerSettings, AnthropicHasItsOwnKeyAndAddress) {
  const Environment other("OPENAI_API_KEY", "sk-other");
  EXPECT_THAT(Trouble({"--backend", "anthropic", "--model", "m"}), HasSubstr("ANTHROPIC_API_KEY"));
  const Environment key("ANTHROPIC_API_KEY", "sk-ant");
  EXPECT_THAT(Trouble({"--backend", "anthropic"}), HasSubstr("--model"));
  const auto settings = Settings({"--backend", "anthropic", "--model", "m"});
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->server.backend, "anthropic");
  EXPECT_EQ(settings->server.base_url, kAnthropicUrl);
  EXPECT_EQ(settings->server.key, "sk-ant");
  EXPECT_THAT(Trouble({"--backend", "anthropic", "--model", "m", "--temperature", "1.5"}),
              HasSubstr("from 0 to 1"));
}

TEST(ScorerSettings, AzureNeedsTheResourcesAddressAlone) {
  const Environment key("OPENAI_API_KEY", "k");
  const auto azure = [](const char* url) {
    return Trouble({"--backend", "azure", "--model", "d", "--llm-url", url});
  };
  EXPECT_EQ(azure("https://r.openai.azure.com/"), "");
  EXPECT_EQ(azure("https://r.openai.azure.com?api-version=2025-01-01-preview"), "");
  EXPECT_THAT(azure("https://r.openai.azure.com/openai/v1"), HasSubstr("--backend openai"));
  EXPECT_THAT(Trouble({"--backend", "azure", "--model", "d"}), HasSubstr("--llm-url"));
}

TEST(ScorerSettings, ALocalServerNeedsNoKey) {
  EXPECT_EQ(Trouble({"--llm-url", "http://localhost:11434/v1", "--model", "m"}), "");
  EXPECT_THAT(Trouble({}), HasSubstr("OPENAI_API_KEY"));
}

}  // namespace
}  // namespace paperboy
