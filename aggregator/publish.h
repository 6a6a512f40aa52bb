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

  // Writes every file that is missing from OUT or differs from the ledger, each
  // profile's newest page, and the site. After the publication of `changed` the
  // bytes of other digests' files are not compared, and of the site only the pages
  // around what was recorded since OUT last agreed: looking at all of it again would
  // make a backfill take the square of its days. Returns how many were written;
  // kStorage names the file that could not be.
  Result<int> Reconcile(std::optional<DigestId> changed = std::nullopt);

  // Path of the page below OUT, whether or not it exists.
  std::string PagePath(const Digest& digest) const;

 private:
  void Record(const std::string& path, std::optional<DigestId> digest, const std::string& content);
  struct File {
    std::string path, source, sha256;
    bool compare;  // its bytes; otherwise it is enough that it exists
  };
  // Writes the content recorded for `source` to OUT/`path` unless it is there.
  Result<int> WriteIfStale(const File& file);
  Result<int> ReconcileFiles(std::optional<DigestId> changed);
  Result<int> ReconcileSite(std::optional<DigestId> changed);

  Database& db_;
  Folder& out_;
  // Profile and date of what was recorded since the site last agreed with it.
  std::set<std::pair<std::string, std::string>> recorded_;
};

}  // namespace paperboy
