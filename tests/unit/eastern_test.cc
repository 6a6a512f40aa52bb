#include "common/eastern.h"

#include <gtest/gtest.h>

namespace paperboy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

date::sys_days Day(const std::string& text) { return *ParseDate(text); }

WallTime At(const std::string& day, hours hour, minutes minute = minutes(0)) {
  return EasternTime(Day(day), hour + minute);
}

std::string WindowText(const std::string& page_date) {
  const SubmissionWindow window = WindowOf(Day(page_date));
  return FormatIsoUtc(window.from) + " " + FormatIsoUtc(window.to);
}

TEST(ParseDate, ReadsOnlyRealDatesInOneForm) {
  EXPECT_EQ(FormatDate(Day("2025-04-15")), "2025-04-15");
  EXPECT_EQ(FormatUsDate(Day("2025-04-05")), "04/05/2025");
  EXPECT_TRUE(ParseDate("2024-02-29").ok());
  for (const char* text :
       {"", "2025-02-30", "2025-02-29", "2025-13-01", "2025-00-10", "2025-4-15", "2025/04/15",
        "20250415", "2025-04-15 ", "2025-04-1x", "-025-04-15", "0000-01-01"}) {
    const auto date = ParseDate(text);
    ASSERT_FALSE(date.ok()) << text;
    EXPECT_EQ(date.error().kind, ErrorKind::kInvalid);
  }
}

TEST(EasternTime, FollowsDaylightSaving) {
  EXPECT_EQ(FormatIsoUtc(At("2025-01-15", hours(14))), "2025-01-15T19:00:00Z");
  EXPECT_EQ(FormatIsoUtc(At("2025-07-15", hours(14))), "2025-07-15T18:00:00Z");
  EXPECT_EQ(FormatEastern(At("2025-04-15", hours(9), minutes(30))), "2025-04-15 09:30 EDT");
  EXPECT_EQ(FormatEastern(At("2025-12-15", hours(9))), "2025-12-15 09:00 EST");
}

TEST(EasternTime, TakesTheChangesOfTheClock) {
  // 9 March 2025: 02:00 to 03:00 is left out; 2 November: 01:00 to 02:00 comes twice.
  EXPECT_EQ(FormatIsoUtc(At("2025-03-09", hours(2), minutes(30))), "2025-03-09T07:00:00Z");
  EXPECT_EQ(FormatIsoUtc(At("2025-11-02", hours(1), minutes(30))), "2025-11-02T05:30:00Z");
}

TEST(EasternDay, ChangesAtEasternMidnight) {
  EXPECT_EQ(EasternDay(At("2025-04-15", hours(0))), Day("2025-04-15"));
  EXPECT_EQ(EasternDay(At("2025-04-15", hours(0)) - std::chrono::seconds(1)), Day("2025-04-14"));
  EXPECT_EQ(EasternDay(At("2025-01-15", hours(23), minutes(59))), Day("2025-01-15"));
}

TEST(Calendar, KnowsWeekends) {
  EXPECT_TRUE(IsAnnouncementDate(Day("2025-04-14")));
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-04-14")), "");
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-04-12")), "a Saturday");
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-04-13")), "a Sunday");
}

TEST(Calendar, MissesThePageOfTheMorningAfterADayOff) {
  for (const char* page :
       {"2025-01-21", "2025-06-20", "2025-07-07", "2025-09-02", "2025-11-28", "2026-01-02",
        "2026-01-20", "2026-09-08", "2026-11-27", "2026-12-30", "2027-01-01"}) {
    EXPECT_FALSE(IsAnnouncementDate(Day(page))) << page;
  }
  for (const char* page : {"2025-01-20", "2025-07-04", "2025-09-01", "2025-11-27", "2026-07-03",
                           "2026-09-07", "2026-12-29", "2026-12-31"}) {
    EXPECT_TRUE(IsAnnouncementDate(Day(page))) << page;
  }
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-11-28")),
            "no mailing on the evening of 2025-11-27 (arXiv holiday)");
}

