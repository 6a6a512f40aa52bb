#include "aggregator/verify.h"

#include <map>
#include <set>

#include "aggregator/archive.h"
#include "aggregator/publish.h"
#include "aggregator/site.h"
#include "common/text.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// Findings of the database's own checks that are listed.
constexpr int kFindings = 10;

constexpr char kRestore[] =
    "the ledger is damaged: restore it from a backup (paperboy-aggregator restore FILE)";

std::string NameOf(const Digest& digest) { return digest.profile + " " + digest.date; }

class Verification {
 public:
  Verification(Database& db, const std::string& out_dir, const VerifyHooks& hooks)
      : db_(db), out_(out_dir), hooks_(hooks) {}

  VerifyReport Run() {
    try {
      CheckDatabase();
      CheckDigests();
      CheckDays();
      CheckFiles();
    } catch (const StorageError& e) {
      Problem(std::string("the ledger cannot be read any further (") + e.what() + "): " + kRestore);
    }
    return std::move(report_);
  }

 private:
  void CheckDatabase();
  void CheckDigests();
  void CheckDigest(DigestId id);
  bool CheckRows(const Digest& digest);
  bool CheckSelected(const DigestPage& page);
  void CheckRendered(const DigestPage& page);
  void CheckDays();
  std::set<std::string> CheckRecords();
  void CheckFiles();
  bool IsAsRecorded(const std::string& path, const std::string& source);
  bool IsAsRendered(const SitePage& page);
  std::vector<std::string> FormerPages();
  void NotAsPublished(const std::string& path);
  void Problem(const std::string& text) { report_.problems.push_back(text); }
  std::vector<std::string> Texts(const char* sql);

  Database& db_;
  DiskFolder out_;
  const VerifyHooks& hooks_;
  VerifyReport report_;
};

std::vector<std::string> Verification::Texts(const char* sql) {
  std::vector<std::string> texts;
  auto cursor = db_.Query(sql);
  while (cursor.Next()) texts.push_back(cursor.Text(0));
  return texts;
}

void Verification::CheckDatabase() {
  hooks_.progress("checking the database", 0, 1);
  for (const auto& said : Texts("PRAGMA integrity_check(10)")) {
    if (said != "ok") Problem("integrity_check says \"" + said + "\": " + kRestore);
  }
  auto cursor = db_.Query("PRAGMA foreign_key_check");
  for (int i = 0; i < kFindings && cursor.Next(); ++i) {
    Problem(fmt::format("a row of table {} refers to one of {} that is not there: {}",
                        cursor.Text(0), cursor.Text(2), kRestore));
  }
}

void Verification::CheckDigests() {
  std::vector<DigestId> ids;
  {
    auto cursor = db_.Query("SELECT id FROM digest ORDER BY date, profile");
    while (cursor.Next()) ids.push_back(cursor.Int(0));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    hooks_.progress("rendering digests", i, ids.size());
    db_.Exec("BEGIN");
    try {
      CheckDigest(ids[i]);
    } catch (const StorageError& e) {
      Problem(fmt::format("digest {} cannot be read ({}): {}", ids[i], e.what(), kRestore));
    }
    db_.Exec("COMMIT");  // nothing was written
  }
}

void Verification::CheckDigest(DigestId id) {
  const auto digest = FindDigest(db_, id);
  if (!digest) return;
  if (digest->state != "published" && digest->state != "withheld") {
    const bool older =
        db_.Query("SELECT 1 FROM file WHERE digest = ? AND path LIKE '%/md/%'", id).Next();
    report_.said.push_back(NameOf(*digest) + " is " + digest->state + ": " +
                           (older ? "being amended, an older page stands until it is published"
                                  : "not published yet"));
    return;
  }
  if (!CheckRows(*digest)) return;
  const DigestPage page = LoadPage(db_, id);
  if (!CheckSelected(page)) return;
  CheckRendered(page);
  ++report_.digests;
}

bool Verification::CheckRows(const Digest& digest) {
  const wire::Funnel funnel = CountFunnel(db_, digest.id);
  auto cursor = db_.Query(
      "SELECT count(*) FILTER (WHERE state IS NULL), (SELECT count(DISTINCT paper) FROM listing "
      "WHERE listing.digest = ?1) FROM row WHERE row.digest = ?1",
      digest.id);
  cursor.Next();
  const uint64_t listed = static_cast<uint64_t>(cursor.Int(1));
  const uint64_t ended =
      funnel.refused() + funnel.not_wanted() + funnel.seen_before() + funnel.scanned();
  if (cursor.Int(0) == 0 && funnel.arxiv() == ended && funnel.arxiv() == listed) return true;
  Problem(fmt::format(
      "{}: the funnel does not add up: {} ids in its lists, {} rows, {} without an end state; "
      "`redo {}` and a run of the fetcher for this date make it anew",
      NameOf(digest), listed, funnel.arxiv(), cursor.Int(0), digest.date));
  return false;
}

