// The ledger's file: where it is, its schema, and who may write it.
//
// Everything that Paperboy knows is in DATA/ledger.db (SQLite, WAL, full sync).
// One process writes it, by a lock on DATA/ledger.lock; any number read beside
// it. Tables, each explained where it is made: profile, digest, category,
// listing, row, paper, work, lease, call, file, day.
#pragma once

#include <memory>
#include <string>

#include "aggregator/sqlite.h"
#include "common/result.h"

namespace paperboy {

class Store {
 public:
  // Opens DATA/ledger.db for writing, makes it if it is missing and brings its
  // schema up to date. kConflict when another process writes it, kInvalid when
  // it was written by a newer version or is damaged, kStorage for the rest.
  static Result<std::unique_ptr<Store>> OpenForWriting(const std::string& data_dir);
  // Opens it beside the writer. kInvalid when there is none.
  static Result<std::unique_ptr<Store>> OpenForReading(const std::string& data_dir);
  // In memory, for simulations and tests; a new one, or from the image of one.
  static std::unique_ptr<Store> InMemory(const std::string& image = "");
  ~Store();

  Database& db() { return *db_; }
  // Random, made with the ledger: names its hints in Redis.
  const std::string& id() const { return id_; }

  // The number of this start of the aggregator: larger than any before, and small
  // enough for 31 bits until 2091. In a transaction.
  int64_t NextBoot(int64_t unix_seconds);

 private:
  Store() = default;
  Status Migrate();

  int lock_fd_ = -1;
  std::unique_ptr<Database> db_;
  std::string id_;
};

}  // namespace paperboy
