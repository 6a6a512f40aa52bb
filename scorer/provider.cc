#include "scorer/provider.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/text.h"
#include "common/tokens.h"
#include "scorer/answer.h"
#include "scorer/anthropic.h"
#include "scorer/json_fields.h"
#include "scorer/limiter_rate.h"
#include "scorer/openai.h"

namespace paperboy {
namespace {

using nlohmann::json;
using std::chrono::microseconds;
using wire::ProviderFailure;

// A call of which the server has seen nothing: it costs nothing.
constexpr char kNotSent[] = "not_sent";
constexpr char kNoQuota[] = "the account has no quota or credit left: ";
// A 429 that does not say how long.
constexpr microseconds kDefaultPause{2'000'000};
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

// The error of an OpenAI-compatible server: {"error": {message, type, code,
// param}}, with variations; a body that is none is its own message.
struct ServerError {
  std::string message;
  std::string code;
  std::string type;
  std::string param;
};

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

// Reads one response; its methods fill in the outcome.
class Interpreter {
 public:
  Interpreter(const LlmServerSettings& server, const ChatDialect& dialect, const std::string& model,
              bool worked, WallTime now)
      : server_(server),
        provider_(*ProviderNamed(server.backend)),
        dialect_(dialect),
        worked_(worked),
        now_(now) {
    outcome_.dialect = dialect;
    outcome_.call.set_model(model);
  }

  ChatOutcome Run(const Result<HttpResponse>& response) {
    if (!response) {
      NoResponse(response.error());
      return std::move(outcome_);
    }
    outcome_.call.set_http_status(static_cast<uint32_t>(response->status));
    outcome_.limits = provider_.Limits(*response);
    const json body = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    if (response->status == 200) {
      Success(*response, body);
    } else {
      Refusal(*response, response->status, ReadError(body, response->body));
    }
    outcome_.why = ForPeople(outcome_.why, server_.key);
    outcome_.call.set_model(ForPeople(outcome_.call.model(), server_.key));
    return std::move(outcome_);
  }

 private:
  void Fail(ProviderFailure::Kind kind, const char* outcome, const std::string& message) {
    outcome_.kind = ChatOutcome::Kind::kFailed;
    outcome_.call.set_outcome(outcome);
    outcome_.failure.set_kind(kind);
    outcome_.failure.set_message(ForPeople(message, server_.key));
  }

  void NoResponse(const Error& error) {
    switch (error.kind) {
      case ErrorKind::kInvalid:
      case ErrorKind::kUntrusted:
        return Fail(ProviderFailure::HARD, kNotSent, error.message);
      case ErrorKind::kUnreached:
        return Fail(ProviderFailure::TRANSIENT, kNotSent, error.message);
      case ErrorKind::kTimedOut:
        return Fail(ProviderFailure::TRANSIENT, "timeout", error.message);
      default:
        return Fail(ProviderFailure::TRANSIENT, "connection", error.message);
    }
  }

  void Success(const HttpResponse& response, const json& body) {
    if (!body.is_object()) {
      Fail(ProviderFailure::TRANSIENT, "bad_answer",
           "the model server answered 200 with something that is not JSON (" +
               response.Header("content-type") +
               "); is --llm-url right? It says: " + CutChars(response.body, kMaxMessageChars));
      return;
    }
    outcome_.call.set_outcome("ok");
    if (provider_.Read(body, &outcome_)) {
      outcome_.kind = ChatOutcome::Kind::kAnswered;
    } else {
      ErrorInSuccess(response, body);
    }
  }

  // OpenRouter and others answer 200 with an error whose code is the status.
  void ErrorInSuccess(const HttpResponse& response, const json& body) {
    const ServerError error = ReadError(body, response.body);
    int status = 0;
    std::from_chars(error.code.data(), error.code.data() + error.code.size(), status);
    if (body.contains("error") && status >= 400 && status < 600) {
      // Nobody pays for it, no more than if HTTP had said so.
      if (!outcome_.call.tokens_reported()) {
        outcome_.call.set_http_status(static_cast<uint32_t>(status));
      }
      Refusal(response, status, error);
      return;
    }
    Fail(ProviderFailure::TRANSIENT, "bad_answer",
         "the model server answered 200 without an answer in it: " + error.message);
  }

