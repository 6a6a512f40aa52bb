#include <prometheus/registry.h>

#include "common/wire.h"
#include "scorer/scorer.h"
#include "tests/fuzz/conversation.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

// A server that nobody reaches.
class PlayedHttp : public HttpClient {
 public:
  explicit PlayedHttp(Loop& loop) : loop_(loop) {}
  uint64_t Start(HttpRequest, Callback done) override {
    return loop_.After(Milliseconds(1), [done = std::move(done)] {
      done(Error{ErrorKind::kUnreached, "nobody is there"});
    });
  }
  void Cancel(uint64_t id) override { loop_.Cancel(id); }
  size_t in_flight() const override { return 0; }

 private:
  Loop& loop_;
};

ScorerSettings Settings(bool lexical) {
  ScorerSettings settings;
  settings.lexical = lexical;
  settings.model = lexical ? "lexical" : "m";
  settings.server.base_url = "http://127.0.0.1/v1";
  settings.pod = "pod-1";
  return settings;
}

class PlayedScorer {
 public:
  explicit PlayedScorer(bool lexical)
      : scorer_({.loop = loop_,
                 .link = link_,
                 .redis = lexical ? nullptr : &redis_,
                 .http = http_,
                 .metrics = metrics_,
                 .wall_clock =
                     [this] {
                       return std::chrono::system_clock::from_time_t(1'790'000'000) +
                              (loop_.now() - MonotonicTime{});
                     }},
                Settings(lexical), /*boot=*/7) {
    loop_.OnTurnEnd([this] { link_.OnTurnEnd(); });
    scorer_.Start();
  }

  void Hear(Turn turn) {
    loop_.Pass(std::min(Milliseconds(turn.wait_ms()), kLongestWait));
    if (turn.has_to_scorer()) {
      wire::ScorerReply* reply = turn.mutable_to_scorer();
      if (reply->wire_major() == 0) reply->set_wire_major(kWireMajor);
      if (reply->has_batch()) batches_[reply->batch().lease()] = reply->batch();
      dealer_.Deliver(reply->SerializeAsString());
    } else if (turn.has_raw()) {
      dealer_.Deliver(turn.raw());
    }
    loop_.EndTurn();
    for (const std::string& frame : dealer_.TakeSent()) CheckSent(frame);
  }

 private:
  void CheckSent(const std::string& frame) {
    wire::ScorerMessage message;
    FUZZ_CHECK(message.ParseFromString(frame) && message.wire_major() == kWireMajor);
    FUZZ_CHECK(message.has_ready() || message.has_result());
    if (!message.has_result()) return;
    // Only of what was handed out, and about no other papers.
    const wire::Result& result = message.result();
    const auto batch = batches_.find(result.lease());
    FUZZ_CHECK(batch != batches_.end());
    for (const wire::PaperResult& row : result.papers()) {
      FUZZ_CHECK(row.kind() != wire::PaperResult::SCORE ||
                 (row.relevance() >= 1 && row.relevance() <= 10));
    }
  }

  PlayedLoop loop_;
  PlayedDealer dealer_;
  PlayedRedis redis_{loop_};
  PlayedHttp http_{loop_};
  prometheus::Registry registry_;
  ScorerMetrics metrics_{registry_};
  AggregatorLink link_{loop_, dealer_, "aggregator"};
  std::map<uint64_t, wire::Batch> batches_;
  Scorer scorer_;
};

}  // namespace

// What an aggregator sends to scorers: one that ranks by words, and one with a model.
FUZZ_TARGET(scorer, bytes) {
  Quiet();
  const std::vector<Turn> turns = TurnsOf(bytes);
  for (const bool lexical : {true, false}) {
    if (turns.empty()) return;
    PlayedScorer play(lexical);
    for (const Turn& turn : turns) play.Hear(turn);
  }
}

}  // namespace paperboy::fuzz
