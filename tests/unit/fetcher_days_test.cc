// Which dates a run takes up, and what it believes of feeds that are late, stale or
// away.
#include "tests/unit/fetcher_fixture.h"

namespace paperboy {
namespace {

using testing::Contains, testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;
using testing::SizeIs;

class FetcherDaysTest : public FetcherTest {
 protected:
  void Know(const std::string& date, const std::string& state, bool mendable = false) {
    aggregator_.Set([&](auto* knobs) {
      if (knobs->days.first().empty()) knobs->days.set_first(date);
      wire::DayState* day = knobs->days.add_days();
      day->set_date(date);
      day->set_state(state);
      day->set_mendable(mendable);
    });
  }
  // Polls of 3 s, back-off from 600 ms: a feed that fails takes its 3 s, and the next one has
  // almost 2 of its own left when arXiv may be asked again, as in a real run. At the
  // other tests' pace the least time for a request, 1 s, leaves it 200 ms.
  void AtATenthOfThePace() { settings_.arxiv_interval = 10 * kInterval; }
  // A Saturday whose newest feed is that of Friday, which no run has seen.
  void OnASaturday(const std::string& friday) {
    now_ = EasternTime(Day(friday) + date::days(1), std::chrono::hours(10));
    const auto submitted = ParseDay(friday) - std::chrono::hours(10);
    Serve(friday, {Paper("2609.00011", friday, "new", {"cs.LG"}, submitted),
                   Paper("2609.00012", friday, "new", {"cs.AI"}, submitted)});
  }
};

TEST(DayLists, WhatALookToldIsForThatLookOnly) {
  const auto list = [](int rows) {
    Listing listing{.category = "cs.LG"};
    listing.rows.resize(rows);
    return listing;
  };
  DayLists lists;
  lists.Failed("cs.LG", Invalid("refused"));
  EXPECT_TRUE(lists.lacking().at("cs.LG").refused);
  lists.Late("cs.LG", "its feed is at 2026-09-14");
  EXPECT_FALSE(lists.lacking().at("cs.LG").refused);

  lists.Found(list(2), true);
  lists.Found(list(0), true);
  lists.Found(list(2), true);
  EXPECT_THAT(lists.in(), IsEmpty()) << "not twice in a row";
  lists.Found(list(2), true);
  EXPECT_THAT(lists.in(), SizeIs(1));
}

TEST_F(FetcherDaysTest, ARunWithoutADateMendsTheLastWeekFirst) {
  for (const char* day : {"2026-09-08", "2026-09-09", "2026-09-10", "2026-09-11"}) {
    Know(day, "published");
  }
  Know("2026-09-14", "failed");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-14");
  EXPECT_EQ(outcomes[1].date, "2026-09-15");
  const auto mended = aggregator_.DigestOf("ml", "2026-09-14");
  EXPECT_EQ(mended.open.source(), "api");
  EXPECT_EQ(mended.open.remedial_from(), "09/10/2026");
  EXPECT_THAT(mended.lists.at("cs.LG"), ElementsAre("2609.00001"));
}

// Half an hour, here 1.8 s, for all of them.
TEST_F(FetcherDaysTest, MendingLeavesTodaysAnnouncementItsTime) {
  for (const char* day : {"2026-09-09", "2026-09-10", "2026-09-11", "2026-09-14"}) {
    Know(day, "failed");
  }
  ServeArxiv("2026-09-15", "503@/api,503@/oai");
  const auto begin = std::chrono::steady_clock::now();

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, SizeIs(5));
  EXPECT_THAT(outcomes[3].why, HasSubstr("not mended: the time for it went to other dates"));
  EXPECT_THAT(outcomes[4], Ended("published", kExitOk));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
}

TEST_F(FetcherDaysTest, ADayThatNoRunSawIsMendedToo) {
  for (const char* day : {"2026-09-08", "2026-09-09", "2026-09-10", "2026-09-11"}) {
    Know(day, "published");
  }
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_EQ(outcomes[0].date, "2026-09-14");
}

TEST_F(FetcherDaysTest, ANewArchiveBeginsToday) {
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(aggregator_.digests(), 1u);
}

TEST_F(FetcherDaysTest, OnASaturdayANewArchiveBeginsWithFridaysPage) {
  now_ = EasternTime(Day("2026-09-12"), std::chrono::hours(10));
  ServeArxiv("2026-09-12", "");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_EQ(outcomes[0].date, "2026-09-11");
  EXPECT_THAT(outcomes[1], Ended("holiday", kExitOk));
}

TEST_F(FetcherDaysTest, AnExplicitDateMendsNothing) {
  Know("2026-09-11", "failed");
  AskFor("2026-09-15", SourceKind::kAuto);
  EXPECT_THAT(Fetch(), SizeIs(1));
}

// Its feed says today and lists what was announced yesterday.
TEST_F(FetcherDaysTest, AStaleFeedIsWaitedFor) {
  WasAnnounced("cs.LG", {"2609.00001"});
  WasAnnounced("cs.AI", {"2609.00002"});
  ServeArxiv("2026-09-15", "stale#4");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(waits_, Contains(HasSubstr("it repeats what was announced on 2026-09-14")));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.LG"),
              ElementsAre("2609.00003", "2609.00004"));
}

