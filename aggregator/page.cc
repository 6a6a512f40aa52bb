#include "aggregator/page.h"

#include <algorithm>
#include <map>

#include "aggregator/authors.h"
#include "aggregator/budget.h"
#include "aggregator/rules.h"
#include "common/announce_type.h"
#include "common/eastern.h"
#include "common/profile.h"
#include "common/text.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

std::vector<PageRow> LoadRows(Database& db, DigestId id) {
  std::vector<PageRow> rows;
  std::vector<std::optional<int64_t>> text_versions;
  auto readings = ReadingsOf(db, id);
  auto cursor = db.Query(
      "SELECT r.paper, r.version, r.announce_type, r.state, r.why, r.position, "
      "coalesce(r.relevance, w.relevance), coalesce(r.novelty, w.novelty), w.comment, w.call, "
      "r.text_version, first.addresses_model, r.authors_unknown FROM row r "
      "LEFT JOIN work first ON first.key = r.work "
      "LEFT JOIN work w ON w.key = coalesce(r.shown, r.work) AND w.state = 'done' "
      "WHERE r.digest = ? ORDER BY r.paper",
      id);
  while (cursor.Next()) {
    PageRow row;
    row.id = cursor.Text(0);
    row.version = static_cast<uint32_t>(cursor.Int(1));
    row.announce_type = AnnounceTypeName(static_cast<wire::AnnounceType>(cursor.Int(2)));
    row.state = cursor.Text(3);
    row.why = cursor.Text(4);
    if (auto n = cursor.OptInt(5)) row.position = static_cast<int>(*n);
    // A row that lost its own scores (seen before, not wanted) shows none.
    row.author_match = row.state == "selected" && !row.why.empty();
    if (row.author_match) row.comment = kAuthorMatchComment;
    const bool scored =
        (row.state == "selected" || row.state == "below_cutoff") && !row.author_match;
    if (scored) {
      row.relevance = static_cast<int>(cursor.Int(6));
      row.novelty = static_cast<int>(cursor.Int(7));
      row.comment = cursor.Text(8);
      if (const auto it = readings.find(row.id); it != readings.end()) {
        row.readings = std::move(it->second);
      }
    }
    if (scored || row.state == "title_dropped") row.call = cursor.Text(9);
    if (scored || row.state == "title_dropped" || row.state == "unscored") {
      row.addresses_model = cursor.Text(11);
    }
    const bool scanned =
        row.state != "refused" && row.state != "not_wanted" && row.state != "seen_before";
    row.authors_unknown = scanned && cursor.Int(12) != 0;
    text_versions.push_back(cursor.OptInt(10));
    rows.push_back(std::move(row));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (text_versions[i]) rows[i].paper = FindPaper(db, rows[i].id, *text_versions[i]);
  }
  return rows;
}

std::string UnscoredNote(const DigestPage& page) {
  std::map<std::string, int> by_why;
  for (const auto& row : page.rows) {
    if (row.state == "unscored") ++by_why[row.why];
  }
  std::string note = std::to_string(page.funnel.unscored()) + " of " +
                     std::to_string(page.funnel.scanned()) + " papers could not be scored" +
                     (page.digest.withhold ? ":" : " and are missing from this page:");
  const char* separator = " ";
  for (const auto& [why, count] : by_why) {
    note += separator + std::to_string(count) + " (" + why + ")";
    separator = ", ";
  }
  return note + (page.scorable ? ". A later run can score them." : ".");
}

std::string UnreadableNote(const DigestPage& page) {
  return std::to_string(page.funnel.refused()) + " of " + std::to_string(page.funnel.arxiv()) +
         " entries could not be read.";
}

std::string AuthorsNote(const DigestPage& page) {
  const bool gate = page.profile.h_index_cutoff() > 0;
  std::string note = "The authors of " + std::to_string(page.authors_unknown) + " of " +
                     Counted(page.funnel.scanned(), "paper") +
                     " are not known to Semantic Scholar, or not all of them:";
  if (gate) note += " these papers passed the h-index gate";
  if (AuthorRules(page.profile).follows_by_id()) {
    note += std::string(gate ? ", and" : "") + " followed authors were looked for by name";
  }
  return note + ".";
}

