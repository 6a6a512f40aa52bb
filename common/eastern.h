// Dates and times of day in US Eastern time, arXiv's own, daylight saving
// included. Pure; any thread. Needs the system's time zone database (package
// tzdata); without it the first call that needs Eastern time says so on standard
// error and ends the process.
#pragma once

#include <date/date.h>

#include <chrono>
#include <string>
#include <string_view>

#include "common/result.h"

namespace paperboy {

using WallTime = std::chrono::system_clock::time_point;

// The last date that is read: a WallTime, in 64-bit nanoseconds, ends in 2262.
inline constexpr date::sys_days kLastDate = date::year(2200) / 12 / 31;

// YYYY-MM-DD from 1900 to kLastDate; kInvalid for anything else, 2025-02-30 included.
Result<date::sys_days> ParseDate(std::string_view text);
std::string FormatDate(date::sys_days day);    // YYYY-MM-DD
std::string FormatUsDate(date::sys_days day);  // MM/DD/YYYY, as the remedial note has it

// The Eastern calendar day at `t`, and the instant of an Eastern wall-clock
// time: the earlier one of a time that the clock shows twice, and for one that
// it leaves out the moment of the change.
date::sys_days EasternDay(WallTime t);
WallTime EasternTime(date::sys_days day, std::chrono::minutes since_midnight);
std::string FormatIsoEastern(WallTime t);  // 2025-04-15T09:30-04:00
std::string FormatIsoUtc(WallTime t);      // 2025-04-15T13:30:00Z

}  // namespace paperboy
