// A rolling upgrade in which the aggregator comes last: fetcher and scorer meet one of
// another major version of the wire, wait and say why, and go on by themselves when it is
// of theirs. How their waits grow: tests/unit/version_wait_test.cc.
#include <httplib.h>

#include "common/socket.h"
#include "common/wire.h"
#include "proto/paperboy.pb.h"
#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

// An aggregator of the next major version, as far as peers of this one hear of it.
class NextAggregator {
 public:
  NextAggregator(EpollLoop& loop, zmq::context_t& context, const System& system)
      : fetchers_(loop, BindRouter(context, system.fetchers_endpoint()).value()),
        scorers_(loop, BindRouter(context, system.scorers_endpoint()).value()) {
    fetchers_.OnReadable([this] { Refuse<wire::FetcherMessage, wire::FetcherReply>(fetchers_); });
    scorers_.OnReadable([this] { Refuse<wire::ScorerMessage, wire::ScorerReply>(scorers_); });
  }

 private:
  template <typename Message, typename Reply>
  void Refuse(Router& router) {
    Frame frame;
    Message message;
    if (!router.Receive(&frame) || !message.ParseFromString(frame.body)) return;
    Reply reply;
    reply.set_wire_major(kWireMajor + 1);
    if constexpr (std::is_same_v<Message, wire::FetcherMessage>) {
      reply.set_request(message.request());
    }
    reply.mutable_refused()->set_kind(wire::REFUSAL_VERSION);
    reply.mutable_refused()->set_message("install the same version of both");
    router.SendTo(frame.peer, reply.SerializeAsString());
  }

  ZmqRouter fetchers_, scorers_;
};

class RollingUpgrade : public testing::Test {
 protected:
  void ExpectWaiting(Process& process, const std::string& why) {
    EXPECT_TRUE(process.running()) << process.Stderr();
    httplib::Client http(StatusUrl(process));
    const auto health = http.Get("/healthz"), readiness = http.Get("/readyz");
    ASSERT_TRUE(health && readiness);
    EXPECT_EQ(health->status, 200);
    EXPECT_EQ(readiness->status, 503);
    EXPECT_THAT(readiness->body, HasSubstr(why));
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done, 60s); }

  const Day day_ = DayOf(12);
  System system_{day_.settings};
  EpollLoop loop_;
  zmq::context_t context_;
};

TEST_F(RollingUpgrade, PeersWaitForAnAggregatorOfTheirVersionAndGoOnByThemselves) {
  std::optional<NextAggregator> next(std::in_place, loop_, context_, system_);
  system_.StartScorers(1);
  const auto fetcher = system_.StartFetcher(day_.FromFile(system_));
  const auto scorer_says = [&](const std::string& text) {
    return system_.scorer(0).Stderr().find(text) != std::string::npos;
  };
  ASSERT_TRUE(Until([&] { return scorer_says("Asking again in 10 s"); })) << system_.Logs();
  EXPECT_TRUE(scorer_says("do not understand each other"));
  EXPECT_THAT(fetcher->Stderr(),
              AllOf(HasSubstr("to be of the same version"), HasSubstr("upgrade the older one")));
  ExpectWaiting(system_.scorer(0), "install the same version of both");
  ExpectWaiting(*fetcher, "upgrade the older one");

  next.reset();
  system_.StartAggregator();
  EXPECT_EQ(fetcher->Wait(90s), (Process::Exit{.code = 0})) << fetcher->Stderr() << system_.Logs();
  EXPECT_EQ(system_.DigestJson(kDate)["funnel"]["unscored"], 0);
}

TEST_F(RollingUpgrade, AJobsFetcherWaitsToItsDeadlineAndSaysWhy) {
  const NextAggregator next(loop_, context_, system_);
  auto arguments = day_.FromFile(system_);
  arguments.insert(arguments.end(), {"--deadline", "4s"});
  const auto fetcher = system_.StartFetcher(arguments);
  ASSERT_TRUE(Until([&] { return !fetcher->running(); }));
  EXPECT_EQ(fetcher->Wait(0s), (Process::Exit{.code = 2})) << "which a Job tries again";
  EXPECT_THAT(fetcher->Stdout(), HasSubstr("upgrade the older one"));
}

}  // namespace
}  // namespace paperboy
