#include "tests/simulation/scenario.h"

#include "common/profile.h"
#include "common/text.h"

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kManyPapers = 10;
const char* const kDates[] = {"2026-09-14", "2026-09-15", "2026-09-16"};

void Revise(wire::Profile* profile) {
  profile->clear_revision();
  profile->set_revision(Sha256Hex(profile->SerializeAsString()));
}

void Ask(wire::Profile* profile, const std::string& tag) {
  profile->set_prompt("Question " + tag + ".\n\n" + kPaperListMarker + "\n");
  profile->set_title_prompt("Question " + tag + ".\nTitles:\n" + kPaperListMarker + "\n");
}

wire::Profile DrawProfile(World& world, size_t number) {
  wire::Profile profile;
  profile.set_name("reader-" + std::to_string(number));
  profile.add_categories("cs.LG");
  profile.add_categories("cs.AI");
  profile.add_announce_types(wire::ANNOUNCE_TYPE_NEW);
  profile.add_announce_types(wire::ANNOUNCE_TYPE_CROSS);
  profile.set_relevance_cutoff(static_cast<uint32_t>(3 + world.Below(5)));
  profile.set_novelty_cutoff(static_cast<uint32_t>(3 + world.Below(4)));
  profile.set_batch_size(static_cast<uint32_t>(1 + world.Below(5)));
  profile.set_title_stage(world.Chance(0.2));
  // Now and then, and without a draw: the seeds stay what they were.
  profile.set_rescore_margin(1);
  if (profile.batch_size() == 3) profile.set_rescore_samples(2 + profile.novelty_cutoff() % 2);
  if (profile.novelty_cutoff() == 4) profile.set_drift_anchors(2);
  // Every other time two profiles ask the same, and share each score.
  Ask(&profile, world.Chance(0.5) ? "A" : "B");
  Revise(&profile);
  return profile;
}

// One day whose papers take many windows, asked about one by one.
void DrawLoweredQuota(World& world, Scenario* s) {
  s->from_api = false;
  s->days = {{kDates[0], InventArxivPapers(60, kDates[0])}};
  for (wire::Profile& profile : s->profiles) {
    profile.set_batch_size(1);
    Revise(&profile);
  }
  s->changed.reset();
  s->commands = {{0, milliseconds(0)}};
  s->scorers = 2 + world.Below(3);
  s->scorer.concurrency = 2 + world.Below(6);
  s->scorer.limits.rpm = static_cast<int64_t>(60 + world.Below(90));
  s->scorer.limits.tpm = 0;
  // Whole, as providers name their limits.
  s->lowered_to =
      std::floor(static_cast<double>(s->scorer.limits.rpm) * (0.4 + 0.1 * world.Below(5)));
  s->lowered_at = world.Between(seconds(4), seconds(16));
  s->model.names_limits = world.Chance(0.3);
}

// A call takes $0.001 to $0.002, and twice to five times as much is reserved for it.
void SetBudgets(World& world, Scenario* s) {
  std::vector<wire::Profile*> profiles;
  for (wire::Profile& profile : s->profiles) profiles.push_back(&profile);
  if (s->changed) profiles.push_back(&*s->changed);
  const auto amount = static_cast<int64_t>((2 + world.Below(30)) * 1'000'000'000);
  const bool per_digest = world.Chance(0.5);
  const bool degrades = world.Chance(0.5);
  for (wire::Profile* profile : profiles) {
    if (per_digest) {
      profile->set_budget_picodollars_per_digest(amount);
    } else {
      profile->set_budget_picodollars_per_day(amount);
    }
    if (degrades) {
      profile->add_degrade(kGiveUpSmallBatches);
      profile->add_degrade(kGiveUpModel);
      profile->set_cheaper_model("gpt-4o-mini");
    }
    Revise(profile);
  }
}

std::vector<Day> DrawDays(World& world, bool from_api) {
  std::vector<Day> days;
  const size_t count = 1 + world.Below(std::size(kDates));
  for (size_t d = 0; d < count; ++d) {
    Day day{kDates[d], InventArxivPapers(static_cast<int>(3 + world.Below(14)), kDates[d])};
    for (ArxivPaper& paper : day.papers) {
      // Numbers of their own for each day: 2609.10001 becomes 2609.11001.
      paper.id[6] = static_cast<char>('1' + d);
    }
    // A file may list a paper again that an earlier day announced.
    for (const Day& earlier : days) {
      for (const ArxivPaper& paper : earlier.papers) {
        if (!from_api && world.Chance(0.2)) day.papers.push_back(paper);
      }
    }
    days.push_back(std::move(day));
  }
  return days;
}

}  // namespace

