// The scorer between a played aggregator, a simulated provider and a real Redis.
#include "scorer/scorer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>

#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "common/socket.h"
#include "common/text.h"
#include "common/wire.h"
#include "tests/support/llm_server.h"
#include "tests/support/redis_server.h"
#include "tests/support/until.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using wire::PaperResult;
using wire::ProviderFailure;

constexpr auto kPatience = 20s;
constexpr char kPrompt[] = "Choose papers about owls.\n[PAPER LIST HERE]\n";

// Plays the aggregator: hands out what a test says, and notes what comes back.
class PlayedAggregator {
 public:
  PlayedAggregator(EpollLoop& loop, zmq::context_t& context)
      : loop_(loop), socket_(BindRouter(context, "tcp://127.0.0.1:*").value()) {
    loop_.WatchZmq(socket_, [this] { Receive(); });
  }
  ~PlayedAggregator() { loop_.UnwatchZmq(socket_); }

  std::string endpoint() const { return socket_.get(zmq::sockopt::last_endpoint); }

  void Send(const wire::ScorerReply& reply) {
    wire::ScorerReply stamped = reply;
    stamped.set_wire_major(kWireMajor);
    ASSERT_TRUE(SendTo(socket_, peer_, stamped.SerializeAsString()));
  }
  // Batches get the leases boot << 32 + 1, 2, ...
  uint64_t HandOut(const std::vector<std::string>& ids, const std::string& backend = "openai",
                   wire::Stage stage = wire::STAGE_ABSTRACT) {
    wire::ScorerReply reply;
    wire::Batch& batch = *reply.mutable_batch();
    batch.set_lease((boot << 32) + ++batches_);
    batch.set_digest(7);
    batch.set_heard(ready && !deaf ? ready->number() : 0);
    batch.set_stage(stage);
    batch.set_backend(backend);
    batch.set_model(backend == "openai" ? "m" : "lexical");
    batch.set_prompt(kPrompt);
    batch.add_topics("owls");
    for (const std::string& id : ids) {
      wire::BatchPaper& paper = *batch.add_papers();
      paper.set_key(Sha256(id));
      paper.set_id(id);
      paper.set_title("Owls of " + id);
      paper.set_abstract("We count owls.");
      paper.add_authors("Ada Example");
    }
    Send(reply);
    last_batch_ = reply;
    return batch.lease();
  }
  void HandOutAgain() { Send(last_batch_); }

  void Beat() {
    wire::ScorerReply reply;
    reply.mutable_beat()->set_boot(boot);
    if (!deaf) reply.mutable_beat()->set_heard(ready->number());
    Send(reply);
  }

  bool acknowledges = true;
  bool deaf = false;  // what is said is not heard, or so it tells
  bool refuses_version = false;
  uint64_t boot = 1;
  std::optional<wire::Ready> ready;  // the last one
  size_t readies = 0;
  std::map<uint64_t, wire::Result> results;
  std::map<uint64_t, int> times;  // that each result came

 private:
  void Receive() {
    Frame frame;
    while (ReceiveFrom(socket_, &frame)) {
      peer_ = frame.peer;
      wire::ScorerMessage message;
      ASSERT_TRUE(message.ParseFromString(frame.body));
      ASSERT_EQ(message.wire_major(), kWireMajor);
      if (message.has_ready()) OnReady(message.ready());
      if (message.has_result()) OnResult(message.result());
    }
  }
  void OnReady(const wire::Ready& said) {
    ready = said;
    ++readies;
    if (!refuses_version) return Beat();
    wire::ScorerReply reply;
    reply.mutable_refused()->set_kind(wire::REFUSAL_VERSION);
    reply.mutable_refused()->set_message("it speaks version 2");
    Send(reply);
  }
  void OnResult(const wire::Result& result) {
    results[result.lease()] = result;
    ++times[result.lease()];
    if (!acknowledges) return;
    wire::ScorerReply reply;
    reply.mutable_ack()->set_lease(result.lease());
    Send(reply);
  }

  EpollLoop& loop_;
  zmq::socket_t socket_;
  std::string peer_;
  uint64_t batches_ = 0;
  wire::ScorerReply last_batch_;
};

class ScorerTest : public ::testing::Test {
 protected:
  ScorerTest() : aggregator_(loop_, context_) {}

