// The ledger's file: made whole or not at all, migrated from every version, and
// refused when it is damaged, partly missing, or of a newer version.
#include "aggregator/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "aggregator/dispatch.h"
#include "aggregator/publish.h"
#include "aggregator/schema.h"
#include "aggregator/verify.h"
#include "common/wire.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() { fs::create_directories(data_); }

  // As a start of the aggregator leaves it when it stops.
  std::string MakeLedger(int papers = 0) {
    auto store = Store::OpenForWriting(data_);
    EXPECT_TRUE(store.ok());
    Transaction transaction((*store)->db());
    for (int i = 0; i < papers; ++i) {
      (*store)->db().Exec(
          "INSERT INTO paper(id, version, title, abstract, authors, categories, primary_category, "
          "published, updated) VALUES (?, 1, 'A title', ?, '[]', '[]', 'cs.LG', '', '')",
          std::to_string(i), std::string(1000, 'a'));
    }
    transaction.Commit();
    return (*store)->id();
  }
  // Why it is not opened; "" if it is.
  std::string Refusal() {
    auto store = Store::OpenForWriting(data_);
    return store ? "" : store.error().message;
  }

  TempDir dir_;
  const std::string data_ = dir_.File("data");
  const std::string db_ = data_ + "/ledger.db";
};

TEST_F(StoreTest, ALedgerIsMadeOnceAndKeepsItsId) {
  const std::string id = MakeLedger();
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(MakeLedger(), id);
  EXPECT_EQ((*Store::OpenForReading(data_))->id(), id);
}

TEST_F(StoreTest, OneProcessWrites) {
  auto store = Store::OpenForWriting(data_);
  ASSERT_TRUE(store.ok());
  auto second = Store::OpenForWriting(data_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
}

TEST_F(StoreTest, AKillDuringTheVeryFirstStartLeavesNothingThatIsRefused) {
  // What is there at each instant before the rename: any part of a database, and
  // its journal.
  MakeLedger();
  const std::string whole = ReadFile(db_);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, whole.size() / 2, whole.size()}) {
    for (const auto& entry : fs::directory_iterator(data_)) fs::remove(entry);
    Write(db_ + ".new", whole.substr(0, bytes));
    Write(db_ + ".new-journal", "half a journal");
    EXPECT_EQ(Refusal(), "") << bytes;
    EXPECT_FALSE(fs::exists(db_ + ".new"));
  }
  // After it: the ledger without anything beside it.
  for (const auto& entry : fs::directory_iterator(data_)) fs::remove(entry);
  Write(db_, whole);
  EXPECT_EQ(Refusal(), "");
}

TEST_F(StoreTest, AnEmptyFileIsRefused) {
  Write(db_, "");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("is empty"), HasSubstr("restore FILE")));
  EXPECT_EQ(fs::file_size(db_), 0u) << "it is left as it is";
}

TEST_F(StoreTest, GarbageIsRefusedAndLeftAsItIs) {
  const std::string garbage(100'000, 'x');
  Write(db_, garbage);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("not a database"), HasSubstr("restore")));
  EXPECT_EQ(ReadFile(db_), garbage);
}

TEST_F(StoreTest, ADatabaseOfSomethingElseIsRefused) {
  Database(db_, Access::kCreate).Script("CREATE TABLE other(x)");
  EXPECT_THAT(Refusal(), HasSubstr("holds no ledger"));
}

TEST_F(StoreTest, AMissingFileWhoseWalIsThereIsRefused) {
  MakeLedger();
  fs::remove(db_);
  Write(db_ + "-wal", "the last changes");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("ledger.db is missing"), HasSubstr("put the file back")));
  EXPECT_FALSE(fs::exists(db_)) << "nothing was rebuilt";
}

TEST_F(StoreTest, ALedgerOfANewerVersionIsRefusedAndLeftAsItIs) {
  MakeLedger();
  Database(db_, Access::kWrite)
      .Script("PRAGMA journal_mode = DELETE; PRAGMA user_version = " +
              std::to_string(SchemaVersion() + 1));
  const std::string before = ReadFile(db_);
  EXPECT_THAT(Refusal(), HasSubstr("written by a newer version of Paperboy (schema " +
                                   std::to_string(SchemaVersion() + 1)));
  EXPECT_EQ(ReadFile(db_), before);
  auto reader = Store::OpenForReading(data_);
  ASSERT_FALSE(reader.ok());
  EXPECT_THAT(reader.error().message, HasSubstr("use the program that writes it"));
}

// Every page in turn: the flipped bytes are found at the start, not years later.
TEST_F(StoreTest, FlippedBytesAnywhereInTheFileAreFoundAtTheStart) {
  MakeLedger(100);
  { Database(db_, Access::kWrite).Script("PRAGMA journal_mode = DELETE; VACUUM"); }
  const std::string sound = ReadFile(db_);
  constexpr size_t kPage = 4096;
  ASSERT_GT(sound.size(), 30 * kPage);
  for (size_t page = 0; page < sound.size() / kPage; ++page) {
    std::string damaged = sound;
    for (size_t i = 0; i < 64; ++i) damaged[page * kPage + i] ^= static_cast<char>(0xFF);
    Write(db_, damaged);
    EXPECT_THAT(Refusal(), HasSubstr("restore it from a backup")) << "page " << page + 1;
    EXPECT_EQ(ReadFile(db_), damaged) << "it is left as it is";
  }
  Write(db_, sound);
  EXPECT_EQ(Refusal(), "");
}

