// One run in front of a provider, with everybody started: waits for the first
// call, lets one window pass, and measures the next ones, saying on standard error how far it is.
#pragma once

#include <functional>
#include <string>

#include "tests/bench/measure.h"

namespace paperboy::bench {

class Watch {
 public:
  // `title` stands before what it says.
  Watch(const LlmServer& provider, std::string title, double window, int windows);

  // Until the last window is over. `tick` is called ten times a second with the
  // seconds since the measured time began, negative before. Throws
  // std::runtime_error when no call comes within a minute.
  void Run(const std::function<void(double)>& tick);

  // The longest time that this machine let the watch sleep too long: calls may
  // have come as late.
  double machine_late() const { return machine_late_; }

  Quota::Time start() const { return start_; }  // of the measured time
  double seconds() const { return window_ * windows_; }
  // Everything from the very first call on.
  const Arrivals& all() const { return all_; }
  // Of the measured seconds `from` to `to`.
  Arrivals Measured(double from, double to) const;
  Arrivals Measured() const { return Measured(0, seconds()); }

 private:
  void Collect();
  void Say(const char* what, double seconds_left) const;

  const LlmServer& provider_;
  const std::string title_;
  const double window_;
  const int windows_;
  Arrivals all_;
  Quota::Time start_;
  double machine_late_ = 0;
};

}  // namespace paperboy::bench
