// What a provider saw, held against what the limiter's rule allows. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "scorer/limiter_rate.h"
#include "tests/support/llm_server.h"

namespace paperboy::bench {

using Arrivals = std::vector<LlmServer::Arrival>;

// The part of `all` from `from` on and before `to`.
Arrivals Between(const Arrivals& all, Quota::Time from, Quota::Time to);

// Calls that the quota refused.
size_t Refused(const Arrivals& arrivals);

struct Use {
  size_t calls = 0;     // admitted
  double tokens = 0;    // theirs
  double ideal = 0;     // seconds in which the rule sends these calls, one after
                        // the other, when nothing is in its way
  double seconds = 0;   // that it took
  double of_limit = 0;  // part of the provider's limit that was used: of requests
                        // or of tokens, whichever is the greater
  // Part of the usable quota that was used: where one dimension binds all the
  // time, admitted calls or tokens by what L(W - C)/(W + J) allows.
  double of_usable() const { return seconds > 0 ? ideal / seconds : 0; }
};
Use UseOf(const Arrivals& arrivals, double seconds, const LimiterSettings& limits);

// The most calls that began within any `seconds`.
size_t MostWithin(const Arrivals& arrivals, double seconds);

}  // namespace paperboy::bench
