// The event loop of a program: file descriptors, ZeroMQ sockets, timers and
// signals in one thread.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>
#include <zmq.hpp>

#include "common/loop.h"

namespace paperboy {

class EpollLoop : public Loop {
 public:
  EpollLoop();
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  MonotonicTime now() const override;
  TimerId After(Milliseconds delay, std::function<void()> fn) override;
  TimerId Every(Milliseconds period, std::function<void()> fn) override;
  void Cancel(TimerId id) override;
  void OnTurnEnd(std::function<void()> fn) override { turn_end_ = std::move(fn); }
  bool RunUntil(const std::function<bool()>& done, MonotonicTime deadline) override;
  void Stop() override { stopped_ = true; }
  bool stopped() const override { return stopped_; }

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

  // Blocks SIGTERM, SIGINT and SIGHUP (unless it is ignored, as nohup has it) for the
  // process, ignores SIGPIPE, and calls `fn` with the number of each signal that arrives.
  // Call before any thread starts.
  void OnStopSignal(std::function<void(int)> fn);

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
