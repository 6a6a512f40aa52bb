// Waits for what other threads or processes bring about, too.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "common/epoll_loop.h"

namespace paperboy {

// False when it took longer.
inline bool WaitUntil(const std::function<bool()>& done, std::chrono::seconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// Runs the loop until `done`, which is looked at every 5 ms even when nothing
// happens in the loop; false when that took longer than `patience`.
inline bool RunUntil(EpollLoop& loop, const std::function<bool()>& done, Milliseconds patience) {
  const auto poll = loop.Every(Milliseconds(5), [] {});
  const bool in_time = loop.RunUntil(done, loop.now() + patience);
  loop.Cancel(poll);
  return in_time;
}

}  // namespace paperboy
