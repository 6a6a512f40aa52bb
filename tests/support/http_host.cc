#include "tests/support/http_host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace paperboy {
namespace {

// cpp-httplib listens with a backlog of 5: a burst of connections would meet
// the kernel's one-second retry.
constexpr int kBacklog = 1024;
constexpr int kReadTimeoutMs = 120'000;

void PutAddress(const sockaddr_in& address, std::string& ip, int& port) {
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
  ip = text;
  port = ntohs(address.sin_port);
}

// A connected socket as cpp-httplib wants to see it.
class SocketStream : public httplib::Stream {
 public:
  explicit SocketStream(int fd) : fd_(fd) {}
  bool is_readable() const override { return Wait(POLLIN, kReadTimeoutMs); }
  bool is_writable() const override { return Wait(POLLOUT, kReadTimeoutMs); }
  ssize_t read(char* to, size_t size) override {
    return is_readable() ? ::recv(fd_, to, size, 0) : -1;
  }
  ssize_t write(const char* from, size_t size) override {
    return is_writable() ? ::send(fd_, from, size, MSG_NOSIGNAL) : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    PutAddress(address, ip, port);
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    PutAddress(address, ip, port);
  }
  socket_t socket() const override { return fd_; }

 private:
  bool Wait(short events, int timeout_ms) const {
    pollfd p{fd_, events, 0};
    return ::poll(&p, 1, timeout_ms) > 0;
  }
  int fd_;
};

thread_local int current_fd = -1;  // of the connection that this thread serves

bool PeerGone(int fd) {
  char byte = 0;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace

struct HttpHost::Impl : httplib::Server {
  explicit Impl(size_t max_connections) {
    new_task_queue = [max_connections] { return new httplib::ThreadPool(max_connections); };
    // cpp-httplib's own choice, SO_REUSEPORT, would let two servers share a port.
    set_socket_options([](socket_t fd) {
      const int on = 1;
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (request.method == "POST") return HandlerResponse::Unhandled;
      handler(request, response);
      return HandlerResponse::Handled;
    });
    // Bodies are read only for a route.
    Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      handler(request, response);
    });
  }

  int Bind(int port) {
    const int bound =
        port == 0 ? bind_to_any_port("127.0.0.1") : (bind_to_port("127.0.0.1", port) ? port : -1);
    if (bound > 0) ::listen(svr_sock_, kBacklog);
    return bound;
  }

  bool process_and_close_socket(socket_t fd) override {
    if (!Enter(fd)) {
      ::close(fd);
      return false;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    current_fd = fd;
    SocketStream stream(fd);
    bool closed = false;
    while (!closed && stream.is_readable()) {
      if (!process_request(stream, false, closed, [](httplib::Request&) {})) break;
    }
    Leave(fd);
    ::close(fd);
    return true;
  }

  bool Enter(int fd) {
    std::lock_guard lock(mutex);
    if (stopping) return false;
    open.insert(fd);
    return true;
  }
  void Leave(int fd) {
    std::lock_guard lock(mutex);
    open.erase(fd);
  }

  Handler handler;
  int port = 0;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::set<int> open;
};

HttpHost::HttpHost(size_t max_connections) : impl_(std::make_unique<Impl>(max_connections)) {}
HttpHost::~HttpHost() { Stop(); }

int HttpHost::port() const { return impl_->port; }

void HttpHost::Start(int port, Handler handler) {
  impl_->handler = std::move(handler);
  impl_->stopping = false;
  const int bound = impl_->Bind(port);
  if (bound <= 0) throw std::runtime_error("cannot listen on port " + std::to_string(port));
  impl_->port = bound;
  impl_->thread = std::thread([this] { impl_->listen_after_bind(); });
  while (!impl_->is_running()) std::this_thread::yield();
}

void HttpHost::Stop() {
  if (!impl_->thread.joinable()) return;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    for (const int fd : impl_->open) ::shutdown(fd, SHUT_RDWR);
  }
  impl_->wake.notify_all();
  impl_->stop();
  impl_->thread.join();
}

bool HttpHost::Sleep(std::chrono::steady_clock::duration time) {
  // How long a client that was killed goes unnoticed.
  constexpr std::chrono::milliseconds kLook{20};
  const auto end = std::chrono::steady_clock::now() + time;
  std::unique_lock lock(impl_->mutex);
  while (!impl_->stopping && !PeerGone(current_fd)) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return true;
    impl_->wake.wait_until(lock, std::min(end, now + kLook));
  }
  return false;
}

void HttpHost::ResetConnection() {
  // Replacing the descriptor closes the socket at once, with a reset because
  // nothing may linger; cpp-httplib then writes to nowhere and closes the rest.
  const linger none{1, 0};
  ::setsockopt(current_fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, current_fd);
  ::close(nowhere);
}

}  // namespace paperboy
