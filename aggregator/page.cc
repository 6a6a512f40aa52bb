#include "aggregator/page.h"

#include <algorithm>
#include <map>

#include "aggregator/rules.h"
#include "common/announce_type.h"
#include "common/eastern.h"

namespace paperboy {
namespace {

std::vector<PageRow> LoadRows(Database& db, DigestId id) {
  std::vector<PageRow> rows;
  std::vector<std::optional<int64_t>> text_versions;
  auto cursor = db.Query(
      "SELECT r.paper, r.version, r.announce_type, r.state, r.why, r.position, "
      "w.relevance, w.novelty, w.comment, w.call, r.text_version FROM row r LEFT JOIN work w ON "
      "w.key = r.work "
      "AND w.state = 'done' WHERE r.digest = ? ORDER BY r.paper",
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
    const bool scored = row.state == "selected" || row.state == "below_cutoff";
    if (scored) {
      row.relevance = static_cast<int>(cursor.Int(6));
      row.novelty = static_cast<int>(cursor.Int(7));
      row.comment = cursor.Text(8);
    }
    if (scored || row.state == "title_dropped") row.call = cursor.Text(9);
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
  return note + (page.mendable ? ". A later run can score them." : ".");
}

}  // namespace

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
        "prompt_picodollars, completion_picodollars FROM digest WHERE id = ?",
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
  }
  page.funnel = CountFunnel(db, id);
  page.mendable = IsMendable(db, id);
  page.rows = LoadRows(db, id);
  return page;
}

std::vector<std::string> Notes(const DigestPage& page) {
  std::vector<std::string> notes;
  const Digest& digest = page.digest;
  if (!digest.remedial_from.empty()) {
    notes.push_back("This is a remedial run for missed papers from " + digest.remedial_from +
                    " to " + digest.remedial_to + ".");
    notes.push_back("Results generated on " + page.completed_on + ".");
  }
  if (page.funnel.refused() > 0) {
    notes.push_back(std::to_string(page.funnel.refused()) + " of " +
                    std::to_string(page.funnel.arxiv()) + " entries could not be read.");
  }
  if (page.funnel.unscored() > 0) notes.push_back(UnscoredNote(page));
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

std::string CostText(const DigestPage& page) {
  if (!page.prompt_cost || !page.completion_cost) return "unknown";
  return FormatDollars(*page.prompt_cost + *page.completion_cost);
}

}  // namespace paperboy
