// The scorers' Deployment: pods that take a while to start, a rolling update, and SIGTERM
// with a grace period.
#pragma once

#include <memory>
#include <vector>

#include "tests/simulation/programs.h"

namespace paperboy::sim {

class Pods {
 public:
  struct Settings {
    // From the decision to a running process: scheduling, pulling the image.
    Microseconds least_start{std::chrono::seconds(5)}, longest_start{std::chrono::seconds(40)};
    std::chrono::seconds grace{};
  };

  Pods(Surroundings& around, const Settings& settings, const ScorerSettings& scorer)
      : around_(around), settings_(settings), scorer_(scorer) {}

  // What the Deployment's controller does, once a second.
  void Reconcile(int replicas);
  // Another version of the pods: one more is started, and for each that runs an old one
  // is told to stop.
  void Roll(const ScorerSettings& scorer);
  // Processes that run, the leaving ones too.
  size_t running() const;

 private:
  struct Pod {
    std::unique_ptr<Node> node;
    int version = 0;
    bool leaving = false, gone = false;
  };
  void Create();
  void Stop(Pod* pod);
  Pod* Newest() const;
  Pod* Old() const;
  int Count(bool running_only) const;

  Surroundings& around_;
  const Settings settings_;
  ScorerSettings scorer_;
  int version_ = 1, created_ = 0;
  std::vector<std::unique_ptr<Pod>> pods_;
};

}  // namespace paperboy::sim
