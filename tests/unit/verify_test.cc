// verify finds what does not match, and nothing where everything does.
#include "aggregator/verify.h"

#include <filesystem>
#include <fstream>

#include "aggregator/amend.h"
#include "aggregator/publish.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class VerifyTest : public LedgerTest {
 protected:
  VerifyTest() {
    PassAdoption();
    scores["2501.00001"] = {3, 3};
    first =
        Published("2025-01-03",
                  {{"2501.00001"}, {"2501.00002"}, {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE, 2}});
    second = Published("2025-01-06", {{"2501.00002"}, {"2501.00004"}});
    wire::Day day;
    day.set_profile("test");
    day.set_date("2025-01-04");
    day.set_state("holiday");
    EXPECT_TRUE(intake.Day(day).ok());
    publisher.RecordDay("test", "2025-01-04");
    EXPECT_TRUE(publisher.Reconcile().ok());
  }
  Digest Published(const std::string& date, const std::vector<TestPaper>& papers) {
    const Digest digest = Deliver(date, papers);
    ScoreEverything();
    PublishCompleted();
    return digest;
  }
  void PublishCompleted() {
    for (const DigestId id : DigestsInState(store->db(), "complete")) publisher.Publish(id);
    EXPECT_TRUE(publisher.Reconcile().ok());
  }
  VerifyReport Run() { return Verify(store->db(), out.path()); }
  std::vector<std::string> Problems() { return Run().problems; }

  TempDir out;
  DiskFolder folder{out.path()};
  Publisher publisher{store->db(), folder};
  Digest first, second;
  const std::string page = out.File("test/md/2025-01/2025-01-03-output.md");
};

TEST_F(VerifyTest, FindsNothingWhereEverythingMatches) {
  const auto report = Run();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.said, IsEmpty());
  EXPECT_EQ(report.digests, 2u);
  EXPECT_EQ(report.files, 14u) << "three each, a day, the newest page; six of the site";
}

TEST_F(VerifyTest, SaysItsProgress) {
  std::vector<std::string> said;
  Verify(store->db(), out.path(),
         {.progress = [&](const std::string& what, size_t done, size_t total) {
           said.push_back(what + " " + std::to_string(done) + "/" + std::to_string(total));
         }});
  EXPECT_THAT(said, Contains("rendering digests 1/2"));
  EXPECT_THAT(said, Contains("comparing files 13/14"));
}

TEST_F(VerifyTest, AFileThatIsMissingOrChangedIsFound) {
  std::ofstream(page, std::ios::app) << "by hand";
  fs::remove(out.File("test/output.md"));
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("2025-01-03-output.md is missing or is not"),
                                      HasSubstr("test/output.md is missing or is not")));
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(VerifyTest, APageOfTheSiteThatIsMissingOrChangedIsFound) {
  std::ofstream(out.File("site/test/2025-01.html"), std::ios::app) << "by hand";
  fs::remove(out.File("site/test/2025-01-03.html"));
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("site/test/2025-01.html is missing or is not"),
                                      HasSubstr("site/test/2025-01-03.html is missing or is not")));
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(VerifyTest, APageOfADigestThatIsNoLongerBeingScoredIsFound) {
  Deliver("2025-02-03", {{"2502.00001"}});
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(Problems(), IsEmpty());
  ASSERT_TRUE(RedoDate(store->db(), planner, "2025-02-03").ok());
  const auto settle = [&] { EXPECT_TRUE(publisher.Reconcile().ok()); };
  EXPECT_THAT(Problems(), Contains(HasSubstr("site/test/2025-02.html is of a digest that is no "
                                             "longer being scored")));
  EXPECT_THAT(Verify(store->db(), out.path(), {.settle = settle}).problems, IsEmpty());
  EXPECT_FALSE(fs::exists(out.File("site/test/2025-02.html")));
}

TEST_F(VerifyTest, AFileThatIsBeingWrittenIsLookedAtAgain) {
  fs::remove(page);
  const auto report =
      Verify(store->db(), out.path(), {.settle = [&] { EXPECT_TRUE(publisher.Reconcile().ok()); }});
  EXPECT_THAT(report.problems, IsEmpty());
}

