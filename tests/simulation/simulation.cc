#include "tests/simulation/simulation.h"

#include <httplib.h>

#include <fstream>
#include <set>

#include "aggregator/publish.h"
#include "aggregator/site.h"
#include "tests/support/arxiv_xml.h"

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr minutes kLongestRun{120};
// From the last fault to the last page: a provider is tried after a minute at most,
// a lock on arXiv runs out after 7 s, a poisonous paper needs ten deaths.
constexpr minutes kLongestRecovery{10};
constexpr int kMostAttempts = 60;  // of one command
constexpr char kArxivName[] = "arxiv";
constexpr size_t kMadeAtOnce = 5;  // days have up to 60 papers

// arXiv's API over the papers of all days.
class ArxivApi : public WebHost {
 public:
  ArxivApi(World& world, const std::vector<Day>& days) : world_(world), days_(days) {}

  Answer OnRequest(Node&, const HttpRequest& request) override {
    httplib::Params parameters;
    httplib::detail::parse_query_text(request.url.substr(request.url.find('?') + 1), parameters);
    const auto parameter = [&](const char* name) { return parameters.find(name)->second; };
    const auto matches = ParseArxivQuery(parameter("search_query"));
    ArxivPapers found;
    for (const Day& day : days_) {
      for (const ArxivPaper& paper : day.papers) {
        if (matches(paper)) found.push_back(&paper);
      }
    }
    AtomPage page;
    page.query = parameter("search_query");
    page.total = found.size();
    page.start = std::stoul(parameter("start"));
    page.per_page = std::stoul(parameter("max_results"));
    page.now = std::chrono::floor<seconds>(world_.wall());
    found.erase(found.begin(),
                found.begin() + static_cast<ptrdiff_t>(std::min(page.start, found.size())));
    return {world_.Between(milliseconds(20), milliseconds(200)),
            HttpResponse{200, {{"content-type", "application/atom+xml"}}, AtomFeed(page, found)}};
  }

 private:
  World& world_;
  const std::vector<Day>& days_;
};

}  // namespace

struct Simulation::Fetch {
  size_t day;
  std::unique_ptr<Node> node;
  std::optional<int> exit;
  std::set<bool> changed;     // whether the profile was, at each of its starts
  bool started_calm = false;  // its last start: nothing went wrong any more
  bool done = false;
  int attempts = 0;
};

Simulation::Simulation(World& world, const Scenario& scenario, const TempDir& dir)
    : world_(world),
      scenario_(scenario),
      dir_(dir),
      net_(world),
      redis_(world),
      model_(world, scenario.model),
      arxiv_(std::make_unique<ArxivApi>(world, scenario.days)),
      around_{world, net_, redis_, {{Model::kName, &model_}, {kArxivName, arxiv_.get()}}},
      witness_(world, model_, redis_, disk_) {
  for (size_t d = 0; d < scenario.days.size(); ++d) {
    std::ofstream(dir_.File(scenario.days[d].date)) << ArxivPaperLines(scenario.days[d].papers);
  }
  net_.SetTap([this](const auto& from, const auto& to, const auto& service, const auto& frame) {
    witness_.OnFrame(from, to, service, frame);
  });
  model_.SetTap([this](const std::string& scorer) { witness_.OnCall(scorer); });
  redis_.SetTap([this](const auto& args) { witness_.OnRedisWrite(args); });
}

Simulation::~Simulation() = default;

std::vector<wire::Profile> Simulation::Profiles() const {
  return profile_changed_ ? scenario_.last_profiles() : scenario_.profiles;
}

FetcherSettings Simulation::SettingsFor(size_t day) const {
  FetcherSettings settings;
  settings.from = settings.to = *ParseDate(scenario_.days[day].date);
  settings.source = scenario_.from_api ? SourceKind::kApi : SourceKind::kFile;
  settings.file = dir_.File(scenario_.days[day].date);
  settings.api_url = std::string("http://") + kArxivName + "/api/query";
  settings.arxiv_interval = std::chrono::duration<double>(0.3);
  settings.deadline = minutes(30);
  return settings;
}

