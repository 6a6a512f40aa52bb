#include "tests/simulation/scaling/scene.h"

#include <cmath>
#include <fstream>

#include "common/profile.h"
#include "common/text.h"
#include "tests/support/arxiv_paper.h"

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A prompt and an abstract as they are: some 1,000 and 300 tokens.
constexpr size_t kPromptChars = 4'000, kAbstractChars = 1'200;
// Readers of all, of one category, of the other.
const std::vector<std::vector<std::string>> kCategories = {
    {"cs.LG", "cs.AI"}, {"cs.LG"}, {"cs.AI"}};

wire::Profile ProfileOf(size_t number) {
  wire::Profile profile;
  profile.set_name("reader-" + std::to_string(number));
  for (const auto& category : kCategories.at(number)) profile.add_categories(category);
  profile.add_announce_types(wire::ANNOUNCE_TYPE_NEW);
  profile.set_relevance_cutoff(8);
  profile.set_novelty_cutoff(7);
  profile.set_batch_size(Scene::kPapersACall);
  profile.set_prompt("Question " + std::to_string(number) + ".\n\n" +
                     std::string(kPromptChars, '.') + "\n" + kPaperListMarker + "\n");
  profile.set_revision(Sha256Hex(profile.SerializeAsString()));
  return profile;
}

Model::Settings ModelSettings(const ScorerSettings& scorer) {
  Model::Settings settings;
  settings.least = Scene::kLeastLatency;
  settings.most = Scene::kLongestLatency;
  settings.quota.requests_per_minute = static_cast<double>(scorer.limits.rpm);
  settings.quota.tokens_per_minute = static_cast<double>(scorer.limits.tpm);
  settings.quota.window = scorer.limits.window;
  settings.quota.mode = Quota::Mode::kSliding;
  settings.charges_answers = scorer.charge == TokenCharge::kMaximum;
  return settings;
}

}  // namespace

struct Scene::Fetcher {
  std::string date;
  std::unique_ptr<Node> node;
  std::optional<int> exit;
};

Scene::Scene(World& world, const ChartSettings& chart, size_t profiles)
    : world_(world),
      chart_(chart),
      begin_(world.now()),
      net_(world),
      redis_(world),
      model_(world, ModelSettings(chart.scorer)),
      around_{world, net_, redis_, {{Model::kName, &model_}}},
      autoscaler_(chart.autoscaler) {
  for (size_t i = 0; i < profiles; ++i) profiles_.push_back(ProfileOf(i));
  aggregator_ = std::make_unique<Node>(
      world_, "aggregator",
      [this](Node& node) { return StartAggregator(around_, disk_, prices_, node, kMadeAtOnce); },
      [](bool) {});
  disk_.SetNode(aggregator_.get());
  aggregator_->Boot();
  pods_ = std::make_unique<Pods>(around_, Pods::Settings{.grace = chart.grace}, chart.scorer);
}

Scene::~Scene() = default;

void Scene::Fetch(const std::string& date, Microseconds at) {
  const size_t day = fetches_.size();
  auto papers = InventArxivPapers(kPapersADay, date);
  for (size_t i = 0; i < papers.size(); ++i) {
    const std::string number = std::to_string(10'001 + day * kPapersADay + i);
    papers[i].id = "2609." + number;
    papers[i].abstract = "Of matter number " + number + ". ";
    papers[i].abstract.resize(kAbstractChars, '.');
  }
  std::ofstream(files_.File(date)) << ArxivPaperLines(papers);
  auto added = std::make_unique<Fetcher>();
  Fetcher* fetcher = added.get();
  fetcher->date = date;
  FetcherSettings settings;
  settings.from = settings.to = *ParseDate(date);
  settings.source = SourceKind::kFile;
  settings.file = files_.File(date);
  settings.deadline = kBatchApiDeadline;
  fetcher->node = std::make_unique<Node>(
      world_, "fetcher-" + std::to_string(day),
      [this, fetcher, settings](Node& node) {
        return StartFetcher(around_, settings, profiles_, &fetcher->exit, node);
      },
      [this, fetcher](bool killed) {
        if (killed || fetcher->exit != kExitOk) {
          return world_.Violate("the digests of " + fetcher->date + " did not complete");
        }
        ++fetched_;
      });
  fetches_.push_back(std::move(added));
  world_.At(begin_ + at, [fetcher] { fetcher->node->Boot(); });
}

void Scene::Phase(const std::string& name, Microseconds at, std::function<void()> what) {
  world_.At(begin_ + at, [this, name, at, what = std::move(what)] {
    phases_.push_back({name, std::chrono::duration<double, std::ratio<60>>(at).count()});
    what();
  });
}

void Scene::SetQuota(double rpm, double tpm) {
  Quota::Limits limits = model_.quota();
  limits.requests_per_minute = rpm;
  limits.tokens_per_minute = tpm;
  model_.SetQuota(limits);
}

void Scene::SetOut(bool out) {
  out_ = out;
  model_.SetOut(out);
}

void Scene::Upgrade(int64_t rpm, int64_t tpm) {
  ScorerSettings scorer = chart_.scorer;
  scorer.limits.rpm = rpm;
  scorer.limits.tpm = tpm;
  pods_->Roll(scorer);
}

int64_t Scene::Count(const char* sql) {
  auto cursor = disk_.store->db().Query(sql);
  return cursor.Next() ? cursor.Int(0) : 0;
}

void Scene::EverySecond() {
  const auto scaling = ScalingOf(*aggregator_);
  if (!scaling) return;
  const auto second = std::chrono::round<seconds>(world_.now() - begin_);
  // The autoscaler is not in step with anything else.
  const uint32_t desired = scaling->desired_scorers;
  if (second.count() % chart_.autoscaler.polling.count() == 7)
    autoscaler_.Poll(desired, world_.now());
  if (second.count() % Autoscaler::kSync.count() == 11) autoscaler_.Sync(desired, world_.now());
  pods_->Reconcile(autoscaler_.replicas());
  const auto& quota = model_.quota();
  samples_.push_back({.minute = std::chrono::duration<double, std::ratio<60>>(second).count(),
                      .desired = desired,
                      .replicas = autoscaler_.replicas(),
                      .running = pods_->running(),
                      .papers = scaling->papers_waiting,
                      .calls = model_.admitted(),
                      .tokens = model_.admitted_tokens(),
                      .quota_calls = quota.requests_per_minute,
                      .quota_tokens = quota.tokens_per_minute,
                      .out = out_,
                      .calls_waiting = std::ceil(static_cast<double>(scaling->papers_waiting) /
                                                 static_cast<double>(kPapersACall))});
}

void Scene::Run(Microseconds length) {
  for (auto at = seconds(1); at <= length; at += seconds(1)) {
    world_.Run([] { return false; }, begin_ + at);
    EverySecond();
  }
  // What a call counts is known now.
  const double tokens =
      static_cast<double>(model_.admitted_tokens()) / static_cast<double>(model_.admitted());
  for (Sample& sample : samples_) {
    if (sample.quota_tokens == 0) continue;
    sample.quota_calls = std::min(sample.quota_calls, sample.quota_tokens / tokens);
  }
}

}  // namespace paperboy::sim