TEST_F(VerifyTest, AScoreThatWasChangedIsFound) {
  store->db().Exec("UPDATE work SET comment = 'by hand' WHERE paper = '2501.00004'");
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("test 2025-01-06: test/md/2025-01/"),
                                      HasSubstr("2025-01-06-output.json is not what the ledger "
                                                "gives today"),
                                      HasSubstr("`redo 2025-01-06`")));
}

TEST_F(VerifyTest, RecordedBytesThatWereChangedAreFound) {
  store->db().Exec("UPDATE file SET content = x'00' WHERE path LIKE '%2025-01-03-output.md'");
  const auto problems = Problems();
  EXPECT_THAT(problems, Contains(HasSubstr("is not what the ledger gives today")));
  EXPECT_THAT(problems, Contains(HasSubstr("does not match its hash")));
  // Writing it again would spread the damage.
  EXPECT_THAT(problems, Not(Contains(HasSubstr("is missing or is not what was published"))));
}

TEST_F(VerifyTest, AFunnelThatDoesNotAddUpIsFound) {
  store->db().Exec("DELETE FROM row WHERE paper = '2501.00001'");
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("3 ids in its lists, 2 rows, 0 without")));
}

TEST_F(VerifyTest, ARowWithoutAnEndIsFound) {
  store->db().Exec("UPDATE row SET state = NULL WHERE paper = '2501.00001'");
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("3 rows, 1 without an end state")));
}

TEST_F(VerifyTest, ATextThatIsGoneIsFoundAndHarmsNoOne) {
  store->db().Exec("DELETE FROM paper WHERE id = '2501.00004'");
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("2501.00004 stands on the page without its text")));
}

TEST_F(VerifyTest, ADamagedFileIsFoundAndSaid) {
  const std::string path = out.File("copy.db");
  store->db().Exec("VACUUM INTO ?", path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4 * 4096);
    file << std::string(20 * 4096, 'x');
  }
  Database damaged(path, Access::kRead);
  EXPECT_THAT(Verify(damaged, out.path()).problems, Contains(HasSubstr("the ledger is damaged")));
}

TEST_F(VerifyTest, AReferenceIntoNothingIsFound) {
  store->db().Exec("INSERT INTO category VALUES (99, 'cs.LG', 'rss', 0)");
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("of table category refers to one of digest")));
}

TEST_F(VerifyTest, ADayThatWasChangedIsFound) {
  store->db().Exec("UPDATE day SET why = 'by hand'");
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("test 2025-01-04")));
}

TEST_F(VerifyTest, ADigestThatIsBeingAmendedIsSaidAndNotFailed) {
  planner.Empty(first.id);
  auto report = Run();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.said, ElementsAre(HasSubstr("test 2025-01-03 is open: being amended")));
  Deliver("2025-01-03", {{"2501.00002"}});
  EXPECT_THAT(Run().said, ElementsAre(HasSubstr("is sealed: being amended")));
  ScoreEverything();
  EXPECT_THAT(Run().said, ElementsAre(HasSubstr("is complete: being amended")));
  PublishCompleted();
  report = Run();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.said, IsEmpty());
}

TEST_F(VerifyTest, AWithheldDigestIsComparedByItsStatusAndKeepsItsOlderPage) {
  store->db().Exec("UPDATE work SET state = 'failed', relevance = NULL, novelty = NULL");
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  Open("2025-01-03");
  planner.GiveUp(first.id, "the provider is out", now.unix_seconds);
  PublishCompleted();
  ASSERT_EQ(StateOf(first), "withheld");
  store->db().Exec("UPDATE work SET state = 'done', relevance = 9, novelty = 8");
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(VerifyTest, APrunedLedgerStillGivesEveryPage) {
  wire::Prune prune;
  prune.set_before("2025-02-01");
  ASSERT_EQ((*PruneTexts(store->db(), prune)).done.papers(), 2u);
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(VerifyTest, AMovedPaperAndATextOfALaterVersionChangeNoOtherPage) {
  Published("2025-01-02", {{"2501.00004"}});
  profile.add_announce_types(wire::ANNOUNCE_TYPE_REPLACE);
  Published("2025-01-08", {{"2501.00001", wire::ANNOUNCE_TYPE_REPLACE, 3, "cs.LG", "New title"},
                           {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE, 3, "cs.LG", "New title"}});
  EXPECT_THAT(Problems(), IsEmpty());
}

}  // namespace
}  // namespace paperboy
