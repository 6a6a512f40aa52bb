#include "tests/simulation/sim_loop.h"

namespace paperboy::sim {

Fiber::Fiber(std::function<void()> body) {
  thread_ = std::thread([this, body = std::move(body)] {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return fiber_runs_; });
    }
    try {
      body();
    } catch (const Killed&) {
    }
    const std::lock_guard lock(mutex_);
    finished_ = true;
    fiber_runs_ = false;
    changed_.notify_all();
  });
}

Fiber::~Fiber() { thread_.join(); }

void Fiber::SwitchTo(bool fiber) {
  std::unique_lock lock(mutex_);
  fiber_runs_ = fiber;
  changed_.notify_all();
  changed_.wait(lock, [&] { return fiber_runs_ != fiber; });
}

void Fiber::Resume() {
  if (!finished_) SwitchTo(true);
}

void Fiber::Yield() { SwitchTo(false); }

SimLoop::~SimLoop() {
  for (const auto& [id, event] : timers_) node_.world().Cancel(event);
}

Loop::TimerId SimLoop::After(Milliseconds delay, std::function<void()> fn) {
  const TimerId id = next_++;
  Arm(id, now() + delay, Milliseconds(0), std::move(fn));
  return id;
}

Loop::TimerId SimLoop::Every(Milliseconds period, std::function<void()> fn) {
  const TimerId id = next_++;
  Arm(id, now() + period, period, std::move(fn));
  return id;
}

void SimLoop::Arm(TimerId id, MonotonicTime at, Milliseconds period, std::function<void()> fn) {
  timers_[id] = node_.Post(at, [this, id, period, fn = std::move(fn)] {
    if (!timers_.contains(id)) return;  // cancelled while the process was stopped
    if (period.count() == 0) {
      timers_.erase(id);
    } else {
      Arm(id, now() + period, period, fn);
    }
    fn();
  });
}

void SimLoop::Cancel(TimerId id) {
  const auto found = timers_.find(id);
  if (found == timers_.end()) return;
  node_.world().Cancel(found->second);
  timers_.erase(found);
}

void SimLoop::EndTurn() {
  if (!turn_end_) return;
  const std::function<void()> fn = turn_end_;  // it may replace itself
  fn();
}

bool SimLoop::CanGoOn() const {
  return waiting_ == nullptr || node_.dying() || stopped_ || now() >= deadline_ || (*waiting_)();
}

bool SimLoop::RunUntil(const std::function<bool()>& done, MonotonicTime deadline) {
  for (;;) {
    if (node_.dying()) throw Killed{};
    if (done()) return true;
    if (stopped_ || now() >= deadline) return false;
    waiting_ = &done;
    deadline_ = deadline;
    const World::EventId wake = node_.Post(deadline, [] {});
    fiber_->Yield();
    node_.world().Cancel(wake);
    waiting_ = nullptr;
  }
}

}  // namespace paperboy::sim
