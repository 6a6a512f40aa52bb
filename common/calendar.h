// arXiv's announcement calendar. Pure; any thread.
//
// Submissions are frozen at 14:00 Eastern on every weekday that is not one of
// arXiv's days off, and announced at 20:00 Eastern: Monday's to Thursday's freeze
// the same evening, Friday's on Sunday. The page of an announcement carries the
// date of the morning after. So there is one page for each freeze:
//
//   frozen         Mon  Tue  Wed  Thu  Fri
//   announced      Mon  Tue  Wed  Thu  Sun
//   page           Tue  Wed  Thu  Fri  Mon
//
// and what a day off leaves belongs to the next page.
// https://info.arxiv.org/help/availability.html; that a Friday off costs Monday's
// page, and the freeze at 16:00 before 2017, are from arxiv/schedule/calendar.py and
// arxiv/submission/arxiv_localtime.py in https://github.com/arXiv/arxiv-base.
//
// The days off are in config/days_off.tsv, with their source. A year that it does
// not list goes by a rule: the US federal holidays that arXiv keeps, moved from a
// weekend to the nearest weekday where arXiv does so, and Tuesday and Thursday
// between Christmas and New Year. That is a guess, and WhyNoAnnouncement says so.
// Not covered are dates before FirstListedDay: the freeze was at 16:00, and there were
// fewer days off than the rule has.
#pragma once

#include <date/date.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/eastern.h"

namespace paperboy {

inline constexpr std::chrono::minutes kFreezeTime = std::chrono::hours(14);
inline constexpr std::chrono::minutes kAnnouncementTime = std::chrono::hours(20);

// Instants of submission in [from, to): from one freeze to the next.
struct SubmissionWindow {
  WallTime from;
  WallTime to;
};

struct Announcement {
  SubmissionWindow submitted;  // `to` is the announcement's freeze
  WallTime announced;
};

// What the page of that date announces; nullopt if there is none.
std::optional<Announcement> AnnouncementFor(date::sys_days page);

// Why there is none, for people ("a Saturday", "no mailing on the evening of
// 2025-11-27 (Thanksgiving)"); "" if there is one.
std::string WhyNoAnnouncement(date::sys_days page);

// Whether a weekday has none by the rule for years that are not listed.
bool IsGuessedDayOff(date::sys_days page);
bool IsWeekend(date::sys_days day);
// The first day of the first year whose days off are listed: what the calendar says of
// earlier dates is not known to be right.
date::sys_days FirstListedDay();

// Whether an archive lacks a date of which it has no record: one with a page, from the
// archive's first record to `last`, the last date that it could have.
bool IsMissing(date::sys_days day, date::sys_days first, date::sys_days last);

// The page of what is submitted at that instant. (What moderation holds comes later.)
date::sys_days PageOf(WallTime submitted);

// The newest page that is announced at `now`.
date::sys_days NewestAnnounced(WallTime now);

// The first page after `date` and the last one before it; `date` need not be one.
date::sys_days NextPage(date::sys_days date);
date::sys_days PreviousPage(date::sys_days date);

// All pages from `first` to `last`, both included.
std::vector<date::sys_days> PagesBetween(date::sys_days first, date::sys_days last);

}  // namespace paperboy
