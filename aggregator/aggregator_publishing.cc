// The aggregator's share in publication: when which digest is, what is said about it, and
// what happens when a file cannot be written.
#include <algorithm>

#include "aggregator/aggregator.h"
#include "aggregator/budget.h"
#include "aggregator/page.h"
#include "common/redis_keys.h"
#include "common/text.h"

namespace paperboy {
namespace {

// Ids per SADD.
constexpr size_t kHintChunk = 500;
constexpr Milliseconds kHintDeadline{5'000};

// Whether papers are unscored for good, but not for want of money, which another try lacks too.
bool AsksNoMore(Database& db, DigestId id) {
  if (IsMendable(db, id)) return false;
  auto why = db.Query("SELECT DISTINCT why FROM row WHERE digest = ? AND state = 'unscored'", id);
  bool any = false;
  while (why.Next()) {
    if (SaysUsedUp(why.Text(0))) return false;
    any = true;
  }
  return any;
}

std::vector<std::string> SelectedPapers(Database& db, DigestId id) {
  std::vector<std::string> papers;
  auto cursor = db.Query(
      "SELECT paper FROM row WHERE digest = ? AND state = 'selected' ORDER BY position", id);
  while (cursor.Next()) papers.push_back(cursor.Text(0));
  return papers;
}

}  // namespace

// Compares all of OUT with the ledger at the start; later, when the state of a date
// was recorded, that, and looks whether the rest is there. Tried again every tick
// until it works.
void Aggregator::Reconcile() {
  const auto written = publisher_.Reconcile(compare_all_ ? std::nullopt : kNoDigest);
  reconcile_due_ = !written.ok();
  compare_all_ = compare_all_ && reconcile_due_;
  NoteUnwritten(*kNoDigest, written ? "" : written.error().message);
  if (!written) return;
  if (*written > 0) spdlog::info("{} written or removed below OUT", Counted(*written, "file"));
}

// One step in a turn, so that peers are served between them. What fails is tried again
// at a tick, when the others are out.
void Aggregator::GoOnPublishing(bool tick) {
  if (tick && !publication_ && to_publish_.empty()) {
    for (const auto& [digest, why] : failed_) to_publish_.insert(digest);
  }
  if (!publication_ && to_publish_.empty()) return;
  try {
    if (!publication_) {
      BeginPublishing();
    } else if (!publisher_.done()) {
      if (const auto step = publisher_.Step(); !step) throw StorageError(step.error().message);
    } else {
      if (const auto there = world_.store.StillThere(); !there) {
        throw StorageError(there.error().message);
      }
      Announce();
      // The comparison that is due may have more to write.
      if (publication_ != kNoDigest || !reconcile_due_) NoteUnwritten(*publication_, "");
      publication_.reset();
    }
  } catch (const StorageError& e) {
    NoteUnwritten(*publication_, e.why);
    publication_.reset();
  }
  if (!publication_ && to_publish_.empty()) return;
  world_.loop.Cancel(step_);
  step_ = world_.loop.After(Milliseconds(0), [this] { step_due_ = true; });
}

// `why` is empty when all was written. Also in the ledger, for who reads that alone.
void Aggregator::NoteUnwritten(DigestId digest, const std::string& why) {
  const auto before = failed_.find(digest);
  if (why.empty()) {
    if (before == failed_.end()) return;
  } else {
    files_.Note((digest == kNoDigest ? "not everything can be written below OUT yet: "
                                     : "a digest cannot be published yet: ") +
                    why,
                world_.loop.now());
    if (before != failed_.end() && before->second == why) return;
    failed_[digest] = "";
  }
  try {
    SetUnwritten(db_, digest, why);
  } catch (const StorageError& e) {
    // It stays among those that are tried again, and is said then.
    return spdlog::debug("the ledger cannot be told what is not written: {}", e.what());
  }
  if (!why.empty()) {
    failed_[digest] = why;
    return;
  }
  failed_.erase(digest);
  if (failed_.empty()) files_.Over();
}

// Publishes the next digest, if it is one and complete, and lists the files.
void Aggregator::BeginPublishing() {
  publication_ = *to_publish_.begin();
  to_publish_.erase(to_publish_.begin());
  const auto digest = FindDigest(db_, *publication_);
  if (digest && digest->state == "complete") {
    if (!failed_.contains(digest->id)) Log(*digest, "complete");
    publisher_.Publish(digest->id);
    unannounced_.insert(digest->id);
    days_counted_on_.clear();
  }
  publisher_.Begin(*publication_);
}

// The files are there: says so, unless the digest was opened again meanwhile.
void Aggregator::Announce() {
  const DigestId id = *publication_;
  const auto digest = FindDigest(db_, id);
  if (!digest || !IsDone(*digest)) return;
  const LogScope scope(FieldsOf(*digest));
  if (unannounced_.contains(id)) {
    const auto funnel = CountFunnel(db_, id);
    if (digest->withhold) {
      Log(*digest, "withheld: " + WhyWithheld(LoadPage(db_, id)), spdlog::level::warn);
    } else {
      const LogScope selected{{"papers", SelectedPapers(db_, id)}};
      Log(*digest,
          fmt::format("published, {} of {} papers selected", funnel.selected(), funnel.scanned()));
    }
    if (AsksNoMore(db_, id)) {
      spdlog::warn(
          "{} {}: {} without a score, and no later run asks about them: `paperboy-aggregator retry "
          "{}` asks again",
          digest->profile, digest->date, Counted(funnel.unscored(), "paper"), digest->date);
    }
    CountCompleted(*digest, funnel);
    if (const auto drift = DriftOf(db_, id); drift && drift->moved()) {
      spdlog::warn("{} {}: {}", digest->profile, digest->date, DriftText(*drift));
      metrics_.drifted.Increment();
    }
    WriteHint(*digest);
    unannounced_.erase(id);
  }
  for (const auto& follower : std::vector<Follower>(followers_)) {
    if (follower.digest == id && follower.edition == digest->edition) {
      TellPublished(follower.peer, id);
    }
  }
  SendAll();
}

// The hint for fetchers; losing it costs them some bytes.
void Aggregator::WriteHint(const Digest& digest) {
  if (!world_.redis.ready()) return;
  const std::string key = redis_keys::Seen(world_.store.id(), digest.profile);
  std::vector<std::string> command = {"SADD", key};
  auto flush = [&] {
    if (command.size() > 2)
      world_.redis.Command(command, kHintDeadline, [](const Result<RedisReply>&) {});
    command.resize(2);
  };
  auto cursor =
      db_.Query("SELECT paper FROM row WHERE digest = ? AND state NOT IN ('refused', 'not_wanted')",
                digest.id);
  while (cursor.Next()) {
    command.push_back(cursor.Text(0));
    if (command.size() >= kHintChunk) flush();
  }
  flush();
  world_.redis.Command(
      {"EXPIRE", key, std::to_string(std::chrono::seconds(redis_keys::kSeenTtl).count())},
      kHintDeadline, [](const Result<RedisReply>&) {});
}

}  // namespace paperboy
