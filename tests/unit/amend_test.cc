// What an operator changes: retry, redo, prune.
#include "aggregator/amend.h"

#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class AmendTest : public LedgerTest {
 protected:
  AmendTest() { PassAdoption(); }

  wire::Done Retry(const std::string& date) { return Take(RetryDate(store->db(), planner, date)); }
  wire::Done Redo(const std::string& date) { return Take(RedoDate(store->db(), planner, date)); }
  // All of it; returns how many.
  uint64_t Prune(const std::string& before) {
    wire::Prune prune;
    prune.set_before(before);
    uint64_t papers = 0;
    for (;;) {
      const wire::Done done = Take(PruneTexts(store->db(), prune));
      papers += done.papers();
      if (done.next().empty()) return papers;
      prune.set_after(done.next());
    }
  }
  wire::Done Take(const Result<Amended>& amended) {
    EXPECT_TRUE(amended.ok()) << amended.error().message;
    for (const DigestId id : (*amended).sealed) dispatch.OnWork(id, now);
    return (*amended).done;
  }
  // Until the model has refused every paper for good.
  void RefuseEverything() {
    for (int round = 0; round < 100; ++round) {
      Ready(1, 4, {}, UINT64_MAX);
      const auto out = HandOut();
      if (out.empty()) return;
      for (const auto& batch : out) Answer(Miss(batch));
    }
  }
  Digest Finished(const std::string& date, const std::vector<TestPaper>& papers) {
    const Digest digest = Deliver(date, papers);
    ScoreEverything();
    Publish(digest);
    return digest;
  }
  std::string AbstractOf(const std::string& id) {
    return FindPaper(store->db(), id, 1)->abstract();
  }
  std::map<std::string, std::string> Rendered(const Digest& digest) {
    const DigestPage page = LoadPage(store->db(), digest.id);
    return {{"page", RenderMarkdown(page)},
            {"papers", RenderPapersJson(page)},
            {"status", RenderStatusJson(page)}};
  }
};

TEST_F(AmendTest, RetryTriesAlsoWhatWasGivenUpForGood) {
  const Digest digest = Deliver("2025-01-03", Papers(4));
  RefuseEverything();
  Publish(digest);
  ASSERT_FALSE(IsMendable(store->db(), digest.id));
  const wire::Done done = Retry("2025-01-03");
  EXPECT_EQ(done.papers(), 4u);
  EXPECT_THAT(done.lines(0), HasSubstr("test 2025-01-03: 4 papers tried again"));
  EXPECT_EQ(StateOf(digest), "sealed");
  EXPECT_EQ(Count("SELECT sum(misses + alone_misses) FROM work"), 0);
  EXPECT_EQ(ScoreEverything(), 1) << "in one batch, as though for the first time";
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 4u);
  Publish(digest);
  EXPECT_THAT(Retry("2025-01-03").lines(), ElementsAre("test 2025-01-03: nothing is unscored"));
  EXPECT_EQ(StateOf(digest), "published");
}

TEST_F(AmendTest, RetryOfADigestThatStillWaitsFreesWhatFailedInIt) {
  const Digest digest = Deliver("2025-01-03", Papers(2));
  store->db().Exec("UPDATE digest SET backend = 'openai', model = 'gpt-4o', temperature = '0'");
  planner.Plan(digest.id);
  store->db().Exec("UPDATE work SET state = 'failed' WHERE paper = '2501.01000'");
  EXPECT_EQ(Retry("2025-01-03").papers(), 1u);
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 2u);
}

TEST_F(AmendTest, AWrongDateIsSaid) {
  EXPECT_THAT(RetryDate(store->db(), planner, "2025-13-01").error().message,
              HasSubstr("2025-13-01"));
  EXPECT_THAT(RedoDate(store->db(), planner, "2025-01-03").error().message,
              HasSubstr("no digest of 2025-01-03"));
  wire::Prune prune;
  prune.set_before("yesterday");
  EXPECT_FALSE(PruneTexts(store->db(), prune).ok());
}

