#include "fetcher/choose_reading.h"

#include <algorithm>

#include "common/calendar.h"

namespace paperboy {

Reading ChooseReading(const FetcherSettings& settings, std::optional<date::sys_days> day,
                      WallTime now) {
  switch (settings.source) {
    case SourceKind::kFile:
      return Reading::kFile;
    case SourceKind::kApi:
      return Reading::kPast;
    case SourceKind::kRss:
      return Reading::kFeed;
    case SourceKind::kAuto:
      break;
  }
  // On days without announcement the feed is empty.
  const bool past =
      day && (settings.range || *day < std::min(EasternDay(now), NewestAnnounced(now)));
  return past ? Reading::kPast : Reading::kFeed;
}

}  // namespace paperboy
