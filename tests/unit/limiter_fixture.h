// A limiter's state in a real Redis, and crowds of workers that share it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "common/redis_keys.h"
#include "scorer/limiter.h"
#include "scorer/limiter_script.h"
#include "tests/support/redis_server.h"

namespace paperboy {

using namespace std::chrono_literals;
using std::chrono::microseconds;

inline constexpr char kQuota[] = "0123456789abcdef";
inline constexpr auto kPatience = 20s;
inline constexpr uint64_t kSeed = 20250415;

inline double PerSecond(const RequestRate& rate) { return 1e6 / rate.cost_us; }

// What tests do with a limiter's state, whoever keeps it and whatever the time is.
class LimiterState : public ::testing::Test {
 protected:
  explicit LimiterState(Loop& loop) : loop_(loop) {}

  virtual std::unique_ptr<Redis> Connect() = 0;
  virtual bool Run(const std::function<bool()>& done, MonotonicTime until) = 0;

  void WaitReady(Redis& redis) {
    ASSERT_TRUE(RunUntil([&] { return redis.ready(); }));
  }
  bool RunUntil(const std::function<bool()>& done) { return Run(done, loop_.now() + kPatience); }
  void RunFor(Milliseconds time) {
    Run([] { return false; }, loop_.now() + time);
  }

  Result<RedisReply> Await(const std::function<void(Redis::Callback)>& ask) {
    std::optional<Result<RedisReply>> reply;
    ask([&](Result<RedisReply> r) { reply = std::move(r); });
    if (!RunUntil([&] { return reply.has_value(); })) return Unavailable("no reply");
    return *reply;
  }
  Result<RedisReply> Command(std::vector<std::string> args) {
    return Await([&](Redis::Callback done) { redis_->Command(args, 1s, done); });
  }
  std::string Field(const std::string& name) {
    return Command({"HGET", redis_keys::Limit(kQuota), name})->string;
  }

  struct Reserved {
    bool granted;
    microseconds wait;
    std::string epoch;
    microseconds pause;
  };
  Reserved Reserve(const LimiterSettings& settings, int64_t tokens = 0,
                   const std::string& run_id = "", int64_t largest = 0) {
    const auto args =
        ReserveArgs(settings, run_id.empty() ? redis_->run_id() : run_id, tokens, largest);
    const auto reply = Await([&](Redis::Callback done) {
      redis_->Eval(ReserveScript(), {redis_keys::Limit(kQuota)}, args, 1s, done);
    });
    if (!reply) {
      ADD_FAILURE() << reply.error().message;
      return {};
    }
    return {reply->array[0].integer == 1, microseconds(reply->array[1].integer),
            reply->array[2].string, microseconds(reply->array[3].integer)};
  }
  void Do(const std::vector<std::string>& command) {
    const auto reply = Command(command);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
  }
  // A state whose hold-off is long over, so that its buckets are full.
  void Prime(const LimiterSettings& settings) {
    Reserve(settings);
    Do({"HSET", redis_keys::Limit(kQuota), "pause", "0", "tr", "0", "tt", "0", "until", "0"});
  }

  Loop& loop_;
  std::unique_ptr<Redis> redis_;  // by whoever derives
};

// With a real Redis, in real time.
class LimiterTest : public LimiterState {
 protected:
  LimiterTest() : LimiterState(epoll_) {
    redis_ = LimiterTest::Connect();
    WaitReady(*redis_);
  }
  ~LimiterTest() override { redis_.reset(); }  // before its loop

  std::unique_ptr<Redis> Connect() override {
    return std::make_unique<RedisClient>(epoll_, ParseRedisUrl(server_.url()).value());
  }
  bool Run(const std::function<bool()>& done, MonotonicTime until) override {
    return epoll_.RunUntil(done, until);
  }

  RedisServer server_;
  EpollLoop epoll_;
};

struct Arrival {
  MonotonicTime at;
  int64_t tokens;
};

// The most requests and tokens in any window of this length.
inline std::pair<size_t, int64_t> Fullest(const std::vector<Arrival>& arrivals,
                                          Milliseconds window) {
  size_t requests = 0;
  int64_t most_tokens = 0;
  int64_t tokens = 0;
  size_t first = 0;
  for (size_t i = 0; i < arrivals.size(); ++i) {
    tokens += arrivals[i].tokens;
    while (arrivals[first].at <= arrivals[i].at - window) tokens -= arrivals[first++].tokens;
    requests = std::max(requests, i + 1 - first);
    most_tokens = std::max(most_tokens, tokens);
  }
  return {requests, most_tokens};
}

class Crowd {
 public:
  Crowd(Loop& loop, LimiterSettings settings, uint64_t seed, std::function<int64_t()> tokens)
      : loop_(loop), settings_(settings), random_(seed), tokens_(std::move(tokens)) {}

  void Add(std::unique_ptr<Redis> redis) {
    redis_.push_back(std::move(redis));
    limiters_.push_back(
        std::make_unique<Limiter>(loop_, *redis_.back(), kQuota, settings_, random_()));
    for (int i = 0; i < 8; ++i) Ask(limiters_.back().get());
  }
  std::vector<Arrival> arrivals() {
    std::sort(arrivals_.begin(), arrivals_.end(),
              [](const Arrival& a, const Arrival& b) { return a.at < b.at; });
    return arrivals_;
  }
  size_t sent() const { return arrivals_.size(); }
  Limiter& limiter(size_t i) { return *limiters_.at(i); }
  // Told of every call when it arrives.
  using Provider = std::function<void(Limiter& from, int64_t tokens, MonotonicTime sent)>;
  void SetProvider(Provider provider) { provider_ = std::move(provider); }

 private:
  // The call arrives a little after it is sent, and is followed by the next.
  void Ask(Limiter* limiter) {
    const int64_t tokens = tokens_();
    limiter->Acquire(tokens, [this, limiter, tokens] {
      const MonotonicTime sent = loop_.now();
      const auto way = microseconds(random_() % 20'000);
      arrivals_.push_back({sent + way, tokens});
      if (provider_) {
        loop_.After(std::chrono::ceil<Milliseconds>(way),
                    [this, limiter, tokens, sent] { provider_(*limiter, tokens, sent); });
      }
      Ask(limiter);
    });
  }

  Loop& loop_;
  LimiterSettings settings_;
  std::mt19937_64 random_;
  std::function<int64_t()> tokens_;
  std::vector<std::unique_ptr<Redis>> redis_;
  std::vector<std::unique_ptr<Limiter>> limiters_;
  std::vector<Arrival> arrivals_;
  Provider provider_;
};

}  // namespace paperboy