  void StartProvider(LlmServer::Options options = {}) {
    llm_.emplace(std::move(options));
    llm_->Start();
    settings_.server.base_url = llm_->url();
  }
  void StartScorer() {
    settings_.model = settings_.lexical ? "lexical" : "m";
    settings_.server.timeout = 5s;
    settings_.aggregator = aggregator_.endpoint();
    settings_.pod = "pod-1";
    if (!settings_.lexical) {
      redis_server_.emplace();
      redis_.emplace(loop_, ParseRedisUrl(redis_server_->url()).value());
    }
    http_.emplace(loop_, settings_.concurrency);
    dealer_.emplace(loop_, ConnectDealer(context_, settings_.aggregator).value());
    link_.emplace(loop_, *dealer_, settings_.aggregator);
    NewScorer();
    ASSERT_TRUE(Until([&] { return aggregator_.ready && scorer_->trouble().empty(); }));
  }
  void NewScorer() {
    scorer_.emplace(Scorer::World{.loop = loop_,
                                  .link = *link_,
                                  .redis = redis_ ? &*redis_ : nullptr,
                                  .http = *http_,
                                  .metrics = metrics_,
                                  .wall_clock = [] { return std::chrono::system_clock::now(); }},
                    settings_, /*boot=*/0xabc);
    loop_.OnTurnEnd([this] { link_->OnTurnEnd(); });
    scorer_->Start();
  }

  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done, kPatience); }
  const wire::Result& ResultOf(uint64_t lease) {
    EXPECT_TRUE(Until([&] { return aggregator_.results.contains(lease); })) << "lease " << lease;
    return aggregator_.results[lease];
  }
  const wire::Result& Score(const std::vector<std::string>& ids) {
    return ResultOf(aggregator_.HandOut(ids));
  }
  bool UntilFree(uint32_t calls) {
    return Until([&] { return aggregator_.ready->free_calls() == calls; });
  }

  EpollLoop loop_;
  zmq::context_t context_;
  PlayedAggregator aggregator_;
  ScorerSettings settings_;
  std::optional<LlmServer> llm_;
  std::optional<RedisServer> redis_server_;
  std::optional<RedisClient> redis_;
  std::optional<CurlClient> http_;
  prometheus::Registry registry_;
  ScorerMetrics metrics_{registry_};
  std::optional<ZmqDealer> dealer_;
  std::optional<AggregatorLink> link_;
  std::optional<Scorer> scorer_;
};

TEST_F(ScorerTest, ABatchThatComesTwiceIsWorkedOnOnce) {
  StartProvider();
  StartScorer();
  const uint64_t lease = aggregator_.HandOut({"2504.00001"});
  ResultOf(lease);
  ASSERT_TRUE(Until([&] { return link_->unacknowledged() == 0; }));
  aggregator_.HandOutAgain();
  Score({"2504.00002"});  // it has been read by then
  EXPECT_EQ(aggregator_.times[lease], 1);
  EXPECT_EQ(llm_->account().calls, 2u);
}

TEST_F(ScorerTest, NoCallBeginsForALeaseThatTheAggregatorDoesNotKnow) {
  StartProvider({.latency = 300ms});
  settings_.concurrency = 4;
  StartScorer();
  // Until the model has answered once, the second batch waits for the first call.
  aggregator_.HandOut({"2504.00001"});
  const uint64_t waiting = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1 && scorer_->batches() == 2; }));
  wire::ScorerReply reply;
  reply.mutable_void_leases()->add_leases(waiting);
  aggregator_.Send(reply);
  EXPECT_EQ(ResultOf(waiting).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_TRUE(Until([&] { return scorer_->batches() == 0; }));
  EXPECT_EQ(llm_->account().calls, 1u);
}