TEST_F(AmendTest, RedoDropsTheRowsAndKeepsTheScores) {
  const Digest digest = Finished("2025-01-03", Papers(8));
  const int64_t work = Count("SELECT count(*) FROM work WHERE state = 'done'");
  const wire::Done done = Redo("2025-01-03");
  EXPECT_EQ(done.papers(), 8u);
  EXPECT_THAT(done.lines(0), HasSubstr("run paperboy-fetcher"));
  EXPECT_EQ(StateOf(digest), "open");
  EXPECT_THAT(States(digest), IsEmpty());
  EXPECT_EQ(Count("SELECT count(*) FROM listing"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'done'"), work);
  EXPECT_EQ(Redo("2025-01-03").papers(), 0u) << "the same twice";
  Deliver("2025-01-03", Papers(8));
  EXPECT_EQ(ScoreEverything(), 0) << "everything is paid for already";
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 8u);
}

// Whatever else is asked of arXiv, it has no list of that date.
TEST_F(AmendTest, RedoOfADateWithoutAnnouncementIsForWhatCameFromAFile) {
  const Digest digest = Finished("2025-01-05", Papers(2));
  EXPECT_THAT(RedoDate(store->db(), planner, "2025-01-05").error().message,
              AllOf(HasSubstr("a Sunday"), HasSubstr("retry 2025-01-05")));
  EXPECT_EQ(StateOf(digest), "published");
  store->db().Exec("UPDATE digest SET source = 'file'");
  EXPECT_THAT(
      Redo("2025-01-05").lines(0),
      HasSubstr("--date 2025-01-05 --source file:FILE (a Sunday: arXiv announces nothing)"));
}

TEST_F(AmendTest, RedoLeavesAloneWhatCannotComeAgainAndDoesTheRest) {
  const Digest from_feed = Finished("2025-01-05", Papers(2));
  store->db().Exec(
      "INSERT INTO digest(profile, date, edition, revision, source, remedial_from, remedial_to, "
      "state) SELECT 'other', date, edition, revision, 'file', '', '', state FROM digest");
  EXPECT_THAT(Redo("2025-01-05").lines(),
              testing::UnorderedElementsAre(HasSubstr(": stays as it is"),
                                            HasSubstr("other 2025-01-05: open again")));
  EXPECT_EQ(StateOf(from_feed), "published");
}

TEST_F(AmendTest, RedoOfADayWithBatchesOutLosesNoScore) {
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  const auto batch = HandOut().at(0);
  Redo("2025-01-03");
  Answer(Scores(batch));
  Deliver("2025-01-03", Papers(4));
  EXPECT_EQ(ScoreEverything(), 0);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 4u);
}

TEST_F(AmendTest, PruneDropsTheAbstractsOfWhatStandsOnNoPageOnly) {
  scores["2501.00001"] = {3, 3};
  scores["2501.00003"] = {3, 3};
  const Digest old = Finished("2025-01-03", {{"2501.00001"}, {"2501.00002"}, {"2501.00003"}});
  const Digest recent = Finished("2025-01-06", {{"2501.00003"}, {"2501.00004"}});
  const auto before = Rendered(old);
  EXPECT_EQ(Prune("2025-01-06"), 1u);
  EXPECT_EQ(AbstractOf("2501.00001"), "");
  EXPECT_NE(AbstractOf("2501.00002"), "") << "on the page";
  EXPECT_NE(AbstractOf("2501.00003"), "") << "also in a later digest";
  EXPECT_EQ(Rendered(old), before) << "byte for byte";
  EXPECT_EQ(Prune("2025-01-06"), 0u);
  EXPECT_FALSE(HasText(store->db(), "2501.00001", 1));
  EXPECT_FALSE(HasText(store->db(), "2501.00001", 0));
  EXPECT_EQ(StateOf(recent), "published");
}

TEST_F(AmendTest, PruneGoesOnChunkByChunk) {
  const int papers = 2 * kPruneChunk + 10;
  for (int i = 0; i < papers; ++i) {
    scores["2501.0" + std::to_string(1000 + i)] = {1, 1};
  }
  profile.set_batch_size(64);
  Finished("2025-01-03", Papers(papers));
  EXPECT_EQ(Prune("2025-01-04"), static_cast<uint64_t>(papers));
}

