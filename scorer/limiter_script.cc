#include "scorer/limiter_script.h"

#include <algorithm>

#include "common/redis_keys.h"

namespace paperboy {
namespace {

using std::chrono::microseconds;

// What was granted, by slices of the provider's window: a two-hundredth, so that the
// ends of a window are known to half a percent; not below 10 ms. Slices are kept for two
// windows, 2 s of horizon ahead of them, 12 s for the jitter and for a refusal that comes
// late, and 1 s to spare. Of what is not kept any more nothing is taken off.
constexpr char kSlices[] = R"lua(
local function text(number) return string.format('%.17g', number) end
local function slice_of(window) return math.max(window / 200, 10000) end
local function slot_of(number, window)
  return 'n' .. number % math.ceil((2 * window + 15e6) / slice_of(window))
end
local function read(value, number)
  local of, requests, tokens = string.match(value or '', '^(%S+) (%S+) (%S+)$')
  if tonumber(of) ~= number then return 0, 0, false end
  return tonumber(requests), tonumber(tokens), true
end
local function add(number, window, requests, tokens)
  local slot = slot_of(number, window)
  local r, t = read(redis.call('HGET', KEYS[1], slot), number)
  if requests < 0 and r < 1 then return false end
  redis.call('HSET', KEYS[1], slot,
             text(number) .. ' ' .. text(r + requests) .. ' ' .. text(t + tokens))
  return true
end
local function count(instant, window, tokens)
  add(math.floor(instant / slice_of(window)), window, 1, tokens)
end
-- A worker knows when it was granted a call to the time that Redis and the sending took,
-- which may have passed into another slice.
local function uncount(instant, window, tokens)
  local number = math.floor(instant / slice_of(window))
  for back = 0, 10 do
    if add(number - back, window, -1, -tokens) then return end
  end
end
-- The most that was granted in any `count` slices on end, the last of which holds an
-- instant from `first` to `last`.
local function most_granted(first, last, window, slices)
  local slice = slice_of(window)
  local number = math.floor(last / slice)
  local steps = math.floor((last - first) / slice)
  local slots, r, t = {}, {}, {}
  for back = 0, slices + steps do slots[back + 1] = slot_of(number - back, window) end
  local values = redis.call('HMGET', KEYS[1], unpack(slots))
  for back = 0, slices + steps do r[back], t[back] = read(values[back + 1], number - back) end
  -- Of the oldest slice what is still inside.
  local part = number + 1 - last / slice
  local requests, tokens, most_requests, most_tokens = 0, 0, 0, 0
  for back = 0, slices - 1 do requests, tokens = requests + r[back], tokens + t[back] end
  for step = 0, steps do
    most_requests = math.max(most_requests, requests + part * r[step + slices])
    most_tokens = math.max(most_tokens, tokens + part * t[step + slices])
    requests = requests - r[step] + r[step + slices]
    tokens = tokens - t[step] + t[step + slices]
  end
  return math.floor(most_requests + 0.5), most_tokens
end
)lua";

constexpr char kReserve[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', KEYS[1], 'tr', 'tt', 'at', 'pause', 'epoch', 'run',
                         'big', 'used', 'claim', 'until', 'of', 'fr', 'ft', 'busy', 'first',
                         'before', 'low')
local tr, tt, last = tonumber(state[1]) or 0, tonumber(state[2]) or 0, tonumber(state[3]) or 0
local pause, epoch, run = tonumber(state[4]) or 0, state[5], state[6]
local big, used = tonumber(state[7]) or 0, tonumber(state[8]) or 0
local claim, till = tonumber(state[9]) or 0, tonumber(state[10]) or 0
local horizon, holdoff, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local cr, burst_r, tokens = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local quota, span, floor = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local fr, ft = tonumber(state[12]) or 0, tonumber(state[13]) or 0
local busy, first = tonumber(state[14]) or 0, tonumber(state[15]) or 0
local before, low = tonumber(state[16]) or 0, tonumber(state[17]) or 0
if state[11] ~= ARGV[15] then fr, ft, first, low = 0, 0, 0, 0 end
if (fr > 0 and tonumber(ARGV[16]) > fr) or (ft > 0 and tonumber(ARGV[17]) > ft) then
  return {-1, 0, epoch or '', 0, fr, ft}
end
if tonumber(ARGV[19]) then uncount(now - ARGV[19], tonumber(ARGV[18]), tokens) end
local function burst_for(call) return math.min(math.max(floor, call), quota / 2) end
local function rate_with(burst) return (quota - ARGV[12] * burst) / span end

if pause > now + longest then pause, epoch = 0, nil end
if not epoch or run ~= ARGV[1] or last > now + horizon + holdoff then
  redis.call('DEL', KEYS[1])
  pause = math.max(pause, now + holdoff)
  epoch, last, first, low = text(now), 0, 0, 0
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
  busy = busy + math.max(cr, ct)
  count(at, tonumber(ARGV[18]), tokens)
  if claim > 0 and tokens >= claim then claim, till = 0, at + ct end
elseif now >= till or (claim > 0 and tokens >= claim) then
  claim, till = tokens, at
end
redis.call('HSET', KEYS[1], 'tr', text(tr), 'tt', text(tt), 'at', text(last), 'pause', text(pause),
           'epoch', epoch, 'run', ARGV[1], 'big', text(big), 'used', text(used),
           'claim', text(claim), 'until', text(till), 'of', ARGV[15], 'fr', fr, 'ft', ft,
           'busy', text(busy), 'first', text(first), 'before', text(before), 'low', text(low))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {granted and 1 or 0, math.ceil(at - now), epoch, math.max(0, math.ceil(pause - now)), fr, ft}
)lua";

