// Dates and times of day in US Eastern time, arXiv's own, daylight saving
// included, and arXiv's announcement calendar. Pure; any thread. Needs the
// system's time zone database (package tzdata); without it the first call that
// needs Eastern time says so on standard error and ends the process.
#pragma once

#include <date/date.h>

#include <chrono>
#include <string>
#include <string_view>

#include "common/result.h"

namespace paperboy {

using WallTime = std::chrono::system_clock::time_point;

// YYYY-MM-DD; kInvalid for anything else, 2025-02-30 included.
Result<date::sys_days> ParseDate(std::string_view text);
std::string FormatDate(date::sys_days day);    // YYYY-MM-DD
std::string FormatUsDate(date::sys_days day);  // MM/DD/YYYY, as the remedial note has it

// The Eastern calendar day at `t`, and the instant of an Eastern wall-clock
// time: the earlier one of a time that the clock shows twice, and for one that
// it leaves out the moment of the change.
date::sys_days EasternDay(WallTime t);
WallTime EasternTime(date::sys_days day, std::chrono::minutes since_midnight);
std::string FormatEastern(WallTime t);  // 2025-04-15 09:30 EDT
std::string FormatIsoUtc(WallTime t);   // 2025-04-15T13:30:00Z

// The announcement with page date D is mailed at 20:00 Eastern the evening
// before (Sunday evening for a Monday page) and holds what was submitted up to
// 14:00 Eastern of that day (of Friday for a Monday page).
// https://info.arxiv.org/help/availability.html
inline constexpr std::chrono::minutes kMailingTime = std::chrono::hours(20);
inline constexpr std::chrono::minutes kCutOffTime = std::chrono::hours(14);

// Whether a page carries this date: a weekday whose evening before is not one
// of arXiv's days off (data with its source in eastern.cc; for years not listed
// the holidays that it always has).
bool IsAnnouncementDate(date::sys_days page_date);
// Why not, for people ("a Saturday", "no mailing on the evening of 2025-11-27
// (arXiv holiday)"); "" if it is.
std::string WhyNoAnnouncement(date::sys_days page_date);
// The newest page date whose announcement is out at `t`.
date::sys_days NewestAnnouncementDate(WallTime t);
// Submission window of a page: [from, to) between two 14:00 Eastern cut-offs.
// What an evening off leaves unmailed belongs to the next page.
struct SubmissionWindow {
  WallTime from;
  WallTime to;
};
SubmissionWindow WindowOf(date::sys_days page_date);  // requires IsAnnouncementDate

}  // namespace paperboy
