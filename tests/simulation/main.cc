// Runs the simulation for many seeds; see --help.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "spdlog/spdlog.h"
#include "tests/simulation/simulation.h"

namespace paperboy::sim {
namespace {

struct Tally {
  uint64_t seeds = 0, violations = 0, first_violation = 0;
  uint64_t events = 0, calls = 0, repeats = 0, files = 0;
  double seconds = 0;  // virtual
};

// One seed: the scenario in trouble, and undisturbed. Returns what was violated.
std::string RunSeed(uint64_t seed, bool tell, Tally* tally) {
  World world(seed);
  if (tell) world.TellStory();
  const Scenario scenario = DrawScenario(world);
  const TempDir files;
  Simulation simulation(world, scenario, files);
  simulation.Run(/*faults=*/true);
  // What a thrifty one leaves unscored depends on what was lost.
  if (world.violation().empty() && !scenario.thrifty) {
    World calm(1);
    const Scenario same = Undisturbed(scenario);
    Simulation undisturbed(calm, same, files);
    undisturbed.Run(/*faults=*/false);
    if (!calm.violation().empty()) return "undisturbed: " + calm.violation();
    simulation.witness().CheckFiles(simulation.files(), undisturbed.files());
  }
  if (world.violation().empty()) {
    simulation.witness().CheckLedger(scenario);
    simulation.witness().CheckMoney(scenario);
    simulation.witness().CheckSends();
    simulation.witness().CheckPauses();
    simulation.witness().CheckQuota(scenario);
  }
  tally->events += world.events();
  tally->seconds += world.seconds();
  tally->calls += simulation.model().calls().size();
  tally->repeats += simulation.witness().repeats();
  tally->files += simulation.files().size();
  return world.violation();
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Runs the whole of Paperboy on virtual time, once for each seed, through kills in the "
      "middle\n"
      "of anything, lost and doubled messages, a Redis that forgets, a full disk and more, and\n"
      "compares what is published with an undisturbed run. Prints each seed that breaks a "
      "promise;\n"
      "the exit code is 1 then.\n\n"
      "  paperboy-simulation --seeds 20000          seeds 1 to 20000\n"
      "  paperboy-simulation --first 77 --seeds 1 --tell   what happens in seed 77, line by line");
  uint64_t first = 1, seeds = 2'000, stop_after = 5;
  bool tell = false;
  app.add_option("--first", first, "The first seed")->capture_default_str();
  app.add_option("--seeds", seeds, "How many seeds")->capture_default_str();
  app.add_option("--stop-after", stop_after, "End after so many violations")->capture_default_str();
  app.add_flag("--tell", tell, "Tell the story of each seed");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(tell ? spdlog::level::debug : spdlog::level::off);
  spdlog::set_pattern("           %v");
  Tally tally;
  for (uint64_t seed = first; seed < first + seeds && tally.violations < stop_after; ++seed) {
    const std::string violation = RunSeed(seed, tell, &tally);
    ++tally.seeds;
    if (violation.empty()) continue;
    ++tally.violations;
    if (tally.first_violation == 0) tally.first_violation = seed;
    std::printf("seed %lu: %s\n", seed, violation.c_str());
    std::fflush(stdout);
  }
  std::printf(
      "%lu seeds (%lu to %lu), %lu violations; %lu events in %.1f virtual hours, %lu calls, "
      "%lu repeats, %lu files\n",
      tally.seeds, first, first + tally.seeds - 1, tally.violations, tally.events,
      tally.seconds / 3600, tally.calls, tally.repeats, tally.files);
  return tally.violations == 0 ? 0 : 1;
}

}  // namespace
}  // namespace paperboy::sim

int main(int argc, char** argv) { return paperboy::sim::Main(argc, argv); }
