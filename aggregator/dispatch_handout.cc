// The part of Dispatch that decides who gets what: credit, turns, batches, budgets.
#include <algorithm>
#include <cmath>

#include "aggregator/dispatch.h"
#include "common/log.h"
#include "common/profile.h"
#include "common/tokens.h"

namespace paperboy {

Voice Dispatch::VoiceFor(const wire::Profile& profile, const Scorer& scorer) const {
  Voice voice = scorer.voice;
  if (voice.backend != "lexical" && !profile.model().empty()) voice.model = profile.model();
  return voice;
}

bool Dispatch::Fits(const Digest& digest, const wire::Profile& profile,
                    const Scorer& scorer) const {
  const bool lexical = scorer.voice.backend == "lexical";
  if (!profile.model().empty() && (profile.model() == "lexical") != lexical) return false;
  if (!lexical && !scorer.defers && IsDeferred(digest, profile)) return false;
  return !digest.voice || *digest.voice == VoiceFor(profile, scorer);
}

std::string Dispatch::ProviderKey(const Scorer& scorer, const std::string& model, bool deferred) {
  return deferred ? scorer.account_key + "\n" + model + " (batch API)"
                  : scorer.quota_key + "\n" + model;
}

std::string Dispatch::ProviderFor(const Digest& digest, const wire::Profile& profile,
                                  const Scorer& scorer) const {
  const bool deferred = IsDeferred(digest, profile) && scorer.voice.backend != "lexical";
  return ProviderKey(scorer, VoiceFor(profile, scorer).model, deferred);
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
    if (active.idle || active.short_of_money) continue;
    const auto served = served_.find(active.profile);
    order.emplace_back(!active.live, served == served_.end() ? 0 : served->second, active.date, id);
  }
  std::sort(order.begin(), order.end());
  std::vector<DigestId> ids;
  for (const auto& entry : order) ids.push_back(std::get<DigestId>(entry));
  return ids;
}

void Dispatch::HandOut(const Instant& now) {
  AdvanceDirty(now);
  if (now.mono < hold_until_) return;
  CountDeferred();
  Resume(now);
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
  if (scorer.leaving || scorer.unreachable_since) return false;
  if (scorer.free_calls == 0 && scorer.deferred_free == 0) return false;
  for (const DigestId id : DigestsInTurn()) {
    const auto digest = FindDigest(db_, id);
    if (!digest || digest->state != "sealed") {
      active_.erase(id);  // new rows came, or a new edition
      continue;
    }
    const auto profile = ProfileOf(*digest);
    if (!HasFree(scorer, IsDeferred(*digest, *profile))) continue;
    if (!Fits(*digest, *profile, scorer)) continue;
    if (!ProviderReady(ProviderFor(*digest, *profile, scorer), now)) continue;
    if (HandOutFrom(*digest, *profile, boot, now)) {
      served_[digest->profile] = ++turn_;
      return true;
    }
  }
  return false;
}

// A quota that several scorers share counts once; one without a limit makes all
// unlimited.
Capacity Dispatch::CapacityFor(const Digest& digest, const wire::Profile& profile) const {
  Capacity capacity;
  if (capacity.deferred = IsDeferred(digest, profile); capacity.deferred) return capacity;
  std::set<std::string> quotas;
  bool free_requests = false, free_tokens = false;
  for (const auto& [boot, scorer] : scorers_) {
    if (scorer.leaving || scorer.unreachable_since || !Fits(digest, profile, scorer)) continue;
    capacity.calls += scorer.concurrency;
    free_requests |= scorer.rpm == 0;
    free_tokens |= scorer.tpm == 0;
    if (!quotas.insert(scorer.quota_key).second) continue;
    capacity.rpm += scorer.rpm;
    capacity.tpm += scorer.tpm;
  }
  if (free_requests) capacity.rpm = 0;
  if (free_tokens) capacity.tpm = 0;
  return capacity;
}

// Whether another digest has work for the scorers of this one.
bool Dispatch::OthersWait(const Digest& digest) {
  const auto profile = ProfileOf(digest);
  return std::any_of(active_.begin(), active_.end(), [&](const auto& entry) {
    const Active& active = entry.second;
    if (entry.first == digest.id || active.idle || active.short_of_money) return false;
    const auto other = FindDigest(db_, entry.first);
    if (!other || other->state != "sealed") return false;
    const auto theirs = ProfileOf(*other);
    if (IsDeferred(*other, *theirs)) return false;
    return std::any_of(scorers_.begin(), scorers_.end(), [&](const auto& known) {
      const Scorer& scorer = known.second;
      return !scorer.leaving && !scorer.unreachable_since && Fits(digest, *profile, scorer) &&
             Fits(*other, *theirs, scorer);
    });
  });
}

