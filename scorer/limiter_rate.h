// The rates at which a quota can be used without any of the provider's windows
// seeing more than it allows. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace paperboy {

// A refusal's pause is believed up to here; a longer one is an outage, and left
// to whoever hands out the work.
inline constexpr std::chrono::seconds kMaxPause{60};
// Who asked for a pause: a refusal for the rate, or a server that fails.
enum class PauseFor { kQuota, kServer };

struct LimiterSettings {
  int64_t rpm = 0;  // requests per minute; 0: not limited
  int64_t tpm = 0;  // tokens per minute; 0: not limited
  // The provider's window: it counts over any stretch of this length. 0: it
  // refills a bucket of at least a second's quota continuously.
  std::chrono::milliseconds window{60'000};
  // A request arrives at most that much after its send time.
  std::chrono::milliseconds jitter{120};
  // Send times are reserved at most that far ahead.
  std::chrono::milliseconds horizon{2'000};
  // The room kept for the largest call costs rate; it is given up when no call
  // of more than half that size was asked for in this time.
  std::chrono::milliseconds memory{300'000};

  bool limited() const { return rpm > 0 || tpm > 0; }
  bool operator==(const LimiterSettings&) const = default;
};

// Limits that the provider turned out to have, below those configured, as the
// shared state has them (limiter_script.h); 0: as configured.
struct FoundLimits {
  int64_t rpm = 0;
  int64_t tpm = 0;

  bool operator==(const FoundLimits&) const = default;
};
LimiterSettings InForce(LimiterSettings configured, const FoundLimits& found);

// The most tokens that a call may take, or a provider admits it never: a window's, a
// bucket's. 0: not limited.
int64_t TokensOfAWindow(const LimiterSettings& settings);

// With a rate R, a burst C and arrivals up to J late, GCRA lets at most
// R * (W + J) + C into a window of W. A quota of N per window is therefore kept
// with R = (N - C) / (W + J). Requests are whole, so that N + 1 is the first
// number too many; tokens are not. For a bucket R is the quota itself.

struct RequestRate {
  double cost_us = 0;   // 1 / R; 0: not limited
  double burst_us = 0;  // C / R, at least cost_us
};
RequestRate RateOfRequests(const LimiterSettings& settings);

// R = (quota - burst) / span, or quota / span if the burst does not count. The
// burst must cover the largest call, which only the shared state knows (`big`
// in limiter_script.h), so that the script computes the rate.
struct TokenRate {
  double quota = 0;  // 0: not limited
  double span_us = 60e6;
  double burst = 0;  // at least
  bool burst_counts = false;
};
TokenRate RateOfTokens(const LimiterSettings& settings);

}  // namespace paperboy