// Refusals a window apart are one a little less apart too: a slice, for the time that
// calls take. The quota was spoken for if it was for nine tenths of the time; the rest
// is what scorers need to hear of the end of a pause. Then less than 0.85 of the limit in
// force went through only if the provider's is smaller: what was not sent for pauses of a
// few seconds, or missed its time, is less than that. Of calls that were under way when a
// limit was found refusals come for a second, and one in a hundred is left for those that
// are still to come then; whatever else made it a little too large
// (calls granted to scorers that died) shows in the next two windows.
constexpr char kLower[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', KEYS[1], 'of', 'fr', 'ft', 'busy', 'first', 'before', 'low')
local fr, ft = tonumber(state[2]) or 0, tonumber(state[3]) or 0
local busy, first = tonumber(state[4]) or 0, tonumber(state[5]) or 0
local before, low = tonumber(state[6]) or 0, tonumber(state[7]) or 0
local rpm, tpm, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
if state[1] ~= ARGV[1] then fr, ft, first, low = 0, 0, 0, 0 end
local function in_force(limit, found) return found > 0 and found or limit end
local function lowered(limit, found, to)
  local less = limit > 0 and to >= 1 and to < in_force(limit, found)
  return less and math.floor(to) or found
end

fr, ft = lowered(rpm, fr, tonumber(ARGV[8])), lowered(tpm, ft, tonumber(ARGV[9]))
if tonumber(ARGV[6]) >= 0 then
  local sent = now - ARGV[6]
  local since, jitter = sent - first, tonumber(ARGV[10])
  uncount(sent, window, ARGV[7])
  -- What a find lacks shows in the first window that holds nothing from before it, and is
  -- mended until the next one ends; only then it is measured anew.
  local fresh, mends = sent <= low + 1e6, sent <= low + 2 * window
  local proves = not mends and since >= 0.98 * window and since <= 2 * window and
                 busy - before >= 0.9 * since
  if (mends or proves) and ARGV[6] + jitter <= 12e6 then
    local function went_through(from, span)
      local slices = math.ceil(span / slice_of(window))
      local requests, tokens = most_granted(from, sent, window, slices)
      requests, tokens = requests * 60e6 / window, tokens * 60e6 / window
      local of_requests = rpm > 0 and requests / in_force(rpm, fr) or 0
      local of_tokens = tpm > 0 and tokens / in_force(tpm, ft) or 0
      return math.max(of_requests, of_tokens), requests, tokens, of_requests >= of_tokens
    end
    local from = proves and math.min(sent, first + window) or sent
    local share = went_through(from, window + jitter)
    local _, requests, tokens, by_requests = went_through(sent, window)
    -- With the refused call, which a small quota is one short of.
    local full = share + 60e6 / window * math.max(rpm > 0 and 1 / in_force(rpm, fr) or 0,
                                                  tpm > 0 and ARGV[7] / in_force(tpm, ft) or 0)
    -- Where nothing goes through at all it is no quota: none, however small, does that.
    if requests > 0 and (fresh or (mends and sent >= low + window and full >= 0.85) or (proves and share < 0.85)) then
      if by_requests then
        fr = lowered(rpm, fr, 0.99 * requests)
      else
        ft = lowered(tpm, ft, 0.99 * tokens)
      end
      if proves then low = sent end
    end
  end
  if since >= 0.98 * window then first, before = sent, busy end
end
redis.call('HSET', KEYS[1], 'of', ARGV[1], 'fr', fr, 'ft', ft, 'first', text(first),
           'before', text(before), 'low', text(low))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {fr, ft}
)lua";

