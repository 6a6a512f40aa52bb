#include "aggregator/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "aggregator/files.h"
#include "aggregator/schema.h"
#include "spdlog/spdlog.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;

constexpr char kRestore[] =
    "restore it from a backup (paperboy-aggregator restore FILE), or move the data folder away to "
    "begin a new ledger";

// Made aside and renamed when whole: a kill leaves the ledger or nothing.
Status MakeLedger(const std::string& data_dir) {
  const std::string aside = data_dir + "/ledger.db.new";
  std::error_code none;
  for (const char* suffix : {"", "-journal"}) fs::remove(aside + suffix, none);
  {
    Database db(aside, Access::kCreate);
    if (auto status = Migrate(db); !status) return status;
  }
  if (auto status = SyncFile(aside); !status) return status;
  const std::string path = data_dir + "/ledger.db";
  if (rename(aside.c_str(), path.c_str()) != 0) return FileError("cannot rename", aside);
  spdlog::info("a new ledger begins at {}", path);
  return SyncFolder(data_dir);
}

// What may be there before the database is opened, which would make a file of
// its own of what is missing.
Status CheckFiles(const std::string& data_dir) {
  const std::string path = data_dir + "/ledger.db";
  if (Exists(data_dir + "/ledger.db.restoring")) {
    return Invalid("a restore into " + data_dir + " was interrupted: run it again");
  }
  if (!Exists(path)) {
    if (Exists(path + "-wal")) {
      return Invalid(path + " is missing although its " + path +
                     "-wal is there, which holds its last changes: put the file back, or " +
                     kRestore);
    }
    return MakeLedger(data_dir);
  }
  std::error_code error;
  if (fs::file_size(path, error) == 0 && !error) {
    return Invalid(path + " is empty: it is damaged; " + kRestore);
  }
  return Ok();
}

Status QuickCheck(Database& db) {
  auto cursor = db.Query("PRAGMA quick_check(1)");
  const std::string said = cursor.Next() ? cursor.Text(0) : "no answer";
  if (said == "ok") return Ok();
  return Invalid("it is damaged (" + said + "); " + kRestore);
}

Status CheckVersion(Database& db) {
  if (SchemaVersionOf(db) == 0) return Invalid(std::string("it holds no ledger; ") + kRestore);
  if (SchemaVersionOf(db) > SchemaVersion()) return Migrate(db);
  return Ok();
}

Error InLedger(const std::string& data_dir, const Error& error) {
  return {error.kind, "the ledger in " + data_dir + " cannot be used: " + error.message};
}

// 0 when there is no such file.
uint64_t InodeOf(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

}  // namespace

Result<int> LockLedger(const std::string& data_dir) {
  std::error_code error;
  fs::create_directories(data_dir, error);
  if (error) return Invalid("cannot make the data folder " + data_dir + ": " + error.message());
  const std::string lock = data_dir + "/ledger.lock";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Invalid("cannot open " + lock + ": " + std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  close(fd);
  return Error{ErrorKind::kConflict,
               "another aggregator has the ledger in " + data_dir +
                   " (lock on ledger.lock); stop it, or give this one another --data"};
}

Result<std::unique_ptr<Store>> Store::OpenForWriting(const std::string& data_dir) try {
  std::unique_ptr<Store> store(new Store);
  auto lock = LockLedger(data_dir);
  if (!lock) return lock.error();
  store->lock_fd_ = *lock;
  if (auto status = CheckFiles(data_dir); !status) return status.error();
  store->db_ = std::make_unique<Database>(data_dir + "/ledger.db", Access::kWrite);
  Database& db = *store->db_;
  if (auto status = CheckVersion(db); !status) return InLedger(data_dir, status.error());
  if (auto status = QuickCheck(db); !status) return InLedger(data_dir, status.error());
  db.Script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  if (auto status = Migrate(db); !status) return InLedger(data_dir, status.error());
  if (auto status = store->ReadId(); !status) return InLedger(data_dir, status.error());
  store->data_dir_ = data_dir;
  store->inode_ = InodeOf(data_dir + "/ledger.db");
  return store;
} catch (const StorageError& e) {
  return Invalid("the ledger in " + data_dir + " cannot be used: " + e.what() +
                 "; if it is damaged, " + kRestore);
}

Result<std::unique_ptr<Store>> Store::OpenForReading(const std::string& data_dir) try {
  const std::string path = data_dir + "/ledger.db";
  if (!Exists(path)) return Invalid("there is no ledger at " + path + "; is --data right?");
  std::unique_ptr<Store> store(new Store);
  store->db_ = std::make_unique<Database>(path, Access::kRead);
  const int have = SchemaVersionOf(*store->db_);
  if (have == 0) return Invalid(path + " holds no ledger; is --data right?");
  if (have != SchemaVersion()) {
    return Invalid(path + " has schema version " + std::to_string(have) + ", this program reads " +
                   std::to_string(SchemaVersion()) + "; use the program that writes it" +
                   (have < SchemaVersion() ? ", or start this one's aggregator on it once" : ""));
  }
  if (auto status = store->ReadId(); !status) return InLedger(data_dir, status.error());
  return store;
} catch (const StorageError& e) {
  return Invalid("the ledger in " + data_dir + " cannot be read: " + e.what());
}

std::unique_ptr<Store> Store::InMemory(const std::string& image) {
  std::unique_ptr<Store> store(new Store);
  store->db_ = std::make_unique<Database>(":memory:", Access::kCreate);
  if (!image.empty()) store->db_->Load(image);
  Status status = Migrate(*store->db_);
  if (status) status = store->ReadId();
  if (!status) throw StorageError(status.error().message);
  return store;
}

Status Store::StillThere() const {
  if (data_dir_.empty()) return Ok();
  struct stat lock {};
  const bool same = fstat(lock_fd_, &lock) == 0 &&
                    InodeOf(data_dir_ + "/ledger.lock") == lock.st_ino &&
                    InodeOf(data_dir_ + "/ledger.db") == inode_;
  if (same) return Ok();
  return Error{ErrorKind::kStorage,
               "ledger.db or ledger.lock in " + data_dir_ +
                   " was removed or replaced under the running aggregator; stop it, put the "
                   "folder in order (restore a backup), and start it again"};
}

Store::~Store() {
  db_.reset();
  if (lock_fd_ >= 0) close(lock_fd_);
}

Status Store::ReadId() {
  auto cursor = db_->Query("SELECT value FROM meta WHERE key = 'ledger_id'");
  if (!cursor.Next()) return Invalid(std::string("it has no id: it is damaged; ") + kRestore);
  id_ = cursor.Text(0);
  return Ok();
}

// Seconds since 2023-11-14: rising also over a ledger that was deleted or restored
// from a backup, so that no two leases ever have one number.
int64_t Store::NextBoot(int64_t unix_seconds) {
  db_->Exec(
      "UPDATE meta SET value = max(CAST(value AS INTEGER) + 1, "
      "? - 1700000000) WHERE key = 'boot'",
      unix_seconds);
  auto cursor = db_->Query("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'boot'");
  cursor.Next();
  return cursor.Int(0);
}

}  // namespace paperboy
