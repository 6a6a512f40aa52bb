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
      limits_(prometheus::BuildGauge()
                  .Name("paperboy_llm_limit")
                  .Help("Limits in force for a model: requests and tokens a minute, as configured "
                        "or less if the provider allows less, and calls in flight; 0: none")
                  .Register(registry)),
      unreported_(prometheus::BuildCounter()
                      .Name("paperboy_llm_calls_without_tokens_total")
                      .Help("Calls that were answered without a report of their tokens")
                      .Register(registry)
                      .Add({})),
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
  calls_.Add({{"outcome", call.outcome()}}).Increment();
  if (!call.tokens_reported()) {
    if (call.http_status() == 200) unreported_.Increment();
    return;
  }
  ++reported_;
  prompt_tokens_ += call.prompt_tokens();
  completion_tokens_ += call.completion_tokens();
  tokens_.Add({{"kind", "prompt"}}).Increment(static_cast<double>(call.prompt_tokens()));
  tokens_.Add({{"kind", "cached"}}).Increment(static_cast<double>(call.cached_tokens()));
  tokens_.Add({{"kind", "completion"}}).Increment(static_cast<double>(call.completion_tokens()));
}

void ScorerMetrics::SetLimits(const std::string& model, const LimiterSettings& in_force,
                              size_t concurrency) {
  const auto set = [&](const char* of, double value) {
    limits_.Add({{"model", model}, {"of", of}}).Set(value);
  };
  set("requests", static_cast<double>(in_force.rpm));
  set("tokens", static_cast<double>(in_force.tpm));
  set("in_flight", static_cast<double>(concurrency));
}

std::string ScorerMetrics::TokensForPeople() const {
  const auto unreported = static_cast<uint64_t>(unreported_.Value());
  if (reported_ == 0 && unreported > 0) return "tokens not reported";
  std::string text = std::to_string(prompt_tokens_) + " prompt and " +
                     std::to_string(completion_tokens_) + " completion tokens";
  if (unreported > 0)
    text += ", and those of " + std::to_string(unreported) + " calls not reported";
  return text;
}

}  // namespace paperboy
