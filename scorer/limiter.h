// Leave to send a call, under the quota that all scorers share. Reserves send
// times in Redis (limiter_script.h), waits for them, and looks once more before
// it lets a call go. Nothing falls back to a limit of its own: without Redis no
// call goes. One thread.
//
// A quota that turns out smaller than configured is followed downwards, by all
// scorers at once: the limit found is part of the shared state. It is found where a
// response names it, or measured by refusals (limiter_script.h). Up it goes by
// configuration alone: what is found holds until calls are reserved under other
// configured limits, or until there is no state any more, an hour after the last call
// or when Redis loses it; then it may be found again. So a colleague who uses the same
// key for an hour costs their share until then, and nobody tries every few minutes
// whether the provider refuses again.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/loop.h"
#include "common/redis.h"
#include "scorer/limiter_rate.h"

namespace paperboy {

// A send time as reserved, on this process's clock. Redis's clock was read
// between the asking and the reply, which is why it is a span: sent within it, a
// call is neither early nor more than the jitter late.
struct Grant {
  MonotonicTime earliest;
  MonotonicTime latest;
  std::string epoch;  // empty: nothing is limited, nothing was reserved
};

// What is known of the shared state.
struct LimiterView {
  MonotonicTime read_at;
  MonotonicTime paused_until;
  std::string epoch;
};
// An older view is read again before a call goes. Short, so that a 429 anywhere
// stops everybody's next call; long enough to serve a burst with one look.
inline constexpr Milliseconds kViewAge{50};

enum class LastLook {
  kSend,
  kReadAgain,     // the view is too old to tell
  kReserveAgain,  // too late, or the state was lost: the grant is void
  kPaused,        // everybody waits
};
LastLook LookOnce(const Grant& grant, const LimiterView& view, MonotonicTime now);

class Limiter {
 public:
  using Ticket = uint64_t;

  // `seed` spreads the retries of workers that wait for the same quota.
  Limiter(Loop& loop, Redis& redis, const std::string& quota_key, LimiterSettings settings,
          uint64_t seed);
  ~Limiter();
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  // Calls `go` once, at the moment at which the call must be sent; never from
  // within this call. Calls go in the order in which they were asked for,
  // except that a grant that became void is asked for again first.
  Ticket Acquire(int64_t tokens, std::function<void()> go);
  // `go` is not called; harmless when it has been. A send time that it had does not
  // count as used.
  void Cancel(Ticket ticket);
  // Within `go`: the call is not sent after all. Its send time does not count as used.
  void NotSent(int64_t tokens);

  // Nobody sends before `wait` has passed. Kept trying while Redis is away.
  void Pause(std::chrono::microseconds wait, PauseFor reason);

  // What the server names as its limits, which may be below those configured; 0: not
  // named.
  void OnNamed(const FoundLimits& named);
  // The server refused a call for its rate. `tokens` as asked for.
  void OnRefused(int64_t tokens, MonotonicTime sent);

  // The limits that hold now, as far as this process has heard.
  LimiterSettings in_force() const { return InForce(settings_, found_); }

  // A call waits for a send time beyond the horizon (or for the end of a
  // pause); no use in taking more work.
  bool beyond_horizon() const { return far_ != 0; }
  // Whether what it would tell the others of grants that it cannot use is still under
  // way; 1 s at most after the last Cancel. Who ends before loses it.
  bool telling() const { return telling_unused_ > 0 || reserving_ != 0; }
  // Why nothing can be reserved, for people; empty while Redis answers.
  const std::string& trouble() const { return trouble_; }

 private:
  struct Waiting {
    int64_t tokens = 0;
    std::function<void()> go;
    Grant grant;
    std::optional<MonotonicTime> dropped;  // a send time that it could not use
    Loop::TimerId timer = 0;
    bool looking = false;
  };

  void Reserve();  // for the first in the queue, one at a time
  struct Asked {
    Ticket ticket;
    int64_t tokens;
    MonotonicTime at;
  };
  void OnReserved(const Asked& asked, const Result<RedisReply>& reply);
  void Check(Ticket ticket);
  void ReadView();
  void OnView(MonotonicTime asked, const Result<RedisReply>& reply);
  void SetView(MonotonicTime asked, int64_t pause_us, const std::string& epoch);
  void CheckAt(Ticket ticket, MonotonicTime at);
  void ReserveLater(std::chrono::microseconds wait);
  void SendPause();
  void TellUnused(int64_t tokens, MonotonicTime send_time);
  void Tell(std::vector<std::string> lower);
  void Adopt(const FoundLimits& found);
  void SetTrouble(const std::string& message);

  Loop& loop_;
  Redis& redis_;
  std::string key_;
  LimiterSettings settings_;  // as configured
  FoundLimits found_;
  std::mt19937_64 random_;
  Ticket next_ticket_ = 1;
  std::unordered_map<Ticket, Waiting> waiting_;
  std::deque<Ticket> queue_;  // without a grant, in order
  int64_t largest_ = 0;       // tokens of the largest call ever asked for
  Ticket reserving_ = 0;      // asked for in Redis; 0: none is
  Loop::TimerId retry_timer_ = 0;
  bool reading_ = false;
  LimiterView view_;
  MonotonicTime own_pause_until_;
  PauseFor own_pause_for_ = PauseFor::kServer;
  bool pause_told_ = true;
  bool telling_pause_ = false;
  Loop::TimerId pause_timer_ = 0;
  Ticket far_ = 0;
  int late_in_a_row_ = 0;
  int telling_unused_ = 0;
  std::string trouble_;
};

}  // namespace paperboy
