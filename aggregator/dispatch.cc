#include "aggregator/dispatch.h"

#include <algorithm>

#include "common/wire.h"
#include "spdlog/spdlog.h"

namespace paperboy {
namespace {

// "No scorer is connected" is said after this long without one.
constexpr std::chrono::seconds kLonely{10};
// How many units of work of a digest are looked up at once.
constexpr int kCandidates = 512;
// Parsed profiles that are kept; more revisions than that are parsed again.
constexpr size_t kProfilesKept = 64;

}  // namespace

Dispatch::Dispatch(Database& db, Planner& planner, const Prices& prices)
    : db_(db), planner_(planner), prices_(prices) {}

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
  active_.clear();
  dirty_.clear();
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
  active_[id] = {digest->profile, digest->date, digest->remedial_from.empty(), false, {}};
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
  if (fresh && !ready.leaving()) {
    spdlog::info("scorer {} is here: {} {}", ready.pod(), ready.backend(), ready.model());
  }
  const bool reconnected = !fresh && scorer.peer != peer;
  scorer.peer = peer;
  scorer.pod = ready.pod();
  scorer.voice = {ready.backend(), ready.model(), ready.temperature()};
  scorer.quota_key = ready.quota_key();
  scorer.leaving = ready.leaving();
  scorer.last_ready = std::max<uint64_t>(scorer.last_ready, ready.number());
  scorer.heard = now.mono;
  scorer.unreachable_since.reset();
  Adopt(ready.boot(), ready, now);
  const std::set<uint64_t> holding(ready.holding().begin(), ready.holding().end());
  std::vector<uint64_t> lost;
  uint32_t unseen = 0;
  for (const uint64_t lease : scorer.leases) {
    if (holding.contains(lease)) continue;
    const bool overdue = now.mono - leases_.at(lease).handed_out > kSilence;
    if (lease <= ready.seen() || reconnected || overdue) {
      lost.push_back(lease);  // it was sent, and the scorer does not have it
    } else {
      ++unseen;  // on its way
    }
  }
  for (const uint64_t lease : lost) Free(lease, Release::kGivenBack);
  scorer.free_calls = ready.free_calls() > unseen ? ready.free_calls() - unseen : 0;
  if (scorer.leaving && holding.empty()) {
    // What is on its way to it comes back unopened.
    for (const uint64_t lease : std::set<uint64_t>(scorer.leases)) {
      Free(lease, Release::kGivenBack);
    }
    scorers_.erase(it);
  }
}

void Dispatch::Adopt(uint64_t boot, const wire::Ready& ready, const Instant& now) {
  std::vector<uint64_t> unknown;
  for (const uint64_t id : ready.holding()) {
    if (leases_.contains(id)) continue;
    if (!orphans_.erase(id)) {
      // Settled meanwhile, given to somebody else after a silence, or of a ledger
      // that was replaced: its result is welcome as long as the work is open. Of
      // this boot and never handed out, it is made up.
      unknown.push_back(id);
      if (BootOf(id) == boot_ && id >= next_lease_) {
        Refuse(ready.pod() + " claims lease " + std::to_string(id) +
               ", which was never handed out");
      }
      continue;
    }
    Lease lease{boot, 0, "", "", {}, now.mono};
    {
      auto cursor = db_.Query("SELECT key FROM work WHERE lease = ?", static_cast<int64_t>(id));
      while (cursor.Next()) lease.keys.push_back(cursor.Text(0));
    }
    {
      auto cursor = db_.Query("SELECT digest FROM lease WHERE id = ?", static_cast<int64_t>(id));
      if (cursor.Next()) lease.digest = cursor.Int(0);
    }
    if (const auto digest = FindDigest(db_, lease.digest); digest && digest->voice) {
      lease.model = digest->voice->model;
      lease.provider = ProviderKey(scorers_[boot], lease.model);
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
  if (frame.reply.has_batch()) Free(frame.reply.batch().lease(), Release::kGivenBack);
}

void Dispatch::ScorerGone(uint64_t boot, const std::string& how) {
  const auto it = scorers_.find(boot);
  if (it == scorers_.end()) return;
  const auto leases = it->second.leases;
  spdlog::info("scorer {} {}; {} batches go back", it->second.pod, how, leases.size());
  for (const uint64_t lease : leases) Free(lease, Release::kDied);
  scorers_.erase(boot);
}

void Dispatch::OnTick(const Instant& now) {
  // After a pause of our own it was we who heard nothing.
  const bool slept = last_tick_ && now.mono - *last_tick_ > 2 * kBeat;
  last_tick_ = now.mono;
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
  db_.Exec("DELETE FROM lease WHERE lost = 1 AND day < ?", now.eastern_day);
  GiveUpWhereProviderIsOut(now);
}

// ---- leases -----------------------------------------------------------------

// The batch goes back. Its cost stays reserved unless it was never delivered:
// the provider may have been asked.
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
    db_.Exec("UPDATE lease SET lost = 1 WHERE id = ?", number);
    const bool alone = lease.keys.size() == 1;
    db_.Exec(
        "UPDATE work SET deaths = deaths + 1, alone_deaths = alone_deaths + ? "
        "WHERE lease = ? AND state = 'open'",
        alone, number);
    db_.Exec(
        "UPDATE work SET state = 'failed', why = 'kills its worker' "
        "WHERE lease = ? AND state = 'open' AND alone_deaths >= ?",
        number, kMaxAloneDeaths);
  } else {
    db_.Exec("DELETE FROM lease WHERE id = ?", number);
  }
  db_.Exec("UPDATE work SET lease = NULL WHERE lease = ?", number);
  for (const auto& key : lease.keys) {
    auto cursor = db_.Query("SELECT DISTINCT digest FROM row WHERE work = ?", Blob{key});
    while (cursor.Next()) {
      if (auto active = active_.find(cursor.Int(0)); active != active_.end()) {
        active->second.idle = false;
      }
      dirty_.insert(cursor.Int(0));
    }
  }
}

