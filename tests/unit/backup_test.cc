// Copies of the ledger, and the way back.
#include "aggregator/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "aggregator/schema.h"
#include "aggregator/store.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class BackupTest : public testing::Test {
 protected:
  void Day(Store& store, const std::string& date) {
    Transaction transaction(store.db());
    store.db().Exec("INSERT INTO day VALUES ('test', ?, 'holiday', '')", date);
    transaction.Commit();
  }
  static int64_t Days(Database& db) {
    auto cursor = db.Query("SELECT count(*) FROM day");
    return cursor.Next() ? cursor.Int(0) : -1;
  }
  static std::unique_ptr<Store> Take(Result<std::unique_ptr<Store>> store) {
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }
  std::unique_ptr<Store> Writer() { return Take(Store::OpenForWriting(data_)); }
  Result<int64_t> BackUp() {
    auto reader = Take(Store::OpenForReading(data_));
    return BackUpLedger(reader->db(), copy_);
  }
  Result<std::string> Restore() { return RestoreLedger(data_, copy_, now_); }

  TempDir dir_;
  const std::string data_ = dir_.File("data");
  const std::string copy_ = dir_.File("copy.db");
  const WallTime now_{std::chrono::seconds(1'750'000'000)};
};

TEST_F(BackupTest, ACopyIsMadeWhileTheLedgerIsWritten) {
  auto writer = Writer();
  Day(*writer, "2025-01-01");
  Transaction transaction(writer->db());
  writer->db().Exec("INSERT INTO day VALUES ('test', '2025-01-02', 'holiday', '')");
  const auto bytes = BackUp();
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  EXPECT_EQ(*bytes, static_cast<int64_t>(fs::file_size(copy_)));
  Database copy(copy_, Access::kRead);
  EXPECT_EQ(Days(copy), 1) << "what was committed, and nothing else";
  EXPECT_FALSE(fs::exists(copy_ + ".new"));
}

TEST_F(BackupTest, NothingIsOverwritten) {
  Writer();
  std::ofstream(copy_) << "precious";
  const auto bytes = BackUp();
  ASSERT_FALSE(bytes.ok());
  EXPECT_THAT(bytes.error().message, HasSubstr("overwrites nothing"));
  EXPECT_EQ(fs::file_size(copy_), 8u);
}

TEST_F(BackupTest, ACopyThatCannotBeWrittenLeavesNothing) {
  Writer();
  auto reader = Take(Store::OpenForReading(data_));
  const auto bytes = BackUpLedger(reader->db(), dir_.File("no/such/folder/copy.db"));
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().kind, ErrorKind::kStorage);
}

TEST_F(BackupTest, AnInterruptedBackupIsBegunAnew) {
  Writer();
  std::ofstream(copy_ + ".new") << "half a copy";
  EXPECT_TRUE(BackUp().ok());
}

TEST_F(BackupTest, ARestoredLedgerHasANewIdAndTheOneBeforeIsKept) {
  std::string id;
  {
    auto writer = Writer();
    id = writer->id();
    Day(*writer, "2025-01-01");
    ASSERT_TRUE(BackUp().ok());
    Day(*writer, "2025-01-02");
  }
  const auto replaced = Restore();
  ASSERT_TRUE(replaced.ok()) << replaced.error().message;
  EXPECT_EQ(*replaced, data_ + "/replaced-2025-06-15T15-06-40Z");
  {
    auto writer = Writer();
    EXPECT_EQ(Days(writer->db()), 1);
    EXPECT_NE(writer->id(), id);
    EXPECT_EQ(writer->id().size(), 16u);
  }
  Database before(*replaced + "/ledger.db", Access::kRead);
  EXPECT_EQ(Days(before), 2);
  EXPECT_NE(*Restore(), *replaced) << "a folder of its own each time";
}

