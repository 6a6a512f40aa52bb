#include "common/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "common/wire.h"
#include "tests/support/until.h"

namespace paperboy {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{60};

bool Until(const std::function<bool()>& done) { return WaitUntil(done, kPatience); }

// A port that is taken and refuses connections.
class ClosedPort {
 public:
  ClosedPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~ClosedPort() { ::close(fd_); }
  const std::string& endpoint() const { return endpoint_; }

 private:
  int fd_;
  std::string endpoint_;
};

class SocketTest : public testing::Test {
 protected:
  zmq::socket_t Router(const std::string& endpoint = "tcp://127.0.0.1:*") {
    Result<zmq::socket_t> socket = BindRouter(context_, endpoint);
    if (!socket.ok()) throw std::runtime_error(socket.error().message);
    return std::move(socket).value();
  }
  zmq::socket_t Dealer(const std::string& endpoint) {
    Result<zmq::socket_t> socket = ConnectDealer(context_, endpoint);
    if (!socket.ok()) throw std::runtime_error(socket.error().message);
    return std::move(socket).value();
  }
  // A new router where one was closed; ZeroMQ frees the port a moment later.
  zmq::socket_t RouterAgain(const std::string& endpoint) {
    zmq::socket_t router;
    EXPECT_TRUE(Until([&] {
      Result<zmq::socket_t> socket = BindRouter(context_, endpoint);
      if (!socket.ok()) return false;
      router = std::move(socket).value();
      return true;
    }));
    return router;
  }
  static std::string Endpoint(const zmq::socket_t& router) {
    return router.get(zmq::sockopt::last_endpoint);
  }
  // Says hello and returns the routing id under which the router knows it.
  static std::string Introduce(zmq::socket_t& dealer, zmq::socket_t& router) {
    Frame frame;
    EXPECT_TRUE(Until([&] { return Send(dealer, "hello"); }));
    EXPECT_TRUE(Until([&] { return ReceiveFrom(router, &frame); }));
    EXPECT_EQ(frame.body, "hello");
    return frame.peer;
  }

  zmq::context_t context_;
};

TEST_F(SocketTest, FramesGoBothWaysAsTheyAre) {
  zmq::socket_t router = Router();
  zmq::socket_t dealer = Dealer(Endpoint(router));
  const std::string peer = Introduce(dealer, router);
  const std::string binary("\0\xff\n", 3);
  ASSERT_TRUE(SendTo(router, peer, binary));
  ASSERT_TRUE(SendTo(router, peer, ""));
  std::string body;
  ASSERT_TRUE(Until([&] { return Receive(dealer, &body); }));
  EXPECT_EQ(body, binary);
  ASSERT_TRUE(Until([&] { return Receive(dealer, &body); }));
  EXPECT_EQ(body, "");
}

TEST_F(SocketTest, ReceivingNothingDoesNotWait) {
  zmq::socket_t router = Router();
  zmq::socket_t dealer = Dealer(Endpoint(router));
  Frame frame;
  std::string body;
  EXPECT_FALSE(ReceiveFrom(router, &frame));
  EXPECT_FALSE(Receive(dealer, &body));
}

TEST_F(SocketTest, DealerQueuesNothingWhileNobodyIsThere) {
  std::optional<ClosedPort> nobody(std::in_place);
  const std::string endpoint = nobody->endpoint();
  zmq::socket_t dealer = Dealer(endpoint);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Send(dealer, "lost"));

  nobody.reset();
  zmq::socket_t router = Router(endpoint);
  Introduce(dealer, router);  // the first that arrives is "hello"
}

TEST_F(SocketTest, DealerNoticesThatTheRouterIsGoneAndFindsTheNext) {
  zmq::socket_t router = Router();
  const std::string endpoint = Endpoint(router);
  zmq::socket_t dealer = Dealer(endpoint);
  Introduce(dealer, router);
  router.close();
  EXPECT_TRUE(Until([&] { return !Send(dealer, "to nobody"); }));
  router = RouterAgain(endpoint);
  // What was sent just as a connection broke is lost: the sender repeats it.
  Frame frame;
  ASSERT_TRUE(Until([&] {
    Send(dealer, "again");
    return ReceiveFrom(router, &frame);
  }));
  EXPECT_EQ(frame.body, "again");
  EXPECT_TRUE(SendTo(router, frame.peer, "welcome back"));
  std::string body;
  ASSERT_TRUE(Until([&] { return Receive(dealer, &body); }));
  EXPECT_EQ(body, "welcome back");
}

