// The shared limiter's state in Redis and the three scripts that touch it. One
// hash per quota (redis_keys::Limit), every instant in microseconds of Redis's
// own TIME, never a worker's:
//   tr, tt  when the requests and the tokens handed out so far will have been
//           earned at the rate (the "theoretical arrival times" of GCRA)
//   at      the latest send time granted
//   pause   nothing is sent before
//   big     tokens of the largest call asked for; the burst covers it
//   used    when a call of more than half of `big` was last asked for
//   claim   tokens of a call that was asked for and waits beyond the horizon:
//           calls of less than half its size leave it as much, or it would wait
//           behind them for ever. 0: none
//   until   the claim is void from then on; without a claim, none is made
//           before, so that large calls take turns with the small ones
//   epoch   names one life of this state; grants of another are void
//   run     run_id of the Redis server that it was made in
#pragma once

#include <string>
#include <vector>

#include "common/redis.h"
#include "scorer/limiter_rate.h"

namespace paperboy {

// Reserves one request and its tokens at once, both charged at the send time.
//   KEYS[1]  the state
//   ARGV[1]  run_id as read at the last connect
//   ARGV[2]  time to live, ms
//   ARGV[3]  horizon, us: a send time further ahead is not committed
//   ARGV[4]  hold-off after lost state, us
//   ARGV[5]  longest pause, us; one that reaches further was set by another clock
//   ARGV[6]  cost of one request, us (0: requests are not limited)
//   ARGV[7]  requests' burst, us (at least ARGV[6])
//   ARGV[8]  tokens of this call
//   ARGV[9]  token quota (0: tokens are not limited)
//   ARGV[10] us in which that quota may be used once
//   ARGV[11] token burst at least, tokens
//   ARGV[12] 1: the burst counts against the quota (windows), 0: it does not
//   ARGV[13] tokens of the largest call that this worker ever asked for: `big`
//            after lost state
//   ARGV[14] us after which a `big` without calls of its kind is forgotten
//   returns  {1 granted or 0 not, us from now to the send time, epoch,
//            us that the pause still lasts}
// State counts as lost when there is none, when it was made in another run of
// Redis (an old file loaded again), or when it is further ahead of now than any
// grant or pause can be (the clock was set back). Then a new epoch begins with a
// hold-off, in which all grants given before have been used; only what is earned
// after it is handed out, because the bursts may have been used just before.
const RedisScript& ReserveScript();
std::vector<std::string> ReserveArgs(const LimiterSettings& settings, const std::string& run_id,
                                     int64_t tokens, int64_t largest);

// Nothing is sent before now + wait, whoever asks.
//   KEYS[1]  the state
//   ARGV[1]  us to wait
//   ARGV[2]  time to live, ms
//   ARGV[3]  longest pause, us
//   returns  us that the pause lasts from now
const RedisScript& PauseScript();
std::vector<std::string> PauseArgs(std::chrono::microseconds wait);

// Reads, for the last look before a call is sent.
//   KEYS[1]  the state
//   ARGV[1]  run_id as read at the last connect
//   ARGV[2]  longest pause, us
//   returns  {us that the pause still lasts, epoch; empty if the state is lost}
const RedisScript& LookScript();
std::vector<std::string> LookArgs(const std::string& run_id);

}  // namespace paperboy
