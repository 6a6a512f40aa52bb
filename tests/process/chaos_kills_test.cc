// One digest, and everything killed time and again until it is out: scorers,
// aggregator, fetcher and redis-server, in a random order at random instants. In
// the ordinary run small; PAPERBOY_CHAOS_KILLS and PAPERBOY_CHAOS_PAPERS give the
// size, as tests/acceptance/chaos_kills does.
//
// The rhythm. A killed scorer's papers come back when its death is noticed (within
// 4 s, as its socket tells), an aggregator hands nothing out for 2 s after a start,
// and what a killed scorer held is asked about alone from then on; so of ten kills
// six are scorers', two the aggregator's, one the fetcher's, one Redis's. They
// follow each other at random, on average kMeanGap apart. Kills and papers keep
// step, the last kill at nine tenths of the papers: when the papers are ahead by a
// twentieth (towards the end by less) the next kill comes at once, when the kills are
// ahead by a fifth of the papers it waits. So they neither come too late nor stop all
// progress.
#include <algorithm>
#include <csignal>

#include "tests/process/chaos.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

constexpr int kScorers = 4;
constexpr auto kMeanGap = 1'500ms;
// Of a call. A killed scorer takes up to two along, so that about one call in four
// is lost.
constexpr auto kLatency = 2'500ms;
constexpr auto kLastLatency = 100ms;  // once nothing is killed any more
constexpr auto kNoProgress = 60s;

enum class Victim { kScorer, kAggregator, kFetcher, kRedis };

int FromEnvironment(const char* name, int fallback) {
  const char* given = std::getenv(name);
  return given == nullptr ? fallback : std::atoi(given);
}

class Kills : public testing::TestWithParam<bool> {
 protected:
  bool flushes() const { return GetParam(); }
  size_t papers() const { return chaos.day().settings.papers.size(); }

  std::vector<Victim> Plan() {
    std::vector<Victim> plan;
    for (int i = 0; i < kills; ++i) {
      plan.push_back(i % 10 < 6   ? Victim::kScorer
                     : i % 10 < 8 ? Victim::kAggregator
                     : i % 10 < 9 ? Victim::kFetcher
                                  : Victim::kRedis);
    }
    std::shuffle(plan.begin(), plan.end(), chaos.random());
    return plan;
  }

  // Waits for the instant of kill number `kill`, from 0.
  void AwaitKill(int kill) {
    const auto begin = Now();
    const auto gap = std::chrono::milliseconds(chaos.Below(2 * kMeanGap.count()));
    // In every round, at a random moment of it.
    auto flush = flushes() ? begin + std::chrono::milliseconds(chaos.Below(gap.count() + 1))
                           : std::chrono::steady_clock::time_point::max();
    const size_t enough = papers() * 9 / 10 * kill / kills;
    const size_t ahead = enough + papers() * (kills - kill) / kills / 20;
    const auto due = [&] {
      if (Now() >= flush) Flush(&flush);
      const size_t scored = chaos.scored();
      const bool too_soon = scored + papers() / 5 < enough;
      return !too_soon && (Now() >= begin + gap || scored > ahead);
    };
    ASSERT_TRUE(WaitUntil(due, kNoProgress)) << "no progress";
    if (flush != std::chrono::steady_clock::time_point::max()) Flush(&flush);
  }
  void Flush(std::chrono::steady_clock::time_point* at) {
    EXPECT_EQ(chaos.system.redis().Command("FLUSHALL"), "+OK");
    *at = std::chrono::steady_clock::time_point::max();
    ++flushed;
  }

  void Kill(Victim victim, int number) {
    const double seconds = std::chrono::duration<double>(Now() - start).count();
    const size_t done = chaos.Settled().size();
    ASSERT_EQ(chaos.system.DigestJson(kDate, "day"), nullptr) << "kill " << number << " is late";
    const char* name = "fetcher";
    size_t held = 0;
    if (victim == Victim::kScorer) {
      name = "scorer";
      const size_t i = chaos.Below(kScorers);
      held = chaos.KillScorer(i);
      chaos.ReplaceScorer(i);
    } else if (victim == Victim::kAggregator) {
      name = "aggregator";
      chaos.system.RestartAggregator();
    } else if (victim == Victim::kRedis) {
      name = "redis-server";
      chaos.system.redis().Restart();
    } else {
      chaos.KillFetcher();
      chaos.StartFetcher();
    }
    std::printf("%5d %8.1f  %-13s %6zu %6zu\n", number, seconds, name, done, held);
    std::fflush(stdout);
  }

  static std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }

  const int kills = FromEnvironment("PAPERBOY_CHAOS_KILLS", 20);
  Chaos chaos{DayOf(FromEnvironment("PAPERBOY_CHAOS_PAPERS", 100), kLatency)};
  const std::chrono::steady_clock::time_point start = Now();
  int flushed = 0;
};

TEST_P(Kills, OfEverybodyUntilTheDigestIsOut) {
  chaos.Start(kScorers);
  std::printf("%zu papers, %d scorers, %d kills\n kill  seconds  process         done   held\n",
              papers(), kScorers, kills);
  const auto plan = Plan();
  for (int kill = 0; kill < kills; ++kill) {
    ASSERT_NO_FATAL_FAILURE(AwaitKill(kill)) << chaos.system.Logs();
    ASSERT_NO_FATAL_FAILURE(Kill(plan[kill], kill + 1)) << chaos.system.Logs();
  }
  const size_t scored = chaos.scored();
  chaos.system.llm().SetLatency(kLastLatency);
  chaos.ExpectRecovered();
  std::printf(
      "%d kills (%ld scorers, %ld aggregator, %ld fetcher, %ld redis-server), all before "
      "completion: %zu of %zu papers were scored at the last\n",
      kills, std::count(plan.begin(), plan.end(), Victim::kScorer),
      std::count(plan.begin(), plan.end(), Victim::kAggregator),
      std::count(plan.begin(), plan.end(), Victim::kFetcher),
      std::count(plan.begin(), plan.end(), Victim::kRedis), scored, papers());
  if (flushes()) {
    std::printf("FLUSHALL %d times, once before every kill\n", flushed);
    EXPECT_EQ(flushed, kills);
  }
}

INSTANTIATE_TEST_SUITE_P(Redis, Kills, testing::Bool(),
                         [](const auto& info) { return info.param ? "emptied" : "kept"; });

}  // namespace
}  // namespace paperboy
