// Waiting in sequential code: runs the loop until something is so, a deadline
// has passed or the process was told to stop. One thread, the loop's.
#pragma once

#include <functional>

#include "common/loop.h"

namespace paperboy {

class Pump {
 public:
  explicit Pump(Loop& loop) : loop_(loop) {}

  Loop& loop() { return loop_; }
  MonotonicTime now() const { return loop_.now(); }

  // Ends every wait from now on. `signal` is not 0.
  void Stop(int signal) { stop_signal_ = signal; }
  int stop_signal() const { return stop_signal_; }
  bool stopped() const { return stop_signal_ != 0; }

  // True when `done` is; false when the deadline passed or Stop was called.
  bool Until(const std::function<bool()>& done, MonotonicTime deadline);

  // The same, but a stop does not end it: for what has to be put in order
  // before leaving. `limit` is short.
  bool Finish(const std::function<bool()>& done, Milliseconds limit);

  // False when the deadline or a stop came first.
  bool Sleep(Milliseconds time, MonotonicTime deadline);

 private:
  Loop& loop_;
  int stop_signal_ = 0;
};

}  // namespace paperboy
