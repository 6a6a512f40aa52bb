// Processes killed, stopped and restarted: the page is that of an undisturbed
// run, nothing is lost, and nothing is paid twice without need.
#include <csignal>
#include <filesystem>

#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

std::string UndisturbedPage(const Day& day) {
  Day calm = day;
  calm.settings.llm.latency = 0ms;
  System system(calm.settings);
  system.StartAggregator();
  system.StartScorers(2);
  const auto run = system.RunFetcher(calm.FromFile(system));
  EXPECT_EQ(run.exit.code, 0) << run.err << system.Logs();
  return WithoutCost(system.Page(kDate));
}

// Sums up by how much the model was asked for a paper more than once.
uint64_t Repeats(const LlmServer::Account& account) {
  uint64_t repeats = 0;
  for (const auto& [id, times] : account.sent) repeats += times - 1;
  return repeats;
}

TEST(Crash, AggregatorKilledInTheMiddleScoresNoPaperTwice) {
  const Day day = DayOf(160, 150ms);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(3, "openai", {"--concurrency", "2"});
  auto fetcher = system.StartFetcher(day.FromFile(system));
  constexpr int kKills = 4;
  for (int kill = 1; kill <= kKills; ++kill) {
    // In the middle: after a fifth more of the papers each time.
    ASSERT_TRUE(WaitUntil(
        [&] {
          return system.llm().account().scored.size() >= kill * day.settings.papers.size() / 6;
        },
        60s))
        << system.Logs();
    std::printf("kill %d after %zu of %zu papers\n", kill, system.llm().account().scored.size(),
                day.settings.papers.size());
    ASSERT_EQ(system.DigestJson(kDate), nullptr) << "the kill came too late to mean anything";
    system.RestartAggregator();
  }
  ASSERT_EQ(fetcher->Wait(90s).value_or(Process::Exit{}).code, 0)
      << fetcher->Stderr() << system.Logs();
  const auto account = system.llm().account();
  std::printf("%zu papers sent, %lu repeats after %d kills of the aggregator\n",
              account.sent.size(), static_cast<unsigned long>(Repeats(account)), kKills);
  EXPECT_EQ(account.sent.size(), day.settings.papers.size());
  EXPECT_EQ(Repeats(account), 0u);
  EXPECT_EQ(WithoutCost(system.Page(kDate)), UndisturbedPage(day));
  ExpectFunnelAddsUp(system.DigestJson(kDate));
}

TEST(Crash, ScorersKilledAllTheTimeGiveTheSamePage) {
  const Day day = DayOf(80, 200ms);
  System system(day.settings);
  system.StartAggregator();
  const System::Arguments slow = {"--concurrency", "2"};
  system.StartScorers(3, "openai", slow);
  auto fetcher = system.StartFetcher(day.FromFile(system));
  int kills = 0;
  for (; kills < 5; ++kills) {
    ASSERT_TRUE(WaitUntil(
        [&] {
          return system.llm().account().scored.size() >=
                 (kills + 1) * day.settings.papers.size() / 8;
        },
        60s))
        << system.Logs();
    system.scorer(system.scorers() - 1).Kill(SIGKILL);
    system.StartScorers(1, "openai", slow);
  }
  ASSERT_EQ(fetcher->Wait(120s).value_or(Process::Exit{}).code, 0)
      << fetcher->Stderr() << system.Logs();
  // A killed scorer held at most two calls of four papers.
  std::printf("%d kills, %lu repeats\n", kills,
              static_cast<unsigned long>(Repeats(system.llm().account())));
  EXPECT_LE(Repeats(system.llm().account()), kills * 2u * 4u);
  EXPECT_EQ(WithoutCost(system.Page(kDate)), UndisturbedPage(day));
  ExpectFunnelAddsUp(system.DigestJson(kDate));
}

TEST(Crash, FetcherKilledAndRunAgainPublishesTheSamePage) {
  const Day day = DayOf(80, 100ms);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2, "openai", {"--concurrency", "2"});
  const auto arguments = day.FromFile(system);
  for (int kill = 0; kill < 3; ++kill) {
    auto fetcher = system.StartFetcher(arguments);
    ASSERT_TRUE(WaitUntil([&] { return system.llm().account().calls > kill * 3u; }, 30s));
    fetcher->Kill(SIGKILL);
    fetcher->Wait(5s);
  }
  const auto run = system.RunFetcher(arguments);
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_EQ(Repeats(system.llm().account()), 0u);
  EXPECT_EQ(WithoutCost(system.Page(kDate)), UndisturbedPage(day));
}

TEST(Crash, TwoFetchersOfOneDigestJoin) {
  const Day day = DayOf(60, 50ms);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2);
  auto one = system.StartFetcher(day.FromFile(system));
  auto two = system.StartFetcher(day.FromFile(system));
  EXPECT_EQ(one->Wait(60s).value_or(Process::Exit{}).code, 0) << one->Stderr();
  EXPECT_EQ(two->Wait(60s).value_or(Process::Exit{}).code, 0) << two->Stderr();
  EXPECT_EQ(Repeats(system.llm().account()), 0u);
}

