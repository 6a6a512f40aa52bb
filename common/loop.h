// The event loop of a process: file descriptors, ZeroMQ sockets, timers and
// signals in one thread. Not thread-safe: everything happens on the thread that
// calls Run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>
#include <zmq.hpp>

namespace paperboy {

using Milliseconds = std::chrono::milliseconds;
using MonotonicTime = std::chrono::steady_clock::time_point;

class Loop {
 public:
  using TimerId = uint64_t;  // 0 is no timer

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  MonotonicTime now() const;

  // Calls `fn` once after `delay`, or every `period` until cancelled. Timers
  // that are due at the same instant fire in the order of their making; one
  // made by a handler fires in the next turn at the earliest. A periodic timer
  // that fell behind skips what it missed.
  TimerId After(Milliseconds delay, std::function<void()> fn);
  TimerId Every(Milliseconds period, std::function<void()> fn);
  void Cancel(TimerId id);  // harmless for 0 and for one that has fired

  // Calls `fn` with the ready events (EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP)
  // of `fd`, level-triggered. A second Watch of the same fd replaces the first.
  // `fn` may Unwatch its own or any other fd, and destroy what it belongs to.
  // Unwatch before the fd is closed.
  void Watch(int fd, uint32_t events, std::function<void(uint32_t)> fn);
  void Unwatch(int fd);

  // Calls `fn`, once a turn, while `socket` has a message to receive; `fn`
  // receives one or more without blocking. ZMQ_FD is edge-triggered, so
  // ZMQ_EVENTS is read again before every sleep. Unwatch before closing.
  void WatchZmq(zmq::socket_ref socket, std::function<void()> fn);
  void UnwatchZmq(zmq::socket_ref socket);

  // Calls `fn` at the end of each turn in which anything happened, before the
  // loop sleeps. One at a time; empty removes it.
  void OnTurnEnd(std::function<void()> fn) { turn_end_ = std::move(fn); }

  // Blocks SIGTERM and SIGINT for the process, ignores SIGPIPE, and calls `fn`
  // with the number of each signal that arrives. Call before any thread starts.
  void OnStopSignal(std::function<void(int)> fn);

  // Runs until Stop. A turn that has begun is finished.
  void Run();
  // Runs until `done` returns true (asked first and after each turn),
  // `deadline` has passed, or Stop was called. Returns the last value of
  // done(). Not to be called by a handler.
  bool RunUntil(const std::function<bool()>& done, MonotonicTime deadline);
  // For good: from then on Run and RunUntil return without a turn.
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  struct Timer {
    Milliseconds period;  // 0: once
    std::function<void()> fn;
  };
  // Who watches a fd now. The generation goes into the epoll event, so that an
  // event of a closed fd never reaches the next owner of its number.
  struct FdWatch {
    uint32_t generation;
    std::shared_ptr<std::function<void(uint32_t)>> fn;  // empty for a ZMQ_FD
  };
  struct ZmqWatch {
    zmq::socket_ref socket;
    int fd;
    std::shared_ptr<std::function<void()>> fn;
  };

  TimerId AddTimer(Milliseconds delay, Milliseconds period, std::function<void()> fn);
  void Register(int fd, uint32_t events, std::shared_ptr<std::function<void(uint32_t)>> fn);
  // One turn: sleeps until `wake_by` at most, then calls what is ready.
  void Turn(MonotonicTime wake_by);
  int SleepMs(MonotonicTime wake_by) const;
  // Each returns whether it called anything.
  bool RunFds(int timeout_ms);
  bool RunZmq();
  bool RunTimers();

  int epoll_fd_ = -1;
  int signal_fd_ = -1;
  bool stopped_ = false;
  // Something was called in the last turn, so that the edge of a ZMQ_FD may
  // have been eaten since ZMQ_EVENTS was read: do not sleep yet.
  bool busy_ = true;
  TimerId next_timer_ = 1;
  std::map<std::pair<MonotonicTime, TimerId>, Timer> timers_;
  std::unordered_map<TimerId, MonotonicTime> timer_at_;
  uint32_t next_generation_ = 1;
  std::unordered_map<int, FdWatch> fds_;
  std::vector<ZmqWatch> zmq_;
  std::function<void()> turn_end_;
};

}  // namespace paperboy
