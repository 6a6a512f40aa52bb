// What the aggregator counts, for Prometheus. One thread writes.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace paperboy {

struct AggregatorMetrics {
  explicit AggregatorMetrics(prometheus::Registry& registry);

  prometheus::Family<prometheus::Gauge>&concurrency, &latency, &out;  // by model
  prometheus::Family<prometheus::Gauge>& dates;                       // by state
  prometheus::Family<prometheus::Gauge>& unscored_share;              // by profile
  prometheus::Gauge &scorers, &desired_scorers, &leases, &lease_age;
  prometheus::Gauge &papers_waiting, &waiting_age, &cost_today;
  prometheus::Counter &commits, &failed_commits;
  prometheus::Gauge& unwritten;
  prometheus::Counter& refused_messages;
  prometheus::Counter &published, &withheld, &drifted;
  prometheus::Family<prometheus::Counter>& papers;  // by state
};

}  // namespace paperboy
