// Each process killed, stopped and told to stop at random instants.
#include <algorithm>
#include <csignal>

#include "tests/process/chaos.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

enum class Blow { kKill, kShortStop, kLongStop, kTerm };

class Signals : public testing::Test {
 protected:
  // In a random order, at random instants.
  void Strike(std::vector<Blow> blows, const std::function<void(Blow)>& blow) {
    std::shuffle(blows.begin(), blows.end(), chaos.random());
    for (size_t i = 0; i < blows.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(static_cast<double>(i) / 6));
      blow(blows[i]);
    }
  }
  // The others get through a call meanwhile, not through the day: there must be
  // something left to strike.
  void StopFor(Process& process, std::chrono::milliseconds time) {
    std::printf("stopped for %ld ms\n", static_cast<long>(time.count()));
    chaos.system.llm().SetLatency(time);
    process.Kill(SIGSTOP);
    EXPECT_TRUE(StaysTrue([&] { return process.running(); }, time));
    process.Kill(SIGCONT);
    chaos.system.llm().SetLatency(chaos.day().settings.llm.latency);
  }

  Chaos chaos{DayOf(200, 600ms)};
};

TEST_F(Signals, OfScorers) {
  chaos.Start(3);
  Strike({Blow::kKill, Blow::kShortStop, Blow::kLongStop, Blow::kTerm}, [&](Blow blow) {
    const size_t i = chaos.Below(chaos.alive());
    const auto settled = chaos.Settled();
    if (blow == Blow::kKill) {
      std::printf("scorer %zu killed, holding %zu papers\n", i, chaos.KillScorer(i));
      chaos.ReplaceScorer(i);
    } else if (blow == Blow::kShortStop) {
      StopFor(chaos.scorer(i), kShortStop);  // costs no paper a second call
    } else if (blow == Blow::kLongStop) {
      StopFor(chaos.scorer(i), kLongStop);
      chaos.CountHit(i, settled);
    } else {
      std::printf("scorer %zu told to stop\n", i);
      chaos.scorer(i).Kill(SIGTERM);
      EXPECT_EQ(chaos.scorer(i).Wait(20s).value_or(Process::Exit{}).code, 0);
      chaos.ReplaceScorer(i);
    }
  });
  chaos.ExpectRecovered();
}

// Stopped for longer: Crash.AStoppedAggregatorBlamesNobody.
TEST_F(Signals, OfTheAggregator) {
  chaos.Start(3);
  Strike({Blow::kKill, Blow::kShortStop, Blow::kTerm}, [&](Blow blow) {
    Process& aggregator = chaos.system.aggregator();
    if (blow == Blow::kShortStop) return StopFor(aggregator, kShortStop);
    if (blow == Blow::kTerm) {
      aggregator.Kill(SIGTERM);
      EXPECT_EQ(aggregator.Wait(20s).value_or(Process::Exit{}).code, 0);
    }
    std::printf("aggregator %s\n", blow == Blow::kTerm ? "told to stop" : "killed");
    chaos.system.RestartAggregator();
  });
  chaos.ExpectRecovered();
}

TEST_F(Signals, OfTheFetcher) {
  chaos.Start(3);
  Strike({Blow::kKill, Blow::kShortStop, Blow::kTerm}, [&](Blow blow) {
    if (blow == Blow::kShortStop) return StopFor(chaos.fetcher(), kShortStop);
    std::printf("fetcher %s\n", blow == Blow::kTerm ? "told to stop" : "killed");
    chaos.fetcher().Kill(blow == Blow::kTerm ? SIGTERM : SIGKILL);
    ASSERT_TRUE(chaos.fetcher().Wait(20s));
    chaos.StartFetcher();
  });
  chaos.ExpectRecovered();
}

TEST_F(Signals, OfAFetcherThatIsStoppedUntilItsDigestIsOut) {
  chaos.Start(3);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.5));
  std::printf("fetcher stopped\n");
  chaos.fetcher().Kill(SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return chaos.system.DigestJson(kDate, "day") != nullptr; }, 60s));
  chaos.fetcher().Kill(SIGCONT);
  chaos.ExpectRecovered();
}

// While it delivers, where the ledger has a part of the list, or none of it.
TEST(FetcherKilled, WhileItDelivers) {
  Chaos chaos(DayOf(400));
  chaos.Start(0);
  for (int kill = 0; kill < 10; ++kill) {
    chaos.Pause(120ms);
    chaos.KillFetcher();
    chaos.StartFetcher();
  }
  chaos.AddScorers(2);
  chaos.ExpectRecovered();
}

TEST(FetcherKilled, WhileAnotherFollows) {
  Chaos chaos(DayOf(60, 600ms));
  chaos.Start(2);
  auto follower = chaos.system.StartFetcher(chaos.Command());
  for (int kill = 0; kill < 3; ++kill) {
    ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(kill * 0.2));
    std::printf("one fetcher killed\n");
    chaos.KillFetcher();
    chaos.StartFetcher();
  }
  EXPECT_EQ(follower->Wait(60s).value_or(Process::Exit{}).code, 0) << follower->Stderr();
  chaos.ExpectRecovered();
}

}  // namespace
}  // namespace paperboy