TEST_F(SocketTest, RouterIsToldOfAnUnknownAndOfALostPeer) {
  zmq::socket_t router = Router();
  EXPECT_FALSE(SendTo(router, "nobody", "x"));
  zmq::socket_t dealer = Dealer(Endpoint(router));
  const std::string peer = Introduce(dealer, router);
  EXPECT_TRUE(SendTo(router, peer, "x"));
  dealer.close();
  EXPECT_TRUE(Until([&] { return !SendTo(router, peer, "x"); }));
}

TEST_F(SocketTest, RouterIsToldOfAFullPeerAndLosesNothingThatItTook) {
  zmq::socket_t router = Router();
  // A peer that is full at once and says that it lives; it hears no heartbeat as long as
  // it reads nothing, which takes longer than six seconds under a sanitizer.
  zmq::socket_t dealer(context_, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::rcvhwm, 10);
  dealer.set(zmq::sockopt::heartbeat_ivl, 1'000);
  dealer.set(zmq::sockopt::heartbeat_timeout, 120'000);
  dealer.connect(Endpoint(router));
  const std::string peer = Introduce(dealer, router);
  const std::string frame(16 << 10, 'x');
  int taken = 0;
  while (taken < 100'000 && SendTo(router, peer, frame)) ++taken;
  ASSERT_LT(taken, 100'000) << "it has no limit";
  int received = 0;
  std::string body;
  EXPECT_TRUE(Until([&] {
    while (Receive(dealer, &body)) {
      EXPECT_EQ(body.size(), frame.size());
      ++received;
    }
    return received >= taken;
  }));
  ASSERT_TRUE(Until([&] { return SendTo(router, peer, "last"); }));
  ASSERT_TRUE(Until([&] { return Receive(dealer, &body); }));
  EXPECT_EQ(body, "last");
  EXPECT_EQ(received, taken);
}

TEST_F(SocketTest, FrameAboveTheLimitCostsItsSenderTheConnectionAndNobodyElse) {
  zmq::socket_t router = Router();
  zmq::socket_t good = Dealer(Endpoint(router));
  zmq::socket_t bad = Dealer(Endpoint(router));
  Introduce(good, router);
  const std::string bad_peer = Introduce(bad, router);
  ASSERT_TRUE(Send(bad, std::string(kMaxFrameBytes + 1, 'x')));
  EXPECT_TRUE(Until([&] { return !SendTo(router, bad_peer, "x"); }));
  ASSERT_TRUE(Send(good, std::string(kMaxFrameBytes, 'x')));
  Frame frame;
  ASSERT_TRUE(Until([&] { return ReceiveFrom(router, &frame); }));
  EXPECT_EQ(frame.body.size(), static_cast<size_t>(kMaxFrameBytes));
  EXPECT_NE(Introduce(bad, router), bad_peer);
}

TEST_F(SocketTest, OfAMessageInPartsTheLastCounts) {
  zmq::socket_t router = Router();
  zmq::socket_t dealer = Dealer(Endpoint(router));
  Introduce(dealer, router);
  dealer.send(zmq::str_buffer("first"), zmq::send_flags::sndmore);
  dealer.send(zmq::str_buffer("last"), zmq::send_flags::none);
  Frame frame;
  ASSERT_TRUE(Until([&] { return ReceiveFrom(router, &frame); }));
  EXPECT_EQ(frame.body, "last");
  EXPECT_FALSE(ReceiveFrom(router, &frame));
}

TEST_F(SocketTest, AddressInUseIsInvalidAndSaysSo) {
  zmq::socket_t router = Router("tcp://127.0.0.1:0");
  const Result<zmq::socket_t> second = BindRouter(context_, Endpoint(router));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(second.error().message, HasSubstr(Endpoint(router)));
  EXPECT_THAT(second.error().message, HasSubstr("another process has this port"));
}

TEST_F(SocketTest, MalformedEndpointIsInvalidAndSaysWhatIsExpected) {
  for (const char* endpoint : {"", "localhost:5555", "tcp://", "tcp://127.0.0.1", "tcp://*:x"}) {
    const Result<zmq::socket_t> bound = BindRouter(context_, endpoint);
    ASSERT_FALSE(bound.ok()) << endpoint;
    EXPECT_EQ(bound.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(bound.error().message, HasSubstr("tcp://*:5555"));
    const Result<zmq::socket_t> connected = ConnectDealer(context_, endpoint);
    ASSERT_FALSE(connected.ok()) << endpoint;
    EXPECT_THAT(connected.error().message, HasSubstr("tcp://localhost:5555"));
  }
}

}  // namespace
}  // namespace paperboy
