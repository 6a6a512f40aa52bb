// How often a scorer says Ready, on time that the test moves.
#include "scorer/aggregator_link.h"

#include <gtest/gtest.h>

#include <map>

namespace paperboy {
namespace {

using namespace std::chrono_literals;

class ManualLoop : public Loop {
 public:
  MonotonicTime now() const override { return now_; }
  TimerId After(Milliseconds delay, std::function<void()> fn) override {
    timers_.emplace(++last_, Timer{now_ + delay, std::move(fn)});
    return last_;
  }
  TimerId Every(Milliseconds, std::function<void()>) override { return 0; }  // no beats here
  void Cancel(TimerId id) override { timers_.erase(id); }
  void OnTurnEnd(std::function<void()> fn) override { turn_end_ = std::move(fn); }
  bool RunUntil(const std::function<bool()>&, MonotonicTime) override { return true; }
  void Stop() override {}
  bool stopped() const override { return false; }

  void Turn(Milliseconds later) {
    now_ += later;
    for (auto it = timers_.begin(); it != timers_.end();) {
      if (it->second.at > now_) {
        ++it;
        continue;
      }
      const auto fn = std::move(it->second.fn);
      it = timers_.erase(it);
      fn();
    }
    turn_end_();
  }

 private:
  struct Timer {
    MonotonicTime at;
    std::function<void()> fn;
  };
  MonotonicTime now_ = MonotonicTime{} + 1h;
  std::map<TimerId, Timer> timers_;
  TimerId last_ = 0;
  std::function<void()> turn_end_;
};

class CountingDealer : public Dealer {
 public:
  bool Send(const std::string&) override { return ++sent > 0; }
  bool Receive(std::string*) override { return false; }
  void OnReadable(std::function<void()>) override {}
  int sent = 0;
};

class AggregatorLinkTest : public testing::Test {
 protected:
  void Hold(int batches) {
    link_.Start({.ready =
                     [batches] {
                       wire::Ready ready;
                       for (int i = 0; i < batches; ++i) ready.add_holding(i + 1);
                       return ready;
                     },
                 .on_batch = [](wire::Batch) {},
                 .on_void = [](uint64_t) {},
                 .on_all_acknowledged = [] {}});
    loop_.OnTurnEnd([this] { link_.OnTurnEnd(); });
    loop_.Turn(0ms);
    dealer_.sent = 0;
  }
  void ChangeEveryMillisecond(int times) {
    for (int i = 0; i < times; ++i) {
      link_.ReadyChanged();
      loop_.Turn(1ms);
    }
  }

  ManualLoop loop_;
  CountingDealer dealer_;
  AggregatorLink link_{loop_, dealer_, "tcp://somewhere"};
};

TEST_F(AggregatorLinkTest, WhoHoldsLittleSaysEveryChange) {
  Hold(30);
  ChangeEveryMillisecond(100);
  EXPECT_EQ(dealer_.sent, 100);
}

TEST_F(AggregatorLinkTest, WhoHoldsMuchSaysSeveralChangesAtOnce) {
  Hold(1'000);
  ChangeEveryMillisecond(110);
  EXPECT_GE(dealer_.sent, 3);
  EXPECT_LE(dealer_.sent, 5);
  // The last change is said although nothing else happens.
  const int before = dealer_.sent;
  loop_.Turn(25ms);
  loop_.Turn(25ms);
  EXPECT_EQ(dealer_.sent, before + 1);
}

TEST_F(AggregatorLinkTest, TheLastReadyIsNotHeldUp) {
  Hold(1'000);
  link_.SayLastReady();
  loop_.Turn(0ms);
  EXPECT_EQ(dealer_.sent, 1);
}

}  // namespace
}  // namespace paperboy
