#include "tests/support/free_port.h"

#include <atomic>
#include <stdexcept>

#include "tests/support/loopback.h"

namespace paperboy {
namespace {

constexpr int kFirst = 10'000;
constexpr int kPorts = 22'000;

// Whether nobody had the port. It is held then, without listening there.
bool Hold(int port) {
  if (!CanBind(port)) return false;  // also what others hold, whom SO_REUSEADDR would let share
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  ::close(fd);
  return false;
}

}  // namespace

int FreePort() {
  static std::atomic<int> next{static_cast<int>(::getpid() % 1'000) * 22};
  for (int tries = 0; tries < kPorts; ++tries) {
    const int port = kFirst + next++ % kPorts;
    if (Hold(port)) return port;
  }
  throw std::runtime_error("no free port");
}

}  // namespace paperboy
