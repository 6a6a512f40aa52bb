// Who meets an aggregator of another major version of the wire asks it ever more seldom: a
// scorer for ever, a fetcher to its deadline. On time that the test moves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/wire.h"
#include "fetcher/aggregator_client.h"
#include "scorer/aggregator_link.h"
#include "tests/fuzz/conversation.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// Answers every frame at once.
class AnsweringDealer : public fuzz::PlayedDealer {
 public:
  explicit AnsweringDealer(Loop& loop) : loop_(loop) {}

  bool Send(const std::string& frame) override {
    if (asked_.empty() || asked_.back() != loop_.now()) asked_.push_back(loop_.now());
    loop_.After(0ms, [this, frame] { Deliver(answer(frame)); });
    return true;
  }
  // Seconds between one time that something was sent and the next.
  std::vector<double> Waits() const {
    std::vector<double> waits;
    for (size_t i = 1; i < asked_.size(); ++i) {
      waits.push_back(std::chrono::duration<double>(asked_[i] - asked_[i - 1]).count());
    }
    return waits;
  }
  std::function<std::string(const std::string& frame)> answer;

 private:
  Loop& loop_;
  std::vector<MonotonicTime> asked_;
};

TEST(VersionWait, OfAScorerGrowsToAMinuteAndItsResultsAreDeliveredInTheEnd) {
  fuzz::PlayedLoop loop;
  AnsweringDealer dealer(loop);
  dealer.answer = [](const std::string&) {
    wire::ScorerReply reply;
    reply.set_wire_major(kWireMajor + 1);
    reply.mutable_refused()->set_kind(wire::REFUSAL_VERSION);
    return reply.SerializeAsString();
  };
  AggregatorLink link(loop, dealer, "tcp://somewhere");
  link.Start({.ready = [] { return wire::Ready(); },
              .on_batch = [](wire::Batch) {},
              .on_void = [](uint64_t) {},
              .on_all_acknowledged = [] {}});
  loop.OnTurnEnd([&] { link.OnTurnEnd(); });
  wire::Result result;
  result.set_lease(7);
  link.Deliver(result);
  loop.EndTurn();
  loop.Pass(5min);
  EXPECT_THAT(dealer.Waits(), ElementsAre(5, 10, 20, 40, 60, 60, 60));
  EXPECT_THAT(link.trouble(), HasSubstr("install the same version of both"));

  dealer.answer = [](const std::string& frame) {
    wire::ScorerMessage message;
    EXPECT_TRUE(message.ParseFromString(frame));
    wire::ScorerReply reply;
    reply.set_wire_major(kWireMajor);
    if (message.has_result()) {
      reply.mutable_ack()->set_lease(message.result().lease());
    } else {
      reply.mutable_beat()->set_boot(1);
    }
    return reply.SerializeAsString();
  };
  loop.Pass(1min);
  EXPECT_EQ(link.trouble(), "");
  EXPECT_EQ(link.unacknowledged(), 0u);
}

TEST(VersionWait, OfAFetcherGrowsToAMinuteAndEndsAtItsDeadline) {
  fuzz::PlayedLoop loop;
  AnsweringDealer dealer(loop);
  dealer.answer = [](const std::string& frame) {
    wire::FetcherMessage message;
    EXPECT_TRUE(message.ParseFromString(frame));
    wire::FetcherReply reply;
    reply.set_wire_major(kWireMajor + 1);
    reply.set_request(message.request());
    return reply.SerializeAsString();
  };
  Pump pump(loop);
  Progress progress(loop, Progress::Mode::kNone, stderr);
  AggregatorClient client(dealer, "tcp://somewhere", pump, progress);
  const MonotonicTime deadline = loop.now() + 5min;
  const auto reply = client.Call(wire::FetcherMessage(), deadline);
  EXPECT_THAT(dealer.Waits(), ElementsAre(1, 2, 4, 8, 16, 32, 60, 60, 60));
  EXPECT_EQ(loop.now(), deadline);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(reply.error().message, HasSubstr("upgrade the older one"));
}

}  // namespace
}  // namespace paperboy
