#include "scorer/limiter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/log.h"
#include "common/redis_keys.h"
#include "scorer/limiter_script.h"

namespace paperboy {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

constexpr Milliseconds kRedisDeadline{1'000};
constexpr Milliseconds kRetryAfterTrouble{200};
// A grant missed again and again means that the jitter is set too low for this
// place; said once.
constexpr int kLateInARow = 20;

// Rounded up: a timer must not be early.
Milliseconds Ceil(MonotonicTime::duration time) {
  return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(time));
}

}  // namespace

LastLook LookOnce(const Grant& grant, const LimiterView& view, MonotonicTime now) {
  const bool limited = !grant.epoch.empty();
  if (limited && now > grant.latest) return LastLook::kReserveAgain;
  if (now > view.read_at + kViewAge) return LastLook::kReadAgain;
  if (limited && grant.epoch != view.epoch) return LastLook::kReserveAgain;
  if (now < view.paused_until) return limited ? LastLook::kReserveAgain : LastLook::kPaused;
  return LastLook::kSend;
}

Limiter::Limiter(Loop& loop, Redis& redis, const std::string& quota_key, LimiterSettings settings,
                 uint64_t seed)
    : loop_(loop),
      redis_(redis),
      key_(redis_keys::Limit(quota_key)),
      settings_(settings),
      random_(seed) {}

Limiter::~Limiter() {
  loop_.Cancel(retry_timer_);
  loop_.Cancel(pause_timer_);
  for (const auto& [ticket, waiting] : waiting_) loop_.Cancel(waiting.timer);
}

Limiter::Ticket Limiter::Acquire(int64_t tokens, std::function<void()> go) {
  const Ticket ticket = next_ticket_++;
  Waiting& waiting = waiting_[ticket];
  waiting.tokens = tokens;
  waiting.go = std::move(go);
  largest_ = std::max(largest_, tokens);
  if (settings_.limited()) {
    queue_.push_back(ticket);
    Reserve();
  } else {
    CheckAt(ticket, loop_.now());
  }
  return ticket;
}

void Limiter::Cancel(Ticket ticket) {
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) return;
  const Waiting& waiting = found->second;
  loop_.Cancel(waiting.timer);
  if (!waiting.grant.epoch.empty()) {
    TellUnused(waiting.tokens, waiting.grant.earliest);
  } else if (waiting.dropped && reserving_ != ticket) {  // else the asking told of it
    TellUnused(waiting.tokens, *waiting.dropped);
  }
  waiting_.erase(found);
  std::erase(queue_, ticket);
  if (far_ == ticket) far_ = 0;
  // Nobody is left who would find that the trouble is over.
  if (waiting_.empty()) SetTrouble("");
}

void Limiter::NotSent(int64_t tokens) {
  if (settings_.limited()) TellUnused(tokens, loop_.now());
}

void Limiter::OnNamed(const FoundLimits& named) {
  if (InForce(in_force(), named) == in_force()) return;
  Tell(LowerArgs(settings_, std::nullopt, named));
}

void Limiter::OnRefused(int64_t tokens, MonotonicTime sent) {
  if (!settings_.limited()) return;
  const auto ago = duration_cast<microseconds>(loop_.now() - sent);
  Tell(LowerArgs(settings_, Refused{ago, tokens}, {}));
}

// Not repeated when Redis is away: the next response says it again.
void Limiter::Tell(std::vector<std::string> lower) {
  redis_.Eval(LowerScript(), {key_}, std::move(lower), kRedisDeadline,
              [this](const Result<RedisReply>& reply) {
                if (!reply || reply->array.size() != 2) return;
                Adopt({reply->array[0].integer, reply->array[1].integer});
              });
}

void Limiter::Adopt(const FoundLimits& found) {
  if (found == found_) return;
  found_ = found;
  if (found == FoundLimits{}) {
    spdlog::info("the limits are the configured ones again");
    return;
  }
  const auto say = [](const char* what, int64_t now, int64_t configured) {
    if (now == configured) return;
    spdlog::warn(
        "the provider allows {} {} a minute, not the {} configured: it named that limit, or its "
        "refusals show it. All scorers keep to it",
        now, what, configured);
  };
  say("requests", in_force().rpm, settings_.rpm);
  say("tokens", in_force().tpm, settings_.tpm);
  spdlog::warn(
      "to use more again, restart the scorers with another --rpm or --tpm, or delete {} in Redis; "
      "without calls it is forgotten after an hour",
      key_);
}

void Limiter::Reserve() {
  if (reserving_ != 0 || retry_timer_ != 0 || queue_.empty()) return;
  reserving_ = queue_.front();
  const Waiting& waiting = waiting_[reserving_];
  const Asked asked{reserving_, waiting.tokens, loop_.now()};
  std::optional<microseconds> dropped;
  if (waiting.dropped) dropped = duration_cast<microseconds>(asked.at - *waiting.dropped);
  redis_.Eval(ReserveScript(), {key_},
              ReserveArgs(settings_, redis_.run_id(), waiting.tokens, largest_, found_, dropped),
              kRedisDeadline, [this, asked](const Result<RedisReply>& reply) {
                reserving_ = 0;
                OnReserved(asked, reply);
                Reserve();
              });
}

