#include "fetcher/choose_reading.h"

#include <algorithm>

#include "common/calendar.h"

namespace paperboy {
namespace {

// After a stall and two refusals, which arXiv answers overload with, it is asked again.
constexpr std::chrono::minutes kApiPatience{15};
constexpr std::chrono::minutes kApiAway{30};

}  // namespace

Reading ChooseReading(const FetcherSettings& settings, std::optional<date::sys_days> day,
                      WallTime now) {
  switch (settings.source) {
    case SourceKind::kFile:
      return Reading::kFile;
    case SourceKind::kApi:
    case SourceKind::kOai:
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

PastDays::Settings PastSettings(const FetcherSettings& settings, const ArxivClient& arxiv,
                                const Pump& pump) {
  PastDays::Settings past;
  past.source = settings.source == SourceKind::kApi   ? PastSource::kApi
                : settings.source == SourceKind::kOai ? PastSource::kOai
                                                      : PastSource::kEither;
  past.patience = arxiv.Scaled(kApiPatience);
  past.away = arxiv.Scaled(kApiAway);
  if (settings.to) past.last = *settings.to;
  past.now = [&pump] { return pump.now(); };
  return past;
}

}  // namespace paperboy
