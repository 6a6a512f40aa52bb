#include "scorer/openai.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/tokens.h"
#include "scorer/answer.h"
#include "scorer/limiter_rate.h"
#include "scorer/rows.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::microseconds;
using wire::PaperResult;
using wire::ProviderFailure;

constexpr char kKey[] = "sk-test-abcdefgh12345678";

LlmServerSettings Server() {
  return {.base_url = "https://llm.example/v1", .key = kKey, .temperature = "0"};
}

HttpResponse Response(int status, const std::string& body,
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
  headers.emplace_back("content-type", "application/json");
  return {status, std::move(headers), body};
}

HttpResponse ErrorResponse(int status, const std::string& message, const std::string& code = "",
                           const std::string& param = "") {
  json error = {{"message", message}, {"type", "invalid_request_error"}};
  error["code"] = code.empty() ? json() : json(code);
  error["param"] = param.empty() ? json() : json(param);
  return Response(status, json{{"error", error}}.dump());
}

HttpResponse Answer(const std::string& content, const std::string& finish = "stop") {
  const json message = {{"role", "assistant"}, {"content", content}, {"refusal", nullptr}};
  const json choice = {{"index", 0}, {"message", message}, {"finish_reason", finish}};
  const json usage = {{"prompt_tokens", 120},
                      {"completion_tokens", 30},
                      {"prompt_tokens_details", {{"cached_tokens", 64}}}};
  return Response(
      200,
      json{{"model", "m-2025-01-01"}, {"choices", json::array({choice})}, {"usage", usage}}.dump());
}

struct Asking {
  ChatDialect dialect = {};
  bool worked = true;
  WallTime now = std::chrono::system_clock::from_time_t(1'744'700'000);
};
ChatOutcome Interpret(const Result<HttpResponse>& response, const Asking& asking = {}) {
  return InterpretChat(Server(), asking.dialect, "m", asking.worked, asking.now, response);
}

void ExpectFailure(const ChatOutcome& outcome, ProviderFailure::Kind kind,
                   const std::string& label) {
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kFailed);
  EXPECT_EQ(outcome.failure.kind(), kind) << outcome.failure.message();
  EXPECT_EQ(outcome.call.outcome(), label);
  EXPECT_NE(outcome.failure.message(), "");
}

wire::BatchPaper Paper(const std::string& id) {
  wire::BatchPaper paper;
  paper.set_id(id);
  paper.set_key("key of " + id);
  return paper;
}

// ---- the request ------------------------------------------------------------

TEST(BuildChatRequest, SendsThePromptAloneAndTheAnswersForm) {
  const ChatCall call{.model = "m", .prompt = "Choose \"owls\".", .papers = 4};
  const HttpRequest request = BuildChatRequest(Server(), {}, call);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://llm.example/v1/chat/completions");
  const json body = json::parse(request.body);
  EXPECT_EQ(body["model"], "m");
  EXPECT_EQ(body["messages"].dump(), R"([{"content":"Choose \"owls\".","role":"user"}])");
  EXPECT_EQ(body["temperature"].dump(), "0");
  EXPECT_EQ(body["max_tokens"], MaxAnswerTokens(wire::STAGE_ABSTRACT, 4));
  EXPECT_EQ(body["response_format"]["type"], "json_schema");
  EXPECT_EQ(std::count(request.headers.begin(), request.headers.end(),
                       std::pair<std::string, std::string>("authorization",
                                                           std::string("Bearer ") + kKey)),
            1);
}

TEST(BuildChatRequest, LeavesOutWhatIsNotSet) {
  LlmServerSettings server = Server();
  server.key.clear();
  server.temperature.clear();
  const ChatDialect dialect{.json_schema = false, .max_completion_tokens = true};
  const HttpRequest request = BuildChatRequest(server, dialect, {.model = "m", .papers = 1});
  const json body = json::parse(request.body);
  EXPECT_FALSE(body.contains("temperature"));
  EXPECT_FALSE(body.contains("response_format"));
  EXPECT_FALSE(body.contains("max_tokens"));
  EXPECT_GT(body["max_completion_tokens"], MaxAnswerTokens(wire::STAGE_ABSTRACT, 1));
  for (const auto& [name, value] : request.headers) EXPECT_NE(name, "authorization");
}

