// Lists of past announcements, rebuilt from what arXiv's search or its OAI-PMH has
// (mailing.h). What was read for one date serves the next ones: a range is read once.
// One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "fetcher/arxiv_source.h"
#include "fetcher/listing.h"
#include "fetcher/mailing.h"

namespace paperboy {

enum class PastSource {
  kApi,
  kOai,
  kEither,  // the API, and OAI-PMH for some time when it did not answer
};

class PastDays {
 public:
  struct Settings {
    PastSource source = PastSource::kEither;
    // For kEither: with the API, at most half of the time that there is; and for how
    // long it is not asked again.
    Milliseconds patience{}, away{};
    date::sys_days last{};  // of the dates to be read, if there are several
    std::function<MonotonicTime()> now;
  };

  PastDays(ArxivSource& source, Settings settings)
      : source_(source), settings_(std::move(settings)) {}

  // The list of a category as the page of that date, which has an announcement, had
  // it. Its announce types are new in a paper's primary category and
  // cross elsewhere. Entries that could not be read stand in the list of the date in
  // whose window of submission the API has them, or for which OAI-PMH was asked first.
  // Errors are those of ArxivSource.
  Result<Listing> Read(const std::string& category, date::sys_days page, MonotonicTime deadline);

  // What the date is told from is read again, all of it: what moderation had held stands
  // among the papers of days before.
  void Forget(const std::string& category) { stocks_.erase(category); }

 private:
  // Everything of a category that was submitted in [from, to), by time.
  struct Stock {
    WallTime from{}, to{};
    std::vector<Submission> papers;
    const char* source = kApiSource;  // of what was read last
    // Whether so much time without any paper would be no surprise.
    bool IsSparse(WallTime::duration time) const;
  };

  Result<Listing> Rebuild(const std::string& category, date::sys_days page, MonotonicTime deadline);
  // Makes the category's stock cover what the page is told from.
  Status Cover(const std::string& category, date::sys_days page, MonotonicTime deadline);
  // False: the search finds nothing in all of the time that the page is told from.
  Result<bool> AddFromApi(const std::string& category, WallTime to, MonotonicTime deadline,
                          Stock* stock);
  // OAI-PMH has what changed since a day: all of it is read at once, up to the last date.
  Status AddFromOai(const std::string& category, date::sys_days page, MonotonicTime deadline,
                    Stock* stock);

  ArxivSource& source_;
  const Settings settings_;
  MonotonicTime away_until_{};  // the API did not answer
  std::map<std::string, Stock> stocks_;
};

}  // namespace paperboy
