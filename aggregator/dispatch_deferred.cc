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

bool Dispatch::HasFree(const Scorer& scorer, bool deferred) const {
  if (!deferred || scorer.voice.backend == "lexical") return scorer.free_calls > 0;
  return scorer.deferred_free > 0 && deferred_now_ < kDeferredAtOnce &&
         deferred_out_ < kMostDeferred;
}

void Dispatch::CountDeferred() {
  deferred_now_ = 0;
  deferred_out_ = unheld_.size() + static_cast<size_t>(std::count_if(
                                       leases_.begin(), leases_.end(),
                                       [](const auto& entry) { return entry.second.deferred; }));
}

// The name carries the ledger's id, so that no two ledgers ever give one twice; the
// number has a fixed width, so that names sort as leases do.
void Dispatch::Defer(const Scorer& scorer, wire::Batch* batch, const Instant& now) {
  std::string ledger;
  {
    auto cursor = db_.Query("SELECT value FROM meta WHERE key = 'ledger_id'");
    if (cursor.Next()) ledger = cursor.Text(0);
  }
  batch->set_custom_id(fmt::format("{}-{:016x}", ledger, batch->lease()));
  batch->set_account_key(scorer.account_key);
  batch->set_handed_out(now.unix_seconds);
  ++deferred_now_;
  ++deferred_out_;
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

// A scorer that held a batch before says that it could not submit it. Whoever has it now
// may have found it in a job: only its own word ends the lease.
bool Dispatch::IsStale(const std::string& peer, const wire::Result& result) {
  if (result.failure().kind() == wire::ProviderFailure::NONE || result.calls_size() > 0) {
    return false;
  }
  const auto lease = leases_.find(result.lease());
  if (lease == leases_.end()) return StoredBatch(result.lease()).has_value();
  const auto holder = scorers_.find(lease->second.scorer);
  return lease->second.deferred && (holder == scorers_.end() || holder->second.peer != peer);
}

// False for an ordinary one, and for one whose papers are all answered.
bool Dispatch::KeepUnheld(uint64_t lease) {
  const auto batch = StoredBatch(lease);
  if (!batch ||
      !db_.Query("SELECT 1 FROM work WHERE lease = ? LIMIT 1", static_cast<int64_t>(lease)).Next())
    return false;
  unheld_[lease] = {batch->account_key(), batch->digest()};
  return true;
}

// Also what no digest waits for any more, as after a changed prompt: it may have been
// submitted, and then its cost is to be booked. Who resumes a batch never submits it.
void Dispatch::Resume(const Instant& now) {
  for (auto& [boot, scorer] : scorers_) {
    if (scorer.leaving || scorer.unreachable_since || !scorer.defers) continue;
    for (auto it = unheld_.begin();
         it != unheld_.end() && scorer.deferred_free > 0 && deferred_now_ < kDeferredAtOnce;) {
      const uint64_t id = it->first;
      if (it->second.account != scorer.account_key) {
        ++it;
        continue;
      }
      it = unheld_.erase(it);
      auto batch = StoredBatch(id);
      if (!batch) continue;
      ++deferred_now_;
      Lease lease{.scorer = boot,
                  .digest = static_cast<DigestId>(batch->digest()),
                  .model = batch->model(),
                  .provider = ProviderKey(scorer, batch->model(), true),
                  .keys = {},
                  .handed_out = now.mono,
                  .last_ready = scorer.last_ready,
                  .deferred = true,
                  .resumed = true};
      for (const auto& paper : batch->papers()) lease.keys.push_back(paper.key());
      if (batch->trace().empty()) {  // stored before batches had one
        if (const auto digest = FindDigest(db_, lease.digest)) batch->set_trace(TraceOf(*digest));
      }
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

bool Dispatch::SomebodySees(const std::string& account) const {
  return std::any_of(scorers_.begin(), scorers_.end(), [&](const auto& entry) {
    return entry.second.defers && entry.second.account_key == account;
  });
}

// Whether its scorer looks for it in vain: a job would have ended by now.
bool Dispatch::IsLost(uint64_t id, const Lease& lease, const Instant& now) {
  if (!lease.searching || now.mono - lease.handed_out < kSearchTime) return false;
  const auto batch = StoredBatch(id);
  return batch && now.unix_seconds - batch->handed_out() >= kJobTime.count();
}

uint64_t Dispatch::GiveUpDeferred(const std::string& date, const Instant& now) {
  const auto its = [&](DigestId id) {
    const auto digest = FindDigest(db_, id);
    return digest && digest->date == date;
  };
  std::vector<uint64_t> unseen, lost;
  if (scorers_.empty()) return 0;  // none to ask anew, and the right one may be about to come
  for (const auto& [id, batch] : unheld_) {
    if (!SomebodySees(batch.account) && its(batch.digest)) unseen.push_back(id);
  }
  for (const auto& [id, lease] : leases_) {
    if (lease.deferred && IsLost(id, lease, now) && its(lease.digest)) lost.push_back(id);
  }
  for (const uint64_t id : unseen) {
    unheld_.erase(id);
    Settle(static_cast<int64_t>(id), Release::kCostUnknown);
  }
  for (const uint64_t id : lost) Free(id, Release::kCostUnknown);
  return unseen.size() + lost.size();
}

// What a deferred digest waits for, in the words of the scorers that hold its batches; ""
// if it has none out.
Dispatch::Wait Dispatch::DeferredState(DigestId digest) {
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
  if (!text.empty() || !holders.empty()) return {.what = text, .usual = true};
  for (const auto& [id, batch] : unheld_) {
    if (batch.digest == digest && !SomebodySees(batch.account)) {
      return {
          "a scorer with the key and URL that submitted batch jobs of this digest: none of "
          "those connected has them (`paperboy-aggregator retry` gives the jobs up)"};
    }
  }
  return {};
}

}  // namespace paperboy
