// What a process runs on: its clock, its timers and its turns, in one thread. The
// programs run on an EpollLoop; a simulation hands in a loop on virtual time. Not
// thread-safe: everything happens on the thread that runs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace paperboy {

using Milliseconds = std::chrono::milliseconds;
using MonotonicTime = std::chrono::steady_clock::time_point;

class Loop {
 public:
  using TimerId = uint64_t;  // 0 is no timer

  virtual ~Loop() = default;

  virtual MonotonicTime now() const = 0;

  // Calls `fn` once after `delay`, or every `period` until cancelled. Timers
  // that are due at the same instant fire in the order of their making; one
  // made by a handler fires in the next turn at the earliest. A periodic timer
  // that fell behind skips what it missed.
  virtual TimerId After(Milliseconds delay, std::function<void()> fn) = 0;
  virtual TimerId Every(Milliseconds period, std::function<void()> fn) = 0;
  virtual void Cancel(TimerId id) = 0;  // harmless for 0 and for one that has fired

  // Calls `fn` at the end of each turn in which anything happened, before the
  // loop sleeps. One at a time; empty removes it.
  virtual void OnTurnEnd(std::function<void()> fn) = 0;

  // Runs until `done` returns true (asked first and after each turn),
  // `deadline` has passed, or Stop was called. Returns the last value of
  // done(). Not to be called by a handler.
  virtual bool RunUntil(const std::function<bool()>& done, MonotonicTime deadline) = 0;
  // Runs until Stop. A turn that has begun is finished.
  void Run() {
    RunUntil([] { return false; }, MonotonicTime::max());
  }
  // For good: from then on Run and RunUntil return without a turn.
  virtual void Stop() = 0;
  virtual bool stopped() const = 0;
};

}  // namespace paperboy