TEST_F(FetcherDaysTest, OfAStaleFeedNothingIsDelivered) {
  WasAnnounced("cs.LG", {"2609.00001"});
  WasAnnounced("cs.AI", {"2609.00002"});
  ServeArxiv("2026-09-15", "stale");
  settings_.wait = false;

  EXPECT_THAT(Fetch(), ElementsAre(Ended("not announced", kExitNotAnnounced)));

  EXPECT_EQ(aggregator_.digests(), 0u);
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "waiting");
}

TEST_F(FetcherDaysTest, AFeedOfASaturdayThatRepeatsFridayIsAHoliday) {
  WasAnnounced("cs.AI", {"2609.00006"});
  AskFor("2026-09-19", SourceKind::kRss);
  now_ = EasternTime(Day("2026-09-19"), std::chrono::hours(10));
  ServeArxiv("2026-09-19", "stale");

  EXPECT_THAT(Fetch(), ElementsAre(Ended("holiday", kExitOk)));
  EXPECT_EQ(aggregator_.digests(), 0u);
}

TEST_F(FetcherDaysTest, ACategoryThatStaysStaleIsLeftToALaterRun) {
  WasAnnounced("cs.AI", {"2609.00002"});
  ServeArxiv("2026-09-15", "stale@/rss/cs.AI");
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitNotAnnounced)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.AI not announced in time"));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.sealed, ElementsAre("cs.LG"));
  EXPECT_THAT(digest.late, ElementsAre("cs.AI"));

  ServeArxiv("2026-09-15", "");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.AI", "cs.LG"));
}

// A reader all of whose lists are late gets no page without any.
TEST_F(FetcherDaysTest, WhoseListsAreAllLateHasNoDigestYet) {
  profiles_ = {Reader("lg", {"cs.LG"}), Reader("ai", {"cs.AI"})};
  WasAnnounced("cs.AI", {"2609.00002"});
  ServeArxiv("2026-09-15", "stale@/rss/cs.AI");
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, testing::UnorderedElementsAre(Ended("published", kExitOk),
                                                      Ended("not announced", kExitNotAnnounced)));
  EXPECT_THAT(aggregator_.DigestOf("ai", "2026-09-15").late, IsEmpty());
}

// With `auto` the search is asked as well once a feed is hours late.
TEST_F(FetcherDaysTest, AFeedThatStaysAwayIsReplacedByTheSearch) {
  ServeArxiv("2026-09-15", "503@/rss");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.open.remedial_from(), "");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00003", "2609.00004"));
}

TEST_F(FetcherDaysTest, RebuildsAPastDateFromOaiPmh) {
  AskFor("2026-09-14", SourceKind::kOai);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-14");
  EXPECT_EQ(digest.open.source(), "oai");
  EXPECT_EQ(digest.open.remedial_from(), "09/10/2026");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00001"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00002"));
  EXPECT_EQ(digest.papers.at("2609.00001").abstract(), "What owls of 2609.00001 do at night.");
}

