#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/epoll_loop.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

constexpr std::chrono::seconds kPatience{20};

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(fds_.data()), 0); }
  ~Pipe() {
    CloseReader();
    ::close(fds_[1]);
  }
  int reader() const { return fds_[0]; }
  void Write() const { EXPECT_EQ(::write(fds_[1], "x", 1), 1); }
  void Read() const {
    char byte;
    EXPECT_EQ(::read(fds_[0], &byte, 1), 1);
  }
  void CloseReader() {
    if (fds_[0] >= 0) ::close(fds_[0]);
    fds_[0] = -1;
  }

 private:
  std::array<int, 2> fds_{};
};

class LoopTest : public testing::Test {
 protected:
  // False also when it happened only because the deadline woke the loop.
  bool RunUntil(const std::function<bool()>& done) {
    const MonotonicTime deadline = loop_.now() + kPatience;
    return loop_.RunUntil(done, deadline) && loop_.now() < deadline;
  }
  // Runs as long as a timer of `ms` takes: what should not happen had its time.
  void RunFor(int ms) {
    EXPECT_FALSE(loop_.RunUntil([] { return false; }, loop_.now() + milliseconds(ms)));
  }

  EpollLoop loop_;
};

TEST_F(LoopTest, TimersFireInOrderOfTimeThenOfMaking) {
  std::vector<int> fired;
  loop_.After(milliseconds(20), [&] { fired.push_back(3); });
  loop_.After(milliseconds(0), [&] { fired.push_back(1); });
  loop_.After(milliseconds(0), [&] { fired.push_back(2); });
  EXPECT_TRUE(RunUntil([&] { return fired.size() == 3; }));
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST_F(LoopTest, TimerNeverFiresEarly) {
  const MonotonicTime start = loop_.now();
  std::optional<MonotonicTime> fired;
  loop_.After(milliseconds(30), [&] { fired = loop_.now(); });
  ASSERT_TRUE(RunUntil([&] { return fired.has_value(); }));
  EXPECT_GE(*fired - start, milliseconds(30));
}

TEST_F(LoopTest, CancelledTimersDoNotFire) {
  int fired = 0;
  const Loop::TimerId once = loop_.After(milliseconds(1), [&] { ++fired; });
  const Loop::TimerId periodic = loop_.Every(milliseconds(1), [&] { ++fired; });
  loop_.Cancel(once);
  loop_.Cancel(periodic);
  loop_.Cancel(0);
  RunFor(10);
  EXPECT_EQ(fired, 0);
}

TEST_F(LoopTest, PeriodicTimerRunsUntilItCancelsItself) {
  int fired = 0;
  Loop::TimerId id = 0;
  id = loop_.Every(milliseconds(1), [&] {
    if (++fired == 3) loop_.Cancel(id);
  });
  EXPECT_TRUE(RunUntil([&] { return fired == 3; }));
  RunFor(10);
  EXPECT_EQ(fired, 3);
}

TEST_F(LoopTest, TimerCancelsAnotherThatIsDueAtTheSameTime) {
  int fired = 0;
  Loop::TimerId second = 0;
  loop_.After(milliseconds(0), [&] { loop_.Cancel(second); });
  second = loop_.After(milliseconds(0), [&] { ++fired; });
  RunFor(5);
  EXPECT_EQ(fired, 0);
}

TEST_F(LoopTest, TimerMadeByAHandlerWaitsForTheNextTurn) {
  int turns = 0;
  int fired = 0;
  std::function<void()> again = [&] {
    ++fired;
    loop_.After(milliseconds(0), again);
  };
  again();
  loop_.OnTurnEnd([&] { ++turns; });
  EXPECT_TRUE(RunUntil([&] { return turns == 5; }));
  EXPECT_EQ(fired, 1 + 5);
}

TEST_F(LoopTest, PeriodicTimerSkipsWhatItMissed) {
  int fired = 0;
  loop_.Every(milliseconds(1), [&] {
    if (++fired == 1) std::this_thread::sleep_for(milliseconds(50));
  });
  const MonotonicTime start = loop_.now();
  ASSERT_TRUE(RunUntil([&] { return fired >= 3; }));
  EXPECT_GE(loop_.now() - start, milliseconds(51)) << "the missed ones fired in a burst";
}

TEST_F(LoopTest, HandlerMayDestroyWhatItBelongsTo) {
  struct Owner {
    explicit Owner(EpollLoop& l) : loop(l) {
      timer = loop.Every(milliseconds(1), [this] { ++ticks; });
      pipe.Write();
      loop.Watch(pipe.reader(), EPOLLIN, [this](uint32_t) { on_ready(); });
    }
    ~Owner() {
      loop.Cancel(timer);
      loop.Unwatch(pipe.reader());
    }
    EpollLoop& loop;
    Pipe pipe;
    int ticks = 0;
    Loop::TimerId timer = 0;
    std::function<void()> on_ready;
  };
  auto owner = std::make_unique<Owner>(loop_);
  owner->on_ready = [&owner] { owner.reset(); };
  EXPECT_TRUE(RunUntil([&] { return owner == nullptr; }));
  RunFor(5);
}

TEST_F(LoopTest, WatchIsLevelTriggeredAndReplaceable) {
  Pipe pipe;
  pipe.Write();
  pipe.Write();
  int first = 0;
  int second = 0;
  loop_.Watch(pipe.reader(), EPOLLIN, [&](uint32_t events) {
    EXPECT_EQ(events, uint32_t{EPOLLIN});
    pipe.Read();
    ++first;
    loop_.Watch(pipe.reader(), EPOLLIN, [&](uint32_t) {
      pipe.Read();
      ++second;
    });
  });
  EXPECT_TRUE(RunUntil([&] { return second == 1; }));
  EXPECT_EQ(first, 1);
  loop_.Unwatch(pipe.reader());
  pipe.Write();
  RunFor(5);
  EXPECT_EQ(second, 1);
}

// Both are ready in one turn; the first handler closes the other's fd, and a
// new pipe gets its number.
TEST_F(LoopTest, EventOfAClosedFdDoesNotReachTheNextOwnerOfItsNumber) {
  std::array<std::unique_ptr<Pipe>, 2> pipes = {std::make_unique<Pipe>(), std::make_unique<Pipe>()};
  std::unique_ptr<Pipe> successor;
  int wrong = 0;
  for (int i = 0; i < 2; ++i) {
    pipes[i]->Write();
    loop_.Watch(pipes[i]->reader(), EPOLLIN, [&, i](uint32_t) {
      Pipe& other = *pipes[1 - i];
      const int number = other.reader();
      for (const auto& pipe : pipes) loop_.Unwatch(pipe->reader());
      other.CloseReader();
      successor = std::make_unique<Pipe>();
      ASSERT_EQ(successor->reader(), number) << "the kernel gives the lowest free number";
      loop_.Watch(number, EPOLLIN, [&](uint32_t) { ++wrong; });
    });
  }
  ASSERT_TRUE(RunUntil([&] { return successor != nullptr; }));
  RunFor(5);
  EXPECT_EQ(wrong, 0);
}

TEST_F(LoopTest, TurnEndRunsOncePerTurnInWhichSomethingHappened) {
  int ends = 0;
  int fired = 0;
  loop_.OnTurnEnd([&] { ++ends; });
  for (int i = 0; i < 10; ++i) loop_.After(milliseconds(0), [&] { ++fired; });
  EXPECT_TRUE(RunUntil([&] { return fired == 10; }));
  EXPECT_EQ(ends, 1);
  RunFor(10);
  EXPECT_EQ(ends, 1) << "nothing happened";
  loop_.OnTurnEnd({});
  loop_.After(milliseconds(0), [&] { ++fired; });
  EXPECT_TRUE(RunUntil([&] { return fired == 11; }));
  EXPECT_EQ(ends, 1);
}

TEST_F(LoopTest, RunUntilAsksFirstKeepsItsDeadlineAndMayBeCalledAgain) {
  EXPECT_TRUE(loop_.RunUntil([] { return true; }, loop_.now()));
  const MonotonicTime start = loop_.now();
  EXPECT_FALSE(loop_.RunUntil([] { return false; }, start + milliseconds(20)));
  EXPECT_GE(loop_.now() - start, milliseconds(20));
  bool fired = false;
  loop_.After(milliseconds(1), [&] { fired = true; });
  EXPECT_TRUE(RunUntil([&] { return fired; }));
}

TEST_F(LoopTest, StopIsForGood) {
  loop_.After(milliseconds(0), [&] { loop_.Stop(); });
  loop_.Run();
  EXPECT_TRUE(loop_.stopped());
  bool fired = false;
  loop_.After(milliseconds(0), [&] { fired = true; });
  loop_.Run();
  EXPECT_FALSE(loop_.RunUntil([] { return false; }, MonotonicTime::max()));
  EXPECT_FALSE(fired);
}

TEST_F(LoopTest, StopSignalsArriveAsCalls) {
  ::signal(SIGHUP, SIG_DFL);
  std::vector<int> signals;
  loop_.OnStopSignal([&](int signal) { signals.push_back(signal); });
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(RunUntil([&] { return signals.size() == 1; }));
  ::kill(::getpid(), SIGINT);
  EXPECT_TRUE(RunUntil([&] { return signals.size() == 2; }));
  ::kill(::getpid(), SIGHUP);
  EXPECT_TRUE(RunUntil([&] { return signals.size() == 3; }));
  EXPECT_THAT(signals, ElementsAre(SIGTERM, SIGINT, SIGHUP));
}

TEST_F(LoopTest, ASignalThatNohupHasIgnoredStopsNothing) {
  ::signal(SIGHUP, SIG_IGN);
  std::vector<int> signals;
  loop_.OnStopSignal([&](int signal) { signals.push_back(signal); });
  ::kill(::getpid(), SIGHUP);
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(RunUntil([&] { return !signals.empty(); }));
  EXPECT_THAT(signals, ElementsAre(SIGTERM));
}

class LoopZmqTest : public LoopTest {
 protected:
  LoopZmqTest() {
    left_.bind("tcp://127.0.0.1:*");
    right_.connect(left_.get(zmq::sockopt::last_endpoint));
    left_.set(zmq::sockopt::linger, 0);
    right_.set(zmq::sockopt::linger, 0);
  }

  zmq::context_t context_;
  zmq::socket_t left_{context_, zmq::socket_type::pair};
  zmq::socket_t right_{context_, zmq::socket_type::pair};
};

bool ReceiveOne(zmq::socket_t& socket) {
  zmq::message_t message;
  return socket.recv(message, zmq::recv_flags::dontwait).has_value();
}

void SendOne(zmq::socket_t& socket) {
  socket.send(zmq::str_buffer("x"), zmq::send_flags::dontwait);
}

TEST_F(LoopZmqTest, EveryMessageIsSeenAlthoughTheFdIsEdgeTriggered) {
  constexpr int kMessages = 900;  // below the high-water mark of 1,000
  for (int i = 0; i < kMessages; ++i) SendOne(right_);
  int received = 0;
  loop_.WatchZmq(left_, [&] { received += ReceiveOne(left_); });
  EXPECT_TRUE(RunUntil([&] { return received == kMessages; }));
}

// Sending reads the socket's mailbox and with it the edge of ZMQ_FD.
TEST_F(LoopZmqTest, MessageThatCameWhileAHandlerWasSendingIsSeen) {
  int received = 0;
  loop_.WatchZmq(left_, [&] { received += ReceiveOne(left_); });
  for (int round = 1; round <= 50; ++round) {
    loop_.After(milliseconds(0), [&] {
      SendOne(right_);
      // Until the message has arrived, as only left_ can tell.
      while ((left_.get(zmq::sockopt::events) & ZMQ_POLLIN) == 0) std::this_thread::yield();
    });
    ASSERT_TRUE(RunUntil([&] { return received == round; })) << "round " << round;
  }
  // The same at the end of a turn.
  loop_.OnTurnEnd([&] {
    loop_.OnTurnEnd({});
    SendOne(right_);
    while ((left_.get(zmq::sockopt::events) & ZMQ_POLLIN) == 0) std::this_thread::yield();
  });
  loop_.After(milliseconds(0), [] {});
  EXPECT_TRUE(RunUntil([&] { return received == 51; }));
}

TEST_F(LoopZmqTest, MessageThatCameBetweenTwoRunsIsSeen) {
  int received = 0;
  loop_.WatchZmq(left_, [&] { received += ReceiveOne(left_); });
  RunFor(1);
  SendOne(right_);
  while ((left_.get(zmq::sockopt::events) & ZMQ_POLLIN) == 0) std::this_thread::yield();
  EXPECT_TRUE(RunUntil([&] { return received == 1; }));
}

TEST_F(LoopZmqTest, BusySocketStarvesNeitherTimersNorFds) {
  Pipe pipe;
  bool readable = false;
  bool fired = false;
  loop_.Watch(pipe.reader(), EPOLLIN, [&](uint32_t) {
    pipe.Read();
    readable = true;
  });
  for (int i = 0; i < 10; ++i) SendOne(right_);
  loop_.WatchZmq(left_, [&] {
    if (ReceiveOne(left_)) SendOne(right_);  // never runs dry
  });
  loop_.After(milliseconds(5), [&] {
    fired = true;
    pipe.Write();
  });
  EXPECT_TRUE(RunUntil([&] { return fired && readable; }));
}

TEST_F(LoopZmqTest, HandlerMayUnwatchAndCloseItsSocket) {
  SendOne(right_);
  int received = 0;
  loop_.WatchZmq(left_, [&] {
    ++received;
    loop_.UnwatchZmq(left_);
    left_.close();
  });
  EXPECT_TRUE(RunUntil([&] { return received == 1; }));
  RunFor(5);
  EXPECT_EQ(received, 1);
}

}  // namespace
}  // namespace paperboy
