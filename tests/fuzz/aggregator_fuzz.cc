#include <prometheus/registry.h>

#include "aggregator/aggregator.h"
#include "aggregator/verify.h"
#include "common/wire.h"
#include "tests/fuzz/conversation.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

// OUT in memory.
class PlayedFolder : public Folder {
 public:
  const std::string& path() const override { return path_; }
  bool Has(const std::string& path) override { return files_.contains(path); }
  std::optional<std::string> Read(const std::string& path) override {
    return Has(path) ? std::optional(files_[path]) : std::nullopt;
  }
  Status Write(const std::string& path, const std::string& content) override {
    files_[path] = content;
    return Ok();
  }
  Status Remove(const std::string& path) override {
    files_.erase(path);
    return Ok();
  }

 private:
  std::string path_ = "out";
  std::map<std::string, std::string> files_;
};

// Made once: its schema's history takes longer than all the rest.
const std::string& NewLedger() {
  static const std::string image = Store::InMemory()->db().Image();
  return image;
}

// An aggregator with a ledger in memory, and peers that say what the turns are. What they
// leave out is filled in as a well-behaved peer has it: the digest that was opened last, the
// batch that came last, and its keys.
class PlayedAggregator {
 public:
  void Say(Turn turn) {
    loop_.Pass(std::min(Milliseconds(turn.wait_ms()), kLongestWait));
    const std::string peer = "peer-" + std::to_string(turn.peer() % 4);
    if (turn.has_fetcher()) {
      SayAsFetcher(peer, turn.mutable_fetcher());
    } else if (turn.has_scorer()) {
      SayAsScorer(peer, turn.mutable_scorer());
    } else if (turn.has_raw()) {
      fetchers_.Deliver(peer, turn.raw());
      scorers_.Deliver(peer, turn.raw());
    }
    loop_.EndTurn();
    Hear();
  }

  // Nothing that peers say keeps the ledger from being written, and what is published
  // adds up and is rendered again the same.
  void Check() {
    loop_.Pass(Milliseconds(3'000));
    Hear();
    if (!aggregator_.trouble().empty()) Fail(__FILE__, __LINE__, aggregator_.trouble());
    for (const std::string& problem : Verify(store_->db(), "").problems) {
      // The files are in memory.
      if (problem.find("missing") == std::string::npos) Fail(__FILE__, __LINE__, problem);
    }
  }

 private:
  template <class Message>
  void FillIn(Message* message) {
    if (message->digest() != 0) return;
    message->set_digest(opened_.digest());
    message->set_edition(opened_.edition());
  }

  void SayAsFetcher(const std::string& peer, wire::FetcherMessage* message) {
    if (message->wire_major() == 0) message->set_wire_major(kWireMajor);
    message->set_request(++request_);
    if (message->has_rows()) FillIn(message->mutable_rows());
    if (message->has_papers()) FillIn(message->mutable_papers());
    if (message->has_authors()) FillIn(message->mutable_authors());
    if (message->has_seal()) FillIn(message->mutable_seal());
    const std::string frame = message->SerializeAsString();
    fetchers_.Deliver(peer, frame);
    loop_.EndTurn();
    bool answered = false;
    for (const Frame& sent : fetchers_.TakeSent()) {
      const auto reply = Parsed<wire::FetcherReply>(sent);
      if (reply.has_opened()) opened_ = reply.opened();
      if (reply.has_refused()) FUZZ_CHECK(!reply.refused().message().empty());
      if (reply.request() != request_) continue;
      FUZZ_CHECK(!std::exchange(answered, true));
      FUZZ_CHECK(reply.body_case() != wire::FetcherReply::BODY_NOT_SET);
    }
    FUZZ_CHECK(answered == wire::FetcherMessage().ParseFromString(frame));  // else no UTF-8
  }

  void SayAsScorer(const std::string& peer, wire::ScorerMessage* message) {
    if (message->wire_major() == 0) message->set_wire_major(kWireMajor);
    if (message->has_ready() && message->ready().number() == 0) {
      message->mutable_ready()->set_number(++readies_);
    }
    if (message->has_result() && message->result().lease() == 0) {
      wire::Result* result = message->mutable_result();
      result->set_lease(batch_.lease());
      result->set_digest(batch_.digest());
      for (int i = 0; i < std::min(result->papers_size(), batch_.papers_size()); ++i) {
        result->mutable_papers(i)->set_key(batch_.papers(i).key());
      }
    }
    scorers_.Deliver(peer, message->SerializeAsString());
  }

  void Hear() {
    for (const Frame& frame : fetchers_.TakeSent()) Parsed<wire::FetcherReply>(frame);
    for (const Frame& frame : scorers_.TakeSent()) {
      const auto reply = Parsed<wire::ScorerReply>(frame);
      if (!reply.has_batch()) continue;
      FUZZ_CHECK(reply.batch().papers_size() > 0);
      batch_ = reply.batch();
    }
  }

  template <class Message>
  static Message Parsed(const Frame& frame) {
    Message message;
    FUZZ_CHECK(message.ParseFromString(frame.body));
    return message;
  }

  PlayedLoop loop_;
  std::unique_ptr<Store> store_ = Store::InMemory(NewLedger());
  PlayedFolder out_;
  PlayedRedis redis_{loop_};
  PlayedRouter fetchers_, scorers_;
  Prices prices_ = Prices::Bundled();
  prometheus::Registry metrics_;
  Aggregator aggregator_{{.loop = loop_,
                          .store = *store_,
                          .out = out_,
                          .redis = redis_,
                          .fetchers = fetchers_,
                          .scorers = scorers_,
                          .prices = prices_,
                          .metrics = metrics_,
                          .wall_clock =
                              [this] {
                                return std::chrono::system_clock::from_time_t(1'790'000'000) +
                                       (loop_.now() - MonotonicTime{});
                              }},
                         /*max_unscored_share=*/0.2};
  wire::Opened opened_;
  wire::Batch batch_;
  uint64_t request_ = 0, readies_ = 0;
};

}  // namespace

// What fetchers, scorers and operators send to the aggregator.
FUZZ_TARGET(aggregator, bytes) {
  Quiet();
  const std::vector<Turn> turns = TurnsOf(bytes);
  if (turns.empty()) return;
  PlayedAggregator play;
  for (const Turn& turn : turns) play.Say(turn);
  play.Check();
}

}  // namespace paperboy::fuzz