TEST_F(BackupTest, ALedgerThatWasKilledIsKeptWithItsWriteAheadLog) {
  {
    auto writer = Writer();
    ASSERT_TRUE(BackUp().ok());
  }
  // A ledger as a kill leaves it: its last commit is in the log alone.
  const std::string killed = dir_.File("killed");
  {
    auto writer = Writer();
    Day(*writer, "2025-01-01");
    fs::create_directories(killed);
    fs::copy_file(data_ + "/ledger.db", killed + "/ledger.db");
    fs::copy_file(data_ + "/ledger.db-wal", killed + "/ledger.db-wal");
  }
  const auto replaced = RestoreLedger(killed, copy_, now_);
  ASSERT_TRUE(replaced.ok()) << replaced.error().message;
  EXPECT_FALSE(fs::exists(killed + "/ledger.db-wal")) << "it is not the copy's";
  EXPECT_EQ(Days(Take(Store::OpenForWriting(killed))->db()), 0);
  // And back again, from where it was moved to.
  const auto back = RestoreLedger(killed, *replaced + "/ledger.db", now_);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(Days(Take(Store::OpenForWriting(killed))->db()), 1);
}

TEST_F(BackupTest, NothingIsRestoredWhileAnAggregatorRuns) {
  auto writer = Writer();
  ASSERT_TRUE(BackUp().ok());
  const auto replaced = Restore();
  ASSERT_FALSE(replaced.ok());
  EXPECT_EQ(replaced.error().kind, ErrorKind::kConflict);
}

TEST_F(BackupTest, ADamagedCopyIsRefusedAndTheLedgerStays) {
  {
    auto writer = Writer();
    Day(*writer, "2025-01-01");
    ASSERT_TRUE(BackUp().ok());
  }
  {
    std::fstream file(copy_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5 * 4096);
    file << std::string(4096, 'x');
  }
  const auto replaced = Restore();
  ASSERT_FALSE(replaced.ok());
  EXPECT_THAT(replaced.error().message, HasSubstr("copy.db: "));
  EXPECT_EQ(Days(Writer()->db()), 1);
}

TEST_F(BackupTest, WhatIsNoLedgerOrANewerOneIsRefused) {
  EXPECT_THAT(Restore().error().message, HasSubstr("there is no file"));
  std::ofstream(copy_) << std::string(10'000, 'x');
  EXPECT_THAT(Restore().error().message, HasSubstr("not a database"));
  fs::remove(copy_);
  Database(copy_, Access::kCreate).Script("CREATE TABLE other(x)");
  EXPECT_THAT(Restore().error().message, HasSubstr("no ledger of Paperboy"));
  fs::remove(copy_);
  Writer();
  ASSERT_TRUE(BackUp().ok());
  Database(copy_, Access::kWrite)
      .Script("PRAGMA user_version = " + std::to_string(SchemaVersion() + 1));
  EXPECT_THAT(Restore().error().message, HasSubstr("newer version of Paperboy"));
}

TEST_F(BackupTest, ACopyOfAnOlderVersionIsTakenAndMigratedAtTheStart) {
  std::ifstream sql(PAPERBOY_SOURCE_DIR "/tests/fixtures/ledger_v1.sql");
  std::ostringstream text;
  text << sql.rdbuf();
  Database(copy_, Access::kCreate).Script(text.str());
  const auto replaced = Restore();
  ASSERT_TRUE(replaced.ok()) << replaced.error().message;
  EXPECT_EQ(*replaced, "") << "there was none before";
  EXPECT_EQ(SchemaVersionOf(Writer()->db()), SchemaVersion());
}

// Each state that a kill can leave between two steps of a restore.
TEST_F(BackupTest, AnInterruptedRestoreIsRefusedUntilItIsRunAgain) {
  {
    auto writer = Writer();
    ASSERT_TRUE(BackUp().ok());
    Day(*writer, "2025-01-01");
  }
  const std::string db = data_ + "/ledger.db";
  // Killed while it was copied: the ledger is as it was.
  fs::copy_file(copy_, db + ".copying");
  EXPECT_EQ(Days(Writer()->db()), 1);
  // Killed once the copy was whole; and with the ledger moved aside.
  fs::rename(db + ".copying", db + ".restoring");
  auto refused = Store::OpenForWriting(data_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("restore into " + data_ + " was interrupted"));
  fs::rename(db, dir_.File("aside.db"));
  EXPECT_FALSE(Store::OpenForWriting(data_).ok()) << "no empty ledger is made in its place";
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(Days(Writer()->db()), 0);
}

}  // namespace
}  // namespace paperboy