TEST_F(AmendTest, PruneSparesWhatWaitsOrIsUnscored) {
  Deliver("2025-01-02", {{"2501.00009"}});
  const Digest digest = Deliver("2025-01-03", Papers(4));
  RefuseEverything();
  Publish(digest);
  Open("2025-01-01");
  EXPECT_EQ(Prune("2025-02-01"), 0u);
  Retry("2025-01-03");
  EXPECT_EQ(ScoreEverything(), 1);
}

TEST_F(AmendTest, ANewEditionAsksForPrunedTextsAgain) {
  scores["2501.00001"] = {3, 3};
  Finished("2025-01-03", {{"2501.00001"}});
  ASSERT_EQ(Prune("2025-02-01"), 1u);
  profile.set_relevance_cutoff(3);
  profile.set_novelty_cutoff(3);
  const Digest edition = Open("2025-01-03");
  EXPECT_EQ(StateOf(edition), "open");
  wire::Rows rows;  // the hint said that it was seen: no text
  rows.set_digest(edition.id);
  rows.set_edition(edition.edition);
  rows.set_category("cs.LG");
  rows.add_rows()->set_id("2501.00001");
  rows.mutable_rows(0)->set_version(1);
  rows.mutable_rows(0)->set_announce_type(wire::ANNOUNCE_TYPE_NEW);
  EXPECT_THAT(intake.Rows(rows)->texts, ElementsAre("2501.00001"));
  Deliver("2025-01-03", {{"2501.00001"}});
  EXPECT_NE(AbstractOf("2501.00001"), "");
  EXPECT_EQ(ScoreEverything(), 0) << "the same text has the same key";
  EXPECT_THAT(States(edition), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(AmendTest, AnEarlierDayMovesPrunedPapersAndChangesNothingElse) {
  scores["2501.00001"] = {3, 3};
  scores["2501.00002"] = {3, 3};
  profile.add_exclude_keywords("0003");
  const Digest digest =
      Finished("2025-01-06", {{"2501.00001"},
                              {"2501.00002"},
                              {"2501.00003", wire::ANNOUNCE_TYPE_NEW, 1, "cs.LG", "About 0003"},
                              {"2501.00004"},
                              {"2501.00005", wire::ANNOUNCE_TYPE_REPLACE, 2}});
  auto expected = States(digest);
  ASSERT_EQ(Prune("2025-02-01"), 4u);
  scores.clear();
  const Digest earlier = Deliver("2025-01-03", {{"2501.00001"}});
  EXPECT_EQ(ScoreEverything(), 0) << "its text came again, its score is there";
  EXPECT_THAT(States(earlier), ElementsAre(Pair("2501.00001", "below_cutoff")));
  expected["2501.00001"] = "seen_before(2025-01-03)";
  EXPECT_EQ(States(digest), expected);
  EXPECT_EQ(StateOf(digest), "complete");
}

TEST_F(AmendTest, APrunedPaperThatComesBackWaitsForItsText) {
  scores["2501.00001"] = {3, 3};
  const Digest earlier = Finished("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  const Digest later =
      Finished("2025-01-06",
               {{"2501.00001"}, {"2501.00006"}, {"2501.00007"}, {"2501.00008"}, {"2501.00009"}});
  ASSERT_EQ(Prune("2025-02-01"), 1u);
  Redo("2025-01-03");
  Deliver("2025-01-03", {{"2501.00002"}});
  ScoreEverything();
  EXPECT_THAT(States(later),
              Contains(Pair("2501.00001", HasSubstr("unscored(its text was pruned"))));
  EXPECT_EQ(StateOf(later), "complete");
  Publish(later);
  EXPECT_EQ(StateOf(Open("2025-01-06")), "open") << "the next run delivers the text";
  Deliver("2025-01-06",
          {{"2501.00001"}, {"2501.00006"}, {"2501.00007"}, {"2501.00008"}, {"2501.00009"}});
  ScoreEverything();
  EXPECT_THAT(States(later), Contains(Pair("2501.00001", "below_cutoff")));
}

}  // namespace
}  // namespace paperboy