constexpr char kUnused[] = R"lua(
local time = redis.call('TIME')
uncount(time[1] * 1000000 + time[2] - ARGV[1], tonumber(ARGV[3]), ARGV[2])
)lua";

constexpr char kPause[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', KEYS[1], 'pause', 'busy')
local pause, busy = tonumber(state[1]) or 0, tonumber(state[2]) or 0
if pause > now + ARGV[3] then pause = 0 end
local more = ARGV[4] == '1' and math.max(0, now + ARGV[1] - math.max(pause, now)) or 0
pause = math.max(pause, now + ARGV[1])
redis.call('HSET', KEYS[1], 'pause', string.format('%.17g', pause),
           'busy', string.format('%.17g', busy + more))
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

std::string ConfiguredLimits(const LimiterSettings& settings) {
  return std::to_string(settings.rpm) + "/" + std::to_string(settings.tpm);
}

// A bucket has no window; its limits are for a minute.
std::string WindowUs(const LimiterSettings& settings) {
  const microseconds window = settings.window;
  return std::to_string(window.count() > 0 ? window.count() : 60'000'000);
}

std::string LongestPause() { return std::to_string(microseconds(kMaxPause).count()); }

std::string Text(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.17g", value);
  return text;
}

}  // namespace

const RedisScript& ReserveScript() {
  static const RedisScript script(std::string(kSlices) + kReserve);
  return script;
}

const RedisScript& LowerScript() {
  static const RedisScript script(std::string(kSlices) + kLower);
  return script;
}

const RedisScript& UnusedScript() {
  static const RedisScript script(std::string(kSlices) + kUnused);
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

std::vector<std::string> ReserveArgs(const LimiterSettings& configured, const std::string& run_id,
                                     int64_t tokens, int64_t largest, const FoundLimits& found,
                                     std::optional<microseconds> dropped) {
  const LimiterSettings settings = InForce(configured, found);
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
          std::to_string(microseconds(settings.memory).count()),
          ConfiguredLimits(configured),
          std::to_string(settings.rpm),
          std::to_string(settings.tpm),
          WindowUs(settings),
          dropped ? std::to_string(dropped->count()) : "-"};
}

std::vector<std::string> LowerArgs(const LimiterSettings& configured,
                                   const std::optional<Refused>& refused,
                                   const FoundLimits& named) {
  return {ConfiguredLimits(configured),
          std::to_string(configured.rpm),
          std::to_string(configured.tpm),
          Ttl(),
          WindowUs(configured),
          refused ? std::to_string(std::max(microseconds(0), refused->ago).count()) : "-1",
          std::to_string(refused ? refused->tokens : 0),
          std::to_string(named.rpm),
          std::to_string(named.tpm),
          std::to_string(microseconds(configured.jitter).count())};
}

std::vector<std::string> UnusedArgs(const LimiterSettings& configured, microseconds ago,
                                    int64_t tokens) {
  return {std::to_string(ago.count()), std::to_string(tokens), WindowUs(configured)};
}

std::vector<std::string> PauseArgs(microseconds wait, PauseFor reason) {
  return {std::to_string(wait.count()), Ttl(), LongestPause(),
          reason == PauseFor::kQuota ? "1" : "0"};
}

std::vector<std::string> LookArgs(const std::string& run_id) { return {run_id, LongestPause()}; }

}  // namespace paperboy
