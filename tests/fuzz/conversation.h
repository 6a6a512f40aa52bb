// Inputs that are conversations (conversation.proto), and what the parts of a process that
// are no parser are played by: time, links, Redis.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/link.h"
#include "common/loop.h"
#include "common/redis.h"
#include "conversation.pb.h"

namespace paperboy::fuzz {

inline constexpr Milliseconds kLongestWait{30'000};  // of a turn

// The turns of an input, at most 100 of them; none when it is no conversation.
std::vector<Turn> TurnsOf(std::string_view bytes);

// A loop whose time passes when it is told to.
class PlayedLoop : public Loop {
 public:
  MonotonicTime now() const override { return now_; }
  TimerId After(Milliseconds delay, std::function<void()> fn) override;
  TimerId Every(Milliseconds period, std::function<void()> fn) override;
  void Cancel(TimerId id) override { timers_.erase(id); }
  void OnTurnEnd(std::function<void()> fn) override { turn_end_ = std::move(fn); }
  bool RunUntil(const std::function<bool()>& done, MonotonicTime deadline) override;
  void Stop() override { stopped_ = true; }
  bool stopped() const override { return stopped_; }

  void Pass(Milliseconds time);
  void EndTurn();

 private:
  struct Timer {
    MonotonicTime at;
    Milliseconds period;  // 0: once
    std::function<void()> fn;
  };
  // Runs the first timer that is due by then; false when there is none.
  bool RunNext(MonotonicTime until);

  MonotonicTime now_ = MonotonicTime{} + std::chrono::hours(1);
  std::map<TimerId, Timer> timers_;
  TimerId next_ = 1;
  std::function<void()> turn_end_;
  bool stopped_ = false;
};

class PlayedRouter : public Router {
 public:
  bool SendTo(const std::string& peer, const std::string& frame) override;
  bool Receive(Frame* frame) override;
  void OnReadable(std::function<void()> fn) override { readable_ = std::move(fn); }

  void Deliver(const std::string& peer, std::string body);
  std::vector<Frame> TakeSent() { return std::exchange(sent_, {}); }

 private:
  std::function<void()> readable_;
  std::deque<Frame> inbox_;
  std::vector<Frame> sent_;
};

class PlayedDealer : public Dealer {
 public:
  bool Send(const std::string& frame) override;
  bool Receive(std::string* body) override;
  void OnReadable(std::function<void()> fn) override { readable_ = std::move(fn); }

  void Deliver(std::string body);
  std::vector<std::string> TakeSent() { return std::exchange(sent_, {}); }

 private:
  std::function<void()> readable_;
  std::deque<std::string> inbox_;
  std::vector<std::string> sent_;
};

// Ready, and knows nothing; scripts fail.
class PlayedRedis : public Redis {
 public:
  explicit PlayedRedis(Loop& loop) : loop_(loop) { SetReady(true, ""); }
  void Command(std::vector<std::string> args, Milliseconds deadline, Callback done) override;
  void Eval(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> args,
            Milliseconds deadline, Callback done) override;

 private:
  Loop& loop_;
};

// Nothing is printed by what is under test.
void Quiet();

}  // namespace paperboy::fuzz
