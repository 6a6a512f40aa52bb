// The ledger's file: where it is, who may write it, and whether it is sound.
//
// Everything that Paperboy knows is in DATA/ledger.db (SQLite, WAL, full sync).
// One process writes it, by a lock on DATA/ledger.lock; any number read beside
// it. Its tables are in schema.cc.
//
//   ledger.db, -wal, -shm   the ledger
//   ledger.lock             held by the one who writes
//   ledger.db.new           a ledger being made: renamed when it is whole
//   ledger.db.restoring     a copy being installed; while it is there nobody starts
//   replaced-WHEN/          a ledger that a restore moved aside
#pragma once

#include <memory>
#include <string>

#include "aggregator/sqlite.h"
#include "common/result.h"

namespace paperboy {

class Store {
 public:
  // Opens DATA/ledger.db for writing, makes it if there is none and brings its
  // schema up to date. kConflict when another process writes it; kInvalid when a
  // newer version wrote it, when it is damaged (PRAGMA quick_check, which reads
  // all of it: 1.5 s for 300,000 papers, 1.5 GB, from the cache) or partly missing, with what to
  // do: it is never rebuilt; kStorage for the rest.
  static Result<std::unique_ptr<Store>> OpenForWriting(const std::string& data_dir);
  // Opens it beside the writer. kInvalid when there is none.
  static Result<std::unique_ptr<Store>> OpenForReading(const std::string& data_dir);
  // In memory, for simulations and tests; a new one, or from the image of one.
  static std::unique_ptr<Store> InMemory(const std::string& image = "");
  ~Store();

  Database& db() { return *db_; }
  // Random, made with the ledger, new after a restore: names its hints in Redis.
  const std::string& id() const { return id_; }

  // Whether the files that were opened are still those in DATA. Otherwise kStorage
  // says so: what is written would be lost with this process.
  Status StillThere() const;

  // The number of this start of the aggregator: larger than any before, and small
  // enough for 31 bits until 2091. In a transaction.
  int64_t NextBoot(int64_t unix_seconds);

 private:
  Store() = default;
  Status ReadId();

  int lock_fd_ = -1;
  std::string data_dir_;  // empty: in memory
  uint64_t inode_ = 0;    // of ledger.db
  std::unique_ptr<Database> db_;
  std::string id_;
};

// The lock of a ledger's writer: a descriptor to close. Makes the folder.
// kConflict when another process has it.
Result<int> LockLedger(const std::string& data_dir);

}  // namespace paperboy
