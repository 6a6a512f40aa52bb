// The shared limiter's state in Redis and the five scripts that touch it. One
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
//   of      the configured limits, "RPM/TPM", that the following belongs to; it is
//           dropped when a call is reserved under others
//   fr, ft  requests and tokens a minute that the provider turned out to allow;
//           0: as configured
//   busy    us for which the quota was spoken for, added up: the costs of what was
//           granted, and pauses that refusals for the rate asked for
//   first   when the refused call was sent with which a measurement began, 0: none;
//   before  `busy` then
//   low     when the refused call was sent by which a limit was found last, 0: none was
//           in this epoch
//   n0, n1, ...  what was granted, and neither refused nor left unused, by slices of the
//           provider's window: "number of the slice, requests, tokens"
#pragma once

#include <optional>
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
//   ARGV[15] the configured limits, as `of`
//   ARGV[16] requests a minute and
//   ARGV[17] tokens a minute that ARGV[6] to [11] are made of
//   ARGV[18] the provider's window, us
//   ARGV[19] us since the send time that the call was granted before and could not
//            use; "-": none
//   returns  {1 granted, 0 not, -1 not, because ARGV[16] or [17] is above what was
//            found: ask again with that, us from now to the send time, epoch,
//            us that the pause still lasts, fr, ft}
// State counts as lost when there is none, when it was made in another run of
// Redis (an old file loaded again), or when it is further ahead of now than any
// grant or pause can be (the clock was set back). Then a new epoch begins with a
// hold-off, in which all grants given before have been used; only what is earned
// after it is handed out, because the bursts may have been used just before.
const RedisScript& ReserveScript();
std::vector<std::string> ReserveArgs(const LimiterSettings& configured, const std::string& run_id,
                                     int64_t tokens, int64_t largest, const FoundLimits& found = {},
                                     std::optional<std::chrono::microseconds> dropped = {});

// The provider's quota is smaller than configured, or may be: its response named a
// limit, or it refused a call that the quota should have had room for.
//
// A refusal alone proves nothing. A limit is found by measuring: where refusals a
// window (to two) apart have the quota spoken for in between, so that it was the
// provider who said how much went through, that is the limit: what was granted in the
// window before the later refused call was sent, and not refused. No enforcement by
// windows or buckets admits less than its limit in a window at whose end it refuses;
// refusals that are still under way, and grants lost with their scorers, make it a little
// too large, which is why a hundredth less is kept to, and what refusals in the next two
// windows mend. A server that now and then
// refuses without reason finds nothing: what counts as smaller is less than 0.85 of the
// limit in force in every window between the two. A quota between that and all of it is
// kept to by the pauses that its refusals ask for.
// Of requests and tokens the one that was nearer to its limit is lowered: it is the
// more likely one, and the rate that follows is right for calls as they are now.
// Rejected: halving at a refusal. One answer of an overloaded server would cost half
// of the throughput, and the true limit is half used on average.
//   KEYS[1]  the state
//   ARGV[1]  the configured limits, as `of`
//   ARGV[2]  configured requests a minute; 0: not limited
//   ARGV[3]  configured tokens a minute; 0: not limited
//   ARGV[4]  time to live, ms
//   ARGV[5]  the provider's window, us
//   ARGV[6]  us since the refused call was sent; -1: none was refused
//   ARGV[7]  the tokens that were reserved for it
//   ARGV[8]  requests a minute as named; 0: not named
//   ARGV[9]  tokens a minute as named; 0: not named
//   ARGV[10] jitter, us: what was sent that much before the window may count in it, as
//            the rates allow for
//   returns  {fr, ft}
const RedisScript& LowerScript();
struct Refused {
  std::chrono::microseconds ago;  // since it was sent
  int64_t tokens = 0;
};
std::vector<std::string> LowerArgs(const LimiterSettings& configured,
                                   const std::optional<Refused>& refused, const FoundLimits& named);

// A grant was not used, and never will be: it does not count as gone through. Its time
// is lost.
//   KEYS[1]  the state
//   ARGV[1]  us since its send time, negative while that is ahead
//   ARGV[2]  tokens of the call
//   ARGV[3]  the provider's window, us
//   returns  nothing
const RedisScript& UnusedScript();
std::vector<std::string> UnusedArgs(const LimiterSettings& configured,
                                    std::chrono::microseconds ago, int64_t tokens);

// Nothing is sent before now + wait, whoever asks.
//   KEYS[1]  the state
//   ARGV[1]  us to wait
//   ARGV[2]  time to live, ms
//   ARGV[3]  longest pause, us
//   ARGV[4]  1: a refusal for the rate asked for it, so that it counts as `busy`; 0: a
//            server that fails did, which says nothing about the quota
//   returns  us that the pause lasts from now
const RedisScript& PauseScript();
std::vector<std::string> PauseArgs(std::chrono::microseconds wait, PauseFor reason);

// Reads, for the last look before a call is sent.
//   KEYS[1]  the state
//   ARGV[1]  run_id as read at the last connect
//   ARGV[2]  longest pause, us
//   returns  {us that the pause still lasts, epoch; empty if the state is lost}
const RedisScript& LookScript();
std::vector<std::string> LookArgs(const std::string& run_id);

}  // namespace paperboy
