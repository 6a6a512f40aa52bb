#include "aggregator/amend.h"

#include <algorithm>

#include "common/calendar.h"
#include "common/eastern.h"
#include "common/text.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

Result<std::vector<Digest>> DigestsOf(Database& db, const std::string& date) {
  if (auto parsed = ParseDate(date); !parsed) return parsed.error();
  std::vector<DigestId> ids;
  {
    auto cursor = db.Query("SELECT id FROM digest WHERE date = ? ORDER BY profile", date);
    while (cursor.Next()) ids.push_back(cursor.Int(0));
  }
  if (ids.empty()) {
    return Invalid("the ledger has no digest of " + date +
                   "; `paperboy-aggregator status` lists those that it has");
  }
  std::vector<Digest> digests;
  for (const DigestId id : ids) digests.push_back(*FindDigest(db, id));
  return digests;
}

bool IsAnnounced(const std::string& date) { return AnnouncementFor(*ParseDate(date)).has_value(); }

std::string HowToDeliver(const std::string& date) {
  return "run paperboy-fetcher with this profile and " + FlagsFor(date);
}

}  // namespace

std::string FlagsFor(const std::string& date) {
  if (IsAnnounced(date)) return "--date " + date;
  return "--date " + date + " --source file:FILE (" + WhyNoAnnouncement(*ParseDate(date)) +
         ": arXiv announces nothing)";
}

Result<Amended> RetryDate(Database& db, Planner& planner, const std::string& date) {
  auto digests = DigestsOf(db, date);
  if (!digests) return digests.error();
  Amended amended;
  for (const Digest& digest : *digests) {
    const int64_t papers = planner.Retry(digest.id);
    const std::string state = FindDigest(db, digest.id)->state;
    if (state == "sealed") amended.sealed.push_back(digest.id);
    amended.done.set_papers(amended.done.papers() + papers);
    std::string line = digest.profile + " " + date + ": ";
    if (papers == 0) {
      line += "nothing is unscored";
    } else if (state == "open") {
      line += fmt::format("waiting again, with texts that were pruned: {}: {}",
                          Counted(papers, "paper"), HowToDeliver(date));
    } else {
      line += fmt::format("{} tried again; it is published with their scores",
                          Counted(papers, "paper"));
    }
    amended.done.add_lines(line);
  }
  return amended;
}

Result<Amended> RedoDate(Database& db, Planner& planner, const std::string& date) {
  auto digests = DigestsOf(db, date);
  if (!digests) return digests.error();
  // Of a date without announcement arXiv's feed had it once, and nothing has it now.
  const auto stays = [&](const Digest& digest) {
    return digest.source != "file" && !IsAnnounced(date);
  };
  const std::string why = fmt::format(
      "came from arXiv's feed although it announces nothing on that date ({}): no run "
      "could deliver it anew. `paperboy-aggregator retry {}` scores what is unscored",
      WhyNoAnnouncement(*ParseDate(date)), date);
  if (std::all_of(digests->begin(), digests->end(), stays)) {
    return Invalid(digests->front().profile + " " + date + " " + why);
  }
  Amended amended;
  for (const Digest& digest : *digests) {
    const std::string name = digest.profile + " " + date;
    if (stays(digest)) {
      amended.done.add_lines(name + ": stays as it is; it " + why);
      continue;
    }
    const uint64_t rows = CountFunnel(db, digest.id).arxiv();
    planner.Empty(digest.id);
    amended.done.set_papers(amended.done.papers() + rows);
    amended.done.add_lines(
        fmt::format("{}: open again, {} dropped, their scores stay. To deliver it anew, {}; what "
                    "was published stays until then",
                    name, Counted(rows, "row"), HowToDeliver(date)));
  }
  return amended;
}

Result<Amended> PruneTexts(Database& db, const wire::Prune& prune) {
  if (auto parsed = ParseDate(prune.before()); !parsed) return parsed.error();
  Amended amended;
  std::string last;
  int looked_at = 0;
  {
    auto cursor = db.Query(
        "SELECT max(id), count(*) FROM (SELECT DISTINCT id FROM paper WHERE id > ? ORDER BY id "
        "LIMIT ?)",
        prune.after(), kPruneChunk);
    cursor.Next();
    last = cursor.Text(0);
    looked_at = static_cast<int>(cursor.Int(1));
  }
  db.Exec(
      "UPDATE paper SET abstract = '', pruned = 1 WHERE pruned = 0 AND id > ?1 AND id <= ?2 "
      "AND EXISTS (SELECT 1 FROM row WHERE row.paper = paper.id) "
      "AND id NOT IN (SELECT work.paper FROM reading CROSS JOIN work ON work.key = reading.work "
      "WHERE work.state = 'open') "
      "AND NOT EXISTS (SELECT 1 FROM row JOIN digest ON digest.id = row.digest "
      "WHERE row.paper = paper.id AND (digest.date >= ?3 "
      "OR digest.state NOT IN ('published', 'withheld') OR row.position IS NOT NULL "
      "OR row.state = 'unscored'))",
      prune.after(), last, prune.before());
  amended.done.set_papers(db.Changes());
  if (looked_at == kPruneChunk) amended.done.set_next(last);
  return amended;
}

}  // namespace paperboy
