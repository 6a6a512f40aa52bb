#include "tests/support/redis_server.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/support/free_port.h"
#include "tests/support/loopback.h"

namespace paperboy {
namespace {

constexpr std::chrono::seconds kStartTimeout{20};
constexpr int kStartAttempts = 5;

// The first line of the reply to `command`; "" without one.
std::string Ask(int port, const std::string& command, int timeout_seconds) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{timeout_seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  const sockaddr_in address = Loopback(port);
  const std::string line = command + "\r\n";
  std::string reply;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size())) {
    std::array<char, 256> part;
    ssize_t n = 0;
    while (reply.find('\r') == std::string::npos &&
           (n = ::recv(fd, part.data(), part.size(), 0)) > 0) {
      reply.append(part.data(), static_cast<size_t>(n));
    }
  }
  ::close(fd);
  return reply.substr(0, reply.find('\r'));
}

// Whether a server there answers a command, if only with an error: wrong
// password, loading.
bool Answers(int port) {
  const std::string reply = Ask(port, "PING", 1);
  return reply.starts_with('+') || reply.starts_with('-');
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> extra_args, Process::Environment env)
    : extra_args_(std::move(extra_args)), env_(std::move(env)) {
  // redis-server takes its memory from jemalloc, which asks for the time before a
  // preloaded libfaketime is ready: it takes it from the C library then.
  for (auto& [name, value] : env_) {
    if (name == "LD_PRELOAD") value += " libc.so.6";
  }
  for (int attempt = 0; attempt < kStartAttempts; ++attempt) {
    port_ = FreePort();
    if (Start()) return;
  }
  throw std::runtime_error("redis-server does not start: " + process_->Stdout() +
                           process_->Stderr());
}

void RedisServer::Kill() {
  process_->Kill(SIGKILL);
  process_->Wait(kStartTimeout);
}

void RedisServer::Restart() {
  Kill();
  if (!Start()) {
    throw std::runtime_error("redis-server does not start again: " + process_->Stdout());
  }
}

std::string RedisServer::Command(const std::string& command) {
  const std::string reply = Ask(port_, command, static_cast<int>(kStartTimeout.count()));
  if (reply.empty()) throw std::runtime_error("redis-server does not answer " + command);
  return reply;
}

bool RedisServer::Start() {
  std::vector<std::string> argv = {"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--save",
                                   "",
                                   "--dir",
                                   dir_.path().string()};
  argv.insert(argv.end(), extra_args_.begin(), extra_args_.end());
  process_ = std::make_unique<Process>(std::move(argv), env_);
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (process_->running() && std::chrono::steady_clock::now() < deadline) {
    if (Answers(port_)) return process_->running();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace paperboy