TEST_F(FetcherDaysTest, OaiPmhIsReadOnceForAllDates) {
  now_ = EasternTime(Day("2026-09-16"), std::chrono::hours(10));
  settings_.source = SourceKind::kOai;
  settings_.from = Day("2026-09-14");
  settings_.to = Day("2026-09-15");
  settings_.range = true;

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));

  EXPECT_EQ(RequestsToArxiv(), 2u);
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"),
              ElementsAre("2609.00004", "2609.00005"));
}

TEST_F(FetcherDaysTest, WhenTheSearchDoesNotAnswerOaiPmhIsAsked) {
  AskFor("2026-09-14", SourceKind::kAuto);
  ServeArxiv("2026-09-15", "503@/api");

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").lists.at("cs.LG"),
              ElementsAre("2609.00001"));
}

TEST_F(FetcherDaysTest, ARangeIsReadWhileItsFirstDaysAreScored) {
  settings_.from = Day("2026-09-14");
  settings_.to = Day("2026-09-15");
  settings_.range = true;
  aggregator_.Set([](auto* knobs) { knobs->publish = false; });

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    aggregator_.Set([](auto* knobs) { knobs->publish = true; });
  });

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-14");
}

TEST_F(FetcherDaysTest, WhatWasReadForOneDateIsNotReadAgainForTheNext) {
  now_ = EasternTime(Day("2026-09-16"), std::chrono::hours(10));
  settings_.from = Day("2026-09-14");
  settings_.to = Day("2026-09-15");
  settings_.range = true;
  EXPECT_THAT(Fetch(), SizeIs(2));
  // Two categories: the time before and around the first date, and what the second adds.
  EXPECT_EQ(RequestsToArxiv(), 4u);
}

// ---- each category for itself -------------------------------------------------

// What can be read is delivered at once, and the rest when it comes.
TEST_F(FetcherDaysTest, AFeedThatCannotBeReadHoldsUpNoOther) {
  ServeArxiv("2026-09-15", "500@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  bool alone = false;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
    if (!digest.sealed.contains("cs.LG")) return;
    alone |= digest.sealed.size() == 1;
    arxiv_server_->SetFaults("");
  });

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_TRUE(alone);
  EXPECT_THAT(waits_, Contains(HasSubstr("not out yet: cs.AI, its feed cannot be read: ")));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.AI", "cs.LG"));
}

TEST_F(FetcherDaysTest, ADigestGoesOnWithoutAFeedThatFailsToTheEnd) {
  AtATenthOfThePace();
  ServeArxiv("2026-09-15", "500@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  settings_.deadline = seconds(12);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitNotAnnounced)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.AI not announced in time"));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.sealed, ElementsAre("cs.LG"));
  EXPECT_THAT(digest.late, ElementsAre("cs.AI"));
}

TEST_F(FetcherDaysTest, ARefusedFeedHoldsUpNoOther) {
  ServeArxiv("2026-09-15", "400@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  settings_.wait = false;

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.LG"));
}

TEST_F(FetcherDaysTest, WhenEveryFeedFailsTheDayHasFailed) {
  ServeArxiv("2026-09-15", "400@/rss/cs.AI,500@/rss/cs.LG");
  settings_.source = SourceKind::kRss;
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.AI, its feed cannot be read: arXiv answers HTTP 400"));
  EXPECT_THAT(outcomes[0].why, HasSubstr("; cs.LG, its feed cannot be read: "));
  EXPECT_EQ(aggregator_.digests(), 0u);
  EXPECT_EQ(aggregator_.days().back().state(), "failed");
}

TEST_F(FetcherDaysTest, OneFeedThatIsNotOutAmongFailedOnesIsNotAnnounced) {
  ServeArxiv("2026-09-15", "lag@/rss/cs.LG,500@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.AI, its feed cannot be read: "));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.LG, its feed is at 2026-09-14"));
  EXPECT_EQ(aggregator_.days().back().state(), "waiting");
}

