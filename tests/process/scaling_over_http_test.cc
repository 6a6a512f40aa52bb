// What an autoscaler reads of the running aggregator.
#include <httplib.h>

#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

TEST(ScalingOverHttp, FollowsTheBacklogFromNothingToAllThatTheQuotaFeeds) {
  Day day = DayOf(60, 1s);
  System system(day.settings);
  system.StartAggregator();
  httplib::Client client(system.aggregator_url());
  const auto scaling = [&] {
    const auto answer = client.Get("/scaling");
    // Until it has counted it says so, and no number.
    return answer && answer->status == 200 ? nlohmann::json::parse(answer->body)
                                           : nlohmann::json::object();
  };
  const auto desired = [&] { return scaling().value("desired_scorers", -1); };
  EXPECT_TRUE(WaitUntil([&] { return desired() == 0; }, 10s));

  System::Arguments fetch = day.FromFile(system);
  fetch.insert(fetch.end(), {"--profile", system.WriteProfile("reader", "batch_size = 1")});
  auto fetcher = system.StartFetcher(fetch);
  EXPECT_TRUE(WaitUntil([&] { return desired() == 1; }, 20s)) << "nobody is there to be asked";
  EXPECT_EQ(scaling()["scorers"], 0);
  EXPECT_EQ(scaling()["papers_waiting"], 60);

  // 480 a minute, 8 a second: with answers of 1 s 8 calls in flight, two each.
  system.StartScorers(1, "openai", {"--rpm", "480", "--concurrency", "2"});
  EXPECT_TRUE(WaitUntil([&] { return desired() >= 4; }, 30s)) << scaling();
  EXPECT_LE(desired(), 5) << scaling();
  const auto exit = fetcher->Wait(120s);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->code, 0) << system.Logs();
  EXPECT_TRUE(WaitUntil([&] { return scaling()["papers_waiting"] == 0; }, 10s));
}

}  // namespace
}  // namespace paperboy