void Dispatch::FreeOrphans() {
  if (orphans_.empty()) return;
  spdlog::info("{} batches of an earlier start were claimed by nobody and go back",
               orphans_.size());
  for (const uint64_t id : orphans_) {
    db_.Exec("UPDATE lease SET lost = 1 WHERE id = ?", static_cast<int64_t>(id));
    db_.Exec("UPDATE work SET lease = NULL WHERE lease = ?", static_cast<int64_t>(id));
  }
  orphans_.clear();
  for (auto& [id, active] : active_) active.idle = false;
}

// Whether a batch is out that has work of the digest, whichever digest it was
// handed out for.
bool Dispatch::WorkIsOut(DigestId digest) {
  return db_
      .Query(
          "SELECT 1 FROM row JOIN work ON work.key = row.work WHERE row.digest = ? "
          "AND row.state IS NULL AND work.lease IS NOT NULL LIMIT 1",
          digest)
      .Next();
}

bool Dispatch::HasLeases(const std::string& provider) const {
  return std::any_of(leases_.begin(), leases_.end(),
                     [&](const auto& entry) { return entry.second.provider == provider; });
}

std::shared_ptr<const wire::Profile> Dispatch::ProfileOf(const Digest& digest) {
  if (auto it = profiles_.find(digest.revision); it != profiles_.end()) return it->second;
  if (profiles_.size() >= kProfilesKept) profiles_.clear();
  auto profile = std::make_shared<const wire::Profile>(LoadProfileRevision(db_, digest.revision));
  profiles_[digest.revision] = profile;
  return profile;
}

// ---- handing out ------------------------------------------------------------

Voice Dispatch::VoiceFor(const wire::Profile& profile, const Scorer& scorer) const {
  Voice voice = scorer.voice;
  if (voice.backend != "lexical" && !profile.model().empty()) voice.model = profile.model();
  return voice;
}

bool Dispatch::Fits(const Digest& digest, const wire::Profile& profile,
                    const Scorer& scorer) const {
  const bool lexical = scorer.voice.backend == "lexical";
  if (!profile.model().empty() && (profile.model() == "lexical") != lexical) return false;
  return !digest.voice || *digest.voice == VoiceFor(profile, scorer);
}

std::string Dispatch::ProviderKey(const Scorer& scorer, const std::string& model) {
  return scorer.quota_key + "\n" + model;
}

bool Dispatch::ProviderReady(const std::string& key, const Instant& now) const {
  const auto it = providers_.find(key);
  if (it == providers_.end()) return true;
  const Provider& provider = it->second;
  if (now.mono < provider.not_before) return false;
  // Where something failed lately: one call at a time.
  return (provider.hard_failures == 0 &&
          provider.transient_failures < kTransientFailuresBeforeBackoff) ||
         !HasLeases(key);
}

std::vector<DigestId> Dispatch::DigestsInTurn() const {
  using Order = std::tuple<bool, uint64_t, std::string, DigestId>;
  std::vector<Order> order;
  for (const auto& [id, active] : active_) {
    if (active.idle) continue;
    const auto served = served_.find(active.profile);
    order.emplace_back(!active.live, served == served_.end() ? 0 : served->second, active.date, id);
  }
  std::sort(order.begin(), order.end());
  std::vector<DigestId> ids;
  for (const auto& entry : order) ids.push_back(std::get<DigestId>(entry));
  return ids;
}

