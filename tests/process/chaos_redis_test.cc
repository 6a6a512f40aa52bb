// Redis emptied, killed, restarted with its file or an old one, and full.
#include <csignal>
#include <filesystem>

#include "tests/process/chaos.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

// With a quota, so that the limiter's state matters too.
const Chaos::Arguments kLimited = {"--concurrency", "2", "--rpm", "6000"};

Day DayWithRedis(const System::Arguments& redis) {
  Day day = DayOf(60, 300ms);
  day.settings.redis = redis;
  return day;
}

TEST(ChaosRedis, EmptiedTimeAndAgain) {
  Chaos chaos(DayWithRedis({}));
  chaos.Start(2, kLimited);
  for (int flush = 0; flush < 2; ++flush) {
    ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(flush / 2.0));
    std::printf("FLUSHALL\n");
    EXPECT_EQ(chaos.system.redis().Command("FLUSHALL"), "+OK");
  }
  chaos.ExpectRecovered();
}

class RedisWithAFile : public testing::TestWithParam<System::Arguments> {};

TEST_P(RedisWithAFile, KilledAndRestarted) {
  Chaos chaos(DayWithRedis(GetParam()));
  chaos.Start(2, kLimited);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.2));
  std::printf("Redis killed\n");
  // Snapshots are taken when a second has passed; a file is what is tested here.
  if (GetParam()[0] == "--save") chaos.system.redis().Command("SAVE");
  chaos.system.redis().Restart();
  EXPECT_NE(chaos.system.redis().Command("DBSIZE"), ":0");
  chaos.ExpectRecovered();
}

INSTANTIATE_TEST_SUITE_P(Kinds, RedisWithAFile,
                         testing::Values(System::Arguments{"--appendonly", "yes"},
                                         System::Arguments{"--save", "1 1"}),
                         [](const auto& info) { return info.index == 0 ? "log" : "snapshot"; });

TEST(ChaosRedis, BackWithAnOldFile) {
  Chaos chaos(DayWithRedis({}));
  chaos.Start(2, kLimited);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.1));
  RedisServer& redis = chaos.system.redis();
  ASSERT_EQ(redis.Command("SAVE"), "+OK");
  const std::string file = redis.dir().File("dump.rdb"), old = chaos.system.File("old.rdb");
  std::filesystem::copy_file(file, old);
  std::printf("snapshot\n");
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.5));
  std::printf("Redis goes back to it\n");
  redis.Kill();
  std::filesystem::copy_file(old, file, std::filesystem::copy_options::overwrite_existing);
  redis.Restart();
  EXPECT_NE(redis.Command("DBSIZE"), ":0");
  chaos.ExpectRecovered();
}

// Reads work, writes are refused: no send time can be reserved, so nothing new is
// sent, and what is in flight is finished and committed.
TEST(ChaosRedis, FullAndLaterRelieved) {
  Chaos chaos(DayWithRedis({"--maxmemory-policy", "noeviction"}));
  chaos.Start(2, kLimited);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  std::printf("Redis full\n");
  ASSERT_EQ(chaos.system.redis().Command("CONFIG SET maxmemory 1"), "+OK");
  ASSERT_TRUE(chaos.system.redis().Command("SET a b").starts_with("-OOM"));
  const auto calls = [&] { return chaos.system.llm().account().calls; };
  const auto in_flight_ended = [&] { return chaos.system.llm().account().in_flight == 0; };
  // Send times that were granted before may still be used.
  chaos.Pass(1s);
  ASSERT_TRUE(WaitUntil(in_flight_ended, 20s));
  const auto before = calls();
  EXPECT_TRUE(StaysTrue([&] { return calls() == before; }, 3s));
  EXPECT_LT(chaos.scored(), chaos.day().settings.papers.size());
  ASSERT_EQ(chaos.system.redis().Command("CONFIG SET maxmemory 0"), "+OK");
  chaos.ExpectRecovered();
}

// Without a quota nothing must be reserved; that answers cannot be kept is said.
TEST(ChaosRedis, FullWhileNothingIsLimited) {
  Chaos chaos(DayWithRedis({"--maxmemory-policy", "noeviction", "--maxmemory", "1"}));
  chaos.Start(2);
  chaos.ExpectRecovered();
  EXPECT_NE(chaos.system.Logs().find("scores are not kept in Redis"), std::string::npos);
}

}  // namespace
}  // namespace paperboy
