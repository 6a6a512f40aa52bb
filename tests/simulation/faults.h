// What goes wrong, and when: drawn from the seed.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tests/simulation/checks.h"
#include "tests/simulation/programs.h"

namespace paperboy::sim {

struct Targets {
  World& world;
  Net& net;
  RedisHost& redis;
  Disk& disk;
  Witness& witness;
  Node& aggregator;
  std::function<std::vector<Node*>()> scorers;
  std::function<std::vector<Node*>()> fetchers;
  bool limited;                                   // the model's quota is followed
  std::vector<std::unique_ptr<Node>>& strangers;  // keeps the nodes of peers that are none of ours
};

// Faults begin within this time.
inline constexpr std::chrono::seconds kTrouble{20};

// Draws the faults of a run and sets them on their way.
void ScheduleFaults(Targets targets);
// Everything works again.
void EndFaults(const Targets& targets);

}  // namespace paperboy::sim
