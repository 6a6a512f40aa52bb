// What a scorer counts, for Prometheus and for its last log line. One thread
// writes.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "proto/paperboy.pb.h"
#include "scorer/limiter_rate.h"

namespace paperboy {

class ScorerMetrics {
 public:
  explicit ScorerMetrics(prometheus::Registry& registry);

  void OnCall(const wire::Call& call);
  void OnPapers(size_t answered) { papers_ += answered; }
  void OnLimiterWait(std::chrono::duration<double> wait) { limiter_wait_.Increment(wait.count()); }
  void OnCacheHits(size_t papers) { cache_hits_.Increment(static_cast<double>(papers)); }
  // What holds for a model now; 0: not limited.
  void SetLimits(const std::string& model, const LimiterSettings& in_force, size_t concurrency);
  void SetInFlight(size_t calls) { in_flight_.Set(static_cast<double>(calls)); }

  uint64_t calls() const { return call_count_; }
  uint64_t papers() const { return papers_; }
  // "9 prompt and 2 completion tokens", or that they were not reported.
  std::string TokensForPeople() const;

 private:
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Counter>& tokens_;
  prometheus::Family<prometheus::Gauge>& limits_;
  prometheus::Counter& unreported_;
  prometheus::Counter& limiter_wait_;
  prometheus::Gauge& in_flight_;
  prometheus::Counter& cache_hits_;
  uint64_t call_count_ = 0;
  uint64_t papers_ = 0;
  uint64_t reported_ = 0;  // calls that told their tokens
  uint64_t prompt_tokens_ = 0;
  uint64_t completion_tokens_ = 0;
};

}  // namespace paperboy
