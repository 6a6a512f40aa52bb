#include "common/calendar.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "fetcher/calendar_command.h"

namespace paperboy {
namespace {

using date::days;
using date::sys_days;
using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;

sys_days Day(const std::string& text) { return *ParseDate(text); }

WallTime At(const std::string& day, hours hour) { return EasternTime(Day(day), hour); }

std::string WindowText(const std::string& page) {
  const auto announcement = AnnouncementFor(Day(page));
  if (!announcement) return "none";
  return FormatIsoEastern(announcement->submitted.from) + " " +
         FormatIsoEastern(announcement->submitted.to);
}

std::string PageText(WallTime submitted) { return FormatDate(PageOf(submitted)); }

TEST(Announcement, HasTheWindowOfItsWeekday) {
  EXPECT_EQ(WindowText("2025-04-14"), "2025-04-10T14:00-04:00 2025-04-11T14:00-04:00");  // Monday
  EXPECT_EQ(WindowText("2025-04-15"), "2025-04-11T14:00-04:00 2025-04-14T14:00-04:00");  // Tuesday
  EXPECT_EQ(WindowText("2025-04-16"), "2025-04-14T14:00-04:00 2025-04-15T14:00-04:00");
  EXPECT_EQ(WindowText("2025-04-17"), "2025-04-15T14:00-04:00 2025-04-16T14:00-04:00");
  EXPECT_EQ(WindowText("2025-04-18"), "2025-04-16T14:00-04:00 2025-04-17T14:00-04:00");  // Friday
  EXPECT_EQ(WindowText("2025-04-19"), "none");
  EXPECT_EQ(WindowText("2025-04-20"), "none");
}

TEST(Announcement, ComesOutTheEveningBeforeItsPage) {
  EXPECT_EQ(AnnouncementFor(Day("2025-04-14"))->announced, At("2025-04-13", hours(20)));
  EXPECT_EQ(AnnouncementFor(Day("2025-04-15"))->announced, At("2025-04-14", hours(20)));
}

TEST(Announcement, WindowsFollowTheClockWhenItChanges) {
  EXPECT_EQ(WindowText("2025-03-10"), "2025-03-06T14:00-05:00 2025-03-07T14:00-05:00");
  EXPECT_EQ(WindowText("2025-03-11"), "2025-03-07T14:00-05:00 2025-03-10T14:00-04:00");
  EXPECT_EQ(WindowText("2025-11-03"), "2025-10-30T14:00-04:00 2025-10-31T14:00-04:00");
  EXPECT_EQ(WindowText("2025-11-04"), "2025-10-31T14:00-04:00 2025-11-03T14:00-05:00");
  const auto length = [](const std::string& page) {
    const SubmissionWindow window = AnnouncementFor(Day(page))->submitted;
    return window.to - window.from;
  };
  EXPECT_EQ(length("2025-03-11"), hours(71));
  EXPECT_EQ(length("2025-11-04"), hours(73));
  EXPECT_EQ(AnnouncementFor(Day("2025-03-10"))->announced, At("2025-03-09", hours(20)));
}

// Weekdays of 2025 and 2026 without a page, and the weekday off before each.
const std::map<std::string, std::string> kMissing = {
    {"2025-01-01", "2024-12-31"}, {"2025-01-02", "2025-01-01"}, {"2025-01-21", "2025-01-20"},
    {"2025-06-20", "2025-06-19"}, {"2025-07-07", "2025-07-04"}, {"2025-09-02", "2025-09-01"},
    {"2025-11-28", "2025-11-27"}, {"2025-12-26", "2025-12-25"}, {"2025-12-31", "2025-12-30"},
    {"2026-01-02", "2026-01-01"}, {"2026-01-20", "2026-01-19"}, {"2026-06-22", "2026-06-19"},
    {"2026-07-06", "2026-07-03"}, {"2026-09-08", "2026-09-07"}, {"2026-11-27", "2026-11-26"},
    {"2026-12-28", "2026-12-25"}, {"2026-12-30", "2026-12-29"}, {"2027-01-01", "2026-12-31"},
};

TEST(Announcement, IsMissingAfterADayOffAndAtNoOtherWeekdayOf2025And2026) {
  std::set<std::string> missing;
  for (sys_days day = Day("2025-01-01"); day <= Day("2027-01-01"); day += days(1)) {
    const bool weekend = date::weekday(day) == date::Saturday || date::weekday(day) == date::Sunday;
    EXPECT_FALSE(weekend && AnnouncementFor(day)) << FormatDate(day);
    if (!weekend && !AnnouncementFor(day)) missing.insert(FormatDate(day));
    EXPECT_EQ(WhyNoAnnouncement(day).empty(), AnnouncementFor(day).has_value()) << FormatDate(day);
  }
  std::set<std::string> expected;
  for (const auto& [page, day_off] : kMissing) expected.insert(page);
  EXPECT_EQ(missing, expected);
}

// The plain weeks of 2025, with the offset of the time zone written out.
TEST(Announcement, HasTheWindowOfItsWeekdayAllThrough2025) {
  const auto freeze = [](sys_days day) {
    const bool summer = day >= Day("2025-03-09") && day < Day("2025-11-02");
    return day + hours(summer ? 18 : 19);
  };
  int plain = 0;
  for (sys_days day = Day("2025-01-07"); day <= Day("2025-12-24"); day += days(1)) {
    const auto announcement = AnnouncementFor(day);
    const date::weekday on(day);
    const sys_days to = day - days(on == date::Monday ? 3 : 1);
    if (!announcement || kMissing.contains(FormatDate(to))) continue;  // the next test has these
    ++plain;
    const sys_days from = to - days(on == date::Tuesday ? 3 : 1);
    EXPECT_EQ(announcement->submitted.from, freeze(from)) << FormatDate(day);
    EXPECT_EQ(announcement->submitted.to, freeze(to)) << FormatDate(day);
    EXPECT_EQ(announcement->announced, freeze(day - days(1)) + hours(6)) << FormatDate(day);
  }
  EXPECT_EQ(plain, 242);
}

TEST(Announcement, TakesInWhatADayOffLeaves) {
  EXPECT_EQ(WindowText("2025-01-22"), "2025-01-17T14:00-05:00 2025-01-21T14:00-05:00");
  EXPECT_EQ(WindowText("2025-06-23"), "2025-06-18T14:00-04:00 2025-06-20T14:00-04:00");
  EXPECT_EQ(WindowText("2025-07-08"), "2025-07-03T14:00-04:00 2025-07-07T14:00-04:00");
  EXPECT_EQ(WindowText("2025-09-03"), "2025-08-29T14:00-04:00 2025-09-02T14:00-04:00");
  EXPECT_EQ(WindowText("2025-12-01"), "2025-11-26T14:00-05:00 2025-11-28T14:00-05:00");
  EXPECT_EQ(WindowText("2025-01-03"), "2024-12-30T14:00-05:00 2025-01-02T14:00-05:00");
  EXPECT_EQ(WindowText("2026-12-31"), "2026-12-28T14:00-05:00 2026-12-30T14:00-05:00");
}

// arXiv's list of 22 June 2026 was still that of the 19th; that of the 23rd was
// twice as long.
TEST(Announcement, OfSundayIsMissingAfterAFridayOff) {
  EXPECT_EQ(WindowText("2026-06-19"), "2026-06-17T14:00-04:00 2026-06-18T14:00-04:00");
  EXPECT_EQ(WindowText("2026-06-22"), "none");
  EXPECT_EQ(WindowText("2026-06-23"), "2026-06-18T14:00-04:00 2026-06-22T14:00-04:00");
  EXPECT_EQ(WhyNoAnnouncement(Day("2026-06-22")),
            "no mailing on the evening of 2026-06-21 (Juneteenth on Friday)");
}

TEST(WhyNoAnnouncement, NamesWeekendAndHoliday) {
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-04-14")), "");
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-04-12")), "a Saturday");
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-04-13")), "a Sunday");
  EXPECT_EQ(WhyNoAnnouncement(Day("2025-11-28")),
            "no mailing on the evening of 2025-11-27 (Thanksgiving)");
}

TEST(WhyNoAnnouncement, SaysThatTheRuleOfAYearThatIsNotListedIsAGuess) {
  EXPECT_EQ(
      WhyNoAnnouncement(Day("2030-11-29")),
      "no mailing on the evening of 2030-11-28 (Thanksgiving, by rule, not announced by arXiv "
      "yet)");
  EXPECT_EQ(
      WhyNoAnnouncement(Day("2012-11-23")),
      "no mailing on the evening of 2012-11-22 (Thanksgiving, by rule, arXiv's own list is not "
      "known)");
  EXPECT_TRUE(IsGuessedDayOff(Day("2030-11-29")));
  EXPECT_FALSE(IsGuessedDayOff(Day("2030-11-28"))) << "has an announcement";
  EXPECT_FALSE(IsGuessedDayOff(Day("2030-11-30"))) << "a Saturday by any rule";
  EXPECT_FALSE(IsGuessedDayOff(Day("2025-11-28"))) << "is listed";
}

TEST(CalendarCommand, SaysThatWhatIsBeforeTheListIsNotKnown) {
  EXPECT_EQ(FirstListedDay(), Day("2017-01-01"));
  EXPECT_EQ(CalendarCaveat(Day("2017-01-01")), "");
  EXPECT_THAT(CalendarCaveat(Day("2016-12-31")),
              testing::AllOf(testing::StartsWith("arXiv's schedule and days off before 2017-01-01"),
                             testing::EndsWith("\n")));
  EXPECT_EQ(CalendarLine(Day("2030-11-29")),
            "2030-11-29\tFri\t-\t-\t-\tno mailing on the evening of 2030-11-28 (Thanksgiving, by "
            "rule, not announced by arXiv yet)\n");
}

TEST(IsMissing, IsADateWithAPageFromTheFirstRecordToTheLastThatIsDue) {
  const auto missing = [](const std::string& day) {
    return IsMissing(Day(day), Day("2025-11-26"), Day("2025-12-02"));
  };
  EXPECT_FALSE(missing("2025-11-25")) << "before the first";
  EXPECT_TRUE(missing("2025-11-26"));
  EXPECT_TRUE(missing("2025-11-27"));
  EXPECT_FALSE(missing("2025-11-28")) << "no mailing on Thanksgiving";
  EXPECT_FALSE(missing("2025-11-30")) << "a Sunday";
  EXPECT_TRUE(missing("2025-12-02"));
  EXPECT_FALSE(missing("2025-12-03")) << "not due yet";
}

std::vector<std::string> Missing(const std::string& first, const std::string& last) {
  std::vector<std::string> missing;
  for (sys_days day = Day(first); day <= Day(last); day += days(1)) {
    if (WhyNoAnnouncement(day).starts_with("no mailing")) missing.push_back(FormatDate(day));
  }
  return missing;
}

TEST(YearNotListed, HasTheUsualHolidays) {
  EXPECT_THAT(Missing("2030-01-01", "2031-01-01"),
              ElementsAre("2030-01-02", "2030-01-22", "2030-06-20", "2030-07-05", "2030-09-03",
                          "2030-11-29", "2030-12-26", "2030-12-27", "2031-01-01"));
}

TEST(YearNotListed, KeepsHolidaysOfTheWeekendOnTheNearestWeekday) {
  // 19 June and Christmas 2027 are Saturdays: Friday off, Monday's page missing. 4 July is a
  // Sunday.
  EXPECT_THAT(Missing("2027-06-15", "2027-07-10"), ElementsAre("2027-06-21", "2027-07-06"));
  EXPECT_THAT(Missing("2027-12-20", "2028-01-05"),
              ElementsAre("2027-12-27", "2027-12-29", "2027-12-31"));
}

TEST(PageOf, ChangesAtTheFreeze) {
  EXPECT_EQ(PageText(At("2025-04-15", hours(14)) - seconds(1)), "2025-04-16");
  EXPECT_EQ(PageText(At("2025-04-15", hours(14))), "2025-04-17");
  EXPECT_EQ(PageText(At("2025-04-17", hours(14))), "2025-04-21");               // Thursday
  EXPECT_EQ(PageText(At("2025-04-18", hours(14)) - seconds(1)), "2025-04-21");  // Friday
  EXPECT_EQ(PageText(At("2025-04-18", hours(14))), "2025-04-22");
  EXPECT_EQ(PageText(At("2025-04-20", hours(21))), "2025-04-22");  // Sunday night
  EXPECT_EQ(PageText(At("2025-07-03", hours(15))), "2025-07-08");
  EXPECT_EQ(PageText(At("2025-11-26", hours(15))), "2025-12-01");
}

TEST(PageOf, IsTheOneWhoseWindowHasTheInstantInEveryHourOfTenYears) {
  std::optional<sys_days> page;
  for (WallTime t = Day("2020-01-01"); t < Day("2030-01-01"); t += hours(1)) {
    const sys_days found = PageOf(t);
    if (page && *page == found) {
      ASSERT_LT(t, AnnouncementFor(found)->submitted.to) << FormatIsoUtc(t);
      continue;
    }
    const auto announcement = AnnouncementFor(found);
    ASSERT_TRUE(announcement.has_value()) << FormatIsoUtc(t);
    ASSERT_LE(announcement->submitted.from, t) << FormatIsoUtc(t);
    ASSERT_GT(announcement->submitted.to, t) << FormatIsoUtc(t);
    ASSERT_TRUE(!page || found == NextPage(*page)) << FormatIsoUtc(t);
    page = found;
  }
}

TEST(Pages, AndWindowsTellEachOtherOnEveryDayOfTenYears) {
  const auto pages = PagesBetween(Day("2020-01-01"), Day("2029-12-31"));
  size_t at = 0;
  for (sys_days day = Day("2020-01-01"); day <= Day("2029-12-31"); day += days(1)) {
    const auto announcement = AnnouncementFor(day);
    if (!announcement) continue;
    ASSERT_EQ(pages.at(at++), day);
    const SubmissionWindow window = announcement->submitted;
    ASSERT_EQ(PageOf(window.from), day);
    ASSERT_EQ(PageOf(window.to - seconds(1)), day);
    ASSERT_EQ(PageOf(window.to), NextPage(day));
    ASSERT_EQ(PageOf(window.from - seconds(1)), PreviousPage(day));
    ASSERT_EQ(AnnouncementFor(NextPage(day))->submitted.from, window.to);
    ASSERT_LT(window.to, announcement->announced);
    ASSERT_EQ(NewestAnnounced(announcement->announced), day);
    ASSERT_EQ(NewestAnnounced(announcement->announced - seconds(1)), PreviousPage(day));
  }
  EXPECT_EQ(at, pages.size());
  EXPECT_GT(at, 2'400u);
}

TEST(PagesBetween, HasBothEnds) {
  EXPECT_THAT(PagesBetween(Day("2025-11-27"), Day("2025-12-01")),
              ElementsAre(Day("2025-11-27"), Day("2025-12-01")));
  EXPECT_THAT(PagesBetween(Day("2025-11-28"), Day("2025-11-30")), ElementsAre());
}

TEST(NextPage, DoesNotNeedAPageToStartFrom) {
  EXPECT_EQ(NextPage(Day("2025-11-28")), Day("2025-12-01"));
  EXPECT_EQ(PreviousPage(Day("2025-11-28")), Day("2025-11-27"));
}

TEST(NewestAnnounced, ChangesAtEightInTheEvening) {
  const seconds second(1);
  EXPECT_EQ(NewestAnnounced(At("2025-04-14", hours(20))), Day("2025-04-15"));
  EXPECT_EQ(NewestAnnounced(At("2025-04-14", hours(20)) - second), Day("2025-04-14"));
  EXPECT_EQ(NewestAnnounced(At("2025-04-15", hours(0))), Day("2025-04-15"));
  // From Thursday evening to Sunday evening it is Friday's.
  EXPECT_EQ(NewestAnnounced(At("2025-04-18", hours(21))), Day("2025-04-18"));
  EXPECT_EQ(NewestAnnounced(At("2025-04-20", hours(20)) - second), Day("2025-04-18"));
  EXPECT_EQ(NewestAnnounced(At("2025-04-20", hours(20))), Day("2025-04-21"));
  // No mailing on Thanksgiving: Thursday's page stays the newest until Sunday evening.
  EXPECT_EQ(NewestAnnounced(At("2025-11-28", hours(12))), Day("2025-11-27"));
}

}  // namespace
}  // namespace paperboy
