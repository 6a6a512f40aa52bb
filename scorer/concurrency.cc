#include "scorer/concurrency.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace paperboy {
namespace {

constexpr double kFailedPart = 0.2;
constexpr double kAfterFailures = 0.5;
constexpr double kAfterRise = 0.75;
constexpr double kUsualMoves = 0.1;
// A shrink has helped if the latency fell by this much of its logarithm; it should fall
// by log(1 / kAfterRise) = 0.29 where calls wait for each other.
constexpr double kHelped = 0.1;
constexpr size_t kLatenciesKept = 64;

}  // namespace

Concurrency::Concurrency(size_t most)
    : most_(static_cast<double>(most)),
      limit_(static_cast<double>(std::min(kFirst, most))),
      doubles_up_to_(most_) {}

size_t Concurrency::batches() const {
  const size_t calls = limit();
  const auto each = static_cast<size_t>(latency().count());
  if (each == 0) return calls;
  return std::min(MostBatches(calls), calls + calls * kSpareTime.count() / each);
}

Milliseconds Concurrency::latency() const {
  if (latencies_.empty()) return Milliseconds(0);
  const auto sum = std::accumulate(latencies_.begin(), latencies_.end(), Milliseconds(0));
  return sum / static_cast<int64_t>(latencies_.size());
}

void Concurrency::OnAnswered(uint32_t kind, MonotonicTime sent, MonotonicTime now,
                             size_t in_flight) {
  const auto latency = std::chrono::ceil<Milliseconds>(now - sent);
  latencies_.push_back(latency);
  if (latencies_.size() > kLatenciesKept) latencies_.pop_front();
  if (sent < shrunk_) return;
  ++answered_;
  Usual& usual = usual_[kind];
  usual.sum += std::log(static_cast<double>(std::max<int64_t>(1, latency.count())));
  ++usual.calls;
  // Below half of what is allowed something else is the limit, e.g. the quota.
  // Of answers that come at once all but the first see that calls have ended already.
  most_in_flight_ = std::max(most_in_flight_, in_flight);
  const bool used = 2 * most_in_flight_ >= limit();
  used_ |= used;
  if (used && limit_ < doubles_up_to_) limit_ = std::min(most_, limit_ + 1);
  EndRoundIfDue(now);
}

void Concurrency::OnFailed(MonotonicTime sent, MonotonicTime now) {
  if (sent < shrunk_) return;
  ++failed_;
  const size_t round = std::max(kLeastRound, limit());
  if (static_cast<double>(failed_) >= kFailedPart * static_cast<double>(round)) {
    return Shrink(kAfterFailures, now);
  }
  EndRoundIfDue(now);
}

void Concurrency::EndRoundIfDue(MonotonicTime now) {
  if (answered_ + failed_ < std::max(kLeastRound, limit())) return;
  const double rise = Rise();
  if (rise < std::log(kRisen)) {
    risen_by_ = 0;
    // Right after it shrank the server is as little loaded as it ever is.
    Settle(std::exchange(just_shrunk_, false) && rise < 0 ? 1 : kUsualMoves);
    if (used_ && limit_ >= doubles_up_to_) {
      limit_ = std::min(most_, limit_ + std::max(1.0, (trouble_at_ - limit_) / 2));
    }
    return BeginRound();
  }
  if (risen_by_ > 0 && rise > risen_by_ - kHelped) {
    risen_by_ = 0;
    Settle(1);
    return BeginRound();
  }
  Shrink(kAfterRise, now);
  risen_by_ = rise;
}

// How much longer than usual the calls of this round took, as a logarithm.
double Concurrency::Rise() const {
  double sum = 0;
  size_t calls = 0;
  for (const auto& [kind, usual] : usual_) {
    if (!usual.known) continue;
    sum += usual.sum - static_cast<double>(usual.calls) * usual.log_latency;
    calls += usual.calls;
  }
  return calls < kLeastRound / 2 ? 0 : sum / static_cast<double>(calls);
}

void Concurrency::Settle(double weight) {
  for (auto& [kind, usual] : usual_) {
    if (usual.calls == 0) continue;
    const double mean = usual.sum / static_cast<double>(usual.calls);
    usual.log_latency += (usual.known ? weight : 1) * (mean - usual.log_latency);
    usual.known = true;
  }
}

void Concurrency::Shrink(double factor, MonotonicTime now) {
  if (!just_shrunk_) trouble_at_ = limit_;
  limit_ = std::max(1.0, limit_ * factor);
  // Where nothing is answered there is an outage, not a load.
  doubles_up_to_ = answered_ == 0 ? std::max(doubles_up_to_, trouble_at_ / 2) : 0;
  shrunk_ = now;
  just_shrunk_ = true;
  risen_by_ = 0;
  BeginRound();
}

void Concurrency::BeginRound() {
  answered_ = failed_ = most_in_flight_ = 0;
  used_ = false;
  for (auto& [kind, usual] : usual_) usual.sum = 0, usual.calls = 0;
}

}  // namespace paperboy
