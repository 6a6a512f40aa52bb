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
  EXPECT_EQ(FormatIsoEastern(At("2025-04-15", hours(9), minutes(30))), "2025-04-15T09:30-04:00");
  EXPECT_EQ(FormatIsoEastern(At("2025-12-15", hours(9))), "2025-12-15T09:00-05:00");
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

}  // namespace
}  // namespace paperboy
