// KEDA and the HorizontalPodAutoscaler that it makes, as far as they decide how many
// pods there shall be: KEDA's scale loop between none and one, and autoscaling/v2 with an
// external metric of target 1, its tolerance and its default policies, from one on.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

#include "common/loop.h"

namespace paperboy::sim {

class Autoscaler {
 public:
  // As the ScaledObject has them.
  struct Settings {
    std::chrono::seconds polling{}, cooldown{};
    std::chrono::seconds up_window{}, down_window{};
    int least = 0, most = 0;
  };
  // How often the HorizontalPodAutoscaler looks (--horizontal-pod-autoscaler-sync-period).
  static constexpr std::chrono::seconds kSync{15};

  explicit Autoscaler(const Settings& settings) : settings_(settings) {}

  const Settings& settings() const { return settings_; }
  // The pods that there shall be.
  int replicas() const { return replicas_; }
  // Every settings().polling, and every kSync. `desired` is what /scaling says.
  void Poll(uint32_t desired, MonotonicTime now);
  void Sync(uint32_t desired, MonotonicTime now);

 private:
  int Recommended(uint32_t desired) const;
  int Stabilised(int recommended, MonotonicTime now);

  const Settings settings_;
  int replicas_ = 0;
  MonotonicTime active_{};  // when there was work last
  std::deque<std::pair<MonotonicTime, int>> recommended_;
};

}  // namespace paperboy::sim
