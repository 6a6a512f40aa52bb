// What the aggregator tells of itself to whoever watches it.
#include "aggregator/aggregator.h"
#include "aggregator/archive.h"
#include "common/eastern.h"

namespace paperboy {
namespace {

// Dates that the metrics tell of.
constexpr date::days kDaysTold{7};
// Models that have metrics: a peer may make up any number of names.
constexpr size_t kModelsTold = 64;

}  // namespace

void Aggregator::UpdateMetrics() {
  metrics_.scorers.Set(static_cast<double>(dispatch_.scorers()));
  metrics_.unwritten.Set(static_cast<double>(failed_.size()));
  metrics_.leases.Set(static_cast<double>(dispatch_.leases()));
  metrics_.lease_age.Set(std::chrono::duration<double>(dispatch_.OldestLease(Now())).count());
  auto paces = dispatch_.Paces();
  for (const std::string& model : models_told_) paces.try_emplace(model);
  for (const auto& [model, pace] : paces) {
    if (models_told_.size() >= kModelsTold && !models_told_.contains(model)) continue;
    models_told_.insert(model);
    metrics_.concurrency.Add({{"model", model}}).Set(pace.concurrency);
    metrics_.latency.Add({{"model", model}}).Set(pace.latency_ms / 1e3);
    metrics_.out.Add({{"model", model}}).Set(pace.out ? 1 : 0);
  }
  metrics_.refused_messages.Increment(
      static_cast<double>(dispatch_.refused_messages() - refused_counted_));
  refused_counted_ = dispatch_.refused_messages();
  // Of a large backlog the count takes seconds: it may take a fiftieth of the time.
  const MonotonicTime begin = world_.loop.now();
  if (begin < count_waiting_at_) return;
  const Dispatch::Demand demand = dispatch_.Demanded(Now());
  metrics_.papers_waiting.Set(static_cast<double>(demand.papers));
  metrics_.desired_scorers.Set(demand.scorers);
  if (demand.papers == 0 || !waiting_since_) waiting_since_ = begin;
  metrics_.waiting_age.Set(std::chrono::duration<double>(begin - *waiting_since_).count());
  metrics_.cost_today.Set(CostOf(Now().eastern_day));
  scaling_ = ScalingView{demand.scorers, dispatch_.scorers(), demand.papers};
  count_waiting_at_ = begin + 50 * (world_.loop.now() - begin);
}

double Aggregator::CostOf(const std::string& eastern_day) {
  auto cursor = db_.Query(
      "SELECT total(prompt_picodollars) + total(completion_picodollars) FROM call WHERE day = ?",
      eastern_day);
  return cursor.Next() ? cursor.Real(0) / static_cast<double>(kPicodollarsPerDollar) : 0;
}

void Aggregator::CountCompleted(const Digest& digest, const wire::Funnel& funnel) {
  (digest.withhold ? metrics_.withheld : metrics_.published).Increment();
  auto cursor =
      db_.Query("SELECT state, count(*) FROM row WHERE digest = ? GROUP BY state", digest.id);
  while (cursor.Next()) {
    metrics_.papers.Add({{"state", cursor.Text(0)}}).Increment(cursor.Real(1));
  }
  const uint64_t meant =
      funnel.scanned() - funnel.author_gated() - planner_.AuthorMatches(digest.id);
  metrics_.unscored_share.Add({{"profile", digest.profile}})
      .Set(meant == 0 ? 0 : static_cast<double>(funnel.unscored()) / static_cast<double>(meant));
}

// When something was recorded, and on a new day.
void Aggregator::CountDays(const Instant& now) {
  if (days_counted_on_ == now.eastern_day) return;
  const auto before = FormatDate(*ParseDate(now.eastern_day) - kDaysTold);
  for (const auto& [state, count] : CountStatesAfter(db_, before)) {
    metrics_.dates.Add({{"state", state}}).Set(count);
  }
  days_counted_on_ = now.eastern_day;
}

}  // namespace paperboy
