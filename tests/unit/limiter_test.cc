#include "scorer/limiter.h"

#include "tests/unit/limiter_fixture.h"

namespace paperboy {
namespace {

// ---- rates ------------------------------------------------------------------

TEST(RateOfRequests, UsesNearlyTheWholeQuotaOfAMinutesWindow) {
  const RequestRate rate = RateOfRequests({.rpm = 600, .window = 60s, .jitter = 120ms});
  EXPECT_GT(PerSecond(rate), 0.99 * 10);
  EXPECT_LT(PerSecond(rate), 10);
}

TEST(RateOfRequests, NoWindowSeesOneTooMany) {
  for (const int64_t rpm : {1, 7, 10, 60, 500, 3'000, 30'000}) {
    for (const Milliseconds window : {1'000ms, 10'000ms, 60'000ms}) {
      const LimiterSettings settings{.rpm = rpm, .window = window, .jitter = 120ms};
      const RequestRate rate = RateOfRequests(settings);
      const double most =
          (microseconds(window + settings.jitter).count() + rate.burst_us) / rate.cost_us;
      const double quota = std::max(1.0, rpm * window.count() / 60e3);
      EXPECT_LT(most, quota + 1) << rpm << " a minute in windows of " << window.count() << " ms";
      EXPECT_GE(rate.burst_us, rate.cost_us);
    }
  }
}

TEST(RateOfRequests, ABucketGivesAllOfIt) {
  EXPECT_DOUBLE_EQ(PerSecond(RateOfRequests({.rpm = 600, .window = 0s})), 10);
}

TEST(RateOfRequests, NoLimitCostsNothing) { EXPECT_EQ(RateOfRequests({.rpm = 0}).cost_us, 0); }

TEST(RateOfTokens, TheBurstComesOffAWindowsQuotaAndNotOffABucket) {
  const TokenRate window = RateOfTokens({.tpm = 60'000, .window = 30s, .jitter = 100ms});
  EXPECT_DOUBLE_EQ(window.quota, 30'000);
  EXPECT_DOUBLE_EQ(window.span_us, 30.1e6);
  EXPECT_TRUE(window.burst_counts);
  const TokenRate bucket = RateOfTokens({.tpm = 60'000, .window = 0s});
  EXPECT_DOUBLE_EQ(bucket.quota / bucket.span_us, 1e-3);
  EXPECT_FALSE(bucket.burst_counts);
}

// ---- the last look ----------------------------------------------------------

class LastLookTest : public ::testing::Test {
 protected:
  const MonotonicTime now_{1'000s};
  Grant grant_{now_, now_ + 100ms, "e1"};
  LimiterView view_{now_, now_ - 1s, "e1"};
};

TEST_F(LastLookTest, SendsWithinItsTime) {
  EXPECT_EQ(LookOnce(grant_, view_, now_ + 10ms), LastLook::kSend);
}

TEST_F(LastLookTest, ReadsAnOldViewAgain) {
  view_.read_at = now_ - kViewAge;
  EXPECT_EQ(LookOnce(grant_, view_, now_ + 1ms), LastLook::kReadAgain);
}

TEST_F(LastLookTest, DropsALateGrant) {
  EXPECT_EQ(LookOnce(grant_, view_, now_ + 101ms), LastLook::kReserveAgain);
}

TEST_F(LastLookTest, DropsAGrantOfALostState) {
  view_.epoch = "e2";
  EXPECT_EQ(LookOnce(grant_, view_, now_), LastLook::kReserveAgain);
  view_.epoch = "";
  EXPECT_EQ(LookOnce(grant_, view_, now_), LastLook::kReserveAgain);
}

TEST_F(LastLookTest, DropsAGrantInAPause) {
  view_.paused_until = now_ + 1s;
  EXPECT_EQ(LookOnce(grant_, view_, now_), LastLook::kReserveAgain);
}

TEST_F(LastLookTest, WithoutALimitOnlyAPauseHolds) {
  grant_ = {};
  EXPECT_EQ(LookOnce(grant_, view_, now_), LastLook::kSend);
  view_.paused_until = now_ + 1s;
  EXPECT_EQ(LookOnce(grant_, view_, now_), LastLook::kPaused);
}

// ---- with a real Redis ------------------------------------------------------

TEST_F(LimiterTest, AFreshStateHoldsOffForTheHorizonAndASecond) {
  const LimiterSettings settings{.rpm = 600, .horizon = 2s};
  const Reserved first = Reserve(settings);
  EXPECT_FALSE(first.granted);
  EXPECT_GT(first.pause, 2'900ms);
  EXPECT_LE(first.pause, 3'000ms);
  EXPECT_NEAR(static_cast<double>((first.wait - first.pause).count()),
              RateOfRequests(settings).cost_us, 2)
      << "the first request is earned after the hold-off";
  const Reserved second = Reserve(settings);
  EXPECT_EQ(second.epoch, first.epoch);
  EXPECT_LT(second.wait, first.wait) << "the hold-off must not begin again";
}

TEST_F(LimiterTest, TheStateHasATimeToLive) {
  Reserve({.rpm = 600});
  const int64_t ttl = Command({"PTTL", redis_keys::Limit(kQuota)})->integer;
  EXPECT_GT(ttl, 0);
  EXPECT_LE(ttl, Milliseconds(redis_keys::kLimitTtl).count());
}

TEST_F(LimiterTest, GrantsAreSpacedByTheirCost) {
  const LimiterSettings settings{.rpm = 600};
  Prime(settings);
  const double cost = RateOfRequests(settings).cost_us;
  std::vector<microseconds> waits;
  for (int i = 0; i < 12; ++i) {
    const Reserved reserved = Reserve(settings);
    EXPECT_TRUE(reserved.granted);
    waits.push_back(reserved.wait);
  }
  // The burst first, then one after the other; each reservation is asked for
  // a little later than the one before.
  EXPECT_EQ(waits[0].count(), 0);
  EXPECT_NEAR(static_cast<double>((waits[11] - waits[5]).count()), 6 * cost, 0.5 * cost);
}

TEST_F(LimiterTest, BeyondTheHorizonNothingIsCommitted) {
  const LimiterSettings settings{.rpm = 60, .horizon = 100ms};
  Prime(settings);
  EXPECT_TRUE(Reserve(settings).granted);
  const std::string before = Field("tr");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Reserve(settings).granted);
  EXPECT_EQ(Field("tr"), before);
}

TEST_F(LimiterTest, TokensAreChargedWithTheRequest) {
  const LimiterSettings settings{.rpm = 6'000, .tpm = 60'000, .window = 0s, .horizon = 10s};
  Prime(settings);
  EXPECT_EQ(Reserve(settings, 1'000).wait.count(), 0);
  const auto second = Reserve(settings, 1'000).wait;
  const auto third = Reserve(settings, 1'000).wait;
  EXPECT_NEAR(static_cast<double>(second.count()), 1e6, 1e5);
  EXPECT_NEAR(static_cast<double>((third - second).count()), 1e6, 1e5);
}

TEST_F(LimiterTest, ACallLargerThanAnyBeforeWaitsForWhatIsBeyondTheBurst) {
  const LimiterSettings settings{.tpm = 60'000, .window = 0s, .horizon = 10s};
  Prime(settings);
  EXPECT_TRUE(Reserve(settings, 250).granted);
  EXPECT_NEAR(static_cast<double>(Reserve(settings, 2'000).wait.count()), 2e6, 1e5);
  // From then on that much may come at once.
  EXPECT_NEAR(static_cast<double>(Reserve(settings, 2'000).wait.count()), 4e6, 1e5);
}

TEST_F(LimiterTest, AFreshStateEarnsTheFirstCallsTokensToo) {
  const LimiterSettings settings{.tpm = 60'000, .window = 0s};
  const Reserved first = Reserve(settings, 2'000);
  EXPECT_NEAR(static_cast<double>((first.wait - first.pause).count()), 2e6, 2);
}

TEST_F(LimiterTest, AFreshStateKnowsTheLargestCallOfTheWorkerThatMakesIt) {
  const LimiterSettings settings{.tpm = 30'000, .window = 60s};
  Reserve(settings, 1'000, "", 9'000);
  EXPECT_EQ(Field("big"), "9000");
}

TEST_F(LimiterTest, RoomForALargeCallIsMadeBeforeItIsGrantedAndGivenUpAfterAWhile) {
  const LimiterSettings settings{.tpm = 30'000, .window = 60s, .memory = 400ms};
  Prime(settings);
  EXPECT_TRUE(Reserve(settings, 1'000).granted);
  EXPECT_FALSE(Reserve(settings, 9'000).granted);
  EXPECT_EQ(Field("big"), "9000");
  Reserve(settings, 1'000);
  EXPECT_EQ(Field("big"), "9000");
  RunFor(410ms);
  EXPECT_FALSE(Reserve(settings, 5'000).granted);
  EXPECT_EQ(Field("big"), "9000") << "one of its kind";
  RunFor(410ms);
  Reserve(settings, 1'000);
  EXPECT_EQ(Field("big"), "1000");
}

TEST_F(LimiterTest, AnotherRunOfRedisStartsEmpty) {
  const LimiterSettings settings{.rpm = 600};
  Prime(settings);
  const Reserved before = Reserve(settings);
  ASSERT_TRUE(before.granted);
  const Reserved after = Reserve(settings, 0, "another-run");
  EXPECT_NE(after.epoch, before.epoch);
  EXPECT_FALSE(after.granted);
  EXPECT_GT(after.wait, 2'900ms);
}

TEST_F(LimiterTest, AClockSetBackStartsEmpty) {
  const LimiterSettings settings{.rpm = 600};
  const Reserved before = Reserve(settings);
  for (const char* field : {"at", "pause"}) {
    Do({"HSET", redis_keys::Limit(kQuota), field, "9e15"});
    const Reserved after = Reserve(settings);
    EXPECT_NE(after.epoch, before.epoch) << field;
    EXPECT_LE(after.pause, 3s) << field;
  }
}

TEST_F(LimiterTest, APauseOnlyGrows) {
  const auto pause = [&](microseconds wait) {
    return Await([&](Redis::Callback done) {
             redis_->Eval(PauseScript(), {redis_keys::Limit(kQuota)},
                          PauseArgs(wait, PauseFor::kQuota), 1s, done);
           })
        ->integer;
  };
  EXPECT_EQ(pause(5s), 5'000'000);
  EXPECT_GT(pause(1s), 4'000'000);
  EXPECT_EQ(pause(9s), 9'000'000);
  EXPECT_GT(Reserve({.rpm = 600}).wait, 8s) << "a pause outlasts the loss of the rest";
}

TEST_F(LimiterTest, WithoutALimitCallsGoAtOnceAndLeaveNothingInRedis) {
  Limiter limiter(loop_, *redis_, kQuota, {}, 1);
  int sent = 0;
  for (int i = 0; i < 100; ++i) limiter.Acquire(1'000, [&] { ++sent; });
  EXPECT_EQ(sent, 0) << "never from within the call";
  const MonotonicTime begin = loop_.now();
  ASSERT_TRUE(RunUntil([&] { return sent == 100; }));
  EXPECT_LT(loop_.now() - begin, 1s);
  EXPECT_EQ(Command({"EXISTS", redis_keys::Limit(kQuota)})->integer, 0);
}

TEST_F(LimiterTest, TroubleIsForgottenWithTheLastCallThatWaits) {
  Limiter limiter(loop_, *redis_, kQuota, {.rpm = 600}, 1);
  const Limiter::Ticket ticket = limiter.Acquire(0, [] {});
  server_.Kill();
  ASSERT_TRUE(RunUntil([&] { return !limiter.trouble().empty(); }));
  // With nobody left to ask Redis again, it must not stand for ever.
  limiter.Cancel(ticket);
  EXPECT_EQ(limiter.trouble(), "");
}

TEST_F(LimiterTest, APauseHoldsEverybodyElseToo) {
  for (const int64_t rpm : {0, 6'000}) {
    const LimiterSettings settings{.rpm = rpm, .horizon = 100ms};
    if (settings.limited()) Prime(settings);
    auto other_redis = Connect();
    WaitReady(*other_redis);
    Limiter refused(loop_, *redis_, kQuota, settings, 1);
    Limiter other(loop_, *other_redis, kQuota, settings, 2);
    int sent = 0;
    other.Acquire(0, [&] { ++sent; });
    ASSERT_TRUE(RunUntil([&] { return sent == 1; }));
    const MonotonicTime begin = loop_.now();
    refused.Pause(2s, PauseFor::kQuota);
    RunFor(kViewAge + 1ms);
    other.Acquire(0, [&] { ++sent; });
    ASSERT_TRUE(RunUntil([&] { return other.beyond_horizon(); }));
    ASSERT_TRUE(RunUntil([&] { return sent == 2; }));
    EXPECT_GE(loop_.now() - begin, 1'995ms);
    EXPECT_FALSE(other.beyond_horizon());
  }
}

TEST_F(LimiterTest, APauseThatCouldNotBeToldEndsWithItsLimiter) {
  std::optional<Limiter> limiter;
  limiter.emplace(loop_, *redis_, kQuota, LimiterSettings{}, 1);
  server_.Kill();
  ASSERT_TRUE(RunUntil([&] { return !redis_->ready(); }));
  limiter->Pause(30s, PauseFor::kQuota);
  RunFor(50ms);  // refused; to be told again a little later
  limiter.reset();
  server_.Restart();
  WaitReady(*redis_);
  RunFor(500ms);
  EXPECT_EQ(Command({"DBSIZE"})->integer, 0);
}

TEST_F(LimiterTest, ACancelledCallDoesNotGo) {
  Limiter limiter(loop_, *redis_, kQuota, {}, 1);
  std::vector<int> sent;
  const auto first = limiter.Acquire(0, [&] { sent.push_back(1); });
  limiter.Acquire(0, [&] { sent.push_back(2); });
  limiter.Cancel(first);
  limiter.Cancel(first);
  ASSERT_TRUE(RunUntil([&] { return !sent.empty(); }));
  RunFor(20ms);
  EXPECT_EQ(sent, std::vector<int>{2});
}

TEST_F(LimiterTest, AGrantOfALostStateIsAskedForAgain) {
  const LimiterSettings settings{.rpm = 120, .horizon = 1s};
  Prime(settings);
  Limiter limiter(loop_, *redis_, kQuota, settings, 1);
  int sent = 0;
  limiter.Acquire(0, [&] { ++sent; });
  ASSERT_TRUE(RunUntil([&] { return sent == 1; }));
  limiter.Acquire(0, [&] { ++sent; });  // granted, 0.5 s ahead
  RunFor(100ms);
  Do({"FLUSHALL"});
  const MonotonicTime lost = loop_.now();
  ASSERT_TRUE(RunUntil([&] { return sent == 2; }));
  EXPECT_GT(loop_.now() - lost, 1'900ms) << "the hold-off of the new state";
}

TEST_F(LimiterTest, WithoutRedisNothingGoesAndAfterwardsItDoes) {
  for (const int64_t rpm : {0, 6'000}) {
    Limiter limiter(loop_, *redis_, kQuota, {.rpm = rpm, .horizon = 100ms}, 1);
    server_.Kill();
    ASSERT_TRUE(RunUntil([&] { return !redis_->ready(); }));
    int sent = 0;
    limiter.Acquire(0, [&] { ++sent; });
    ASSERT_TRUE(RunUntil([&] { return !limiter.trouble().empty(); }));
    EXPECT_EQ(sent, 0);
    server_.Restart();
    ASSERT_TRUE(RunUntil([&] { return sent == 1; }));
    EXPECT_EQ(limiter.trouble(), "");
  }
}

// ---- many workers against a strict window -----------------------------------

// A minute's quota of 30,000 tokens and its calls, at a twentieth of the time.
class LargeCallTest : public LimiterTest {
 protected:
  LargeCallTest() { Prime(settings_); }

  bool Ask(int64_t tokens) {
    const MonotonicTime asked = loop_.now();
    const Reserved reserved = Reserve(settings_, tokens);
    if (reserved.granted) arrivals_.push_back({asked + reserved.wait, tokens});
    return reserved.granted;
  }
  void AskFor(Milliseconds time, int64_t tokens) {
    const MonotonicTime end = loop_.now() + time;
    while (loop_.now() < end) {
      if (!Ask(tokens)) RunFor(2ms);
    }
  }
  int64_t FullestWindow() {
    std::sort(arrivals_.begin(), arrivals_.end(),
              [](const Arrival& a, const Arrival& b) { return a.at < b.at; });
    return Fullest(arrivals_, settings_.window).second;
  }

  const LimiterSettings settings_{
      .tpm = 600'000, .window = 3s, .jitter = 10ms, .horizon = 100ms, .memory = 1s};
  std::vector<Arrival> arrivals_;
};

TEST_F(LargeCallTest, FindsNoTokensThatWereNotEarned) {
  AskFor(3'500ms, 1'000);
  for (const MonotonicTime end = loop_.now() + 4s; loop_.now() < end && !Ask(15'000);) RunFor(2ms);
  AskFor(1s, 1'000);
  EXPECT_LE(FullestWindow(), 30'000);
}

TEST_F(LargeCallTest, GivingUpItsRoomHandsOutNoTokensEither) {
  AskFor(2s, 15'000);
  AskFor(5s, 1'000);
  EXPECT_EQ(Field("big"), "1000");
  EXPECT_LE(FullestWindow(), 30'000);
}

TEST_F(LargeCallTest, IsNotStarvedBySmallOnesAndDoesNotStarveThem) {
  AskFor(500ms, 1'000);
  size_t large = 0;
  size_t small = 0;
  for (const MonotonicTime end = loop_.now() + 8s; loop_.now() < end; RunFor(2ms)) {
    large += Ask(15'000) ? 1 : 0;
    small += Ask(1'000) ? 1 : 0;
  }
  EXPECT_GE(large, 1u);
  EXPECT_GE(small, 10u);
  EXPECT_LE(FullestWindow(), 30'000);
  RecordProperty("large", static_cast<int>(large));
  RecordProperty("small", static_cast<int>(small));
}

TEST_F(LimiterTest, AStateLostWithTheQuotaUsedUpBreaksNoWindow) {
  // Three requests in each 10 s: the hold-off is shorter than one of them takes to earn.
  const LimiterSettings settings{.rpm = 18, .window = 10s, .jitter = 10ms, .horizon = 100ms};
  Prime(settings);
  std::vector<Arrival> arrivals;
  const auto ask_for = [&](Milliseconds time) {
    for (const MonotonicTime end = loop_.now() + time; loop_.now() < end; RunFor(2ms)) {
      const MonotonicTime asked = loop_.now();
      const Reserved reserved = Reserve(settings);
      if (reserved.granted) arrivals.push_back({asked + reserved.wait, 0});
    }
  };
  ask_for(3'500ms);
  ASSERT_EQ(arrivals.size(), 2u);
  Do({"FLUSHALL"});
  ask_for(6s);
  EXPECT_EQ(Fullest(arrivals, settings.window).first, 3u);
}

TEST_F(LimiterTest, ManyWorkersUseTheRequestsQuotaAndNoWindowSeesMore) {
  const LimiterSettings settings{.rpm = 6'000, .window = 3s, .jitter = 300ms, .horizon = 900ms};
  Prime(settings);
  Crowd crowd(loop_, settings, kSeed, [] { return 0; });
  for (int i = 0; i < 4; ++i) crowd.Add(Connect());
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 660; }));
  const auto arrivals = crowd.arrivals();
  EXPECT_LE(Fullest(arrivals, settings.window).first, 300u);
  const std::chrono::duration<double> span = arrivals.back().at - arrivals.front().at;
  const double usable = PerSecond(RateOfRequests(settings)) * span.count();
  EXPECT_GT(static_cast<double>(arrivals.size()), 0.97 * usable) << "seed " << kSeed;
}

TEST_F(LimiterTest, ManyWorkersUseTheTokenQuotaAndNoWindowSeesMore) {
  const LimiterSettings settings{
      .rpm = 60'000, .tpm = 6'000'000, .window = 3s, .jitter = 300ms, .horizon = 900ms};
  std::mt19937_64 random(kSeed);
  Prime(settings);
  Crowd crowd(loop_, settings, kSeed, [&] { return static_cast<int64_t>(500 + random() % 2'000); });
  for (int i = 0; i < 4; ++i) crowd.Add(Connect());
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 540; }));
  const auto arrivals = crowd.arrivals();
  EXPECT_LE(Fullest(arrivals, settings.window).second, 300'000) << "seed " << kSeed;
  int64_t tokens = 0;
  for (const Arrival& arrival : arrivals) tokens += arrival.tokens;
  const std::chrono::duration<double> span = arrivals.back().at - arrivals.front().at;
  const TokenRate rate = RateOfTokens(settings);
  const double usable = (rate.quota - 2'500) / rate.span_us * 1e6 * span.count();
  EXPECT_GT(static_cast<double>(tokens), 0.97 * usable) << "seed " << kSeed;
}

TEST_F(LimiterTest, RedisLosingEverythingBreaksNoWindow) {
  const LimiterSettings settings{.rpm = 6'000, .window = 1s, .jitter = 100ms, .horizon = 300ms};
  Prime(settings);
  Crowd crowd(loop_, settings, kSeed, [] { return 0; });
  for (int i = 0; i < 4; ++i) crowd.Add(Connect());
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 90; }));
  Do({"FLUSHALL"});
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 180; }));
  server_.Restart();
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 270; }));
  EXPECT_LE(Fullest(crowd.arrivals(), settings.window).first, 100u) << "seed " << kSeed;
}

}  // namespace
}  // namespace paperboy
