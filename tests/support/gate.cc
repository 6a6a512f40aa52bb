#include "tests/support/gate.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <vector>

#include "tests/support/loopback.h"

namespace paperboy {
namespace {

bool Would(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EINTR); }

void NoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Gate::Gate(int target) : target_(target) {
  listen_fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listen_fd_, SOMAXCONN) != 0 ||
      ::getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port for a gate");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

Gate::~Gate() {
  stop_ = true;
  Wake();
  thread_.join();
  for (Link& link : links_) Close(&link, true);
  ::close(listen_fd_);
  ::close(wake_fd_);
}

void Gate::Shut(Way way) {
  if (way != Way::kFromTarget) to_target_ = false;
  if (way != Way::kToTarget) from_target_ = false;
  Wake();
}

void Gate::Open() {
  to_target_ = from_target_ = true;
  Wake();
}

void Gate::Cut() {
  cut_ = true;
  Wake();
}

void Gate::Wake() {
  const uint64_t one = 1;
  if (::write(wake_fd_, &one, sizeof one) < 0) return;  // it is awake already
}

void Gate::Close(Link* link, bool reset) {
  for (const int fd : {link->client.fd, link->target.fd}) {
    const linger none{1, 0};
    if (reset) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    ::close(fd);
  }
}

void Gate::Accept() {
  Link link;
  link.client.fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (link.client.fd < 0) return;
  link.target.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_);
  // On the loopback this is answered at once, with a connection or without one.
  if (::connect(link.target.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Close(&link, true);
  }
  NoDelay(link.client.fd);
  NoDelay(link.target.fd);
  links_.push_back(std::move(link));
}

bool Gate::Read(Side* from, Side* to) {
  std::array<char, 65'536> bytes;
  const ssize_t n = ::recv(from->fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n > 0) to->waiting.assign(bytes.data(), static_cast<size_t>(n));
  return n > 0 || Would(n);
}

bool Gate::Write(Side* to) {
  const ssize_t n =
      ::send(to->fd, to->waiting.data(), to->waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0) to->waiting.erase(0, static_cast<size_t>(n));
  return n > 0 || Would(n);
}

bool Gate::Pass(Side* from, Side* to, short from_ready, short to_ready) {
  if (to->waiting.empty() && from_ready != 0 && !Read(from, to)) return false;
  return to->waiting.empty() || to_ready == 0 || Write(to);
}

void Gate::Serve() {
  while (!stop_) {
    const bool to_target = to_target_, from_target = from_target_;
    std::vector<pollfd> polled = {{wake_fd_, POLLIN, 0}, {listen_fd_, POLLIN, 0}};
    for (const Link& link : links_) {
      const auto wish = [](const Side& from, bool reads, const Side& to, bool writes) {
        return static_cast<short>((reads && to.waiting.empty() ? POLLIN : 0) |
                                  (writes && !from.waiting.empty() ? POLLOUT : 0));
      };
      // A negative descriptor is not looked at: poll would report the end of a
      // connection that nobody is to notice.
      const short client = wish(link.client, to_target, link.target, from_target);
      const short target = wish(link.target, from_target, link.client, to_target);
      polled.push_back({client != 0 ? link.client.fd : -1, client, 0});
      polled.push_back({target != 0 ? link.target.fd : -1, target, 0});
    }
    ::poll(polled.data(), polled.size(), -1);
    uint64_t ignored;
    if (polled[0].revents != 0 && ::read(wake_fd_, &ignored, sizeof ignored) < 0) continue;
    size_t at = 2;
    const bool cut = cut_.exchange(false);
    // Whoever has shut the gate meanwhile finds it shut.
    const bool there = to_target && to_target_, back = from_target && from_target_;
    for (auto link = links_.begin(); link != links_.end();) {
      const short client = polled[at].revents, target = polled[at + 1].revents;
      at += 2;
      const bool goes_on = !cut && (!there || Pass(&link->client, &link->target, client, target)) &&
                           (!back || Pass(&link->target, &link->client, target, client));
      if (goes_on) {
        ++link;
        continue;
      }
      Close(&*link, cut);
      link = links_.erase(link);
    }
    if (polled[1].revents != 0) Accept();
  }
}

}  // namespace paperboy
