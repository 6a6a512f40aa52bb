#include "scorer/openai.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/text.h"
#include "scorer/answer.h"
#include "scorer/limiter_rate.h"

namespace paperboy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::microseconds;
using wire::ProviderFailure;

// A 429 that does not say how long.
constexpr microseconds kDefaultPause{2'000'000};
// What a reasoning model may think before it answers; it is charged against
// max_completion_tokens, unlike max_tokens of other models.
constexpr int64_t kReasoningTokens = 8'192;
// Answers for 64 papers with comments of full length stay below.
constexpr size_t kMaxAnswerBytes = 2 << 20;
constexpr size_t kMaxMessageChars = 300;

void ReplaceAll(std::string* text, std::string_view what, std::string_view with) {
  for (size_t at = text->find(what); at != std::string::npos;
       at = text->find(what, at + with.size())) {
    text->replace(at, what.size(), with);
  }
}

// Everything that looks like a key of OpenAI's kind, masked by the server or not.
void RemoveSkWords(std::string* text) {
  for (size_t at = text->find("sk-"); at != std::string::npos; at = text->find("sk-", at)) {
    const bool begins_word = at == 0 || !std::isalnum(static_cast<unsigned char>((*text)[at - 1]));
    size_t end = at;
    while (end < text->size() &&
           (std::isalnum(static_cast<unsigned char>((*text)[end])) ||
            std::string_view("-_*").find((*text)[end]) != std::string::npos)) {
      ++end;
    }
    if (begins_word) text->replace(at, end - at, "[key]");
    at += begins_word ? 5 : 3;
  }
}

// One short line for people, without the key.
std::string Cleaned(std::string text, const std::string& key) {
  if (!key.empty()) ReplaceAll(&text, key, "[key]");
  RemoveSkWords(&text);
  return CutChars(CleanText(text), kMaxMessageChars);
}

// The error of an OpenAI-compatible server: {"error": {message, type, code,
// param}}, with variations; a body that is none is its own message.
struct ServerError {
  std::string message;
  std::string code;
  std::string type;
  std::string param;
};

std::string TextOf(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? found->dump() : "";
}

ServerError ReadError(const json& body, const std::string& raw) {
  ServerError error;
  const json* object = &body;
  if (body.is_array() && body.size() == 1) object = &body.front();  // Google's
  if (object->is_object()) {
    const auto inner = object->find("error");
    if (inner != object->end() && inner->is_string()) error.message = inner->get<std::string>();
    const json& fields = inner != object->end() && inner->is_object() ? *inner : *object;
    if (error.message.empty()) error.message = TextOf(fields, "message");
    if (error.message.empty()) error.message = TextOf(fields, "detail");
    error.code = TextOf(fields, "code");
    error.type = TextOf(fields, "type");
    error.param = TextOf(fields, "param");
  }
  if (error.message.empty()) error.message = CutChars(raw, 4 * kMaxMessageChars);
  return error;
}

bool Mentions(const ServerError& error, std::string_view folded) {
  for (const std::string* text : {&error.message, &error.code, &error.type, &error.param}) {
    if (FoldCase(*text).find(folded) != std::string::npos) return true;
  }
  return false;
}

std::optional<uint64_t> Count(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

void ReadUsage(const json& body, wire::Call* call) {
  const auto usage = body.find("usage");
  if (usage == body.end() || !usage->is_object()) return;
  const auto prompt = Count(*usage, "prompt_tokens");
  const auto completion = Count(*usage, "completion_tokens");
  if (!prompt || !completion) return;
  call->set_tokens_reported(true);
  call->set_prompt_tokens(*prompt);
  call->set_completion_tokens(*completion);
  const auto details = usage->find("prompt_tokens_details");
  if (details != usage->end() && details->is_object()) {
    call->set_cached_tokens(std::min(Count(*details, "cached_tokens").value_or(0), *prompt));
  }
}

// A message's content: a string, or a list of parts of which some are text.
std::string ContentOf(const json& message) {
  const auto content = message.find("content");
  if (content == message.end()) return "";
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  if (content->is_array()) {
    for (const json& part : *content) {
      if (part.is_object()) text += TextOf(part, "text");
    }
  }
  return text;
}

int64_t LimitHeader(const HttpResponse& response, const char* name) {
  const std::string text = response.Header(name);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value > 0 ? value : 0;
}

std::optional<microseconds> Micros(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return std::nullopt;
  return microseconds(std::llround(seconds * 1e6));
}

std::optional<double> Number(std::string_view text, size_t* used) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  *used = static_cast<size_t>(end - text.data());
  return value;
}

