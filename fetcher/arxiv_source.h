// Lists of one category from arXiv: its daily feed, its API for a window of
// submission, or its OAI-PMH for what changed since a day. One thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/calendar.h"
#include "common/result.h"
#include "fetcher/arxiv_client.h"
#include "fetcher/atom.h"
#include "fetcher/listing.h"
#include "fetcher/mailing.h"
#include "fetcher/oai.h"

namespace paperboy {

class ArxivSource {
 public:
  ArxivSource(ArxivClient& client, std::string rss_url, std::string api_url, std::string oai_url);

  // The feed's newest list, whatever its date. Once read, it is asked for again only
  // if it has changed. Errors of all calls:
  // kUnavailable as of ArxivClient::Get, also when arXiv keeps answering with
  // something else (403, 404, a page for people) or its search keeps complaining of the
  // question with HTTP 200; kInvalid when it refuses the question, or its feed is of the format
  // that it gave up.
  Result<Listing> ReadFeed(const std::string& category, MonotonicTime deadline);

  // The papers first submitted in the window and listed in the category, or in
  // one of the archive. The API has
  // no announce types: a paper is new in its primary category and in that one's archive, and cross
  // elsewhere. An entry that could not be read has `refused`, its place for an id, and the time of
  // the one before it. kUnavailable too when the API keeps answering with less than it
  // says it has.
  Result<std::vector<Submission>> ReadWindow(const std::string& category,
                                             const SubmissionWindow& window,
                                             MonotonicTime deadline);

  // What was changed in the category's set since the day (GMT; OAI-PMH knows no
  // hours): each paper once, in its newest state, in the order in which it first came,
  // with a type as ReadWindow gives it. Of which announcement a paper is, the caller
  // tells by id and `published`. A record that could not be read has `refused` set and
  // as id its place ("cs.LG record 17"). kUnavailable too when the pages do not end.
  struct Modified {
    std::vector<Submission> entries;
    std::vector<std::string> warnings;
  };
  Result<Modified> ReadModified(const std::string& category, date::sys_days from_day,
                                MonotonicTime deadline);

 private:
  // The feed as read last, and what to ask with for a newer one.
  struct Known {
    ArxivClient::Headers conditions;
    Listing listing;
  };
  // `complains`: it was answered with an error that HTTP calls a success.
  Result<ApiPage> AskForPage(const std::string& query, uint64_t start, MonotonicTime deadline,
                             bool* complains);
  // As that; what the API says against the question is believed when it repeats it, and
  // with HTTP 200 it says only that the search fails.
  Result<ApiPage> ReadPage(const std::string& query, uint64_t start, MonotonicTime deadline);
  // A page with entries, or the news that there are no more. `total` is the
  // most that a page of the query has said, this one included; a page that says
  // less lacks something.
  Result<ApiPage> ReadFilledPage(const std::string& query, uint64_t start, uint64_t* total,
                                 MonotonicTime deadline);

  Result<OaiPage> ReadOaiPage(const std::string& query, MonotonicTime deadline);

  ArxivClient& client_;
  const std::string rss_url_;
  const std::string api_url_;
  const std::string oai_url_;
  std::map<std::string, Known> feeds_;  // by category
};

}  // namespace paperboy
