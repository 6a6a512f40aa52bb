// The concurrency controller against providers on virtual time.
#include "scorer/concurrency.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <queue>
#include <random>

namespace paperboy {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kSeed = 20260915;

// A client that always has as many calls in flight as the controller allows.
class Client {
 public:
  struct Answer {
    std::chrono::duration<double> latency;
    bool failed = false;
    uint32_t kind = 0;
  };
  // What becomes of a call, and with how many in flight it is sent.
  using Provider = std::function<Answer(size_t in_flight)>;

  Client(size_t most, Provider provider) : controller(most), provider_(std::move(provider)) {}

  void Run(size_t calls) {
    for (size_t end = ended_ + calls; ended_ < end;) {
      while (in_flight_.size() < controller.limit()) Send();
      const Call call = in_flight_.top();
      now_ = call.ends;
      if (call.answer.failed) {
        ++failed;
        controller.OnFailed(call.sent, now_);
      } else {
        controller.OnAnswered(call.answer.kind, call.sent, now_, in_flight_.size());
      }
      in_flight_.pop();
      ++ended_;
      sum_ += controller.limit();
    }
  }
  // From now on.
  void Forget() { begin_ = now_, sum_ = 0, failed = 0, begun_with_ = ended_; }
  double MeanLimit() const {
    return static_cast<double>(sum_) / static_cast<double>(ended_ - begun_with_);
  }
  double AnsweredPerSecond() const {
    return static_cast<double>(ended_ - begun_with_ - failed) /
           std::chrono::duration<double>(now_ - begin_).count();
  }

  Concurrency controller;
  size_t failed = 0;

 private:
  struct Call {
    MonotonicTime sent, ends;
    Answer answer;
    bool operator>(const Call& other) const { return ends > other.ends; }
  };
  void Send() {
    const Answer answer = provider_(in_flight_.size() + 1);
    in_flight_.push(
        {now_, now_ + std::chrono::duration_cast<MonotonicTime::duration>(answer.latency), answer});
  }

