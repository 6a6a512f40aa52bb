// Hands outstanding papers to scorers and takes their results: who is there,
// who holds what, whose provider fails. A state machine without I/O but the
// ledger: time is handed in, messages go out through a list. Everything that
// must survive a crash is in the ledger and committed before a message leaves;
// the rest (connections, credit, breakers) is rebuilt from what scorers say.
//
// The life of a unit of work:
//
//   open --handed out--> leased --Result: score--> done
//     ^                    |  '--Result: refused, or missing three times alone--> failed
//     |                    |
//     '-- missing, provider failed, given back, worker dead (alone from then on)
//
// How large a batch is, also towards the end of a digest: batch.h. Of what is left
// there, suspects go alone and each setback halves the batch.
//
// A provider's transient failure counts for no paper, unless there is evidence
// that it is the paper: the scorer that reports it has had another call answered
// by this provider since the paper failed before, or the paper has failed alone
// with such evidence already. Then its batch comes back in smaller parts for good,
// and after kMaxAloneFailures alone it is failed. In an outage nothing is answered,
// so that it costs no paper anything, however long it lasts. So that there can be
// evidence where nothing else is left to score, what fails without any comes back
// in smaller parts too, until something is answered.
//
// Deferred batches (dispatch_deferred.cc): those of rebuilt days whose profile asks for
// the provider's batch API. The provider may take a day, in which scorers come and go, and
// what was submitted must not be submitted again: so such a lease survives its scorer. The
// very message is in the ledger; it goes to the next scorer of the same account, which looks
// for it among the provider's jobs. Only a result frees it: an answer, or that it was never
// submitted.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "aggregator/batch.h"
#include "aggregator/budget.h"
#include "aggregator/digests.h"
#include "aggregator/forecast.h"
#include "aggregator/plan.h"
#include "aggregator/prices.h"
#include "aggregator/scaling.h"
#include "common/loop.h"
#include "common/result.h"