TEST_F(StoreTest, ATruncatedFileIsRefused) {
  MakeLedger(100);
  const std::string sound = ReadFile(db_);
  Write(db_, sound.substr(0, sound.size() / 2));
  EXPECT_THAT(Refusal(), HasSubstr("restore it from a backup"));
}

TEST_F(StoreTest, ALedgerThatIsRemovedOrReplacedUnderItsWriterIsNoticed) {
  for (const char* file : {"/ledger.db", "/ledger.lock"}) {
    auto store = Store::OpenForWriting(data_);
    ASSERT_TRUE(store.ok()) << store.error().message;
    EXPECT_TRUE((*store)->StillThere().ok());
    fs::rename(data_ + file, data_ + "/away");
    const auto gone = (*store)->StillThere();
    ASSERT_FALSE(gone.ok()) << file;
    EXPECT_THAT(gone.error().message, HasSubstr("under the running aggregator"));
    fs::copy_file(data_ + "/away", data_ + file);
    EXPECT_FALSE((*store)->StillThere().ok()) << "a copy is another file";
    fs::rename(data_ + "/away", data_ + file);
    EXPECT_TRUE((*store)->StillThere().ok());
  }
}

TEST_F(StoreTest, ABootIsLargerThanAnyBefore) {
  auto store = Store::OpenForWriting(data_);
  const int64_t first = (*store)->NextBoot(1'800'000'000);
  EXPECT_GT((*store)->NextBoot(1'800'000'000), first) << "at the same instant";
  EXPECT_GT((*store)->NextBoot(1'700'000'000), first) << "and when the clock was set back";
  EXPECT_LT(first, int64_t{1} << 31);
}

// From a ledger as version N wrote it: tests/fixtures/ledger_vN.sql.
class MigrationTest : public StoreTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    const std::string name =
        PAPERBOY_SOURCE_DIR "/tests/fixtures/ledger_v" + std::to_string(GetParam()) + ".sql";
    Database(db_, Access::kCreate).Script(ReadFile(name));
    ASSERT_EQ(SchemaVersionOf(*std::make_unique<Database>(db_, Access::kWrite)), GetParam());
  }
};

TEST_P(MigrationTest, BringsTheLedgerUpToDateAndItGoesOn) {
  auto opened = Store::OpenForWriting(data_);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  Database& db = (*opened)->db();
  EXPECT_EQ(SchemaVersionOf(db), SchemaVersion());
  EXPECT_FALSE(db.Query("PRAGMA foreign_key_check").Next());
  EXPECT_EQ((*opened)->id(), "c579ecc0bb6e8556");
  DiskFolder out(dir_.File("out"));
  Publisher publisher(db, out);
  ASSERT_TRUE(publisher.Reconcile().ok());
  const auto report = Verify(db, dir_.File("out"));
  EXPECT_THAT(report.problems, testing::IsEmpty());
  EXPECT_EQ(report.digests, 2u);
  // A scorer comes, and what was sealed is completed.
  const Prices prices = Prices::Bundled();
  Planner planner(db, 0.2);
  Dispatch dispatch(db, planner, prices);
  Instant now{MonotonicTime{} + std::chrono::hours(1), 1'750'000'000, "2025-06-16"};
  dispatch.Reset((*opened)->NextBoot(now.unix_seconds), now);
  now.mono += kSilence;
  dispatch.OnTick(now);  // nobody has claimed what was out
  wire::Ready ready;
  ready.set_boot(1);
  ready.set_backend("openai");
  ready.set_model("gpt-4o");
  ready.set_temperature("0");
  ready.set_quota_key("quota");
  ready.set_free_calls(8);
  dispatch.OnReady("peer", ready, now);
  dispatch.HandOut(now);
  int papers = 0;
  for (const auto& frame : dispatch.TakeFrames()) {
    if (!frame.reply.has_batch()) continue;
    wire::Result result;
    result.set_lease(frame.reply.batch().lease());
    result.set_digest(frame.reply.batch().digest());
    for (const auto& paper : frame.reply.batch().papers()) {
      ++papers;
      auto* score = result.add_papers();
      score->set_key(paper.key());
      score->set_kind(wire::PaperResult::SCORE);
      score->set_relevance(9);
      score->set_novelty(9);
    }
    dispatch.OnResult("peer", result, now);
  }
  dispatch.HandOut(now);
  EXPECT_EQ(papers, 6) << "batches that were out go out again";
  const Digest completed = *FindDigest(db, "test", "2025-01-07");
  ASSERT_EQ(completed.state, "complete");
  publisher.Publish(completed.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(Verify(db, dir_.File("out")).problems, testing::IsEmpty());
}

TEST(StorageErrors, OfAScriptTheFirstLineIsNamed) {
  Database db(":memory:", Access::kCreate);
  try {
    db.Script("CREATE TABLE owl(\n  name TEXT);\nCREATE TABLE owl(name TEXT);");
    FAIL() << "the table is there";
  } catch (const StorageError& error) {
    EXPECT_STREQ(error.what(), "CREATE TABLE owl(: table owl already exists");
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, MigrationTest, testing::Values(1, 2, 3));

TEST(Migrations, EveryEarlierVersionHasAFixture) {
  for (int version = 1; version < SchemaVersion(); ++version) {
    EXPECT_TRUE(fs::exists(PAPERBOY_SOURCE_DIR "/tests/fixtures/ledger_v" +
                           std::to_string(version) + ".sql"));
  }
  EXPECT_EQ(SchemaVersion(), 4) << "add the version before to Versions";
}

}  // namespace
}  // namespace paperboy
