// The machine's clock jumps by hours, forward and back, while everything runs. The
// programs see it through libfaketime (Debian's faketime); time that is only
// measured goes on as it is.
#include "tests/process/chaos.h"
#include "tests/support/fake_clock.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

class Clock : public testing::Test {
 protected:
  void Jump(const std::string& by) {
    std::printf("the clock is %s\n", by.c_str());
    clock_.Move(by);
  }
  Day Jumpy() const {
    Day day = DayOf(100, 400ms);
    day.settings.env = clock_.env();
    return day;
  }

  FakeClock clock_;
};

TEST_F(Clock, JumpsForwardAndBack) {
  Chaos chaos(Jumpy());
  chaos.Start(2, {"--concurrency", "2", "--rpm", "6000"});
  const auto hours_apart = [&] {  // the calls that are booked, the first and the last
    Database ledger(chaos.system.data_dir() + "/ledger.db", Access::kRead);
    auto cursor = ledger.Query("SELECT (max(at) - min(at)) / 3600 FROM call");
    return cursor.Next() ? cursor.Int(0) : 0;
  };
  double share = 0.1;
  const std::pair<const char*, int> jumps[] = {{"+2h", 1}, {"-2h", 3}, {"+0", 3}};
  for (const auto& [by, at_least] : jumps) {
    ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(share));
    Jump(by);
    ASSERT_TRUE(WaitUntil([&] { return hours_apart() >= at_least; }, 20s)) << "it was not seen";
    share += 0.2;
  }
  chaos.ExpectRecovered();
}

// Leases carry the aggregator's boot, which is made of the clock.
TEST_F(Clock, IsBackWhenTheAggregatorStartsAgain) {
  Chaos chaos(Jumpy());
  Jump("+2h");
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.2));
  Jump("-2h");
  std::printf("and the aggregator is killed\n");
  chaos.system.RestartAggregator();
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.6));
  std::printf("a scorer is killed\n");
  chaos.KillScorer(0);
  chaos.ReplaceScorer(0);
  chaos.ExpectRecovered();
}

}  // namespace
}  // namespace paperboy
