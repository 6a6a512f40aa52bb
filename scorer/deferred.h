// Batches that may take a day: gathered, submitted to the provider's batch API as one
// job (job_api.h), waited for, and turned into results like any other call's. Part of a
// scorer, on its thread; it has nothing to do with the limiter, the concurrency or the
// free calls of the others.
//
// The life of a batch:
//
//   look up --all cached--> result
//     |  '--> gather --> a job --ended--> result
//     '--> search --found--> the job      (resumed: another scorer had it before)
//            '--lacking in two complete lists--> goes back
//
// Nothing is kept here that matters: the ledger has the batch, the provider the job and,
// by its custom id, what belongs to which batch. So that nothing is submitted twice,
// - a batch is submitted by the scorer that it was first handed to and by no other: who
//   resumes it only looks for it, and gives it back where nobody has submitted it, to be
//   handed out anew under another name, if it is still wanted;
// - only what the aggregator has confirmed to be held here is submitted;
// - a request for a job that may or may not have arrived is answered by a search;
// - what was submitted is given back only when its job has ended. A provider that cannot
//   be reached, refuses the key, or does not know what it knew, is asked again for a week.
// A job that is overdue is cancelled. After a week a job, or the search for one, is given
// up: what it cost is not known.
// What remains: a scorer that dies within its request for a job, where the provider makes
// the job only after the next scorer's second list.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/eastern.h"
#include "common/http_client.h"
#include "common/log.h"
#include "common/loop.h"
#include "scorer/aggregator_link.h"
#include "scorer/job_api.h"
#include "scorer/metrics.h"
#include "scorer/provider.h"
#include "scorer/score_cache.h"