std::vector<wire::Profile> Scenario::last_profiles() const {
  std::vector<wire::Profile> last = profiles;
  if (changed) last.front() = *changed;
  return last;
}

Scenario DrawScenario(World& world) {
  Scenario s;
  s.from_api = world.Chance(0.25);
  s.days = DrawDays(world, s.from_api);
  const size_t profiles = 1 + world.Below(2);
  for (size_t i = 0; i < profiles; ++i) s.profiles.push_back(DrawProfile(world, i));
  if (world.Chance(0.2)) {
    s.changed = s.profiles.front();
    if (world.Chance(0.5)) {
      s.changed->set_relevance_cutoff(2);
    } else {
      Ask(&*s.changed, "C");
    }
    Revise(&*s.changed);
    s.changed_at = world.Between(seconds(1), seconds(12));
  }
  for (size_t d = 0; d < s.days.size(); ++d) {
    for (int twice = 0; twice < 2; ++twice) {
      if (twice == 0 || world.Chance(0.3)) {
        s.commands.push_back({d, world.Between(milliseconds(0), seconds(8))});
      }
    }
  }
  s.scorers = 1 + world.Below(3);
  s.scorer.concurrency = 1 + world.Below(3);
  s.scorer.model = "gpt-4o";
  s.scorer.server.base_url = std::string("http://") + Model::kName + "/v1";
  s.scorer.server.key = "key";
  s.scorer.server.temperature = "0";
  s.scorer.server.timeout = seconds(20);
  const bool lowered = world.Chance(0.1);
  if (lowered) DrawLoweredQuota(world, &s);
  if (lowered || world.Chance(0.5)) {
    // Sliding windows of 10 s, small enough to be felt.
    if (!lowered) s.scorer.limits.rpm = static_cast<int64_t>(120 + world.Below(300));
    if (!lowered && world.Chance(0.5)) s.scorer.limits.tpm = static_cast<int64_t>(60'000);
    s.scorer.limits.window = seconds(10);
    s.scorer.charge = TokenCharge::kUsed;
    s.model.quota.requests_per_minute = static_cast<double>(s.scorer.limits.rpm);
    s.model.quota.tokens_per_minute = static_cast<double>(s.scorer.limits.tpm);
    s.model.quota.window = Quota::Seconds(10);
    s.model.quota.mode = Quota::Mode::kSliding;
  }
  if (world.Chance(0.15)) {
    // Calls that outlast a silence.
    s.model.least = seconds(3);
    s.model.most = seconds(14);
    s.scorer.server.timeout = seconds(60);
  }
  if (world.Chance(0.3)) s.model.lacks = 0.1;
  if (world.Chance(0.2)) s.model.fails = 0.1;
  if (world.Chance(0.2)) s.model.resets = 0.1;
  if (world.Chance(0.2)) s.model.refuses = 0.05;
  if (world.Chance(0.1)) s.model.hangs = 0.05;
  s.harsh_net = world.Chance(0.3);
  // One paper of many, so that the page is published without it.
  const auto& papers = s.days.front().papers;
  const bool titles = std::any_of(s.profiles.begin(), s.profiles.end(),
                                  [](const auto& profile) { return profile.title_stage(); });
  if (world.Chance(0.05) && papers.size() >= kManyPapers && !titles) {
    s.model.poison = papers[world.Below(papers.size())].id;
  }
  s.thrifty = world.Chance(0.1);
  if (s.thrifty) SetBudgets(world, &s);
  return s;
}

Scenario Undisturbed(Scenario s) {
  s.profiles = s.last_profiles();
  s.changed.reset();
  s.commands.clear();
  s.scorers = 2;
  s.scorer.concurrency = 8;
  s.scorer.limits = {};
  s.lowered_to.reset();
  s.model = {.poison = s.model.poison};
  s.model.least = s.model.most = milliseconds(1);
  s.harsh_net = false;
  return s;
}

std::set<std::string> IdsOf(const Day& day) {
  std::set<std::string> ids;
  for (const ArxivPaper& paper : day.papers) ids.insert(paper.id);
  return ids;
}

}  // namespace paperboy::sim