void Simulation::StartAll() {
  aggregator_ = std::make_unique<Node>(
      world_, "aggregator",
      [this](Node& node) {
        // A turn that was killed in the middle left nothing behind.
        return StartAggregator(around_, disk_, prices_, node, kMadeAtOnce);
      },
      [this](bool) {
        world_.After(calm_ ? milliseconds(100) : world_.Between(milliseconds(50), seconds(3)),
                     [this] { aggregator_->Boot(); });
      });
  disk_.SetNode(aggregator_.get());
  aggregator_->Boot();
  for (size_t i = 0; i < scenario_.scorers; ++i) {
    ScorerSettings settings = scenario_.scorer;
    settings.pod = "scorer-" + std::to_string(i);
    scorers_.push_back(nullptr);
    scorers_.back() = std::make_unique<Node>(
        world_, settings.pod,
        [this, settings](Node& node) { return StartScorer(around_, settings, node); },
        [this, i](bool killed) {
          witness_.OnScorerGone(scorers_[i]->name(), scorers_[i]->life(), killed);
          world_.After(calm_ ? milliseconds(100) : world_.Between(milliseconds(50), seconds(4)),
                       [this, i] { scorers_[i]->Boot(); });
        });
    scorers_.back()->Boot();
  }
}

void Simulation::AddFetch(size_t day, Microseconds at) {
  auto added = std::make_unique<Fetch>();
  Fetch* fetch = added.get();
  fetch->day = day;
  fetch->node = std::make_unique<Node>(
      world_, "fetcher-" + std::to_string(fetches_.size()),
      [this, fetch](Node& node) {
        fetch->exit.reset();
        fetch->changed.insert(profile_changed_);
        ++fetch->attempts;
        fetch->started_calm = calm_;
        return StartFetcher(around_, SettingsFor(fetch->day), Profiles(), &fetch->exit, node);
      },
      [this, fetch](bool killed) { OnFetchEnd(fetch, killed); });
  fetches_.push_back(std::move(added));
  world_.After(at, [fetch] { fetch->node->Boot(); });
}

void Simulation::OnFetchEnd(Fetch* fetch, bool killed) {
  // Of two revisions that run at once the one that opens last is the newer one.
  const bool replaced = fetch->exit == kExitReplaced &&
                        std::any_of(fetches_.begin(), fetches_.end(), [&](const auto& other) {
                          return other->day == fetch->day &&
                                 (other->changed.size() > 1 || other->changed != fetch->changed);
                        });
  // Money that is used up lets no later run score the rest.
  const bool spent = scenario_.thrifty && fetch->exit == kExitWithheld && fetch->started_calm;
  if (!killed && (fetch->exit == kExitOk || replaced || spent)) {
    fetch->done = true;
    return;
  }
  // With everything working nothing may wait for ever.
  const bool waited_for_nothing = fetch->exit == kExitUnreachable && fetch->started_calm;
  const bool may_run_again = killed || (fetch->exit == kExitUnreachable && !waited_for_nothing) ||
                             fetch->exit == kExitWithheld || *fetch->exit >= 128;
  if (!may_run_again) {
    return world_.Violate(fetch->node->name() + " ended with " + std::to_string(*fetch->exit));
  }
  if (fetch->attempts >= kMostAttempts) {
    return world_.Violate(fetch->node->name() + " ran " + std::to_string(kMostAttempts) +
                          " times and never ended with 0");
  }
  world_.After(world_.Between(milliseconds(100), seconds(2)), [fetch] { fetch->node->Boot(); });
}

bool Simulation::AllFetched() const {
  return std::all_of(fetches_.begin(), fetches_.end(),
                     [](const auto& fetch) { return fetch->done; });
}

// Nobody is stopped, no work is out, and every complete digest is published, but for
// files that are written in the turns that follow.
bool Simulation::Idle() const {
  Database& db = disk_.store->db();
  for (const auto& scorer : scorers_) {
    if (!scorer->up() || scorer->stopped()) return false;
  }
  return !db.Query("SELECT 1 FROM lease WHERE lost = 0 LIMIT 1").Next() &&
         !db.Query("SELECT 1 FROM digest WHERE state IN ('open', 'sealed', 'complete') LIMIT 1")
              .Next();
}

