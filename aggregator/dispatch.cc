#include "aggregator/dispatch.h"

#include <algorithm>
#include <cmath>

#include "common/text.h"
#include "common/wire.h"
#include "spdlog/spdlog.h"

namespace paperboy {
namespace {

// "No scorer is connected" is said after this long without one.
constexpr std::chrono::seconds kLonely{10};
// Scorers that were logged; of more, some are logged again.
constexpr size_t kGreetedKept = 10'000;
// Parsed profiles that are kept; more revisions than that are parsed again.
constexpr size_t kProfilesKept = 64;

void LogBack(const std::string& what, size_t leases, size_t kept) {
  spdlog::info(
      "{}; given back: {}{}", what, Counted(leases - kept, "batch", "batches"),
      kept == 0 ? "" : "; kept, because they may be in a batch job: " + std::to_string(kept));
}

}  // namespace

Dispatch::Dispatch(Database& db, Planner& planner, const Prices& prices, size_t made_at_once)
    : db_(db),
      planner_(planner),
      prices_(prices),
      made_at_once_(made_at_once),
      forecaster_(db, prices),
      scaling_(db) {}

void Dispatch::Reset(int64_t boot, const Instant& now) {
  boot_ = static_cast<uint64_t>(boot);
  next_lease_ = (boot_ << 32) + 1;
  hold_until_ = now.mono + kAdoptionTime;
  orphans_until_ = now.mono + kSilence;
  without_scorer_since_ = now.mono;
  last_tick_.reset();
  scorers_.clear();
  leases_.clear();
  orphans_.clear();
  unheld_.clear();
  scaling_.Reset();
  active_.clear();
  dirty_.clear();
  failing_.clear();
  frames_.clear();
  completed_.clear();
  {
    auto cursor = db_.Query("SELECT id FROM lease WHERE lost = 0");
    while (cursor.Next()) orphans_.insert(static_cast<uint64_t>(cursor.Int(0)));
  }
  for (const DigestId id : DigestsInState(db_, "sealed")) {
    Activate(id);
    dirty_.insert(id);
  }
}

void Dispatch::Activate(DigestId id) {
  const auto digest = FindDigest(db_, id);
  if (!digest || digest->state != "sealed") {
    active_.erase(id);
    return;
  }
  active_[id] = {digest->profile, digest->date, digest->remedial_from.empty(), false, {}, false};
}

void Dispatch::OnWork(DigestId id, const Instant& now) {
  Activate(id);
  dirty_.insert(id);
  for (auto& [key, provider] : providers_) {
    if (provider.hard_failures < kMaxHardFailures) continue;
    provider.hard_failures = kMaxHardFailures - 1;
    provider.not_before = now.mono;
  }
}

// ---- who is there -----------------------------------------------------------

void Dispatch::OnReady(const std::string& peer, const wire::Ready& ready, const Instant& now) {
  auto [it, fresh] = scorers_.try_emplace(ready.boot());
  Scorer& scorer = it->second;
  // Overtaken, as on a connection that was half open: what it said since holds.
  if (!fresh && ready.number() <= scorer.last_ready) return;
  if (greeted_.size() > kGreetedKept) greeted_.clear();
  if (fresh && !ready.leaving() && greeted_.insert(ready.boot()).second) {
    spdlog::info("scorer {} is here: {} {}", ready.pod(), ready.backend(), ready.model());
  }
  const bool reconnected = !fresh && scorer.peer != peer;
  scorer.peer = peer;
  scorer.pod = ready.pod();
  scorer.voice = {ready.backend(), ready.model(), ready.temperature()};
  scorer.quota_key = ready.quota_key();
  scorer.account_key = ready.account_key();
  scorer.concurrency = ready.concurrency();
  scorer.paced_model = ready.paced_model().empty() ? ready.model() : ready.paced_model();
  scorer.latency_ms = ready.latency_ms();
  scorer.rpm = ready.rpm();
  scorer.tpm = ready.tpm();
  scorer.most_calls = ready.most_calls();
  scorer.calls_per_minute = ready.calls_per_minute();
  scorer.leaving = ready.leaving();
  scorer.defers = ready.defers();
  scorer.deferred_state = ready.deferred_state();
  scorer.trouble = ready.trouble();
  scorer.last_ready = ready.number();
  scorer.heard = now.mono;
  scorer.unreachable_since.reset();
  scaling_.Heard(scorer.paced_model, PaceOf(scorer.paced_model));
  Adopt(ready.boot(), ready, now);
  const std::set<uint64_t> holding(ready.holding().begin(), ready.holding().end());
  const std::set<uint64_t> searching(ready.searching().begin(), ready.searching().end());
  std::vector<uint64_t> lost;
  uint32_t unseen = 0, deferred_unseen = 0;
  for (const uint64_t lease : scorer.leases) {
    Lease& held = leases_.at(lease);
    held.searching = searching.contains(lease);
    if (holding.contains(lease)) continue;
    // Not by our own clock alone: after a pause of ours old words come first.
    const bool overdue = now.mono - held.handed_out > kSilence &&
                         ready.number() > held.last_ready + kSilence / kBeat;
    if ((!held.resumed && lease <= ready.seen()) || reconnected || overdue) {
      lost.push_back(lease);  // it was sent, and the scorer does not have it
    } else {
      ++(held.deferred ? deferred_unseen : unseen);  // on its way
    }
  }
  for (const uint64_t lease : lost) Lose(lease, Release::kGivenBack);
  scorer.free_calls = ready.free_calls() - std::min(ready.free_calls(), unseen);
  scorer.deferred_free = ready.deferred_free() - std::min(ready.deferred_free(), deferred_unseen);
  if (scorer.leaving && holding.empty()) {
    // What is on its way to it comes back unopened.
    for (const uint64_t lease : std::set<uint64_t>(scorer.leases)) {
      Lose(lease, Release::kGivenBack);
    }
    scorers_.erase(it);
  }
}

void Dispatch::Adopt(uint64_t boot, const wire::Ready& ready, const Instant& now) {
  std::vector<uint64_t> unknown;
  for (const uint64_t id : ready.holding()) {
    if (const auto held = leases_.find(id); held != leases_.end()) {
      if (held->second.scorer != boot) {
        Refuse(ready.pod() + " claims lease " + std::to_string(id) +
               ", which another scorer was given");
        unknown.push_back(id);
      }
      continue;
    }
    if (orphans_.erase(id) + unheld_.erase(id) == 0) {
      // Settled meanwhile, given back after a silence, or of a ledger that was
      // replaced: its result is welcome as long as the work is open. What was never
      // handed out is made up.
      unknown.push_back(id);
      if (id >= next_lease_) {
        Refuse(ready.pod() + " claims lease " + std::to_string(id) +
               ", which was never handed out");
      }
      continue;
    }
    Lease lease{boot, 0, "", "", {}, now.mono, ready.number()};
    {
      auto cursor = db_.Query("SELECT key FROM work WHERE lease = ?", static_cast<int64_t>(id));
      while (cursor.Next()) lease.keys.push_back(cursor.Text(0));
    }
    {
      auto cursor = db_.Query("SELECT digest, deferred IS NOT NULL FROM lease WHERE id = ?",
                              static_cast<int64_t>(id));
      if (cursor.Next()) {
        lease.digest = cursor.Int(0);
        lease.deferred = cursor.Int(1) != 0;
      }
    }
    if (const auto digest = FindDigest(db_, lease.digest); digest && digest->voice) {
      lease.model = digest->voice->model;
      lease.provider = ProviderKey(scorers_[boot], lease.model, lease.deferred);
    }
    scorers_[boot].leases.insert(id);
    leases_[id] = std::move(lease);
  }
  if (unknown.empty()) return;
  auto& frame = frames_.emplace_back(ScorerFrame{scorers_[boot].peer, {}});
  frame.reply.mutable_void_leases()->mutable_leases()->Add(unknown.begin(), unknown.end());
}

void Dispatch::OnUndelivered(const ScorerFrame& frame, const Instant& now) {
  for (auto& [boot, scorer] : scorers_) {
    if (scorer.peer == frame.peer && !scorer.unreachable_since) scorer.unreachable_since = now.mono;
  }
  if (frame.reply.has_batch()) Lose(frame.reply.batch().lease(), Release::kGivenBack);
}

void Dispatch::ScorerGone(uint64_t boot, const std::string& how) {
  const auto it = scorers_.find(boot);
  if (it == scorers_.end()) return;
  const auto leases = it->second.leases;
  const size_t kept = unheld_.size();
  for (const uint64_t lease : leases) Lose(lease, Release::kDied);
  LogBack("scorer " + it->second.pod + " " + how, leases.size(), unheld_.size() - kept);
  scorers_.erase(boot);
}

void Dispatch::OnTick(const Instant& now) {
  // After a pause of our own it was we who heard nothing.
  const bool slept = last_tick_ && now.mono - *last_tick_ > 2 * kBeat;
  last_tick_ = now.mono;
  if (std::exchange(eastern_day_, now.eastern_day) != now.eastern_day) {
    // The new day has money of its own.
    for (auto& [id, active] : active_) active.short_of_money = false;
  }
  std::vector<std::pair<uint64_t, std::string>> gone;
  for (auto& [boot, scorer] : scorers_) {
    if (slept) {
      scorer.heard = now.mono;
      scorer.unreachable_since.reset();
    }
    if (scorer.unreachable_since && now.mono - *scorer.unreachable_since > kReconnectTime) {
      gone.emplace_back(boot, "is not connected any more");
    } else if (now.mono - scorer.heard > kSilence) {
      gone.emplace_back(boot, "fell silent");
    }
  }
  for (const auto& [boot, how] : gone) ScorerGone(boot, how);
  if (now.mono >= orphans_until_) FreeOrphans();
  if (!scorers_.empty()) {
    without_scorer_since_.reset();
  } else if (!without_scorer_since_) {
    without_scorer_since_ = now.mono;
  }
  GiveUpWhereProviderIsOut(now);
  scaling_.Keep();
}

// ---- leases -----------------------------------------------------------------

// The batch goes back, and to whom it matters is looked at.
void Dispatch::Free(uint64_t id, Release how) {
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  const Lease lease = it->second;
  leases_.erase(it);
  if (auto scorer = scorers_.find(lease.scorer); scorer != scorers_.end()) {
    scorer->second.leases.erase(id);
  }
  const auto number = static_cast<int64_t>(id);
  if (how == Release::kDied) {
    const bool alone = lease.keys.size() == 1;
    db_.Exec(
        "UPDATE work SET deaths = deaths + 1, alone_deaths = alone_deaths + ? "
        "WHERE lease = ? AND state = 'open'",
        alone, number);
    db_.Exec(
        "UPDATE work SET state = 'failed', why = 'kills its worker' "
        "WHERE lease = ? AND state = 'open' AND alone_deaths >= ?",
        number, kMaxAloneDeaths);
  }
  Settle(number, how);
}

// Its estimate stays spent where the provider may have been asked and nobody knows
// what that cost. The work can be handed out again, or has ended; whoever waits for it,
// or for money, is looked at.
void Dispatch::Settle(int64_t lease, Release how) {
  if (how != Release::kGivenBack) {
    // Who scores by words asks nobody.
    db_.Exec(
        "UPDATE lease SET lost = 1, deferred = NULL WHERE id = ? AND "
        "(SELECT backend FROM digest WHERE digest.id = lease.digest) IS NOT 'lexical'",
        lease);
  }
  db_.Exec("DELETE FROM lease WHERE id = ? AND (lost = 0 OR ?)", lease, how == Release::kGivenBack);
  for (auto& [id, active] : active_) active.short_of_money = false;
  auto cursor = db_.Query(
      "SELECT row.digest FROM work JOIN row ON row.work = work.key WHERE work.lease = ?1 UNION "
      "SELECT reading.digest FROM work JOIN reading ON reading.work = work.key "
      "WHERE work.lease = ?1",
      lease);
  while (cursor.Next()) dirty_.insert(cursor.Int(0));
  db_.Exec("UPDATE work SET lease = NULL WHERE lease = ?", lease);
}

void Dispatch::FreeOrphans() {
  if (orphans_.empty()) return;
  const size_t kept = unheld_.size();
  for (const uint64_t id : orphans_) {
    if (!KeepUnheld(id)) Settle(static_cast<int64_t>(id), Release::kCostUnknown);
  }
  LogBack("of an earlier start, claimed by nobody", orphans_.size(), unheld_.size() - kept);
  orphans_.clear();
}

// Whether a batch is out that has work of the digest, whichever digest it was
// handed out for.
bool Dispatch::WorkIsOut(DigestId digest) {
  return db_
      .Query(
          "SELECT 1 FROM row JOIN work ON work.key = row.work WHERE row.digest = ?1 "
          "AND row.state IS NULL AND work.lease IS NOT NULL UNION ALL SELECT 1 FROM reading "
          "JOIN work ON work.key = reading.work WHERE reading.digest = ?1 "
          "AND work.lease IS NOT NULL LIMIT 1",
          digest)
      .Next();
}

bool Dispatch::HasLeases(const std::string& provider) const {
  return std::any_of(leases_.begin(), leases_.end(),
                     [&](const auto& entry) { return entry.second.provider == provider; });
}

std::shared_ptr<const wire::Profile> Dispatch::ProfileOf(const Digest& digest) {
  const std::string key = digest.revision + " " + digest.given_up;
  if (auto it = profiles_.find(key); it != profiles_.end()) return it->second;
  if (profiles_.size() >= kProfilesKept) profiles_.clear();
  auto profile = std::make_shared<const wire::Profile>(ProfileAsScored(db_, digest));
  profiles_[key] = profile;
  return profile;
}

// ---- completing and giving up --------------------------------------------------------------

// Digests that were sealed again by another's completion.
void Dispatch::ActivateSealed() {
  for (const DigestId id : DigestsInState(db_, "sealed")) {
    if (!active_.contains(id)) Activate(id);
    dirty_.insert(id);  // papers of it may have moved
  }
}

void Dispatch::AdvanceDirty(const Instant& now) {
  while (!dirty_.empty()) {
    const DigestId id = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    if (!active_.contains(id)) continue;
    active_[id].idle = false;
    if (!planner_.Advance(id, now.unix_seconds)) continue;
    active_.erase(id);
    completed_.push_back(id);
    ActivateSealed();
  }
}

void Dispatch::GiveUp(DigestId id, const Stop& stop, const Instant& now) {
  active_.erase(id);
  if (!planner_.GiveUp(id, stop.why, now.unix_seconds, stop.mendable)) return;
  completed_.push_back(id);
  ActivateSealed();
}

void Dispatch::GiveUpWhereProviderIsOut(const Instant& now) {
  const bool any_out = std::any_of(providers_.begin(), providers_.end(), [](const auto& entry) {
    return entry.second.hard_failures >= kMaxHardFailures;
  });
  if (!any_out) return;
  std::vector<std::pair<DigestId, std::string>> hopeless;
  for (const auto& [id, active] : active_) {
    if (WorkIsOut(id)) continue;
    const auto digest = FindDigest(db_, id);
    const auto profile = ProfileOf(*digest);
    std::string why;
    bool hope = false;
    for (const auto& [boot, scorer] : scorers_) {
      if (scorer.leaving || scorer.unreachable_since || !Fits(*digest, *profile, scorer)) continue;
      const std::string key = ProviderFor(*digest, *profile, scorer);
      const auto provider = providers_.find(key);
      // While a call is out there the last word is not spoken.
      if (provider != providers_.end() && !HasLeases(key) &&
          provider->second.hard_failures >= kMaxHardFailures) {
        why = provider->second.message;
      } else {
        hope = true;
      }
    }
    if (!hope && !why.empty()) hopeless.emplace_back(id, why);
  }
  for (const auto& [id, why] : hopeless) GiveUp(id, {why}, now);
}

std::vector<ScorerFrame> Dispatch::Beats() const {
  std::vector<ScorerFrame> beats;
  for (const auto& [boot, scorer] : scorers_) {
    auto& beat = beats.emplace_back(ScorerFrame{scorer.peer, {}});
    beat.reply.mutable_beat()->set_boot(boot_);
    beat.reply.mutable_beat()->set_heard(scorer.last_ready);
  }
  return beats;
}

MonotonicTime::duration Dispatch::OldestLease(const Instant& now) const {
  MonotonicTime oldest = now.mono;
  for (const auto& [id, lease] : leases_) {
    if (!lease.deferred) oldest = std::min(oldest, lease.handed_out);
  }
  return now.mono - oldest;
}

std::map<std::string, Dispatch::Pace> Dispatch::Paces() const {
  std::map<std::string, Pace> paces;
  for (const auto& [boot, scorer] : scorers_) {
    Pace& pace = paces[scorer.paced_model];
    pace.concurrency += scorer.concurrency;
    pace.latency_ms = std::max(pace.latency_ms, scorer.latency_ms);
  }
  for (const auto& [key, provider] : providers_) {
    if (provider.hard_failures < kMaxHardFailures) continue;
    paces[key.substr(key.find('\n') + 1)].out = true;
  }
  return paces;
}

// What the scorers for the model say together.
ScorerPace Dispatch::PaceOf(const std::string& model) const {
  std::vector<ScorerPace> said;
  for (const auto& [boot, scorer] : scorers_) {
    if (scorer.paced_model != model) continue;
    ScorerPace& pace =
        said.emplace_back(ScorerPace{scorer.rpm, scorer.tpm, scorer.most_calls, scorer.latency_ms});
    // It knows better what its calls count than the ledger, which has what they used.
    if (scorer.calls_per_minute > 0) pace.rpm = scorer.calls_per_minute, pace.tpm = 0;
  }
  return Together(said);
}

// Whether every scorer for the model that is here has a provider that refuses every call.
bool Dispatch::IsOut(const std::string& model) const {
  bool any = false;
  for (const auto& [boot, scorer] : scorers_) {
    if (scorer.paced_model != model) continue;
    any = true;
    const auto provider = providers_.find(ProviderKey(scorer, model, false));
    if (provider == providers_.end() || provider->second.hard_failures < kMaxHardFailures) {
      return false;
    }
  }
  return any;
}

// Work that several digests wait for counts once.
Dispatch::Demand Dispatch::Demanded(const Instant& now) {
  Demand demand;
  std::map<DigestId, uint64_t> waiting;  // all sealed ones; further readings are papers too
  for (const DigestId id : DigestsInState(db_, "sealed")) waiting[id] = 0;
  auto cursor = db_.Query(
      "SELECT first, count(*) FROM (SELECT min(digest) AS first FROM "
      "(SELECT row.digest, coalesce(row.work, row.digest || row.paper) AS work FROM digest "
      "CROSS JOIN row ON row.digest = digest.id LEFT JOIN work ON work.key = row.work "
      "WHERE digest.state = 'sealed' AND row.state IS NULL "
      "AND (work.key IS NULL OR work.state = 'open') "
      "UNION ALL SELECT reading.digest, work.key FROM digest "
      "CROSS JOIN reading ON reading.digest = digest.id JOIN work ON work.key = reading.work "
      "WHERE digest.state = 'sealed' AND work.state = 'open') GROUP BY work) GROUP BY first");
  while (cursor.Next()) waiting[cursor.Int(0)] = static_cast<uint64_t>(cursor.Int(1));
  std::map<std::string, Backlog> backlogs;
  std::map<std::pair<std::string, std::string>, Forecaster::TypicalCall> calls;
  for (const auto& [id, papers] : waiting) {
    const Digest digest = *FindDigest(db_, id);
    const auto profile = ProfileOf(digest);
    const Voice voice = LikelyVoice(digest, *profile);
    Backlog& backlog = backlogs[voice.model];
    demand.papers += papers;
    if (papers == 0 || IsDeferred(digest, *profile)) {
      backlog.waits = true;
      continue;
    }
    const auto [call, fresh] = calls.try_emplace({voice.model, digest.revision});
    if (fresh) call->second = forecaster_.CallOf(voice.model, *profile);
    backlog.calls += std::ceil(static_cast<double>(papers) / call->second.papers);
    backlog.tokens_per_call = std::max(backlog.tokens_per_call, call->second.tokens);
  }
  for (auto& [model, backlog] : backlogs) backlog.out = IsOut(model);
  demand.scorers = scaling_.Desired(backlogs, now.mono);
  return demand;
}

Dispatch::Wait Dispatch::WaitingFor(const Digest& digest, const Instant& now) {
  if (scorers_.empty()) {
    const bool lonely = without_scorer_since_ && now.mono - *without_scorer_since_ >= kLonely;
    return {lonely ? "a scorer: no scorer is connected" : ""};
  }
  const auto profile = ProfileOf(digest);
  std::string trouble;
  for (const auto& [boot, scorer] : scorers_) {
    if (!Fits(digest, *profile, scorer)) continue;
    if (!scorer.trouble.empty()) {
      trouble = scorer.trouble;
      continue;
    }
    const auto provider = providers_.find(ProviderFor(digest, *profile, scorer));
    if (provider == providers_.end() ||
        (provider->second.hard_failures == 0 &&
         provider->second.transient_failures < kTransientFailuresBeforeBackoff)) {
      return DeferredState(digest.id);
    }
    return {"the model's provider: " + provider->second.message};
  }
  if (!trouble.empty()) return {trouble + " (so say the scorers)"};
  if (const Wait state = DeferredState(digest.id); !state.what.empty()) return state;
  const std::string model = digest.voice ? digest.voice->model : profile->model();
  if (IsDeferred(digest, *profile)) {
    return {"a scorer for the model " + model +
            " whose provider has a batch API, which the profile asks for on rebuilt days: none of "
            "those connected has; without batch_api the day is scored at the full price"};
  }
  return {"a scorer for the model " + model + ": none of those connected is"};
}

}  // namespace paperboy
