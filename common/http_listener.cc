#include "common/http_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <thread>

#include "common/epoll_loop.h"
#include "common/text.h"

namespace paperboy {
namespace {

// At a time. Whoever comes beyond them ends the one that loses the least.
constexpr size_t kMostConnections = 64;
constexpr size_t kMostRequestBytes = 16 << 10;
constexpr size_t kSmallAnswerBytes = 64 << 10;
constexpr int kBacklog = 128;
constexpr char kBusy[] =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
    "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nbusy\n";

Result<int> BoundSocket(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return Invalid("the host has no address here");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  std::string why;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      why = std::strerror(errno);
      continue;
    }
    const int yes = 1, no = 0;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ai_family == AF_INET6) {
      ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    }
    if (::bind(fd, address->ai_addr, address->ai_addrlen) == 0 && ::listen(fd, kBacklog) == 0) {
      return fd;
    }
    why = std::strerror(errno);
    ::close(fd);
  }
  return Invalid(why);
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace

struct HttpListener::Impl {
  Impl(Answer a, HttpLimits l, Dropped d)
      : answer(std::move(a)), limits(l), dropped(std::move(d)) {}
  ~Impl();

  // Its answer is taken and what comes after that is thrown away; its request comes; its
  // answer goes. A connection that ends earlier loses less.
  enum class Phase { kGoodbye, kRequest, kAnswer };
  struct Connection {
    int fd;
    Phase phase = Phase::kRequest;
    std::string request;
    std::string answer;
    size_t sent = 0;
    Loop::TimerId deadline = 0;
  };
  using Place = std::list<Connection>::iterator;

  void Accept();
  void MakeRoom();
  void ReportDropped();
  void Enter(Place place, Phase phase, uint32_t events, Milliseconds time);
  void OnReady(Place place);
  void Read(Place place);
  void Reply(Place place);
  void Write(Place place);
  void OnDeadline(Place place);
  void End(Place place);

  const Answer answer;
  const HttpLimits limits;
  const Dropped dropped;
  EpollLoop loop;
  int listen_fd = -1;
  int stop_fd = -1;
  std::list<Connection> connections;  // the oldest first
  size_t answer_bytes = 0;            // of all of them
  size_t dropped_unsaid = 0;
  Loop::TimerId report_timer = 0;
  std::thread thread;
};

HttpListener::Impl::~Impl() {
  if (thread.joinable()) {
    ::eventfd_write(stop_fd, 1);
    thread.join();
  }
  while (!connections.empty()) End(connections.begin());
  if (listen_fd >= 0) ::close(listen_fd);
  if (stop_fd >= 0) ::close(stop_fd);
}

void HttpListener::Impl::Accept() {
  const int fd = ::accept4(listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    // Out of file descriptors, say: it is tried again, not at full speed.
    if (errno != EAGAIN) std::this_thread::sleep_for(Milliseconds(1));
    return;
  }
  if (connections.size() == kMostConnections) MakeRoom();
  connections.push_back({.fd = fd});
  const Place place = std::prev(connections.end());
  Enter(place, Phase::kRequest, EPOLLIN, limits.request);
  Read(place);  // what has come: so it is no half request when the next one needs room
}

void HttpListener::Impl::MakeRoom() {
  const Place place =
      std::min_element(connections.begin(), connections.end(),
                       [](const Connection& a, const Connection& b) { return a.phase < b.phase; });
  if (place->phase != Phase::kGoodbye) {
    dropped();
    ++dropped_unsaid;
    if (report_timer == 0) ReportDropped();
  }
  if (place->phase == Phase::kRequest && !place->request.empty()) {
    ::send(place->fd, kBusy, sizeof kBusy - 1, MSG_NOSIGNAL);  // nothing else was: it has room
  }
  End(place);
}

// At once, and how many more there were as long as there are.
void HttpListener::Impl::ReportDropped() {
  report_timer = 0;
  if (dropped_unsaid == 0) return;
  spdlog::warn(
      "http port {}: {} ended before the answer was taken, to make room for others: there "
      "are never more than {} at a time",
      PortOf(listen_fd), Counted(dropped_unsaid, "connection"), kMostConnections);
  dropped_unsaid = 0;
  report_timer = loop.After(limits.report, [this] { ReportDropped(); });
}

void HttpListener::Impl::Enter(Place place, Phase phase, uint32_t events, Milliseconds time) {
  place->phase = phase;
  loop.Watch(place->fd, events, [this, place](uint32_t) { OnReady(place); });
  loop.Cancel(place->deadline);
  place->deadline = loop.After(time, [this, place] { OnDeadline(place); });
}

void HttpListener::Impl::OnReady(Place place) {
  if (place->phase == Phase::kAnswer) return Write(place);
  Read(place);
}

void HttpListener::Impl::Read(Place place) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(place->fd, buffer.data(), buffer.size(), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0 || (got == 0 && place->phase == Phase::kGoodbye)) return End(place);
  if (place->phase == Phase::kGoodbye) return;
  place->request.append(buffer.data(), static_cast<size_t>(got));
  if (got == 0 || place->request.size() >= kMostRequestBytes ||
      place->request.find("\r\n\r\n") != std::string::npos) {
    Reply(place);
  }
}

void HttpListener::Impl::Reply(Place place) {
  place->answer = answer(place->request);
  if (place->answer.empty()) return End(place);
  if (place->answer.size() > kSmallAnswerBytes && answer_bytes >= limits.answer_bytes) {
    place->answer = std::string(kBusy);  // moved in: nothing is left of what was large
  }
  answer_bytes += place->answer.size();
  Enter(place, Phase::kAnswer, EPOLLOUT, limits.answer);
  Write(place);
}

void HttpListener::Impl::Write(Place place) {
  const std::string& all = place->answer;
  while (place->sent < all.size()) {
    const ssize_t sent =
        ::send(place->fd, all.data() + place->sent, all.size() - place->sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return End(place);
    place->sent += static_cast<size_t>(sent);
  }
  answer_bytes -= place->answer.size();
  std::string().swap(place->answer);
  ::shutdown(place->fd, SHUT_WR);
  Enter(place, Phase::kGoodbye, EPOLLIN, limits.goodbye);
}

void HttpListener::Impl::OnDeadline(Place place) {
  if (place->phase == Phase::kRequest && !place->request.empty()) return Reply(place);
  End(place);
}

void HttpListener::Impl::End(Place place) {
  loop.Cancel(place->deadline);
  loop.Unwatch(place->fd);
  ::close(place->fd);
  answer_bytes -= place->answer.size();
  connections.erase(place);
}

HttpListener::HttpListener(Answer answer, HttpLimits limits, Dropped dropped)
    : impl_(std::make_unique<Impl>(std::move(answer), limits, std::move(dropped))) {}
HttpListener::~HttpListener() = default;

Status HttpListener::Start(const std::string& host, int port) {
  const Result<int> bound = BoundSocket(host, port);
  if (!bound) return bound.error();
  impl_->listen_fd = *bound;
  impl_->stop_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl_->stop_fd < 0) return Invalid(std::strerror(errno));
  impl_->loop.Watch(impl_->listen_fd, EPOLLIN, [impl = impl_.get()](uint32_t) { impl->Accept(); });
  impl_->loop.Watch(impl_->stop_fd, EPOLLIN, [impl = impl_.get()](uint32_t) { impl->loop.Stop(); });
  impl_->thread = std::thread([impl = impl_.get()] { impl->loop.Run(); });
  return Ok();
}

int HttpListener::port() const { return PortOf(impl_->listen_fd); }

}  // namespace paperboy