// What is given up, in the words of a reader.
std::string GivenUp(const DigestPage& page) {
  const std::string& steps = page.digest.given_up;
  const wire::Profile scored = AsScored(page.profile, steps);
  std::string text;
  const auto add = [&](const char* step, const std::string& words) {
    if (steps.find(step) != std::string::npos) text += (text.empty() ? "" : "; ") + words;
  };
  add(kGiveUpTitles, "every abstract is read: a first look at the titles drops papers");
  add(kGiveUpSmallBatches, "small batches: up to " + std::to_string(scored.batch_size()) +
                               " papers are judged in a call, not " +
                               std::to_string(page.profile.batch_size()));
  add(kGiveUpModel, (page.profile.model().empty() ? "the scorers' model" : page.profile.model()) +
                        ": " + scored.model() + " scores instead");
  return text;
}

bool StoppedByBudget(const DigestPage& page) {
  return std::any_of(page.rows.begin(), page.rows.end(), [](const PageRow& row) {
    return row.state == "unscored" && SaysUsedUp(row.why);
  });
}

std::string BudgetNote(const DigestPage& page) {
  const auto& budget = *page.budget;
  std::string note = "Of the " + budget.what + "'s budget of " + BudgetText(budget.limit) + " " +
                     FineDollars(std::max<Picodollars>(budget.left, 0)) +
                     " were left for this digest on " + budget.on +
                     ", when its forecast as configured was " + FineDollars(budget.forecast) + ".";
  if (!page.digest.given_up.empty()) {
    note += " Given up: " + GivenUp(page) +
            ". Forecast with that: " + FineDollars(budget.forecast_now) + ".";
  }
  const auto spent = page.spent();
  return note + " Spent in all: " + (spent ? FineDollars(*spent) : "unknown") + ".";
}

}  // namespace

std::optional<Picodollars> DigestPage::spent() const {
  if (!prompt_cost || !completion_cost) return std::nullopt;
  return *prompt_cost + *completion_cost;
}

std::vector<const PageRow*> DigestPage::selected() const {
  std::vector<const PageRow*> chosen;
  for (const auto& row : rows) {
    if (row.position) chosen.push_back(&row);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const PageRow* a, const PageRow* b) { return *a->position < *b->position; });
  return chosen;
}

DigestPage LoadPage(Database& db, DigestId id) {
  DigestPage page;
  page.digest = *FindDigest(db, id);
  page.profile = LoadProfileRevision(db, page.digest.revision);
  {
    auto cursor = db.Query(
        "SELECT completed_at, calls, prompt_tokens, completion_tokens, tokens_reported, "
        "prompt_picodollars, completion_picodollars, lost_calls, lost_picodollars, budget, "
        "budget_left, forecast, forecast_now, budget_on, budget_limit, "
        "readings_forgotten, deferred_calls FROM digest WHERE id = ?",
        id);
    cursor.Next();
    const WallTime completed{std::chrono::seconds(cursor.Int(0))};
    page.completed_on = FormatUsDate(EasternDay(completed));
    page.completed_at = FormatIsoUtc(completed);
    page.calls = cursor.Int(1);
    page.prompt_tokens = cursor.Int(2);
    page.completion_tokens = cursor.Int(3);
    page.tokens_reported = cursor.Int(4) != 0;
    page.prompt_cost = cursor.OptInt(5);
    page.completion_cost = cursor.OptInt(6);
    page.lost_calls = cursor.Int(7);
    page.lost_cost = cursor.Int(8);
    page.readings_forgotten = cursor.Int(15);
    page.deferred_calls = cursor.Int(16);
    if (const std::string what = cursor.Text(9); !what.empty()) {
      page.budget = {what,           cursor.Text(13), cursor.Int(14),
                     cursor.Int(10), cursor.Int(11),  cursor.Int(12)};
    }
  }
  page.funnel = CountFunnel(db, id);
  page.late = LateLists(db, id);
  {
    auto cursor = db.Query(
        "SELECT category, late, source IN ('rss', 'api', 'oai') AND NOT EXISTS (SELECT 1 "
        "FROM listing l WHERE l.digest = c.digest AND l.category = c.category) FROM category c "
        "WHERE digest = ? AND late <> 1 ORDER BY category",
        id);
    while (cursor.Next()) {
      const std::string category = cursor.Text(0);
      const auto& asked_for = page.profile.categories();
      if (cursor.Int(1) == 2) page.amended.push_back(category);
      if (cursor.Int(2) == 0 || std::ranges::count(asked_for, category) == 0) continue;
      page.empty.push_back(category);
    }
  }
  page.scorable = IsMendable(db, id);
  page.drift = DriftOf(db, id);
  page.rows = LoadRows(db, id);
  page.authors_unknown = std::count_if(page.rows.begin(), page.rows.end(),
                                       [](const PageRow& row) { return row.authors_unknown; });
  if (page.digest.voice && page.digest.voice->backend == "lexical") {
    // Words that address a model tell nobody anything there.
    for (auto& row : page.rows) row.addresses_model.clear();
  }
  return page;
}