TEST(BuildChatRequest, KeepsTheQueryOfTheBaseUrl) {
  LlmServerSettings server = Server();
  server.base_url = "https://llm.example/v1?api-version=2";
  EXPECT_EQ(BuildChatRequest(server, {}, {}).url,
            "https://llm.example/v1/chat/completions?api-version=2");
}

TEST(QuotaKey, DependsOnUrlKeyAndModel) {
  LlmServerSettings other = Server();
  other.key = "another";
  EXPECT_EQ(QuotaKey(Server(), "m").size(), 16u);
  EXPECT_EQ(QuotaKey(Server(), "m"), QuotaKey(Server(), "m"));
  EXPECT_NE(QuotaKey(Server(), "m"), QuotaKey(Server(), "n"));
  EXPECT_NE(QuotaKey(Server(), "m"), QuotaKey(other, "m"));
}

TEST(PrintableUrl, HidesUserPasswordAndQuery) {
  EXPECT_EQ(PrintableUrl("https://user:secret@llm.example:8443/v1?key=secret"),
            "https://llm.example:8443/v1");
  EXPECT_EQ(PrintableUrl("http://llm.example/v1"), "http://llm.example/v1");
}

// ---- answers ----------------------------------------------------------------

TEST(InterpretChat, AnAnswerWithItsTokens) {
  const ChatOutcome outcome = Interpret(Answer("{}"));
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kAnswered);
  EXPECT_EQ(outcome.content, "{}");
  EXPECT_EQ(outcome.call.outcome(), "ok");
  EXPECT_EQ(outcome.call.model(), "m-2025-01-01");
  EXPECT_EQ(outcome.call.http_status(), 200u);
  EXPECT_TRUE(outcome.call.tokens_reported());
  EXPECT_EQ(outcome.call.prompt_tokens(), 120u);
  EXPECT_EQ(outcome.call.cached_tokens(), 64u);
  EXPECT_EQ(outcome.call.completion_tokens(), 30u);
}

TEST(InterpretChat, AnAnswerWithoutUsageDoesNotReportTokens) {
  const ChatOutcome outcome =
      Interpret(Response(200, R"({"choices": [{"message": {"content": "{}"}}]})"));
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kAnswered);
  EXPECT_FALSE(outcome.call.tokens_reported());
  EXPECT_EQ(outcome.call.model(), "m");
}

// Ollama, llama.cpp and vLLM, each with what it leaves out.
TEST(InterpretChat, AServerThatTellsLittle) {
  for (const char* body :
       {R"({"choices": [{"message": {"content": "{}"}, "finish_reason": null}], "usage": null})",
        R"({"model": null, "choices": [{"message": {"role": "assistant", "content": "{}"}}]})",
        R"({"model": "", "choices": [{"message": {"content": "{}", "reasoning": "Hm."}}]})"}) {
    const ChatOutcome outcome = Interpret(Response(200, body));
    EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kAnswered) << body;
    EXPECT_EQ(outcome.content, "{}");
    EXPECT_EQ(outcome.call.model(), "m");
    EXPECT_EQ(outcome.call.outcome(), "ok");
    EXPECT_FALSE(outcome.call.tokens_reported());
  }
}

TEST(InterpretChat, ErrorsOfLocalServers) {
  ExpectFailure(Interpret(Response(503, R"({"error": {"code": 503, "message": "Loading model",)"
                                        R"( "type": "unavailable_error"}})")),
                ProviderFailure::TRANSIENT, "server_error");
  ExpectFailure(Interpret(Response(404, R"({"error": {"message": "model \"m\" not found, try )"
                                        R"(pulling it first", "type": "api_error"}})")),
                ProviderFailure::HARD, "not_found");
  const ChatOutcome too_long = Interpret(
      Response(400, R"({"object": "error", "message": "This model's maximum context length is )"
                    R"(4096 tokens.", "type": "BadRequestError", "code": 400})"),
      {.worked = false});
  ExpectFailure(too_long, ProviderFailure::HARD, "bad_request");
  EXPECT_NE(too_long.failure.message().find("batch_size"), std::string::npos);
}

