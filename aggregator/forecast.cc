#include "aggregator/forecast.h"

#include <algorithm>
#include <cmath>

#include "aggregator/readings.h"
#include "common/profile.h"
#include "common/tokens.h"

namespace paperboy {
namespace {

// The newest calls of a model that are learnt from: some days of them.
constexpr int kCallsLearntFrom = 300;
// Digests whose titles are looked at for the share that a profile keeps.
constexpr int kDigestsLearntFrom = 30;
// Of titles, before anything is known: half. Of papers, as near a cut-off: half too.
constexpr double kKeptAtFirst = 0.5;
constexpr double kNearAtFirst = 0.5;
// Title, authors and abstract of a paper on machine learning: the median of 13,000.
constexpr size_t kTypicalPaperBytes = 1'450;

}  // namespace

struct Forecaster::Rates {
  double per_char = kTokensPerChar;  // prompt tokens
  double per_paper = 0;              // completion tokens; 0: by the rule
  double cached = 0;                 // share of the prompt tokens
};

// Characters of what is to be asked about.
struct Forecaster::Tally {
  uint64_t papers = 0;
  std::vector<size_t> titles, abstracts;
  std::vector<size_t> after_title;  // abstracts, should their titles be kept
  std::vector<size_t> again;        // abstracts whose further readings are not had yet
};

Forecaster::Rates Forecaster::RatesOf(const std::string& model, wire::Stage stage) const {
  Rates rates;
  auto cursor = db_.Query(
      "SELECT sum(prompt_tokens), sum(prompt_chars), sum(completion_tokens), sum(papers), "
      "sum(cached_tokens) FROM (SELECT * FROM call WHERE asked_model = ? AND stage = ? "
      "AND prompt_chars > 0 ORDER BY at DESC LIMIT ?)",
      model, static_cast<int64_t>(stage), kCallsLearntFrom);
  if (!cursor.Next() || cursor.Null(0) || cursor.Int(0) == 0) return rates;
  const auto prompt = static_cast<double>(cursor.Int(0));
  rates.per_char = prompt / static_cast<double>(cursor.Int(1));
  rates.per_paper = static_cast<double>(cursor.Int(2)) / static_cast<double>(cursor.Int(3));
  rates.cached = static_cast<double>(cursor.Int(4)) / prompt;
  return rates;
}

Forecaster::TypicalCall Forecaster::CallOf(const std::string& model,
                                           const wire::Profile& profile) const {
  auto cursor = db_.Query(
      "SELECT avg(papers), avg(prompt_tokens + completion_tokens) FROM (SELECT * FROM call "
      "WHERE asked_model = ? AND stage = ? AND prompt_chars > 0 ORDER BY at DESC LIMIT ?)",
      model, static_cast<int64_t>(wire::STAGE_ABSTRACT), kCallsLearntFrom);
  if (cursor.Next() && !cursor.Null(0)) return {std::max(1.0, cursor.Real(0)), cursor.Real(1)};
  TypicalCall call;
  call.papers = profile.batch_size();
  const auto paper = static_cast<double>(PaperTokens(kTypicalPaperBytes));
  if (profile.batch_tokens() > 0) {
    call.papers = std::clamp(static_cast<double>(profile.batch_tokens()) / paper, 1.0, call.papers);
  }
  call.tokens = static_cast<double>(profile.prompt().size()) * kTokensPerChar +
                call.papers * paper +
                LikelyAnswerTokens(wire::STAGE_ABSTRACT, static_cast<size_t>(call.papers));
  return call;
}

Reservation Forecaster::Reserve(const std::string& model, wire::Stage stage, size_t prompt_bytes,
                                size_t papers, bool deferred) const {
  Reservation reservation{MaxAnswerTokens(stage, papers), 0};
  if (db_.Query("SELECT 1 FROM reasoning_model WHERE name = ?", model).Next()) {
    reservation.answer_tokens += kReasoningTokens;
  }
  if (const auto price = prices_.Of(model, deferred)) {
    reservation.cost = UpperPromptTokens(prompt_bytes) * price->prompt +
                       reservation.answer_tokens * price->completion;
  }
  return reservation;
}

double Forecaster::KeptByTitle(const std::string& profile) const {
  auto cursor = db_.Query(
      "SELECT avg(row.state <> 'title_dropped') FROM (SELECT id FROM digest WHERE profile = ? "
      "ORDER BY date DESC LIMIT ?) AS lately JOIN row ON row.digest = lately.id "
      "WHERE row.state IN ('title_dropped', 'below_cutoff', 'selected') AND EXISTS "
      "(SELECT 1 FROM row AS one WHERE one.digest = lately.id AND one.state = 'title_dropped')",
      profile, kDigestsLearntFrom);
  return cursor.Next() && !cursor.Null(0) ? cursor.Real(0) : kKeptAtFirst;
}

// Further readings of a paper, on the average.
double Forecaster::ReadAgain(const wire::Profile& profile) const {
  const int samples = ReadingsEach(profile);
  if (samples < 2) return 0;
  auto cursor = db_.Query(
      "SELECT avg(EXISTS (SELECT 1 FROM reading WHERE reading.digest = row.digest "
      "AND reading.first = row.work AND reading.anchor = 0)) "
      "FROM (SELECT id FROM digest WHERE profile = ? ORDER BY date DESC LIMIT ?) AS lately "
      "JOIN row ON row.digest = lately.id WHERE row.state IN ('below_cutoff', 'selected') "
      "AND EXISTS (SELECT 1 FROM reading AS one WHERE one.digest = lately.id AND one.anchor = 0)",
      profile.name(), kDigestsLearntFrom);
  const double near = cursor.Next() && !cursor.Null(0) ? cursor.Real(0) : kNearAtFirst;
  return near * (samples - 1);
}

// Papers of an earlier digest that are asked about again.
size_t Forecaster::Anchors(const wire::Profile& profile) const {
  const bool any =
      db_.Query("SELECT 1 FROM digest WHERE profile = ? AND state = 'published' LIMIT 1",
                profile.name())
          .Next();
  return any ? std::min(profile.drift_anchors(), kMaxDriftAnchors) : 0;
}

// Whether the ledger has the model's answer, and for a title what it was; a unit of
// work that failed for good is no work any more either.
std::optional<bool> Forecaster::Answered(const std::string& key) const {
  auto cursor = db_.Query(
      "SELECT coalesce(kept, 1) FROM work WHERE key = ? AND (state = 'done' OR "
      "(state = 'failed' AND mendable = 0))",
      Blob{key});
  if (!cursor.Next()) return std::nullopt;
  return cursor.Int(0) != 0;
}

void Forecaster::Add(const wire::Profile& profile, const Voice& voice, wire::Stage stage,
                     const std::vector<size_t>& chars, double share, const Capacity& capacity,
                     Needs* needs) const {
  if (chars.empty()) return;
  std::vector<int64_t> tokens;
  for (const size_t each : chars) tokens.push_back(PaperTokens(each));
  const auto batches = BatchesOf(profile, tokens, capacity);
  needs->calls +=
      static_cast<uint64_t>(std::llround(std::ceil(share * static_cast<double>(batches.size()))));
  const Rates rates = RatesOf(voice.model, stage);
  const size_t frame = PromptFor(profile, stage).size() - (sizeof(kPaperListMarker) - 1);
  const auto price = prices_.Of(voice.model, capacity.deferred);
  if (!price) needs->cost.reset();
  size_t next = 0;
  for (const size_t papers : batches) {
    size_t bytes = frame;
    for (size_t i = 0; i < papers; ++i) bytes += chars[next++];
    const double prompt = static_cast<double>(bytes) * rates.per_char;
    const double completion = rates.per_paper == 0 ? LikelyAnswerTokens(stage, papers)
                                                   : static_cast<double>(papers) * rates.per_paper;
    needs->prompt_tokens += share * prompt;
    needs->completion_tokens += share * completion;
    if (!price || !needs->cost) continue;
    const double cost = prompt * (1 - rates.cached) * static_cast<double>(price->prompt) +
                        prompt * rates.cached * static_cast<double>(price->cached) +
                        completion * static_cast<double>(price->completion);
    *needs->cost += std::llround(share * cost);
    const Picodollars reserved = Reserve(voice.model, stage, bytes, papers, capacity.deferred).cost;
    needs->slack = std::max(needs->slack, reserved - static_cast<Picodollars>(cost));
  }
}

// A paper that has its first answer, under `key`.
void Forecaster::CountAgain(const std::string& key, const wire::BatchPaper& view,
                            const wire::Profile& profile, const Voice& voice, Tally* tally) const {
  if (ReadingsEach(profile) < 2 || voice.backend == "lexical") return;
  auto cursor =
      db_.Query("SELECT relevance, novelty FROM work WHERE key = ? AND state = 'done'", Blob{key});
  if (!cursor.Next() || !IsNearCutoff(profile, cursor.Int(0), cursor.Int(1))) return;
  for (int sample = 1; sample < ReadingsEach(profile); ++sample) {
    if (!Answered(WorkKey(voice, profile, wire::STAGE_ABSTRACT, view, sample))) {
      tally->again.push_back(PaperChars(wire::STAGE_ABSTRACT, view));
    }
  }
}

void Forecaster::Count(const wire::Paper& paper, const wire::Profile& profile, const Voice& voice,
                       Tally* tally) const {
  bool title_is_open = false;
  if (profile.title_stage() && voice.backend != "lexical") {
    const auto title = ModelView(paper, wire::STAGE_TITLE);
    const auto kept = Answered(WorkKey(voice, profile, wire::STAGE_TITLE, title));
    if (kept && !*kept) return;
    title_is_open = !kept;
    if (title_is_open) tally->titles.push_back(PaperChars(wire::STAGE_TITLE, title));
  }
  const auto view = ModelView(paper, wire::STAGE_ABSTRACT);
  const std::string key = WorkKey(voice, profile, wire::STAGE_ABSTRACT, view);
  const bool scored = Answered(key).has_value();
  tally->papers += title_is_open || !scored;
  if (scored) return CountAgain(key, view, profile, voice, tally);
  (title_is_open ? tally->after_title : tally->abstracts)
      .push_back(PaperChars(wire::STAGE_ABSTRACT, view));
}

Needs Forecaster::Sum(const Tally& tally, const wire::Profile& profile, const Voice& voice,
                      const Capacity& capacity) const {
  Needs needs;
  needs.papers = tally.papers;
  if (prices_.Of(voice.model)) needs.cost = 0;
  if (voice.backend == "lexical") return needs;
  Add(profile, voice, wire::STAGE_TITLE, tally.titles, 1, capacity, &needs);
  // Anchors go before the papers, and are taken to be as long.
  auto abstracts = tally.abstracts.empty() ? tally.after_title : tally.abstracts;
  abstracts.resize(std::min(abstracts.size(), Anchors(profile)));
  abstracts.insert(abstracts.end(), tally.abstracts.begin(), tally.abstracts.end());
  Add(profile, voice, wire::STAGE_ABSTRACT, abstracts, 1, capacity, &needs);
  const double kept = tally.after_title.empty() ? 0 : KeptByTitle(profile.name());
  Add(profile, voice, wire::STAGE_ABSTRACT, tally.after_title, kept, capacity, &needs);
  Add(profile, voice, wire::STAGE_ABSTRACT, tally.again, 1, capacity, &needs);
  if (const double again = ReadAgain(profile); again > 0) {
    Add(profile, voice, wire::STAGE_ABSTRACT, tally.abstracts, again, capacity, &needs);
    Add(profile, voice, wire::STAGE_ABSTRACT, tally.after_title, kept * again, capacity, &needs);
  }
  return needs;
}

Needs Forecaster::Of(const std::map<std::string, const wire::Paper*>& papers,
                     const wire::Profile& profile, const Voice& voice,
                     const Capacity& capacity) const {
  Tally tally;
  for (const auto& [id, paper] : papers) Count(*paper, profile, voice, &tally);
  return Sum(tally, profile, voice, capacity);
}

Needs Forecaster::Of(const Digest& digest, const wire::Profile& profile, const Voice& voice,
                     const Capacity& capacity) const {
  Tally tally;
  auto cursor =
      db_.Query("SELECT paper, version FROM row WHERE digest = ? AND state IS NULL ORDER BY paper",
                digest.id);
  while (cursor.Next()) {
    const auto paper = FindText(db_, cursor.Text(0), cursor.Int(1));
    if (paper) Count(*paper, profile, voice, &tally);
  }
  return Sum(tally, profile, voice, capacity);
}

}  // namespace paperboy
