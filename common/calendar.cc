#include "common/calendar.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>

#include "embedded/kDaysOff.h"

namespace paperboy {
namespace {

using date::days;
using date::sys_days;
using date::weekday;
using date::year;
using date::year_month_day;

bool IsWeekday(sys_days day) { return !IsWeekend(day); }

struct DaysOff {
  std::map<sys_days, std::string_view> names;
  std::set<year> years;  // that are listed
};

DaysOff ReadDaysOff(std::string_view text) {
  DaysOff read;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line.front() == '#') continue;
    const size_t tab = line.find('\t');
    const Result<sys_days> day = ParseDate(line.substr(0, tab));
    if (!day || !IsWeekday(*day) || tab == line.npos) {
      std::fprintf(stderr, "config/days_off.tsv: \"%s\" is no weekday, tab and name\n",
                   std::string(line).c_str());
      std::abort();
    }
    read.names.emplace(*day, line.substr(tab + 1));
    read.years.insert(year_month_day(*day).year());
  }
  return read;
}

// A holiday on a weekend is kept on the nearest weekday.
sys_days Observed(sys_days holiday) {
  if (weekday(holiday) == date::Saturday) return holiday - days(1);
  if (weekday(holiday) == date::Sunday) return holiday + days(1);
  return holiday;
}

// The rule for years that are not listed. New Year's Day is not moved: arXiv did
// not in 2022 and 2023.
std::string_view UsualDayOff(sys_days day) {
  const year y = year_month_day(day).year();
  const sys_days christmas = Observed(y / 12 / 25);
  const struct {
    sys_days day;
    std::string_view name;
  } holidays[] = {
      {y / 1 / 1, "New Year's Day"},
      {y / 1 / date::Monday[3], "Martin Luther King Day"},
      {Observed(y / 6 / 19), "Juneteenth"},
      {Observed(y / 7 / 4), "Independence Day"},
      {y / 9 / date::Monday[1], "Labor Day"},
      {y / 11 / date::Thursday[4], "Thanksgiving"},
      {christmas, "Christmas"},
  };
  for (const auto& holiday : holidays) {
    if (holiday.day == day) return holiday.name;
  }
  const weekday on(day);
  const bool tuesday_or_thursday = on == date::Tuesday || on == date::Thursday;
  return day > christmas && tuesday_or_thursday ? "winter break" : "";
}

struct DayOff {
  std::string_view name;  // "" for a day of work
  bool guessed = false;
};

const DaysOff& Listed() {
  static const DaysOff listed = ReadDaysOff(embedded::kDaysOff);
  return listed;
}

DayOff DayOffOn(sys_days day) {
  const DaysOff& listed = Listed();
  if (!listed.years.contains(year_month_day(day).year())) return {UsualDayOff(day), true};
  const auto found = listed.names.find(day);
  return {found == listed.names.end() ? "" : found->second, false};
}

bool IsFreezeDay(sys_days day) { return IsWeekday(day) && DayOffOn(day).name.empty(); }

// Of a page on a weekday, and the other way round; both are weekdays.
sys_days FreezeDayOf(sys_days page) { return page - days(weekday(page) == date::Monday ? 3 : 1); }
sys_days PageOfFreezeDay(sys_days freeze) {
  return freeze + days(weekday(freeze) == date::Friday ? 3 : 1);
}

bool IsPage(sys_days date) { return IsWeekday(date) && IsFreezeDay(FreezeDayOf(date)); }

WallTime FreezeOf(sys_days page) { return EasternTime(FreezeDayOf(page), kFreezeTime); }

}  // namespace

bool IsWeekend(sys_days day) {
  return weekday(day) == date::Saturday || weekday(day) == date::Sunday;
}

sys_days FirstListedDay() { return *Listed().years.begin() / 1 / 1; }

bool IsGuessedDayOff(sys_days page) {
  if (IsWeekend(page)) return false;
  const DayOff off = DayOffOn(FreezeDayOf(page));
  return off.guessed && !off.name.empty();
}

bool IsMissing(sys_days day, sys_days first, sys_days last) {
  return first <= day && day <= last && IsPage(day);
}

std::optional<Announcement> AnnouncementFor(sys_days page) {
  if (!IsPage(page)) return std::nullopt;
  return Announcement{{FreezeOf(PreviousPage(page)), FreezeOf(page)},
                      EasternTime(page - days(1), kAnnouncementTime)};
}

std::string WhyNoAnnouncement(sys_days page) {
  if (weekday(page) == date::Saturday) return "a Saturday";
  if (weekday(page) == date::Sunday) return "a Sunday";
  const DayOff off = DayOffOn(FreezeDayOf(page));
  if (off.name.empty()) return "";
  std::string why(off.name);
  if (weekday(page) == date::Monday) why += " on Friday";
  if (off.guessed && page >= FirstListedDay()) why += ", by rule, not announced by arXiv yet";
  if (off.guessed && page < FirstListedDay()) why += ", by rule, arXiv's own list is not known";
  return "no mailing on the evening of " + FormatDate(page - days(1)) + " (" + why + ")";
}

sys_days PageOf(WallTime submitted) {
  sys_days day = EasternDay(submitted);
  if (submitted >= EasternTime(day, kFreezeTime)) day += days(1);
  while (!IsFreezeDay(day)) day += days(1);
  return PageOfFreezeDay(day);
}

sys_days NewestAnnounced(WallTime now) {
  const sys_days today = EasternDay(now);
  const bool mailed = now >= EasternTime(today, kAnnouncementTime);
  return PreviousPage(today + days(mailed ? 2 : 1));
}

sys_days NextPage(sys_days date) {
  do {
    date += days(1);
  } while (!IsPage(date));
  return date;
}

sys_days PreviousPage(sys_days date) {
  do {
    date -= days(1);
  } while (!IsPage(date));
  return date;
}

std::vector<sys_days> PagesBetween(sys_days first, sys_days last) {
  std::vector<sys_days> pages;
  for (sys_days day = first; day <= last; day += days(1)) {
    if (IsPage(day)) pages.push_back(day);
  }
  return pages;
}

}  // namespace paperboy