TEST_F(ScorerTest, NoCallBeginsWhileTheAggregatorDoesNotHearTheScorer) {
  StartProvider();
  StartScorer();
  Score({"2504.00001"});
  aggregator_.deaf = true;
  ASSERT_FALSE(loop_.RunUntil([&] { return !link_->heard_lately(); }, loop_.now() + 1s));
  ASSERT_TRUE(Until([&] { return !link_->heard_lately(); }));
  const uint64_t late = aggregator_.HandOut({"2504.00002"});
  EXPECT_EQ(ResultOf(late).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(llm_->account().calls, 1u);
  aggregator_.deaf = false;
  EXPECT_EQ(Score({"2504.00003"}).papers(0).kind(), PaperResult::SCORE);
}

TEST_F(ScorerTest, ScoresABatch) {
  StartProvider(
      {.scores = LlmScores({{"2504.00001", {8, 7, "Owls."}}, {"2504.00002", {3, 4, "No."}}})});
  StartScorer();
  const wire::Result& result = Score({"2504.00001", "2504.00002"});
  EXPECT_EQ(result.digest(), 7);
  EXPECT_EQ(result.failure().kind(), ProviderFailure::NONE) << result.failure().message();
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(result.papers(0).key(), Sha256("2504.00001"));
  EXPECT_EQ(result.papers(0).relevance(), 8u);
  EXPECT_EQ(result.papers(0).novelty(), 7u);
  EXPECT_EQ(result.papers(0).comment(), "Owls.");
  EXPECT_EQ(result.papers(1).relevance(), 3u);
  ASSERT_EQ(result.calls_size(), 1);
  EXPECT_EQ(result.calls(0).id(), "0000000000000abc-1");
  EXPECT_EQ(result.papers(0).call(), result.calls(0).id());
  EXPECT_TRUE(result.calls(0).tokens_reported());
  EXPECT_GT(result.calls(0).prompt_tokens(), 0u);
  EXPECT_EQ(result.quota_key(), QuotaKey(settings_.server, "m"));
  ASSERT_TRUE(Until([&] {
    return aggregator_.ready->holding_size() == 0 && aggregator_.ready->seen() == result.lease();
  }));
  EXPECT_EQ(aggregator_.ready->pod(), "pod-1");
  EXPECT_EQ(metrics_.papers(), 2u);
}

TEST_F(ScorerTest, TheFirstCallGoesAlone) {
  StartProvider({.latency = 500ms});
  StartScorer();
  ASSERT_TRUE(UntilFree(1));
  std::vector<uint64_t> leases;
  for (const char* id : {"2504.00001", "2504.00002", "2504.00003"}) {
    leases.push_back(aggregator_.HandOut({id}));
  }
  ASSERT_TRUE(Until([&] { return scorer_->batches() == 3; }));
  uint64_t calls = 0;
  ASSERT_TRUE(Until([&] {
    if (scorer_->batches() < 3) return true;
    calls = llm_->account().calls;
    return false;
  }));
  EXPECT_EQ(calls, 1u) << "while the first had no result";
  for (const uint64_t lease : leases) ResultOf(lease);
  EXPECT_EQ(llm_->account().max_in_flight, 2u);
  EXPECT_TRUE(UntilFree(8));
}

TEST_F(ScorerTest, AnAnswerIsPaidForOnce) {
  StartProvider();
  StartScorer();
  const wire::Result first = Score({"2504.00001", "2504.00002"});
  const wire::Result again = Score({"2504.00001", "2504.00002"});
  EXPECT_EQ(llm_->account().calls, 1u);
  ASSERT_EQ(again.papers_size(), 2);
  EXPECT_EQ(again.papers(0).SerializeAsString(), first.papers(0).SerializeAsString());
  ASSERT_EQ(again.calls_size(), 1);
  EXPECT_EQ(again.calls(0).SerializeAsString(), first.calls(0).SerializeAsString());
  const wire::Result more = Score({"2504.00002", "2504.00003"});
  EXPECT_EQ(more.papers_size(), 2);
  EXPECT_EQ(more.calls_size(), 2);
  EXPECT_EQ(llm_->account().sent.at("2504.00002"), 1u);
}

TEST_F(ScorerTest, NamesWhatTheAnswerLacks) {
  StartProvider({.faults = "omit@2504.00002"});
  StartScorer();
  const wire::Result& result = Score({"2504.00001", "2504.00002"});
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(result.papers(1).kind(), PaperResult::MISSING);
  EXPECT_EQ(result.papers(1).why(), "not in the answer");
  llm_->SetFaults("");
  EXPECT_EQ(Score({"2504.00002"}).papers(0).kind(), PaperResult::SCORE) << "not cached";
}

TEST_F(ScorerTest, KeepsAResultUntilItIsAcknowledged) {
  StartProvider();
  StartScorer();
  aggregator_.acknowledges = false;
  const uint64_t lease = aggregator_.HandOut({"2504.00001"});
  ResultOf(lease);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->holding_size() == 1; }));
  EXPECT_EQ(aggregator_.ready->holding(0), lease);
  // A new start of the aggregator gets it at once.
  aggregator_.boot = 2;
  const MonotonicTime begin = loop_.now();
  ASSERT_TRUE(Until([&] { return aggregator_.times[lease] == 2; }));
  EXPECT_LT(loop_.now() - begin, kResendAfter);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->seen() == 0; }));
  // And without an acknowledgement once more.
  ASSERT_TRUE(Until([&] { return aggregator_.times[lease] == 3; }));
  aggregator_.acknowledges = true;
  ASSERT_TRUE(Until([&] { return aggregator_.ready->holding_size() == 0; }));
}

