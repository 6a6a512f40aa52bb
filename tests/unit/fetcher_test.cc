// What the fetcher reads of arXiv and of files, and what it delivers of it.
#include "tests/unit/fetcher_fixture.h"

namespace paperboy {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::SizeIs;
using testing::UnorderedElementsAre;

TEST_F(FetcherTest, DeliversTheNewestAnnouncement) {
  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-15");
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.open.source(), "rss");
  EXPECT_EQ(digest.open.remedial_from(), "");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00003", "2609.00004"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00004", "2609.00005"));
  EXPECT_EQ(digest.papers.at("2609.00003").abstract(), "What owls of 2609.00003 do at night.");
}

TEST_F(FetcherTest, ReadsArxivOnceForSeveralProfiles) {
  profiles_ = {Reader("ml", {"cs.LG"}), Reader("ai", {"cs.AI", "cs.LG"})};

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));

  EXPECT_EQ(RequestsToArxiv(), 2u);
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists, SizeIs(1));
  EXPECT_THAT(aggregator_.DigestOf("ai", "2026-09-15").lists, SizeIs(2));
}

TEST_F(FetcherTest, RebuildsAPastDateFromTheApi) {
  AskFor("2026-09-14", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-14");
  EXPECT_EQ(digest.open.source(), "api");
  EXPECT_EQ(digest.open.remedial_from(), "09/10/2026");
  EXPECT_EQ(digest.open.remedial_to(), "09/11/2026");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00001"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00002"));
}

TEST_F(FetcherTest, WindowsOfSubmissionAreHalfOpen) {
  AskFor("2026-09-15", SourceKind::kApi);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.open.remedial_from(), "");  // today's page is a live one
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00003", "2609.00004"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00004", "2609.00005"));
  EXPECT_EQ(digest.rows.at("2609.00005").announce_type(), wire::ANNOUNCE_TYPE_NEW);
}

TEST_F(FetcherTest, TakesARangeOfDatesInOrder) {
  settings_.from = Day("2026-09-12");  // a Saturday
  settings_.to = Day("2026-09-15");
  settings_.range = true;

  const std::vector<Outcome> outcomes = Fetch();

  EXPECT_THAT(outcomes, ElementsAre(Ended("holiday", kExitOk), Ended("holiday", kExitOk),
                                    Ended("published", kExitOk), Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.days(), SizeIs(2));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-15").open.remedial_from(), "09/11/2026");
}

// Each may take a day to be answered: they wait together.
TEST_F(FetcherTest, ARangeForTheBatchApiIsDeliveredBeforeAnyOfItIsWaitedFor) {
  settings_.from = Day("2026-09-14");
  settings_.to = Day("2026-09-15");
  settings_.range = true;
  profiles_[0].set_batch_api(true);
  aggregator_.Set([](auto* knobs) { knobs->publish = false; });

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    aggregator_.Set([](auto* knobs) { knobs->publish = true; });
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-14");
}

TEST_F(FetcherTest, DeliversAFileAndItsRefusals) {
  AskForFile("2026-09-13", R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})"
                           "\nspam\n");

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-13");
  EXPECT_EQ(digest.open.source(), "file");
  EXPECT_THAT(digest.lists.at("*"), UnorderedElementsAre("2609.00001", "line 2"));
  EXPECT_THAT(digest.rows.at("line 2").refused(), HasSubstr("bad JSON"));
  EXPECT_EQ(RequestsToArxiv(), 0u);
}

TEST_F(FetcherTest, CutsALongListIntoMessages) {
  std::string lines;
  for (int i = 0; i < 1'001; ++i) {
    lines += R"({"id": "2609.)" + std::to_string(10'000 + i) + R"(", "title": "T", "abstract": ")" +
             std::string(30'000, 'x') + R"(", "authors": []})" + "\n";
  }
  AskForFile("2026-09-14", lines);
  settings_.deadline = seconds(120);  // thirty megabytes take their time under a sanitizer

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").papers, SizeIs(1'001));
}

TEST_F(FetcherTest, AFileThatIsNotThereIsAnError) {
  AskFor("2026-09-14", SourceKind::kFile);
  settings_.file = dir_.File("missing");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUsage)));
}

