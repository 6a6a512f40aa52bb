// Which dates have an announcement, for people: `paperboy-fetcher calendar`, and what a run
// says on a date without one. Pure; any thread.
#pragma once

#include <date/date.h>

#include <string>

namespace paperboy {

// Columns between tabs, a line for each date. Instants are Eastern time with its
// offset, as 2025-04-15T14:00-04:00; "-" where a date has no announcement, and in
// the last column where it has.
inline constexpr char kCalendarHeader[] =
    "page_date\tweekday\tsubmitted_from\tsubmitted_to\tannounced\twhy_none\n";
std::string CalendarLine(date::sys_days day);

// What to know about dates from `from` on, for people, as a line; "" if nothing.
std::string CalendarCaveat(date::sys_days from);

// "arXiv announces nothing on Saturday 2026-09-19, next on Monday 2026-09-21", of a day off
// with the reason; "" of a date with an announcement.
std::string NothingAnnouncedOn(date::sys_days day);

}  // namespace paperboy
