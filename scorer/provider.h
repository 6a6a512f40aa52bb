// One call of a model's server: the request, and what its response means. What
// differs between providers stands behind Provider; what is the same for all
// (failures, waits, messages for people) stands here once. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/eastern.h"
#include "common/http_client.h"
#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

class Provider;

struct LlmServerSettings {
  // What it speaks, as --backend names it: a name that ProviderNamed knows.
  std::string backend = "openai";
  std::string base_url;     // as https://host/v1, without a slash at the end
  std::string key;          // empty: none is sent
  std::string temperature;  // as JSON, e.g. 0 or 0.7; empty: not sent
  Milliseconds timeout{120'000};
};

// What a server is known to take for a model; starts with the best and learns
// from refusals.
struct ChatDialect {
  bool json_schema = true;             // else plain text is asked for
  bool max_completion_tokens = false;  // instead of max_tokens, as reasoning models want it
};

// Whose quota a call uses: 16 hex digits, a hash of base URL, key and model.
std::string QuotaKey(const LlmServerSettings& server, const std::string& model);
// Whose batch jobs it sees: the same of base URL and key.
std::string AccountKey(const LlmServerSettings& server);

// What a server says, as one short line for people, without the key.
std::string ForPeople(const std::string& text, const std::string& key);

// The base URL for logs: without user, password and query.
std::string PrintableUrl(const std::string& base_url);

// The base URL without its query, and the query, "" or from the `?` on.
std::pair<std::string, std::string> SplitQuery(const std::string& base_url);

// `prompt` is the whole user message; see answer.h for the sizes.
struct ChatCall {
  std::string model;
  wire::Stage stage = wire::STAGE_ABSTRACT;
  std::string prompt;
  size_t papers = 0;
};

HttpRequest BuildChatRequest(const LlmServerSettings& server, const ChatDialect& dialect,
                             const ChatCall& call);

// The answer's length in tokens that the request allows for.
int64_t MaxTokensSent(const ChatDialect& dialect, const ChatCall& call);

// The limits per minute that a response's headers name; 0: not named.
struct NamedLimits {
  int64_t requests = 0;
  int64_t tokens = 0;
};

struct ChatOutcome {
  enum class Kind {
    kAnswered,       // `content` is to be checked; what it lacks is missing because of `why`
    kPapersRefused,  // the request was refused for what stands in it: `why`
    kFailed,         // the provider failed: `failure`
  };
  Kind kind = Kind::kFailed;
  std::string content;
  std::string why;        // kAnswered: empty, or why the answer is short
  bool declined = false;  // kAnswered: the model or a filter declined, `why` says which
  wire::ProviderFailure failure;
  // Everybody waits that long before the next call; at most kMaxPause
  // (limiter_rate.h). A 429 that asks for more is a HARD failure.
  std::chrono::microseconds pause{0};
  NamedLimits limits;
  ChatDialect dialect;  // for the next call
  wire::Call call;      // without id and latency_ms
};

// `worked`: this server has answered a call to this model before, so that a 400
// is about the papers and not about the settings. `now` is for Retry-After as a
// date.
ChatOutcome InterpretChat(const LlmServerSettings& server, const ChatDialect& dialect,
                          const std::string& model, bool worked, WallTime now,
                          const Result<HttpResponse>& response);

// How long a refusal says that it lasts, unbounded; nothing if it does not say.
// In order: retry-after-ms; retry-after as seconds (also decimals) or HTTP date.
std::optional<std::chrono::microseconds> RetryAfter(const HttpResponse& response, WallTime now);

// From now until an instant written in this strptime format, in UTC; 0 when it is over.
std::optional<std::chrono::microseconds> UntilInstant(const std::string& text, const char* format,
                                                      WallTime now);

// RetryAfter, or else when a limit that is used up is whole again (Provider::UntilReset).
std::optional<std::chrono::microseconds> AskedWait(const Provider& provider,
                                                   const HttpResponse& response, WallTime now);

// "6m0s", "1h2m3.5s", "20ms", "1.5s"; a number without a unit is seconds.
std::optional<std::chrono::microseconds> ParseWait(std::string_view text);

// A positive whole number in a header; else 0.
int64_t NumberHeader(const HttpResponse& response, const std::string& name);

// Why an answer is short that has reached its max_tokens.
inline constexpr char kCutOff[] = "the answer was cut off at its greatest length";

// How one kind of provider is spoken to. Stateless; one object each.
class Provider {
 public:
  virtual ~Provider() = default;

  // URL, headers and body; BuildChatRequest adds what is the same for all.
  virtual void Write(const LlmServerSettings& server, const ChatDialect& dialect,
                     const ChatCall& call, HttpRequest* request) const = 0;
  // Fills in content, tokens and model from the body of a 200, and where the answer
  // is short `why`, `declined` and the call's outcome. False, with nothing filled in
  // but tokens and model: it holds no answer.
  virtual bool Read(const nlohmann::json& body, ChatOutcome* outcome) const = 0;
  virtual NamedLimits Limits(const HttpResponse& response) const = 0;
  // The longest until a limit of which nothing is left can be used in whole again. Of
  // others it says nothing: a bucket that is half empty takes its time to fill, too.
  virtual std::optional<std::chrono::microseconds> UntilReset(const HttpResponse& response,
                                                              WallTime now) const = 0;
  // Whether it takes calls as a file to be answered within a day, as job_api.h sends them.
  // Azure's has deployments of its own for that and Anthropic's another form: not yet.
  virtual bool has_batch_api() const { return false; }
};

// openai, azure, anthropic; null for any other name.
const Provider* ProviderNamed(const std::string& backend);

}  // namespace paperboy