std::vector<std::string> Notes(const DigestPage& page) {
  std::vector<std::string> notes;
  const Digest& digest = page.digest;
  if (!digest.remedial_from.empty()) {
    notes.push_back("This is a remedial run for missed papers from " + digest.remedial_from +
                    " to " + digest.remedial_to + ".");
    notes.push_back("Results generated on " + page.completed_on + ".");
    if (digest.source == "api" || digest.source == "oai") {
      notes.push_back(
          "Rebuilt from ids and times of submission: papers submitted more than two weeks before, "
          "held for that long or newly listed in these categories, are not known.");
    }
  }
  if (!page.late.empty()) {
    notes.push_back(fmt::format("Not announced in time: {}. A later run adds {} papers.",
                                fmt::join(page.late, ", "),
                                page.late.size() == 1 ? "its" : "their"));
  }
  if (!page.amended.empty()) {
    notes.push_back(fmt::format("Amended on {} with {}, announced late.", page.completed_on,
                                fmt::join(page.amended, ", ")));
  }
  if (!page.empty.empty()) {
    notes.push_back(fmt::format("No paper was listed in: {}.", fmt::join(page.empty, ", ")));
  }
  if (page.funnel.refused() > 0) notes.push_back(UnreadableNote(page));
  if (page.funnel.unscored() > 0) notes.push_back(UnscoredNote(page));
  if (page.authors_unknown > 0) notes.push_back(AuthorsNote(page));
  if (page.readings_forgotten > 0) {
    notes.push_back(Counted(static_cast<uint64_t>(page.readings_forgotten), "further reading") +
                    " of papers near a cut-off could not be had: those that were decide.");
  }
  if (page.drift && page.drift->moved()) notes.push_back(DriftText(*page.drift));
  if (page.budget && (!digest.given_up.empty() || StoppedByBudget(page))) {
    notes.push_back(BudgetNote(page));
  }
  if (page.deferred_calls > 0) {
    notes.push_back(
        fmt::format("Through the provider's batch API, at half the price: {} of {} calls.",
                    page.deferred_calls, page.calls));
  }
  if (digest.voice && digest.voice->backend == "lexical") {
    notes.push_back(
        "Scored by words alone: relevance is the match with the profile's topics, "
        "novelty is not judged.");
  } else if (page.calls > 0 && page.tokens_reported && !page.prompt_cost) {
    notes.push_back("The price of " + (digest.voice ? digest.voice->model : "the model") +
                    " is unknown.");
  }
  return notes;
}

std::string WhyWithheld(const DigestPage& page) {
  const bool unreadable = page.digest.withhold & kTooManyUnreadable;
  const bool unscored = page.digest.withhold & kTooManyUnscored;
  std::string why;
  // A ledger of an earlier version does not tell the two apart.
  if (unreadable || (unscored && page.funnel.unscored() == 0)) why = UnreadableNote(page);
  if (unscored && page.funnel.unscored() > 0) {
    why += (why.empty() ? "" : " ") + UnscoredNote(page);
  }
  return why;
}

std::string DriftText(const Drift& drift) {
  const auto mean = [&](int sum) {
    return fmt::format("{:.1f}", static_cast<double>(sum) / drift.anchors);
  };
  return fmt::format(
      "{}: of {} papers with known scores that were asked about again, the mean relevance was {} "
      "and is {}, the mean novelty was {} and is {}.",
      drift.moved() ? "The model scores differently than it did" : "The model scores as it did",
      drift.anchors, mean(drift.relevance_before), mean(drift.relevance_now),
      mean(drift.novelty_before), mean(drift.novelty_now));
}

std::string LostText(const DigestPage& page) {
  return page.lost_cost > 0 ? "at most " + FineDollars(page.lost_cost) : "unknown";
}

}  // namespace paperboy