void Limiter::OnReserved(const Asked& asked, const Result<RedisReply>& reply) {
  if (!reply || reply->array.size() != 6) {
    SetTrouble(reply ? "unexpected answer" : reply.error().message);
    ReserveLater(kRetryAfterTrouble);
    return;
  }
  SetTrouble("");
  Adopt({reply->array[4].integer, reply->array[5].integer});
  if (reply->array[0].integer < 0) return;  // asked with limits that do not hold
  const bool granted = reply->array[0].integer == 1;
  const microseconds wait(reply->array[1].integer);
  const MonotonicTime now = loop_.now();
  SetView(asked.at, reply->array[3].integer, reply->array[2].string);
  const auto found = waiting_.find(asked.ticket);
  if (found == waiting_.end()) {  // cancelled meanwhile
    if (granted) TellUnused(asked.tokens, now + wait);
    return;
  }
  found->second.dropped.reset();
  if (!granted) {
    far_ = asked.ticket;
    const auto spread = random_() % (microseconds(settings_.horizon).count() / 2 + 1);
    ReserveLater(wait - settings_.horizon + microseconds(spread));
    return;
  }
  std::erase(queue_, asked.ticket);
  found->second.grant = {now + wait, asked.at + wait + settings_.jitter, reply->array[2].string};
  CheckAt(asked.ticket, now + wait);
}

void Limiter::ReserveLater(microseconds wait) {
  retry_timer_ = loop_.After(Ceil(wait), [this] {
    retry_timer_ = 0;
    Reserve();
  });
}

void Limiter::CheckAt(Ticket ticket, MonotonicTime at) {
  Waiting& waiting = waiting_[ticket];
  waiting.timer = loop_.After(Ceil(at - loop_.now()), [this, ticket] { Check(ticket); });
}

void Limiter::Check(Ticket ticket) {
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  waiting.timer = 0;
  const MonotonicTime now = loop_.now();
  switch (LookOnce(waiting.grant, view_, now)) {
    case LastLook::kReadAgain:
      waiting.looking = true;
      ReadView();
      return;
    case LastLook::kReserveAgain:
      late_in_a_row_ += now > waiting.grant.latest ? 1 : 0;
      if (late_in_a_row_ == kLateInARow) {
        spdlog::warn(
            "calls keep missing their send times; Redis or this machine is slower than "
            "--arrival-jitter ({} ms) allows for",
            settings_.jitter.count());
      }
      waiting.dropped = waiting.grant.earliest;
      waiting.grant = {};
      queue_.push_front(ticket);
      Reserve();
      return;
    case LastLook::kPaused:
      far_ = ticket;
      CheckAt(ticket, view_.paused_until);
      return;
    case LastLook::kSend:
      late_in_a_row_ = 0;
      if (far_ == ticket) far_ = 0;
      const std::function<void()> go = std::move(waiting.go);
      waiting_.erase(found);
      go();
      return;
  }
}

void Limiter::ReadView() {
  if (reading_) return;
  reading_ = true;
  const MonotonicTime asked = loop_.now();
  redis_.Eval(LookScript(), {key_}, LookArgs(redis_.run_id()), kRedisDeadline,
              [this, asked](const Result<RedisReply>& reply) {
                reading_ = false;
                OnView(asked, reply);
              });
}

void Limiter::OnView(MonotonicTime asked, const Result<RedisReply>& reply) {
  const bool ok = reply.ok() && reply->array.size() == 2;
  if (ok) {
    SetTrouble("");
    SetView(asked, reply->array[0].integer, reply->array[1].string);
  } else {
    SetTrouble(reply ? "unexpected answer" : reply.error().message);
  }
  std::vector<Ticket> looking;
  for (auto& [ticket, waiting] : waiting_) {
    if (std::exchange(waiting.looking, false)) looking.push_back(ticket);
  }
  std::sort(looking.begin(), looking.end());
  for (const Ticket ticket : looking) {
    if (ok) {
      Check(ticket);
    } else if (waiting_.contains(ticket)) {
      CheckAt(ticket, loop_.now() + kRetryAfterTrouble);
    }
  }
}

void Limiter::SetView(MonotonicTime asked, int64_t pause_us, const std::string& epoch) {
  // Counted from the asking, so that a grant for the very end of a pause holds.
  view_ = {asked, std::max(asked + microseconds(pause_us), own_pause_until_), epoch};
}

void Limiter::Pause(microseconds wait, PauseFor reason) {
  const MonotonicTime until = loop_.now() + wait;
  if (until >= own_pause_until_) own_pause_until_ = until, own_pause_for_ = reason;
  view_.paused_until = std::max(view_.paused_until, own_pause_until_);
  pause_told_ = false;
  SendPause();
}

void Limiter::SendPause() {
  const auto left = duration_cast<microseconds>(own_pause_until_ - loop_.now());
  if (pause_told_ || telling_pause_ || left.count() <= 0) return;
  telling_pause_ = true;
  const MonotonicTime told = own_pause_until_;
  redis_.Eval(PauseScript(), {key_}, PauseArgs(left, own_pause_for_), kRedisDeadline,
              [this, told](const Result<RedisReply>& reply) {
                telling_pause_ = false;
                pause_told_ = reply.ok() && told == own_pause_until_;
                if (pause_told_) return;
                loop_.Cancel(pause_timer_);
                pause_timer_ = loop_.After(reply ? Milliseconds(0) : kRetryAfterTrouble, [this] {
                  pause_timer_ = 0;
                  SendPause();
                });
              });
}

// Not repeated when Redis is away: its state is lost, or a limit found is a call too large.
void Limiter::TellUnused(int64_t tokens, MonotonicTime send_time) {
  const auto ago = duration_cast<microseconds>(loop_.now() - send_time);
  ++telling_unused_;
  redis_.Eval(UnusedScript(), {key_}, UnusedArgs(settings_, ago, tokens), kRedisDeadline,
              [this](const Result<RedisReply>&) { --telling_unused_; });
}

void Limiter::SetTrouble(const std::string& message) {
  trouble_ = message.empty() ? "" : "the shared rate limiter: " + message;
}

}  // namespace paperboy
