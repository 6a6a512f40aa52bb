// One call of an OpenAI-compatible chat server: the request, and what its
// response means. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/eastern.h"
#include "common/http_client.h"
#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

struct LlmServerSettings {
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

// The base URL for logs: without user, password and query.
std::string PrintableUrl(const std::string& base_url);

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

// The limits that a server's x-ratelimit-limit-* headers name; 0: not named.
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

// The same, or else the longest of x-ratelimit-reset-requests and -tokens, which
// say when all of a limit can be used again.
std::optional<std::chrono::microseconds> AskedWait(const HttpResponse& response, WallTime now);

// "6m0s", "1h2m3.5s", "20ms", "1.5s"; a number without a unit is seconds.
std::optional<std::chrono::microseconds> ParseWait(std::string_view text);

}  // namespace paperboy