TEST_F(FetcherTest, FilesOfARangeAreNamedByDate) {
  AskForFile("2026-09-14", "");
  std::ofstream(dir_.File("2026-09-14.jsonl"))
      << R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})";
  settings_.file = dir_.File("{date}.jsonl");
  settings_.from = Day("2026-09-13");  // a Sunday
  settings_.to = Day("2026-09-15");
  settings_.range = true;

  const std::vector<Outcome> outcomes = Fetch();

  EXPECT_THAT(outcomes, ElementsAre(Ended("holiday", kExitOk), Ended("published", kExitOk),
                                    Ended("missing", kExitUsage)));
  EXPECT_EQ(outcomes.at(2).why, "there is no file " + dir_.File("2026-09-15.jsonl"));
  EXPECT_EQ(WorstOf(outcomes), kExitUsage);
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-14").open.remedial_from(), "");
}

TEST_F(FetcherTest, SendsNoTextOfWhatRedisHasSeenUnlessTheLedgerWantsIt) {
  EpollLoop loop;
  RedisClient redis(loop, *ParseRedisUrl(redis_server_.url()));
  ASSERT_TRUE(loop.RunUntil([&] { return redis.ready(); }, loop.now() + seconds(5)));
  bool stored = false;
  redis.Command({"SADD", redis_keys::Seen("ledger", "ml"), "2609.00003"}, seconds(1),
                [&](Result<RedisReply> reply) { stored = reply.ok(); });
  ASSERT_TRUE(loop.RunUntil([&] { return stored; }, loop.now() + seconds(5)));
  profiles_ = {Reader("ml", {"cs.LG"})};

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.texts_with_rows, 1u);
  EXPECT_THAT(digest.papers, SizeIs(2));
}

TEST_F(FetcherTest, ADayWithoutAnnouncementIsAHoliday) {
  now_ = EasternTime(Day("2026-09-19"), std::chrono::hours(10));
  ServeArxiv("2026-09-19", "");
  aggregator_.Set([](auto* knobs) {
    wire::DayState* friday = knobs->days.add_days();
    friday->set_date("2026-09-18");
    friday->set_state("published");
    knobs->days.set_first("2026-09-18");
  });

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("holiday", kExitOk)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("Saturday"));
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "holiday");
  EXPECT_EQ(aggregator_.days()[0].date(), "2026-09-19");
  EXPECT_EQ(aggregator_.digests(), 0u);
}

TEST_F(FetcherTest, TheMondayAfterAFridayOffIsAHolidayToo) {
  AskFor("2026-07-06", SourceKind::kAuto);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("holiday", kExitOk)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("(Independence Day on Friday)"));
  EXPECT_EQ(aggregator_.digests(), 0u);
}

TEST_F(FetcherTest, WaitsForALateFeed) {
  ServeArxiv("2026-09-15", "lag#2");
  AskFor("2026-09-15", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(waits_, testing::Contains(HasSubstr("arXiv to announce 2026-09-15")));
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "waiting");
}

TEST_F(FetcherTest, DeliversWhatIsOutWhileOneCategoryIsLate) {
  ServeArxiv("2026-09-15", "lag@/rss/cs.AI");
  AskFor("2026-09-15", SourceKind::kRss);

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.contains("cs.LG")) {
      arxiv_server_->SetFaults("");
    }
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.AI", "cs.LG"));
}

TEST_F(FetcherTest, AnEmptyFeedOnAnOrdinaryDayIsWaitedFor) {
  ServeArxiv("2026-09-15", "empty#2");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.LG"), SizeIs(2));
}

TEST_F(FetcherTest, OneCategoryMayHaveNothingIfThreeLooksAndTheSearchSaySo) {
  ServeAPaperOfAnEarlierDayIn("cs.OS");
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"})};
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.sealed, ElementsAre("cs.LG", "cs.OS"));
  EXPECT_EQ(digest.sources.at("cs.OS"), "rss");
  EXPECT_EQ(RequestsToArxiv(), 5u) << "four feeds, and the search finds nothing either";
  EXPECT_THAT(waits_, testing::Contains(HasSubstr("empty list of cs.OS")));
}

