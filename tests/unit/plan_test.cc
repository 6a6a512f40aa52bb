// The ledger's rules: every id ends in exactly one state, and which one.
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

class PlanTest : public LedgerTest {
 protected:
  PlanTest() { PassAdoption(); }
};

TEST_F(PlanTest, EveryIdEndsInOneStateAndTheFunnelAddsUp) {
  scores["2501.00002"] = {8, 6};
  const Digest digest =
      Deliver("2025-01-03", {{"2501.00001"},
                             {"2501.00002"},
                             {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE, 2},
                             {"2501.00004", wire::ANNOUNCE_TYPE_UNKNOWN},
                             {"2501.00005", wire::ANNOUNCE_TYPE_NEW, 1, "math.GT"}});
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(
      States(digest),
      UnorderedElementsAre(Pair("2501.00001", "selected"), Pair("2501.00002", "below_cutoff"),
                           Pair("2501.00003", "not_wanted(announce_type: replace)"),
                           Pair("2501.00004", "selected"),
                           Pair("2501.00005", "not_wanted(category: math.GT)")));
  const auto funnel = CountFunnel(store->db(), digest.id);
  EXPECT_EQ(funnel.arxiv(), 5u);
  EXPECT_EQ(funnel.arxiv(),
            funnel.refused() + funnel.not_wanted() + funnel.seen_before() + funnel.scanned());
}

TEST_F(PlanTest, AnUnreadableEntryIsRefusedAndCounted) {
  const Digest digest = Open("2025-01-03");
  wire::Rows rows;
  rows.set_digest(digest.id);
  rows.set_edition(digest.edition);
  rows.set_category("cs.LG");
  auto* row = rows.add_rows();
  row->set_id("line 7");
  row->set_refused("no title");
  ASSERT_TRUE(intake.Rows(rows).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 1).ok());
  dispatch.HandOut(now);
  EXPECT_THAT(States(digest), ElementsAre(Pair("line 7", "refused(no title)")));
  EXPECT_EQ(StateOf(digest), "complete");
}

TEST_F(PlanTest, AnIdInSeveralListsIsOneRowAnnouncedAsTheFirstOfItsTypes) {
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-01-03");
  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2501.00001", wire::ANNOUNCE_TYPE_REPLACE_CROSS}}).ok());
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2501.00001", wire::ANNOUNCE_TYPE_NEW}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.AI", 1).ok());
  EXPECT_EQ(StateOf(digest), "open") << "one list is missing";
  ASSERT_TRUE(Seal(digest, "cs.LG", 1).ok());
  ScoreEverything();
  EXPECT_THAT(States(digest), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, AListIsNotSealedWhileTheLedgerHasFewerRows) {
  const Digest digest = Open("2025-01-03");
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2501.00001"}}).ok());
  const auto status = Seal(digest, "cs.LG", 2);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, testing::HasSubstr("counted 2 ids, the ledger has 1"));
  EXPECT_EQ(StateOf(digest), "open");
}

TEST_F(PlanTest, ALaterDigestLeavesAPaperToTheEarlierOne) {
  Deliver("2025-01-03", {{"2501.00001"}});
  ScoreEverything();
  const Digest later =
      Deliver("2025-01-06", {{"2501.00001", wire::ANNOUNCE_TYPE_CROSS}, {"2501.00002"}});
  ScoreEverything();
  EXPECT_THAT(States(later), ElementsAre(Pair("2501.00001", "seen_before(2025-01-03)"),
                                         Pair("2501.00002", "selected")));
}