namespace paperboy {

// Rounds in which an answer may lack a paper that was asked for alone
// (reference system: three further rounds).
inline constexpr int kMaxAloneMisses = 3;
// Workers that may die holding a paper alone before it is given up.
inline constexpr int kMaxAloneDeaths = 10;
// Counted failures of the provider (dispatch_results.cc) on a paper alone before it
// is given up, for a later run to try again.
inline constexpr int kMaxAloneFailures = 10;
// Hard provider failures in a row (key refused, no quota left) after which its
// digests are given up, and how often it is tried again after that.
inline constexpr int kMaxHardFailures = 3;
inline constexpr std::chrono::seconds kProbeInterval{60};
// Transient failures in a row after which the provider is tried one call at a
// time, with a pause that doubles up to a minute.
inline constexpr int kTransientFailuresBeforeBackoff = 3;
inline constexpr std::chrono::seconds kMaxBackoff{60};
// After a start nothing is handed out for this long, so that scorers can say
// what they hold from before. What nobody has claimed goes back after kSilence:
// its holder may have been busy connecting.
inline constexpr std::chrono::milliseconds kAdoptionTime{2'000};
// How long a peer may be unreachable before it counts as dead: reconnecting
// takes up to 0.5 s, the next Ready comes within 1 s.
inline constexpr std::chrono::milliseconds kReconnectTime{2'500};

// Units of work of a digest that are made at once, 0.3 ms each, when its batches need them.
// (What a budget is measured by looks at all of its papers at once still.)
inline constexpr size_t kMadeAtOnce = 128;

// Deferred batches that are handed out in one turn, and that are out in all.
inline constexpr size_t kDeferredAtOnce = 64;
inline constexpr size_t kMostDeferred = 10'000;
// The provider promises to answer them within a day.
inline constexpr std::chrono::seconds kJobTime{std::chrono::hours(24)};
// In which a scorer can find one among the jobs, unless the provider does not let it.
inline constexpr std::chrono::minutes kSearchTime{10};

struct ScorerFrame {
  std::string peer;
  wire::ScorerReply reply;
};

// The instant of a turn, as the loop and the calendar see it.
struct Instant {
  MonotonicTime mono;
  int64_t unix_seconds = 0;
  std::string eastern_day;  // YYYY-MM-DD: budgets are per Eastern day
};

class Dispatch {
 public:
  Dispatch(Database& db, Planner& planner, const Prices& prices, size_t made_at_once = kMadeAtOnce);

  // Begins again with `boot` (larger than any before): forgets scorers and
  // leases, waits for kAdoptionTime. At the start and after a failed commit.
  void Reset(int64_t boot, const Instant& now);

  void OnReady(const std::string& peer, const wire::Ready& ready, const Instant& now);
  // Acknowledges the result; the acknowledgement must leave after the commit.
  void OnResult(const std::string& peer, const wire::Result& result, const Instant& now);
  // A frame could not be sent to `peer`; a batch in it goes back at once.
  void OnUndelivered(const ScorerFrame& frame, const Instant& now);
  // Declares silent scorers dead, frees what nobody adopted, gives up digests
  // whose provider is out. Call every kBeat.
  void OnTick(const Instant& now);
  // What a turn learns of providers, to be put back when it never happened; the
  // rest Reset forgets.
  struct Lessons;
  std::shared_ptr<const Lessons> SaveLessons() const;
  void Forget(const Lessons& since);
  // The digest has new work, or is taken up again: a provider that is out is tried
  // once more.
  void OnWork(DigestId digest, const Instant& now);
  // Deferred batches of that date whose jobs no scorer that is here can see, or which one
  // looks for in vain after a day, are given up, what they cost is not known; their papers go
  // out anew. Returns how many.
  uint64_t GiveUpDeferred(const std::string& date, const Instant& now);
  // Hands out what credit, budgets and providers allow.
  void HandOut(const Instant& now);

  // What scoring these rows would take, as the profile is configured and by the
  // scorers that are there. Changes nothing. kInvalid: the profile has a budget and a
  // model without a price.
  Result<wire::Estimate> Estimate(const wire::Forecast& forecast);

  // Frames to send after the commit; and digests that were completed.
  std::vector<ScorerFrame> TakeFrames() { return std::exchange(frames_, {}); }
  std::vector<DigestId> TakeCompleted() { return std::exchange(completed_, {}); }
  // Everybody who holds a lease or said Ready, for the beat.
  std::vector<ScorerFrame> Beats() const;

  // What a digest waits for, for people; "" while work goes on.
  struct Wait {
    std::string what;
    bool usual = false;  // it ends by itself, as a job of the provider's batch API does
  };
  Wait WaitingFor(const Digest& digest, const Instant& now);  // of a sealed one
  size_t scorers() const { return scorers_.size(); }
  // What its scorers make of a model's provider.
  struct Pace {
    uint32_t concurrency = 0;  // calls that may be in flight, of all its scorers
    uint32_t latency_ms = 0;   // of its calls lately, the mean; 0: none was answered
    bool out = false;          // it refuses every call: given up, tried again now and then
  };
  std::map<std::string, Pace> Paces() const;  // by model
  // What waits for a score, or is being scored: papers, and how many scorers they could
  // feed (scaling.h).
  struct Demand {
    uint64_t papers = 0;
    uint32_t scorers = 0;
  };
  Demand Demanded(const Instant& now);
  size_t leases() const { return leases_.size(); }
  // How long the oldest batch has been out, but for those of the provider's batch API.
  MonotonicTime::duration OldestLease(const Instant& now) const;
  uint64_t refused_messages() const { return refused_; }

 private:
  struct Scorer {
    std::string peer;
    std::string pod;
    Voice voice;
    std::string quota_key;
    std::string account_key;
    int64_t rpm = 0, tpm = 0;      // 0: unlimited
    uint32_t concurrency = 0;      // calls that it lets fly at once, as of now
    uint32_t most_calls = 0;       // and at most
    int64_t calls_per_minute = 0;  // that its quota lets begin; 0: not known
    std::string paced_model;       // to which model; latency, rpm and tpm are that model's too
    uint32_t free_calls = 0;
    bool defers = false;  // its provider has a batch API
    uint32_t deferred_free = 0;
    std::string deferred_state;
    std::string trouble;  // why it takes no work
    uint32_t latency_ms = 0;
    bool leaving = false;
    uint64_t last_ready = 0;  // highest number of a Ready
    MonotonicTime heard;
    std::optional<MonotonicTime> unreachable_since;
    std::set<uint64_t> leases;
    std::map<std::string, uint64_t> answered;  // ProviderKey → number of its last answer
  };
  struct Lease {
    uint64_t scorer;  // its boot
    DigestId digest;
    std::string model;
    std::string provider;  // ProviderKey
    std::vector<std::string> keys;
    MonotonicTime handed_out;
    uint64_t last_ready;  // its scorer's, then
    bool deferred = false;
    bool resumed = false;    // its number may be lower than one that its scorer has seen
    bool searching = false;  // its scorer looks for it among the provider's jobs
  };
  // A deferred batch that no scorer holds.
  struct Unheld {
    std::string account;  // the key of whose jobs it may be in one
    DigestId digest = 0;
  };
  // One model under one quota: what failed there lately. Gone with a success.
  struct Provider {
    int hard_failures = 0;
    int jobs_not_begun = 0;  // batch jobs that ended so
    int transient_failures = 0;
    MonotonicTime last_failure{};
    MonotonicTime not_before{};
    std::string message;
  };
  struct Failing {
    uint64_t at;  // answers_ when it failed last
    std::string provider;
    int splits;  // failures since the provider's last answer
  };
  // What became of a lease: it cost what was reported, or nothing; its worker died; or
  // the provider was asked and did not say what that cost.
  enum class Release { kGivenBack, kDied, kCostUnknown };
  // A unit of work that was open and free when the ledger was asked.
  struct Candidate {
    std::string key, paper;
    int64_t version = 0;
    int64_t setbacks = 0;  // misses, counted failures, splits: each halves the batch
    bool alone = false;    // a worker died holding it, or its text addresses the model
    wire::Stage stage = wire::STAGE_ABSTRACT;
    wire::BatchPaper view;  // as the model sees it; filled when it goes into a batch
  };

  void Free(uint64_t lease, Release how);
  void Settle(int64_t lease, Release how);
  void FreeOrphans();
  void Lose(uint64_t lease, Release how);
  void Activate(DigestId digest);
  void AdvanceDirty(const Instant& now);
  void ActivateSealed();
  void ScorerGone(uint64_t boot, const std::string& how);
  void Adopt(uint64_t boot, const wire::Ready& ready, const Instant& now);
  std::optional<Digest> DigestOf(const wire::Result& result);
  bool BookCalls(const wire::Result& result, DigestId digest, const std::string& asked_model,
                 const Instant& now);
  void BookPaper(const wire::PaperResult& paper, bool live, bool alone);
  void BookMiss(const wire::PaperResult& paper, bool alone);
  void NoteProvider(const wire::Result& result, const Lease& lease, bool new_call_answered,
                    const Instant& now);
  void CountFailure(const Lease& lease, const std::string& message);
  bool ProviderWorks(const Lease& lease, const std::string& key, int64_t alone_failures) const;
  int64_t Splits(const std::string& key) const;
  void LogResult(const wire::Result& result);
  void Refuse(const std::string& message);
  std::shared_ptr<const wire::Profile> ProfileOf(const Digest& digest);

  bool Fits(const Digest& digest, const wire::Profile& profile, const Scorer& scorer) const;
  Voice VoiceFor(const wire::Profile& profile, const Scorer& scorer) const;
  static std::string ProviderKey(const Scorer& scorer, const std::string& model, bool deferred);
  std::string ProviderFor(const Digest& digest, const wire::Profile& profile,
                          const Scorer& scorer) const;
  bool ProviderReady(const std::string& provider, const Instant& now) const;
  bool HasLeases(const std::string& provider) const;
  ScorerPace PaceOf(const std::string& model) const;
  bool IsOut(const std::string& model) const;
  bool HandOutTo(uint64_t boot, const Instant& now);
  bool HandOutFrom(const Digest& digest, const wire::Profile& profile, uint64_t boot,
                   const Instant& now);
  static bool IsDeferred(const Digest& digest, const wire::Profile& profile);
  bool HasFree(const Scorer& scorer, bool deferred) const;
  void CountDeferred();
  void Defer(const Scorer& scorer, wire::Batch* batch, const Instant& now);
  std::optional<wire::Batch> StoredBatch(uint64_t lease);
  bool IsStale(const std::string& peer, const wire::Result& result);
  bool KeepUnheld(uint64_t lease);
  bool SomebodySees(const std::string& account) const;
  bool IsLost(uint64_t id, const Lease& lease, const Instant& now);
  void Resume(const Instant& now);
  // What its batches at the provider's batch API wait for; "" without any.
  Wait DeferredState(DigestId digest);
  void FindCandidates(DigestId digest, bool all_made, std::deque<Candidate>* next);
  void FindNext(DigestId digest, size_t wanted);
  bool StillFree(const Candidate& candidate);
  static bool Holds(const std::vector<Candidate>& batch, const std::string& paper);
  size_t LimitOf(const Digest& digest, const wire::Profile& profile, const Candidate& first);
  std::vector<Candidate> NextBatch(const Digest& digest, const wire::Profile& profile);
  void PutBack(DigestId digest, size_t kept, std::vector<Candidate>* batch);
  // Why the rest of a digest cannot be scored now, and whether a later run could. Without
  // a reason: batches are out, whose true cost may leave room.
  struct Stop {
    std::string why;
    bool mendable = true;
  };
  struct Affordable {
    Reservation reserved;
    size_t prompt_bytes = 0;
    std::optional<Stop> over;
  };
  Affordable Afford(const Digest& digest, const wire::Profile& profile, size_t prompt_bytes,
                    std::vector<Candidate>* batch, const Instant& now);
  std::vector<DigestId> DigestsInTurn() const;
  bool OthersWait(const Digest& digest);
  Capacity CapacityFor(const Digest& digest, const wire::Profile& profile) const;
  Voice LikelyVoice(const Digest& digest, const wire::Profile& profile);
  void MeasureBudget(const Digest& digest, wire::Profile profile, const Instant& now);
  void BindTo(const Digest& digest, const wire::Profile& profile, const Scorer& scorer,
              const Instant& now);
  std::optional<Stop> OverBudget(const Digest& digest, const wire::Profile& profile,
                                 Picodollars estimate, const Instant& now);
  bool WorkIsOut(DigestId digest);
  void GiveUp(DigestId digest, const Stop& stop, const Instant& now);
  void GiveUpWhereProviderIsOut(const Instant& now);

  Database& db_;
  Planner& planner_;
  const Prices& prices_;
  const size_t made_at_once_;
  const Forecaster forecaster_;
  Scaling scaling_;
  uint64_t boot_ = 0;
  uint64_t next_lease_ = 1;
  MonotonicTime hold_until_{};
  MonotonicTime orphans_until_{};
  std::optional<MonotonicTime> without_scorer_since_;
  std::optional<MonotonicTime> last_tick_;
  std::map<uint64_t, Scorer> scorers_;  // by the scorer's boot
  std::map<uint64_t, Lease> leases_;
  std::set<uint64_t> greeted_;         // their boots
  std::set<uint64_t> orphans_;         // leases of earlier boots that nobody has claimed yet
  std::map<uint64_t, Unheld> unheld_;  // by lease
  size_t deferred_now_ = 0;            // handed out in this turn
  size_t deferred_out_ = 0;            // out in all, since the turn began
  std::string eastern_day_;            // at the last tick
  std::map<std::string, Provider> providers_;         // by ProviderKey; those that failed
  uint64_t answers_ = 0;                              // calls that were answered, by any provider
  std::map<std::string, uint64_t> last_answer_;       // ProviderKey → answers_ then
  std::unordered_map<std::string, Failing> failing_;  // by key
  std::map<std::string, std::shared_ptr<const wire::Profile>> profiles_;  // as scored
  struct Active {
    std::string profile, date;
    bool live = true;             // not rebuilt: goes before backfill
    bool idle = false;            // nothing to hand out until something changes
    std::deque<Candidate> next;   // looked at again before they are handed out
    bool more = false;            // there may be more than those
    bool unmade = true;           // rows may have no unit of work yet
    bool short_of_money = false;  // until a call has said what it cost
  };
  std::map<DigestId, Active> active_;       // sealed digests
  std::map<std::string, uint64_t> served_;  // profile → turn in which it was last served
  uint64_t turn_ = 0;
  std::set<DigestId> dirty_;  // digests with newly answered work
  std::vector<ScorerFrame> frames_;
  std::vector<DigestId> completed_;
  uint64_t refused_ = 0;
};

}  // namespace paperboy