TEST(InterpretChat, AContentFilterAtTheDoorIsAboutThePapersAtOnce) {
  json error = {{"code", "content_filter"},
                {"message", "The response was filtered due to the prompt"},
                {"innererror", {{"code", "ResponsibleAIPolicyViolation"}}}};
  const HttpResponse response = Response(400, json{{"error", error}}.dump());
  for (const bool worked : {false, true}) {
    const ChatOutcome outcome = Interpret(response, {.worked = worked});
    EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kPapersRefused);
    EXPECT_EQ(outcome.call.outcome(), "content_filter");
    EXPECT_NE(outcome.why.find("was filtered"), std::string::npos);
  }
}

TEST(InterpretChat, MoneyThatHasRunOutIsHardAndNoPapersFault) {
  for (const char* message : {"Your credit balance is too low to access the Anthropic API.",
                              "You have reached your specified API usage limits. You will regain "
                              "access on 2025-02-01."}) {
    ExpectFailure(Interpret(ErrorResponse(400, message)), ProviderFailure::HARD, "no_quota");
  }
  ExpectFailure(Interpret(ErrorResponse(400, "Billing hard limit has been reached",
                                        "billing_hard_limit_reached")),
                ProviderFailure::HARD, "no_quota");
}

TEST(InterpretChat, ARedirectSaysWhereItLeadsWithoutSecrets) {
  HttpResponse response = Response(307, "");
  response.headers.emplace_back("location", "https://u:secret@other.example/v1?key=secret");
  const std::string message = Interpret(response).failure.message();
  EXPECT_NE(message.find("https://other.example/v1"), std::string::npos) << message;
  EXPECT_EQ(message.find("secret"), std::string::npos) << message;
}

TEST(InterpretChat, UsageThatIsNoNumberIsNotReported) {
  for (const char* usage : {"null", "{}", R"({"prompt_tokens": -5, "completion_tokens": 1})",
                            R"({"prompt_tokens": "5", "completion_tokens": 1})"}) {
    const ChatOutcome outcome = Interpret(
        Response(200, std::string(R"({"choices": [{"message": {}}], "usage": )") + usage + "}"));
    EXPECT_FALSE(outcome.call.tokens_reported()) << usage;
  }
}

TEST(InterpretChat, ContentInParts) {
  const ChatOutcome outcome = Interpret(Response(
      200,
      R"({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]})"));
  EXPECT_EQ(outcome.content, "ab");
}

TEST(InterpretChat, AnAnswerCutOff) {
  const ChatOutcome outcome = Interpret(Answer("{", "length"));
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kAnswered);
  EXPECT_FALSE(outcome.declined);
  EXPECT_NE(outcome.why.find("cut off"), std::string::npos);
  EXPECT_EQ(outcome.call.outcome(), "cut_off");
}

TEST(InterpretChat, AContentFilter) {
  const ChatOutcome outcome = Interpret(Answer("", "content_filter"));
  EXPECT_TRUE(outcome.declined);
  EXPECT_EQ(outcome.call.outcome(), "content_filter");
}

TEST(InterpretChat, ARefusalInWords) {
  const ChatOutcome outcome = Interpret(
      Response(200, R"({"choices": [{"message": {"content": null, "refusal": "I cannot."}}]})"));
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kAnswered);
  EXPECT_TRUE(outcome.declined);
  EXPECT_EQ(outcome.why, "the model declined: I cannot.");
}

TEST(InterpretChat, BodiesThatAreNoAnswerAreTransient) {
  for (const char* body :
       {"", "<html><body>Welcome</body></html>", "data: {\"choices\": []}\n\n", "[]", "null", "{}",
        R"({"choices": []})", R"({"choices": [3]})", R"({"choices": "none"})"}) {
    ExpectFailure(Interpret(Response(200, body)), ProviderFailure::TRANSIENT, "bad_answer");
  }
}

