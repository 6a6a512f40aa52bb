// How a scorer ends: what goes back, what is finished first, and what it costs not to wait.
#include <algorithm>
#include <string>
#include <vector>

#include "common/log.h"
#include "common/text.h"
#include "scorer/scorer.h"

namespace paperboy {
namespace {

using wire::ProviderFailure;

// How often a scorer that leaves looks whether its limiters have told all.
constexpr Milliseconds kTellAgain{10};

}  // namespace

void Scorer::Leave() {
  leaving_ = true;
  if (deferred_) deferred_->Leave();
  world_.link.ReadyChanged();
  std::vector<uint64_t> not_sent;
  for (const auto& [lease, job] : jobs_) {
    if (!job.in_flight) not_sent.push_back(lease);
  }
  spdlog::info("stopping: {} batches go back, {} calls are in flight, {} results to deliver",
               not_sent.size(), in_flight_, world_.link.unacknowledged());
  for (const uint64_t lease : not_sent) {
    GiveBack(lease, ProviderFailure::AGAIN, "the scorer is leaving");
  }
  world_.loop.After(settings_.server.timeout + kFlushTime,
                    [this] { Quit("the time to finish is over"); });
  StopWhenDone();
}

void Scorer::Quit(const std::string& why) {
  if (world_.loop.stopped()) return;
  size_t papers = 0;
  for (const auto& [lease, job] : jobs_) {
    if (job.in_flight) papers += job.asked.size();
  }
  spdlog::warn(
      "{}: stopping with {} in flight ({}, which go back to the aggregator; the provider may "
      "charge for them){} and {} not acknowledged",
      why, Counted(in_flight_, "call"), Counted(papers, "paper"),
      deferred_ && deferred_->busy() ? ", a request to its batch API" : "",
      Counted(world_.link.unacknowledged(), "result"));
  world_.loop.Stop();
}

void Scorer::StopWhenDone() {
  if (!leaving_ || !jobs_.empty() || world_.link.unacknowledged() > 0) return;
  if (deferred_ && deferred_->busy()) return;
  if (std::any_of(models_.begin(), models_.end(),
                  [](const auto& entry) { return entry.second->limiter->telling(); })) {
    world_.loop.After(kTellAgain, [this] { StopWhenDone(); });
    return;
  }
  world_.link.SayLastReady();  // the goodbye: leaving, and holding nothing
  world_.loop.Stop();
}

}  // namespace paperboy
