// The limiter when the provider says no: pauses that everybody keeps, and quotas that
// turn out smaller than configured. On virtual time, with the scripts as shipped.
#include <sstream>

#include "tests/simulation/sim_loop.h"
#include "tests/simulation/sim_redis.h"
#include "tests/support/quota.h"
#include "tests/unit/limiter_fixture.h"

namespace paperboy {
namespace {

class Idle : public sim::Program {
  bool EndTurn() override { return false; }
  void Terminate() override {}
};

class VirtualLimiterTest : public LimiterState {
 protected:
  VirtualLimiterTest() : LimiterState(sim_loop_) {
    node_.Boot();
    redis_ = VirtualLimiterTest::Connect();
    WaitReady(*redis_);
  }
  ~VirtualLimiterTest() override { redis_.reset(); }

  std::unique_ptr<Redis> Connect() override {
    return std::make_unique<sim::SimRedis>(host_, net_, node_);
  }
  bool Run(const std::function<bool()>& done, MonotonicTime until) override {
    const auto end = world_.At(until, [] {});
    const bool is_done = world_.Run(done, until);
    world_.Cancel(end);
    return is_done;
  }

  sim::World world_{kSeed};
  sim::Net net_{world_};
  sim::RedisHost host_{world_};
  sim::Node node_{world_, "scorers", [](sim::Node&) { return std::make_unique<Idle>(); },
                  [](bool) {}};
  sim::SimLoop sim_loop_{node_};
};

// ---- pauses -----------------------------------------------------------------

TEST_F(VirtualLimiterTest, APauseStopsThirtyTwoWorkersAndTheyResumeTogetherWithoutAStampede) {
  const LimiterSettings settings{.rpm = 6'000, .window = 1s, .jitter = 100ms, .horizon = 300ms};
  const RequestRate rate = RateOfRequests(settings);
  Prime(settings);
  Crowd crowd(loop_, settings, kSeed, [] { return 0; });
  for (int i = 0; i < 32; ++i) crowd.Add(Connect());
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 100; }));
  // Longer than the hold-off of a lost state, 1.3 s here.
  const MonotonicTime told = loop_.now();
  constexpr auto kPause = 2'500ms;
  crowd.limiter(7).Pause(kPause, PauseFor::kQuota);
  const size_t before = crowd.sent();
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= before + 150; }));
  std::vector<Arrival> resumed;
  for (const Arrival& arrival : crowd.arrivals()) {
    if (arrival.at < told + kPause) {
      // A look is 50 ms old at most, the news and a call 20 ms on their way each.
      EXPECT_LT(arrival.at, told + kViewAge + 50ms) << "sent in the pause";
    } else {
      resumed.push_back(arrival);
    }
  }
  ASSERT_GE(resumed.size(), 100u);
  // As many as the rate and one burst allow, whatever the stretch; a call is up to the
  // jitter late.
  for (size_t first = 0; first < resumed.size(); ++first) {
    for (size_t last = first; last < resumed.size(); ++last) {
      const auto span = std::chrono::duration<double, std::micro>(
          resumed[last].at - resumed[first].at + settings.jitter);
      ASSERT_LE(static_cast<double>(last - first + 1),
                (span.count() + rate.burst_us) / rate.cost_us + 1);
    }
  }
  EXPECT_LE(Fullest(crowd.arrivals(), settings.window).first, 100u);
}

// ---- smaller quotas ---------------------------------------------------------

class SmallerQuota : public VirtualLimiterTest {
 protected:
  FoundLimits Lower(const LimiterSettings& settings, const std::optional<Refused>& refused,
                    const FoundLimits& named = {}) {
    const auto reply = Await([&](Redis::Callback done) {
      redis_->Eval(LowerScript(), {redis_keys::Limit(kQuota)}, LowerArgs(settings, refused, named),
                   1s, done);
    });
    if (!reply) {
      ADD_FAILURE() << reply.error().message;
      return {};
    }
    return {reply->array[0].integer, reply->array[1].integer};
  }
};

