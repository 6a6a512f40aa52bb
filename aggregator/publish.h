// From a complete digest to files. What is published is committed first, with
// the bytes of each file; OUT is a copy of it that can be made again at any
// time.
//
//   OUT/PROFILE/md/YYYY-MM/DATE-output.md      the page
//   OUT/PROFILE/json/YYYY-MM/DATE-output.json  the selected papers
//   OUT/PROFILE/json/YYYY-MM/DATE-digest.json  state, funnel, every row; also of a withheld digest
//   OUT/PROFILE/output.md                      copy of the newest date's page
//   OUT/site/                                  all of it as a web site (site.h)
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/digests.h"
#include "aggregator/folder.h"
#include "aggregator/page.h"
#include "aggregator/site.h"
#include "common/result.h"

namespace paperboy {

struct RenderedFile {
  std::string path;  // below OUT
  std::string content;
};
// What is published of a digest: page, papers and status, or of a withheld one
// the status alone. Pure.
std::vector<RenderedFile> RenderFiles(const DigestPage& page);
// The status of a date without an announcement; nullopt when table day has none.
std::optional<RenderedFile> RenderDay(Database& db, const std::string& profile,
                                      const std::string& date);

// OUT/PROFILE/output.md of each profile: a copy of the recorded file `source`.
struct NewestPage {
  std::string path, source, sha256;
};
std::vector<NewestPage> NewestPages(Database& db);

class Publisher {
 public:
  Publisher(Database& db, Folder& out) : db_(db), out_(out) {}

  // Renders a complete digest and commits it as published or withheld, in a
  // transaction of its own. Throws StorageError.
  void Publish(DigestId id);

  // The status file of a date without an announcement, as the table day has it.
  // Inside the caller's transaction.
  void RecordDay(const std::string& profile, const std::string& date);

  // Whether other digests are being scored than at the last look: the site shows those, and
  // the next Begin brings it to that.
  bool LookAtScoring();

  // Brings OUT to what is recorded: every file that is missing or differs, each
  // profile's newest page, and the site, without pages that it has no more. After the publication
  // of `changed` the bytes of other digests' files are not compared, and of the site only the pages
  // around what was recorded since OUT last agreed: looking at all of it again would
  // make a backfill take the square of its days.
  //
  // Begin, then Step until done: one file that is written or page that is rendered a step,
  // because all of a large digest's take half a second in which nobody is served. What is recorded
  // meanwhile waits for the next Begin. A step returns how many files it wrote or removed; after
  // kStorage, which names the file that could not be, begin again.
  void Begin(std::optional<DigestId> changed);
  bool done() const { return next_ == looks_.size(); }
  Result<int> Step();
  // All steps at once. Returns how many were written or removed.
  Result<int> Reconcile(std::optional<DigestId> changed = std::nullopt);

  // Path of the page below OUT, whether or not it exists.
  std::string PagePath(const Digest& digest) const;

 private:
  void Record(const std::string& path, std::optional<DigestId> digest, const std::string& content);
  // A file below OUT: a copy of the recorded `source`, or a page of the site.
  struct Look {
    std::string path, source, sha256;
    std::optional<SitePage> page;
    bool compare;         // its bytes; otherwise it is enough that it exists
    bool former = false;  // it must not exist
  };
  void LookAtFiles(std::optional<DigestId> changed);
  void LookAtSite(std::optional<DigestId> changed);
  Result<int> WriteIfStale(const Look& look);

  Database& db_;
  Folder& out_;
  // Profile and date of what was recorded since the site last agreed with it, and of what
  // the steps under way bring to it.
  std::set<std::pair<std::string, std::string>> recorded_, in_hand_;
  std::set<std::pair<std::string, std::string>> being_scored_;  // at the last look
  std::vector<Look> looks_;
  size_t next_ = 0;  // of them
};

}  // namespace paperboy
