#include "tests/simulation/scaling/autoscaler.h"

#include <algorithm>
#include <cmath>

namespace paperboy::sim {
namespace {

// --horizontal-pod-autoscaler-tolerance.
constexpr double kTolerance = 0.1;
// The default policy upwards: so many pods in a sync, or twice as many as there are.
constexpr int kMostAdded = 4;

}  // namespace

void Autoscaler::Poll(uint32_t desired, MonotonicTime now) {
  if (desired > 0) {
    active_ = now;
    if (replicas_ == 0) replicas_ = std::max(1, settings_.least);
  } else if (settings_.least == 0 && active_ + settings_.cooldown <= now) {
    replicas_ = 0;
    recommended_.clear();
  }
}

// Of a metric per pod: where it is off by less than the tolerance nothing is changed.
int Autoscaler::Recommended(uint32_t desired) const {
  const double ratio = static_cast<double>(desired) / replicas_;
  if (std::abs(1 - ratio) <= kTolerance) return replicas_;
  return std::clamp(static_cast<int>(desired), std::max(1, settings_.least), settings_.most);
}

// Down to the most, up to the least, of what was recommended within the windows.
int Autoscaler::Stabilised(int recommended, MonotonicTime now) {
  recommended_.emplace_back(now, recommended);
  int up = recommended, down = recommended;
  for (const auto& [at, number] : recommended_) {
    if (at + settings_.up_window > now) up = std::min(up, number);
    if (at + settings_.down_window > now) down = std::max(down, number);
  }
  const auto longest = std::max(settings_.up_window, settings_.down_window);
  while (recommended_.front().first + longest < now) recommended_.pop_front();
  return std::min(std::max(replicas_, up), down);
}

void Autoscaler::Sync(uint32_t desired, MonotonicTime now) {
  if (replicas_ == 0) return;  // then it is switched off
  const int wanted = Stabilised(Recommended(desired), now);
  replicas_ = std::min(wanted, replicas_ + std::max(kMostAdded, replicas_));
}

}  // namespace paperboy::sim
