// Links that are half open: connections stay, but nothing passes, in one direction
// or in both. Each case has a link of each kind.
#include <csignal>

#include "tests/process/chaos.h"
#include "tests/support/gate.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

constexpr std::array kWays = {Gate::Way::kBoth, Gate::Way::kToTarget, Gate::Way::kFromTarget};

class HalfOpen : public testing::Test {
 protected:
  // A gate for each way, all of them to `target`.
  void Build(int target) {
    for (size_t i = 0; i < kWays.size(); ++i) gates.push_back(std::make_unique<Gate>(target));
  }
  std::string Port(size_t i) const { return std::to_string(gates[i]->port()); }
  System::Arguments Aggregator(size_t i) const {
    return {"--aggregator", "tcp://127.0.0.1:" + Port(i)};
  }
  System::Arguments Redis(size_t i) const { return {"--redis", "redis://127.0.0.1:" + Port(i)}; }

  // Shuts each gate in its way. The model is slow meanwhile, so that there is
  // something left to do.
  void ShutFor(std::chrono::milliseconds time) {
    std::printf("the links are shut for %ld ms\n", static_cast<long>(time.count()));
    chaos.system.llm().SetLatency(time / 2);
    for (size_t i = 0; i < kWays.size(); ++i) gates[i]->Shut(kWays[i]);
    chaos.Pass(time);
    for (const auto& gate : gates) gate->Open();
    chaos.system.llm().SetLatency(chaos.day().settings.llm.latency);
  }

  Chaos chaos{DayOf(200, 500ms)};
  std::vector<std::unique_ptr<Gate>> gates;
};

// Longer than the silence that counts as death; a fourth scorer goes on.
TEST_F(HalfOpen, BetweenScorersAndTheAggregator) {
  Build(chaos.system.scorer_port());
  chaos.Start(1);
  for (size_t i = 0; i < kWays.size(); ++i) chaos.AddScorers(1, Aggregator(i));
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.2));
  const auto settled = chaos.Settled();
  ShutFor(kLongStop);
  for (size_t i = 0; i < kWays.size(); ++i) chaos.CountHit(1 + i, settled);
  chaos.ExpectRecovered();
}

// Nobody is taken for dead; what was sent arrives late.
TEST_F(HalfOpen, BetweenScorersAndTheAggregatorForAMoment) {
  Build(chaos.system.scorer_port());
  chaos.Start(0);
  for (size_t i = 0; i < kWays.size(); ++i) chaos.AddScorers(1, Aggregator(i));
  for (int shut = 0; shut < 3; ++shut) {
    ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.1 + shut * 0.2));
    ShutFor(kShortStop);
  }
  chaos.ExpectRecovered();
}

// Once while they deliver, once for longer than they wait for news.
TEST_F(HalfOpen, BetweenFetchersAndTheAggregator) {
  Build(chaos.system.fetcher_port());
  chaos.Start(3);
  std::vector<std::unique_ptr<Process>> others;
  for (size_t i = 0; i < kWays.size(); ++i) {
    auto command = chaos.Command();
    for (const std::string& argument : Aggregator(i)) command.push_back(argument);
    others.push_back(chaos.system.StartFetcher(command));
  }
  chaos.Pause(300ms);
  ShutFor(kShortStop);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  ShutFor(kLongStop);
  for (const auto& other : others) {
    EXPECT_EQ(other->Wait(60s).value_or(Process::Exit{}).code, 0) << other->Stderr();
  }
  chaos.ExpectRecovered();
}

// Calls in flight finish and are committed; new ones wait.
TEST_F(HalfOpen, BetweenEverybodyAndRedis) {
  Build(chaos.system.redis().port());
  chaos.Start(0, {"--concurrency", "2", "--rpm", "6000"}, Redis(0));
  chaos.AddScorers(1, Redis(1));
  chaos.AddScorers(1, Redis(2));
  for (const auto time : {1'000ms, 4'000ms}) {
    ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(time == 1'000ms ? 0.1 : 0.5));
    ShutFor(time);
  }
  for (const auto& gate : gates) gate->Cut();
  chaos.ExpectRecovered();
}

}  // namespace
}  // namespace paperboy
