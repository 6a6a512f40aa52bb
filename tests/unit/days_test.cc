// What the ledger tells fetchers about dates, and lists that come late.
#include "aggregator/days.h"

#include "aggregator/amend.h"
#include "aggregator/publish.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::Contains, testing::ElementsAre, testing::HasSubstr, testing::IsEmpty, testing::Pair;

class DaysTest : public LedgerTest {
 protected:
  std::vector<std::string> List() {
    wire::ListDays question;
    question.set_profile("test");
    question.set_from("2025-04-01");
    question.set_to("2025-04-30");
    const auto days = ListDays(store->db(), question);
    EXPECT_TRUE(days.ok());
    first_ = days->first();
    std::vector<std::string> told;
    for (const auto& day : days->days()) {
      told.push_back(day.date() + " " + day.state() + (day.mendable() ? " mendable" : "") +
                     (day.why().empty() ? "" : ": " + day.why()));
    }
    return told;
  }
  void Tell(const std::string& date, const std::string& state) {
    wire::Day day;
    day.set_profile("test");
    day.set_date(date);
    day.set_state(state);
    day.set_why("the weather");
    EXPECT_TRUE(intake.Day(day).ok());
  }
  bool Repeats(const std::string& date, const std::vector<TestPaper>& papers) {
    wire::Compare question;
    question.set_category("cs.LG");
    question.set_date(date);
    for (const TestPaper& paper : papers) {
      auto* row = question.add_rows();
      row->set_id(paper.id);
      row->set_version(paper.version);
      row->set_announce_type(paper.type);
    }
    const auto compared = Compare(store->db(), question);
    EXPECT_TRUE(compared.ok());
    newest_ = compared->newest_date();
    return compared->repeats();
  }
  std::string StateOf(const Digest& digest) { return FindDigest(store->db(), digest.id)->state; }
  // Every paper of a sealed digest is given up, so that the digest is complete.
  void Complete(const Digest& digest) {
    EXPECT_TRUE(planner.GiveUp(digest.id, "no model", now.unix_seconds, false));
  }

  // A digest of one paper that went on without the list of cs.AI.
  Digest CompleteWithoutAi() {
    profile.add_categories("cs.AI");
    const Digest digest = Deliver("2025-04-15", {{"2504.00001"}});
    EXPECT_TRUE(SealLate(digest, "cs.AI").ok());
    Complete(digest);
    return digest;
  }

  std::string first_, newest_;
};

TEST_F(DaysTest, AreThoseOfTheProfileWithTheirStates) {
  Deliver("2025-04-14", {{"2504.00001"}});
  Open("2025-04-15");
  Open("2025-04-16");
  Tell("2025-04-16", "failed");
  Tell("2025-04-18", "holiday");

  EXPECT_THAT(List(),
              ElementsAre("2025-04-14 sealed", "2025-04-15 open", "2025-04-16 failed: the weather",
                          "2025-04-18 holiday: the weather"));
  EXPECT_EQ(first_, "2025-04-14");
}

TEST_F(DaysTest, ADateThatWasEmptiedIsNotTheFirstAndWithoutAnnouncementNone) {
  const Digest sunday = Deliver("2025-04-13", {{"2504.00001"}});
  const Digest monday = Deliver("2025-04-14", {{"2504.00002"}});
  EXPECT_THAT(List(), ElementsAre("2025-04-13 sealed", "2025-04-14 sealed"));
  EXPECT_EQ(first_, "2025-04-13");
  planner.Empty(sunday.id);
  EXPECT_THAT(List(), ElementsAre("2025-04-14 sealed"));
  EXPECT_EQ(first_, "2025-04-14");
  planner.Empty(monday.id);
  EXPECT_THAT(List(), ElementsAre("2025-04-14 open"));
  EXPECT_EQ(first_, "");
  Tell("2025-04-13", "holiday");
  EXPECT_THAT(List(), ElementsAre("2025-04-13 holiday: the weather", "2025-04-14 open"));
}

TEST_F(DaysTest, AListOfKnownPapersRepeatsAnEarlierOne) {
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00001"}}));
  EXPECT_EQ(newest_, "");
  Deliver("2025-04-14", {{"2504.00001"}, {"2504.00003"}});

  EXPECT_TRUE(Repeats("2025-04-15", {{"2504.00001"}, {"2504.00003"}}));
  EXPECT_EQ(newest_, "2025-04-14");
  EXPECT_TRUE(Repeats("2025-04-15", {{"2504.00003"}}));
  // Something above the highest id, an older one newly listed, a new version.
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00001"}, {"2504.00004"}}));
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00002", wire::ANNOUNCE_TYPE_CROSS}}));
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00003", wire::ANNOUNCE_TYPE_REPLACE, 2}}));
  // The date's own list is no earlier one.
  EXPECT_FALSE(Repeats("2025-04-14", {{"2504.00001"}}));
  EXPECT_FALSE(Repeats("2025-04-15", {}));
}