TEST(InterpretChat, AnErrorUnderStatus200) {
  const ChatOutcome limited =
      Interpret(Response(200, R"({"error": {"code": 429, "message": "upstream is busy"}})"));
  ExpectFailure(limited, ProviderFailure::RATE_LIMITED, "rate_limited");
  EXPECT_EQ(limited.call.http_status(), 429u) << "otherwise its cost would not be known";
  ExpectFailure(Interpret(Response(200, R"({"error": {"code": 502, "message": "upstream"}})")),
                ProviderFailure::TRANSIENT, "server_error");
}

// ---- failures ---------------------------------------------------------------

TEST(InterpretChat, RefusedKeysAreHard) {
  for (const int status : {401, 403}) {
    ExpectFailure(Interpret(ErrorResponse(status, "Incorrect API key", "invalid_api_key")),
                  ProviderFailure::HARD, "auth");
  }
}

TEST(InterpretChat, AGatewaysPageIsHardAndReadable) {
  const ChatOutcome outcome =
      Interpret(Response(403, "<html><body><h1>Access denied</h1></body></html>"));
  ExpectFailure(outcome, ProviderFailure::HARD, "auth");
  EXPECT_NE(outcome.failure.message().find("Access denied"), std::string::npos);
  EXPECT_EQ(outcome.failure.message().find("<h1>"), std::string::npos);
}

TEST(InterpretChat, AnUnknownModelIsHard) {
  ExpectFailure(Interpret(ErrorResponse(404, "The model does not exist", "model_not_found")),
                ProviderFailure::HARD, "not_found");
  ExpectFailure(Interpret(ErrorResponse(400, "The model does not exist", "model_not_found")),
                ProviderFailure::HARD, "not_found");
}

TEST(InterpretChat, NoQuotaLeftIsHardAndNoPause) {
  const ChatOutcome outcome =
      Interpret(ErrorResponse(429, "You exceeded your current quota", "insufficient_quota"));
  ExpectFailure(outcome, ProviderFailure::HARD, "no_quota");
  EXPECT_EQ(outcome.pause.count(), 0);
}

TEST(InterpretChat, PaymentRequiredAndRedirectsAreHard) {
  ExpectFailure(Interpret(ErrorResponse(402, "Insufficient credits")), ProviderFailure::HARD,
                "refused");
  ExpectFailure(Interpret(Response(302, "")), ProviderFailure::HARD, "redirected");
}

TEST(InterpretChat, RateLimitsPause) {
  HttpResponse response = ErrorResponse(429, "Rate limit reached", "rate_limit_exceeded");
  ChatOutcome outcome = Interpret(response);
  ExpectFailure(outcome, ProviderFailure::RATE_LIMITED, "rate_limited");
  EXPECT_EQ(outcome.pause, microseconds(2s));
  response.headers.emplace_back("retry-after", "7");
  EXPECT_EQ(Interpret(response).pause, microseconds(7s));
}

TEST(InterpretChat, AnOverloadedServersRefusalIsNoRateLimit) {
  const ChatOutcome outcome =
      Interpret(ErrorResponse(429, "The engine is currently overloaded, please try again later"));
  ExpectFailure(outcome, ProviderFailure::TRANSIENT, "server_error");
  EXPECT_EQ(outcome.pause, microseconds(2s));
}

TEST(InterpretChat, ARateLimitThatLastsLongerThanAPauseIsAnOutage) {
  HttpResponse response = ErrorResponse(429, "Free requests per day exceeded", "rate_limited");
  response.headers.emplace_back("retry-after", "60");
  ExpectFailure(Interpret(response), ProviderFailure::RATE_LIMITED, "rate_limited");
  EXPECT_EQ(Interpret(response).pause, microseconds(kMaxPause));
  response.headers.back().second = "61";
  const ChatOutcome outcome = Interpret(response);
  ExpectFailure(outcome, ProviderFailure::HARD, "no_quota");
  EXPECT_EQ(outcome.pause.count(), 0);
  EXPECT_NE(outcome.failure.message().find("Free requests per day exceeded"), std::string::npos);
}