// Who is handed out in a batch of its own: what a worker died of, and what could talk
// the model into scores for its company.
#define ALONE "(w.deaths > 0 OR w.addresses_model <> '')"
// Rows are 1.
#define PLACE                                                                                \
  "iif(u.anchor, iif((SELECT forecast_now > budget_left FROM digest WHERE id = ?1), 2, 0), " \
  "iif(u.sample = 0, 1, 3))"

// Anchors go first, so that they need not be waited for, unless rows need the money.
// Further readings come last and in the order of a hash: a paper is in other company every
// time. While rows have no unit of work yet, whatever comes after them waits.
void Dispatch::FindCandidates(DigestId digest, bool all_made, std::deque<Candidate>* next) {
  auto cursor = db_.Query(
      "SELECT w.key, w.paper, w.version, w.misses + w.failures, " ALONE
      ", w.stage FROM "
      "(SELECT work, 0 AS sample, 0 AS anchor FROM row WHERE digest = ?1 AND state IS NULL "
      "UNION ALL SELECT work, sample, anchor FROM reading WHERE digest = ?1) u "
      "CROSS JOIN work w ON w.key = u.work WHERE w.state = 'open' AND w.lease IS NULL "
      "AND (?3 OR (" PLACE " < 2 AND w.misses + w.failures = 0 AND NOT " ALONE ")) ORDER BY " ALONE
      ", w.misses + w.failures, " PLACE
      ", u.sample, w.stage, iif(u.sample = 0, w.paper, hex(w.key)) LIMIT ?2",
      digest, static_cast<int64_t>(kCandidates), all_made);
  while (cursor.Next()) {
    const std::string key = cursor.Text(0);
    next->push_back({key,
                     cursor.Text(1),
                     cursor.Int(2),
                     cursor.Int(3) + Splits(key),
                     cursor.Int(4) != 0,
                     static_cast<wire::Stage>(cursor.Int(5)),
                     {}});
  }
}

// What is made may be answered already: then the digest is looked at.
void Dispatch::FindNext(DigestId digest, size_t wanted) {
  Active& active = active_[digest];
  size_t made = 0;
  do {
    made = planner_.MakeWork(digest, made_at_once_);
    if (made > 0) dirty_.insert(digest);
    active.next.clear();
    active.unmade = made == made_at_once_;
    FindCandidates(digest, !active.unmade, &active.next);
  } while (active.next.size() < wanted && active.unmade);
  active.more = active.unmade || active.next.size() >= kCandidates;
}

// Another digest may have been handed the same work meanwhile, or had it answered.
bool Dispatch::StillFree(const Candidate& candidate) {
  auto cursor = db_.Query("SELECT misses + failures, " ALONE
                          " FROM work w WHERE key = ? AND state = 'open' "
                          "AND lease IS NULL",
                          Blob{candidate.key});
  return cursor.Next() && cursor.Int(0) + Splits(candidate.key) == candidate.setbacks &&
         (cursor.Int(1) != 0) == candidate.alone;
}

// An answer names papers by their ids: two readings of one cannot be in a batch.
bool Dispatch::Holds(const std::vector<Candidate>& batch, const std::string& paper) {
  return std::any_of(batch.begin(), batch.end(),
                     [&](const Candidate& candidate) { return candidate.paper == paper; });
}

// Who must be alone is; each setback halves the batch.
size_t Dispatch::LimitOf(const Digest& digest, const wire::Profile& profile,
                         const Candidate& first) {
  if (first.alone) return 1;
  const Active& active = active_[digest.id];
  const bool plenty = active.more || OthersWait(digest);
  const size_t limit =
      BatchLimit(profile, plenty ? kCandidates : active.next.size(), CapacityFor(digest, profile));
  return std::max<size_t>(1, limit >> std::min<int64_t>(first.setbacks, 31));
}

std::vector<Dispatch::Candidate> Dispatch::NextBatch(const Digest& digest,
                                                     const wire::Profile& profile) {
  Active& active = active_[digest.id];
  auto& next = active.next;
  std::vector<Candidate> batch;
  size_t limit = 1;
  int64_t tokens = 0;
  // No batch is smaller because the work of the next rows is not made yet.
  if (active.unmade && next.size() < profile.batch_size())
    FindNext(digest.id, profile.batch_size());
  for (bool asked = false; batch.size() < limit;) {
    if (next.empty()) {
      if (!batch.empty() || std::exchange(asked, true)) break;
      FindNext(digest.id, 1);
      continue;
    }
    Candidate& front = next.front();
    if (!batch.empty() && (front.alone || front.setbacks != batch[0].setbacks ||
                           front.stage != batch[0].stage || Holds(batch, front.paper))) {
      break;
    }
    if (StillFree(front)) {
      front.view = ModelView(*FindText(db_, front.paper, front.version), front.stage);
      front.view.set_key(front.key);
      const int64_t more = PaperTokens(PaperChars(front.stage, front.view));
      if (batch.empty()) limit = LimitOf(digest, profile, front);
      if (!Takes(profile, tokens, more)) break;
      tokens += more;
      batch.push_back(std::move(front));
    }
    next.pop_front();
  }
  return batch;
}