std::optional<microseconds> UntilHttpDate(const std::string& text, WallTime now) {
  std::tm parts{};
  if (strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return std::nullopt;
  const WallTime at = std::chrono::system_clock::from_time_t(timegm(&parts));
  return std::max(microseconds(0), std::chrono::duration_cast<microseconds>(at - now));
}

// Reads one response; its methods fill in the outcome.
class Interpreter {
 public:
  Interpreter(const LlmServerSettings& server, const ChatDialect& dialect, const std::string& model,
              bool worked, WallTime now)
      : server_(server), dialect_(dialect), worked_(worked), now_(now) {
    outcome_.dialect = dialect;
    outcome_.call.set_model(model);
  }

  ChatOutcome Run(const Result<HttpResponse>& response) {
    if (!response) {
      const std::string& message = response.error().message;
      const bool timed_out = FoldCase(message).find("timed out") != std::string::npos;
      Fail(ProviderFailure::TRANSIENT, timed_out ? "timeout" : "connection", message);
      return std::move(outcome_);
    }
    outcome_.call.set_http_status(static_cast<uint32_t>(response->status));
    outcome_.limits = {LimitHeader(*response, "x-ratelimit-limit-requests"),
                       LimitHeader(*response, "x-ratelimit-limit-tokens")};
    const json body = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    if (response->status == 200) {
      Success(*response, body);
    } else {
      Refusal(*response, response->status, ReadError(body, response->body));
    }
    return std::move(outcome_);
  }

 private:
  void Fail(ProviderFailure::Kind kind, const char* outcome, const std::string& message) {
    outcome_.kind = ChatOutcome::Kind::kFailed;
    outcome_.call.set_outcome(outcome);
    outcome_.failure.set_kind(kind);
    outcome_.failure.set_message(Cleaned(message, server_.key));
  }

  void Success(const HttpResponse& response, const json& body) {
    if (!body.is_object()) {
      Fail(ProviderFailure::TRANSIENT, "bad_answer",
           "the model server answered 200 with something that is not JSON (" +
               response.Header("content-type") +
               "); is --llm-url right? It says: " + CutChars(response.body, kMaxMessageChars));
      return;
    }
    ReadUsage(body, &outcome_.call);
    const std::string model = ValidUtf8(TextOf(body, "model"));
    if (!model.empty()) outcome_.call.set_model(CutChars(model, kMaxMessageChars));
    const auto choices = body.find("choices");
    const bool has_choice = choices != body.end() && choices->is_array() && !choices->empty() &&
                            choices->front().is_object();
    if (!has_choice) {
      ErrorInSuccess(response, body);
      return;
    }
    Choice(choices->front());
  }

  // OpenRouter and others answer 200 with an error whose code is the status.
  void ErrorInSuccess(const HttpResponse& response, const json& body) {
    const ServerError error = ReadError(body, response.body);
    int status = 0;
    std::from_chars(error.code.data(), error.code.data() + error.code.size(), status);
    if (body.contains("error") && status >= 400 && status < 600) {
      Refusal(response, status, error);
      return;
    }
    Fail(ProviderFailure::TRANSIENT, "bad_answer",
         "the model server's answer has no choices: " + error.message);
  }

  void Choice(const json& choice) {
    outcome_.kind = ChatOutcome::Kind::kAnswered;
    outcome_.call.set_outcome("ok");
    const std::string finish = TextOf(choice, "finish_reason");
    const auto message = choice.find("message");
    if (message != choice.end() && message->is_object()) {
      outcome_.content = ContentOf(*message);
      if (const std::string refusal = TextOf(*message, "refusal"); !refusal.empty()) {
        outcome_.declined = true;
        outcome_.why = "the model declined: " + Cleaned(refusal, server_.key);
        outcome_.call.set_outcome("refused");
      }
    }
    if (finish == "content_filter") {
      outcome_.declined = true;
      outcome_.why = "the provider's content filter stopped the answer";
      outcome_.call.set_outcome("content_filter");
    } else if (finish == "length") {
      outcome_.why = "the answer was cut off at its greatest length";
      outcome_.call.set_outcome("cut_off");
    }
  }

  void Refusal(const HttpResponse& response, int status, const ServerError& error) {
    const std::string said =
        "the model server answered HTTP " + std::to_string(status) + ": " + error.message;
    if (status == 429) {
      TooMany(response, error, said);
    } else if (status >= 500 || status == 408 || status == 409 || status == 425) {
      Fail(ProviderFailure::TRANSIENT, "server_error", said);
      outcome_.pause =
          std::min<microseconds>(AskedWait(response, now_).value_or(microseconds(0)), kMaxPause);
    } else if (status == 400 || status == 413 || status == 422) {
      BadRequest(error, said);
    } else if (status == 401 || status == 403) {
      Fail(ProviderFailure::HARD, "auth", said);
    } else if (status == 404) {
      Fail(ProviderFailure::HARD, "not_found", said);
    } else {
      Fail(ProviderFailure::HARD, "refused", said);
    }
  }

  void TooMany(const HttpResponse& response, const ServerError& error, const std::string& said) {
    // A day's quota that is used up says so by the length of the wait.
    const bool outage = RetryAfter(response, now_).value_or(microseconds(0)) > kMaxPause;
    if (outage || Mentions(error, "insufficient_quota")) {
      Fail(ProviderFailure::HARD, "no_quota", said);
      return;
    }
    Fail(ProviderFailure::RATE_LIMITED, "rate_limited", said);
    outcome_.pause =
        std::min<microseconds>(AskedWait(response, now_).value_or(kDefaultPause), kMaxPause);
  }

  void BadRequest(const ServerError& error, const std::string& said) {
    const bool about_max_tokens = error.param == "max_tokens" || Mentions(error, "max_completion");
    // Before the model has worked, something unsupported is most likely the form.
    const bool something_unsupported = !worked_ && Mentions(error, "unsupported");
    const bool about_format = Mentions(error, "response_format") || Mentions(error, "json_schema");
    if (error.code == "model_not_found" || Mentions(error, "model_not_found")) {
      Fail(ProviderFailure::HARD, "not_found", said);
    } else if (about_max_tokens && !dialect_.max_completion_tokens) {
      outcome_.dialect.max_completion_tokens = true;
      Fail(ProviderFailure::AGAIN, "bad_request", said);
    } else if (error.param == "temperature") {
      Fail(ProviderFailure::HARD, "bad_request", said + " (--temperature sets or removes it)");
    } else if (dialect_.json_schema && (about_format || something_unsupported)) {
      outcome_.dialect.json_schema = false;
      Fail(ProviderFailure::AGAIN, "bad_request", said);
    } else if (worked_) {
      outcome_.kind = ChatOutcome::Kind::kPapersRefused;
      outcome_.why = Cleaned(said, server_.key);
      outcome_.call.set_outcome("bad_request");
    } else {
      Fail(ProviderFailure::HARD, "bad_request", said);
    }
  }

  const LlmServerSettings& server_;
  const ChatDialect& dialect_;
  bool worked_;
  WallTime now_;
  ChatOutcome outcome_;
};

}  // namespace