// In the order of ids one mailing follows another, in all categories.
TEST_F(DaysTest, WhereACategoryHasNoListOthersTellWhatIsOld) {
  profile.clear_categories();
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-04-14");
  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2504.00002"}}).ok());

  EXPECT_TRUE(Repeats("2025-04-15", {{"2504.00001"}}));
  EXPECT_EQ(newest_, "2025-04-14");
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00001"}, {"2504.00003"}}));
}

// A feed that falls back to the day before, once that date's own list is known.
TEST_F(DaysTest, AListBelowTheDatesOwnWithNothingInCommonIsAnEarlierOne) {
  Deliver("2025-04-15", {{"2504.00003"}, {"2504.00004"}});

  EXPECT_TRUE(Repeats("2025-04-15", {{"2504.00001"}, {"2504.00002"}}));
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00002"}, {"2504.00003"}}));
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00005"}})) << "it was the other that was stale";
}

// It lacks what was replaced, newly listed or held for long on its day.
TEST_F(DaysTest, AListRepeatsOneThatWasRebuiltWhenNoNewPaperIsAboveIt) {
  Deliver("2025-04-14", {{"2504.00001"}, {"2504.00003"}});
  const TestPaper replaced{"2503.00007", wire::ANNOUNCE_TYPE_REPLACE, 2};
  const TestPaper crossed{"2504.00004", wire::ANNOUNCE_TYPE_CROSS};

  EXPECT_TRUE(Repeats("2025-04-15", {{"2504.00002"}, {"2504.00003"}, replaced, crossed}));
  EXPECT_FALSE(Repeats("2025-04-15", {{"2504.00003"}, {"2504.00005"}, replaced}));
  // Of one without new papers each row counts, whatever its type.
  EXPECT_FALSE(Repeats("2025-04-15", {replaced}));
  EXPECT_FALSE(Repeats("2025-04-15", {crossed}));
}

TEST_F(DaysTest, ADigestGoesOnWithoutAListThatIsLate) {
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-04-15");
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2504.00001"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 1).ok());
  EXPECT_EQ(StateOf(digest), "open");

  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());

  EXPECT_EQ(StateOf(digest), "sealed");
  Complete(digest);
  const DigestPage page = LoadPage(store->db(), digest.id);
  EXPECT_TRUE(page.mendable());
  EXPECT_THAT(Notes(page), Contains("Not announced in time: cs.AI. A later run adds its papers."));
  // A run that comes later reads it.
  const auto again = intake.Open(OpenMessage("2025-04-15"));
  EXPECT_THAT(again->sealed, ElementsAre("cs.LG"));
  EXPECT_THAT(List(), ElementsAre(HasSubstr("complete mendable")));
}

TEST_F(DaysTest, ALateListAmendsTheDigest) {
  const Digest digest = CompleteWithoutAi();

  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2504.00002"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.AI", 1).ok());

  EXPECT_EQ(StateOf(digest), "sealed");
  Complete(digest);
  const DigestPage page = LoadPage(store->db(), digest.id);
  EXPECT_EQ(page.funnel.arxiv(), 2u);
  EXPECT_FALSE(page.mendable());
  EXPECT_THAT(Notes(page),
              Contains("Amended on " + page.completed_on + " with cs.AI, announced late."));
  EXPECT_THAT(intake.Open(OpenMessage("2025-04-15"))->sealed, ElementsAre("cs.AI", "cs.LG"));
}

TEST_F(DaysTest, ALateListWithoutPapersAmendsTheDigestToo) {
  const Digest digest = CompleteWithoutAi();

  ASSERT_TRUE(Seal(digest, "cs.AI", 0).ok());

  EXPECT_EQ(StateOf(digest), "sealed");
  Complete(digest);
  EXPECT_FALSE(LoadPage(store->db(), digest.id).mendable());
}

// Of a list whose fetcher died on the way the rows are there, and not every text.
TEST_F(DaysTest, ALateListThatCameInPartKeepsNoDigestOpen) {
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-04-15");
  std::vector<TestPaper> papers;
  for (int i = 1; i <= 9; ++i) papers.push_back({"2504.0000" + std::to_string(i)});
  ASSERT_TRUE(SendRows(digest, "cs.LG", papers).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 9).ok());
  wire::Rows rows;
  rows.set_digest(digest.id);
  rows.set_edition(digest.edition);
  rows.set_category("cs.AI");
  rows.add_rows()->set_id("2504.00011");
  ASSERT_THAT(intake.Rows(rows)->texts, ElementsAre("2504.00011"));
  ASSERT_FALSE(Seal(digest, "cs.AI", 1).ok());

  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());

  EXPECT_EQ(StateOf(digest), "sealed");
  dispatch.OnWork(digest.id, now);
  PassAdoption();
  ScoreEverything();
  EXPECT_EQ(States(digest).at("2504.00011"),
            "unscored(its text is to come with a list that is late)");
  Publish(digest);
  EXPECT_TRUE(LoadPage(store->db(), digest.id).mendable());
  // A later run need not begin again, and brings it.
  const auto again = intake.Open(OpenMessage("2025-04-15"));
  EXPECT_EQ(again->digest.state, "published");
  EXPECT_THAT(again->sealed, ElementsAre("cs.LG"));
  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2504.00011"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.AI", 1).ok());
  ScoreEverything();
  EXPECT_EQ(States(digest).at("2504.00011"), "selected");
  EXPECT_FALSE(LoadPage(store->db(), digest.id).mendable());
}