namespace paperboy {

// How long it waits for what; tests wait shorter.
struct DeferredPace {
  Milliseconds step{1'000};  // looks that often what is due
  // A job is made when no batch has come for the first, or for the second in all.
  Milliseconds gather{2'000};
  Milliseconds gather_most{30'000};
  // A job is looked at after the first, doubling up to the second. There is no push.
  Milliseconds first_look{5'000};
  Milliseconds last_look{60'000};
  // Between two lists of all jobs: time for a request of a scorer that died to arrive.
  Milliseconds search_again{15'000};
  // After a failure, doubling up to the second; a longer wait that is asked for holds.
  Milliseconds first_retry{2'000};
  Milliseconds last_retry{300'000};
  // A job that the provider says for so long not to have is believed to be gone.
  Milliseconds gone_after{std::chrono::minutes(15)};
  // A job that has not ended by then (the provider promises a day) is cancelled.
  Milliseconds cancel_after{std::chrono::hours(26)};
  // What has not ended by then is given up, be it a job, or the search for one.
  Milliseconds give_up_after{std::chrono::hours(7 * 24)};
  // Nothing is overdue that was not watched here for so long: calendars jump.
  Milliseconds watched_for{std::chrono::hours(2)};
};

// Jobs that are looked at at once; of kDeferredRequests (scorer.h) two are left for others.
inline constexpr size_t kLooksAtOnce = 2;

class Deferred {
 public:
  struct World {
    Loop& loop;
    AggregatorLink& link;
    ScoreCache& cache;
    HttpClient& http;
    ScorerMetrics& metrics;
    std::function<WallTime()> wall_clock;
    std::function<void()> on_idle;  // after Leave: nothing is under way any more
  };

  Deferred(World world, const LlmServerSettings& server, std::string quota_key,
           const DeferredPace& pace);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  // Whether the provider has a batch API at all.
  bool capable() const;
  // Batches that it still takes.
  uint32_t free() const;
  // Leases that it holds.
  std::vector<uint64_t> holding() const;
  // Of them those that are looked for among the provider's jobs.
  std::vector<uint64_t> searching() const;
  // What they wait for, for people; empty: it holds none.
  std::string state() const;
  // Why the provider does not do what it is asked; empty: it does.
  std::string trouble() const { return held_.empty() ? "" : trouble_; }

  void Take(wire::Batch batch);
  // The lease is somebody else's, or of another ledger: it is not submitted any more. What
  // is in a job stays: the answer is paid for and welcome.
  void Drop(uint64_t lease);
  // Holds nothing any more, but for what a request for a job is under way with: see busy.
  // Jobs are not cancelled; whoever gets the batches next finds them.
  void Leave();
  bool busy() const { return submission_ && submission_->creating; }

 private:
  enum class Stage { kLookUp, kSearch, kGather, kInJob };
  struct Held {
    wire::Batch batch;
    Stage stage = Stage::kLookUp;
    MonotonicTime taken;
    MonotonicTime since;   // of the stage
    uint64_t claimed = 0;  // the first Ready that names it
    int lacking = 0;       // complete lists without it
  };
  struct Job {
    ProviderJob info;
    std::string model;
    std::set<uint64_t> leases;  // those held here, all in the stage kInJob
    MonotonicTime watched_since;
    MonotonicTime look_at;
    Milliseconds wait;
    bool asking = false;
    std::optional<MonotonicTime> gone_since;  // it is said not to be there
    std::vector<std::string> files;           // still to be read
    std::map<std::string, JobAnswer> answers;
  };
  // Of one kind of request: when it is made next.
  struct Retry {
    MonotonicTime at{};
    Milliseconds wait{0};
  };
  struct Submission {
    std::string model;
    std::string lines, first, last;
    std::vector<uint64_t> leases;
    bool creating = false;
  };
  struct Search {
    std::set<std::string> names;
    std::string after;
    int pages = 0;
    std::vector<ProviderJob> candidates;
    size_t next = 0;
    std::map<std::string, ProviderJob> found;  // by custom id
  };
  struct Model {
    ChatDialect dialect;
    bool worked = false;
    size_t most = kMaxJobCalls;  // calls in a job; fewer when the provider's queue is full
    Retry queue;                 // then
  };
  struct Refusal {
    wire::ProviderFailure failure;
    bool hard = false;    // until somebody mends it
    bool arrived = true;  // it may have done what it was asked
    int status = 0;       // 0: no answer
    Milliseconds pause{0};
  };

  void LookUp(uint64_t lease);
  void OnLookedUp(uint64_t lease, const Result<ScoreCache::Found>& found);
  void SetStage(Held* held, Stage stage);
  void Step();
  bool Quiet(Stage stage) const;

  void Submit();
  bool Confirmed(const Held& held) const;
  bool MaySubmit(const Held& held) const;
  void Compose(const std::string& model, Submission* submission);
  void OnUploaded(const Result<HttpResponse>& response);
  void OnCreated(const Result<HttpResponse>& response);
  std::vector<uint64_t> StillGathered(std::vector<uint64_t> leases) const;
  LogField TracesOf(const std::set<uint64_t>& leases) const;  // which are held
  void FailAll(const std::vector<uint64_t>& leases, const wire::ProviderFailure& failure);

  void BeginSearch();
  void ListMore();
  void OnListed(const Result<HttpResponse>& response);
  void ReadCandidate();
  void OnCandidateRead(const Result<HttpResponse>& response);
  void EndSearch();
  void SubmitAnew(uint64_t lease, const std::string& why);
  void FailSearch(const Refusal& refusal);
  void GiveUpSearches();

  void Attach(const ProviderJob& info, uint64_t lease);
  void LookAtDue();
  void Look(Job* job);
  void OnLooked(const std::string& id, const Result<HttpResponse>& response);
  void WaitForEnd(Job* job);
  void OnFailedJob(const std::string& id);
  void ReadNextFile(const std::string& id);
  void OnFileRead(const std::string& id, const Result<HttpResponse>& response);
  void LookLater(Job* job, const Refusal& refusal);
  void Settle(const std::string& id);
  ChatOutcome OutcomeOf(const Job& job, const JobAnswer* answer, bool worked);
  ChatOutcome NoAnswer(const std::string& model, const std::string& why);
  void Book(uint64_t lease, ChatOutcome outcome);
  bool Overdue(int64_t begun, MonotonicTime watched_since, Milliseconds after) const;

  wire::Result ResultFor(const Held& held) const;
  void Finish(uint64_t lease, const wire::Result& result);
  void GiveBack(uint64_t lease, wire::ProviderFailure::Kind kind, const std::string& message);
  // Nothing if it was answered with 2xx.
  std::optional<Refusal> RefusalOf(const Result<HttpResponse>& response) const;
  void RetryLater(Retry* retry, const Refusal& refusal);
  // `done` is not called after this object's end.
  void Ask(HttpRequest request, std::function<void(const Result<HttpResponse>&)> done);

  World world_;
  const LlmServerSettings& server_;
  const std::string quota_key_;
  const DeferredPace pace_;
  std::map<uint64_t, Held> held_;  // by lease
  std::map<std::string, Job> jobs_;
  std::map<std::string, Model> models_;
  std::optional<Submission> submission_;
  std::optional<Search> search_;
  Retry submit_, list_;
  std::string trouble_;
  Loop::TimerId step_timer_ = 0;
  bool leaving_ = false;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace paperboy
