#include "tests/bench/watch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace paperboy::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kFirstCall{60};

Clock::duration Time(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(Quota::Seconds(seconds));
}

}  // namespace

Watch::Watch(const LlmServer& provider, std::string title, double window, int windows)
    : provider_(provider), title_(std::move(title)), window_(window), windows_(windows) {}

void Watch::Collect() {
  for (auto& arrival : provider_.arrivals(all_.size())) all_.push_back(std::move(arrival));
}

void Watch::Say(const char* what, double seconds_left) const {
  std::fprintf(stderr, "%s: %s; %zu calls, %zu refused; %.0f s left\n", title_.c_str(), what,
               all_.size(), Refused(all_), seconds_left);
}

void Watch::Run(const std::function<void(double)>& tick) {
  const auto began = Clock::now();
  const auto deadline = began + kFirstCall;
  while (all_.empty()) {
    std::this_thread::sleep_for(kTick);
    Collect();
    if (Clock::now() > deadline) throw std::runtime_error(title_ + ": no call came");
  }
  start_ = std::max(all_.front().at, began) + Time(window_);
  int said = -2;
  for (double now = -window_; now < seconds();) {
    const auto asleep = Clock::now();
    std::this_thread::sleep_for(kTick);
    machine_late_ = std::max(machine_late_, Quota::Seconds(Clock::now() - asleep - kTick).count());
    Collect();
    now = Quota::Seconds(Clock::now() - start_).count();
    tick(now);
    const int window = static_cast<int>(now / window_ + 1) - 1;
    if (window == said || now >= seconds()) continue;
    said = window;
    const std::string what =
        window < 0 ? "the first window, not measured"
                   : "window " + std::to_string(window + 1) + " of " + std::to_string(windows_);
    Say(what.c_str(), seconds() - now);
  }
}

Arrivals Watch::Measured(double from, double to) const {
  return Between(all_, start_ + Time(from), start_ + Time(to));
}

}  // namespace paperboy::bench