// Each reader's day ends by the reader's own categories.
TEST_F(FetcherDaysTest, AReaderNoneOfWhoseFeedsCouldBeReadHasAFailedDay) {
  profiles_ = {Reader("lg", {"cs.LG"}), Reader("ai", {"cs.AI"})};
  ServeArxiv("2026-09-15", "500@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, testing::UnorderedElementsAre(Ended("published", kExitOk),
                                                      Ended("failed", kExitUnreachable)));
  EXPECT_EQ(aggregator_.days().back().profile(), "ai");
  EXPECT_EQ(aggregator_.days().back().state(), "failed");
}

// One that fails for as long as it may leaves the others time.
TEST_F(FetcherDaysTest, AFeedThatFailsSlowlyDoesNotTakeTheOthersTime) {
  AtATenthOfThePace();
  ServeArxiv("2026-09-15", "500@/rss/cs.AI,lag@/rss/cs.LG#1");
  settings_.source = SourceKind::kRss;
  settings_.deadline = seconds(20);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitNotAnnounced)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").late, ElementsAre("cs.AI"));
}

// With `auto`: no two hours of patience with a feed that asking again does not help.
TEST_F(FetcherDaysTest, ARefusedFeedIsReplacedByTheSearchAtOnce) {
  ServeArxiv("2026-09-15", "400@/rss/cs.AI");
  settings_.deadline = seconds(6);  // patience is 7.2 s

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"),
              ElementsAre("2609.00004", "2609.00005"));
}

TEST_F(FetcherDaysTest, WithoutWaitingOneLookAtTheSearchIsBelieved) {
  ServeArxiv("2026-09-15", "400@/rss/cs.AI");
  settings_.wait = false;
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

// Not even while the search is asked for it.
TEST_F(FetcherDaysTest, WhatIsInIsDeliveredBeforeTheSearchIsAskedForTheRest) {
  ServeArxiv("2026-09-15", "400@/rss/cs.AI,503@/api,503@/oai");
  settings_.wait = false;
  bool held_up = false;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    held_up |=
        RequestsToArxiv() > 2 && !aggregator_.DigestOf("ml", "2026-09-15").sealed.contains("cs.LG");
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("published", kExitNotAnnounced)));
  EXPECT_GT(RequestsToArxiv(), 2u);
  EXPECT_FALSE(held_up);
}

// To open it is to begin its mending.
TEST_F(FetcherDaysTest, ADigestThatLacksNothingIsLeftAloneWhileAnotherWaits) {
  profiles_ = {Reader("lg", {"cs.LG"}), Reader("ai", {"cs.AI"})};
  ServeArxiv("2026-09-15", "lag@/rss/cs.AI#3");
  settings_.source = SourceKind::kRss;

  EXPECT_THAT(Fetch(), testing::Each(Ended("published", kExitOk)));

  EXPECT_EQ(aggregator_.DigestOf("lg", "2026-09-15").openings, 1u);
  EXPECT_EQ(RequestsToArxiv(), 5u);
}

TEST_F(FetcherDaysTest, OnlyAReaderWhoHasSomeListsGoesOnWithoutTheOthers) {
  profiles_ = {Reader("both", {"cs.LG", "cs.AI"}), Reader("ai", {"cs.AI"})};
  ServeArxiv("2026-09-15", "lag@/rss/cs.AI");
  settings_.source = SourceKind::kRss;
  settings_.deadline = seconds(12);  // who has some goes on 1.8 s before

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("both", "2026-09-15").late.contains("cs.AI")) {
      arxiv_server_->SetFaults("");
    }
  });

  ASSERT_THAT(outcomes, testing::UnorderedElementsAre(Ended("published", kExitNotAnnounced),
                                                      Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ai", "2026-09-15").sealed, ElementsAre("cs.AI"));
}

TEST_F(FetcherDaysTest, HowLateAFeedIsCountsFromTheMidnightThatItWasDue) {
  now_ = EasternTime(Day("2026-09-15"), std::chrono::hours(3));
  ServeArxiv("2026-09-15", "lag@/rss");
  settings_.deadline = seconds(5);  // two hours are 7.2 s

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-15").sources.at("cs.AI"), "api");
}

// ---- a category of a past day that cannot be read ---------------------------------

TEST_F(FetcherDaysTest, AListThatCannotBeRebuiltFailsItsReadersAlone) {
  profiles_ = {Reader("ai", {"cs.AI"}), Reader("both", {"cs.AI", "cs.LG"}),
               Reader("lg", {"cs.LG"})};
  AskFor("2026-09-14", SourceKind::kApi);
  ServeArxiv("2026-09-15", "400@cat:cs.AI");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, SizeIs(3));
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.state, outcome.profile == "lg" ? "published" : "failed") << outcome.why;
  }
  EXPECT_THAT(aggregator_.DigestOf("both", "2026-09-14").sealed, ElementsAre("cs.LG"));
  ASSERT_THAT(aggregator_.days(), SizeIs(2));
  for (const wire::Day& day : aggregator_.days()) EXPECT_NE(day.profile(), "lg");
}

