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
    ArxivServer::Options options;
    options.date = "2026-09-15";
    options.papers = Papers();
    std::erase_if(options.papers, [](const ArxivPaper& paper) { return paper.id == "2609.00005"; });
    arxiv_server_ = std::make_unique<ArxivServer>(std::move(options));
    arxiv_server_->Start();
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

// By the calendar it is a day off, and a feed had papers all the same.
TEST_F(FetcherTest, ADigestOfADayOffIsMendedAndNothingIsRebuilt) {
  const auto saturday = Day("2026-09-12");
  now_ = EasternTime(saturday, std::chrono::hours(3));
  ArxivServer::Options options;
  options.date = "2026-09-12";
  options.papers = {Paper("2609.00007", "2026-09-12", "new", {"cs.LG"}, ParseDay("2026-09-11"))};
  arxiv_server_ = std::make_unique<ArxivServer>(std::move(options));
  arxiv_server_->Start();
  profiles_ = {Reader("ml", {"cs.LG"})};
  AskFor("2026-09-12", SourceKind::kRss);
  WasAnnounced("cs.LG", {"2609.00001"});
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const size_t openings = aggregator_.DigestOf("ml", "2026-09-12").openings;
  const size_t requests = RequestsToArxiv();

  profiles_.push_back(Reader("other", {"cs.LG"}));
  now_ += std::chrono::hours(24 * 3);
  AskFor("2026-09-12", SourceKind::kAuto);
  EXPECT_THAT(Fetch(), testing::UnorderedElementsAre(Ended("published", kExitOk),
                                                     Ended("holiday", kExitOk)));
  EXPECT_GT(aggregator_.DigestOf("ml", "2026-09-12").openings, openings);
  EXPECT_EQ(RequestsToArxiv(), requests);
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

TEST_F(FetcherTest, TodayASmallCategoryHasNothingOnceTheSearchSaysSoToo) {
  now_ = EasternTime(Day("2026-09-15"), std::chrono::hours(3));
  ServeAPaperOfAnEarlierDayIn("cs.OS");
  profiles_ = {Reader("os", {"cs.OS"})};

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("os", "2026-09-15");
  EXPECT_THAT(digest.sealed, ElementsAre("cs.OS"));
  EXPECT_EQ(digest.sources.at("cs.OS"), "rss");
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