TEST_F(PlanTest, AnEarlierDayAddedLaterTakesItsPapersWithoutACall) {
  const Digest later = Deliver("2025-01-06", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  ASSERT_THAT(States(later), Contains(Pair("2501.00001", "selected")));
  const Digest earlier = Deliver("2025-01-03", {{"2501.00001"}});
  EXPECT_EQ(ScoreEverything(), 0) << "it was paid for already";
  EXPECT_THAT(States(earlier), ElementsAre(Pair("2501.00001", "selected")));
  EXPECT_THAT(States(later), ElementsAre(Pair("2501.00001", "seen_before(2025-01-03)"),
                                         Pair("2501.00002", "selected")));
  EXPECT_EQ(StateOf(later), "complete") << "its page is written again";
}

TEST_F(PlanTest, APublishedPageKeepsItsPapersUntilTheEarlierDaysPageIsCertain) {
  const Digest later = Deliver("2025-01-06", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  Publish(later);
  profile.set_prompt("Changed.\n\n[PAPER LIST HERE]");
  const Digest earlier = Deliver("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  Ready(1, 0);
  dispatch.HandOut(now);
  EXPECT_EQ(StateOf(later), "published");
  ASSERT_TRUE(planner.GiveUp(earlier.id, "the provider is out", now.unix_seconds));
  EXPECT_EQ(StateOf(later), "published") << "the earlier digest is withheld";
  EXPECT_THAT(States(later), Contains(Pair("2501.00001", "selected")));
  Publish(earlier);
  Open("2025-01-03");
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_THAT(States(earlier), Contains(Pair("2501.00001", "selected")));
  EXPECT_THAT(States(later), ElementsAre(Pair("2501.00001", "seen_before(2025-01-03)"),
                                         Pair("2501.00002", "seen_before(2025-01-03)")));
  EXPECT_EQ(StateOf(later), "complete");
}

TEST_F(PlanTest, ThreeDaysAddedBackwardsEndAsThoughAddedForwards) {
  const std::vector<TestPaper> papers = {{"2501.00001"}};
  const Digest third = Deliver("2025-01-08", papers);
  ScoreEverything();
  const Digest second = Deliver("2025-01-07", papers);
  ScoreEverything();
  const Digest first = Deliver("2025-01-06", papers);
  ScoreEverything();
  EXPECT_THAT(States(first), ElementsAre(Pair("2501.00001", "selected")));
  EXPECT_THAT(States(second), ElementsAre(Pair("2501.00001", "seen_before(2025-01-06)")));
  EXPECT_THAT(States(third), ElementsAre(Pair("2501.00001", "seen_before(2025-01-06)")));
}

TEST_F(PlanTest, WhatAnEarlierDayNoLongerWantsComesBackToTheLaterOne) {
  const Digest earlier = Deliver("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  const Digest later = Deliver("2025-01-06", {{"2501.00001"}, {"2501.00003"}});
  const Digest last = Deliver("2025-01-07", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  ASSERT_THAT(States(later), Contains(Pair("2501.00001", "seen_before(2025-01-03)")));
  for (const Digest& digest : {earlier, later, last}) Publish(digest);
  const wire::Profile before = profile;
  profile.add_exclude_keywords("2501.00001");
  Open("2025-01-03");
  ScoreEverything();
  EXPECT_THAT(States(earlier),
              Contains(Pair("2501.00001", "not_wanted(keyword: has \"2501.00001\")")));
  EXPECT_THAT(States(later),
              ElementsAre(Pair("2501.00001", "selected"), Pair("2501.00003", "selected")));
  EXPECT_THAT(States(last), ElementsAre(Pair("2501.00001", "seen_before(2025-01-06)"),
                                        Pair("2501.00002", "seen_before(2025-01-03)")));
  EXPECT_EQ(StateOf(later), "complete") << "its page is written again";
  // And it goes to the earlier day when that wants it again.
  profile = before;
  Open("2025-01-03");
  EXPECT_EQ(ScoreEverything(), 0);
  EXPECT_THAT(States(earlier), Contains(Pair("2501.00001", "selected")));
  EXPECT_THAT(States(later), Contains(Pair("2501.00001", "seen_before(2025-01-03)")));
}

TEST_F(PlanTest, WhatACorrectedListNoLongerNamesComesBackToTheLaterDay) {
  const Digest earlier = Deliver("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  const Digest later = Deliver("2025-01-06", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  Publish(earlier);
  Publish(later);
  planner.Empty(earlier.id);
  EXPECT_THAT(States(earlier), testing::IsEmpty());
  EXPECT_EQ(StateOf(later), "published") << "until the earlier day's page is certain";
  Deliver("2025-01-03", {{"2501.00002"}});
  EXPECT_EQ(ScoreEverything(), 0) << "scores and texts stayed";
  EXPECT_THAT(States(earlier), ElementsAre(Pair("2501.00002", "selected")));
  EXPECT_THAT(States(later), ElementsAre(Pair("2501.00001", "selected"),
                                         Pair("2501.00002", "seen_before(2025-01-03)")));
  EXPECT_EQ(StateOf(later), "complete");
}

TEST_F(PlanTest, AReplacementThatAnEarlierDayHadComesBackWithItsVersion) {
  profile.add_announce_types(wire::ANNOUNCE_TYPE_REPLACE);
  const std::vector<TestPaper> second = {{"2501.00001", wire::ANNOUNCE_TYPE_REPLACE, 2}};
  const Digest earlier = Deliver("2025-01-03", second);
  ScoreEverything();
  const Digest later = Deliver("2025-01-06", second);
  ScoreEverything();
  ASSERT_THAT(States(later), ElementsAre(Pair("2501.00001", "seen_before(2025-01-03)")));
  planner.Empty(earlier.id);
  Deliver("2025-01-03", {{"2501.00001", wire::ANNOUNCE_TYPE_NEW, 1}});
  ScoreEverything();
  EXPECT_THAT(States(later), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, ADigestWhoseEntriesAreMostlyUnreadableIsWithheld) {
  const Digest digest = Open("2025-01-03");
  wire::Rows rows;
  rows.set_digest(digest.id);
  rows.set_edition(digest.edition);
  rows.set_category("cs.LG");
  for (int i = 1; i <= 3; ++i) {
    auto* row = rows.add_rows();
    row->set_id("line " + std::to_string(i));
    row->set_refused("no title");
  }
  ASSERT_TRUE(intake.Rows(rows).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 3).ok());
  dispatch.HandOut(now);
  EXPECT_TRUE(FindDigest(store->db(), digest.id)->withhold);
  EXPECT_THAT(Notes(LoadPage(store->db(), digest.id)),
              ElementsAre("3 of 3 entries could not be read."));
}

TEST_F(PlanTest, ANewVersionIsAPaperOfItsOwnForWhoAsksForReplacements) {
  profile.add_announce_types(wire::ANNOUNCE_TYPE_REPLACE);
  Deliver("2025-01-03", {{"2501.00001"}});
  const Digest later = Deliver("2025-01-06", {{"2501.00001", wire::ANNOUNCE_TYPE_REPLACE, 2}});
  ScoreEverything();
  EXPECT_THAT(States(later), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, ChangedCutoffsMakeANewEditionWithoutACall) {
  scores["2501.00001"] = {8, 6};
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_THAT(States(digest), ElementsAre(Pair("2501.00001", "below_cutoff")));
  profile.set_novelty_cutoff(6);
  EXPECT_EQ(Open("2025-01-03").edition, 2u);
  EXPECT_EQ(ScoreEverything(), 0);
  EXPECT_THAT(States(digest), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, AChangedPromptAsksForEveryPaperAgain) {
  Deliver("2025-01-03", {{"2501.00001"}});
  EXPECT_EQ(ScoreEverything(), 1);
  profile.set_prompt("Other words.\n\n[PAPER LIST HERE]");
  Open("2025-01-03");
  EXPECT_EQ(ScoreEverything(), 1);
}

TEST_F(PlanTest, MessagesOfAReplacedEditionAreRefused) {
  const Digest old = Open("2025-01-03");
  profile.set_novelty_cutoff(5);
  Open("2025-01-03");
  auto refused = SendRows(old, "cs.LG", {{"2501.00001"}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
}

TEST_F(PlanTest, TwoProfilesWithOnePromptShareTheScore) {
  Deliver("2025-01-03", {{"2501.00001"}});
  profile.set_name("other");
  const Digest other = Deliver("2025-01-03", {{"2501.00001"}});
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_THAT(States(other), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, ANewVersionsTextIsAskedForAlthoughAnOlderOneIsThere) {
  profile.add_announce_types(wire::ANNOUNCE_TYPE_REPLACE);
  Deliver("2025-01-03", {{"2501.00001"}});
  const Digest later = Open("2025-01-06");
  wire::Rows rows;
  rows.set_digest(later.id);
  rows.set_edition(later.edition);
  rows.set_category("cs.LG");
  rows.add_rows()->set_id("2501.00001");  // the hint said that it was seen: no text
  rows.mutable_rows(0)->set_version(2);
  rows.mutable_rows(0)->set_announce_type(wire::ANNOUNCE_TYPE_REPLACE);
  auto wanted = intake.Rows(rows);
  ASSERT_TRUE(wanted.ok());
  EXPECT_THAT(wanted->texts, ElementsAre("2501.00001"));
}

TEST_F(PlanTest, ATextThatComesLaterChangesNoPage) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001", wire::ANNOUNCE_TYPE_NEW, 0}});
  ScoreEverything();
  const std::string page = RenderMarkdown(LoadPage(store->db(), digest.id));
  Deliver("2025-01-06", {{"2501.00001", wire::ANNOUNCE_TYPE_REPLACE, 2, "cs.LG", "New title"}});
  EXPECT_EQ(RenderMarkdown(LoadPage(store->db(), digest.id)), page);
}

TEST_F(PlanTest, ADayMayNotNameAFolderOfItsOwn) {
  wire::Day day;
  day.set_profile("../../elsewhere");
  day.set_date("2025-01-03");
  day.set_state("holiday");
  EXPECT_FALSE(intake.Day(day).ok());
  day.set_profile("site");  // OUT/site is taken
  EXPECT_THAT(intake.Day(day).error().message, testing::HasSubstr("folder of the HTML site"));
  day.set_profile("test");
  EXPECT_TRUE(intake.Day(day).ok());
  day.set_state("sunny");
  EXPECT_FALSE(intake.Day(day).ok());
}

TEST_F(PlanTest, AnotherPromptMayBeScoredByAnotherModel) {
  Deliver("2025-01-03", {{"2501.00001"}});
  ScoreEverything("lexical");
  profile.set_prompt("Other words.\n\n[PAPER LIST HERE]");
  const Digest digest = Open("2025-01-03");
  Pass(kSilence + std::chrono::seconds(1));
  EXPECT_EQ(ScoreEverything("gpt-4o"), 1);
  EXPECT_THAT(States(digest), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, KeywordsAreWholeWordsWhateverTheirCase) {
  profile.add_include_keywords("sparse");
  profile.add_exclude_keywords("survey");
  const Digest digest =
      Deliver("2025-01-03",
              {{"2501.00001", wire::ANNOUNCE_TYPE_NEW, 1, "cs.LG", "Sparse experts"},
               {"2501.00002", wire::ANNOUNCE_TYPE_NEW, 1, "cs.LG", "Sparsely populated"},
               {"2501.00003", wire::ANNOUNCE_TYPE_NEW, 1, "cs.LG", "A Survey of sparse models"}});
  ScoreEverything();
  EXPECT_THAT(States(digest),
              ElementsAre(Pair("2501.00001", "selected"),
                          Pair("2501.00002", "not_wanted(keyword: has none of those asked for)"),
                          Pair("2501.00003", "not_wanted(keyword: has \"survey\")")));
}

TEST_F(PlanTest, OrderIsScoreThenRelevanceThenId) {
  scores = {{"2501.00001", {8, 8}},
            {"2501.00002", {9, 7}},
            {"2501.00003", {10, 9}},
            {"2501.00004", {9, 7}}};
  const Digest digest =
      Deliver("2025-01-03", {{"2501.00004"}, {"2501.00003"}, {"2501.00002"}, {"2501.00001"}});
  ScoreEverything();
  std::vector<std::string> order;
  const DigestPage page = LoadPage(store->db(), digest.id);
  for (const PageRow* row : page.selected()) order.push_back(row->id);
  EXPECT_THAT(order, ElementsAre("2501.00003", "2501.00002", "2501.00004", "2501.00001"));
}

TEST_F(PlanTest, TheTitleStageDropsOrPassesOnToTheAbstract) {
  profile.set_title_stage(true);
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  Ready(1, 4);
  auto batches = HandOut();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].stage(), wire::STAGE_TITLE);
  EXPECT_EQ(batches[0].papers(0).abstract(), "");
  auto result = ResultOf(batches[0]);
  AddCall(&result);
  for (const auto& paper : batches[0].papers()) {
    auto* verdict = result.add_papers();
    verdict->set_key(paper.key());
    verdict->set_kind(paper.id() == "2501.00001" ? wire::PaperResult::DROP
                                                 : wire::PaperResult::KEEP);
  }
  Answer(result);
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_THAT(States(digest), ElementsAre(Pair("2501.00001", "title_dropped(by its title)"),
                                          Pair("2501.00002", "selected")));
}

TEST_F(PlanTest, ATitleStageThatFailsDropsNothing) {
  profile.set_title_stage(true);
  profile.set_batch_size(1);
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  for (int i = 0; i < kMaxAloneMisses; ++i) {
    Ready(1, 1, {}, UINT64_MAX);
    const auto batches = HandOut();
    ASSERT_EQ(batches.size(), 1u);
    ASSERT_EQ(batches[0].stage(), wire::STAGE_TITLE);
    auto result = ResultOf(batches[0]);
    AddCall(&result);
    result.add_papers()->set_key(batches[0].papers(0).key());
    result.mutable_papers(0)->set_kind(wire::PaperResult::MISSING);
    Answer(result);
  }
  ScoreEverything();
  EXPECT_THAT(States(digest), ElementsAre(Pair("2501.00001", "selected")));
}

TEST_F(PlanTest, ADayShowsTheTextOfItsOwnVersionInWhateverOrderDaysAreRead) {
  profile.add_announce_types(wire::ANNOUNCE_TYPE_REPLACE);
  PassAdoption();
  // The model sees the same of both versions, so that they share their score.
  const Digest later = Deliver("2025-01-10", {{"2501.01000", wire::ANNOUNCE_TYPE_REPLACE, 2}});
  ScoreEverything();
  Publish(later);
  Deliver("2025-01-03", {{"2501.01000", wire::ANNOUNCE_TYPE_NEW, 1}});
  ScoreEverything();
  EXPECT_EQ(Count("SELECT text_version FROM row JOIN digest ON digest.id = row.digest "
                  "WHERE date = '2025-01-03'"),
            1);
  EXPECT_EQ(Count("SELECT text_version FROM row JOIN digest ON digest.id = row.digest "
                  "WHERE date = '2025-01-10'"),
            2);
}

}  // namespace
}  // namespace paperboy
