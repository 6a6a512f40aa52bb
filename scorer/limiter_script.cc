#include "scorer/limiter_script.h"

#include <algorithm>

#include "common/redis_keys.h"

namespace paperboy {
namespace {

using std::chrono::microseconds;

constexpr char kReserve[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', KEYS[1], 'tr', 'tt', 'at', 'pause', 'epoch', 'run',
                         'big', 'used', 'claim', 'until')
local tr, tt, last = tonumber(state[1]) or 0, tonumber(state[2]) or 0, tonumber(state[3]) or 0
local pause, epoch, run = tonumber(state[4]) or 0, state[5], state[6]
local big, used = tonumber(state[7]) or 0, tonumber(state[8]) or 0
local claim, till = tonumber(state[9]) or 0, tonumber(state[10]) or 0
local horizon, holdoff, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local cr, burst_r, tokens = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local quota, span, floor = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local function text(number) return string.format('%.17g', number) end
local function burst_for(call) return math.min(math.max(floor, call), quota / 2) end
local function rate_with(burst) return (quota - ARGV[12] * burst) / span end

if pause > now + longest then pause, epoch = 0, nil end
if not epoch or run ~= ARGV[1] or last > now + horizon + holdoff then
  pause = math.max(pause, now + holdoff)
  epoch, last = text(now), 0
  tr, tt, claim, till = pause + burst_r, pause, 0, 0
  big, used = tonumber(ARGV[13]), now
  if quota > 0 then tt = pause + burst_for(big) / rate_with(burst_for(big)) end
end

local at = math.max(now, pause)
if cr > 0 then at = math.max(at, tr + cr - burst_r) end
local ct = 0
if quota > 0 then
  local before = burst_for(big)
  if tokens > big / 2 then
    big, used = math.max(big, tokens), now
  elseif now > used + ARGV[14] then
    big, used = tokens, now
  end
  local burst = burst_for(big)
  local rate = rate_with(burst)
  if burst ~= before then
    -- A larger bucket gains no tokens, a smaller one forgets no debt.
    if tt > now then tt = now + (tt - now) * rate_with(before) / rate end
    tt = tt + math.max(0, burst - before) / rate
  end
  ct = tokens / rate
  local ahead = now < till and tokens < claim / 2 and claim or 0
  at = math.max(at, tt + ct + (ahead - burst) / rate)
end

local granted = at - now <= horizon
if granted then
  tr, tt, last = math.max(tr, at) + cr, math.max(tt, at) + ct, at
  if claim > 0 and tokens >= claim then claim, till = 0, at + ct end
elseif now >= till or (claim > 0 and tokens >= claim) then
  claim, till = tokens, at
end
redis.call('HSET', KEYS[1], 'tr', text(tr), 'tt', text(tt), 'at', text(last), 'pause', text(pause),
           'epoch', epoch, 'run', ARGV[1], 'big', text(big), 'used', text(used),
           'claim', text(claim), 'until', text(till))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {granted and 1 or 0, math.ceil(at - now), epoch, math.max(0, math.ceil(pause - now))}
)lua";

constexpr char kPause[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local pause = tonumber(redis.call('HGET', KEYS[1], 'pause')) or 0
if pause > now + ARGV[3] then pause = 0 end
pause = math.max(pause, now + ARGV[1])
redis.call('HSET', KEYS[1], 'pause', string.format('%.17g', pause))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return math.ceil(pause - now)
)lua";

constexpr char kLook[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', KEYS[1], 'pause', 'epoch', 'run')
local pause = tonumber(state[1]) or 0
if pause > now + ARGV[2] then pause = 0 end
local epoch = state[3] == ARGV[1] and state[2] or ''
return {math.max(0, math.ceil(pause - now)), epoch}
)lua";

// After the hold-off every grant of a lost state has been used or dropped:
// grants reach at most the horizon ahead, and a look-up may be that much late.
constexpr microseconds kHoldOffSlack{1'000'000};

std::string Ttl() { return std::to_string(Milliseconds(redis_keys::kLimitTtl).count()); }

std::string LongestPause() { return std::to_string(microseconds(kMaxPause).count()); }

std::string Text(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.17g", value);
  return text;
}

}  // namespace

const RedisScript& ReserveScript() {
  static const RedisScript script(kReserve);
  return script;
}

const RedisScript& PauseScript() {
  static const RedisScript script(kPause);
  return script;
}

const RedisScript& LookScript() {
  static const RedisScript script(kLook);
  return script;
}

std::vector<std::string> ReserveArgs(const LimiterSettings& settings, const std::string& run_id,
                                     int64_t tokens, int64_t largest) {
  const RequestRate requests = RateOfRequests(settings);
  const TokenRate token_rate = RateOfTokens(settings);
  const microseconds horizon = settings.horizon;
  return {run_id,
          Ttl(),
          std::to_string(horizon.count()),
          std::to_string((horizon + kHoldOffSlack).count()),
          LongestPause(),
          Text(requests.cost_us),
          Text(requests.burst_us),
          std::to_string(tokens),
          Text(token_rate.quota),
          Text(token_rate.span_us),
          Text(token_rate.burst),
          token_rate.burst_counts ? "1" : "0",
          std::to_string(std::max(tokens, largest)),
          std::to_string(microseconds(settings.memory).count())};
}

std::vector<std::string> PauseArgs(microseconds wait) {
  return {std::to_string(wait.count()), Ttl(), LongestPause()};
}

std::vector<std::string> LookArgs(const std::string& run_id) { return {run_id, LongestPause()}; }

}  // namespace paperboy
