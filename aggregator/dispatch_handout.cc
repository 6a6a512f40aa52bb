// The part of Dispatch that decides who gets what: credit, turns, batches, budgets.
#include <algorithm>

#include "aggregator/dispatch.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// How many units of work of a digest are looked up at once.
constexpr int kCandidates = 512;

}  // namespace

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
      "SELECT w.key, w.paper, w.version, w.misses + w.failures, w.deaths, w.stage FROM row r "
      "JOIN work w ON w.key = r.work WHERE r.digest = ? AND r.state IS NULL AND w.state = 'open' "
      "AND w.lease IS NULL ORDER BY w.deaths > 0, w.misses + w.failures, w.stage, r.paper LIMIT ?",
      digest, kCandidates);
  while (cursor.Next()) {
    const std::string key = cursor.Text(0);
    next->push_back({key, cursor.Text(1), cursor.Int(2), cursor.Int(3) + Splits(key),
                     cursor.Int(4) > 0, static_cast<wire::Stage>(cursor.Int(5))});
  }
}

// Another digest may have been handed the same work meanwhile, or had it answered.
bool Dispatch::StillFree(const Candidate& candidate) {
  auto cursor = db_.Query(
      "SELECT misses + failures, deaths FROM work WHERE key = ? AND state = 'open' "
      "AND lease IS NULL",
      Blob{candidate.key});
  return cursor.Next() && cursor.Int(0) + Splits(candidate.key) == candidate.setbacks &&
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
        (front.suspect || front.setbacks != batch[0].setbacks || front.stage != batch[0].stage)) {
      break;
    }
    if (StillFree(front)) {
      if (batch.empty() && !front.suspect) {
        limit =
            std::max<uint32_t>(1, profile.batch_size() >> std::min<int64_t>(front.setbacks, 31));
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
    *view = ModelView(*FindText(db_, candidate.paper, candidate.version), stage);
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
  Lease held{boot, id,       digest.voice->model, ProviderKey(scorer, digest.voice->model),
             {},   now.mono, scorer.last_ready};
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

}  // namespace paperboy