TEST_F(FetcherTest, AnEmptyListOfOneCategoryIsLookedAtAgain) {
  ServeArxiv("2026-09-15", "empty@/rss/cs.AI#2");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"), SizeIs(2));
}

TEST_F(FetcherTest, AnEmptyFeedIsNotBelievedWhileTheSearchFindsPapers) {
  ServeArxiv("2026-09-15", "empty@/rss/cs.AI");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00004", "2609.00005"));
  EXPECT_EQ(digest.sources.at("cs.AI"), "api");
}

// A later run adds what it should have had.
TEST_F(FetcherTest, AFeedThatStaysEmptyIsBelievedWhereNothingElseMayBeAsked) {
  ServeArxiv("2026-09-15", "empty@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed,
              testing::UnorderedElementsAre("cs.AI", "cs.LG"));
  EXPECT_EQ(RequestsToArxiv(), 4u) << "cs.AI three times, a poll apart";
}

TEST_F(FetcherTest, WithoutWaitingAnEmptyFeedIsLate) {
  ServeAPaperOfAnEarlierDayIn("cs.OS");
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"})};
  settings_.wait = false;
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").late, ElementsAre("cs.OS"));
}

TEST_F(FetcherTest, TheApiIsAskedThreeTimesForACategoryWithNothing) {
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"})};
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").sealed, ElementsAre("cs.LG", "cs.OS"));
  EXPECT_EQ(RequestsToArxiv(), 4u);
}

TEST_F(FetcherTest, APastDayOfWhichTheApiFindsNothingIsAFailedDay) {
  profiles_ = {Reader("os", {"cs.OS", "cs.PL"})};
  AskFor("2026-09-14", SourceKind::kAuto);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.OS, cs.PL, 3 times"));
  EXPECT_EQ(RequestsToArxiv(), 12u) << "each time the search and OAI-PMH";
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "failed");
}

TEST_F(FetcherTest, WithoutADateALateFeedIsWaitedFor) {
  ServeArxiv("2026-09-15", "lag#2");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-15");
  EXPECT_EQ(aggregator_.digests(), 1u);
}

TEST_F(FetcherTest, WithoutADateYesterdaysFeedIsNotPublishedAgain) {
  ServeArxiv("2026-09-14", "");
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  EXPECT_EQ(outcomes[0].date, "2026-09-15");
  EXPECT_EQ(aggregator_.digests(), 0u);
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "waiting");
}

TEST_F(FetcherTest, OnASaturdayFridaysFeedIsTheOneThatIsDue) {
  now_ = EasternTime(Day("2026-09-19"), std::chrono::hours(10));
  settings_.wait = false;  // the feed is at Tuesday

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  EXPECT_EQ(outcomes[0].date, "2026-09-18");
}

TEST_F(FetcherTest, WithoutADateAnArxivThatFailsIsAFailedDay) {
  ServeArxiv("2026-09-15", "503");
  settings_.deadline = milliseconds(1'500);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUnreachable)));

  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "failed");
  EXPECT_EQ(aggregator_.days()[0].date(), "2026-09-15");
}

TEST_F(FetcherTest, AnArxivThatFailsUntilTheDeadlineIsNamedAndTheAggregatorIsTold) {
  ServeArxiv("2026-09-15", "503");
  settings_.deadline = milliseconds(900);  // the first look takes all of it
  profiles_ = {Reader("ml", {"cs.LG"})};
  for (const bool dated : {false, true}) {
    if (dated) AskFor("2026-09-15", SourceKind::kAuto);
    const std::vector<Outcome> outcomes = Fetch();
    ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
    EXPECT_THAT(outcomes[0].why, HasSubstr("arXiv: it asks to wait (HTTP 503)"));
    ASSERT_THAT(aggregator_.days(), SizeIs(dated ? 2 : 1));
    EXPECT_EQ(aggregator_.days().back().state(), "failed");
    EXPECT_EQ(aggregator_.days().back().why(), outcomes[0].why);
  }
}

