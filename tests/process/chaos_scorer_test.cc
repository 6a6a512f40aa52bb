// Scorers lost while they hold what is not a call: a grant of the limiter; and a
// paper that takes its scorer along.
#include <gmock/gmock.h>

#include <csignal>

#include "tests/process/chaos.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// ---- grants -----------------------------------------------------------------

// Calls of one paper each, of which the quota lets three a second go: most of the
// time a scorer holds batches that wait for their send time, and no call.
class Grants : public testing::Test {
 protected:
  static constexpr int kRpm = 180;
  static Day Metered() {
    Day day = DayOf(28, 50ms);
    day.settings.llm.quota = {.requests_per_minute = kRpm,
                              .tokens_per_minute = 0,
                              .window = Quota::Seconds(2),
                              .mode = Quota::Mode::kSliding};
    return day;
  }
  void Start() {
    // A busy machine is later than the default jitter allows for.
    chaos.Start(3, {"--concurrency", "2", "--rpm", std::to_string(kRpm), "--quota-window", "2",
                    "--arrival-jitter", "500"});
  }
  // Stops scorer `i` at a moment at which no call is under way and nothing that
  // was answered is missing from the ledger: it takes no paper's call along.
  void StopHoldingNoCall(size_t i) {
    const auto holds_none = [&] {
      chaos.scorer(i).Kill(SIGSTOP);
      const auto account = chaos.system.llm().account();
      if (account.in_flight == 0 && chaos.Settled().size() == account.sent.size()) return true;
      chaos.scorer(i).Kill(SIGCONT);
      return false;
    };
    ASSERT_TRUE(WaitUntil(holds_none, 20s));
  }

  Chaos chaos{Metered(), "batch_size = 1", /*own_keys=*/false};
};

TEST_F(Grants, OfAKilledScorerAreNotMissed) {
  Start();
  for (int kill = 0; kill < 4; ++kill) {
    ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.1 + kill * 0.15));
    const size_t i = chaos.Below(chaos.alive());
    ASSERT_NO_FATAL_FAILURE(StopHoldingNoCall(i));
    chaos.scorer(i).Kill(SIGKILL);
    std::printf("scorer %zu killed\n", i);
    chaos.ReplaceScorer(i);
  }
  chaos.ExpectRecovered();
  const auto account = chaos.system.llm().account();
  std::printf("%lu calls in %.1f s, at most %lu in any 2 s (quota: 6)\n",
              static_cast<unsigned long>(account.ok), account.span_seconds,
              static_cast<unsigned long>(account.max_window_requests));
  // A lost grant costs its own send time and no other.
  EXPECT_LT(account.span_seconds, 2.0 * static_cast<double>(account.ok) * 60 / kRpm);
}

// Its papers go to others when it falls silent, and are asked about there when it
// goes on: its grants are too old, and what it held is no longer its own.
TEST_F(Grants, OfAStoppedScorerAreVoidWhenItGoesOn) {
  Start();
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.6));
  ASSERT_NO_FATAL_FAILURE(StopHoldingNoCall(0));
  std::printf("scorer 0 stopped\n");
  chaos.system.llm().SetLatency(3s);
  const auto all_are_out = [&] {
    return chaos.system.llm().account().sent.size() == chaos.day().settings.papers.size();
  };
  EXPECT_TRUE(WaitUntil(all_are_out, 40s));
  EXPECT_GT(chaos.system.llm().account().in_flight, 0u);
  chaos.scorer(0).Kill(SIGCONT);
  chaos.ExpectRecovered();
}

// ---- poison -----------------------------------------------------------------

class Poison : public testing::Test {
 protected:
  // Calls with the poisonous paper take longer, so that none escapes.
  static Day Poisoned() {
    Day day = DayOf(24, 100ms);
    day.settings.llm.faults = "slow@" + day.settings.papers[7].id;
    return day;
  }
  // The scorer that has a call with it.
  std::optional<size_t> Victim() {
    for (const LlmServer::Call& call : chaos.system.llm().calls()) {
      const auto& papers = call.papers;
      if (call.over || std::find(papers.begin(), papers.end(), poison) == papers.end()) continue;
      for (size_t i = 0; i < chaos.alive(); ++i) {
        if (chaos.KeyOf(i) == call.key) return i;
      }
    }
    return std::nullopt;
  }

  Chaos chaos{Poisoned()};
  const std::string poison = chaos.day().settings.papers[7].id;
};

// Asked for alone after the first death, given up after ten more, and named.
TEST_F(Poison, APaperThatKillsItsScorersIsGivenUpAndTheRestCompletes) {
  chaos.Start(2);
  int kills = 0;
  std::optional<size_t> victim;
  const auto next = [&] {
    victim = Victim();
    return victim || !chaos.fetcher().running();
  };
  while (WaitUntil(next, 30s) && victim) {
    chaos.KillScorer(*victim);
    chaos.ReplaceScorer(*victim);
    ++kills;
  }
  std::printf("%d scorers killed\n", kills);
  EXPECT_EQ(kills, 1 + 10);
  chaos.ExpectRecovered({.unscored = {{poison, "kills its worker"}}});
  EXPECT_THAT(chaos.system.Page(kDate, "day"),
              HasSubstr("1 of 24 papers could not be scored and are missing from this page: "
                        "1 (kills its worker)"));
}

}  // namespace
}  // namespace paperboy
