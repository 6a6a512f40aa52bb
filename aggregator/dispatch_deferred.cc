// The part of Dispatch that keeps deferred batches: leases that outlive their scorer.
#include <algorithm>

#include "aggregator/dispatch.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {

// What was published live is never waited for that long.
bool Dispatch::IsDeferred(const Digest& digest, const wire::Profile& profile) {
  const bool lexical =
      digest.voice ? digest.voice->backend == "lexical" : profile.model() == "lexical";
  return profile.batch_api() && !digest.remedial_from.empty() && !lexical;
}

bool Dispatch::HasFree(const Scorer& scorer, bool deferred) {
  const bool lexical = scorer.voice.backend == "lexical";
  return (deferred && !lexical ? scorer.deferred_free : scorer.free_calls) > 0;
}

// The name carries the ledger's id, so that no two ledgers ever give one twice; the
// number has a fixed width, so that names sort as leases do.
void Dispatch::Defer(const Scorer& scorer, wire::Batch* batch) {
  std::string ledger;
  {
    auto cursor = db_.Query("SELECT value FROM meta WHERE key = 'ledger_id'");
    if (cursor.Next()) ledger = cursor.Text(0);
  }
  batch->set_custom_id(fmt::format("{}-{:016x}", ledger, batch->lease()));
  batch->set_quota_key(scorer.quota_key);
  db_.Exec("UPDATE lease SET deferred = ? WHERE id = ?", Blob{batch->SerializeAsString()},
           static_cast<int64_t>(batch->lease()));
}

std::optional<wire::Batch> Dispatch::StoredBatch(uint64_t lease) {
  auto cursor = db_.Query("SELECT deferred FROM lease WHERE id = ? AND deferred IS NOT NULL",
                          static_cast<int64_t>(lease));
  wire::Batch batch;
  if (!cursor.Next() || !batch.ParseFromString(cursor.Text(0))) return std::nullopt;
  return batch;
}

// The scorer does not have it any more: it goes back, or if it may have been submitted,
// to whoever can ask the provider for it. Nobody's death is blamed on its papers: scorers
// come and go in the hours that it takes.
void Dispatch::Lose(uint64_t id, Release how) {
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  if (!it->second.deferred) return Free(id, how);
  if (auto scorer = scorers_.find(it->second.scorer); scorer != scorers_.end()) {
    scorer->second.leases.erase(id);
  }
  leases_.erase(it);
  if (!KeepUnheld(id)) Settle(static_cast<int64_t>(id), Release::kCostUnknown);
}

// False for an ordinary one, and for one whose papers are all answered.
bool Dispatch::KeepUnheld(uint64_t lease) {
  const auto batch = StoredBatch(lease);
  if (!batch ||
      !db_.Query("SELECT 1 FROM work WHERE lease = ? LIMIT 1", static_cast<int64_t>(lease)).Next())
    return false;
  unheld_[lease] = batch->quota_key();
  return true;
}

// Whether a digest waits for any of it. After a changed prompt nobody may: then it is
// not submitted anew, and kept in case that somebody does again.
bool Dispatch::IsWanted(uint64_t lease) {
  return db_
      .Query(
          "SELECT 1 FROM work JOIN row ON row.work = work.key WHERE work.lease = ?1 "
          "AND row.state IS NULL UNION ALL SELECT 1 FROM work JOIN reading "
          "ON reading.work = work.key WHERE work.lease = ?1 LIMIT 1",
          static_cast<int64_t>(lease))
      .Next();
}

void Dispatch::Resume(const Instant& now) {
  for (auto& [boot, scorer] : scorers_) {
    if (scorer.leaving || scorer.unreachable_since || !scorer.defers) continue;
    for (auto it = unheld_.begin(); it != unheld_.end() && scorer.deferred_free > 0;) {
      const uint64_t id = it->first;
      if (it->second != scorer.quota_key || !IsWanted(id)) {
        ++it;
        continue;
      }
      it = unheld_.erase(it);
      auto batch = StoredBatch(id);
      if (!batch) continue;
      Lease lease{boot,
                  static_cast<DigestId>(batch->digest()),
                  batch->model(),
                  ProviderKey(scorer, batch->model(), true),
                  {},
                  now.mono,
                  scorer.last_ready,
                  true,
                  true};
      for (const auto& paper : batch->papers()) lease.keys.push_back(paper.key());
      batch->set_resumed(true);
      batch->set_heard(scorer.last_ready);
      ScorerFrame frame{scorer.peer, {}};
      *frame.reply.mutable_batch() = *std::move(batch);
      frames_.push_back(std::move(frame));
      leases_[id] = std::move(lease);
      scorer.leases.insert(id);
      --scorer.deferred_free;
    }
  }
}

bool Dispatch::SomebodySees(const std::string& quota) const {
  return std::any_of(scorers_.begin(), scorers_.end(), [&](const auto& entry) {
    return entry.second.defers && entry.second.quota_key == quota;
  });
}

uint64_t Dispatch::GiveUpUnheld(const std::string& date) {
  std::vector<uint64_t> given_up;
  if (scorers_.empty()) return 0;  // none to ask anew, and the right one may be about to come
  for (const auto& [id, quota] : unheld_) {
    if (SomebodySees(quota)) continue;
    const bool its = db_.Query(
                            "SELECT 1 FROM lease JOIN digest ON digest.id = lease.digest "
                            "WHERE lease.id = ? AND digest.date = ?",
                            static_cast<int64_t>(id), date)
                         .Next();
    if (its) given_up.push_back(id);
  }
  for (const uint64_t id : given_up) {
    unheld_.erase(id);
    Settle(static_cast<int64_t>(id), Release::kCostUnknown);
  }
  return given_up.size();
}

// What a deferred digest waits for, in the words of the scorers that hold its batches; ""
// if it has none out.
std::string Dispatch::DeferredState(DigestId digest) {
  std::set<uint64_t> holders;
  for (const auto& [id, lease] : leases_) {
    if (lease.deferred && lease.digest == digest) holders.insert(lease.scorer);
  }
  std::string text;
  for (const uint64_t boot : holders) {
    const auto scorer = scorers_.find(boot);
    if (scorer == scorers_.end() || scorer->second.deferred_state.empty()) continue;
    text += (text.empty() ? "the provider's batch API: " : "; ") + scorer->second.deferred_state;
  }
  if (!text.empty() || !holders.empty()) return text;
  for (const auto& [id, quota] : unheld_) {
    const bool its = db_.Query("SELECT 1 FROM lease WHERE id = ? AND digest = ?",
                               static_cast<int64_t>(id), digest)
                         .Next();
    if (its && !SomebodySees(quota)) {
      return "a scorer with the key, URL and model that submitted batch jobs of this digest: none "
             "of those connected has them (`paperboy-aggregator retry` gives the jobs up)";
    }
  }
  return "";
}

}  // namespace paperboy