TEST_F(FetcherTest, AForbiddenOrMissingFeedIsAskedForAgain) {
  ServeArxiv("2026-09-15", "404#1,403#1");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  ServeArxiv("2026-09-15", "404");
  aggregator_.ForgetAll();
  settings_.deadline = milliseconds(1'500);
  AskFor("2026-09-15", SourceKind::kRss);
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("HTTP 404 for http"));
}

TEST_F(FetcherTest, GivesUpWaitingAtTheDeadline) {
  ServeArxiv("2026-09-15", "lag");
  AskFor("2026-09-15", SourceKind::kRss);
  settings_.deadline = milliseconds(1'500);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("not announced", kExitNotAnnounced)));
}

TEST_F(FetcherTest, AFeedThatHasMovedOnIsReplacedByTheApi) {
  now_ = EasternTime(Day("2026-09-14"), std::chrono::hours(23));  // just before midnight
  AskFor("2026-09-14", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-14").open.source(), "api");
}

TEST_F(FetcherTest, AFeedThatHasMovedOnIsAnErrorWithRss) {
  AskFor("2026-09-14", SourceKind::kRss);
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUsage)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("--source api"));
}

// Midnight passes while it waits.
TEST_F(FetcherTest, AFeedThatMovesOnMeanwhileWasNotAnnouncedInTime) {
  ServeArxiv("2026-09-15", "lag");
  settings_.source = SourceKind::kRss;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (waits_.empty()) return;
    arxiv_server_->SetDate("2026-09-16");
    arxiv_server_->SetFaults("");
  });

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("arXiv's feed is at 2026-09-16 already"));
}

TEST_F(FetcherTest, EmptyPagesOfTheApiAreAskedForAgain) {
  ServeArxiv("2026-09-15", "empty_pages#3");
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").lists.at("cs.LG"), SizeIs(1));
}

TEST_F(FetcherTest, ShortPagesOfTheApiAreContinued) {
  ServeArxiv("2026-09-15", "short_pages#1");
  AskFor("2026-09-15", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"), SizeIs(2));
}

TEST_F(FetcherTest, AnApiThatStaysEmptyIsAFailedDay) {
  ServeArxiv("2026-09-15", "empty_pages");
  AskFor("2026-09-14", SourceKind::kApi);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUnreachable)));
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "failed");
}

TEST_F(FetcherTest, AnErrorFeedIsAFailureTheThirdTime) {
  ServeArxiv("2026-09-15", "error_feed");
  profiles_ = {Reader("ml", {"cs.LG"})};
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_EQ(RequestsToArxiv(), 3u);
  ServeArxiv("2026-09-15", "error_feed#2");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

TEST_F(FetcherTest, AnArchiveIsOneList) {
  profiles_ = {Reader("all", {"cs"})};
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("all", "2026-09-15").lists.at("cs"),
              ElementsAre("2609.00003", "2609.00004", "2609.00005"));
  EXPECT_EQ(RequestsToArxiv(), 1u);
}

TEST_F(FetcherTest, OfAnArchiveThatIsRebuiltEachPrimaryCategoryInItIsNew) {
  const auto papers = [] {
    auto all = Papers();
    all.push_back(Paper("2609.00000", "2026-09-14", "cross", {"math.ST", "cs.LG"},
                        ParseDay("2026-09-11") + std::chrono::hours(10)));
    return all;
  };
  ArxivServer::Options options;
  options.date = "2026-09-15";
  options.papers = papers();
  arxiv_server_ = std::make_unique<ArxivServer>(std::move(options));
  arxiv_server_->Start();
  profiles_ = {Reader("all", {"cs"})};
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const auto rows = aggregator_.DigestOf("all", "2026-09-14").rows;
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows.at("2609.00001").announce_type(), wire::ANNOUNCE_TYPE_NEW);
  EXPECT_EQ(rows.at("2609.00002").announce_type(), wire::ANNOUNCE_TYPE_NEW);
  EXPECT_EQ(rows.at("2609.00000").announce_type(), wire::ANNOUNCE_TYPE_CROSS);
  EXPECT_THAT(arxiv_server_->account().requests[0].target, testing::HasSubstr("cat:cs.*"));
}

}  // namespace
}  // namespace paperboy
