// What an autoscaler reads of the running aggregator.
#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

TEST(ScalingOverHttp, FollowsTheBacklogFromNothingToAllThatTheQuotaFeeds) {
  Day day = DayOf(60, 1s);
  System system(day.settings);
  system.StartAggregator();
  const auto desired = [&] { return system.Scaling().value("desired_scorers", -1); };
  EXPECT_TRUE(WaitUntil([&] { return desired() == 0; }, 10s));

  System::Arguments fetch = day.FromFile(system);
  fetch.insert(fetch.end(), {"--profile", system.WriteProfile("reader", "batch_size = 1")});
  auto fetcher = system.StartFetcher(fetch);
  EXPECT_TRUE(WaitUntil([&] { return desired() == 1; }, 20s)) << "nobody is there to be asked";
  EXPECT_EQ(system.Scaling()["scorers"], 0);
  EXPECT_EQ(system.Scaling()["papers_waiting"], 60);

  // 480 a minute, 8 a second: with answers of 1 s 8 calls in flight, two each.
  system.StartScorers(1, "openai", {"--rpm", "480", "--concurrency", "2"});
  EXPECT_TRUE(WaitUntil([&] { return desired() >= 4; }, 30s)) << system.Scaling();
  EXPECT_LE(desired(), 5) << system.Scaling();
  const auto exit = fetcher->Wait(120s);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->code, 0) << system.Logs();
  EXPECT_TRUE(WaitUntil([&] { return system.Scaling()["papers_waiting"] == 0; }, 10s));
}

}  // namespace
}  // namespace paperboy