  Provider provider_;
  MonotonicTime now_{1h}, begin_{1h};
  std::priority_queue<Call, std::vector<Call>, std::greater<>> in_flight_;
  size_t ended_ = 0, begun_with_ = 0, sum_ = 0;
};

// As many answers at once as may be in flight: each ends with one fewer left.
void AnswerRound(Concurrency* controller, uint32_t kind, MonotonicTime sent, MonotonicTime now) {
  for (size_t left = controller->limit(); left > 0; --left) {
    controller->OnAnswered(kind, sent, now, left);
  }
}

class ConcurrencyTest : public testing::Test {
 protected:
  double LogNormal(double sigma) {
    return std::exp(sigma * std::normal_distribution<double>()(random_));
  }
  bool Chance(double p) { return std::uniform_real_distribution<double>()(random_) < p; }
  std::mt19937_64 random_{kSeed};
};

TEST_F(ConcurrencyTest, OfManyCallsThoseOfASecondHaveAnotherOneWaiting) {
  const auto batches = [](size_t calls, Milliseconds latency) {
    Concurrency controller(calls);
    const MonotonicTime sent{};
    while (controller.limit() < calls) AnswerRound(&controller, 4, sent, sent + latency);
    return controller.batches();
  };
  for (const size_t calls : {1u, 8u, 99u}) EXPECT_EQ(batches(calls, 100ms), calls);
  EXPECT_EQ(batches(1'000, 8s), 1'125u);
  EXPECT_EQ(batches(1'000, 2s), 1'250u) << "a quarter at most";
  EXPECT_EQ(Concurrency(1'000).batches(), 4u) << "nothing is known of the first calls";
}

// Calls that were sent together and take the same time end together: when the last one
// does, no other is in flight.
TEST_F(ConcurrencyTest, DoublesEachRoundTripAlsoWhenAnswersComeAtOnce) {
  Concurrency controller(1'000);
  MonotonicTime now{};
  for (const size_t expected : {8u, 16u, 32u, 64u, 128u, 256u, 512u, 1'000u}) {
    AnswerRound(&controller, 0, now, now + 7s);
    now += 7s;
    EXPECT_EQ(controller.limit(), expected);
  }
}

TEST_F(ConcurrencyTest, StartsSmallAndDoublesEachRoundTripUpToWhatIsAllowed) {
  Client client(256, [](size_t) { return Client::Answer{1s}; });
  EXPECT_EQ(client.controller.limit(), Concurrency::kFirst);
  // 4 + 8 + ... + 128 calls are six round trips.
  client.Run(4 * (64 - 1));
  EXPECT_EQ(client.controller.limit(), 256u);
  EXPECT_EQ(Client(2, [](size_t) { return Client::Answer{1s}; }).controller.limit(), 2u);
}

TEST_F(ConcurrencyTest, ASteadyServerWithNoisyLatencyIsNotHeldBack) {
  for (const size_t most : {8, 64, 1'000}) {
    Client client(most, [&](size_t) { return Client::Answer{2s * LogNormal(0.5)}; });
    client.Run(10 * most);
    client.Forget();
    client.Run(20'000);
    EXPECT_GT(client.MeanLimit(), 0.98 * static_cast<double>(most)) << most << ", seed " << kSeed;
  }
}

TEST_F(ConcurrencyTest, CallsOfAllSizesAreComparedWithTheirKind) {
  Client client(64, [&](size_t) {
    const auto papers = static_cast<uint32_t>(Chance(0.5) ? 20 : 1);
    return Client::Answer{(0.5s + papers * 0.4s) * LogNormal(0.5), false, papers};
  });
  client.Run(1'000);
  client.Forget();
  client.Run(20'000);
  EXPECT_GT(client.MeanLimit(), 0.98 * 64) << "seed " << kSeed;
}

TEST_F(ConcurrencyTest, AFailureInAHundredIsNoOverload) {
  Client client(256, [&](size_t) { return Client::Answer{1s * LogNormal(0.5), Chance(0.01)}; });
  client.Run(2'000);
  client.Forget();
  client.Run(20'000);
  EXPECT_GT(client.MeanLimit(), 0.98 * 256) << "seed " << kSeed;
}

// Beyond `capacity` calls wait for each other; twice as many are too many.
Client::Provider Crowded(size_t capacity, std::function<double()> noise) {
  return [=](size_t in_flight) {
    const double load = static_cast<double>(in_flight) / static_cast<double>(capacity);
    if (load > 2) return Client::Answer{50ms, true};
    return Client::Answer{1s * std::max(1.0, load) * noise()};
  };
}

TEST_F(ConcurrencyTest, AServerThatGetsSlowIsUsedToTheFullAndNotDrowned) {
  for (const size_t capacity : {5, 20, 100}) {
    Client client(1'000, Crowded(capacity, [this] { return LogNormal(0.2); }));
    client.Run(20 * capacity + 400);
    client.Forget();
    client.Run(10'000);
    EXPECT_GT(client.AnsweredPerSecond(), 0.85 * static_cast<double>(capacity)) << capacity;
    EXPECT_LT(static_cast<double>(client.failed), 0.02 * 10'000) << capacity << ", seed " << kSeed;
  }
}

TEST_F(ConcurrencyTest, AServerThatFailsAltogetherIsTriedWithOneCallAndUsedAgainAfterwards) {
  bool fails = true;
  Client client(64, [&](size_t) { return Client::Answer{1s, fails}; });
  for (int outage = 0; outage < 2; ++outage) {
    fails = true;
    client.Run(200);
    EXPECT_EQ(client.controller.limit(), 1u);
    fails = false;
    client.Run(64 * 10);
    EXPECT_EQ(client.controller.limit(), 64u);
  }
}

TEST_F(ConcurrencyTest, AfterAnOutageItDoublesAgainUpToHalfOfBefore) {
  Concurrency controller(64);
  MonotonicTime now{1h};
  const auto round = [&] {
    AnswerRound(&controller, 0, now, now + 1s);
    now += 1s;
  };
  for (int i = 0; i < 8; ++i) round();
  ASSERT_EQ(controller.limit(), 64u);
  // When it begins, some are answered yet.
  for (int i = 0; i < 24; ++i) controller.OnAnswered(0, now - 1s, now, 64);
  for (int i = 0; i < 200; ++i) controller.OnFailed(now, now), now += 1s;
  ASSERT_EQ(controller.limit(), 1u);
  for (const size_t expected : {2u, 4u, 8u, 16u, 32u, 48u, 56u}) {
    round();
    EXPECT_EQ(controller.limit(), expected);
  }
}

TEST_F(ConcurrencyTest, AProviderThatBecomesSlowerByItselfIsUsedAsMuchAsBefore) {
  double slower = 1;
  Client client(64, [&](size_t) { return Client::Answer{1s * slower * LogNormal(0.3)}; });
  client.Run(2'000);
  slower = 4;
  client.Run(2'000);
  client.Forget();
  client.Run(2'000);
  EXPECT_GT(client.MeanLimit(), 0.9 * 64);
}

TEST_F(ConcurrencyTest, WhatIsNotUsedDoesNotGrow) {
  Concurrency controller(256);
  MonotonicTime now{1h};
  for (int i = 0; i < 1'000; ++i, now += 1s) controller.OnAnswered(0, now - 1s, now, 2);
  EXPECT_EQ(controller.limit(), 5u) << "twice as many as are in flight, and one";
  EXPECT_EQ(controller.latency(), 1s);
}

}  // namespace
}  // namespace paperboy
