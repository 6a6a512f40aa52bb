#include "aggregator/inspect.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "aggregator/amend.h"
#include "aggregator/digests.h"
#include "aggregator/prices.h"
#include "aggregator/schema.h"
#include "common/eastern.h"
#include "common/table.h"
#include "common/text.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// Longer texts are cut in a table; `why ID` has them in full.
constexpr size_t kTitleChars = 70;
constexpr size_t kWhyChars = 48;

constexpr std::array<const char*, 9> kStates = {"refused",      "not_wanted",    "seen_before",
                                                "author_gated", "title_dropped", "below_cutoff",
                                                "selected",     "unscored",      "waiting"};

int64_t Number(Database& db, const char* sql) {
  auto cursor = db.Query(sql);
  return cursor.Next() ? cursor.Int(0) : 0;
}

std::string MegaBytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string HeadText(Database& db, const std::string& path) {
  int64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code none;
    const auto size = std::filesystem::file_size(path + suffix, none);
    if (!none) bytes += static_cast<int64_t>(size);
  }
  const int64_t free = Number(db, "PRAGMA freelist_count") * Number(db, "PRAGMA page_size");
  const std::string id = [&] {
    auto cursor = db.Query("SELECT value FROM meta WHERE key = 'ledger_id'");
    return cursor.Next() ? cursor.Text(0) : "";
  }();
  return fmt::format("ledger  {}: {} ({} of it free), schema {}, id {}\n", path, MegaBytes(bytes),
                     MegaBytes(free), SchemaVersionOf(db), id) +
         fmt::format("papers  {}, {} of them pruned; {} of work, {} done, {} failed\n",
                     Counted(Number(db, "SELECT count(*) FROM paper"), "text"),
                     Number(db, "SELECT count(*) FROM paper WHERE pruned = 1"),
                     Counted(Number(db, "SELECT count(*) FROM work"), "unit"),
                     Number(db, "SELECT count(*) FROM work WHERE state = 'done'"),
                     Number(db, "SELECT count(*) FROM work WHERE state = 'failed'")) +
         fmt::format(
             "leases  {} with {} out; {} lost, their estimates stay spent\n",
             Counted(Number(db, "SELECT count(*) FROM lease WHERE lost = 0"), "batch", "batches"),
             Counted(Number(db, "SELECT count(*) FROM work WHERE lease IS NOT NULL"), "paper"),
             Number(db, "SELECT count(*) FROM lease WHERE lost = 1"));
}

// Of all calls so far, also while the digest is not complete.
std::string CostOf(Database& db, DigestId id) {
  auto cursor = db.Query(
      "SELECT count(*), count(prompt_picodollars + completion_picodollars), "
      "coalesce(sum(prompt_picodollars + completion_picodollars), 0) FROM call WHERE digest = ?",
      id);
  cursor.Next();
  return cursor.Int(0) == cursor.Int(1) ? FormatDollars(cursor.Int(2)) : "unknown";
}

// A page that went on without lists is partial until they come.
std::string StateOf(Database& db, const Digest& digest) {
  const auto late = LateLists(db, digest.id);
  std::string state = digest.state;
  if (state == "published" && !late.empty()) {
    state = fmt::format("partial, lacks {}", fmt::join(late, ", "));
  }
  return IsDone(digest) && Unwritten(db).contains(digest.id) ? state + ", not written" : state;
}

// What is recorded and not below OUT.
std::string UnwrittenText(Database& db) {
  std::string text;
  for (const auto& [id, why] : Unwritten(db)) {
    const auto digest = FindDigest(db, id);
    text += fmt::format(
        "{} not written yet, which the aggregator tries every second while it runs: {}\n",
        digest ? fmt::format("{} {}: what is recorded is", digest->profile, digest->date)
               : "of the site and of dates without a digest, something is",
        why);
  }
  return text;
}

void AddDigest(Database& db, const Digest& digest, Table* table) {
  const DigestId id = digest.id;
  const wire::Funnel funnel = CountFunnel(db, id);
  auto cursor = db.Query(
      "SELECT count(*) FILTER (WHERE row.state IS NULL), count(*) FILTER (WHERE row.state IS NULL "
      "AND work.lease IS NOT NULL) FROM row LEFT JOIN work ON work.key = row.work "
      "WHERE row.digest = ?",
      id);
  cursor.Next();
  const int64_t leased = cursor.Int(1);
  table->Add({digest.profile, digest.date, StateOf(db, digest), std::to_string(digest.edition),
              digest.voice ? digest.voice->model : "-", std::to_string(funnel.arxiv()),
              std::to_string(funnel.not_wanted() + funnel.refused()),
              std::to_string(funnel.seen_before()), std::to_string(funnel.scanned()),
              std::to_string(funnel.selected()), std::to_string(funnel.unscored()),
              std::to_string(cursor.Int(0) - leased), std::to_string(leased), CostOf(db, id)});
}