// All but the first `kept` wait again, in their order.
void Dispatch::PutBack(DigestId digest, size_t kept, std::vector<Candidate>* batch) {
  auto& next = active_[digest].next;
  for (; batch->size() > kept; batch->pop_back()) next.push_front(std::move(batch->back()));
}

// The last of the money goes into batches that are as small as it is little.
Dispatch::Affordable Dispatch::Afford(const Digest& digest, const wire::Profile& profile,
                                      size_t prompt_bytes, std::vector<Candidate>* batch,
                                      const Instant& now) {
  const wire::Stage stage = batch->front().stage;
  while (true) {
    Affordable result;
    result.prompt_bytes = prompt_bytes - (sizeof(kPaperListMarker) - 1);
    for (const auto& candidate : *batch) result.prompt_bytes += PaperChars(stage, candidate.view);
    result.reserved = forecaster_.Reserve(digest.voice->model, stage, result.prompt_bytes,
                                          batch->size(), IsDeferred(digest, profile));
    result.over = OverBudget(digest, profile, result.reserved.cost, now);
    if (!result.over || result.over->why.empty() || batch->size() == 1) return result;
    PutBack(digest.id, batch->size() / 2, batch);
  }
}

void Dispatch::BindTo(const Digest& digest, const wire::Profile& profile, const Scorer& scorer,
                      const Instant& now) {
  Voice voice = VoiceFor(profile, scorer);
  const auto economy = Economize(db_, forecaster_, digest, profile, voice,
                                 CapacityFor(digest, profile), now.eastern_day);
  if (economy && !economy->given_up.empty()) {
    voice = VoiceFor(AsScored(profile, economy->given_up), scorer);
    const LogScope scope(FieldsOf(digest));
    spdlog::warn("{} of {} would not fit its budget: it gives up {}", digest.profile, digest.date,
                 economy->given_up);
  }
  planner_.Bind(digest.id, voice, economy);
}

// Of an edition that kept its voice when its budget changed; it has nothing to give up.
void Dispatch::MeasureBudget(const Digest& digest, wire::Profile profile, const Instant& now) {
  profile.clear_degrade();
  const auto economy = Economize(db_, forecaster_, digest, profile, *digest.voice,
                                 CapacityFor(digest, profile), now.eastern_day);
  if (economy) planner_.Bind(digest.id, *digest.voice, economy);
}

bool Dispatch::HandOutFrom(const Digest& found, const wire::Profile& configured, uint64_t boot,
                           const Instant& now) {
  Scorer& scorer = scorers_.at(boot);
  const DigestId id = found.id;
  if (!found.voice) BindTo(found, configured, scorer, now);
  const Digest digest = *FindDigest(db_, id);
  const wire::Profile profile = *ProfileOf(digest);
  // What was given up may have made it another model.
  const bool deferred = IsDeferred(digest, profile);
  const std::string provider = ProviderKey(scorer, digest.voice->model, deferred);
  if (!ProviderReady(provider, now)) return false;
  auto batch = NextBatch(digest, profile);
  if (batch.empty()) {
    active_[id].idle = true;
    return false;
  }
  if (found.voice && found.budget.empty()) MeasureBudget(digest, profile, now);
  const wire::Stage stage = batch[0].stage;
  const std::string prompt = PromptFor(profile, stage);
  const Affordable affordable = Afford(digest, profile, prompt.size(), &batch, now);
  if (affordable.over) {
    if (affordable.over->why.empty()) {
      PutBack(id, 0, &batch);
      active_[id].short_of_money = true;
    } else {
      GiveUp(id, *affordable.over, now);
    }
    return false;
  }
  ScorerFrame frame{scorer.peer, {}};
  auto& message = *frame.reply.mutable_batch();
  message.set_digest(id);
  message.set_trace(TraceOf(digest));
  message.set_heard(scorer.last_ready);
  message.set_stage(stage);
  message.set_backend(digest.voice->backend);
  message.set_model(digest.voice->model);
  message.set_prompt(prompt);
  *message.mutable_topics() = profile.topics();
  for (auto& candidate : batch) *message.add_papers() = std::move(candidate.view);
  message.set_max_answer_tokens(static_cast<uint32_t>(affordable.reserved.answer_tokens));
  const uint64_t lease = next_lease_++;
  message.set_lease(lease);
  db_.Exec(
      "INSERT INTO lease(id, digest, day, estimate_picodollars, stage, papers, prompt_chars) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      static_cast<int64_t>(lease), id, now.eastern_day, affordable.reserved.cost,
      static_cast<int64_t>(stage), batch.size(), affordable.prompt_bytes);
  if (deferred) Defer(scorer, &message, now);
  Lease held{.scorer = boot,
             .digest = id,
             .model = digest.voice->model,
             .provider = provider,
             .keys = {},
             .handed_out = now.mono,
             .last_ready = scorer.last_ready,
             .deferred = deferred};
  for (const auto& candidate : batch) {
    db_.Exec("UPDATE work SET lease = ? WHERE key = ?", static_cast<int64_t>(lease),
             Blob{candidate.key});
    held.keys.push_back(candidate.key);
  }
  leases_[lease] = std::move(held);
  scorer.leases.insert(lease);
  --(deferred ? scorer.deferred_free : scorer.free_calls);
  frames_.push_back(std::move(frame));
  return true;
}