std::string QuotaKey(const LlmServerSettings& server, const std::string& model) {
  return Sha256Hex(server.base_url + "\n" + server.key + "\n" + model).substr(0, 16);
}

std::string PrintableUrl(const std::string& base_url) {
  std::string url = base_url.substr(0, base_url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t path = std::min(url.find('/', host), url.size());
  const size_t at = url.rfind('@', path);
  if (at != std::string::npos && at >= host && at < path) url.erase(host, at + 1 - host);
  return url;
}

int64_t MaxTokensSent(const ChatDialect& dialect, const ChatCall& call) {
  return MaxAnswerTokens(call.stage, call.papers) +
         (dialect.max_completion_tokens ? kReasoningTokens : 0);
}

HttpRequest BuildChatRequest(const LlmServerSettings& server, const ChatDialect& dialect,
                             const ChatCall& call) {
  ordered_json body = {{"model", call.model},
                       {"messages", {{{"role", "user"}, {"content", call.prompt}}}}};
  if (!server.temperature.empty()) body["temperature"] = json::parse(server.temperature);
  body[dialect.max_completion_tokens ? "max_completion_tokens" : "max_tokens"] =
      MaxTokensSent(dialect, call);
  if (dialect.json_schema) body["response_format"] = ResponseFormat(call.stage);
  HttpRequest request;
  request.method = "POST";
  const size_t query = std::min(server.base_url.find('?'), server.base_url.size());
  request.url =
      server.base_url.substr(0, query) + "/chat/completions" + server.base_url.substr(query);
  request.headers = {{"content-type", "application/json"}, {"accept", "application/json"}};
  if (!server.key.empty()) request.headers.emplace_back("authorization", "Bearer " + server.key);
  request.body = body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  request.timeout = server.timeout;
  request.max_body_bytes = kMaxAnswerBytes;
  return request;
}

ChatOutcome InterpretChat(const LlmServerSettings& server, const ChatDialect& dialect,
                          const std::string& model, bool worked, WallTime now,
                          const Result<HttpResponse>& response) {
  return Interpreter(server, dialect, model, worked, now).Run(response);
}

std::optional<microseconds> ParseWait(std::string_view text) {
  size_t used = 0;
  double seconds = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::optional<double> value = Number(text, &used);
    if (!value) return std::nullopt;
    text.remove_prefix(used);
    size_t letters = 0;
    while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters]))) {
      ++letters;
    }
    const std::string_view unit = text.substr(0, letters);
    text.remove_prefix(letters);
    if (unit == "ms") {
      seconds += *value / 1e3;
    } else if (unit == "s" || unit.empty()) {
      seconds += *value;
    } else if (unit == "m") {
      seconds += *value * 60;
    } else if (unit == "h") {
      seconds += *value * 3600;
    } else if (unit == "d") {
      seconds += *value * 86400;
    } else {
      return std::nullopt;
    }
  }
  return Micros(seconds);
}

std::optional<microseconds> RetryAfter(const HttpResponse& response, WallTime now) {
  if (const auto ms = ParseWait(response.Header("retry-after-ms")); ms) return *ms / 1000;
  const std::string after = response.Header("retry-after");
  if (const auto wait = ParseWait(after); wait) return wait;
  return UntilHttpDate(after, now);
}

std::optional<microseconds> AskedWait(const HttpResponse& response, WallTime now) {
  if (const auto wait = RetryAfter(response, now); wait) return wait;
  const auto requests = ParseWait(response.Header("x-ratelimit-reset-requests"));
  const auto tokens = ParseWait(response.Header("x-ratelimit-reset-tokens"));
  if (!requests && !tokens) return std::nullopt;
  return std::max(requests.value_or(microseconds(0)), tokens.value_or(microseconds(0)));
}

}  // namespace paperboy
