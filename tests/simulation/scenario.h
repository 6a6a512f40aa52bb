// What a run of the simulation is about, drawn from its seed: days, papers,
// profiles, scorers, how the model behaves, and what goes wrong when.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fetcher/settings.h"
#include "scorer/settings.h"
#include "tests/simulation/model.h"
#include "tests/simulation/sim_net.h"
#include "tests/support/arxiv_paper.h"

namespace paperboy::sim {

struct Day {
  std::string date;
  std::vector<ArxivPaper> papers;  // as its list names them
};

// A fetcher that is started at some time, and again whenever it was killed.
struct Command {
  size_t day = 0;
  Microseconds at{0};
};

struct Scenario {
  std::vector<Day> days;
  std::vector<wire::Profile> profiles;
  // A profile that is changed while the commands run; the other profiles stay.
  std::optional<wire::Profile> changed;
  Microseconds changed_at{0};
  std::vector<Command> commands;
  bool from_api = false;  // else from files
  size_t scorers = 2;
  ScorerSettings scorer;
  Model::Settings model;
  // The provider lowers its quota, without notice: requests a minute, when.
  std::optional<double> lowered_to;
  Microseconds lowered_at{0};
  bool harsh_net = false;
  // Budgets that may not suffice: what is published depends on what was lost, so that
  // only the money is looked at.
  bool thrifty = false;

  // The profiles at the end.
  std::vector<wire::Profile> last_profiles() const;
};

Scenario DrawScenario(World& world);
// The same with nothing in its way: what every run of it must come to.
Scenario Undisturbed(Scenario scenario);

// All ids that the list of that day names.
std::set<std::string> IdsOf(const Day& day);

}  // namespace paperboy::sim
