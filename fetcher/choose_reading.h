// Where a date is read from, for a run and for its forecast. Pure; any thread.
#pragma once

#include <optional>

#include "fetcher/past_days.h"
#include "fetcher/settings.h"

namespace paperboy {

enum class Reading {
  kFile,
  kFeed,  // the newest announcement, as arXiv's feed has it
  kPast,  // rebuilt from the search or OAI-PMH
};

// Without `day`: the announcement that is due.
Reading ChooseReading(const FetcherSettings& settings, std::optional<date::sys_days> day,
                      WallTime now);

// How past days are read.
PastDays::Settings PastSettings(const FetcherSettings& settings, const ArxivClient& arxiv,
                                const Pump& pump);

}  // namespace paperboy
