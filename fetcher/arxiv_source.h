// Lists of one category from arXiv: its daily feed, or its API for a window of
// submission. One thread.
#pragma once

#include <string>

#include "common/calendar.h"
#include "common/result.h"
#include "fetcher/arxiv_client.h"
#include "fetcher/atom.h"
#include "fetcher/listing.h"

namespace paperboy {

class ArxivSource {
 public:
  ArxivSource(ArxivClient& client, std::string rss_url, std::string api_url);

  // The feed's newest list, whatever its date. Errors of both calls:
  // kUnavailable as of ArxivClient::Get, also when arXiv keeps answering with
  // something else (403, 404, a page for people); kInvalid when it refuses the
  // question, or its feed is of the format that it gave up.
  Result<Listing> ReadFeed(const std::string& category, MonotonicTime deadline);

  // The papers first submitted in the window and listed in the category, or in one
  // of the archive, as the page of `date`. The API has no announce types: a paper is
  // new in its primary category and in that one's archive, and cross elsewhere. kUnavailable too
  // when the API keeps answering with less than it says it has.
  Result<Listing> ReadWindow(const std::string& category, const std::string& date,
                             const SubmissionWindow& window, MonotonicTime deadline);

 private:
  Result<ApiPage> ReadPage(const std::string& query, uint64_t start, MonotonicTime deadline);
  // A page with entries, or the news that there are no more. `total` is the
  // most that a page of the query has said, this one included; a page that says
  // less lacks something.
  Result<ApiPage> ReadFilledPage(const std::string& query, uint64_t start, uint64_t* total,
                                 MonotonicTime deadline);

  ArxivClient& client_;
  const std::string rss_url_;
  const std::string api_url_;
};

}  // namespace paperboy
