#include "scorer/anthropic.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "scorer/answer.h"
#include "scorer/json_fields.h"

namespace paperboy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::microseconds;

// The only version there is; the header is required.
constexpr char kVersion[] = "2023-06-01";

void ReadUsage(const json& body, wire::Call* call) {
  const auto usage = body.find("usage");
  if (usage == body.end() || !usage->is_object()) return;
  const auto fresh = CountOf(*usage, "input_tokens");
  const auto completion = CountOf(*usage, "output_tokens");
  if (!fresh || !completion) return;
  const uint64_t cached = CountOf(*usage, "cache_read_input_tokens").value_or(0);
  call->set_tokens_reported(true);
  call->set_cached_tokens(cached);
  call->set_prompt_tokens(*fresh + cached +
                          CountOf(*usage, "cache_creation_input_tokens").value_or(0));
  call->set_completion_tokens(*completion);
}

class AnthropicProvider : public Provider {
 public:
  void Write(const LlmServerSettings& server, const ChatDialect& dialect, const ChatCall& call,
             HttpRequest* request) const override {
    const auto [base, query] = SplitQuery(server.base_url);
    request->url = base + "/messages" + query;
    request->headers.emplace_back("anthropic-version", kVersion);
    if (!server.key.empty()) request->headers.emplace_back("x-api-key", server.key);
    ordered_json body = {{"model", call.model},
                         {"max_tokens", MaxTokensSent(dialect, call)},
                         {"messages", {{{"role", "user"}, {"content", call.prompt}}}}};
    if (!server.temperature.empty()) body["temperature"] = json::parse(server.temperature);
    if (dialect.json_schema) {
      body["output_config"] = {
          {"format",
           {{"type", "json_schema"},
            {"schema", ResponseFormat(call.stage).at("json_schema").at("schema")}}}};
    }
    request->body = body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  }

  bool Read(const json& body, ChatOutcome* outcome) const override {
    ReadUsage(body, &outcome->call);
    if (const std::string model = TextOf(body, "model"); !model.empty()) {
      outcome->call.set_model(model);
    }
    const auto content = body.find("content");
    if (content == body.end() || !content->is_array()) return false;
    outcome->content = TextOfParts(*content);
    const std::string stop = TextOf(body, "stop_reason");
    if (stop == "refusal") {
      outcome->declined = true;
      outcome->why = "the model declined";
      outcome->call.set_outcome("refused");
    } else if (stop == "max_tokens" || stop == "model_context_window_exceeded") {
      outcome->why = kCutOff;
      outcome->call.set_outcome("cut_off");
    }
    return true;
  }

  // The quota of --tpm is of all tokens; of the several that this provider names
  // the smallest that the prompts meet.
  NamedLimits Limits(const HttpResponse& response) const override {
    NamedLimits limits{NumberHeader(response, "anthropic-ratelimit-requests-limit"), 0};
    for (const char* kind : {"tokens", "input-tokens"}) {
      const int64_t named =
          NumberHeader(response, std::string("anthropic-ratelimit-") + kind + "-limit");
      if (named > 0 && (limits.tokens == 0 || named < limits.tokens)) limits.tokens = named;
    }
    return limits;
  }

  std::optional<microseconds> UntilReset(const HttpResponse& response,
                                         WallTime now) const override {
    std::optional<microseconds> longest;
    for (const char* kind : {"requests", "tokens", "input-tokens", "output-tokens"}) {
      const std::string limit = std::string("anthropic-ratelimit-") + kind;
      if (response.Header(limit + "-remaining") != "0") continue;
      longest = std::max(
          longest, UntilInstant(response.Header(limit + "-reset"), "%Y-%m-%dT%H:%M:%SZ", now));
    }
    return longest;
  }
};

}  // namespace

const Provider& Anthropic() {
  static const AnthropicProvider provider;
  return provider;
}

}  // namespace paperboy
