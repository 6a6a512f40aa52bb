#include "fetcher/polite_client.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "fetcher/xml.h"

namespace paperboy {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::seconds;

// The lock outlives the longest request. Its holder renews it, so a scaled-down
// one is enough to outlive it too.
constexpr seconds kLockOutlives{10};
constexpr Milliseconds kMinLockTtl{1'000};
constexpr seconds kRenewEvery{1};
constexpr Milliseconds kMinTick{20};
constexpr Milliseconds kLockPoll{500};
constexpr std::chrono::hours kEndTtl{24};
constexpr std::chrono::hours kMaxPause{24};
// Whatever the scale: no simulated service is asked in a loop.
constexpr Milliseconds kMinBackOff{20};
constexpr Milliseconds kRedisDeadline{2'000};
// Connecting to Redis takes less; not worth a word.
constexpr Milliseconds kQuiet{1'000};
// By so much two clocks may differ about one pause.
constexpr seconds kSamePause{2};

// KEYS: lock, end of the last request and when it was noted (two numbers,
// microseconds). ARGV: owner, the lock's time to live (ms), interval and hold-off
// (microseconds), time to live of the end (ms). Returns microseconds to wait before
// asking again; 0: the lock is the owner's; below 0: another owner has it for that
// long. An end that was noted later than now is of a clock that was set back since,
// and says nothing.
const RedisScript& AcquireScript() {
  static const RedisScript script(R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  return -math.max(redis.call('PTTL', KEYS[1]) * 1000, 1)
end
local interval = tonumber(ARGV[3])
local ended, noted = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d+)$')
if not ended or tonumber(noted) > now then
  ended = now + tonumber(ARGV[4]) - interval
  redis.call('SET', KEYS[2], string.format('%.0f %.0f', ended, now), 'PX', ARGV[5])
end
local wait = ended + interval - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0
)lua");
  return script;
}

// KEYS: lock. ARGV: owner, time to live (ms). Makes the lock the owner's again
// if nobody else has it. Returns 1 if it is.
const RedisScript& RenewScript() {
  static const RedisScript script(R"lua(
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
)lua");
  return script;
}

// KEYS: lock, end of the last request (as above). ARGV: owner, pause
// (microseconds), time to live of the end (ms). Notes the end of the owner's
// request, put off by the pause, and frees the lock if it is the owner's.
// Returns 1 if it was.
const RedisScript& ReleaseScript() {
  static const RedisScript script(R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ended = now + tonumber(ARGV[2])
local before, noted = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d+)$')
if before and tonumber(noted) <= now then ended = math.max(ended, tonumber(before)) end
redis.call('SET', KEYS[2], string.format('%.0f %.0f', ended, now), 'PX', ARGV[3])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
)lua");
  return script;
}

template <class Duration>
std::string Count(Duration d) {
  return std::to_string(d.count());
}

std::string MicrosecondsOf(std::chrono::duration<double> d) {
  return Count(duration_cast<microseconds>(d));
}

}  // namespace

PoliteClient::PoliteClient(Pump& pump, Redis& redis, HttpClient& http, Progress& progress,
                           Clock clock, Manners manners)
    : pump_(pump),
      redis_(redis),
      http_(http),
      progress_(progress),
      clock_(std::move(clock)),
      manners_(std::move(manners)),
      back_off_(BackOff(manners_.first_back_off)) {}

Milliseconds PoliteClient::Scaled(Milliseconds time) const {
  return Milliseconds(static_cast<int64_t>(static_cast<double>(time.count()) * manners_.scale));
}

Milliseconds PoliteClient::LockTtl() const {
  return std::max(kMinLockTtl, Scaled(manners_.request_timeout + kLockOutlives));
}

Milliseconds PoliteClient::BackOff(seconds unscaled) const {
  return std::max(kMinBackOff, Scaled(unscaled));
}

std::string PoliteClient::Trouble() const {
  return manners_.who + ": " + (trouble_.empty() ? "nobody may ask it now" : trouble_);
}

Error PoliteClient::GaveUp() const {
  if (pump_.stopped()) return Unavailable("stopped");
  std::string what = progress_.waiting();
  if (what.empty()) what = manners_.who;
  if (what == pause_) what = Trouble();  // no next try is made
  return Unavailable("the deadline passed waiting for " + what);
}

void PoliteClient::SayPause(Milliseconds pause) {
  const MonotonicTime ends = pump_.now() + pause;
  if (pause_.empty() || std::chrono::abs(ends - pause_ends_) > kSamePause) {
    pause_ends_ = ends;
    pause_ = Trouble() + "; next try at " +
             date::format("%T", std::chrono::ceil<seconds>(clock_() + pause)) + " UTC";
  }
  progress_.Waiting(pause_, trouble_.empty() ? Progress::Level::info : Progress::Level::warn);
}

Status PoliteClient::Ask(const HttpRequest& request, MonotonicTime deadline, const Accept& accept) {
  for (;;) {
    const MonotonicTime begin = pump_.now();
    const Status acquired = Acquire(deadline);
    const MonotonicTime turn = pump_.now();
    spent_.pace += turn - begin;
    if (!acquired) return acquired;
    const Result<HttpResponse> response = Send(request, deadline);
    spent_.answers += pump_.now() - turn;
    if (pump_.stopped() || (!response && pump_.now() >= deadline)) {
      Release(Milliseconds{0});
      return GaveUp();
    }
    Verdict verdict = Judge(response, accept);
    if (!verdict.again) {
      back_off_ = BackOff(manners_.first_back_off);
      Release(Milliseconds{0});
      trouble_.clear();
      pause_.clear();
      progress_.Waiting("");
      return verdict.status;
    }
    const Milliseconds pause = std::max<Milliseconds>(back_off_, verdict.retry_after);
    Release(pause);
    trouble_ = std::move(verdict.asked_to_wait);
    pause_.clear();
    SayPause(pause);
    back_off_ = std::min(back_off_ * 2, BackOff(manners_.max_back_off));
    const MonotonicTime pause_begin = pump_.now();
    const bool again = pump_.Sleep(pause, deadline);
    spent_.pace += pump_.now() - pause_begin;
    if (!again) return GaveUp();
  }
}

Status PoliteClient::Acquire(MonotonicTime deadline) {
  const Milliseconds poll = std::clamp(Scaled(kLockPoll), kMinTick, kLockPoll);
  const MonotonicTime begin = pump_.now();
  for (;;) {
    const auto not_before = last_end_ + duration_cast<MonotonicTime::duration>(manners_.interval);
    if (!pump_.Until([&] { return pump_.now() >= not_before; }, std::min(deadline, not_before)) &&
        (pump_.stopped() || pump_.now() >= deadline)) {
      return GaveUp();
    }
    const Result<int64_t> wait =
        Eval(AcquireScript(), {manners_.lock, manners_.end},
             {manners_.owner, Count(LockTtl()), MicrosecondsOf(manners_.interval),
              MicrosecondsOf(Scaled(manners_.hold_off)), Count(Milliseconds(kEndTtl))});
    Milliseconds sleep = poll;
    if (!wait) {
      const std::string& why = redis_.ready() ? wait.error().message : redis_.trouble();
      const bool last = pump_.now() + poll >= deadline;
      if (last || pump_.now() - begin >= kQuiet) progress_.Waiting("Redis (" + why + ")");
    } else if (*wait == 0) {
      return Ok();
    } else if (*wait < 0) {
      progress_.Waiting(manners_.who + ": another fetcher is asking it");
    } else {
      sleep = std::chrono::ceil<Milliseconds>(microseconds(*wait));
      // The ordinary pause between two requests is no news.
      if (sleep > manners_.interval + seconds(1)) {
        SayPause(sleep);
        sleep = std::min<Milliseconds>(sleep, seconds(1));  // says so again
      }
    }
    if (!pump_.Sleep(sleep, deadline)) return GaveUp();
  }
}

void PoliteClient::Release(Milliseconds pause) {
  last_end_ = pump_.now();
  // Should Redis be away, the lock's time to live frees it.
  (void)Eval(ReleaseScript(), {manners_.lock, manners_.end},
             {manners_.owner, MicrosecondsOf(std::min<Milliseconds>(pause, kMaxPause)),
              Count(Milliseconds(kEndTtl))});
}

Result<HttpResponse> PoliteClient::Send(HttpRequest request, MonotonicTime deadline) {
  request.timeout = manners_.request_timeout;
  const Loop::TimerId renew =
      pump_.loop().Every(std::clamp<Milliseconds>(Scaled(kRenewEvery), kMinTick, kRenewEvery), [&] {
        redis_.Eval(RenewScript(), {manners_.lock}, {manners_.owner, Count(LockTtl())},
                    kRedisDeadline, [](const Result<RedisReply>&) {});
      });
  Result<HttpResponse> response = Unavailable("the deadline passed before it answered");
  bool answered = false;
  const uint64_t id = http_.Start(std::move(request), [&](Result<HttpResponse> got) {
    response = std::move(got);
    answered = true;
  });
  if (!pump_.Until([&] { return answered; }, deadline)) http_.Cancel(id);
  pump_.loop().Cancel(renew);
  if (on_request_) {
    on_request_(response ? std::to_string(response->status) : std::string("no answer"));
  }
  return response;
}

PoliteClient::Verdict PoliteClient::Judge(const Result<HttpResponse>& response,
                                          const Accept& accept) const {
  Verdict verdict{Ok()};
  if (!response) {
    verdict.again = true;
    verdict.asked_to_wait = response.error().message;
    return verdict;
  }
  const int status = response->status;
  if (manners_.asks_to_wait(*response)) {
    verdict.again = true;
    verdict.asked_to_wait = "it asks to wait (HTTP " + std::to_string(status) + ")";
    verdict.retry_after = RetryAfter(*response);
    return verdict;
  }
  if (status >= 500 || status < 200) {
    verdict.again = true;
    verdict.asked_to_wait = "it failed (HTTP " + std::to_string(status) + ")";
    return verdict;
  }
  verdict.status = accept(*response);
  if (!verdict.status && verdict.status.error().kind == ErrorKind::kUnavailable) {
    verdict.again = true;
    verdict.asked_to_wait = verdict.status.error().message;
  }
  return verdict;
}

seconds PoliteClient::RetryAfter(const HttpResponse& response) const {
  const std::string text = response.Header("retry-after");
  int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  seconds wait{0};
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) {
    wait = seconds(std::min<int64_t>(number, seconds(kMaxPause).count()));
  } else if (const Result<Stamp> at = ParseStamp(text); at) {
    wait = std::chrono::ceil<seconds>(at->at - clock_());
  }
  return std::clamp<seconds>(wait, seconds(0), kMaxPause);
}

// Waits for the answer or for the command's own deadline, even when the process
// is to stop: both come soon.
Result<int64_t> PoliteClient::Eval(const RedisScript& script, std::vector<std::string> keys,
                                   std::vector<std::string> args) {
  const auto reply = std::make_shared<std::optional<Result<RedisReply>>>();
  redis_.Eval(script, std::move(keys), std::move(args), kRedisDeadline,
              [reply](Result<RedisReply> got) { reply->emplace(std::move(got)); });
  if (!pump_.Finish([&] { return reply->has_value(); }, kRedisDeadline * 2)) {
    return Unavailable("no answer");
  }
  if (!**reply) return (*reply)->error();
  return (**reply)->integer;
}

}  // namespace paperboy
