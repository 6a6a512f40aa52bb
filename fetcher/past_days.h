// Lists of past announcements, rebuilt from what arXiv's search or its OAI-PMH has
// (mailing.h). What was read for one date serves the next ones: a range is read once.
// One thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "fetcher/arxiv_source.h"
#include "fetcher/listing.h"
#include "fetcher/mailing.h"

namespace paperboy {

class PastDays {
 public:
  explicit PastDays(ArxivSource& source) : source_(source) {}

  // The list of a category as the page of that date, which has an announcement, had
  // it: from the API. Its announce types are new in a paper's primary category and
  // cross elsewhere. Entries that could not be read stand in the list of the date in
  // whose window of submission the API has them. Errors are those of
  // ArxivSource::ReadWindow.
  Result<Listing> Read(const std::string& category, date::sys_days page, MonotonicTime deadline);

  // What was read for the date and the days around it is read again.
  void Forget(const std::string& category, date::sys_days page);

 private:
  // Everything of a category that was submitted in [from, to), by time.
  struct Stock {
    WallTime from{}, to{};
    std::vector<Submission> papers;
    // Whether [from, end) without any paper would be no surprise.
    bool IsSparse(WallTime end) const;
  };

  // Makes the category's stock cover the window.
  Status Cover(const std::string& category, const SubmissionWindow& window, MonotonicTime deadline);

  ArxivSource& source_;
  std::map<std::string, Stock> stocks_;
};

}  // namespace paperboy