TEST(Calendar, UsesTheUsualHolidaysInYearsThatAreNotListed) {
  // 2030: Martin Luther King's day 21 January, Labor Day 2 September, Thanksgiving 28 November.
  for (const char* page : {"2030-01-02", "2030-01-22", "2030-06-20", "2030-07-05", "2030-09-03",
                           "2030-11-29", "2030-12-26"}) {
    EXPECT_FALSE(IsAnnouncementDate(Day(page))) << page;
  }
  EXPECT_TRUE(IsAnnouncementDate(Day("2030-12-30")));
  EXPECT_FALSE(IsAnnouncementDate(Day("2027-07-06"))) << "4 July 2027 is a Sunday, kept on the 5th";
  EXPECT_TRUE(IsAnnouncementDate(Day("2032-07-05"))) << "4 July 2032 is a Sunday";
}

TEST(NewestAnnouncement, IsOutAtEightInTheEvening) {
  const std::chrono::seconds second(1);
  EXPECT_EQ(NewestAnnouncementDate(At("2025-04-14", hours(20))), Day("2025-04-15"));
  EXPECT_EQ(NewestAnnouncementDate(At("2025-04-14", hours(20)) - second), Day("2025-04-14"));
  EXPECT_EQ(NewestAnnouncementDate(At("2025-04-15", hours(0))), Day("2025-04-15"));
  // From Thursday evening to Sunday evening it is Friday's.
  EXPECT_EQ(NewestAnnouncementDate(At("2025-04-18", hours(21))), Day("2025-04-18"));
  EXPECT_EQ(NewestAnnouncementDate(At("2025-04-20", hours(20)) - second), Day("2025-04-18"));
  EXPECT_EQ(NewestAnnouncementDate(At("2025-04-20", hours(20))), Day("2025-04-21"));
  // No mailing on Thanksgiving: Thursday's page stays the newest until Sunday evening.
  EXPECT_EQ(NewestAnnouncementDate(At("2025-11-28", hours(12))), Day("2025-11-27"));
}

TEST(Window, LiesBetweenTwoCutOffs) {
  EXPECT_EQ(WindowText("2025-04-14"), "2025-04-10T18:00:00Z 2025-04-11T18:00:00Z");  // Monday
  EXPECT_EQ(WindowText("2025-04-15"), "2025-04-11T18:00:00Z 2025-04-14T18:00:00Z");  // Tuesday
  EXPECT_EQ(WindowText("2025-04-16"), "2025-04-14T18:00:00Z 2025-04-15T18:00:00Z");
  EXPECT_EQ(WindowText("2025-04-18"), "2025-04-16T18:00:00Z 2025-04-17T18:00:00Z");  // Friday
}

TEST(Window, IsAnHourShorterOrLongerWhenTheClockChanges) {
  EXPECT_EQ(WindowText("2025-03-11"), "2025-03-07T19:00:00Z 2025-03-10T18:00:00Z");
  EXPECT_EQ(WindowText("2025-11-04"), "2025-10-31T18:00:00Z 2025-11-03T19:00:00Z");
}

TEST(Window, TakesInWhatADayOffLeaves) {
  EXPECT_EQ(WindowText("2025-01-22"), "2025-01-17T19:00:00Z 2025-01-21T19:00:00Z");
  EXPECT_EQ(WindowText("2025-06-23"), "2025-06-18T18:00:00Z 2025-06-20T18:00:00Z");
  EXPECT_EQ(WindowText("2025-07-08"), "2025-07-03T18:00:00Z 2025-07-07T18:00:00Z");
  EXPECT_EQ(WindowText("2026-12-31"), "2026-12-28T19:00:00Z 2026-12-30T19:00:00Z");
}

TEST(Window, FollowsTheOneBeforeWithoutGapOrOverlap) {
  WallTime end = WindowOf(Day("2024-01-03")).to;
  for (auto day = Day("2024-01-04"); day < Day("2031-01-01"); day += date::days(1)) {
    if (!IsAnnouncementDate(day)) continue;
    const SubmissionWindow window = WindowOf(day);
    ASSERT_EQ(window.from, end) << FormatDate(day);
    ASSERT_LT(window.from, window.to) << FormatDate(day);
    ASSERT_LT(window.to, EasternTime(day - date::days(1), kMailingTime)) << FormatDate(day);
    end = window.to;
  }
}

}  // namespace
}  // namespace paperboy
