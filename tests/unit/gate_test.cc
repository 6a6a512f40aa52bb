// The gate between a client and a server, both plain sockets here.
#include "tests/support/gate.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

namespace paperboy {
namespace {

constexpr int kPatienceMs = 10'000;
constexpr int kNothingMs = 200;  // in which nothing arrives

class GateTest : public testing::Test {
 protected:
  GateTest() {
    socklen_t size = sizeof address_;
    ::bind(listening_, reinterpret_cast<sockaddr*>(&address_), size);
    ::listen(listening_, 1);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address_), &size);
    gate_ = std::make_unique<Gate>(ntohs(address_.sin_port));
    sockaddr_in there = address_;
    there.sin_port = htons(static_cast<uint16_t>(gate_->port()));
    EXPECT_EQ(::connect(client_, reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    server_ = ::accept(listening_, nullptr, nullptr);
  }
  ~GateTest() override {
    for (const int fd : {listening_, client_, server_}) ::close(fd);
  }

  static void Say(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
  }
  // What arrives within the time; "nothing", or "end".
  static std::string Hear(int fd, int timeout_ms = kPatienceMs) {
    pollfd readable{fd, POLLIN, 0};
    if (::poll(&readable, 1, timeout_ms) == 0) return "nothing";
    std::array<char, 64> bytes;
    const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
    return n > 0 ? std::string(bytes.data(), static_cast<size_t>(n)) : "end";
  }

  sockaddr_in address_{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  const int listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int server_ = -1;
  std::unique_ptr<Gate> gate_;
};

TEST_F(GateTest, PassesBothWaysAndTheEnd) {
  Say(client_, "question");
  EXPECT_EQ(Hear(server_), "question");
  Say(server_, "answer");
  EXPECT_EQ(Hear(client_), "answer");
  ::shutdown(client_, SHUT_RDWR);
  EXPECT_EQ(Hear(server_), "end");
}

TEST_F(GateTest, HoldsUpOneDirectionUntilItOpens) {
  gate_->Shut(Gate::Way::kToTarget);
  Say(client_, "question");
  EXPECT_EQ(Hear(server_, kNothingMs), "nothing");
  Say(server_, "news");
  EXPECT_EQ(Hear(client_), "news");
  gate_->Open();
  EXPECT_EQ(Hear(server_), "question");
}

TEST_F(GateTest, HidesTheEndWhileItIsShut) {
  gate_->Shut(Gate::Way::kBoth);
  ::shutdown(client_, SHUT_RDWR);
  EXPECT_EQ(Hear(server_, kNothingMs), "nothing");
  gate_->Open();
  EXPECT_EQ(Hear(server_), "end");
}

TEST_F(GateTest, CutsConnections) {
  gate_->Cut();
  EXPECT_EQ(Hear(client_), "end");
  EXPECT_EQ(Hear(server_), "end");
}

}  // namespace
}  // namespace paperboy
