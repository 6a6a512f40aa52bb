// What a run reads of a day that the ledger has, and of categories with few papers.
#include "tests/unit/fetcher_fixture.h"

namespace paperboy {
namespace {

using testing::ElementsAre, testing::IsEmpty, testing::SizeIs;

// ---- what the ledger has ---------------------------------------------------------

TEST_F(FetcherTest, AFeedOfACompleteDayThatCannotBeReadChangesNothing) {
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  ServeArxiv("2026-09-15", "503");

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.LG"), SizeIs(2));
}

TEST_F(FetcherTest, AFeedThatWasShortWhenItWasReadIsCompletedByTheNextRun) {
  for (const bool begun_with_a_date : {false, true}) {
    aggregator_.ForgetAll();
    if (begun_with_a_date) settings_.from = settings_.to = Day("2026-09-15");
    Serve("2026-09-15", PapersWithout("2609.00005"));
    ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
    ASSERT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"), SizeIs(1));
    ServeArxiv("2026-09-15", "");

    EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

    const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
    EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00004", "2609.00005"));
    EXPECT_TRUE(digest.papers.contains("2609.00005"));
    EXPECT_EQ(RequestsToArxiv(), 2u) << "each feed once";
  }
}

// What it repeats was announced on another day, whatever date it gives.
TEST_F(FetcherTest, AStaleFeedAddsNothingToACompleteDay) {
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  ServeArxiv("2026-09-15", "stale@/rss");
  WasAnnounced("cs.LG", {"2609.00001"});
  WasAnnounced("cs.AI", {"2609.00002"});

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00003", "2609.00004"));
}

// What another reader of the run lacks is read again for those that have it, too.
TEST_F(FetcherTest, AShortFeedIsCompletedBesideAReaderThatIsNew) {
  Serve("2026-09-15", PapersWithout("2609.00005"));
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  ServeArxiv("2026-09-15", "");
  profiles_.push_back(Reader("ai", {"cs.AI"}));

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));

  for (const char* reader : {"ml", "ai"}) {
    EXPECT_THAT(aggregator_.DigestOf(reader, "2026-09-15").lists.at("cs.AI"), SizeIs(2)) << reader;
  }
  EXPECT_EQ(RequestsToArxiv(), 2u);
}

TEST_F(FetcherTest, AFeedThatStallsLeavesACompleteDayItsTime) {
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  ServeArxiv("2026-09-15", "stall@/rss/cs.AI");
  settings_.deadline = seconds(4);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

// By the calendar it is a day off, and a feed had papers all the same.
class DayOffTest : public FetcherTest {
 protected:
  DayOffTest() {
    now_ = EasternTime(Day("2026-09-12"), std::chrono::hours(3));
    Serve("2026-09-12",
          {Paper("2609.00007", "2026-09-12", "new", {"cs.LG"}, ParseDay("2026-09-11"))});
    AskFor("2026-09-12", SourceKind::kRss);
    settings_.wait = false;
    WasAnnounced("cs.LG", {"2609.00001"});
  }
  FakeAggregator::Digest DigestOf(const std::string& profile) {
    return aggregator_.DigestOf(profile, "2026-09-12");
  }
};

TEST_F(DayOffTest, ADigestWithItsListsIsMendedAndWithoutOneItIsAHoliday) {
  profiles_ = {Reader("ml", {"cs.LG"})};
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const size_t openings = DigestOf("ml").openings;
  const size_t requests = RequestsToArxiv();

  profiles_.push_back(Reader("other", {"cs.LG"}));
  now_ += std::chrono::hours(24 * 3);
  AskFor("2026-09-12", SourceKind::kAuto);
  EXPECT_THAT(Fetch(), testing::UnorderedElementsAre(Ended("published", kExitOk),
                                                     Ended("holiday", kExitOk)));
  EXPECT_GT(DigestOf("ml").openings, openings) << "which begins the mending";
  EXPECT_EQ(DigestOf("other").id, 0);
  EXPECT_EQ(RequestsToArxiv(), requests);
}

TEST_F(DayOffTest, ThatACategoryHasNothingIsBelievedWithoutTheSearch) {
  settings_.wait = true;
  AskFor("2026-09-12", SourceKind::kAuto);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(DigestOf("ml").sealed, ElementsAre("cs.AI", "cs.LG"));
}

TEST_F(DayOffTest, WhatADigestLacksIsNotPromised) {
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));

  now_ += std::chrono::hours(24 * 3);
  AskFor("2026-09-12", SourceKind::kAuto);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("holiday", kExitOk)));
  EXPECT_THAT(DigestOf("ml").sealed, ElementsAre("cs.LG"));
}

TEST_F(DayOffTest, WhatAFeedHadIsNotRebuiltOnceItHasMovedOn) {
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));
  Serve("2026-09-13",
        {Paper("2609.00008", "2026-09-13", "new", {"cs.LG", "cs.AI"}, ParseDay("2026-09-12"))});
  now_ += std::chrono::hours(24);
  AskFor("2026-09-12", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));
}

// ---- categories that have few papers ---------------------------------------------

// With a paper in a week no paper in a day is no surprise.
TEST_F(FetcherTest, APastDayWithoutPapersOfASmallCategoryIsQuiet) {
  ServeAPaperOfAnEarlierDayIn("cs.OS");
  profiles_ = {Reader("os", {"cs.OS"})};
  AskFor("2026-09-14", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(aggregator_.DigestOf("os", "2026-09-14").sealed, ElementsAre("cs.OS"));
  EXPECT_EQ(RequestsToArxiv(), 1u);
  EXPECT_THAT(waits_, IsEmpty());
}

TEST_F(FetcherTest, AQuietSmallCategoryExplainsNothingOfALargeOne) {
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"}), Reader("os", {"cs.OS"})};
  for (const bool wait : {true, false}) {
    aggregator_.ForgetAll();
    ServeAPaperOfAnEarlierDayIn("cs.OS");
    arxiv_server_->SetFaults("no_matches@cs.LG");
    settings_.wait = wait;
    AskFor("2026-09-14", SourceKind::kApi);

    EXPECT_THAT(Fetch(), testing::Each(Ended("failed", kExitUnreachable)));

    EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").sealed, IsEmpty());
  }
}

// The mailing is late, and nobody has it: neither feeds nor search say why.
TEST_F(FetcherTest, TodayASmallCategoryWithNothingIsLateLikeAnyOther) {
  now_ = EasternTime(Day("2026-09-15"), std::chrono::hours(3));
  auto papers = Papers();
  std::erase_if(papers, [](const ArxivPaper& paper) { return paper.announced >= "2026-09-15"; });
  papers.push_back(Paper("2609.00000", "2026-09-09", "new", {"cs.OS"}, ParseDay("2026-09-08")));
  Serve("2026-09-15", std::move(papers));
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"})};
  settings_.deadline = seconds(4);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("not announced", kExitNotAnnounced)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, IsEmpty());
}

TEST_F(FetcherTest, ADigestWithoutALateListStaysPublishedWhenArxivIsAway) {
  WasAnnounced("cs.AI", {"2609.00002"});
  ServeArxiv("2026-09-15", "stale@/rss/cs.AI");
  settings_.wait = false;
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));
  ServeArxiv("2026-09-15", "503");

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.LG"));
}

}  // namespace
}  // namespace paperboy