  void Refusal(const HttpResponse& response, int status, const ServerError& error) {
    const std::string said =
        "the model server answered HTTP " + std::to_string(status) + ": " + error.message;
    if (status == 429) {
      TooMany(response, error, said);
    } else if (status >= 500 || status == 408 || status == 409 || status == 425) {
      Fail(ProviderFailure::TRANSIENT, "server_error", said);
      outcome_.pause =
          std::min<microseconds>(RetryAfter(response, now_).value_or(microseconds(0)), kMaxPause);
    } else if (status == 400 || status == 413 || status == 422) {
      BadRequest(error, said);
    } else if (status == 401 || status == 403) {
      const char* what = status == 401
                             ? "the key is not accepted (--api-key-file, or its variable): "
                             : "access is refused to this key, or from here: ";
      Fail(ProviderFailure::HARD, "auth", what + said);
    } else if (status == 404) {
      Fail(ProviderFailure::HARD, "not_found", "no such model, or no such --llm-url: " + said);
    } else if (status >= 300 && status < 400) {
      Redirect(response, status);
    } else {
      Fail(ProviderFailure::HARD, "refused", said);
    }
  }

  void Redirect(const HttpResponse& response, int status) {
    const std::string where = PrintableUrl(response.Header("location"));
    Fail(ProviderFailure::HARD, "redirected",
         "the model server answered HTTP " + std::to_string(status) + ", a redirect to " +
             (where.empty() ? "nowhere" : where) +
             ": not followed, because the key would go along; if that is the right server, name it "
             "with --llm-url");
  }

  void TooMany(const HttpResponse& response, const ServerError& error, const std::string& said) {
    // A day's quota that is used up says so by the length of the wait.
    const bool outage = RetryAfter(response, now_).value_or(microseconds(0)) > kMaxPause;
    if (outage || OutOfMoney(error)) {
      Fail(ProviderFailure::HARD, "no_quota", kNoQuota + said);
      return;
    }
    // "The engine is currently overloaded": says nothing about the quota.
    if (Mentions(error, "overloaded")) {
      Fail(ProviderFailure::TRANSIENT, "server_error", said);
    } else {
      Fail(ProviderFailure::RATE_LIMITED, "rate_limited", said);
    }
    outcome_.pause = std::min<microseconds>(
        AskedWait(provider_, response, now_).value_or(kDefaultPause), kMaxPause);
  }

  void BadRequest(const ServerError& error, const std::string& said) {
    // Servers name both parameters when the papers and the answer are too long together.
    const bool wants_max_completion =
        Mentions(error, "max_tokens") &&
        (Mentions(error, "unsupported") || Mentions(error, "use 'max_completion_tokens' instead"));
    // Before the model has worked, something unsupported is most likely the form.
    const bool something_unsupported = !worked_ && Mentions(error, "unsupported");
    const bool about_format = Mentions(error, "response_format") ||
                              Mentions(error, "json_schema") || Mentions(error, "output_config");
    const bool filtered = error.code == "content_filter" || Mentions(error, "responsibleaipolicy");
    if (error.code == "model_not_found" || Mentions(error, "model_not_found")) {
      Fail(ProviderFailure::HARD, "not_found", "no such model: " + said);
    } else if (OutOfMoney(error)) {
      Fail(ProviderFailure::HARD, "no_quota", kNoQuota + said);
    } else if (filtered) {
      PapersRefused("content_filter", said);
    } else if (wants_max_completion && !dialect_.max_completion_tokens) {
      outcome_.dialect.max_completion_tokens = true;
      Fail(ProviderFailure::AGAIN, "bad_request", said);
    } else if (error.param == "temperature" || (!worked_ && Mentions(error, "temperature"))) {
      Fail(ProviderFailure::HARD, "bad_request", said + " (--temperature sets or removes it)");
    } else if (dialect_.json_schema && (about_format || something_unsupported)) {
      outcome_.dialect.json_schema = false;
      Fail(ProviderFailure::AGAIN, "bad_request", said);
    } else if (worked_) {
      PapersRefused("bad_request", said);
    } else if (Mentions(error, "context") || Mentions(error, "too large")) {
      Fail(ProviderFailure::HARD, "bad_request",
           "the call is too long for the model (give it a longer context, or the profile a smaller "
           "batch_size): " +
               said);
    } else {
      Fail(ProviderFailure::HARD, "bad_request", said);
    }
  }

