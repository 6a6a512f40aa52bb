#include "tests/support/free_port.h"

#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "tests/support/loopback.h"

namespace paperboy {
namespace {

constexpr int kFirst = 10'000;
constexpr int kPorts = 22'000;

// Whether nobody had the port. It is held then, without listening there: bound by one who
// shares with nobody, and shared from then on with whoever asks for that (SO_REUSEADDR).
bool Hold(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return false;
  }
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return true;
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
