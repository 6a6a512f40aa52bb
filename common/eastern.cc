#include "common/eastern.h"

#include <date/tz.h>

#include <cstdio>
#include <cstdlib>

#include "common/text.h"

namespace paperboy {
namespace {

constexpr int kFirstYear = 1900;
constexpr size_t kShownChars = 40;  // of what is no date

using date::day;
using date::days;
using date::month;
using date::sys_days;
using date::year;
using date::year_month_day;

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
    const bool real = y >= kFirstYear && m > 0 && d > 0 && ymd.ok();
    if (real && sys_days(ymd) <= kLastDate) return sys_days(ymd);
  }
  return Invalid("\"" + CutChars(CleanText(text), kShownChars) +
                 "\" is not a date; write it as 2025-04-15");
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

std::string FormatIsoEastern(WallTime t) {
  return date::format("%Y-%m-%dT%H:%M%Ez",
                      date::make_zoned(&Eastern(), date::floor<std::chrono::minutes>(t)));
}

std::string FormatIsoUtc(WallTime t) {
  return date::format("%Y-%m-%dT%H:%M:%SZ", date::floor<std::chrono::seconds>(t));
}

}  // namespace paperboy
