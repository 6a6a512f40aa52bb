#include "tests/support/http_host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
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

// The same, encrypted.
class TlsStream : public SocketStream {
 public:
  TlsStream(int fd, SSL_CTX* context) : SocketStream(fd), ssl_(SSL_new(context), SSL_free) {
    SSL_set_fd(ssl_.get(), fd);
  }
  bool Accept() { return SSL_accept(ssl_.get()) == 1; }
  bool is_readable() const override {
    return SSL_pending(ssl_.get()) > 0 || SocketStream::is_readable();
  }
  ssize_t read(char* to, size_t size) override {
    return is_readable() ? SSL_read(ssl_.get(), to, Int(size)) : -1;
  }
  ssize_t write(const char* from, size_t size) override {
    return is_writable() ? SSL_write(ssl_.get(), from, Int(size)) : -1;
  }

 private:
  static int Int(size_t size) {
    return static_cast<int>(std::min<size_t>(size, std::numeric_limits<int>::max()));
  }
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
};

using TlsContext = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

TlsContext ContextOf(const std::optional<HttpHost::Tls>& tls) {
  TlsContext context(nullptr, SSL_CTX_free);
  if (!tls) return context;
  context.reset(SSL_CTX_new(TLS_server_method()));
  if (SSL_CTX_use_certificate_chain_file(context.get(), tls->certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), tls->key.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("cannot use the certificate " + tls->certificate + " with the key " +
                             tls->key);
  }
  return context;
}

thread_local int current_fd = -1;  // of the connection that this thread serves
thread_local bool close_after_answer = false;

}  // namespace

struct HttpHost::Impl : httplib::Server {
  Impl(size_t max_connections, const std::optional<Tls>& tls) : context(ContextOf(tls)) {
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
    if (context) {
      TlsStream stream(fd, context.get());
      if (stream.Accept()) ServeRequests(stream);
    } else {
      SocketStream stream(fd);
      ServeRequests(stream);
    }
    Leave(fd);
    return true;
  }

  void ServeRequests(SocketStream& stream) {
    bool closed = false;
    close_after_answer = false;
    while (!closed && !close_after_answer && stream.is_readable()) {
      if (!process_request(stream, false, closed, [](httplib::Request&) {})) break;
    }
  }

  bool Enter(int fd) {
    std::lock_guard lock(mutex);
    if (stopping) return false;
    open.insert(fd);
    return true;
  }
  void Leave(int fd) {
    std::lock_guard lock(mutex);
    ::close(fd);
    open.erase(fd);
  }

  Handler handler;
  int port = 0;
  std::thread thread;
  TlsContext context;  // null: in clear
  std::mutex mutex;
  bool stopping = false;
  std::set<int> open;
};

HttpHost::HttpHost(size_t max_connections, const std::optional<Tls>& tls)
    : impl_(std::make_unique<Impl>(max_connections, tls)) {}
HttpHost::~HttpHost() { Stop(); }

int HttpHost::port() const { return impl_->port; }

size_t HttpHost::connections() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->open.size();
}

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
  impl_->stop();
  impl_->thread.join();
}

bool HttpHost::Sleep(std::chrono::steady_clock::duration time) {
  // The other end's close wakes it, and so does Stop, which shuts this end.
  const auto end = std::chrono::steady_clock::now() + time;
  pollfd peer{current_fd, POLLRDHUP, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(end - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration{0}));
    const int ready = ::poll(&peer, 1, static_cast<int>(left.count()));
    if (ready > 0) return false;
    if (ready == 0 && left.count() == 0) return true;
  }
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

void HttpHost::CloseAfterAnswer() { close_after_answer = true; }

}  // namespace paperboy
