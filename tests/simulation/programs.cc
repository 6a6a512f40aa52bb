#include "tests/simulation/programs.h"

#include <cstdio>

namespace paperboy::sim {

std::optional<std::string> MemoryFolder::Read(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return std::nullopt;
  return found->second;
}

Status MemoryFolder::Write(const std::string& path, const std::string& content) {
  if (full_) return Error{ErrorKind::kStorage, "no space left for " + path};
  if (node_->Act("a file")) files_[path] = content;
  return Ok();
}

Status MemoryFolder::Remove(const std::string& path) {
  if (node_->Act("a removal")) files_.erase(path);
  return Ok();
}

void Disk::SetNode(Node* node) {
  node_ = node;
  out.SetNode(node);
  Hook();
}

void Disk::Hook() {
  store->db().SetCommitHook([this] { return !full && node_->Act("a commit"); });
}

void Disk::Replace(const std::string& image) {
  store = Store::InMemory(image);
  Hook();
}

namespace {

class AggregatorProgram : public Program {
 public:
  AggregatorProgram(Surroundings& around, Disk& disk, const Prices& prices, Node& node,
                    size_t made_at_once)
      : loop_(node),
        redis_(around.redis, around.net, node),
        fetchers_(around.net, node, kFetcherService),
        scorers_(around.net, node, kScorerService),
        aggregator_({.loop = loop_,
                     .store = *disk.store,
                     .out = disk.out,
                     .redis = redis_,
                     .fetchers = fetchers_,
                     .scorers = scorers_,
                     .prices = prices,
                     .metrics = metrics_,
                     .wall_clock = [&world = around.world] { return world.wall(); },
                     .made_at_once = made_at_once},
                    /*max_unscored_share=*/0.2) {}
  bool EndTurn() override {
    loop_.EndTurn();
    return loop_.stopped();
  }
  void Terminate() override { loop_.Stop(); }
  const Aggregator& aggregator() const { return aggregator_; }

 private:
  SimLoop loop_;
  SimRedis redis_;
  SimRouter fetchers_, scorers_;
  prometheus::Registry metrics_;
  Aggregator aggregator_;
};

class ScorerProgram : public Program {
 public:
  ScorerProgram(Surroundings& around, const ScorerSettings& settings, Node& node)
      : loop_(node),
        dealer_(around.net, node, kScorerService),
        redis_(around.redis, around.net, node),
        http_(node, around.hosts),
        metrics_(registry_),
        link_(loop_, dealer_, "the aggregator"),
        scorer_({.loop = loop_,
                 .link = link_,
                 .redis = &redis_,
                 .http = http_,
                 .metrics = metrics_,
                 .wall_clock = [&world = around.world] { return world.wall(); }},
                settings, around.world.Below(UINT64_MAX)) {
    loop_.OnTurnEnd([this] { link_.OnTurnEnd(); });
    scorer_.Start();
  }
  bool EndTurn() override {
    loop_.EndTurn();
    return loop_.stopped();
  }
  void Terminate() override { scorer_.Leave(); }

 private:
  SimLoop loop_;
  SimDealer dealer_;
  SimRedis redis_;
  SimHttp http_;
  prometheus::Registry registry_;
  ScorerMetrics metrics_;
  AggregatorLink link_;
  Scorer scorer_;
};

class FetcherProgram : public Program {
 public:
  FetcherProgram(Surroundings& around, const FetcherSettings& settings,
                 const std::vector<wire::Profile>& profiles, std::optional<int>* exit, Node& node)
      : around_(around),
        settings_(settings),
        profiles_(profiles),
        exit_(exit),
        loop_(node),
        pump_(loop_),
        redis_(around.redis, around.net, node),
        http_(node, around.hosts),
        dealer_(around.net, node, kFetcherService),
        fiber_([this] { Run(); }) {
    loop_.SetFiber(&fiber_);
  }
  bool EndTurn() override {
    loop_.EndTurn();
    while (!fiber_.finished() && loop_.CanGoOn()) fiber_.Resume();
    return fiber_.finished();
  }
  void Die() override {
    while (!fiber_.finished()) fiber_.Resume();
  }
  void Terminate() override { pump_.Stop(15); }

 private:
  void Run() {
    const auto clock = [&world = around_.world] { return world.wall(); };
    Progress progress(loop_, Progress::Mode::kNone, stderr);
    ArxivClient arxiv(
        pump_, redis_, http_, progress, clock,
        {settings_.arxiv_interval, "simulation", std::to_string(around_.world.Below(UINT64_MAX))});
    ArxivSource source(arxiv, settings_.rss_url, settings_.api_url, settings_.oai_url);
    AggregatorClient aggregator(dealer_, "the aggregator", pump_, progress);
    SeenHint hint(pump_, redis_);
    FetchRun run({pump_, progress, arxiv, source, aggregator, hint, clock}, settings_, profiles_);
    const std::vector<Outcome> outcomes = run.Go();
    if (loop_.node().dying()) return;
    *exit_ = pump_.stopped() ? 128 + pump_.stop_signal() : WorstOf(outcomes);
    if (!around_.world.telling()) return;
    for (const Outcome& o : outcomes) {
      around_.world.Tell(loop_.node().name() + ": " + o.profile + " " + o.date + " " + o.state +
                         " " + o.why);
    }
  }

  Surroundings& around_;
  const FetcherSettings settings_;
  const std::vector<wire::Profile> profiles_;
  std::optional<int>* exit_;
  SimLoop loop_;
  Pump pump_;
  SimRedis redis_;
  SimHttp http_;
  SimDealer dealer_;
  Fiber fiber_;
};

}  // namespace

std::unique_ptr<Program> StartAggregator(Surroundings& around, Disk& disk, const Prices& prices,
                                         Node& node, size_t made_at_once) {
  return std::make_unique<AggregatorProgram>(around, disk, prices, node, made_at_once);
}

std::optional<Aggregator::ScalingView> ScalingOf(Node& aggregator) {
  if (!aggregator.up()) return std::nullopt;
  return static_cast<const AggregatorProgram&>(aggregator.program()).aggregator().scaling();
}

std::unique_ptr<Program> StartScorer(Surroundings& around, const ScorerSettings& settings,
                                     Node& node) {
  return std::make_unique<ScorerProgram>(around, settings, node);
}

std::unique_ptr<Program> StartFetcher(Surroundings& around, const FetcherSettings& settings,
                                      const std::vector<wire::Profile>& profiles,
                                      std::optional<int>* exit, Node& node) {
  return std::make_unique<FetcherProgram>(around, settings, profiles, exit, node);
}

}  // namespace paperboy::sim
