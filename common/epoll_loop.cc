#include "common/epoll_loop.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace paperboy {
namespace {

// The longest sleep; only keeps the sum within an int.
constexpr std::chrono::milliseconds kMaxSleep = std::chrono::hours(1);
constexpr int kEventsPerTurn = 64;

// For what fails only when the program is wrong or the process is out of file
// descriptors at its start.
void Require(bool ok, const char* what) {
  if (ok) return;
  spdlog::critical("event loop: {}: {}", what, std::strerror(errno));
  std::abort();
}

// Reads ZMQ_EVENTS. Interrupted by a signal it may have eaten the edge: look.
bool MayReceive(zmq::socket_ref socket) {
  int events = 0;
  size_t size = sizeof events;
  if (zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size) != 0) return errno == EINTR;
  return (events & ZMQ_POLLIN) != 0;
}

bool IsIgnored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

uint64_t Pack(uint32_t generation, int fd) {
  return (uint64_t{generation} << 32) | static_cast<uint32_t>(fd);
}

}  // namespace

EpollLoop::EpollLoop() : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  Require(epoll_fd_ >= 0, "epoll");
}

EpollLoop::~EpollLoop() {
  if (signal_fd_ >= 0) ::close(signal_fd_);
  ::close(epoll_fd_);
}

MonotonicTime EpollLoop::now() const { return std::chrono::steady_clock::now(); }

Loop::TimerId EpollLoop::After(Milliseconds delay, std::function<void()> fn) {
  return AddTimer(delay, Milliseconds{0}, std::move(fn));
}

Loop::TimerId EpollLoop::Every(Milliseconds period, std::function<void()> fn) {
  const Milliseconds at_least_one = std::max(period, Milliseconds{1});
  return AddTimer(at_least_one, at_least_one, std::move(fn));
}

Loop::TimerId EpollLoop::AddTimer(Milliseconds delay, Milliseconds period,
                                  std::function<void()> fn) {
  const TimerId id = next_timer_++;
  const MonotonicTime at = now() + delay;
  timers_.emplace(std::pair(at, id), Timer{period, std::move(fn)});
  timer_at_.emplace(id, at);
  return id;
}

void EpollLoop::Cancel(TimerId id) {
  const auto it = timer_at_.find(id);
  if (it == timer_at_.end()) return;
  timers_.erase({it->second, id});
  timer_at_.erase(it);
}

void EpollLoop::Watch(int fd, uint32_t events, std::function<void(uint32_t)> fn) {
  Register(fd, events, std::make_shared<std::function<void(uint32_t)>>(std::move(fn)));
}

void EpollLoop::Register(int fd, uint32_t events,
                         std::shared_ptr<std::function<void(uint32_t)>> fn) {
  const uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = Pack(generation, fd);
  int rc = ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  if (rc != 0 && errno == EEXIST) rc = ::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event);
  Require(rc == 0, "cannot watch a file descriptor");
  fds_[fd] = FdWatch{generation, std::move(fn)};
}

void EpollLoop::Unwatch(int fd) {
  if (fds_.erase(fd) > 0) ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void EpollLoop::WatchZmq(zmq::socket_ref socket, std::function<void()> fn) {
  UnwatchZmq(socket);
  const int fd = static_cast<int>(socket.get(zmq::sockopt::fd));
  Register(fd, EPOLLIN, nullptr);
  zmq_.push_back({socket, fd, std::make_shared<std::function<void()>>(std::move(fn))});
  busy_ = true;
}

void EpollLoop::UnwatchZmq(zmq::socket_ref socket) {
  const auto it = std::find_if(zmq_.begin(), zmq_.end(),
                               [&](const ZmqWatch& watch) { return watch.socket == socket; });
  if (it == zmq_.end()) return;
  Unwatch(it->fd);
  zmq_.erase(it);
}

void EpollLoop::OnStopSignal(std::function<void(int)> fn) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  if (!IsIgnored(SIGHUP)) sigaddset(&stop_signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal_fd_ = ::signalfd(signal_fd_, &stop_signals, SFD_NONBLOCK | SFD_CLOEXEC);
  Require(signal_fd_ >= 0, "signalfd");
  Watch(signal_fd_, EPOLLIN, [this, fn = std::move(fn)](uint32_t) {
    signalfd_siginfo info;
    while (::read(signal_fd_, &info, sizeof info) == sizeof info) {
      fn(static_cast<int>(info.ssi_signo));
    }
  });
}

bool EpollLoop::RunUntil(const std::function<bool()>& done, MonotonicTime deadline) {
  busy_ = true;  // the caller may have used a watched socket meanwhile
  for (;;) {
    if (done()) return true;
    if (stopped_ || now() >= deadline) return false;
    Turn(deadline);
  }
}

void EpollLoop::Turn(MonotonicTime wake_by) {
  bool called = RunFds(busy_ ? 0 : SleepMs(wake_by));
  called |= RunZmq();
  called |= RunTimers();
  if (called && turn_end_) {
    const std::function<void()> fn = turn_end_;  // it may replace itself
    fn();
  }
  busy_ = called;
}

int EpollLoop::SleepMs(MonotonicTime wake_by) const {
  if (!timers_.empty()) wake_by = std::min(wake_by, timers_.begin()->first.first);
  const MonotonicTime current = now();
  if (wake_by <= current) return 0;
  // Rounded up: waking early would only mean another turn.
  const auto wait = std::min<MonotonicTime::duration>(wake_by - current, kMaxSleep);
  return static_cast<int>(std::chrono::ceil<Milliseconds>(wait).count());
}

bool EpollLoop::RunFds(int timeout_ms) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(epoll_fd_, events.data(), kEventsPerTurn, timeout_ms);
  Require(count >= 0 || errno == EINTR, "epoll_wait");
  bool called = false;
  for (int i = 0; i < count; ++i) {
    const int fd = static_cast<int>(events[i].data.u64 & 0xffffffffU);
    const auto it = fds_.find(fd);
    if (it == fds_.end() || events[i].data.u64 != Pack(it->second.generation, fd)) continue;
    if (const auto fn = it->second.fn) {
      (*fn)(events[i].events);
      called = true;
    }
  }
  return called;
}

bool EpollLoop::RunZmq() {
  bool called = false;
  const std::vector<ZmqWatch> watches = zmq_;  // handlers watch and unwatch
  for (const ZmqWatch& watch : watches) {
    const bool watched = std::any_of(zmq_.begin(), zmq_.end(),
                                     [&](const ZmqWatch& other) { return other.fn == watch.fn; });
    if (!watched || !MayReceive(watch.socket)) continue;
    (*watch.fn)();
    called = true;
  }
  return called;
}

bool EpollLoop::RunTimers() {
  const MonotonicTime due = now();
  const TimerId made_later = next_timer_;
  bool called = false;
  while (!timers_.empty()) {
    const auto [at, id] = timers_.begin()->first;
    if (at > due || id >= made_later) break;
    auto node = timers_.extract(timers_.begin());
    if (node.mapped().period == Milliseconds{0}) timer_at_.erase(id);
    node.mapped().fn();
    called = true;
    const auto marker = timer_at_.find(id);  // gone if once, or cancelled by itself
    if (marker == timer_at_.end()) continue;
    const MonotonicTime next = at + node.mapped().period;
    marker->second = next > due ? next : due + node.mapped().period;
    node.key().first = marker->second;
    timers_.insert(std::move(node));
  }
  return called;
}

}  // namespace paperboy
