#include "scorer/openai.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/tokens.h"
#include "scorer/answer.h"
#include "scorer/json_fields.h"

namespace paperboy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

void ReadUsage(const json& body, wire::Call* call) {
  const auto usage = body.find("usage");
  if (usage == body.end() || !usage->is_object()) return;
  const auto prompt = CountOf(*usage, "prompt_tokens");
  const auto completion = CountOf(*usage, "completion_tokens");
  if (!prompt || !completion) return;
  call->set_tokens_reported(true);
  call->set_prompt_tokens(*prompt);
  call->set_completion_tokens(*completion);
  const auto details = usage->find("prompt_tokens_details");
  if (details != usage->end() && details->is_object()) {
    call->set_cached_tokens(std::min(CountOf(*details, "cached_tokens").value_or(0), *prompt));
  }
}

// A message's content: a string, or a list of parts of which some are text.
std::string ContentOf(const json& message) {
  const auto content = message.find("content");
  if (content == message.end()) return "";
  if (content->is_array()) return TextOfParts(*content);
  return content->is_string() ? content->get<std::string>() : "";
}

class OpenAiProvider : public Provider {
 public:
  void Write(const LlmServerSettings& server, const ChatDialect& dialect, const ChatCall& call,
             HttpRequest* request) const override {
    const auto [base, query] = SplitQuery(server.base_url);
    Address(server, base, query, call, request);
    ordered_json body = {{"model", call.model},
                         {"messages", {{{"role", "user"}, {"content", call.prompt}}}}};
    if (!server.temperature.empty()) body["temperature"] = json::parse(server.temperature);
    body[dialect.max_completion_tokens ? "max_completion_tokens" : "max_tokens"] =
        MaxTokensSent(dialect, call);
    if (dialect.json_schema) body["response_format"] = ResponseFormat(call.stage);
    request->body = body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  }

  bool Read(const json& body, ChatOutcome* outcome) const override {
    ReadUsage(body, &outcome->call);
    if (const std::string model = TextOf(body, "model"); !model.empty()) {
      outcome->call.set_model(model);
    }
    const auto choices = body.find("choices");
    const bool has_choice = choices != body.end() && choices->is_array() && !choices->empty() &&
                            choices->front().is_object();
    if (has_choice) ReadChoice(choices->front(), outcome);
    return has_choice;
  }

  NamedLimits Limits(const HttpResponse& response) const override {
    return {NumberHeader(response, "x-ratelimit-limit-requests"),
            NumberHeader(response, "x-ratelimit-limit-tokens")};
  }

  std::optional<std::chrono::microseconds> UntilReset(const HttpResponse& response,
                                                      WallTime) const override {
    std::optional<std::chrono::microseconds> longest;  // nothing is less than anything
    for (const std::string kind : {"requests", "tokens"}) {
      if (response.Header("x-ratelimit-remaining-" + kind) != "0") continue;
      longest = std::max(longest, ParseWait(response.Header("x-ratelimit-reset-" + kind)));
    }
    return longest;
  }

  bool has_batch_api() const override { return true; }

 private:
  virtual void Address(const LlmServerSettings& server, const std::string& base,
                       const std::string& query, const ChatCall&, HttpRequest* request) const {
    request->url = base + "/chat/completions" + query;
    if (!server.key.empty()) request->headers.emplace_back("authorization", "Bearer " + server.key);
  }

  static void ReadChoice(const json& choice, ChatOutcome* outcome) {
    const std::string finish = TextOf(choice, "finish_reason");
    const auto message = choice.find("message");
    if (message != choice.end() && message->is_object()) {
      outcome->content = ContentOf(*message);
      if (const std::string refusal = TextOf(*message, "refusal"); !refusal.empty()) {
        outcome->declined = true;
        outcome->why = "the model declined: " + refusal;
        outcome->call.set_outcome("refused");
      }
    }
    if (finish == "content_filter") {
      outcome->declined = true;
      outcome->why = "the provider's content filter stopped the answer";
      outcome->call.set_outcome("content_filter");
    } else if (finish == "length") {
      outcome->why = kCutOff;
      outcome->call.set_outcome("cut_off");
    }
  }
};

class AzureProvider : public OpenAiProvider {
  bool has_batch_api() const override { return false; }

  void Address(const LlmServerSettings& server, const std::string& base, const std::string& query,
               const ChatCall& call, HttpRequest* request) const override {
    request->url = base + "/openai/deployments/" + call.model + "/chat/completions" + query;
    if (query.find("api-version=") == std::string::npos) {
      request->url += (query.empty() ? "?api-version=" : "&api-version=");
      request->url += kAzureApiVersion;
    }
    if (!server.key.empty()) request->headers.emplace_back("api-key", server.key);
  }
};

}  // namespace

const Provider& OpenAi() {
  static const OpenAiProvider provider;
  return provider;
}

const Provider& Azure() {
  static const AzureProvider provider;
  return provider;
}

}  // namespace paperboy