// Who would score a profile's digest that is not bound: the first scorer that fits, or
// while none is there whoever scored its last one.
Voice Dispatch::LikelyVoice(const Digest& digest, const wire::Profile& profile) {
  if (digest.voice) return *digest.voice;
  for (const auto& [boot, scorer] : scorers_) {
    if (!scorer.leaving && Fits(digest, profile, scorer)) return VoiceFor(profile, scorer);
  }
  auto cursor = db_.Query(
      "SELECT backend, model, temperature FROM digest WHERE profile = ?1 AND backend IS NOT NULL "
      "AND given_up = '' AND (?2 = '' OR model = ?2) ORDER BY date DESC LIMIT 1",
      profile.name(), profile.model());
  if (cursor.Next()) return {cursor.Text(0), cursor.Text(1), cursor.Text(2)};
  return {profile.model() == "lexical" ? "lexical" : "openai", profile.model(), ""};
}

Result<wire::Estimate> Dispatch::Estimate(const wire::Forecast& forecast) {
  if (const auto prices = CheckPrices(forecast.profile(), prices_); !prices) return prices.error();
  Digest digest;
  digest.profile = forecast.profile().name();
  digest.date = forecast.date();
  if (forecast.remedial()) digest.remedial_from = digest.date;
  const auto known = FindDigest(db_, digest.profile, digest.date);
  if (known && known->revision == forecast.profile().revision()) {
    digest = *known;
  } else if (known && known->voice && known->given_up.empty() &&
             (forecast.profile().model().empty() ||
              forecast.profile().model() == known->voice->model)) {
    digest.voice = known->voice;  // as a new edition that asks the same keeps it
  }
  const wire::Profile profile = AsScored(forecast.profile(), digest.given_up);
  std::map<std::string, const wire::Paper*> by_id;
  const AuthorRules authors(profile);
  for (const auto& row : forecast.rows()) {
    if (planner_.IsForModel(digest, profile, authors, row)) by_id[row.id()] = &row.paper();
  }
  const Voice voice = LikelyVoice(digest, profile);
  const Capacity capacity = CapacityFor(digest, profile);
  const Needs needs = forecaster_.Of(by_id, profile, voice, capacity);
  wire::Estimate estimate;
  estimate.set_papers(by_id.size());
  estimate.set_to_score(needs.papers);
  estimate.set_calls(needs.calls);
  estimate.set_prompt_tokens(std::llround(needs.prompt_tokens));
  estimate.set_completion_tokens(std::llround(needs.completion_tokens));
  estimate.set_priced(needs.cost.has_value());
  estimate.set_picodollars(needs.cost.value_or(0));
  estimate.set_model(voice.model);
  estimate.set_quota_known(capacity.calls > 0);
  estimate.set_rpm(static_cast<uint32_t>(capacity.rpm));
  estimate.set_tpm(static_cast<uint32_t>(capacity.tpm));
  estimate.set_deferred(capacity.deferred && voice.backend != "lexical");
  return estimate;
}

// nullopt: within the budgets.
std::optional<Dispatch::Stop> Dispatch::OverBudget(const Digest& digest,
                                                   const wire::Profile& profile,
                                                   Picodollars estimate, const Instant& now) {
  if (digest.voice->backend == "lexical") return std::nullopt;
  for (const Budget& budget : BudgetsOf(db_, digest, profile, now.eastern_day)) {
    if (!prices_.Of(digest.voice->model)) {
      return Stop{"the profile has a budget, but the price of " + digest.voice->model +
                  " is unknown: add it to the price table"};
    }
    if (estimate <= budget.left) continue;
    const bool deferred = IsDeferred(digest, profile);
    if (HoldsReservations(db_, budget, digest, now.eastern_day, deferred) || WorkIsOut(digest.id)) {
      return Stop{""};
    }
    // Another day has money of its own.
    return Stop{UsedUpText(budget), budget.what == "day"};
  }
  return std::nullopt;
}

}  // namespace paperboy
