#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "common/loop.h"
#include "common/status_server.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/loopback.h"
#include "tests/support/temp_dir.h"

namespace paperboy::fuzz {
namespace {

constexpr char kSecret[] = "not below the folder that is served";
// The largest file and every header stay far below.
constexpr size_t kMostAnswered = 1 << 20;
constexpr Milliseconds kShort{20}, kLong{10'000};

// As the aggregator's: status, metrics, /scaling and two folders. One for all inputs.
class Server {
 public:
  Server() {
    std::filesystem::create_directories(dir_.File("out/site"));
    std::ofstream(dir_.File("secret")) << kSecret;
    std::ofstream(dir_.File("out/output.md")) << "# Papers\n";
    std::ofstream(dir_.File("out/site/index.html")) << std::string(2000, 'x');
    status_.Handle("/scaling", [](const std::string&) {
      return HttpAnswer{200, "application/json", "{\"desired_scorers\": 1}\n"};
    });
    status_.ServeFiles("/", dir_.File("out/site"));
    status_.ServeFiles("/", dir_.File("out"));
    FUZZ_CHECK(status_.Start("127.0.0.1:0").ok());
  }

  // What is answered until the server closes the connection. After `patience` this half is
  // closed: then it has nothing to wait for.
  std::string Ask(std::string_view bytes, Milliseconds patience) {
    const int fd = Connect();
    const timeval wait{.tv_sec = patience.count() / 1000,
                       .tv_usec = patience.count() % 1000 * 1000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    [[maybe_unused]] const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::string answer;
    char buffer[4096];
    for (bool closed = false;;) {
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got > 0) answer.append(buffer, static_cast<size_t>(got));
      // The fuzzer's own clock interrupts a wait that has an end.
      if (got > 0 || (got < 0 && errno == EINTR)) continue;
      if (got == 0 || errno != EAGAIN || std::exchange(closed, true)) break;
      ::shutdown(fd, SHUT_WR);
    }
    ::close(fd);
    return answer;
  }

 private:
  int Connect() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(status_.port());
    while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      // The fuzzer's own clock: on Linux a second call waits for the first one's end.
      if (errno != EINTR) Fail(__FILE__, __LINE__, std::string("connect: ") + ::strerror(errno));
    }
    return fd;
  }

  TempDir dir_;
  StatusServer status_{std::make_shared<prometheus::Registry>()};
};

}  // namespace

// What comes in over a connection to the status server.
FUZZ_TARGET(http, bytes) {
  static Server server;
  const std::string answer = server.Ask(bytes, kShort);
  FUZZ_CHECK(answer.find(kSecret) == std::string::npos);
  FUZZ_CHECK(answer.size() < kMostAnswered);
  if (!answer.empty()) {
    FUZZ_CHECK(answer.starts_with("HTTP/1.1 "));
    FUZZ_CHECK(!answer.starts_with("HTTP/1.1 5") || answer.starts_with("HTTP/1.1 503"));
  }
  // A probe is still answered.
  const std::string probe = server.Ask("GET /readyz HTTP/1.1\r\n\r\n", kLong);
  if (!probe.starts_with("HTTP/1.1 503") || !probe.ends_with("starting\n")) {
    Fail(__FILE__, __LINE__, "a probe is answered: \"" + probe + "\"");
  }
}

}  // namespace paperboy::fuzz
