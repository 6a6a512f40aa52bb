// One run of the whole system on virtual time: the three programs as shipped, a
// Redis, a model, an arXiv, and what goes wrong with all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/checks.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/programs.h"
#include "tests/simulation/scenario.h"
#include "tests/support/temp_dir.h"

namespace paperboy::sim {

class Simulation {
 public:
  Simulation(World& world, const Scenario& scenario, const TempDir& files);
  ~Simulation();

  // `faults`: things go wrong for a while. Then everything works again, and the
  // same commands, run until they exit with 0, bring every day to its end.
  void Run(bool faults);

  const std::map<std::string, std::string>& files() const { return disk_.out.files(); }
  Model& model() { return model_; }
  Store& ledger() { return *disk_.store; }
  const Witness& witness() const { return witness_; }

 private:
  struct Fetch;
  void StartAll();
  FetcherSettings SettingsFor(size_t day) const;
  std::vector<wire::Profile> Profiles() const;
  void AddFetch(size_t day, Microseconds at);
  void OnFetchEnd(Fetch* fetch, bool killed);
  bool AllFetched() const;
  bool Idle() const;
  void FinalPass();
  void TellLedger() const;
  void DeleteOut();

  World& world_;
  const Scenario& scenario_;
  const TempDir& dir_;
  Net net_;
  RedisHost redis_;
  Model model_;
  std::unique_ptr<WebHost> arxiv_;
  Prices prices_ = Prices::Bundled();
  Disk disk_;
  Surroundings around_;
  Witness witness_;
  std::unique_ptr<Node> aggregator_;
  std::vector<std::unique_ptr<Node>> scorers_;
  std::vector<std::unique_ptr<Fetch>> fetches_;
  bool profile_changed_ = false;
  bool calm_ = true;
  MonotonicTime end_;
};

}  // namespace paperboy::sim