TEST_F(ScorerTest, AResultOutlastsAnyNumberOfStartsOfTheAggregator) {
  StartProvider();
  StartScorer();
  aggregator_.acknowledges = false;
  const uint64_t lease = aggregator_.HandOut({"2504.00001"});
  ResultOf(lease);
  constexpr int kStarts = 300;
  for (int i = 0; i < kStarts; ++i) {
    ++aggregator_.boot;
    const int before = aggregator_.times[lease];
    aggregator_.Beat();
    ASSERT_TRUE(Until([&] { return aggregator_.times[lease] > before; })) << "start " << i;
  }
  EXPECT_EQ(link_->unacknowledged(), 1u);
  aggregator_.acknowledges = true;
  ASSERT_TRUE(Until([&] { return link_->unacknowledged() == 0; }));
}

TEST_F(ScorerTest, ARateLimitPausesTheNextCall) {
  StartProvider({.faults = "429#1"});
  StartScorer();
  const wire::Result& refused = Score({"2504.00001"});
  EXPECT_EQ(refused.failure().kind(), ProviderFailure::RATE_LIMITED);
  EXPECT_EQ(refused.papers_size(), 0);
  EXPECT_EQ(refused.calls(0).outcome(), "rate_limited");
  const MonotonicTime begin = loop_.now();
  EXPECT_EQ(Score({"2504.00001"}).failure().kind(), ProviderFailure::NONE);
  EXPECT_GT(loop_.now() - begin, 900ms) << "retry-after: 1";
}

TEST_F(ScorerTest, AProviderThatFailsCountsForNoPaper) {
  StartProvider({.faults = "500#1"});
  StartScorer();
  const wire::Result& result = Score({"2504.00001"});
  EXPECT_EQ(result.failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_EQ(result.papers_size(), 0);
  EXPECT_EQ(result.calls_size(), 1);
}

TEST_F(ScorerTest, AServerWithoutSchemasIsAskedForPlainText) {
  StartProvider({.faults = "refuse_schema"});
  StartScorer();
  EXPECT_EQ(Score({"2504.00001"}).failure().kind(), ProviderFailure::AGAIN);
  const wire::Result& result = Score({"2504.00001"});
  ASSERT_EQ(result.papers_size(), 1) << result.failure().message();
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(llm_->account().formats.at("text"), 1u);
}

TEST_F(ScorerTest, ARefusedKeyIsHardForEverybodyWhoWaits) {
  settings_.server.key = "sk-wrong-1234567890";
  StartProvider({.keys = {"sk-right"}, .latency = 100ms});
  StartScorer();
  std::vector<uint64_t> leases;
  for (const char* id : {"2504.00001", "2504.00002"}) leases.push_back(aggregator_.HandOut({id}));
  for (const uint64_t lease : leases) {
    const wire::Result& result = ResultOf(lease);
    EXPECT_EQ(result.failure().kind(), ProviderFailure::HARD);
    EXPECT_EQ(result.failure().message().find("1234567890"), std::string::npos);
  }
  EXPECT_EQ(llm_->account().bad_key, 1u);
}

TEST_F(ScorerTest, DropsTitles) {
  StartProvider({.scores = LlmScores({{"2504.00001", {8, 7, ""}}})});
  StartScorer();
  const wire::Result& result =
      ResultOf(aggregator_.HandOut({"2504.00001", "2504.00002"}, "openai", wire::STAGE_TITLE));
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::KEEP);
  EXPECT_EQ(result.papers(1).kind(), PaperResult::DROP);
}