// What is on no page has no text any more, and its list is not sent again.
TEST_F(DaysTest, ALateListCompletesADigestWhoseTextsWerePruned) {
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-04-15");
  scores["2504.00002"] = {1, 1};
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2504.00001"}, {"2504.00002"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 2).ok());
  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());
  dispatch.OnWork(digest.id, now);
  PassAdoption();
  ScoreEverything();
  Publish(digest);
  wire::Prune prune;
  prune.set_before("2025-05-01");
  ASSERT_TRUE(PruneTexts(store->db(), prune).ok());
  ASSERT_EQ(Count("SELECT count(*) FROM paper WHERE pruned"), 1);

  EXPECT_THAT(intake.Open(OpenMessage("2025-04-15"))->sealed, ElementsAre("cs.LG"));
  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2504.00003"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.AI", 1).ok());
  ScoreEverything();

  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest),
              ElementsAre(Pair("2504.00001", "selected"), Pair("2504.00002", "below_cutoff"),
                          Pair("2504.00003", "selected")));
  // Another edition plans it anew.
  profile.set_novelty_cutoff(6);
  EXPECT_THAT(intake.Open(OpenMessage("2025-04-15"))->sealed, ElementsAre("cs.AI"));
}

TEST_F(DaysTest, RetryLeavesWhatIsToComeWithALateListAndTheListsThatAreWhole) {
  profile.add_categories("cs.AI");
  profile.add_categories("cs.CL");
  const Digest digest = Open("2025-04-15");
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2504.00001"}}).ok());
  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2504.00002"}}).ok());
  wire::Rows rows;
  rows.set_digest(digest.id);
  rows.set_edition(digest.edition);
  rows.set_category("cs.CL");
  rows.add_rows()->set_id("2504.00003");
  ASSERT_TRUE(intake.Rows(rows).ok());
  for (const char* list : {"cs.LG", "cs.AI"}) ASSERT_TRUE(Seal(digest, list, 1).ok());
  ASSERT_TRUE(SealLate(digest, "cs.CL").ok());
  Complete(digest);
  store->db().Exec("UPDATE row SET state = 'selected' WHERE paper <> '2504.00003'");
  EXPECT_EQ(planner.Retry(digest.id), 0);
  EXPECT_EQ(StateOf(digest), "complete");

  store->db().Exec("UPDATE row SET state = 'unscored' WHERE paper = '2504.00002'");
  store->db().Exec("UPDATE paper SET pruned = 1 WHERE id = '2504.00002'");
  EXPECT_EQ(planner.Retry(digest.id), 1);
  EXPECT_EQ(StateOf(digest), "open");
  EXPECT_THAT(intake.Open(OpenMessage("2025-04-15"))->sealed, ElementsAre("cs.LG"));
}

TEST_F(DaysTest, AnAttemptThatBroughtNoListLeavesNoMark) {
  remedial = true;
  Open("2025-04-15");
  remedial = false;
  EXPECT_EQ(Open("2025-04-15").remedial_from, "");
  const Digest digest = Deliver("2025-04-15", {{"2504.00001"}});
  remedial = true;
  EXPECT_EQ(Open("2025-04-15").remedial_from, "") << "its list is in";
  EXPECT_EQ(FindDigest(store->db(), digest.id)->source, "rss");

  EXPECT_NE(Open("2025-04-16").remedial_from, "");
  EXPECT_EQ(intake.Open(OpenMessage("2025-04-16", "api"))->digest.source, "api");
}

TEST_F(DaysTest, ToAListAsAnnouncedARebuiltOneAddsNothing) {
  const Digest digest = Deliver("2025-04-15", {{"2504.00001"}});
  wire::Rows rows;
  rows.set_digest(digest.id);
  rows.set_edition(digest.edition);
  rows.set_category("cs.LG");
  rows.set_source("api");
  rows.add_rows()->set_id("2504.00002");

  const auto wanted = intake.Rows(rows);

  ASSERT_TRUE(wanted.ok());
  EXPECT_THAT(wanted->texts, IsEmpty());
  wire::Seal seal;
  seal.set_digest(digest.id);
  seal.set_edition(digest.edition);
  seal.set_category("cs.LG");
  seal.set_source("api");
  seal.set_rows(1);
  EXPECT_TRUE(intake.Seal(seal).ok());
  EXPECT_EQ(StateOf(digest), "sealed");
  EXPECT_EQ(CountFunnel(store->db(), digest.id).arxiv(), 1u);
  // The other way round the lists are one set.
  rows.set_source("rss");
  EXPECT_THAT(intake.Rows(rows)->texts, ElementsAre("2504.00002"));
}

TEST_F(DaysTest, ToldLateAgainChangesNothing) {
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-04-15");
  ASSERT_TRUE(Seal(digest, "cs.LG", 0).ok());
  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());
  Complete(digest);
  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());
  EXPECT_EQ(StateOf(digest), "complete");
}

}  // namespace
}  // namespace paperboy
