#include "aggregator/publish.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "aggregator/page.h"
#include "common/text.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;

std::string PathBelowOut(const std::string& profile, const std::string& kind,
                         const std::string& date, const std::string& name) {
  return profile + "/" + kind + "/" + date.substr(0, 7) + "/" + date + "-" + name;
}

Error FileError(const std::string& what, const fs::path& path) {
  return {ErrorKind::kStorage, what + " " + path.string() + ": " + std::strerror(errno)};
}

Status SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", folder);
  const int code = fsync(fd);
  close(fd);
  if (code != 0) return FileError("cannot sync", folder);
  return Ok();
}

Status WriteAndSync(const fs::path& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("cannot write", path);
  size_t written = 0;
  while (written < content.size()) {
    const ssize_t n = write(fd, content.data() + written, content.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    written += static_cast<size_t>(n);
  }
  const bool ok = written == content.size() && fsync(fd) == 0;
  const int saved = errno;
  close(fd);
  errno = saved;
  if (!ok) return FileError("cannot write", path);
  return Ok();
}

}  // namespace

void Publisher::Record(const std::string& path, std::optional<DigestId> digest,
                       const std::string& content) {
  db_.Exec("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", path, digest, Sha256Hex(content),
           Blob{content});
}

std::string Publisher::PagePath(const Digest& digest) const {
  return out_ + "/" + PathBelowOut(digest.profile, "md", digest.date, "output.md");
}

void Publisher::Publish(DigestId id) {
  const DigestPage page = LoadPage(db_, id);
  const Digest& digest = page.digest;
  Transaction transaction(db_);
  auto path = [&](const char* kind, const char* name) {
    return PathBelowOut(digest.profile, kind, digest.date, name);
  };
  // A withheld digest has a status and no page; an older page stays.
  if (!digest.withhold) {
    Record(path("md", "output.md"), id, RenderMarkdown(page));
    Record(path("json", "output.json"), id, RenderPapersJson(page));
  }
  Record(path("json", "digest.json"), id, RenderStatusJson(page));
  db_.Exec("UPDATE digest SET state = ? WHERE id = ?", digest.withhold ? "withheld" : "published",
           id);
  transaction.Commit();
}

void Publisher::RecordDay(const std::string& profile, const std::string& date) {
  auto cursor =
      db_.Query("SELECT state, why FROM day WHERE profile = ? AND date = ?", profile, date);
  if (!cursor.Next()) return;
  Record(PathBelowOut(profile, "json", date, "digest.json"), std::nullopt,
         RenderDayJson(profile, date, cursor.Text(0), cursor.Text(1)));
}

Result<int> Publisher::Reconcile(std::optional<DigestId> changed) try {
  std::vector<File> files;
  {
    auto cursor = db_.Query(
        "SELECT path, sha256, ?1 IS NULL OR digest = ?1 OR digest IS NULL FROM file ORDER BY path",
        changed);
    while (cursor.Next()) {
      files.push_back({cursor.Text(0), cursor.Text(0), cursor.Text(1), cursor.Int(2) != 0});
    }
  }
  {
    // The newest date, not the newest run.
    auto cursor = db_.Query(
        "SELECT d.profile, f.path, f.sha256, max(d.date) FROM file f JOIN digest d "
        "ON d.id = f.digest WHERE f.path LIKE '%/md/%' GROUP BY d.profile");
    while (cursor.Next()) {
      files.push_back({cursor.Text(0) + "/output.md", cursor.Text(1), cursor.Text(2), true});
    }
  }
  int written = 0;
  for (const auto& file : files) {
    auto count = WriteIfStale(file);
    if (!count) return count;
    written += *count;
  }
  return written;
} catch (const StorageError& e) {
  return Error{ErrorKind::kStorage, e.what()};
}

Result<int> Publisher::WriteIfStale(const File& file) {
  if (std::ifstream have(fs::path(out_) / file.path, std::ios::binary); have) {
    if (!file.compare) return 0;
    std::ostringstream bytes;
    bytes << have.rdbuf();
    if (Sha256Hex(bytes.str()) == file.sha256) return 0;
  }
  auto cursor = db_.Query("SELECT content FROM file WHERE path = ?", file.source);
  cursor.Next();
  if (auto status = WriteAtomically(file.path, cursor.Text(0)); !status) return status.error();
  return 1;
}

Status Publisher::WriteAtomically(const std::string& path, const std::string& content) {
  const fs::path target = fs::path(out_) / path;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) {
    return Error{ErrorKind::kStorage,
                 "cannot make " + target.parent_path().string() + ": " + error.message()};
  }
  const fs::path aside = target.string() + ".new";
  if (auto status = WriteAndSync(aside, content); !status) return status;
  if (rename(aside.c_str(), target.c_str()) != 0) return FileError("cannot rename", aside);
  return SyncFolder(target.parent_path());
}

}  // namespace paperboy
