#include "aggregator/backup.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "aggregator/files.h"
#include "aggregator/schema.h"
#include "aggregator/store.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;

void Remove(const std::string& path) {
  std::error_code none;
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) fs::remove(path + suffix, none);
}

fs::path FolderOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Whether the file is a whole ledger of a version that this program knows.
Status CheckCopy(const std::string& path) try {
  Database db(path, Access::kRead);
  const int version = SchemaVersionOf(db);
  if (version < 1) return Invalid("it is no ledger of Paperboy");
  if (version > SchemaVersion()) {
    return Invalid("it was written by a newer version of Paperboy (schema " +
                   std::to_string(version) + ", this program knows " +
                   std::to_string(SchemaVersion()) + ")");
  }
  auto said = db.Query("PRAGMA integrity_check(1)");
  if (!said.Next() || said.Text(0) != "ok") return Invalid("it is damaged: " + said.Text(0));
  if (!db.Query("SELECT 1 FROM meta WHERE key = 'ledger_id'").Next()) {
    return Invalid("it is damaged: it has no id");
  }
  return Ok();
} catch (const StorageError& e) {
  return Invalid(e.what());
}

Error About(const std::string& file, const Error& error) {
  return {error.kind, file + ": " + error.message};
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return FileError("cannot rename", from);
  return SyncFolder(FolderOf(to));
}

class Lock {
 public:
  explicit Lock(int fd) : fd_(fd) {}
  ~Lock() { close(fd_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  const int fd_;
};

// A checked copy of `file`, with what its write-ahead log holds, at `aside`, under
// an id of its own.
Status CopyAside(const std::string& file, const std::string& aside) try {
  Remove(aside);
  Database(file, Access::kRead).Exec("VACUUM INTO ?", aside);
  Database(aside, Access::kWrite)
      .Exec("UPDATE meta SET value = lower(hex(randomblob(8))) WHERE key = 'ledger_id'");
  if (auto status = CheckCopy(aside); !status) return status;
  return SyncFile(aside);
} catch (const StorageError& e) {
  return Error{ErrorKind::kStorage, e.what()};
}

// Keeps what is there of the ledger under a second name, before its own is given up.
Result<std::string> KeepReplaced(const std::string& data_dir, WallTime now) {
  const std::string path = data_dir + "/ledger.db";
  std::string when = FormatIsoUtc(now);
  std::replace(when.begin(), when.end(), ':', '-');
  std::string folder = data_dir + "/replaced-" + when;
  for (int n = 2; Exists(folder); ++n) {
    folder = data_dir + "/replaced-" + when + "-" + std::to_string(n);
  }
  bool any = false;
  for (const char* suffix : {"", "-wal", "-journal"}) {
    if (!Exists(path + suffix)) continue;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return Error{ErrorKind::kStorage, "cannot make " + folder + ": " + error.message()};
    const std::string kept = folder + "/ledger.db" + suffix;
    fs::create_hard_link(path + suffix, kept, error);
    if (error) fs::copy_file(path + suffix, kept, error);  // a file system without links
    if (error) return Error{ErrorKind::kStorage, "cannot make " + kept + ": " + error.message()};
    if (auto status = SyncFile(kept); !status) return status.error();
    any = true;
  }
  if (!any) return std::string();
  if (auto status = SyncFolder(folder); !status) return status.error();
  if (auto status = SyncFolder(data_dir); !status) return status.error();
  return folder;
}

}  // namespace

Result<int64_t> BackUpLedger(Database& db, const std::string& file) {
  if (Exists(file)) {
    return Invalid(file + " is there already: a backup overwrites nothing, name another file");
  }
  const std::string aside = file + ".new";
  Remove(aside);
  Status status = Ok();
  try {
    db.Exec("VACUUM INTO ?", aside);
    status = CheckCopy(aside);
  } catch (const StorageError& e) {
    status = Error{ErrorKind::kStorage, e.what()};
  }
  if (status) status = SyncFile(aside);
  std::error_code none;
  const auto bytes = static_cast<int64_t>(fs::file_size(aside, none));
  if (status) status = Rename(aside, file);
  if (status) return bytes;
  Remove(aside);
  return About("the backup to " + file + " failed", status.error());
}

Result<std::string> RestoreLedger(const std::string& data_dir, const std::string& file,
                                  WallTime now) {
  if (!fs::is_regular_file(file)) return Invalid("there is no file " + file);
  if (auto status = CheckCopy(file); !status) return About(file, status.error());
  auto fd = LockLedger(data_dir);
  if (!fd) return fd.error();
  const Lock lock(*fd);
  const std::string path = data_dir + "/ledger.db";
  if (auto status = CopyAside(file, path + ".copying"); !status) return About(file, status.error());
  // From here on nobody starts until the copy is in its place.
  if (auto status = Rename(path + ".copying", path + ".restoring"); !status) return status.error();
  auto replaced = KeepReplaced(data_dir, now);
  if (!replaced) return replaced.error();
  Remove(path);
  if (auto status = SyncFolder(data_dir); !status) return status.error();
  if (auto status = Rename(path + ".restoring", path); !status) return status.error();
  return *replaced;
}

}  // namespace paperboy
