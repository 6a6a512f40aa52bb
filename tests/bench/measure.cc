#include "tests/bench/measure.h"

#include <algorithm>

namespace paperboy::bench {
namespace {

// GCRA on both dimensions, as scorer/limiter_script.cc has it, for calls that
// are always there: the seconds until the next call after these may go.
double IdealSeconds(const Arrivals& arrivals, const LimiterSettings& limits) {
  const RequestRate requests = RateOfRequests(limits);
  const TokenRate tokens = RateOfTokens(limits);
  double largest = 0;
  for (const auto& call : arrivals) largest = std::max(largest, call.tokens);
  const double burst = std::min(std::max(tokens.burst, largest), tokens.quota / 2);
  const double rate = (tokens.quota - (tokens.burst_counts ? burst : 0)) / tokens.span_us;
  // Both bursts are used up at the start.
  double tr = requests.burst_us, tt = rate > 0 ? burst / rate : 0;
  double now = 0;
  for (const auto& call : arrivals) {
    if (!call.admitted) continue;
    const double cr = requests.cost_us;
    const double ct = rate > 0 ? call.tokens / rate : 0;
    const double at_requests = cr > 0 ? tr + cr - requests.burst_us : 0;
    const double at_tokens = rate > 0 ? tt + ct - burst / rate : 0;
    now = std::max({now, at_requests, at_tokens});
    tr = std::max(tr, now) + cr;
    tt = std::max(tt, now) + ct;
  }
  return now / 1e6;
}

}  // namespace

Arrivals Between(const Arrivals& all, Quota::Time from, Quota::Time to) {
  Arrivals part;
  for (const auto& arrival : all) {
    if (arrival.at >= from && arrival.at < to) part.push_back(arrival);
  }
  return part;
}

size_t Refused(const Arrivals& arrivals) {
  return static_cast<size_t>(std::count_if(arrivals.begin(), arrivals.end(),
                                           [](const auto& call) { return !call.admitted; }));
}

Use UseOf(const Arrivals& arrivals, double seconds, const LimiterSettings& limits) {
  Use use;
  use.seconds = seconds;
  for (const auto& call : arrivals) {
    if (!call.admitted) continue;
    ++use.calls;
    use.tokens += call.tokens;
  }
  use.ideal = IdealSeconds(arrivals, limits);
  const auto part = [&](double used, int64_t per_minute) {
    return per_minute > 0 ? used / (static_cast<double>(per_minute) / 60 * seconds) : 0;
  };
  use.of_limit =
      std::max(part(static_cast<double>(use.calls), limits.rpm), part(use.tokens, limits.tpm));
  return use;
}

size_t MostWithin(const Arrivals& arrivals, double seconds) {
  size_t most = 0, first = 0;
  for (size_t last = 0; last < arrivals.size(); ++last) {
    while (Quota::Seconds(arrivals[last].at - arrivals[first].at).count() >= seconds) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

}  // namespace paperboy::bench
