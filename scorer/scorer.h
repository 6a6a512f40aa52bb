// A scorer between the aggregator and the model: takes batches, looks into the
// cache, waits for the shared limiter, calls, checks the answer and returns the
// result. One thread.
//
// The life of a batch:
//
//   look up --all found--> result
//     '--> first --> send time --> in flight --> result
//
// "first" is a batch that waits because its model has not answered any call
// yet: until it has, one call is made at a time; later, because as many calls of the
// model are under way as concurrency.h allows. (What has asked for its send time goes,
// even if fewer are allowed by then: the time would be lost.) A refused key (or quota, or model)
// takes it back to the first call. Before "in flight" a batch can be given back. Batches
// that may take a day go another way: deferred.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/eastern.h"
#include "common/http_client.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/redis.h"
#include "scorer/aggregator_link.h"
#include "scorer/concurrency.h"
#include "scorer/deferred.h"
#include "scorer/limiter.h"
#include "scorer/metrics.h"
#include "scorer/provider.h"
#include "scorer/score_cache.h"
#include "scorer/settings.h"
#include "scorer/token_estimate.h"

namespace paperboy {

// After a stop signal results are sent for at most this much longer than a call
// may take.
inline constexpr Milliseconds kFlushTime{5'000};
// Requests about deferred batches wait for each other, not for calls.
inline constexpr size_t kDeferredRequests = 4;

class Scorer {
 public:
  struct World {
    Loop& loop;
    AggregatorLink& link;
    Redis* redis;      // null for the lexical backend, which needs none
    HttpClient& http;  // room for `concurrency` requests and kDeferredRequests more
    ScorerMetrics& metrics;
    std::function<WallTime()> wall_clock;
  };

  // `boot` is random, new with every process.
  Scorer(World world, ScorerSettings settings, uint64_t boot);
  ~Scorer();
  Scorer(const Scorer&) = delete;
  Scorer& operator=(const Scorer&) = delete;

  // Begins to say Ready.
  void Start();
  // Takes no more work, gives back what was not sent to the model, and stops
  // the loop when what is in flight has been answered and acknowledged, or when
  // its time is over.
  void Leave();
  // Stops the loop now, and says what that costs. `why` is for people.
  void Quit(const std::string& why);

  // Why no work gets done, for people; empty while it could.
  std::string trouble() const;
  // Batches that have no result yet.
  size_t batches() const { return jobs_.size(); }

 private:
  // What is known of a model at the server, and who waits for it. There are as
  // many as the profiles name.
  struct Model {
    std::string name;
    ChatDialect dialect;
    bool worked = false;         // has answered a call since it was last refused for good
    std::string refused;         // why it refuses every call, for people; empty: it does not
    MonotonicTime refused_at{};  // last; answers to calls of before are no news of that
    TokenEstimate tokens;
    std::unique_ptr<Limiter> limiter;
    Concurrency concurrency;
    double charged = 0;  // tokens of a call answered lately, as asked of the limiter: the mean
    size_t answered = 0;
    size_t in_flight = 0;
    size_t admitted = 0;           // waiting for a send time, or in flight
    std::deque<uint64_t> waiting;  // leases, in order of arrival
  };
  struct Job {
    wire::Batch batch;  // from "first" on without its texts, which the prompt has
    wire::Result result;
    std::vector<wire::BatchPaper> asked;  // not found in the cache; likewise
    Model* model = nullptr;               // from "first" on
    ChatCall call;                        // in flight without the prompt
    size_t prompt_chars = 0;
    size_t bare_chars = 0;  // of them, those that stand in every call of this prompt
    ChatDialect dialect;
    int64_t tokens = 0;          // as asked of the limiter
    Limiter::Ticket ticket = 0;  // while waiting for the send time
    bool in_flight = false;
    std::string call_id;  // from then on
    MonotonicTime since;  // of asking the limiter, then of sending
  };

  wire::Ready Ready() const;
  uint32_t FreeCalls() const;
  size_t Room() const;
  size_t MostBatches() const;
  bool AnyWorked() const;
  void OnBatch(wire::Batch batch);
  void OnVoid(uint64_t lease);
  void Refuse(const wire::Batch& batch, wire::ProviderFailure::Kind kind,
              const std::string& message);
  wire::Result EmptyResult(const wire::Batch& batch) const;
  void ScoreByWords(const wire::Batch& batch);

  void LookUp(uint64_t lease);
  void OnLookedUp(uint64_t lease, const Result<ScoreCache::Found>& found);
  void Prepare(Job* job);
  static void DropTexts(Job* job);
  void Admit(Model* model);
  static bool HasRoom(const Job& job);
  void AskLimiter(Job* job);
  void ReturnTooLarge(Job* job, int64_t most);
  void Send(uint64_t lease);
  void OnResponse(uint64_t lease, const Result<HttpResponse>& response);
  static LogFields CallFields(const Job& job);  // of log lines about its call
  static void LogCall(const Job& job, const std::string& what);
  void Learn(const Job& job, const ChatOutcome& outcome);
  void LearnPace(const Job& job, const ChatOutcome& outcome);
  void Book(Job* job, const ChatOutcome& outcome, const wire::Call& call);
  void GiveBackUnsent(const Model& model, const std::string& why);
  void GiveBack(uint64_t lease, wire::ProviderFailure::Kind kind, const std::string& message);
  void Finish(uint64_t lease);

  Model& ModelNamed(const std::string& name);
  std::string RedisTrouble() const;
  void Tick();
  void StopWhenDone();

  World world_;
  ScorerSettings settings_;
  uint64_t boot_;
  std::string quota_key_, account_key_;
  std::optional<ScoreCache> cache_;  // none for the lexical backend, nor the next
  std::optional<Deferred> deferred_;
  std::map<std::string, std::unique_ptr<Model>> models_;
  std::map<uint64_t, Job> jobs_;  // by lease
  size_t in_flight_ = 0;
  const Model* answered_last_ = nullptr;
  uint64_t next_call_ = 1;
  Loop::TimerId tick_timer_ = 0;
  bool said_redis_trouble_ = false;
  bool leaving_ = false;
};

}  // namespace paperboy