TEST(InterpretChat, ALimitThatIsUsedUpAndWholeAgainMuchLaterOnlyPauses) {
  HttpResponse response = ErrorResponse(429, "Rate limit reached", "rate_limit_exceeded");
  response.headers.emplace_back("x-ratelimit-remaining-requests", "0");
  response.headers.emplace_back("x-ratelimit-reset-requests", "3h");
  ExpectFailure(Interpret(response), ProviderFailure::RATE_LIMITED, "rate_limited");
  EXPECT_EQ(Interpret(response).pause, microseconds(kMaxPause));
}

TEST(InterpretChat, ServersThatFailAreTransient) {
  for (const int status : {500, 502, 503, 504, 529, 408}) {
    const ChatOutcome outcome = Interpret(ErrorResponse(status, "The server had an error"));
    ExpectFailure(outcome, ProviderFailure::TRANSIENT, "server_error");
    EXPECT_EQ(outcome.pause.count(), 0);
  }
  HttpResponse full = ErrorResponse(500, "The server had an error");
  full.headers.emplace_back("x-ratelimit-remaining-requests", "0");
  full.headers.emplace_back("x-ratelimit-reset-requests", "40s");
  EXPECT_EQ(Interpret(full).pause.count(), 0)
      << "when a bucket is full is no wait that it asks for";
  HttpResponse asked = ErrorResponse(503, "overloaded");
  asked.headers.emplace_back("retry-after", "3");
  EXPECT_EQ(Interpret(asked).pause, microseconds(3s));
}

TEST(InterpretChat, NoResponseIsTransient) {
  ExpectFailure(Interpret(Error{ErrorKind::kTimedOut, "https://llm.example:443: too slow"}),
                ProviderFailure::TRANSIENT, "timeout");
  ExpectFailure(Interpret(Unavailable("https://llm.example:443: the proxy timed out")),
                ProviderFailure::TRANSIENT, "connection");
  ExpectFailure(Interpret(Unavailable("https://llm.example:443: Connection reset by peer")),
                ProviderFailure::TRANSIENT, "connection");
  ExpectFailure(Interpret(Error{ErrorKind::kUnreached, "https://llm.example:443: refused"}),
                ProviderFailure::TRANSIENT, "not_sent");
}

TEST(InterpretChat, AServerThatIsNotWhoItSaysIsHard) {
  ExpectFailure(Interpret(Error{ErrorKind::kUntrusted, "https://llm.example:443: expired"}),
                ProviderFailure::HARD, "not_sent");
}

TEST(InterpretChat, AServerWithoutSchemasIsAskedInPlainText) {
  for (const char* message :
       {"Invalid parameter: 'response_format' of type 'json_schema' is not supported",
        "Unsupported value: no structured output with this model", "unknown field json_schema"}) {
    const ChatOutcome outcome = Interpret(ErrorResponse(400, message), {.worked = false});
    ExpectFailure(outcome, ProviderFailure::AGAIN, "bad_request");
    EXPECT_FALSE(outcome.dialect.json_schema);
  }
  const ChatOutcome other =
      Interpret(Response(422, R"({"detail": "response_format: extra field"})"));
  ExpectFailure(other, ProviderFailure::AGAIN, "bad_request");
}

TEST(InterpretChat, AModelThatHasWorkedDoesNotLoseItsSchemaToAPaper) {
  const ChatOutcome outcome = Interpret(ErrorResponse(400, "unsupported characters"));
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kPapersRefused);
  EXPECT_TRUE(outcome.dialect.json_schema);
}

TEST(InterpretChat, PlainTextRefusedToo) {
  const ChatDialect plain{.json_schema = false};
  ExpectFailure(Interpret(ErrorResponse(400, "unsupported"), {.dialect = plain, .worked = false}),
                ProviderFailure::HARD, "bad_request");
}

TEST(InterpretChat, AModelThatWantsMaxCompletionTokens) {
  const ChatOutcome outcome = Interpret(ErrorResponse(
      400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
      "unsupported_parameter", "max_tokens"));
  ExpectFailure(outcome, ProviderFailure::AGAIN, "bad_request");
  EXPECT_TRUE(outcome.dialect.max_completion_tokens);
  EXPECT_TRUE(outcome.dialect.json_schema);
}

