#include "fetcher/gaps.h"

#include <gmock/gmock.h>

namespace paperboy {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;

date::sys_days Day(const std::string& text) { return *ParseDate(text); }

void Know(const std::string& date, const std::string& state, bool mendable, wire::Days* days) {
  wire::DayState* day = days->add_days();
  day->set_date(date);
  day->set_state(state);
  day->set_mendable(mendable);
  day->set_why("because");
}

std::vector<std::string> Told(const wire::Days& days) {
  std::vector<std::string> told;
  for (const Gap& gap : GapsIn(days, Day("2026-09-11"), Day("2026-09-18"))) {
    told.push_back(FormatDate(gap.day) + " " + gap.state + (gap.mendable ? "" : " for good"));
  }
  return told;
}

TEST(Gaps, AreDatesWithAnAnnouncementThatAreNotComplete) {
  wire::Days days;
  days.set_first("2026-09-10");
  Know("2026-09-12", "failed", false, &days);  // a Saturday
  Know("2026-09-14", "published", false, &days);
  Know("2026-09-15", "published", true, &days);
  Know("2026-09-16", "withheld", false, &days);
  Know("2026-09-17", "waiting", false, &days);
  Know("2026-09-18", "sealed", false, &days);

  EXPECT_THAT(Told(days), ElementsAre("2026-09-11 missing", "2026-09-15 published",
                                      "2026-09-16 withheld for good", "2026-09-17 waiting",
                                      "2026-09-18 sealed"));
}

TEST(Gaps, WhatLiesBeforeTheFirstDateIsNoGap) {
  wire::Days days;
  EXPECT_THAT(Told(days), IsEmpty());
  days.set_first("2026-09-17");
  Know("2026-09-17", "published", false, &days);
  EXPECT_THAT(Told(days), ElementsAre("2026-09-18 missing"));
}

TEST(Gaps, AreFilledByAsFewCommandsAsPossible) {
  std::vector<Gap> gaps;
  for (const char* date : {"2026-09-11", "2026-09-14", "2026-09-16"}) {
    gaps.push_back({Day(date), "missing", "", true});
  }
  gaps.push_back({Day("2026-09-17"), "withheld", "", false});

  const std::string text = GapsText("ml", "profiles/ml", gaps);

  EXPECT_THAT(text, HasSubstr("--profile profiles/ml --from 2026-09-11 --to 2026-09-14\n"));
  EXPECT_THAT(text, HasSubstr("--from 2026-09-16 --to 2026-09-16\n"));
  EXPECT_THAT(text, HasSubstr("paperboy-aggregator redo 2026-09-17\n"));
  EXPECT_EQ(GapsText("ml", "profiles/ml", {}), "ml: no gaps\n");
}

}  // namespace
}  // namespace paperboy
