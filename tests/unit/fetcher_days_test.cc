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
  void WasAnnounced(const std::string& category, const std::set<std::string>& ids) {
    aggregator_.Set([&](auto* knobs) { knobs->announced[category] = ids; });
  }
};

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
  settings_.from = Day("2026-09-14");
  settings_.to = Day("2026-09-15");
  settings_.range = true;
  EXPECT_THAT(Fetch(), SizeIs(2));
  // Two categories: the time before and around the first date, and what the second adds.
  EXPECT_EQ(RequestsToArxiv(), 4u);
}

}  // namespace
}  // namespace paperboy
