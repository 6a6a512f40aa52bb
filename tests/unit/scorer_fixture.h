// The scorer between a played aggregator, a simulated provider and a real Redis.
#pragma once

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
#include "scorer/scorer.h"
#include "tests/support/llm_server.h"
#include "tests/support/redis_server.h"
#include "tests/support/until.h"

namespace paperboy {

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
    const wire::ScorerReply reply = BatchOf(ids, backend, stage);
    Send(reply);
    last_batch_ = reply;
    return reply.batch().lease();
  }
  wire::ScorerReply BatchOf(const std::vector<std::string>& ids, const std::string& backend,
                            wire::Stage stage) {
    wire::ScorerReply reply;
    wire::Batch& batch = *reply.mutable_batch();
    batch.set_lease((boot << 32) + ++batches_);
    batch.set_digest(7);
    batch.set_heard(ready && !deaf ? ready->number() : 0);
    batch.set_stage(stage);
    batch.set_backend(backend);
    batch.set_model(backend == "lexical" ? "lexical" : "m");
    batch.set_prompt(kPrompt);
    batch.add_topics("owls");
    batch.set_max_answer_tokens(max_answer_tokens);
    for (const std::string& id : ids) {
      wire::BatchPaper& paper = *batch.add_papers();
      paper.set_key(Sha256(id));
      paper.set_id(id);
      paper.set_title("Owls of " + id);
      paper.set_abstract(abstract);
      paper.add_authors("Ada Example");
    }
    return reply;
  }
  void HandOutAgain() { Send(last_batch_); }
  // For the provider's batch API; the second time as one that another scorer held.
  uint64_t HandOutDeferred(const std::vector<std::string>& ids, bool resumed = false) {
    wire::ScorerReply reply = BatchOf(ids, "openai", wire::STAGE_ABSTRACT);
    wire::Batch& batch = *reply.mutable_batch();
    batch.set_custom_id("ledger-" + std::to_string(batch.lease()));
    batch.set_resumed(resumed);
    batch.set_handed_out(std::chrono::duration_cast<std::chrono::seconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count());
    Send(reply);
    last_batch_ = reply;
    return batch.lease();
  }
  void ResumeLast() {
    last_batch_.mutable_batch()->set_resumed(true);
    Send(last_batch_);
  }
  void Void(uint64_t lease) {
    wire::ScorerReply reply;
    reply.mutable_void_leases()->add_leases(lease);
    Send(reply);
  }

  void Beat() {
    wire::ScorerReply reply;
    reply.mutable_beat()->set_boot(boot);
    if (!deaf) reply.mutable_beat()->set_heard(ready->number());
    Send(reply);
  }

  std::string abstract = "We count owls.";  // of every paper
  bool acknowledges = true;
  bool deaf = false;  // what is said is not heard, or so it tells
  bool refuses_version = false;
  uint64_t boot = 1;
  uint32_t max_answer_tokens = 0;    // of the batches
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
  ScorerTest() : aggregator_(loop_, context_) { settings_.server.timeout = 5s; }

  void StartProvider(LlmServer::Options options = {}) {
    llm_.emplace(std::move(options));
    llm_->Start();
    settings_.server.base_url = llm_->url();
  }
  void StartScorer() {
    settings_.model = settings_.lexical ? "lexical" : "m";
    settings_.aggregator.endpoint = aggregator_.endpoint();
    settings_.pod = "pod-1";
    if (!settings_.lexical) {
      redis_server_.emplace();
      redis_.emplace(loop_, ParseRedisUrl(redis_server_->url()).value());
    }
    http_.emplace(loop_, settings_.concurrency + kDeferredRequests);
    dealer_.emplace(loop_, ConnectDealer(context_, settings_.aggregator.endpoint).value());
    link_.emplace(loop_, *dealer_, settings_.aggregator.endpoint);
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
    return ResultOf(aggregator_.HandOut(ids, settings_.server.backend));
  }
  // Up to four calls at a time, which take their time; the first is answered.
  void StartWithAKeyThatWorks() {
    StartProvider({.keys = {"sk-right"}, .latency = 300ms});
    settings_.server.key = "sk-right";
    settings_.concurrency = 4;
    StartScorer();
    Score({"2504.00001"});
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

}  // namespace paperboy