// vLLM's words.
TEST(InterpretChat, PapersThatAreTooLongDoNotChangeHowTheAnswersLengthIsNamed) {
  const HttpResponse response = ErrorResponse(
      400,
      "'max_tokens' or 'max_completion_tokens' is too large: 1900. This model's maximum context "
      "length is 4096 tokens and your request has 3011 input tokens (1900 > 4096 - 3011). "
      "(parameter=max_tokens, value=1900)",
      "", "max_tokens");
  const ChatOutcome papers = Interpret(response);
  EXPECT_EQ(papers.kind, ChatOutcome::Kind::kPapersRefused);
  EXPECT_FALSE(papers.dialect.max_completion_tokens);
  const ChatOutcome settings = Interpret(response, {.worked = false});
  ExpectFailure(settings, ProviderFailure::HARD, "bad_request");
  EXPECT_NE(settings.failure.message().find("batch_size"), std::string::npos);
  EXPECT_FALSE(settings.dialect.max_completion_tokens);
}

TEST(InterpretChat, ATemperatureThatIsNotTakenIsHardAndSaysWhatToDo) {
  const ChatOutcome outcome = Interpret(
      ErrorResponse(400, "Unsupported value: 'temperature'", "unsupported_value", "temperature"));
  ExpectFailure(outcome, ProviderFailure::HARD, "bad_request");
  EXPECT_NE(outcome.failure.message().find("--temperature"), std::string::npos);
}

TEST(InterpretChat, AnotherBadRequestCountsForPapersOnlyAfterTheModelHasWorked) {
  const HttpResponse response = ErrorResponse(400, "Input is flagged", "invalid_prompt");
  ExpectFailure(Interpret(response, {.worked = false}), ProviderFailure::HARD, "bad_request");
  const ChatOutcome outcome = Interpret(response, {.worked = true});
  EXPECT_EQ(outcome.kind, ChatOutcome::Kind::kPapersRefused);
  EXPECT_NE(outcome.why.find("Input is flagged"), std::string::npos);
}

