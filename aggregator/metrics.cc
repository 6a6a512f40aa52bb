#include "aggregator/metrics.h"

namespace paperboy {
namespace {

prometheus::Family<prometheus::Gauge>& Gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& Gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return Gauges(registry, name, help).Add({});
}

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Counter& Counter(prometheus::Registry& registry, const char* name, const char* help,
                             const prometheus::Labels& labels = {}) {
  return Counters(registry, name, help).Add(labels);
}

}  // namespace

AggregatorMetrics::AggregatorMetrics(prometheus::Registry& registry)
    : concurrency(Gauges(registry, "paperboy_model_concurrency",
                         "Calls that all scorers together may have in flight.")),
      latency(Gauges(registry, "paperboy_model_latency_seconds",
                     "Median of the calls answered lately, of the slowest scorer.")),
      out(Gauges(registry, "paperboy_model_out",
                 "1: the provider refuses every call (key, quota, model); see the log.")),
      dates(Gauges(registry, "paperboy_dates",
                   "Dates of the last seven days, of all profiles, by state.")),
      unscored_share(Gauges(registry, "paperboy_digest_unscored_ratio",
                            "Papers without a score of those meant for the model, in the digest "
                            "completed last.")),
      scorers(Gauge(registry, "paperboy_scorers", "Scorers connected.")),
      desired_scorers(
          Gauge(registry, "paperboy_desired_scorers", "Scorers that backlog and quota can feed.")),
      leases(Gauge(registry, "paperboy_leases", "Batches handed out and not settled.")),
      lease_age(Gauge(registry, "paperboy_oldest_lease_age_seconds",
                      "Since when the oldest batch is out, but for those in a job of the "
                      "provider's batch API; 0: none is.")),
      papers_waiting(Gauge(registry, "paperboy_papers_waiting", "Papers waiting for a score.")),
      waiting_age(Gauge(registry, "paperboy_papers_waiting_age_seconds",
                        "How long papers have been waiting without a moment in which none was.")),
      cost_today(Gauge(registry, "paperboy_llm_cost_today_dollars",
                       "Cost of this Eastern day's calls, as far as prices are known.")),
      commits(Counter(registry, "paperboy_ledger_commits_total", "Turns committed to the ledger.")),
      failed_commits(Counter(registry, "paperboy_ledger_failed_commits_total",
                             "Turns that the disk or the database refused.")),
      unwritten(Gauge(registry, "paperboy_unwritten",
                      "Digests, and the rest of the site as one, of which not everything that the "
                      "ledger has could be written below OUT.")),
      refused_messages(Counter(registry, "paperboy_refused_messages_total",
                               "Messages that were malformed, of another version or made up.")),
      published(Counter(registry, "paperboy_digests_total", "Digests completed, by state.",
                        {{"state", "published"}})),
      withheld(Counter(registry, "paperboy_digests_total", "Digests completed, by state.",
                       {{"state", "withheld"}})),
      drifted(Counter(registry, "paperboy_digests_drifted_total",
                      "Digests on whose anchors the model's scores had moved.")),
      papers(Counters(registry, "paperboy_papers_total",
                      "Papers of the digests completed, by where they ended.")) {}

}  // namespace paperboy