void Simulation::Run(bool faults) {
  end_ = world_.now() + kLongestRun;
  StartAll();
  for (const Command& command : scenario_.commands) AddFetch(command.day, command.at);
  if (scenario_.changed) {
    world_.After(scenario_.changed_at, [this] {
      world_.Tell("the first profile is changed");
      profile_changed_ = true;
    });
  }
  if (scenario_.lowered_to) {
    world_.After(scenario_.lowered_at, [this] { model_.LowerQuota(*scenario_.lowered_to); });
  }
  std::vector<std::unique_ptr<Node>> strangers;
  if (faults) {
    calm_ = false;
    const auto nodes = [](const auto& list, const auto& get) {
      std::vector<Node*> found;
      for (const auto& item : list) found.push_back(get(item));
      return found;
    };
    const Targets targets{
        world_,
        net_,
        redis_,
        disk_,
        witness_,
        *aggregator_,
        [=, this] { return nodes(scorers_, [](const auto& node) { return node.get(); }); },
        [=, this] { return nodes(fetches_, [](const auto& fetch) { return fetch->node.get(); }); },
        scenario_.scorer.limits.limited(),
        strangers};
    if (scenario_.harsh_net) {
      net_.SetMood({.least = Microseconds(50),
                    .most = milliseconds(300),
                    .lose = 0.02,
                    .twice = 0.05,
                    .reorder = true});
    }
    ScheduleFaults(targets);
    world_.Run([] { return false; }, world_.now() + kTrouble);
    EndFaults(targets);
    calm_ = true;
    model_.Behave();
  }
  FinalPass();
  for (auto& node : strangers) node->Kill();
}

// What is left to do, for a person who looks at a seed that went wrong.
void Simulation::TellLedger() const {
  auto digests = disk_.store->db().Query(
      "SELECT profile, date, digest.state, edition, count(*) FILTER (WHERE row.state IS NULL), "
      "count(*) FILTER (WHERE work.state = 'open'), count(work.lease) FROM digest "
      "LEFT JOIN row ON row.digest = digest.id LEFT JOIN work ON work.key = row.work "
      "GROUP BY digest.id");
  while (digests.Next()) {
    world_.Tell(digests.Text(0) + " " + digests.Text(1) + " " + digests.Text(2) + ", edition " +
                digests.Text(3) + ": " + digests.Text(4) + " rows without an end, " +
                digests.Text(5) + " units open, " + digests.Text(6) + " of them leased");
  }
}

// Every command comes to its end; then each day is asked for once more, as a
// person would who wants to be sure.
void Simulation::FinalPass() {
  // With a small quota it goes on for long: the end is where nothing moves any more.
  bool fetched = false;
  for (size_t calls = SIZE_MAX; !fetched && calls != model_.calls().size();) {
    calls = model_.calls().size();
    fetched = world_.Run([this] { return AllFetched(); },
                         std::min(end_, world_.now() + kLongestRecovery));
  }
  if (!fetched) {
    TellLedger();
    return world_.Violate("a fetcher does not come to its end");
  }
  for (size_t day = 0; day < scenario_.days.size(); ++day) {
    AddFetch(day, milliseconds(1));
    if (!world_.Run([this] { return AllFetched(); }, end_)) {
      return world_.Violate("a last fetcher does not come to its end");
    }
  }
  if (!world_.Run([this] { return Idle(); }, std::min(end_, world_.now() + minutes(5)))) {
    return world_.Violate("the ledger does not come to rest");
  }
  // Results that wait for an acknowledgement are sent every 3 s.
  world_.Run([] { return false; }, world_.now() + seconds(5));
  DeleteOut();
}

// OUT is derived: it comes back, byte for byte, with the next start. What a ledger that
// was deleted had published, and the one that is there has not (it withholds that day, say),
// is nobody's: it stays until it is deleted.
void Simulation::DeleteOut() {
  std::set<std::string> known;
  {
    auto cursor = disk_.store->db().Query("SELECT path FROM file");
    while (cursor.Next()) known.insert(cursor.Text(0));
  }
  for (const auto& newest : NewestPages(disk_.store->db())) known.insert(newest.path);
  for (const auto& page : SitePages(disk_.store->db())) known.insert(page.Path());
  auto before = files();
  std::erase_if(before, [&](const auto& file) { return !known.contains(file.first); });
  disk_.out.Clear();
  aggregator_->Kill();
  world_.Run([] { return false; }, world_.now() + seconds(2));
  if (files() != before) world_.Violate("OUT does not come back as it was");
}

}  // namespace paperboy::sim
