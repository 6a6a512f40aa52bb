// A process's loop on the world's time. RunUntil works inside a Fiber only: the
// process that calls it is set aside until what it waits for has come.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "tests/simulation/world.h"

namespace paperboy::sim {

// Thrown into a sequential program whose process dies.
struct Killed {};

// A sequential program: a thread that runs only while it is resumed.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  ~Fiber();  // it must have finished
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void Resume();  // until it yields or finishes
  void Yield();   // called by the body
  bool finished() const { return finished_; }

 private:
  void SwitchTo(bool fiber);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool fiber_runs_ = false;
  bool finished_ = false;
  std::thread thread_;
};

class SimLoop : public Loop {
 public:
  explicit SimLoop(Node& node) : node_(node) {}
  ~SimLoop() override;

  MonotonicTime now() const override { return node_.world().now(); }
  TimerId After(Milliseconds delay, std::function<void()> fn) override;
  TimerId Every(Milliseconds period, std::function<void()> fn) override;
  void Cancel(TimerId id) override;
  void OnTurnEnd(std::function<void()> fn) override { turn_end_ = std::move(fn); }
  bool RunUntil(const std::function<bool()>& done, MonotonicTime deadline) override;
  void Stop() override { stopped_ = true; }
  bool stopped() const override { return stopped_; }

  Node& node() { return node_; }
  void EndTurn();
  // Whether the sequential program that waits in RunUntil can go on.
  bool CanGoOn() const;
  void SetFiber(Fiber* fiber) { fiber_ = fiber; }

 private:
  void Arm(TimerId id, MonotonicTime at, Milliseconds period, std::function<void()> fn);

  Node& node_;
  std::function<void()> turn_end_;
  bool stopped_ = false;
  TimerId next_ = 1;
  std::unordered_map<TimerId, World::EventId> timers_;
  Fiber* fiber_ = nullptr;
  const std::function<bool()>* waiting_ = nullptr;
  MonotonicTime deadline_;
};

}  // namespace paperboy::sim