// One that takes all the time it has leaves the others theirs.
TEST_F(FetcherDaysTest, AListThatFailsSlowlyFailsItsReadersAlone) {
  profiles_ = {Reader("ai", {"cs.AI"}), Reader("lg", {"cs.LG"})};
  AskFor("2026-09-14", SourceKind::kApi);
  settings_.deadline = seconds(4);
  ServeArxiv("2026-09-15", "503@cat:cs.AI");

  const std::vector<Outcome> outcomes = Fetch();

  EXPECT_THAT(outcomes, testing::UnorderedElementsAre(Ended("failed", kExitUnreachable),
                                                      Ended("published", kExitOk)));
}

// ---- the newest date of the search ---------------------------------------------

// Its index may be filling still.
TEST_F(FetcherDaysTest, OfTheNewestDateTwoLooksAtTheSearchMustAgree) {
  profiles_ = {Reader("ml", {"cs.AI"})};
  AskFor("2026-09-15", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(RequestsToArxiv(), 2u);
  EXPECT_THAT(waits_, Contains(HasSubstr("cs.AI, in which arXiv has 2 papers so far")));

  aggregator_.ForgetAll();
  ServeArxiv("2026-09-15", "");
  settings_.wait = false;
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(RequestsToArxiv(), 1u);
}

TEST_F(FetcherDaysTest, ALookThatTheDeadlineCutsOffIsNoFailedDay) {
  ArxivServer::Options options;
  options.date = "2026-09-15";
  options.papers = {Papers()[0], Papers()[1]};  // of the day before
  arxiv_server_ = std::make_unique<ArxivServer>(std::move(options));
  arxiv_server_->Start();
  AskFor("2026-09-15", SourceKind::kApi);
  settings_.deadline = seconds(2);

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (!waits_.empty()) arxiv_server_->SetFaults("503");
  });

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  ASSERT_FALSE(aggregator_.days().empty());
  for (const wire::Day& day : aggregator_.days()) EXPECT_EQ(day.state(), "waiting");
}

// ---- a date that was mended in the same run -------------------------------------

TEST_F(FetcherDaysTest, WhatWasMendedIsNotTakenUpAgain) {
  OnASaturday("2026-09-11");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

TEST_F(FetcherDaysTest, WhatCouldNotBeMendedIsTakenUpByTheFeed) {
  OnASaturday("2026-09-11");
  arxiv_server_->SetFaults("error_feed@/api,400@/oai");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-11").lists.at("cs.LG"),
              ElementsAre("2609.00011"));
}

TEST_F(FetcherDaysTest, EachReaderIsTakenUpByHowItsMendingEnded) {
  profiles_ = {Reader("lg", {"cs.LG"}), Reader("ai", {"cs.AI"})};
  OnASaturday("2026-09-11");
  arxiv_server_->SetFaults("error_feed@cat:cs.AI,400@/oai");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));
  EXPECT_NE(outcomes[0].profile, outcomes[1].profile);
  EXPECT_EQ(aggregator_.DigestOf("lg", "2026-09-11").sources.at("cs.LG"), "api");
  EXPECT_EQ(aggregator_.DigestOf("ai", "2026-09-11").sources.at("cs.AI"), "rss");
}

}  // namespace
}  // namespace paperboy
