#include "aggregator/publish.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "aggregator/archive.h"
#include "aggregator/page.h"
#include "common/text.h"

namespace paperboy {

void Publisher::Record(const std::string& path, std::optional<DigestId> digest,
                       const std::string& content) {
  db_.Exec("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", path, digest, Sha256Hex(content),
           Blob{content});
}

std::string Publisher::PagePath(const Digest& digest) const {
  return out_.path() + "/" + PathBelowOut(digest.profile, "md", digest.date, "output.md");
}

std::vector<RenderedFile> RenderFiles(const DigestPage& page) {
  const Digest& digest = page.digest;
  auto path = [&](const char* kind, const char* name) {
    return PathBelowOut(digest.profile, kind, digest.date, name);
  };
  std::vector<RenderedFile> files;
  // A withheld digest has a status and no page; an older page stays.
  if (!digest.withhold) {
    files.push_back({path("md", "output.md"), RenderMarkdown(page)});
    files.push_back({path("json", "output.json"), RenderPapersJson(page)});
  }
  files.push_back({path("json", "digest.json"), RenderStatusJson(page)});
  return files;
}

std::optional<RenderedFile> RenderDay(Database& db, const std::string& profile,
                                      const std::string& date) {
  auto cursor =
      db.Query("SELECT state, why FROM day WHERE profile = ? AND date = ?", profile, date);
  if (!cursor.Next()) return std::nullopt;
  return RenderedFile{PathBelowOut(profile, "json", date, "digest.json"),
                      RenderDayJson(profile, date, cursor.Text(0), cursor.Text(1))};
}

std::vector<NewestPage> NewestPages(Database& db) {
  std::vector<NewestPage> pages;
  // The newest date, not the newest run.
  auto cursor = db.Query(
      "SELECT d.profile, f.path, f.sha256, max(d.date) FROM file f JOIN digest d "
      "ON d.id = f.digest WHERE f.path LIKE '%/md/%' GROUP BY d.profile");
  while (cursor.Next()) {
    pages.push_back({cursor.Text(0) + "/output.md", cursor.Text(1), cursor.Text(2)});
  }
  return pages;
}

void Publisher::Publish(DigestId id) {
  const DigestPage page = LoadPage(db_, id);
  Transaction transaction(db_);
  for (const auto& file : RenderFiles(page)) Record(file.path, id, file.content);
  db_.Exec("UPDATE digest SET state = ? WHERE id = ?",
           page.digest.withhold ? "withheld" : "published", id);
  transaction.Commit();
  recorded_.emplace(page.digest.profile, page.digest.date);
}

void Publisher::RecordDay(const std::string& profile, const std::string& date) {
  if (const auto file = RenderDay(db_, profile, date)) {
    Record(file->path, std::nullopt, file->content);
    recorded_.emplace(profile, date);
  }
}

bool Publisher::LookAtScoring() {
  const auto before = std::exchange(being_scored_, DigestsBeingScored(db_));
  std::ranges::set_symmetric_difference(before, being_scored_,
                                        std::inserter(recorded_, recorded_.end()));
  return before != being_scored_;
}

void Publisher::Begin(std::optional<DigestId> changed) {
  LookAtScoring();
  recorded_.merge(in_hand_);
  in_hand_ = std::exchange(recorded_, {});
  looks_.clear();
  next_ = 0;
  LookAtFiles(changed);
  LookAtSite(changed);
  // Behind the pages that led there.
  for (const SitePage& page : FormerSitePages(db_)) {
    looks_.push_back({page.Path(), "", "", std::nullopt, true, true});
  }
}

Result<int> Publisher::Step() try {
  while (!done()) {
    const Look& look = looks_[next_];
    const bool due = look.compare || !out_.Has(look.path);
    auto written = due ? WriteIfStale(look) : 0;
    if (!written) return written;
    const bool much = *written > 0 || look.page;
    if (++next_ == looks_.size()) in_hand_.clear();
    if (due && much) return written;
  }
  return 0;
} catch (const StorageError& e) {
  return Error{ErrorKind::kStorage, e.what()};
}

Result<int> Publisher::Reconcile(std::optional<DigestId> changed) try {
  Begin(changed);
  int written = 0;
  while (!done()) {
    auto step = Step();
    if (!step) return step;
    written += *step;
  }
  return written;
} catch (const StorageError& e) {
  return Error{ErrorKind::kStorage, e.what()};
}

void Publisher::LookAtFiles(std::optional<DigestId> changed) {
  auto cursor = db_.Query(
      "SELECT path, sha256, ?1 IS NULL OR digest = ?1 OR digest IS NULL FROM file ORDER BY path",
      changed);
  while (cursor.Next()) {
    const std::string path = cursor.Text(0);
    looks_.push_back({path, path, cursor.Text(1), std::nullopt, cursor.Int(2) != 0});
  }
  for (const auto& page : NewestPages(db_)) {
    looks_.push_back({page.path, page.source, page.sha256, std::nullopt, true});
  }
}

void Publisher::LookAtSite(std::optional<DigestId> changed) {
  auto dates = in_hand_;
  if (const auto digest = changed ? FindDigest(db_, *changed) : std::nullopt) {
    dates.emplace(digest->profile, digest->date);
  }
  std::set<SitePage> compared;
  for (const auto& [profile, date] : dates) {
    compared.merge(SitePagesAround(db_, profile, date));
  }
  for (const SitePage& page : SitePages(db_)) {
    looks_.push_back({page.Path(), "", "", page, !changed || compared.contains(page)});
  }
}

Result<int> Publisher::WriteIfStale(const Look& look) {
  if (look.former) {
    if (!out_.Has(look.path)) return 0;
    if (auto status = out_.Remove(look.path); !status) return status.error();
    return 1;
  }
  std::string content;
  const auto have = out_.Read(look.path);
  if (look.page) {
    content = RenderSitePage(db_, *look.page);
    if (have == content) return 0;
  } else {
    if (have && Sha256Hex(*have) == look.sha256) return 0;
    content = RecordedFile(db_, look.source).value_or("");
  }
  if (auto status = out_.Write(look.path, content); !status) return status.error();
  return 1;
}

}  // namespace paperboy