// Why papers of a digest have no score; "" when all have, or none had its turn.
std::string UnscoredText(Database& db, const Digest& digest) {
  std::string text;
  auto cursor = db.Query(
      "SELECT count(*), why FROM row WHERE digest = ? AND state = 'unscored' GROUP BY why "
      "ORDER BY 1 DESC, 2",
      digest.id);
  while (cursor.Next()) {
    text += fmt::format("{} {}, {}: {} papers without a score: {}\n", digest.profile, digest.date,
                        StateOf(db, digest), cursor.Int(0), cursor.Text(1));
  }
  return text;
}

bool IsState(const std::string& word) {
  return std::find(kStates.begin(), kStates.end(), word) != kStates.end();
}

std::string StatesText() { return fmt::format("{}", fmt::join(kStates, ", ")); }

Error NoDigest(Database& db, const std::string& date) {
  std::string message = "the ledger has no digest of " + date;
  auto cursor = db.Query("SELECT profile, state, why FROM day WHERE date = ?", date);
  while (cursor.Next()) {
    message += fmt::format("; {}: {} ({})", cursor.Text(0), cursor.Text(1), cursor.Text(2));
  }
  return Invalid(message + "; `paperboy-aggregator status` lists those that it has");
}

}  // namespace

std::string StatusText(Database& db, const std::string& path, int limit) {
  Table table({"profile", "date", "state", ">edition", "model", ">arXiv", ">dropped", ">seen",
               ">scanned", ">selected", ">unscored", ">waiting", ">leased", ">cost"});
  struct Entry {
    std::string profile, date, state, why;
    std::optional<int64_t> digest;
  };
  std::vector<Entry> entries;
  {
    auto cursor = db.Query(
        "SELECT profile, date, state, '', id FROM digest UNION ALL "
        "SELECT profile, date, state, why, NULL FROM day ORDER BY date DESC, profile LIMIT ?",
        limit);
    while (cursor.Next()) {
      entries.push_back(
          {cursor.Text(0), cursor.Text(1), cursor.Text(2), cursor.Text(3), cursor.OptInt(4)});
    }
  }
  std::string days = UnwrittenText(db);
  for (const auto& entry : entries) {
    if (entry.digest) {
      const Digest digest = *FindDigest(db, *entry.digest);
      AddDigest(db, digest, &table);
      days += UnscoredText(db, digest);
    } else {
      table.Add({entry.profile, entry.date, entry.state});
      if (!entry.why.empty()) {
        days += fmt::format("{} {}: {}\n", entry.profile, entry.date, entry.why);
      }
    }
  }
  std::string text = HeadText(db, path) + "\n" + table.Text();
  const int64_t all =
      Number(db, "SELECT (SELECT count(*) FROM digest) + (SELECT count(*) FROM day)");
  if (all > limit) {
    text += fmt::format("{} of {} are shown; `status {}` shows all\n", limit, all, all);
  }
  if (!days.empty()) text += "\n" + days;
  return text;
}

Result<std::string> PapersText(Database& db, const std::string& date, const std::string& state) {
  if (auto parsed = ParseDate(date); !parsed) return parsed.error();
  if (!state.empty() && !IsState(state)) {
    return Invalid("\"" + CutChars(state, 80) +
                   "\" is no state of a paper; there are: " + StatesText());
  }
  if (!db.Query("SELECT 1 FROM digest WHERE date = ?", date).Next()) return NoDigest(db, date);
  Table table({"profile", "id", "state", ">rel", ">nov", "why", "title"});
  int rows = 0;
  auto cursor = db.Query(
      "SELECT d.profile, r.paper, coalesce(r.state, 'waiting') AS ended, r.why, r.position, "
      "coalesce(r.relevance, w.relevance), coalesce(r.novelty, w.novelty), r.version, "
      "coalesce(w.addresses_model, '') FROM row r JOIN digest d ON d.id = r.digest "
      "LEFT JOIN work w ON w.key = r.work AND w.state = 'done' WHERE d.date = ?1 "
      "AND (?2 = '' OR ended = ?2) "
      "ORDER BY d.profile, r.position IS NULL, r.position, ended, r.paper",
      date, state);
  while (cursor.Next()) {
    ++rows;
    const std::string ended = cursor.Text(2);
    const bool scored = ended == "selected" || ended == "below_cutoff";
    auto score = [&](int column) {
      return scored && !cursor.Null(column) ? std::to_string(cursor.Int(column)) : "-";
    };
    const auto paper = FindPaper(db, cursor.Text(1), cursor.Int(7));
    std::string why = cursor.Text(3);
    if (scored && !cursor.Text(8).empty()) why = "its text " + cursor.Text(8);
    table.Add({cursor.Text(0), cursor.Text(1),
               ended + (cursor.Null(4) ? "" : " #" + std::to_string(cursor.Int(4))), score(5),
               score(6), CutChars(why, kWhyChars),
               paper ? CutChars(paper->title(), kTitleChars) : "-"});
  }
  if (rows > 0) return table.Text();
  const bool open = db.Query("SELECT 1 FROM digest WHERE date = ? AND state = 'open'", date).Next();
  return "no paper of " + date + (state.empty() ? " is here" : " is " + state) +
         (open ? "; it waits for papers: run paperboy-fetcher with " + FlagsFor(date) : "") + "\n";
}

}  // namespace paperboy