// Digests that were sealed again by another's completion.
void Dispatch::ActivateSealed() {
  for (const DigestId id : DigestsInState(db_, "sealed")) {
    if (active_.contains(id)) continue;
    Activate(id);
    dirty_.insert(id);
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

void Dispatch::HandOut(const Instant& now) {
  AdvanceDirty(now);
  if (now.mono < hold_until_) return;
  std::vector<uint64_t> boots;
  for (const auto& [boot, scorer] : scorers_) boots.push_back(boot);
  for (bool progress = true; progress;) {
    // Who got nothing gets nothing more in this turn.
    std::erase_if(boots, [&](uint64_t boot) { return !HandOutTo(boot, now); });
    progress = !boots.empty();
    AdvanceDirty(now);
  }
}

bool Dispatch::HandOutTo(uint64_t boot, const Instant& now) {
  const Scorer& scorer = scorers_.at(boot);
  if (scorer.free_calls == 0 || scorer.leaving || scorer.unreachable_since) return false;
  for (const DigestId id : DigestsInTurn()) {
    const auto digest = FindDigest(db_, id);
    if (!digest || digest->state != "sealed") {
      active_.erase(id);  // new rows came, or a new edition
      continue;
    }
    const auto profile = ProfileOf(*digest);
    if (!Fits(*digest, *profile, scorer)) continue;
    if (!ProviderReady(ProviderKey(scorer, VoiceFor(*profile, scorer).model), now)) continue;
    if (HandOutFrom(*digest, *profile, boot, now)) {
      served_[digest->profile] = ++turn_;
      return true;
    }
  }
  return false;
}

void Dispatch::FindCandidates(DigestId digest, std::deque<Candidate>* next) {
  auto cursor = db_.Query(
      "SELECT w.key, w.paper, w.version, w.misses, w.deaths, w.stage FROM row r "
      "JOIN work w ON w.key = r.work WHERE r.digest = ? AND r.state IS NULL AND w.state = 'open' "
      "AND w.lease IS NULL ORDER BY w.deaths > 0, w.misses, w.stage, r.paper LIMIT ?",
      digest, kCandidates);
  while (cursor.Next()) {
    next->push_back({cursor.Text(0), cursor.Text(1), cursor.Int(2), cursor.Int(3),
                     cursor.Int(4) > 0, static_cast<wire::Stage>(cursor.Int(5))});
  }
}

// Another digest may have been handed the same work meanwhile, or had it answered.
bool Dispatch::StillFree(const Candidate& candidate) {
  auto cursor = db_.Query(
      "SELECT misses, deaths FROM work WHERE key = ? AND state = 'open' "
      "AND lease IS NULL",
      Blob{candidate.key});
  return cursor.Next() && cursor.Int(0) == candidate.misses &&
         (cursor.Int(1) > 0) == candidate.suspect;
}

std::vector<Dispatch::Candidate> Dispatch::NextBatch(DigestId digest,
                                                     const wire::Profile& profile) {
  auto& next = active_[digest].next;
  std::vector<Candidate> batch;
  size_t limit = 1;
  for (bool asked = false; batch.size() < limit;) {
    if (next.empty()) {
      if (!batch.empty() || std::exchange(asked, true)) break;
      FindCandidates(digest, &next);
      continue;
    }
    const Candidate& front = next.front();
    if (!batch.empty() &&
        (front.suspect || front.misses != batch[0].misses || front.stage != batch[0].stage)) {
      break;
    }
    if (StillFree(front)) {
      if (batch.empty() && !front.suspect) {
        limit = std::max<uint32_t>(1, profile.batch_size() >> std::min<int64_t>(front.misses, 31));
      }
      batch.push_back(front);
    }
    next.pop_front();
  }
  return batch;
}

bool Dispatch::HandOutFrom(const Digest& unbound, const wire::Profile& profile, uint64_t boot,
                           const Instant& now) {
  Scorer& scorer = scorers_.at(boot);
  const DigestId id = unbound.id;
  if (!unbound.voice) {
    planner_.Bind(id, VoiceFor(profile, scorer));
    dirty_.insert(id);  // it may turn out that all of it is scored already
  }
  const Digest digest = *FindDigest(db_, id);
  const auto batch = NextBatch(id, profile);
  if (batch.empty()) {
    active_[id].idle = true;
    return false;
  }
  ScorerFrame frame{scorer.peer, {}};
  auto& message = *frame.reply.mutable_batch();
  const wire::Stage stage = batch[0].stage;
  message.set_digest(id);
  message.set_heard(scorer.last_ready);
  message.set_stage(stage);
  message.set_backend(digest.voice->backend);
  message.set_model(digest.voice->model);
  message.set_prompt(PromptFor(profile, stage));
  *message.mutable_topics() = profile.topics();
  for (const auto& candidate : batch) {
    auto* view = message.add_papers();
    *view = ModelView(*FindPaper(db_, candidate.paper, candidate.version), stage);
    view->set_key(candidate.key);
  }
  const auto price = prices_.Of(digest.voice->model);
  // An upper estimate: three characters a token, an answer of 300 tokens a paper.
  const int64_t estimate = price
                               ? static_cast<int64_t>(message.ByteSizeLong() / 3) * price->prompt +
                                     static_cast<int64_t>(batch.size()) * 300 * price->completion
                               : 0;
  if (const auto why = OverBudget(digest, profile, estimate, now)) {
    if (!why->empty()) GiveUp(id, *why, now);
    return false;
  }
  const uint64_t lease = next_lease_++;
  message.set_lease(lease);
  db_.Exec("INSERT INTO lease(id, digest, day, estimate_picodollars) VALUES (?, ?, ?, ?)",
           static_cast<int64_t>(lease), id, now.eastern_day, estimate);
  Lease held{boot, id, digest.voice->model, ProviderKey(scorer, digest.voice->model), {}, now.mono};
  for (const auto& candidate : batch) {
    db_.Exec("UPDATE work SET lease = ? WHERE key = ?", static_cast<int64_t>(lease),
             Blob{candidate.key});
    held.keys.push_back(candidate.key);
  }
  leases_[lease] = std::move(held);
  scorer.leases.insert(lease);
  --scorer.free_calls;
  frames_.push_back(std::move(frame));
  return true;
}

// nullopt: within the budget. "": over it while batches are out, whose true
// cost may leave room. Otherwise why the rest cannot be scored today.
std::optional<std::string> Dispatch::OverBudget(const Digest& digest, const wire::Profile& profile,
                                                Picodollars estimate, const Instant& now) {
  const Picodollars budget = profile.budget_picodollars_per_day();
  if (budget == 0 || digest.voice->backend == "lexical") return std::nullopt;
  if (!prices_.Of(digest.voice->model)) {
    return "the profile has a budget, but the price of " + digest.voice->model +
           " is unknown: add it to the price table";
  }
  auto sum = [&](const char* sql) {
    auto cursor = db_.Query(sql, now.eastern_day, profile.name());
    return cursor.Next() ? cursor.Int(0) : 0;
  };
  const Picodollars spent = sum(
      "SELECT coalesce(sum(call.prompt_picodollars + call.completion_picodollars), 0) FROM call "
      "JOIN digest ON digest.id = call.digest WHERE day = ? AND profile = ?");
  const Picodollars reserved =
      sum("SELECT coalesce(sum(estimate_picodollars), 0) FROM lease "
          "JOIN digest ON digest.id = lease.digest WHERE day = ? AND profile = ?");
  if (spent + reserved + estimate <= budget) return std::nullopt;
  const bool more_to_settle = std::any_of(leases_.begin(), leases_.end(), [&](const auto& entry) {
    const auto active = active_.find(entry.second.digest);
    return active != active_.end() && active->second.profile == profile.name();
  });
  if (more_to_settle || WorkIsOut(digest.id)) return "";
  return fmt::format("the day's budget of ${} is used up",
                     static_cast<double>(budget) / kPicodollarsPerDollar);
}

// ---- giving up --------------------------------------------------------------

void Dispatch::GiveUp(DigestId id, const std::string& why, const Instant& now) {
  active_.erase(id);
  if (!planner_.GiveUp(id, why, now.unix_seconds)) return;
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
      const std::string key = ProviderKey(scorer, VoiceFor(*profile, scorer).model);
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
  for (const auto& [id, why] : hopeless) GiveUp(id, why, now);
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

std::string Dispatch::WaitingFor(const Digest& digest, const Instant& now) {
  if (scorers_.empty()) {
    const bool lonely = without_scorer_since_ && now.mono - *without_scorer_since_ >= kLonely;
    return lonely ? "a scorer: no scorer is connected" : "";
  }
  const auto profile = ProfileOf(digest);
  for (const auto& [boot, scorer] : scorers_) {
    if (!Fits(digest, *profile, scorer)) continue;
    const auto provider = providers_.find(ProviderKey(scorer, VoiceFor(*profile, scorer).model));
    if (provider == providers_.end()) return "";
    if (provider->second.hard_failures == 0 &&
        provider->second.transient_failures < kTransientFailuresBeforeBackoff) {
      return "";
    }
    return "the model's provider: " + provider->second.message;
  }
  const std::string model = digest.voice ? digest.voice->model : profile->model();
  return "a scorer for the model " + model + ": none of those connected is";
}

}  // namespace paperboy
