#include "fetcher/calendar_command.h"

#include <spdlog/fmt/fmt.h>

#include "common/calendar.h"

namespace paperboy {

std::string CalendarLine(date::sys_days day) {
  const std::string date = date::format("%F\t%a", day);
  const std::optional<Announcement> announcement = AnnouncementFor(day);
  if (!announcement) return fmt::format("{}\t-\t-\t-\t{}\n", date, WhyNoAnnouncement(day));
  return fmt::format("{}\t{}\t{}\t{}\t-\n", date, FormatIsoEastern(announcement->submitted.from),
                     FormatIsoEastern(announcement->submitted.to),
                     FormatIsoEastern(announcement->announced));
}

std::string CalendarCaveat(date::sys_days from) {
  if (from >= FirstListedDay()) return "";
  return fmt::format(
      "arXiv's schedule and days off before {} are not known: what is said of dates before then is "
      "by today's rules, and wrong in places\n",
      FormatDate(FirstListedDay()));
}

std::string NothingAnnouncedOn(date::sys_days day) {
  if (AnnouncementFor(day)) return "";
  return fmt::format("arXiv announces nothing on {}, next on {}{}", date::format("%A %F", day),
                     date::format("%A %F", NextPage(day)),
                     IsWeekend(day) ? "" : ": " + WhyNoAnnouncement(day));
}

}  // namespace paperboy
