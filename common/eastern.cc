#include "common/eastern.h"

#include <date/tz.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace paperboy {
namespace {

using date::day;
using date::days;
using date::month;
using date::sys_days;
using date::weekday;
using date::year;
using date::year_month_day;
using namespace date::literals;

const date::time_zone& Eastern() {
  static const date::time_zone* const zone = [] {
    try {
      return date::locate_zone("America/New_York");
    } catch (const std::exception& error) {
      std::fprintf(stderr, "time zone America/New_York: %s; install the package tzdata\n",
                   error.what());
      std::abort();
    }
  }();
  return *zone;
}

// Evenings without a mailing, from arXiv's published holiday schedule:
// https://info.arxiv.org/help/availability.html#holiday. A Friday in it moves
// nothing: there is no mailing on a Friday evening anyway. The list of 2025 left
// December open; the 25th is the one evening that is always off.
constexpr year_month_day kDaysOff2025[] = {2025_y / 1 / 1,  2025_y / 1 / 20, 2025_y / 6 / 19,
                                           2025_y / 7 / 6,  2025_y / 9 / 1,  2025_y / 11 / 27,
                                           2025_y / 12 / 25};
constexpr year_month_day kDaysOff2026[] = {2026_y / 1 / 1,   2026_y / 1 / 19,  2026_y / 6 / 19,
                                           2026_y / 7 / 3,   2026_y / 9 / 7,   2026_y / 11 / 26,
                                           2026_y / 12 / 25, 2026_y / 12 / 29, 2026_y / 12 / 31};

// The holidays in every schedule that arXiv has published since 2023.
bool IsUsualHoliday(sys_days evening) {
  const year y = year_month_day(evening).year();
  const sys_days fourth_of_july = y / 7 / 4;
  const weekday on = weekday(fourth_of_july);
  const sys_days observed =
      fourth_of_july - days(on == date::Saturday ? 1 : 0) + days(on == date::Sunday ? 1 : 0);
  const sys_days holidays[] = {y / 1 / 1,  y / 1 / date::Monday[3], y / 6 / 19,
                               observed,   y / 9 / date::Monday[1], y / 11 / date::Thursday[4],
                               y / 12 / 25};
  return std::ranges::find(holidays, evening) != std::end(holidays);
}

bool IsDayOff(sys_days evening) {
  const year_month_day ymd(evening);
  std::span<const year_month_day> listed;
  if (ymd.year() == 2025_y) listed = kDaysOff2025;
  if (ymd.year() == 2026_y) listed = kDaysOff2026;
  if (listed.empty()) return IsUsualHoliday(evening);
  return std::ranges::find(listed, ymd) != listed.end();
}

// No run of days without an announcement is longer than a weekend between two days off.
constexpr int kLongestGapDays = 14;

// The newest announcement date that is not after `page_date`.
sys_days AtOrBefore(sys_days page_date) {
  for (int i = 0; i < kLongestGapDays && !IsAnnouncementDate(page_date); ++i) page_date -= days(1);
  return page_date;
}

WallTime CutOffOf(sys_days page_date) {
  const bool monday = weekday(page_date) == date::Monday;
  return EasternTime(page_date - days(monday ? 3 : 1), kCutOffTime);
}

}  // namespace

Result<sys_days> ParseDate(std::string_view text) {
  const auto number = [&](size_t pos, size_t size) {
    int value = 0;
    for (const char c : text.substr(pos, size)) {
      if (c < '0' || c > '9') return -1;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    const int y = number(0, 4), m = number(5, 2), d = number(8, 2);
    const year_month_day ymd{year(y), month(static_cast<unsigned>(m)),
                             day(static_cast<unsigned>(d))};
    if (y > 0 && m > 0 && d > 0 && ymd.ok()) return sys_days(ymd);
  }
  return Invalid("\"" + std::string(text) + "\" is not a date; write it as 2025-04-15");
}

std::string FormatDate(sys_days day) { return date::format("%Y-%m-%d", day); }

std::string FormatUsDate(sys_days day) { return date::format("%m/%d/%Y", day); }

sys_days EasternDay(WallTime t) {
  const auto local = Eastern().to_local(t);
  return sys_days(date::floor<days>(local).time_since_epoch());
}

WallTime EasternTime(sys_days day, std::chrono::minutes since_midnight) {
  const date::local_days local(day.time_since_epoch());
  return Eastern().to_sys(local + since_midnight, date::choose::earliest);
}

std::string FormatEastern(WallTime t) {
  return date::format("%Y-%m-%d %H:%M %Z",
                      date::make_zoned(&Eastern(), date::floor<std::chrono::minutes>(t)));
}

std::string FormatIsoUtc(WallTime t) {
  return date::format("%Y-%m-%dT%H:%M:%SZ", date::floor<std::chrono::seconds>(t));
}

bool IsAnnouncementDate(sys_days page_date) {
  const weekday on(page_date);
  return on != date::Saturday && on != date::Sunday && !IsDayOff(page_date - days(1));
}

std::string WhyNoAnnouncement(sys_days page_date) {
  const weekday on(page_date);
  if (on == date::Saturday) return "a Saturday";
  if (on == date::Sunday) return "a Sunday";
  const sys_days evening = page_date - days(1);
  if (!IsDayOff(evening)) return "";
  return "no mailing on the evening of " + FormatDate(evening) + " (arXiv holiday)";
}

sys_days NewestAnnouncementDate(WallTime t) {
  const sys_days today = EasternDay(t);
  const bool mailed = t >= EasternTime(today, kMailingTime);
  return AtOrBefore(mailed ? today + days(1) : today);
}

SubmissionWindow WindowOf(sys_days page_date) {
  return {CutOffOf(AtOrBefore(page_date - days(1))), CutOffOf(page_date)};
}

}  // namespace paperboy
