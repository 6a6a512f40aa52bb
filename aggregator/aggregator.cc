#include "aggregator/aggregator.h"

#include <algorithm>

#include "aggregator/days.h"
#include "aggregator/page.h"
#include "aggregator/prices.h"
#include "common/eastern.h"
#include "common/log.h"
#include "common/text.h"
#include "common/trace.h"
#include "common/wire.h"
#include "prometheus/registry.h"

namespace paperboy {
namespace {

// Frames taken from one socket in a turn: bounds the transaction (a group
// commit gains little beyond 256, measured) and the delay of a timer.
constexpr int kFramesPerTurn = 256;
// Refused entries that are named to the fetcher.
constexpr int kRefusalsShown = 10;

wire::Published Summary(Database& db, const Publisher& publisher, DigestId id) {
  const DigestPage page = LoadPage(db, id);
  wire::Published published;
  published.set_digest(id);
  published.set_state(page.digest.state);
  published.set_mendable(page.scorable);
  for (const auto& category : page.late) published.add_late(category);
  *published.mutable_funnel() = page.funnel;
  for (const auto& note : Notes(page)) published.add_notes(note);
  if (!page.digest.withhold) published.set_page(publisher.PagePath(page.digest));
  published.set_model(page.digest.voice ? page.digest.voice->model : "");
  published.set_prompt_tokens(page.tokens_reported ? page.prompt_tokens : 0);
  published.set_completion_tokens(page.tokens_reported ? page.completion_tokens : 0);
  published.set_tokens_reported(page.tokens_reported);
  // Finer than the page, which rounds to cents.
  const auto spent = page.spent();
  published.set_cost(spent ? FineDollars(*spent) : "unknown");
  published.set_lost_calls(static_cast<uint64_t>(page.lost_calls));
  if (page.lost_calls > 0) published.set_lost_cost(LostText(page));
  published.set_calls(page.calls);
  for (const auto& row : page.rows) {
    if (row.state != "refused" || published.refusals_size() == kRefusalsShown) continue;
    published.add_refusals(row.id + ": " + row.why);
  }
  return published;
}

void SetRefused(wire::Refused* refused, const Error& error) {
  refused->set_kind(error.kind == ErrorKind::kConflict ? wire::REFUSAL_REPLACED
                                                       : wire::REFUSAL_INVALID);
  refused->set_message(error.message);
}

void SetWrongVersion(wire::Refused* refused, uint32_t theirs) {
  refused->set_kind(wire::REFUSAL_VERSION);
  refused->set_message("this aggregator speaks version " + std::to_string(kWireMajor) +
                       " of the wire, the message has version " + std::to_string(theirs) +
                       ": run the same version of all processes");
}

}  // namespace

Aggregator::Aggregator(World world, double max_unscored_share)
    : world_(std::move(world)),
      db_(world_.store.db()),
      planner_(db_, max_unscored_share),
      intake_(db_, planner_, world_.prices),
      dispatch_(db_, planner_, world_.prices, world_.made_at_once),
      publisher_(db_, world_.out),
      metrics_(world_.metrics) {
  failed_ = Unwritten(db_);
  Reconcile();
  for (const DigestId id : DigestsInState(db_, "complete")) to_publish_.insert(id);
  world_.fetchers.OnReadable([this] { Receive(world_.fetchers, &fetcher_inbox_); });
  world_.scorers.OnReadable([this] { Receive(world_.scorers, &scorer_inbox_); });
  tick_ = world_.loop.Every(kBeat, [this] { tick_due_ = true; });
  world_.loop.OnTurnEnd([this] { Turn(); });
}

Aggregator::~Aggregator() {
  world_.loop.OnTurnEnd({});
  world_.loop.Cancel(tick_);
  world_.loop.Cancel(step_);
  world_.fetchers.OnReadable({});
  world_.scorers.OnReadable({});
}

Instant Aggregator::Now() const {
  const WallTime wall = world_.wall_clock();
  return {world_.loop.now(), std::chrono::system_clock::to_time_t(wall),
          FormatDate(EasternDay(wall))};
}

void Aggregator::Receive(Router& router, std::vector<Frame>* inbox) {
  Frame frame;
  while (inbox->size() < kFramesPerTurn && router.Receive(&frame)) {
    inbox->push_back(std::move(frame));
  }
}

// ---- a turn -----------------------------------------------------------------

void Aggregator::Turn() {
  const bool tick = tick_due_;
  const bool step = std::exchange(step_due_, false);
  const bool quiet = fetcher_inbox_.empty() && scorer_inbox_.empty() && undelivered_.empty();
  if (!tick && !step && quiet) return;
  const Instant now = Now();
  // Nothing is done for people either while the ledger cannot be written.
  if ((!tick && quiet && !reset_needed_) || Transact(now)) {
    SendAll();
    for (const DigestId id : dispatch_.TakeCompleted()) to_publish_.insert(id);
    if (tick && reconcile_due_ && !publication_) Reconcile();
    GoOnPublishing(tick);
  }
  if (tick) Tell(now);
}

// What everybody hears every second, also while nothing can be committed.
void Aggregator::Tell(const Instant& now) {
  try {
    TellProgress(now);
    UpdateMetrics();
    CountDays(now);
    if (publisher_.LookAtScoring()) to_publish_.insert(*kNoDigest);
    reading_.Over();
  } catch (const StorageError& e) {
    reading_.Note("the ledger cannot be read: " + e.why, now.mono, e.doing);
  }
  for (auto& beat : dispatch_.Beats()) SendToScorer(std::move(beat));
}

void Aggregator::SendToScorer(ScorerFrame frame) {
  frame.reply.set_wire_major(kWireMajor);
  if (!world_.scorers.SendTo(frame.peer, frame.reply.SerializeAsString())) {
    undelivered_.push_back(std::move(frame));
  } else if (frame.reply.has_batch() && spdlog::should_log(spdlog::level::debug)) {
    const wire::Batch& batch = frame.reply.batch();
    const LogScope scope(FieldsOf(batch));
    const LogScope papers{{"papers", IdsOf(batch.papers())}};
    spdlog::debug("batch {} is handed out: {}", batch.lease(),
                  Counted(static_cast<uint64_t>(batch.papers_size()), "paper"));
  }
}

bool Aggregator::Transact(const Instant& now) {
  const auto fetcher_frames = std::exchange(fetcher_inbox_, {});
  const auto scorer_frames = std::exchange(scorer_inbox_, {});
  const auto undelivered = std::exchange(undelivered_, {});
  const bool tick = std::exchange(tick_due_, false);
  const auto followers = followers_;
  const auto lessons = dispatch_.SaveLessons();
  try {
    if (const auto there = world_.store.StillThere(); !there) {
      throw StorageError(there.error().message);
    }
    Transaction transaction(db_);
    if (reset_needed_) dispatch_.Reset(world_.store.NextBoot(now.unix_seconds), now);
    for (const auto& frame : undelivered) dispatch_.OnUndelivered(frame, now);
    for (const auto& frame : scorer_frames) OnScorerFrame(frame, now);
    for (const auto& frame : fetcher_frames) OnFetcherFrame(frame, now);
    if (tick) dispatch_.OnTick(now);
    dispatch_.HandOut(now);
    transaction.Commit();
  } catch (const StorageError& e) {
    fetcher_outbox_.clear();
    once_committed_.clear();
    dispatch_.TakeFrames();
    dispatch_.TakeCompleted();
    followers_ = followers;
    dispatch_.Forget(*lessons);
    reset_needed_ = true;
    metrics_.failed_commits.Increment();
    refused_at_ = now.mono;
    ledger_.Note("the ledger cannot be written, nothing is acknowledged that it refuses: " + e.why,
                 now.mono, e.doing);
    for (const auto& frame : fetcher_frames) AnswerBusy(frame);
    return false;
  }
  reset_needed_ = false;
  metrics_.commits.Increment();
  for (const auto& log : std::exchange(once_committed_, {})) log();
  // A full disk takes what is small for a long time still, which is no sign that it is over.
  if (now.mono - refused_at_ >= kNothingRefused) ledger_.Over();
  return true;
}

// To a request that could not be committed; it comes again.
void Aggregator::AnswerBusy(const Frame& frame) {
  wire::FetcherMessage message;
  if (!message.ParseFromString(frame.body) || message.wire_major() != kWireMajor) return;
  wire::FetcherReply reply;
  reply.set_wire_major(kWireMajor);
  reply.set_request(message.request());
  reply.mutable_refused()->set_kind(wire::REFUSAL_BUSY);
  reply.mutable_refused()->set_message(ledger_.why());
  world_.fetchers.SendTo(frame.peer, reply.SerializeAsString());
}

void Aggregator::SendAll() {
  for (const auto& frame : std::exchange(fetcher_outbox_, {})) {
    if (world_.fetchers.SendTo(frame.peer, frame.reply.SerializeAsString())) continue;
    std::erase_if(followers_, [&](const Follower& f) { return f.peer == frame.peer; });
  }
  for (auto& frame : dispatch_.TakeFrames()) SendToScorer(std::move(frame));
}

void Aggregator::Log(const Digest& digest, const std::string& what,
                     spdlog::level::level_enum level) {
  const LogScope scope(FieldsOf(digest));
  spdlog::log(level, "{} {}: {}", digest.profile, digest.date, what);
}

// At the first, second, fourth, ... of them: a broken peer may repeat itself at any rate.
void Aggregator::CountBadFrame(const std::string& what) {
  metrics_.refused_messages.Increment();
  ++bad_frames_;
  if ((bad_frames_ & (bad_frames_ - 1)) != 0) return;
  spdlog::warn("refused: {} ({} refusals so far)", what, bad_frames_);
}

// ---- scorers ----------------------------------------------------------------

void Aggregator::OnScorerFrame(const Frame& frame, const Instant& now) {
  wire::ScorerMessage message;
  if (!message.ParseFromString(frame.body))
    return CountBadFrame("a frame from a scorer that is no message");
  if (message.wire_major() != kWireMajor) {
    CountBadFrame("a scorer of another version of the wire");
    wire::ScorerReply reply;
    reply.set_wire_major(kWireMajor);
    SetWrongVersion(reply.mutable_refused(), message.wire_major());
    world_.scorers.SendTo(frame.peer, reply.SerializeAsString());
    return;
  }
  if (message.has_ready()) {
    dispatch_.OnReady(frame.peer, message.ready(), now);
  } else if (message.has_result()) {
    dispatch_.OnResult(frame.peer, message.result(), now);
  } else {
    CountBadFrame("a message from a scorer without a body");
  }
}

// ---- fetchers ---------------------------------------------------------------

void Aggregator::OnFetcherFrame(const Frame& frame, const Instant& now) {
  wire::FetcherMessage message;
  if (!message.ParseFromString(frame.body))
    return CountBadFrame("a frame from a fetcher that is no message");
  wire::FetcherReply reply;
  reply.set_wire_major(kWireMajor);
  reply.set_request(message.request());
  if (message.wire_major() != kWireMajor) {
    CountBadFrame("a fetcher of another version of the wire");
    SetWrongVersion(reply.mutable_refused(), message.wire_major());
    fetcher_outbox_.push_back({frame.peer, std::move(reply)});
    return;
  }
  // The reply goes before what it sets off (a digest that is published already).
  const size_t place = fetcher_outbox_.size();
  fetcher_outbox_.push_back({frame.peer, {}});
  Handle(frame.peer, message, &reply, now);
  fetcher_outbox_[place].reply = std::move(reply);
}

void Aggregator::Handle(const std::string& peer, const wire::FetcherMessage& message,
                        wire::FetcherReply* reply, const Instant& now) {
  auto acknowledge = [&](const Status& status) {
    if (status) {
      reply->mutable_ack();
    } else {
      SetRefused(reply->mutable_refused(), status.error());
    }
    return status.ok();
  };
  switch (message.body_case()) {
    case wire::FetcherMessage::kOpen:
      return HandleOpen(peer, message.open(), reply, now);
    case wire::FetcherMessage::kRows: {
      auto wanted = intake_.Rows(message.rows());
      if (!wanted) return SetRefused(reply->mutable_refused(), wanted.error());
      for (const auto& id : wanted->texts) reply->mutable_want()->add_ids(id);
      for (const auto& id : wanted->authors) reply->mutable_want()->add_authors(id);
      reply->mutable_want();
      return;
    }
    case wire::FetcherMessage::kPapers:
      acknowledge(intake_.Papers(message.papers()));
      return;
    case wire::FetcherMessage::kAuthors:
      return AnswerPlanned(peer, intake_.Authors(message.authors()), message.authors().digest(),
                           reply, now);
    case wire::FetcherMessage::kSeal:
      return AnswerPlanned(peer, intake_.Seal(message.seal()), message.seal().digest(), reply, now);
    case wire::FetcherMessage::kDay:
      if (acknowledge(intake_.Day(message.day()))) {
        publisher_.RecordDay(message.day().profile(), message.day().date());
        reconcile_due_ = true;
        days_counted_on_.clear();
      }
      return;
    case wire::FetcherMessage::kForecast: {
      const auto checked = intake_.Check(message.forecast());
      const auto estimate = checked ? dispatch_.Estimate(message.forecast())
                                    : Result<wire::Estimate>(checked.error());
      if (!estimate) return SetRefused(reply->mutable_refused(), estimate.error());
      *reply->mutable_estimate() = *estimate;
      return;
    }
    case wire::FetcherMessage::kListDays: {
      auto days = ListDays(db_, message.list_days());
      if (!days) return SetRefused(reply->mutable_refused(), days.error());
      *reply->mutable_days() = std::move(*days);
      return;
    }
    case wire::FetcherMessage::kCompare: {
      auto compared = Compare(db_, message.compare());
      if (!compared) return SetRefused(reply->mutable_refused(), compared.error());
      *reply->mutable_compared() = std::move(*compared);
      return;
    }
    case wire::FetcherMessage::kRetry: {
      auto amended = RetryDate(db_, planner_, message.retry().date());
      const uint64_t jobs = amended ? dispatch_.GiveUpDeferred(message.retry().date(), now) : 0;
      if (jobs > 0) {
        (*amended).done.add_lines(Counted(jobs, "batch", "batches") +
                                  " submitted to the batch API, whose answers nobody can get: "
                                  "given up and asked anew");
      }
      return AnswerAmended(amended, reply, now);
    }
    case wire::FetcherMessage::kRedo:
      return AnswerAmended(RedoDate(db_, planner_, message.redo().date()), reply, now);
    case wire::FetcherMessage::kPrune:
      return AnswerAmended(PruneTexts(db_, message.prune()), reply, now);
    default:
      CountBadFrame("a message from a fetcher without a body");
      SetRefused(reply->mutable_refused(), Invalid("a message without a body that is known"));
  }
}

void Aggregator::AnswerAmended(const Result<Amended>& amended, wire::FetcherReply* reply,
                               const Instant& now) {
  if (!amended) return SetRefused(reply->mutable_refused(), amended.error());
  *reply->mutable_done() = (*amended).done;
  for (const DigestId id : (*amended).sealed) dispatch_.OnWork(id, now);
  once_committed_.push_back([lines = (*amended).done.lines()] {
    for (const auto& line : lines) spdlog::info("by command: {}", line);
  });
}

void Aggregator::HandleOpen(const std::string& peer, const wire::OpenDigest& open,
                            wire::FetcherReply* reply, const Instant& now) {
  const auto before = FindDigest(db_, open.profile().name(), open.date());
  auto opened = intake_.Open(open);
  if (!opened) return SetRefused(reply->mutable_refused(), opened.error());
  const Digest& digest = opened->digest;
  const bool news = !before || before->edition != digest.edition || before->state != digest.state;
  once_committed_.push_back([digest, news] {
    Log(digest,
        "opened by a fetcher; edition " + std::to_string(digest.edition) + ", " + digest.state,
        news ? spdlog::level::info : spdlog::level::debug);
  });
  auto* answer = reply->mutable_opened();
  answer->set_digest(digest.id);
  answer->set_edition(digest.edition);
  answer->set_ledger(world_.store.id());
  answer->set_rows(opened->rows);
  for (const auto& category : opened->sealed) answer->add_sealed(category);
  for (const auto& id : opened->authors) answer->add_authors(id);
  Follow(peer, digest);
  if (digest.state == "sealed") dispatch_.OnWork(digest.id, now);
  // What is published already is told when its files are known to be there; where a list
  // is about to come (of a file always), after that.
  const auto lists = static_cast<size_t>(open.profile().categories_size());
  const bool all_in = open.source() != "file" && opened->sealed.size() >= lists;
  if (IsDone(digest) && all_in) to_publish_.insert(digest.id);
}

// The last message that a digest waited for plans it; one that changes nothing is no
// reason to ask a provider again that is out. Who sent it hears how the digest ends, also
// after it was told how it had ended before.
void Aggregator::AnswerPlanned(const std::string& peer, const Result<bool>& planned, DigestId id,
                               wire::FetcherReply* reply, const Instant& now) {
  if (!planned) return SetRefused(reply->mutable_refused(), planned.error());
  reply->mutable_ack();
  const Digest digest = *FindDigest(db_, id);
  Follow(peer, digest);
  if (*planned) {
    once_committed_.push_back([digest, rows = CountFunnel(db_, id).arxiv()] {
      Log(digest, "sealed, " + Counted(rows, "row"));
    });
    dispatch_.OnWork(id, now);
  }
  if (IsDone(digest)) to_publish_.insert(id);
}

void Aggregator::Follow(const std::string& peer, const Digest& digest) {
  std::erase_if(followers_,
                [&](const Follower& f) { return f.peer == peer && f.digest == digest.id; });
  followers_.push_back({peer, digest.id, digest.edition});
}

// The follower's last message: it has nothing more to wait for.
void Aggregator::TellPublished(const std::string& peer, DigestId id) {
  wire::FetcherReply reply;
  reply.set_wire_major(kWireMajor);
  *reply.mutable_published() = Summary(db_, publisher_, id);
  fetcher_outbox_.push_back({peer, std::move(reply)});
  std::erase_if(followers_, [&](const Follower& f) { return f.peer == peer && f.digest == id; });
}

void Aggregator::TellProgress(const Instant& now) {
  for (const auto& follower : followers_) {
    const auto found = FindDigest(db_, follower.digest);
    if (!found) continue;
    const Digest& digest = *found;
    wire::FetcherReply reply;
    reply.set_wire_major(kWireMajor);
    if (digest.edition != follower.edition) {
      reply.mutable_refused()->set_kind(wire::REFUSAL_REPLACED);
      reply.mutable_refused()->set_message("digest " + digest.profile + " of " + digest.date +
                                           " was opened with another revision of the profile");
    } else {
      auto* progress = reply.mutable_progress();
      progress->set_digest(digest.id);
      progress->set_state(digest.state);
      progress->set_scorers(static_cast<uint32_t>(dispatch_.scorers()));
      auto cursor = db_.Query(
          "SELECT count(*), count(*) FILTER (WHERE r.state IS NOT NULL OR w.state <> 'open') "
          "FROM row r LEFT JOIN work w ON w.key = r.work WHERE r.digest = ? AND (r.state IS NULL "
          "OR (r.state NOT IN ('refused', 'not_wanted', 'seen_before', 'author_gated') "
          "AND NOT (r.state = 'selected' AND r.work IS NULL)))",
          digest.id);
      cursor.Next();
      progress->set_to_score(cursor.Int(0));
      progress->set_scored(cursor.Int(1));
      Dispatch::Wait wait;
      if (digest.state == "sealed") wait = dispatch_.WaitingFor(digest, now);
      if (digest.voice && digest.voice->backend != "lexical" && !world_.redis.ready()) {
        wait = {"Redis: " + world_.redis.trouble()};
      }
      if (!trouble().empty()) wait = {"the aggregator (" + trouble() + ")"};
      progress->set_waiting_for(wait.what);
      progress->set_trouble(!wait.what.empty() && !wait.usual);
    }
    fetcher_outbox_.push_back({follower.peer, std::move(reply)});
  }
  SendAll();
}

}  // namespace paperboy
