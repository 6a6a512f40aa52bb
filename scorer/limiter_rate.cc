#include "scorer/limiter_rate.h"

#include <algorithm>
#include <cmath>

namespace paperboy {
namespace {

constexpr double kMinuteUs = 60e6;
// A burst is taken off the quota of each window, so it is a small part of one:
// 0.25 s of 60.
constexpr double kBurstPartOfWindow = 1.0 / 240;
constexpr double kBucketBurstUs = kMinuteUs / 240;
// How near to one request too many a window may come; covers rounding.
constexpr double kNearlyOne = 0.99;

double Us(std::chrono::milliseconds time) { return std::chrono::microseconds(time).count(); }

}  // namespace

LimiterSettings InForce(LimiterSettings configured, const FoundLimits& found) {
  if (found.rpm > 0 && configured.rpm > found.rpm) configured.rpm = found.rpm;
  if (found.tpm > 0 && configured.tpm > found.tpm) configured.tpm = found.tpm;
  return configured;
}

int64_t TokensOfAWindow(const LimiterSettings& settings) {
  if (settings.window.count() == 0) return settings.tpm;
  return settings.tpm * settings.window.count() / 60'000;
}

RequestRate RateOfRequests(const LimiterSettings& settings) {
  if (settings.rpm == 0) return {};
  const double per_us = static_cast<double>(settings.rpm) / kMinuteUs;
  double rate = per_us;
  double burst = std::max(1.0, kBucketBurstUs * per_us);
  if (settings.window.count() > 0) {
    // A quota below one request per window still lets one through: then one
    // request's own interval is the window.
    const double window = std::max(Us(settings.window), 1 / per_us);
    const double whole = std::floor(window * per_us + 1e-9);
    burst = std::max(1.0, window * kBurstPartOfWindow * per_us);
    rate = (whole + kNearlyOne - burst) / (window + Us(settings.jitter));
  }
  return {1 / rate, burst / rate};
}

TokenRate RateOfTokens(const LimiterSettings& settings) {
  if (settings.tpm == 0) return {};
  const double per_us = static_cast<double>(settings.tpm) / kMinuteUs;
  if (settings.window.count() == 0) {
    return {static_cast<double>(settings.tpm), kMinuteUs, kBucketBurstUs * per_us, false};
  }
  const double window = Us(settings.window);
  return {window * per_us, window + Us(settings.jitter), window * kBurstPartOfWindow * per_us,
          true};
}

}  // namespace paperboy