TEST(Crash, RedisKilledAndRestartedEmptyCostsOnlyTime) {
  const Day day = DayOf(60, 100ms);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2, "openai", {"--concurrency", "2", "--rpm", "6000"});
  auto fetcher = system.StartFetcher(day.FromFile(system));
  ASSERT_TRUE(WaitUntil([&] { return system.llm().account().scored.size() >= 8; }, 60s))
      << system.Logs();
  system.redis().Kill();
  std::this_thread::sleep_for(1s);  // what was granted before begins, and is in flight
  const auto in_flight_ended = [&] { return system.llm().account().in_flight == 0; };
  ASSERT_TRUE(WaitUntil(in_flight_ended, 20s));
  const auto calls = system.llm().account().calls;
  ASSERT_LT(system.llm().account().scored.size(), 60u) << "too late to mean anything";
  EXPECT_TRUE(fetcher->WaitForOutput("waiting for Redis", 20s)) << fetcher->Stderr();
  // Nothing new goes to the model while Redis is away: watched for a while.
  EXPECT_FALSE(WaitUntil([&] { return system.llm().account().calls > calls + 1; }, 2s));
  system.redis().Restart();
  ASSERT_EQ(fetcher->Wait(90s).value_or(Process::Exit{}).code, 0)
      << fetcher->Stderr() << system.Logs();
  EXPECT_EQ(Repeats(system.llm().account()), 0u);
  EXPECT_EQ(WithoutCost(system.Page(kDate)), UndisturbedPage(day));
}

TEST(Crash, AStoppedAggregatorBlamesNobody) {
  const Day day = DayOf(60, 400ms);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2, "openai", {"--concurrency", "2"});
  auto fetcher = system.StartFetcher(day.FromFile(system));
  ASSERT_TRUE(WaitUntil([&] { return system.llm().account().in_flight >= 3; }, 30s));
  system.aggregator().Kill(SIGSTOP);
  // Longer than the silence after which a peer counts as dead.
  EXPECT_FALSE(WaitUntil([&] { return !system.aggregator().running(); }, 10s));
  system.aggregator().Kill(SIGCONT);
  ASSERT_EQ(fetcher->Wait(90s).value_or(Process::Exit{}).code, 0)
      << fetcher->Stderr() << system.Logs();
  EXPECT_EQ(Repeats(system.llm().account()), 0u) << system.Logs();
  EXPECT_EQ(WithoutCost(system.Page(kDate)), UndisturbedPage(day));
}

TEST(Crash, OutDeletedComesBackWithTheNextStart) {
  const Day day = DayOf(20);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  ASSERT_EQ(system.RunFetcher(day.FromFile(system)).exit.code, 0) << system.Logs();
  const std::string page = system.Page(kDate);
  const auto digest = system.DigestJson(kDate);
  std::filesystem::remove_all(system.out_dir());
  system.RestartAggregator();
  EXPECT_EQ(system.Page(kDate), page);
  EXPECT_EQ(system.DigestJson(kDate), digest);
}

TEST(Crash, TheQuotaHoldsAcrossScorersThatAreKilled) {
  Day day = DayOf(100);
  day.settings.llm.quota = {.requests_per_minute = 300,
                            .tokens_per_minute = 0,
                            .window = Quota::Seconds(2),
                            .mode = Quota::Mode::kSliding};
  System system(day.settings);
  system.StartAggregator();
  // A busy machine is later than the default allows for.
  const System::Arguments limits = {"--rpm", "300", "--quota-window", "2", "--arrival-jitter",
                                    "500"};
  system.StartScorers(4, "openai", limits);
  auto arguments = day.FromFile(system);
  arguments.insert(arguments.end(), {"--profile", system.WriteProfile("ones", "batch_size = 1")});
  auto fetcher = system.StartFetcher(arguments);
  ASSERT_TRUE(WaitUntil([&] { return system.llm().account().ok >= 20; }, 60s)) << system.Logs();
  system.scorer(0).Kill(SIGKILL);
  system.StartScorers(1, "openai", limits);
  ASSERT_EQ(fetcher->Wait(120s).value_or(Process::Exit{}).code, 0)
      << fetcher->Stderr() << system.Logs();
  const auto account = system.llm().account();
  std::printf("%lu calls, at most %lu in any 2 s (quota: 10), %lu rejected\n",
              static_cast<unsigned long>(account.ok),
              static_cast<unsigned long>(account.max_window_requests),
              static_cast<unsigned long>(account.rejected_429));
  EXPECT_EQ(account.rejected_429, 0u);
}

}  // namespace
}  // namespace paperboy
