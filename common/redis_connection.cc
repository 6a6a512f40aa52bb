#include "common/redis_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace paperboy {
namespace {

constexpr size_t kReadBytes = 16 << 10;  // a whole record of TLS
constexpr char kTlsAlert = 0x15;         // the first byte of what a TLS server complains with
constexpr char kClosed[] = "Server closed the connection";
constexpr char kPerhapsTls[] = " (if it speaks TLS, the URL has to begin with rediss://)";

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

std::string LastReason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "unknown trouble" : reason;
}

Result<Context> MakeContext(const std::string& ca_file) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) return Unavailable("TLS: " + LastReason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const int read = ca_file.empty()
                       ? SSL_CTX_set_default_verify_paths(context.get())
                       : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  if (read == 1) return context;
  return Unavailable("no certificates can be read from " + ca_file +
                     " (--redis-ca): " + LastReason());
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// A certificate counts only for that host.
bool ExpectHost(SSL* ssl, const std::string& host) {
  if (IsAddress(host)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

// Non-blocking, and connecting; -1 and errno when it cannot.
int BeginToConnect(const std::string& address, int port) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v4 = inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) return errno = EINVAL, -1;
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(static_cast<uint16_t>(port));
  const auto* const to =
      is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  const int fd = ::socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (::connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) == 0 || errno == EINPROGRESS) return fd;
  const int why = errno;
  ::close(fd);
  errno = why;
  return -1;
}

}  // namespace

Status CheckAuthorities(const std::string& ca_file) {
  const Result<Context> context = MakeContext(ca_file);
  return context ? Ok() : Status(Invalid(context.error().message));
}

Result<std::shared_ptr<RedisConnection>> RedisConnection::Open(EpollLoop& loop, const RedisUrl& url,
                                                               const std::string& address,
                                                               Handlers handlers) {
  Ssl ssl;
  if (url.tls) {
    const Result<Context> context = MakeContext(url.ca_file);  // read anew: it may be replaced
    if (!context) return context.error();
    ssl.reset(SSL_new(context->get()));
    if (!ssl || !ExpectHost(ssl.get(), url.host)) return Unavailable("TLS: " + LastReason());
  }
  const int fd = BeginToConnect(address, url.port);
  if (fd < 0) return Unavailable(std::strerror(errno));
  if (ssl) {
    SSL_set_fd(ssl.get(), fd);
    SSL_set_connect_state(ssl.get());
    SSL_set_mode(ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  std::shared_ptr<RedisConnection> connection(
      new RedisConnection(loop, fd, std::move(ssl), std::move(handlers)));
  connection->Watch();
  return connection;
}

RedisConnection::RedisConnection(EpollLoop& loop, int fd, Ssl ssl, Handlers handlers)
    : loop_(loop),
      fd_(fd),
      ssl_(std::move(ssl)),
      handlers_(std::move(handlers)),
      reader_(redisReaderCreate()) {}

RedisConnection::~RedisConnection() { Close(); }

void RedisConnection::Close() {
  handlers_ = {};
  if (fd_ < 0) return;
  loop_.Unwatch(fd_);
  ::close(fd_);
  fd_ = -1;
}

void RedisConnection::Write(std::string_view bytes) {
  if (!broken_.empty()) return;
  out_.append(bytes);
  wants_write_ = true;
  Watch();
}

void RedisConnection::Watch() {
  if (fd_ < 0) return;
  // What waits for the handshake is no reason to wake up.
  const bool write = wants_write_ && (state_ != State::kOpen || !out_.empty());
  const uint32_t events = write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (events == watched_) return;
  watched_ = events;
  loop_.Watch(fd_, events, [weak = weak_from_this()](uint32_t) {
    if (const auto self = weak.lock()) self->OnReady();
  });
}

void RedisConnection::OnReady() {
  wants_write_ = false;
  if (state_ == State::kConnecting) Connected();
  if (state_ == State::kHandshaking && broken_.empty()) Handshake();
  if (state_ == State::kOpen && broken_.empty()) Flush();
  if (state_ == State::kOpen && broken_.empty()) Receive();
  if (broken_.empty()) Watch();
  if (const auto fn = handlers_.on_event) fn();  // a copy: it may close this
}

void RedisConnection::Connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Break(std::strerror(error));
  state_ = ssl_ ? State::kHandshaking : State::kOpen;
}

void RedisConnection::Handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::kOpen;
  } else if (!GoesOnLater(result)) {
    Break(TlsTrouble(result));
  }
}

void RedisConnection::Flush() {
  size_t sent = 0;
  while (sent < out_.size()) {
    const std::string_view rest = std::string_view(out_).substr(sent);
    ERR_clear_error();
    errno = 0;
    const ssize_t n = ssl_ ? SSL_write(ssl_.get(), rest.data(),
                                       static_cast<int>(std::min<size_t>(rest.size(), 1 << 30)))
                           : ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<size_t>(n);
    } else if (GoesOnLater(n)) {
      break;
    } else {
      return Break(ssl_ ? TlsTrouble(static_cast<int>(n)) : std::strerror(errno));
    }
  }
  out_.erase(0, sent);
}

void RedisConnection::Receive() {
  std::array<char, kReadBytes> part;
  do {
    ERR_clear_error();
    errno = 0;
    const ssize_t n = ssl_ ? SSL_read(ssl_.get(), part.data(), part.size())
                           : ::recv(fd_, part.data(), part.size(), 0);
    if (n <= 0) {
      if (GoesOnLater(n)) return;
      if (ssl_) return Break(TlsTrouble(static_cast<int>(n)));
      return Break((n == 0 ? kClosed : std::strerror(errno)) +
                   std::string(heard_ ? "" : kPerhapsTls));
    }
    redisReaderFeed(reader_.get(), part.data(), static_cast<size_t>(n));
    void* reply = nullptr;
    while (redisReaderGetReply(reader_.get(), &reply) == REDIS_OK && reply != nullptr) {
      handlers_.on_reply(*static_cast<const redisReply*>(reply));
      freeReplyObject(reply);
      reply = nullptr;
    }
    if (reader_->err != 0) {
      return Break(reader_->errstr + std::string(part[0] == kTlsAlert && !ssl_ ? kPerhapsTls : ""));
    }
    heard_ = true;
  } while (ssl_ && SSL_pending(ssl_.get()) > 0);
}

bool RedisConnection::GoesOnLater(ssize_t result) {
  if (!ssl_) {
    const bool later = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    wants_write_ |= later && !out_.empty();
    return later;
  }
  const int error = SSL_get_error(ssl_.get(), static_cast<int>(result));
  wants_write_ |= error == SSL_ERROR_WANT_WRITE;
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

std::string RedisConnection::TlsTrouble(int result) const {
  const int why_not = errno;
  const int error = SSL_get_error(ssl_.get(), result);
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) {
    return std::string("its certificate is not to be trusted: ") +
           X509_verify_cert_error_string(verified) +
           "; --redis-ca names the file with the authority that signed it, and the URL's host "
           "must be a name that it is for";
  }
  if (error == SSL_ERROR_ZERO_RETURN) return kClosed;
  if (error == SSL_ERROR_SYSCALL) return why_not == 0 ? kClosed : std::strerror(why_not);
  if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return kClosed;
  const bool handshaking = state_ == State::kHandshaking;
  return "TLS: " + LastReason() + (handshaking ? " (is it TLS that is spoken at this port?)" : "");
}

void RedisConnection::Break(const std::string& why) {
  broken_ = why;
  loop_.Unwatch(fd_);
}

}  // namespace paperboy
