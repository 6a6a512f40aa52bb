// The process: two ROUTER sockets, one ledger, one loop. Frames that arrive in a
// turn are handled in one transaction; nothing is answered before its commit.
// When a commit fails (disk full), the turn never happened: fetchers are told why, and
// nothing else leaves, the leases of this boot are forgotten, peers say again what they
// have, and the next turn tries anew.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aggregator/amend.h"
#include "aggregator/dispatch.h"
#include "aggregator/intake.h"
#include "aggregator/metrics.h"
#include "aggregator/plan.h"
#include "aggregator/publish.h"
#include "aggregator/store.h"
#include "aggregator/trouble.h"
#include "common/eastern.h"
#include "common/link.h"
#include "common/loop.h"
#include "common/redis.h"

namespace paperboy {

// The ledger's trouble is over when it has refused nothing for so long: for longer than peers
// wait until they say again what was not acknowledged (a fetcher 2 s, a scorer 3 s).
inline constexpr Milliseconds kNothingRefused{10'000};

// To publish this is to bring the site to what is being scored; for Reconcile: of no digest the
// files are compared, of the dates without one they are.
inline constexpr std::optional<DigestId> kNoDigest = 0;

class Aggregator {
 public:
  struct World {
    Loop& loop;
    Store& store;
    Folder& out;
    Redis& redis;
    Router& fetchers;
    Router& scorers;
    const Prices& prices;
    prometheus::Registry& metrics;
    std::function<WallTime()> wall_clock;
    size_t made_at_once = kMadeAtOnce;
  };

  // What `world` names must outlive it.
  Aggregator(World world, double max_unscored_share);
  ~Aggregator();

  // Why it cannot serve, for /readyz; "" when it can.
  const std::string& trouble() const {
    for (const Trouble* trouble : {&ledger_, &reading_}) {
      if (!trouble->why().empty()) return trouble->why();
    }
    return files_.why();
  }

  // For an autoscaler, for /scaling. As of the last second, of a large backlog of some
  // seconds before.
  struct ScalingView {
    uint32_t desired_scorers = 0;
    size_t scorers = 0;
    uint64_t papers_waiting = 0;
  };
  // nullopt: nothing was counted yet.
  const std::optional<ScalingView>& scaling() const { return scaling_; }

 private:
  struct Follower {
    std::string peer;
    DigestId digest;
    uint32_t edition;
  };
  struct FetcherFrame {
    std::string peer;
    wire::FetcherReply reply;
  };

  Instant Now() const;
  static void Receive(Router& router, std::vector<Frame>* inbox);
  void Turn();
  bool Transact(const Instant& now);
  void SendAll();
  void SendToScorer(ScorerFrame frame);
  void OnFetcherFrame(const Frame& frame, const Instant& now);
  void Handle(const std::string& peer, const wire::FetcherMessage& message,
              wire::FetcherReply* reply, const Instant& now);
  void AnswerAmended(const Result<Amended>& amended, wire::FetcherReply* reply, const Instant& now);
  void HandleOpen(const std::string& peer, const wire::OpenDigest& open, wire::FetcherReply* reply,
                  const Instant& now);
  void AnswerPlanned(const std::string& peer, const Result<bool>& planned, DigestId id,
                     wire::FetcherReply* reply, const Instant& now);
  void OnScorerFrame(const Frame& frame, const Instant& now);
  void CountBadFrame(const std::string& what);
  void Follow(const std::string& peer, const Digest& digest);
  void TellPublished(const std::string& peer, DigestId digest);
  void TellProgress(const Instant& now);
  void Reconcile();
  void GoOnPublishing(bool tick);
  void BeginPublishing();
  void Announce();
  void WriteHint(const Digest& digest);
  void NoteUnwritten(DigestId digest, const std::string& why);
  // Something that happened to the digest.
  static void Log(const Digest& digest, const std::string& what,
                  spdlog::level::level_enum level = spdlog::level::info);
  void AnswerBusy(const Frame& frame);
  void Tell(const Instant& now);
  void UpdateMetrics();
  double CostOf(const std::string& eastern_day);
  void CountCompleted(const Digest& digest, const wire::Funnel& funnel);
  void CountDays(const Instant& now);

  const World world_;
  Database& db_;
  Planner planner_;
  Intake intake_;
  Dispatch dispatch_;
  Publisher publisher_;
  std::vector<Frame> fetcher_inbox_, scorer_inbox_;
  std::vector<FetcherFrame> fetcher_outbox_;
  std::vector<std::function<void()>> once_committed_;  // lines of the log about the transaction
  std::vector<ScorerFrame> undelivered_;
  std::vector<Follower> followers_;
  std::set<DigestId> to_publish_;
  // Could not be published, or brought to OUT: why, as the ledger has it. Tried again every
  // tick. kNoDigest: what is of none.
  std::map<DigestId, std::string> failed_;
  std::optional<DigestId> publication_;  // whose files are being written, one in a turn
  std::set<DigestId> unannounced_;       // published since the start, and not all written yet
  bool step_due_ = false;
  bool reconcile_due_ = true;  // files below OUT may be missing or stale
  bool compare_all_ = true;    // no comparison of all of them has succeeded yet
  MonotonicTime count_waiting_at_{};
  bool reset_needed_ = true;
  bool tick_due_ = true;
  uint64_t bad_frames_ = 0;
  uint64_t refused_counted_ = 0;       // of the scorers' refused messages, in the metric
  std::set<std::string> models_told_;  // that have metrics
  std::string days_counted_on_;        // as in Instant; "": something was recorded since
  Trouble ledger_{"the ledger is written again"};
  MonotonicTime refused_at_{};  // by the ledger, last
  Trouble reading_{"the ledger is read again"};
  Trouble files_{"everything below OUT is written"};
  std::optional<MonotonicTime> waiting_since_;  // papers, or now
  std::optional<ScalingView> scaling_;
  Loop::TimerId tick_ = 0;
  Loop::TimerId step_ = 0;

  AggregatorMetrics metrics_;
};

}  // namespace paperboy