  void PapersRefused(const char* outcome, const std::string& said) {
    outcome_.kind = ChatOutcome::Kind::kPapersRefused;
    outcome_.why = said;
    outcome_.call.set_outcome(outcome);
  }

  // As a 400 or 429: OpenAI's hard limit, Anthropic's balance and spend limits.
  static bool OutOfMoney(const ServerError& error) {
    return Mentions(error, "insufficient_quota") || Mentions(error, "billing_hard_limit") ||
           Mentions(error, "credit balance") || Mentions(error, "api usage limits");
  }

  const LlmServerSettings& server_;
  const Provider& provider_;
  const ChatDialect& dialect_;
  bool worked_;
  WallTime now_;
  ChatOutcome outcome_;
};

}  // namespace

std::string QuotaKey(const LlmServerSettings& server, const std::string& model) {
  return Sha256Hex(server.base_url + "\n" + server.key + "\n" + model).substr(0, 16);
}

std::string AccountKey(const LlmServerSettings& server) {
  return Sha256Hex(server.base_url + "\n" + server.key).substr(0, 16);
}

std::string ForPeople(const std::string& text, const std::string& key) {
  std::string line = text;
  if (!key.empty()) ReplaceAll(&line, key, "[key]");
  RemoveSkWords(&line);
  return CutChars(CleanText(line), kMaxMessageChars);
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

std::pair<std::string, std::string> SplitQuery(const std::string& base_url) {
  const size_t query = std::min(base_url.find('?'), base_url.size());
  return {base_url.substr(0, query), base_url.substr(query)};
}

int64_t MaxTokensSent(const ChatDialect& dialect, const ChatCall& call) {
  return MaxAnswerTokens(call.stage, call.papers) +
         (dialect.max_completion_tokens ? kReasoningTokens : 0);
}

HttpRequest BuildChatRequest(const LlmServerSettings& server, const ChatDialect& dialect,
                             const ChatCall& call) {
  HttpRequest request;
  request.method = "POST";
  request.headers = {{"content-type", "application/json"}, {"accept", "application/json"}};
  request.timeout = server.timeout;
  request.max_body_bytes = kMaxAnswerBytes;
  ProviderNamed(server.backend)->Write(server, dialect, call, &request);
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
  return UntilInstant(after, "%a, %d %b %Y %H:%M:%S GMT", now);
}

std::optional<microseconds> UntilInstant(const std::string& text, const char* format,
                                         WallTime now) {
  std::tm parts{};
  const char* const rest = strptime(text.c_str(), format, &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  // Not as a WallTime, which ends in 2262.
  const microseconds at = std::chrono::seconds(timegm(&parts));
  return std::max(microseconds(0),
                  at - std::chrono::duration_cast<microseconds>(now.time_since_epoch()));
}

std::optional<microseconds> AskedWait(const Provider& provider, const HttpResponse& response,
                                      WallTime now) {
  if (const auto wait = RetryAfter(response, now); wait) return wait;
  return provider.UntilReset(response, now);
}

int64_t NumberHeader(const HttpResponse& response, const std::string& name) {
  const std::string text = response.Header(name);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value > 0 ? value : 0;
}

const Provider* ProviderNamed(const std::string& backend) {
  if (backend == "openai") return &OpenAi();
  if (backend == "azure") return &Azure();
  return backend == "anthropic" ? &Anthropic() : nullptr;
}

}  // namespace paperboy
