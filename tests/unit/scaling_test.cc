// How many scorers an autoscaler is told to run.
#include "aggregator/scaling.h"

#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

// 500 requests a minute, answers of 12 s: 100 calls in flight.
constexpr ScorerPace kPace{.rpm = 500, .tpm = 0, .calls = 8, .latency_ms = 12'000};

// Of one model, afresh.
uint32_t ScorersFor(const Backlog& backlog, const std::optional<ScorerPace>& pace) {
  const double busy = BusyScorers(backlog, pace);
  return static_cast<uint32_t>(std::ceil(busy));
}

TEST(ScorersFor, AsManyAsTheQuotaFeeds) {
  EXPECT_EQ(ScorersFor({.calls = 1'000}, kPace), 13u);
  ScorerPace pace = kPace;
  pace.tpm = 200'000;  // of 2,000 tokens a call: 100 calls a minute, 20 in flight
  EXPECT_EQ(ScorersFor({.calls = 1'000, .tokens_per_call = 2'000}, pace), 3u);
  EXPECT_EQ(ScorersFor({.calls = 1'000}, pace), 13u) << "tokens are not known";
}

TEST(ScorersFor, NoMoreThanTheBacklogFeeds) {
  EXPECT_EQ(ScorersFor({.calls = 16}, kPace), 2u);
  EXPECT_EQ(ScorersFor({.calls = 17}, kPace), 3u);
  EXPECT_EQ(ScorersFor({.calls = 1}, kPace), 1u);
  EXPECT_EQ(ScorersFor({}, kPace), 0u);
}

TEST(ScorersFor, WithoutAQuotaAsManyAsEndItInTime) {
  const ScorerPace pace{.rpm = 0, .tpm = 0, .calls = 8, .latency_ms = 6'000};
  // 8,000 calls in ten minutes: 13.3 a second, 80 in flight.
  EXPECT_EQ(ScorersFor({.calls = 8'000}, pace), 10u);
}

TEST(Together, TheSmallestLimitAndTheMedianOfLatenciesCount) {
  // The second has found that the provider allows less; the third has had no answer yet.
  EXPECT_EQ(Together({{.rpm = 500, .tpm = 0, .calls = 8, .latency_ms = 9'000},
                      {.rpm = 60, .tpm = 0, .calls = 8, .latency_ms = 12'000},
                      {.rpm = 500, .tpm = 0, .calls = 8, .latency_ms = 0},
                      {.rpm = 500, .tpm = 0, .calls = 8, .latency_ms = 60'000}}),
            (ScorerPace{.rpm = 60, .tpm = 0, .calls = 8, .latency_ms = 12'000}));
  EXPECT_EQ(Together({{.rpm = 0, .tpm = 9'000, .calls = 8, .latency_ms = 0}}),
            (ScorerPace{.rpm = 0, .tpm = 9'000, .calls = 8, .latency_ms = 0}));
}

class ScalingTest : public LedgerTest {
 protected:
  uint32_t Desired() { return dispatch.Demanded(now).scorers; }
  void SayReady(unsigned rpm, uint32_t latency_ms, uint64_t boot = 1) {
    wire::Ready ready;
    ready.set_pod("pod");
    ready.set_boot(boot);
    ready.set_backend("openai");
    ready.set_model("gpt-4o");
    ready.set_temperature("0");
    ready.set_quota_key(quota);
    ready.set_rpm(rpm);
    ready.set_most_calls(8);
    ready.set_latency_ms(latency_ms);
    ready.set_number(++readies);
    dispatch.OnReady("peer-1", ready, now);
    dispatch.OnTick(now);
  }
};

TEST_F(ScalingTest, NoWorkNoScorer) { EXPECT_EQ(Desired(), 0u); }

TEST_F(ScalingTest, WorkThatNobodyCanSpeakOfWantsOne) {
  Deliver("2025-01-06", Papers(400));
  EXPECT_EQ(Desired(), 1u);
  EXPECT_EQ(dispatch.Demanded(now).papers, 400u);
}

TEST_F(ScalingTest, QuotaAndLatencyAreKnownAlsoWhenNobodyIsLeft) {
  profile.set_batch_size(1);
  Deliver("2025-01-06", Papers(400));
  SayReady(500, 12'000);
  EXPECT_EQ(Desired(), 13u);
  now.mono += kSilence + 1s;
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  EXPECT_EQ(dispatch.scorers(), 0u);
  EXPECT_EQ(Desired(), 13u);
  Dispatch again(store->db(), planner, prices);
  again.Reset(store->NextBoot(now.unix_seconds), now);
  EXPECT_EQ(again.Demanded(now).scorers, 13u) << "another process, the same ledger";
}

TEST_F(ScalingTest, WhoSpokeLastDoesNotDecide) {
  profile.set_batch_size(1);
  Deliver("2025-01-06", Papers(400));
  SayReady(500, 12'000, 1);
  SayReady(500, 12'000, 2);
  EXPECT_EQ(Desired(), 13u);
  SayReady(500, 40'000, 3);
  EXPECT_EQ(Desired(), 13u) << "one latency of three";
  SayReady(60, 12'000, 1);
  SayReady(500, 12'000, 2);
  now.mono += kScaleDownWindow + 1s;
  EXPECT_EQ(Desired(), 2u) << "a limit that one has found holds for all";
}

TEST_F(ScalingTest, OneWhereNothingIsKnownOrMoreWouldNotHelp) {
  Scaling scaling(store->db());
  const auto desired = [&](const Backlog& backlog) {
    now.mono += kScaleDownWindow + 1s;
    return scaling.Desired({{"gpt-4o", backlog}}, now.mono);
  };
  EXPECT_EQ(desired({.calls = 1'000}), 1u);
  scaling.Heard("gpt-4o", {.rpm = 500, .calls = 8});
  EXPECT_EQ(desired({.calls = 1'000}), 1u) << "no answer yet";
  scaling.Heard("gpt-4o", kPace);
  EXPECT_EQ(desired({.calls = 1'000}), 13u);
  EXPECT_EQ(desired({.calls = 1'000, .out = true}), 1u);
  EXPECT_EQ(desired({.waits = true}), 1u);
  EXPECT_EQ(desired({}), 0u);
}

TEST_F(ScalingTest, IsNotLessForNoise) {
  Scaling scaling(store->db());
  const auto desired = [&](int64_t latency_ms) {
    scaling.Heard("gpt-4o", {.rpm = 6'000, .calls = 1, .latency_ms = latency_ms});
    now.mono += kScaleDownWindow + 1s;
    return scaling.Desired({{"gpt-4o", {.calls = 1e6}}}, now.mono);
  };
  EXPECT_EQ(desired(10'000), 1'000u);
  EXPECT_EQ(desired(9'200), 1'000u);
  EXPECT_EQ(desired(10'500), 1'050u) << "up at once";
  EXPECT_EQ(desired(9'600), 1'050u);
  EXPECT_EQ(desired(9'500), 950u) << "a tenth less is no noise, and then it is believed";
}

TEST_F(ScalingTest, GoesDownOnlyAfterAWhile) {
  Scaling scaling(store->db());
  scaling.Heard("gpt-4o", kPace);
  const auto desired = [&](double calls) {
    return scaling.Desired({{"gpt-4o", {.calls = calls}}}, now.mono);
  };
  EXPECT_EQ(desired(16), 2u);
  EXPECT_EQ(desired(1'000), 13u) << "up at once";
  now.mono += kScaleDownWindow;
  EXPECT_EQ(desired(16), 13u);
  now.mono += 1s;
  EXPECT_EQ(desired(0), 2u);
  now.mono += kScaleDownWindow;
  EXPECT_EQ(desired(0), 0u);
}

TEST_F(ScalingTest, AnsweredWorkIsNoBacklog) {
  profile.set_batch_size(1);
  Deliver("2025-01-06", Papers(20));
  SayReady(500, 12'000);
  EXPECT_EQ(Desired(), 3u);
  now.mono += kAdoptionTime;
  Ready(2, 20);
  for (const auto& batch : HandOut()) Answer(Scores(batch), 2);
  dispatch.HandOut(now);
  now.mono += kScaleDownWindow + 1s;
  EXPECT_EQ(Desired(), 0u);
}

}  // namespace
}  // namespace paperboy
