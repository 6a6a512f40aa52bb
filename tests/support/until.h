// Waits for what other threads bring about, too.
#pragma once

#include <chrono>
#include <functional>

#include "common/epoll_loop.h"

namespace paperboy {

// Runs the loop until `done`, which is looked at every 5 ms even when nothing
// happens in the loop; false when that took longer than `patience`.
inline bool RunUntil(EpollLoop& loop, const std::function<bool()>& done, Milliseconds patience) {
  const auto poll = loop.Every(Milliseconds(5), [] {});
  const bool in_time = loop.RunUntil(done, loop.now() + patience);
  loop.Cancel(poll);
  return in_time;
}

}  // namespace paperboy
