// The part of Dispatch that books what scorers report: calls, scores, misses, and
// how the provider does.
#include <algorithm>

#include "aggregator/dispatch.h"
#include "common/log.h"
#include "common/text.h"
#include "common/trace.h"

namespace paperboy {
namespace {

// Papers that failed lately, some 200 bytes each. Beyond that all are forgotten,
// which costs a failing paper one more call.
constexpr size_t kFailingRemembered = 20'000;
// Providers whose last answer is remembered.
constexpr size_t kProvidersRemembered = 1'000;

// The lease that a call was made for: of one that the cache answered with, another's.
uint64_t LeaseOf(const wire::Call& call, const wire::Result& result) {
  return call.lease() == 0 ? result.lease() : call.lease();
}

// No model has read or written so much in one call. What says so does not know what it
// counts, and would be more than sums of money can hold.
constexpr uint64_t kMostTokens = 10'000'000;

// As reported, but for tokens that cannot be.
wire::Result Checked(wire::Result result) {
  for (auto& call : *result.mutable_calls()) {
    if (std::max({call.prompt_tokens(), call.cached_tokens(), call.completion_tokens()}) <=
        kMostTokens) {
      continue;
    }
    spdlog::warn("a call of {} reports {} and {} tokens, which cannot be: taken as not reported",
                 call.model(), call.prompt_tokens(), call.completion_tokens());
    call.set_tokens_reported(false);
    call.set_prompt_tokens(0);
    call.set_cached_tokens(0);
    call.set_completion_tokens(0);
  }
  return result;
}

// A call without an answer may have been charged, unless it never left.
bool CostIsKnown(const wire::Call& call) {
  if (call.http_status() == 0) return call.outcome() == "not_sent";
  return call.http_status() != 200 || call.tokens_reported();
}

}  // namespace

struct Dispatch::Lessons {
  std::map<std::string, Provider> providers;
  uint64_t answers;
  std::map<std::string, uint64_t> last_answer;
};

std::shared_ptr<const Dispatch::Lessons> Dispatch::SaveLessons() const {
  return std::make_shared<const Lessons>(Lessons{providers_, answers_, last_answer_});
}

void Dispatch::Forget(const Lessons& since) {
  providers_ = since.providers;
  answers_ = since.answers;
  last_answer_ = since.last_answer;
}

void Dispatch::Refuse(const std::string& message) {
  // At the first, second, fourth, ... refusal: a broken peer may repeat itself at any rate.
  ++refused_;
  if ((refused_ & (refused_ - 1)) == 0) {
    spdlog::warn("refused from a scorer: {} ({} refusals so far)", message, refused_);
  }
}

void Dispatch::OnResult(const std::string& peer, const wire::Result& reported, const Instant& now) {
  auto& ack = frames_.emplace_back(ScorerFrame{peer, {}});
  ack.reply.mutable_ack()->set_lease(reported.lease());
  const auto digest = DigestOf(reported);
  if (!digest) {
    return Refuse("a result for digest " + std::to_string(reported.digest()) +
                  ", which is not in the ledger");
  }
  const LogScope scope(FieldsOf(*digest));
  const LogScope its_lease{LeaseField(reported.lease())};
  const wire::Result result = Checked(reported);
  if (IsStale(peer, result)) return;
  const auto lease = leases_.find(result.lease());
  const bool known = lease != leases_.end();
  const bool live = known || orphans_.contains(result.lease()) || unheld_.contains(result.lease());
  const bool alone = known ? lease->second.keys.size() == 1 : result.papers_size() == 1;
  const std::string asked_model = known           ? lease->second.model
                                  : digest->voice ? digest->voice->model
                                                  : "";
  if (result.reasoning()) {
    db_.Exec("INSERT OR IGNORE INTO reasoning_model VALUES (?)", asked_model);
  }
  const bool new_call_answered = BookCalls(result, digest->id, asked_model, now);
  for (const auto& paper : result.papers()) BookPaper(paper, live, alone);
  if (spdlog::should_log(spdlog::level::debug)) LogResult(result);
  if (known) NoteProvider(result, lease->second, new_call_answered, now);
  const bool cost_unknown =
      std::any_of(result.calls().begin(), result.calls().end(), [&](const wire::Call& call) {
        return LeaseOf(call, result) == result.lease() && !CostIsKnown(call);
      });
  const Release how = cost_unknown ? Release::kCostUnknown : Release::kGivenBack;
  if (known) return Free(result.lease(), how);
  orphans_.erase(result.lease());
  unheld_.erase(result.lease());
  Settle(static_cast<int64_t>(result.lease()), how);
}

void Dispatch::LogResult(const wire::Result& result) {
  std::vector<std::string> papers;
  for (const auto& paper : result.papers()) {
    auto cursor = db_.Query("SELECT paper FROM work WHERE key = ?", Blob{paper.key()});
    if (cursor.Next()) papers.push_back(cursor.Text(0));
  }
  LogFields fields = {{"papers", papers}};
  // One at most is its own; the others are those that cached answers came from.
  for (const auto& call : result.calls()) {
    if (LeaseOf(call, result) != result.lease() && result.calls_size() > 1) continue;
    fields.push_back({"call", call.id()});
    fields.push_back({"model", call.model()});
    fields.push_back({"outcome", call.outcome()});
  }
  const LogScope scope(std::move(fields));
  spdlog::debug("the result of batch {} has come: {}{}", result.lease(),
                Counted(papers.size(), "paper"),
                result.failure().message().empty() ? "" : "; " + result.failure().message());
}

// The digest that it was handed out for. After the ledger was replaced (deleted,
// or restored from a backup) one that waits for the same work: what was paid for
// is welcome as long as its key is open.
std::optional<Digest> Dispatch::DigestOf(const wire::Result& result) {
  if (auto digest = FindDigest(db_, result.digest())) return digest;
  for (const auto& paper : result.papers()) {
    auto cursor = db_.Query(
        "SELECT digest FROM row WHERE work = ?1 UNION ALL "
        "SELECT digest FROM reading WHERE work = ?1 LIMIT 1",
        Blob{paper.key()});
    if (cursor.Next()) return FindDigest(db_, cursor.Int(0));
  }
  return std::nullopt;
}

// True when a call that the ledger did not know of was answered.
bool Dispatch::BookCalls(const wire::Result& result, DigestId digest,
                         const std::string& asked_model, const Instant& now) {
  bool answered_anew = false;
  for (const auto& call : result.calls()) {
    // Where and when the money was reserved for it; what the batch asked.
    DigestId payer = digest;
    std::string day = now.eastern_day;
    int64_t stage = 0, papers = 0, prompt_chars = 0;
    const auto lease = static_cast<int64_t>(LeaseOf(call, result));
    const bool own = LeaseOf(call, result) == result.lease();
    {
      auto cursor = db_.Query(
          "SELECT digest, day, stage, papers, prompt_chars FROM lease WHERE id = ?", lease);
      if (cursor.Next()) {
        payer = cursor.Int(0);
        day = cursor.Text(1);
        stage = cursor.Int(2);
        papers = cursor.Int(3);
        // Of a batch that the cache had a part of, the rest is what was asked.
        prompt_chars = own && result.calls_size() == 1 ? cursor.Int(4) : 0;
      }
    }
    auto price = prices_.Of(call.model(), call.deferred());
    if (!price) price = prices_.Of(asked_model, call.deferred());
    // A call that was answered with an error has no tokens to pay for.
    const bool answered = call.http_status() == 200;
    std::optional<int64_t> prompt_cost, completion_cost;
    if (!answered) {
      prompt_cost = completion_cost = 0;
    } else if (price && call.tokens_reported()) {
      const auto cached =
          static_cast<int64_t>(std::min(call.cached_tokens(), call.prompt_tokens()));
      prompt_cost = (static_cast<int64_t>(call.prompt_tokens()) - cached) * price->prompt +
                    cached * price->cached;
      completion_cost = static_cast<int64_t>(call.completion_tokens()) * price->completion;
    }
    const bool teaches = answered && call.tokens_reported();
    db_.Exec(
        "INSERT OR IGNORE INTO call(id, digest, day, at, model, outcome, http_status, "
        "tokens_reported, prompt_tokens, cached_tokens, completion_tokens, prompt_picodollars, "
        "completion_picodollars, latency_ms, asked_model, stage, papers, prompt_chars, "
        "deferred) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        call.id(), payer, day, now.unix_seconds, call.model(), call.outcome(), call.http_status(),
        !answered || call.tokens_reported(), call.prompt_tokens(), call.cached_tokens(),
        call.completion_tokens(), prompt_cost, completion_cost, call.latency_ms(), asked_model,
        stage, papers, teaches ? prompt_chars : 0, call.deferred());
    answered_anew |= own && answered && db_.Changes() > 0;
    // Its scorer died before it could report it: now it is known what it cost.
    if (!own && CostIsKnown(call)) db_.Exec("DELETE FROM lease WHERE id = ? AND lost = 1", lease);
  }
  return answered_anew;
}

void Dispatch::BookPaper(const wire::PaperResult& paper, bool live, bool alone) {
  using Kind = wire::PaperResult;
  const Blob key{paper.key()};
  wire::Stage stage;
  {
    auto cursor = db_.Query("SELECT stage FROM work WHERE key = ?", key);
    if (!cursor.Next()) return Refuse("a score for a paper that nobody asked about");
    stage = static_cast<wire::Stage>(cursor.Int(0));
  }
  const bool verdict = paper.kind() == Kind::KEEP || paper.kind() == Kind::DROP;
  if (verdict && stage == wire::STAGE_TITLE) {
    db_.Exec(
        "UPDATE work SET state = 'done', lease = NULL, kept = ?, call = ? "
        "WHERE key = ? AND state = 'open'",
        paper.kind() == Kind::KEEP, paper.call(), key);
  } else if (paper.kind() == Kind::SCORE && stage == wire::STAGE_ABSTRACT) {
    const bool in_range = paper.relevance() >= 1 && paper.relevance() <= 10 &&
                          paper.novelty() >= 1 && paper.novelty() <= 10;
    if (!in_range) return Refuse("a score out of range");
    db_.Exec(
        "UPDATE work SET state = 'done', lease = NULL, relevance = ?, novelty = ?, comment = ?, "
        "call = ? WHERE key = ? AND state = 'open'",
        paper.relevance(), paper.novelty(), paper.comment(), paper.call(), key);
  } else if (verdict || paper.kind() == Kind::SCORE) {
    return Refuse("an answer of another stage");
  } else if (live) {
    // A result that is sent again must not count twice.
    BookMiss(paper, alone);
  }
  auto cursor = db_.Query(
      "SELECT digest FROM row WHERE work = ?1 AND state IS NULL UNION "
      "SELECT digest FROM reading WHERE work = ?1",
      key);
  while (cursor.Next()) dirty_.insert(cursor.Int(0));
}

void Dispatch::BookMiss(const wire::PaperResult& paper, bool alone) {
  const Blob key{paper.key()};
  db_.Exec(
      "UPDATE work SET misses = misses + 1, alone_misses = alone_misses + ?, why = ? "
      "WHERE key = ? AND state = 'open'",
      alone, paper.why(), key);
  db_.Exec(
      "UPDATE work SET state = 'failed', lease = NULL, why = 'refused: ' || why "
      "WHERE key = ? AND state = 'open' AND alone_misses >= ?",
      key, kMaxAloneMisses);
}

bool Dispatch::ProviderWorks(const Lease& lease, const std::string& key,
                             int64_t alone_failures) const {
  const auto before = failing_.find(key);
  const auto scorer = scorers_.find(lease.scorer);
  if (before != failing_.end() && scorer != scorers_.end()) {
    const auto answered = scorer->second.answered.find(lease.provider);
    if (answered != scorer->second.answered.end() && answered->second > before->second.at) {
      return true;
    }
  }
  return lease.keys.size() == 1 && alone_failures > 0;
}

int64_t Dispatch::Splits(const std::string& key) const {
  const auto failing = failing_.find(key);
  if (failing == failing_.end()) return 0;
  const auto answer = last_answer_.find(failing->second.provider);
  const bool answered = answer != last_answer_.end() && answer->second > failing->second.at;
  return answered ? 0 : failing->second.splits;
}

void Dispatch::CountFailure(const Lease& lease, const std::string& message) {
  if (failing_.size() > kFailingRemembered) failing_.clear();
  const bool alone = lease.keys.size() == 1;
  for (const auto& key : lease.keys) {
    int64_t alone_failures = 0;
    {
      auto cursor =
          db_.Query("SELECT alone_failures FROM work WHERE key = ? AND state = 'open'", Blob{key});
      if (!cursor.Next()) continue;
      alone_failures = cursor.Int(0);
    }
    const bool counts = ProviderWorks(lease, key, alone_failures);
    const auto splits = static_cast<int>(counts ? 0 : Splits(key) + 1);
    failing_[key] = {answers_, lease.provider, splits};
    if (!counts) continue;
    const bool last = alone && alone_failures + 1 >= kMaxAloneFailures;
    db_.Exec(
        "UPDATE work SET failures = failures + 1, alone_failures = alone_failures + ?2, "
        "state = iif(?3, 'failed', state), mendable = ?3, why = ?4 WHERE key = ?1",
        Blob{key}, alone, last, "the provider fails on it: " + message);
  }
}

// Calls that were under way together fail together: of such a volley the first
// failure counts.
void Dispatch::NoteProvider(const wire::Result& result, const Lease& lease, bool new_call_answered,
                            const Instant& now) {
  using Failure = wire::ProviderFailure;
  const auto& failure = result.failure();
  if (failure.kind() == Failure::NONE) {
    if (!new_call_answered) return;
    // A call that was under way when the provider refused another is no news of that.
    const auto provider = providers_.find(lease.provider);
    if (provider != providers_.end() && (provider->second.hard_failures == 0 ||
                                         lease.handed_out >= provider->second.last_failure)) {
      providers_.erase(provider);
    }
    if (last_answer_.size() > kProvidersRemembered) last_answer_.clear();
    last_answer_[lease.provider] = ++answers_;
    for (const auto& key : lease.keys) failing_.erase(key);
    if (auto scorer = scorers_.find(lease.scorer); scorer != scorers_.end()) {
      scorer->second.answered[lease.provider] = answers_;
    }
    return;
  }
  // It had a day for the job and has not begun this call. Jobs in a row of which nothing is
  // answered are a provider that does not do it.
  const bool not_begun = failure.kind() == Failure::AGAIN && lease.deferred &&
                         result.calls_size() > 0 && result.calls(0).outcome() == "not_sent";
  if (failure.kind() == Failure::AGAIN && !not_begun) return;
  if (failure.kind() == Failure::TRANSIENT) CountFailure(lease, failure.message());
  Provider& provider = providers_[lease.provider];
  if (lease.handed_out < provider.last_failure) return;
  provider.last_failure = now.mono;
  provider.message = failure.message();
  if (not_begun && ++provider.jobs_not_begun < kMaxHardFailures) return;
  if (not_begun) provider.hard_failures = kMaxHardFailures - 1;
  if (failure.kind() == Failure::HARD || not_begun) {
    if (++provider.hard_failures == kMaxHardFailures) {
      spdlog::error("the model cannot be used: {}", failure.message());
    }
    provider.not_before =
        now.mono +
        (provider.hard_failures < kMaxHardFailures ? std::chrono::seconds(1) : kProbeInterval);
    return;
  }
  const int beyond = ++provider.transient_failures - kTransientFailuresBeforeBackoff;
  if (beyond < 0) return;
  if (beyond == 0) spdlog::warn("the model's provider fails: {}", failure.message());
  provider.not_before =
      now.mono + std::min(std::chrono::seconds(1) * (1 << std::min(beyond, 6)), kMaxBackoff);
}

}  // namespace paperboy