TEST_F(ScorerTest, LeavesWithNothingLost) {
  StartProvider({.latency = 300ms});
  settings_.concurrency = 2;
  StartScorer();
  const uint64_t in_flight = aggregator_.HandOut({"2504.00001"});
  const uint64_t waiting = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1; }));
  aggregator_.acknowledges = false;
  scorer_->Leave();
  EXPECT_EQ(ResultOf(waiting).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(ResultOf(in_flight).papers(0).kind(), PaperResult::SCORE);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->leaving(); }));
  EXPECT_EQ(aggregator_.ready->free_calls(), 0u);
  EXPECT_FALSE(loop_.stopped()) << "not before all is acknowledged";
  aggregator_.acknowledges = true;
  loop_.RunUntil([] { return false; }, loop_.now() + kPatience);
  EXPECT_TRUE(loop_.stopped());
  EXPECT_EQ(link_->unacknowledged(), 0u);
}

TEST_F(ScorerTest, WithoutRedisNoNewCallsAndWhatIsInFlightIsDelivered) {
  StartProvider({.latency = 500ms});
  StartScorer();
  const uint64_t in_flight = aggregator_.HandOut({"2504.00001"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1; }));
  redis_server_->Kill();
  ASSERT_TRUE(Until([&] { return !redis_->ready(); }));
  const uint64_t later = aggregator_.HandOut({"2504.00002"});
  EXPECT_EQ(ResultOf(in_flight).papers(0).kind(), PaperResult::SCORE);
  ASSERT_TRUE(UntilFree(0));
  EXPECT_NE(scorer_->trouble().find("Redis"), std::string::npos);
  EXPECT_EQ(llm_->account().calls, 1u);
  redis_server_->Restart();
  EXPECT_EQ(ResultOf(later).papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(scorer_->trouble(), "");
  EXPECT_TRUE(UntilFree(8));
}

TEST_F(ScorerTest, AsksForNoMoreWorkWhileACallWaitsBeyondTheHorizon) {
  StartProvider();
  settings_.limits = {.rpm = 20, .window = 1s, .horizon = 200ms};
  StartScorer();
  Score({"2504.00001"});  // after the hold-off
  ASSERT_TRUE(UntilFree(8));
  const uint64_t second = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(UntilFree(0));
  EXPECT_EQ(scorer_->batches(), 1u);
  ResultOf(second);
  EXPECT_TRUE(UntilFree(8));
}

TEST_F(ScorerTest, ScoresByWordsWithoutRedisOrNetwork) {
  settings_.lexical = true;
  StartScorer();
  EXPECT_EQ(aggregator_.ready->backend(), "lexical");
  const wire::Result& result = ResultOf(aggregator_.HandOut({"2504.00001"}, "lexical"));
  ASSERT_EQ(result.papers_size(), 1);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_GE(result.papers(0).relevance(), 1u);
  EXPECT_EQ(result.papers(0).call(), "");
  EXPECT_EQ(result.calls_size(), 0);
  EXPECT_EQ(ResultOf(aggregator_.HandOut({"2504.00002"}, "openai")).failure().kind(),
            ProviderFailure::HARD);
}

TEST_F(ScorerTest, ABatchBeyondItsCreditGoesBack) {
  StartProvider({.latency = 300ms});
  settings_.concurrency = 1;
  StartScorer();
  const uint64_t first = aggregator_.HandOut({"2504.00001"});
  EXPECT_EQ(ResultOf(aggregator_.HandOut({"2504.00002"})).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(ResultOf(first).papers(0).kind(), PaperResult::SCORE);
}

TEST_F(ScorerTest, AnAggregatorOfAnotherVersionIsLeftAlone) {
  StartProvider();
  StartScorer();
  aggregator_.refuses_version = true;
  ASSERT_TRUE(Until([&] { return !scorer_->trouble().empty(); }));
  EXPECT_NE(scorer_->trouble().find("version"), std::string::npos) << scorer_->trouble();
  const size_t readies = aggregator_.readies;
  const MonotonicTime begin = loop_.now();
  aggregator_.refuses_version = false;
  ASSERT_TRUE(Until([&] { return aggregator_.readies > readies; }));
  EXPECT_GT(loop_.now() - begin, kFirstVersionWait - 2 * kBeat);
  EXPECT_TRUE(Until([&] { return scorer_->trouble().empty(); }));
}

}  // namespace
}  // namespace paperboy