TEST(InterpretChat, MessagesHoldNoKeyAndAreShort) {
  const ChatOutcome outcome =
      Interpret(ErrorResponse(401, std::string("Incorrect API key provided: ") + kKey +
                                       ". Or sk-proj-abc***xyz? " + std::string(2'000, 'x')));
  const std::string& message = outcome.failure.message();
  EXPECT_EQ(message.find("sk-"), std::string::npos) << message;
  EXPECT_EQ(message.find("abcdefgh"), std::string::npos) << message;
  EXPECT_NE(message.find("Incorrect API key provided: [key]"), std::string::npos) << message;
  EXPECT_LE(message.size(), 300u);
}

TEST(InterpretChat, LimitsNamedByTheServer) {
  HttpResponse response = Answer("{}");
  response.headers.emplace_back("x-ratelimit-limit-requests", "500");
  response.headers.emplace_back("x-ratelimit-limit-tokens", "200000");
  const ChatOutcome outcome = Interpret(response);
  EXPECT_EQ(outcome.limits.requests, 500);
  EXPECT_EQ(outcome.limits.tokens, 200'000);
  EXPECT_EQ(Interpret(Answer("{}")).limits.requests, 0);
}

// ---- waits ------------------------------------------------------------------

TEST(ParseWait, Durations) {
  EXPECT_EQ(ParseWait("6m0s"), microseconds(6min));
  EXPECT_EQ(ParseWait("20ms"), microseconds(20ms));
  EXPECT_EQ(ParseWait("1.5s"), microseconds(1500ms));
  EXPECT_EQ(ParseWait("1h2m3.5s"), microseconds(1h + 2min + 3500ms));
  EXPECT_EQ(ParseWait("12"), microseconds(12s));
  EXPECT_EQ(ParseWait("0.25"), microseconds(250ms));
  EXPECT_EQ(ParseWait("0s"), microseconds(0));
  for (const char* text : {"", "soon", "5 s", "-3", "1x", "s", "nan", "inf", "1e400"}) {
    EXPECT_FALSE(ParseWait(text)) << text;
  }
}

std::optional<microseconds> Wait(std::vector<std::pair<std::string, std::string>> headers) {
  return AskedWait(OpenAi(), Response(429, "", std::move(headers)),
                   std::chrono::system_clock::from_time_t(784'111'777));
}

TEST(AskedWait, InOrderOfPrecision) {
  EXPECT_EQ(Wait({{"retry-after-ms", "1500"}, {"retry-after", "2"}}), microseconds(1500ms));
  EXPECT_EQ(Wait({{"retry-after", "2"}, {"x-ratelimit-reset-requests", "9s"}}), microseconds(2s));
  EXPECT_EQ(Wait({{"retry-after", "1.25"}}), microseconds(1250ms));
  EXPECT_EQ(Wait({{"retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"}}), microseconds(10s));
  EXPECT_EQ(Wait({{"retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"}}), microseconds(0));
  EXPECT_EQ(Wait({{"x-ratelimit-remaining-requests", "0"},
                  {"x-ratelimit-reset-requests", "20ms"},
                  {"x-ratelimit-remaining-tokens", "0"},
                  {"x-ratelimit-reset-tokens", "6m0s"}}),
            microseconds(6min));
  EXPECT_EQ(Wait({{"x-ratelimit-remaining-requests", "0"},
                  {"x-ratelimit-reset-requests", "20ms"},
                  {"x-ratelimit-remaining-tokens", "9"},
                  {"x-ratelimit-reset-tokens", "6m0s"}}),
            microseconds(20ms))
      << "the other limit is not used up";
  EXPECT_EQ(Wait({{"x-ratelimit-reset-tokens", "6m0s"}}), std::nullopt);
  EXPECT_EQ(Wait({{"retry-after", "later"}}), std::nullopt);
  EXPECT_EQ(Wait({}), std::nullopt);
}

// ---- rows -------------------------------------------------------------------

TEST(RowsOf, ADeclinedPaperAloneIsRefusedAndInCompanyMissing) {
  ChatOutcome outcome = Interpret(Answer("", "content_filter"));
  const auto alone = RowsOf(outcome, wire::STAGE_ABSTRACT, {Paper("2504.00001")}, "c-1");
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(alone[0].kind(), PaperResult::REFUSED);
  EXPECT_EQ(alone[0].why(), outcome.why);
  EXPECT_EQ(alone[0].key(), "key of 2504.00001");
  EXPECT_EQ(alone[0].call(), "c-1");
  outcome.content = R"({"ARXIVID": "2504.00002", "RELEVANCE": 4, "NOVELTY": 5})";
  const auto both =
      RowsOf(outcome, wire::STAGE_ABSTRACT, {Paper("2504.00001"), Paper("2504.00002")}, "c-1");
  EXPECT_EQ(both[0].kind(), PaperResult::MISSING);
  EXPECT_EQ(both[1].kind(), PaperResult::SCORE);
}

TEST(RowsOf, ARefusedRequestRefusesAPaperAloneAndNamesNoneInCompany) {
  const ChatOutcome outcome = Interpret(ErrorResponse(400, "flagged"));
  const auto rows =
      RowsOf(outcome, wire::STAGE_ABSTRACT, {Paper("2504.00001"), Paper("2504.00002")}, "c-1");
  ASSERT_EQ(rows.size(), 2u);
  for (const PaperResult& row : rows) {
    EXPECT_EQ(row.kind(), PaperResult::MISSING);
    EXPECT_EQ(row.why(), outcome.why);
  }
  EXPECT_EQ(rows[1].key(), "key of 2504.00002");
  const auto alone = RowsOf(outcome, wire::STAGE_ABSTRACT, {Paper("2504.00001")}, "c-1");
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(alone[0].kind(), PaperResult::REFUSED);
}

TEST(RowsOf, AFailedProviderSaysNothingAboutPapers) {
  EXPECT_TRUE(RowsOf(Interpret(ErrorResponse(500, "oops")), wire::STAGE_ABSTRACT,
                     {Paper("2504.00001")}, "c-1")
                  .empty());
}

}  // namespace
}  // namespace paperboy
