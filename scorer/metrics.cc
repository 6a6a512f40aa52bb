#include "scorer/metrics.h"

namespace paperboy {

ScorerMetrics::ScorerMetrics(prometheus::Registry& registry)
    : calls_(prometheus::BuildCounter()
                 .Name("paperboy_llm_calls_total")
                 .Help("Calls of the model's server by outcome")
                 .Register(registry)),
      tokens_(prometheus::BuildCounter()
                  .Name("paperboy_llm_tokens_total")
                  .Help("Tokens as reported by the model's server; prompt includes cached")
                  .Register(registry)),
      limiter_wait_(prometheus::BuildCounter()
                        .Name("paperboy_limiter_wait_seconds_total")
                        .Help("Time that calls waited for their send time")
                        .Register(registry)
                        .Add({})),
      in_flight_(prometheus::BuildGauge()
                     .Name("paperboy_calls_in_flight")
                     .Help("Calls sent and not yet answered")
                     .Register(registry)
                     .Add({})),
      cache_hits_(prometheus::BuildCounter()
                      .Name("paperboy_score_cache_hits_total")
                      .Help("Papers whose score was found in Redis")
                      .Register(registry)
                      .Add({})) {}

void ScorerMetrics::OnCall(const wire::Call& call) {
  ++call_count_;
  prompt_tokens_ += call.prompt_tokens();
  completion_tokens_ += call.completion_tokens();
  calls_.Add({{"outcome", call.outcome()}}).Increment();
  tokens_.Add({{"kind", "prompt"}}).Increment(static_cast<double>(call.prompt_tokens()));
  tokens_.Add({{"kind", "cached"}}).Increment(static_cast<double>(call.cached_tokens()));
  tokens_.Add({{"kind", "completion"}}).Increment(static_cast<double>(call.completion_tokens()));
}

}  // namespace paperboy
