// The scorer's options, and what is made of them.
#pragma once

#include <string>
#include <vector>

#include "common/aggregator_socket.h"
#include "common/options.h"
#include "common/redis.h"
#include "common/result.h"
#include "scorer/deferred.h"
#include "scorer/limiter_rate.h"
#include "scorer/provider.h"
#include "scorer/token_estimate.h"

namespace paperboy {

struct ScorerSettings {
  bool lexical = false;  // the backend; else server.backend
  std::string model;     // for digests whose profile names none
  LlmServerSettings server;
  LimiterSettings limits;
  TokenCharge charge = TokenCharge::kMaximum;
  size_t concurrency = 8;  // calls in flight
  AggregatorAddress aggregator;
  RedisUrl redis;
  std::string pod;
  DeferredPace deferred;  // no option: tests only
};

Options ScorerOptions();

// Requires a successful Parse; reads the key's file. `host` is this machine's
// name, for the pod's default. Errors (kInvalid) name the option and say what
// to do.
Result<ScorerSettings> ReadScorerSettings(const Options& options, const std::string& host);

}  // namespace paperboy
