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
  scorers_gauge_.Set(static_cast<double>(dispatch_.scorers()));
  leases_gauge_.Set(static_cast<double>(dispatch_.leases()));
  auto paces = dispatch_.Paces();
  for (const std::string& model : models_told_) paces.try_emplace(model);
  for (const auto& [model, pace] : paces) {
    if (models_told_.size() >= kModelsTold && !models_told_.contains(model)) continue;
    models_told_.insert(model);
    concurrency_gauge_.Add({{"model", model}}).Set(pace.concurrency);
    latency_gauge_.Add({{"model", model}}).Set(pace.latency_ms / 1e3);
    out_gauge_.Add({{"model", model}}).Set(pace.out ? 1 : 0);
  }
  refused_.Increment(static_cast<double>(dispatch_.refused_messages() - refused_counted_));
  refused_counted_ = dispatch_.refused_messages();
  // Of a large backlog the count takes seconds: it may take a fiftieth of the time.
  const MonotonicTime begin = world_.loop.now();
  if (begin < count_waiting_at_) return;
  const Dispatch::Demand demand = dispatch_.Demanded(Now());
  waiting_gauge_.Set(static_cast<double>(demand.papers));
  desired_gauge_.Set(demand.scorers);
  scaling_ = ScalingView{demand.scorers, dispatch_.scorers(), demand.papers};
  count_waiting_at_ = begin + 50 * (world_.loop.now() - begin);
}

// When something was recorded, and on a new day.
void Aggregator::CountDays(const Instant& now) {
  if (days_counted_on_ == now.eastern_day) return;
  const auto before = FormatDate(*ParseDate(now.eastern_day) - kDaysTold);
  for (const auto& [state, count] : CountStatesAfter(db_, before)) {
    days_gauge_.Add({{"state", state}}).Set(count);
  }
  days_counted_on_ = now.eastern_day;
}

}  // namespace paperboy