bool Verification::CheckSelected(const DigestPage& page) {
  const auto selected = page.selected();
  for (size_t i = 0; i < selected.size(); ++i) {
    const PageRow& row = *selected[i];
    if (row.position == static_cast<int>(i) + 1 && row.paper &&
        (row.relevance || row.author_match)) {
      continue;
    };
    Problem(fmt::format("{}: {} stands on the page without its text, score or place: {}",
                        NameOf(page.digest), row.id, kRestore));
    return false;
  }
  if (selected.size() == page.funnel.selected()) return true;
  Problem(fmt::format("{}: {} papers are selected, {} stand on the page: {}", NameOf(page.digest),
                      page.funnel.selected(), selected.size(), kRestore));
  return false;
}

void Verification::CheckRendered(const DigestPage& page) {
  for (const auto& file : RenderFiles(page)) {
    const auto recorded = RecordedFile(db_, file.path);
    if (recorded == file.content) continue;
    Problem(fmt::format(
        "{}: {} {}. Either the ledger was changed by hand, or another version rendered it; "
        "`redo {}` and a run of the fetcher for this date publish it anew, without a call",
        NameOf(page.digest), file.path,
        recorded ? "is not what the ledger gives today" : "is not recorded", page.digest.date));
  }
}

void Verification::CheckDays() {
  struct Day {
    std::string profile, date;
  };
  std::vector<Day> days;
  {
    auto cursor = db_.Query("SELECT profile, date FROM day");
    while (cursor.Next()) days.push_back({cursor.Text(0), cursor.Text(1)});
  }
  for (const auto& [profile, date] : days) {
    const auto file = RenderDay(db_, profile, date);
    // A digest that was withheld before the day was known has a status of its own.
    if (!file || FindDigest(db_, profile, date)) continue;
    if (RecordedFile(db_, file->path) == file->content) continue;
    Problem(profile + " " + date + ": " + file->path +
            " is not what the ledger gives; a run of the fetcher for this date makes it anew");
  }
}

// Whether OUT/`path` has the bytes recorded for `source`.
bool Verification::IsAsRecorded(const std::string& path, const std::string& source) {
  const auto recorded = RecordedFile(db_, source);
  return recorded && out_.Read(path) == recorded;
}

bool Verification::IsAsRendered(const SitePage& page) {
  return out_.Read(page.Path()) == RenderSitePage(db_, page);
}

// Those pages that the site has no more and OUT has.
std::vector<std::string> Verification::FormerPages() {
  std::vector<std::string> paths;
  for (const SitePage& page : FormerSitePages(db_)) {
    if (out_.Has(page.Path())) paths.push_back(page.Path());
  }
  return paths;
}

void Verification::NotAsPublished(const std::string& path) {
  Problem(out_.path() + "/" + path +
          " is missing or is not what was published: the aggregator writes it again when it "
          "starts");
}

// Paths whose recorded bytes are damaged: nothing can be compared with them.
std::set<std::string> Verification::CheckRecords() {
  std::set<std::string> damaged;
  auto cursor = db_.Query("SELECT path, content, sha256 FROM file");
  while (cursor.Next()) {
    if (Sha256Hex(cursor.Text(1)) == cursor.Text(2)) continue;
    damaged.insert(cursor.Text(0));
    Problem("what was recorded of " + cursor.Text(0) + " does not match its hash: " + kRestore);
  }
  return damaged;
}

void Verification::CheckFiles() {
  const std::set<std::string> damaged = CheckRecords();
  std::map<std::string, std::string> sources;  // path below OUT → path recorded
  for (const auto& path : Texts("SELECT path FROM file")) sources[path] = path;
  for (const auto& page : NewestPages(db_)) sources[page.path] = page.source;
  // The site is made of the records: nothing is expected of it where they are damaged.
  const auto pages = damaged.empty() ? SitePages(db_) : std::vector<SitePage>();
  const size_t total = sources.size() + pages.size();
  std::vector<std::string> stale;
  for (const auto& [path, source] : sources) {
    hooks_.progress("comparing files", report_.files++, total);
    if (!IsAsRecorded(path, source)) stale.push_back(path);
  }
  std::vector<SitePage> stale_pages;
  for (const auto& page : pages) {
    hooks_.progress("comparing files", report_.files++, total);
    if (!IsAsRendered(page)) stale_pages.push_back(page);
  }
  if (!stale.empty() || !stale_pages.empty() || !FormerPages().empty()) hooks_.settle();
  for (const auto& page : NewestPages(db_)) sources[page.path] = page.source;
  for (const auto& path : stale) {
    if (IsAsRecorded(path, sources[path]) || damaged.contains(sources[path])) continue;
    NotAsPublished(path);
  }
  for (const auto& page : stale_pages) {
    if (!IsAsRendered(page)) NotAsPublished(page.Path());
  }
  for (const auto& path : FormerPages()) {
    Problem(out_.path() + "/" + path +
            " is of a digest that is no longer being scored: the aggregator removes it when it "
            "starts");
  }
}

}  // namespace

VerifyReport Verify(Database& db, const std::string& out_dir, const VerifyHooks& hooks) {
  return Verification(db, out_dir, hooks).Run();
}

}  // namespace paperboy
