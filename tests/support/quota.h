// How a provider enforces a quota on requests and tokens at once. Time is passed
// in; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace paperboy {

class Quota {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Seconds = std::chrono::duration<double>;
  enum class Mode {
    kBucket,   // refilled continuously, one window's worth large (OpenAI)
    kSliding,  // no window of this length ever sees more (the strictest reading)
  };
  struct Limits {
    double requests_per_minute = 0;  // 0: no limit
    double tokens_per_minute = 0;    // 0: no limit
    Seconds window{60};              // > 0
    Mode mode = Mode::kBucket;
  };

  explicit Quota(Limits limits) : limits_(limits) {}

  // The limits from now on; what was admitted before still counts.
  void SetLimits(const Limits& limits) { limits_ = limits; }
  const Limits& limits() const { return limits_; }

  // Admits one request with `tokens` and returns 0, or admits nothing and
  // returns how long to wait (more than 0). More tokens than fit into one
  // window wait for ever: one window is returned.
  Seconds Take(double tokens, Time now);

  // What was left after the last Take; 0 without a limit.
  double remaining_requests() const;
  double remaining_tokens() const;
  // What one window may hold; 0: no limit.
  double window_requests() const { return PerSecond(limits_.requests_per_minute); }
  double window_tokens() const { return PerSecond(limits_.tokens_per_minute); }
  // The most that was admitted in any one window.
  uint64_t max_window_requests() const { return max_window_requests_; }
  double max_window_tokens() const { return max_window_tokens_; }

 private:
  struct Admitted {
    Time at;
    double tokens;
  };
  double PerSecond(double per_minute) const { return per_minute / 60 * limits_.window.count(); }
  Seconds TakeFromBuckets(double tokens, Time now);
  Seconds TakeFromWindow(double tokens, Time now) const;

  Limits limits_;
  std::deque<Admitted> window_;
  double window_token_sum_ = 0;
  bool started_ = false;
  Time refilled_;
  double request_bucket_ = 0;
  double token_bucket_ = 0;
  uint64_t max_window_requests_ = 0;
  double max_window_tokens_ = 0;
};

}  // namespace paperboy
