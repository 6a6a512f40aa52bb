#include "tests/support/llm_messages.h"

#include <cstdlib>

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;

std::string Instant(std::time_t at) {
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// 6m0s, 1.5s, 20ms, rounded up.
std::time_t Seconds(const std::string& duration) {
  const size_t minutes = duration.find('m');
  if (minutes == std::string::npos) return 1 + std::atoi(duration.c_str());
  if (duration.compare(minutes, 2, "ms") == 0) return 1;
  return 60 * std::atoi(duration.c_str()) + std::atoi(duration.c_str() + minutes + 1);
}

std::string ErrorType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 529:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

std::string StopReason(const Json& choice) {
  const std::string finish = choice.value("finish_reason", std::string());
  if (finish == "content_filter" || choice["message"]["refusal"].is_string()) return "refusal";
  return finish == "length" ? "max_tokens" : "end_turn";
}

Json Message(const Json& chat) {
  const Json& choice = chat.at("choices").at(0);
  const Json& text = choice.at("message").at("content");
  Json content = Json::array();
  if (text.is_string()) content.push_back({{"type", "text"}, {"text", text}});
  Json message = {{"id", "msg_1"},       {"type", "message"},
                  {"role", "assistant"}, {"model", chat.at("model")},
                  {"content", content},  {"stop_reason", StopReason(choice)}};
  if (chat.contains("usage")) {
    const Json& usage = chat.at("usage");
    const auto cached = usage["prompt_tokens_details"]["cached_tokens"].get<uint64_t>();
    message["usage"] = {{"input_tokens", usage["prompt_tokens"].get<uint64_t>() - cached},
                        {"cache_creation_input_tokens", 0},
                        {"cache_read_input_tokens", cached},
                        {"output_tokens", usage["completion_tokens"]}};
  }
  return message;
}

void TranslateHeaders(httplib::Response* response, std::time_t now) {
  for (const std::string kind : {"requests", "tokens"}) {
    for (const std::string what : {"limit", "remaining", "reset"}) {
      const std::string name = "x-ratelimit-" + what + "-" + kind;
      if (!response->has_header(name)) continue;
      const std::string value = response->get_header_value(name);
      response->headers.erase(name);
      response->set_header("anthropic-ratelimit-" + kind + "-" + what,
                           what == "reset" ? Instant(now + Seconds(value)) : value);
    }
  }
  response->headers.erase("retry-after-ms");
}

}  // namespace

std::string MessagesError(const httplib::Request& request) {
  if (!request.has_header("anthropic-version")) return "anthropic-version: header is required";
  const Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object() || !body.contains("max_tokens")) return "max_tokens: Field required";
  if (body.contains("response_format")) return "response_format: Extra inputs are not permitted";
  return "";
}

std::string ChatFromMessages(const std::string& body) {
  Json chat = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!chat.is_object()) return body;
  if (chat.contains("output_config")) {
    const Json schema = chat["output_config"]["format"]["schema"];
    chat.erase("output_config");
    chat["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", schema}}}};
  }
  return chat.dump();
}

void ToMessages(httplib::Response* response, std::time_t now) {
  TranslateHeaders(response, now);
  const Json chat = Json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  if (!chat.is_object()) return;  // a gateway's page, or what is sent piece by piece
  Json body;
  if (chat.contains("choices")) {
    body = Message(chat);
  } else {
    const std::string code = chat["error"]["code"].is_string() ? chat["error"]["code"] : "";
    if (code == "insufficient_quota") response->status = 400;
    body = {{"type", "error"},
            {"error",
             {{"type", ErrorType(response->status)},
              {"message", code == "insufficient_quota"
                              ? Json("Your credit balance is too low to access the API.")
                              : chat["error"]["message"]}}}};
  }
  response->body = body.dump();
}

}  // namespace paperboy