TEST_F(SmallerQuota, ThatOneScorerReadsInAHeaderIsFollowedByAll) {
  const LimiterSettings settings{.rpm = 6'000, .tpm = 100'000, .window = 1s, .horizon = 100ms};
  Prime(settings);
  auto other_redis = Connect();
  WaitReady(*other_redis);
  Limiter reads(loop_, *redis_, kQuota, settings, 1);
  Limiter other(loop_, *other_redis, kQuota, settings, 2);
  reads.OnNamed({.rpm = 9'000, .tpm = 0});  // upwards by configuration alone
  reads.OnNamed({.rpm = 3'000, .tpm = 60'000});
  ASSERT_TRUE(RunUntil([&] { return reads.in_force().rpm == 3'000; }));
  bool sent = false;
  other.Acquire(10, [&] { sent = true; });
  ASSERT_TRUE(RunUntil([&] { return sent; }));
  EXPECT_EQ(other.in_force().rpm, 3'000);
  EXPECT_EQ(other.in_force().tpm, 60'000);
}

TEST_F(SmallerQuota, NoReservationIsMadeAtTheLargerRate) {
  const LimiterSettings settings{.rpm = 600};
  Prime(settings);
  ASSERT_EQ(Lower(settings, std::nullopt, {.rpm = 300}), (FoundLimits{.rpm = 300}));
  EXPECT_FALSE(Reserve(settings).granted);
  EXPECT_EQ(Field("tr"), "0") << "nothing was reserved";
}

TEST_F(SmallerQuota, IsForgottenWhenAnotherIsConfigured) {
  LimiterSettings settings{.rpm = 600};
  Prime(settings);
  Lower(settings, std::nullopt, {.rpm = 300});
  settings.rpm = 500;
  EXPECT_TRUE(Reserve(settings).granted);
  EXPECT_EQ(Field("fr"), "0");
}

TEST_F(SmallerQuota, ALimitThatIsNotConfiguredIsNotFollowed) {
  const LimiterSettings settings{.rpm = 600};
  EXPECT_EQ(Lower(settings, std::nullopt, {.rpm = 0, .tpm = 1'000}), FoundLimits{});
}

TEST_F(SmallerQuota, OneRefusalProvesNothing) {
  const LimiterSettings settings{.rpm = 6'000, .window = 1s, .horizon = 100ms};
  Prime(settings);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Reserve(settings).granted);
  EXPECT_EQ(Lower(settings, Refused{0us}), FoundLimits{});
  EXPECT_EQ(Lower(settings, Refused{0us}), FoundLimits{}) << "of the same volley";
}

TEST_F(SmallerQuota, RefusalsWithTheQuotaHardlyUsedProveNothing) {
  const LimiterSettings settings{.rpm = 6'000, .window = 1s, .horizon = 100ms};
  Prime(settings);
  for (int i = 0; i < 3; ++i) {
    for (int call = 0; call < 10; ++call) {
      ASSERT_TRUE(Reserve(settings).granted);
      RunFor(110ms);
    }
    EXPECT_EQ(Lower(settings, Refused{0us}), FoundLimits{});
  }
}

TEST_F(SmallerQuota, IsNotMeasuredByThePausesOfAServerThatFails) {
  const LimiterSettings settings{.rpm = 600, .window = 10s};
  for (const PauseFor reason : {PauseFor::kServer, PauseFor::kQuota}) {
    Do({"DEL", redis_keys::Limit(kQuota)});
    Prime(settings);
    const MonotonicTime end = loop_.now() + settings.window;
    for (int call = 0; call < 10; ++call) ASSERT_TRUE(Reserve(settings).granted);
    EXPECT_EQ(Lower(settings, Refused{0us}), FoundLimits{});
    (void)Await([&](Redis::Callback done) {
      redis_->Eval(PauseScript(), {redis_keys::Limit(kQuota)}, PauseArgs(9'500ms, reason), 1s,
                   done);
    });
    Run([] { return false; }, end);
    // The same pause, asked for by the quota, is what finds one.
    EXPECT_EQ(Lower(settings, Refused{0us}) == FoundLimits{}, reason == PauseFor::kServer);
  }
}

TEST_F(SmallerQuota, ARefusalInANewEpochMendsNothingThatWasFoundBefore) {
  const LimiterSettings settings{.rpm = 600, .window = 1s, .horizon = 100ms};
  Prime(settings);
  Do({"HSET", redis_keys::Limit(kQuota), "low", std::to_string(9e15)});  // found just now
  Reserve(settings, 0, "another-run");
  EXPECT_EQ(Field("low"), "0");
  RunFor(2s);
  for (int call = 0; call < 6; ++call) {
    ASSERT_TRUE(Reserve(settings, 0, "another-run").granted);
    RunFor(110ms);
  }
  EXPECT_EQ(Lower(settings, Refused{0us}), FoundLimits{});
}

// All of it is used, and now and then, without a reason, a call is refused.
class Spurious : public SmallerQuota, public testing::WithParamInterface<Milliseconds> {};

TEST_P(Spurious, RefusalsAtFullLoadLowerNothing) {
  const LimiterSettings settings{.rpm = 600, .window = 10s};
  Prime(settings);
  Crowd crowd(loop_, settings, kSeed, [] { return 0; });
  size_t refused = 0;
  crowd.SetProvider([&](Limiter& from, int64_t tokens, MonotonicTime sent) {
    if (!world_.Chance(1.0 / 150)) return;  // one in a window and a half
    ++refused;
    from.OnRefused(tokens, sent);
    from.Pause(GetParam(), PauseFor::kQuota);
  });
  for (int i = 0; i < 4; ++i) crowd.Add(Connect());
  for (int window = 0; window < 100; ++window) {
    RunFor(settings.window);
    ASSERT_EQ(crowd.limiter(0).in_force().rpm, settings.rpm) << "in window " << window;
  }
  EXPECT_GT(refused, 30u);
}

INSTANTIATE_TEST_SUITE_P(Pauses, Spurious, testing::Values(200ms, 500ms),
                         [](const auto& info) { return std::to_string(info.param.count()); });

class LateRefusal : public SmallerQuota, public testing::WithParamInterface<Milliseconds> {};

TEST_P(LateRefusal, UndercutsNothing) {
  const LimiterSettings settings{.rpm = 600, .window = 10s, .jitter = 3s};
  Prime(settings);
  Crowd crowd(loop_, settings, kSeed, [] { return 0; });
  crowd.Add(Connect());
  RunFor(40s);
  // Both are told of late, and all that was in force went through in between.
  Lower(settings, Refused{GetParam() + 10s});
  EXPECT_EQ(Lower(settings, Refused{GetParam()}), FoundLimits{});
  // What has been granted since is known as before.
  RunFor(10s);
  Lower(settings, Refused{10s});
  EXPECT_EQ(Lower(settings, Refused{0us}), FoundLimits{});
}

INSTANTIATE_TEST_SUITE_P(Lateness, LateRefusal,
                         testing::Values(1'500ms, 5'000ms, 11'000ms, 30'000ms),
                         [](const auto& info) { return std::to_string(info.param.count()); });

TEST_F(SmallerQuota, ACancelledGrantDoesNotCountAsUsed) {
  const LimiterSettings settings{.rpm = 600, .window = 10s};
  Prime(settings);
  Limiter limiter(loop_, *redis_, kQuota, settings, 1);
  int sent = 0;
  std::vector<Limiter::Ticket> tickets;
  for (int call = 0; call < 12; ++call) tickets.push_back(limiter.Acquire(7, [&] { ++sent; }));
  ASSERT_TRUE(RunUntil([&] { return sent >= 4; }));
  for (const Limiter::Ticket ticket : tickets) limiter.Cancel(ticket);
  RunFor(100ms);
  double requests = 0, tokens = 0;
  const auto state = Command({"HGETALL", redis_keys::Limit(kQuota)});
  for (size_t i = 0; i + 1 < state->array.size(); i += 2) {
    double slice = 0, r = 0, t = 0;
    const bool is_slice = std::isdigit(state->array[i].string[1]) != 0;
    if (!is_slice) continue;
    std::istringstream(state->array[i + 1].string) >> slice >> r >> t;
    requests += r, tokens += t;
  }
  EXPECT_EQ(requests, sent);
  EXPECT_EQ(tokens, 7 * sent);
}

// A provider that enforces a quota of its own and says no as providers do.
struct Enforced {
  Quota::Mode mode;
  bool says_how_long;
  bool tokens;  // what is halved
};

class HalvedQuota : public SmallerQuota, public testing::WithParamInterface<Enforced> {};

TEST_P(HalvedQuota, IsFoundWithinTwoWindowsOfTheFirstRefusal) {
  constexpr int64_t kTokens = 100;
  const bool by_tokens = GetParam().tokens;
  LimiterSettings settings{.rpm = 3'000, .window = 2s, .jitter = 100ms, .horizon = 300ms};
  if (by_tokens) settings.rpm = 6'000, settings.tpm = 3'000 * kTokens;
  Prime(settings);
  Quota quota({.requests_per_minute = static_cast<double>(settings.rpm),
               .tokens_per_minute = static_cast<double>(settings.tpm),
               .window = Quota::Seconds(2),
               .mode = GetParam().mode});
  std::vector<MonotonicTime> refused;
  Crowd crowd(loop_, settings, kSeed, [] { return kTokens; });
  crowd.SetProvider([&](Limiter& from, int64_t tokens, MonotonicTime sent) {
    const Quota::Seconds wait = quota.Take(static_cast<double>(tokens), loop_.now());
    if (wait.count() <= 0) return;
    refused.push_back(loop_.now());
    from.OnRefused(tokens, sent);
    from.Pause(GetParam().says_how_long ? std::chrono::ceil<microseconds>(wait) : 400ms,
               PauseFor::kQuota);
  });
  for (int i = 0; i < 4; ++i) crowd.Add(Connect());
  ASSERT_TRUE(RunUntil([&] { return crowd.sent() >= 200; }));
  ASSERT_TRUE(refused.empty());
  Quota::Limits halved = quota.limits();
  (by_tokens ? halved.tokens_per_minute : halved.requests_per_minute) /= 2;
  quota.SetLimits(halved);
  ASSERT_TRUE(RunUntil([&] { return !refused.empty(); }));
  // A slice for what is on its way.
  const MonotonicTime found_by = refused.front() + 2 * settings.window + 100ms;
  Run([] { return false; }, found_by);
  const LimiterSettings found = crowd.limiter(0).in_force();
  const double share = by_tokens ? static_cast<double>(found.tpm) / (1'500 * kTokens)
                                 : static_cast<double>(found.rpm) / 1'500;
  EXPECT_GT(share, 0.9);
  // What a bucket took in during a pause of a fifth of the window makes it larger;
  // unfollowed it is 2.
  EXPECT_LT(share, 1.2);
  EXPECT_EQ(by_tokens ? found.rpm : found.tpm, by_tokens ? 6'000 : 0) << "that one is not to blame";
  const size_t until_then = refused.size();
  Run([] { return false; }, found_by + 2 * settings.window);
  EXPECT_EQ(refused.size(), until_then);
  RecordProperty("share", std::to_string(share));
  RecordProperty("refused_before", static_cast<int>(until_then));
  RecordProperty("refused_after", static_cast<int>(refused.size() - until_then));
}

INSTANTIATE_TEST_SUITE_P(Enforced, HalvedQuota,
                         testing::Values(Enforced{Quota::Mode::kSliding, true, false},
                                         Enforced{Quota::Mode::kSliding, false, false},
                                         Enforced{Quota::Mode::kSliding, true, true},
                                         Enforced{Quota::Mode::kBucket, true, false},
                                         Enforced{Quota::Mode::kBucket, false, true}),
                         [](const auto& info) {
                           return std::string(info.param.mode == Quota::Mode::kSliding ? "Sliding"
                                                                                       : "Bucket") +
                                  (info.param.says_how_long ? "" : "Silent") +
                                  (info.param.tokens ? "Tokens" : "Requests");
                         });

}  // namespace
}  // namespace paperboy
