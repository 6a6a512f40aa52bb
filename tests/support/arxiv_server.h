// A simulated arXiv: RSS, API and OAI-PMH over one set of papers, in the shapes
// and with the moods of the real ones, and an account of every request.
// Thread-safe.
//
//   GET /rss/cs.LG          the announcement of the server's page date; /rss/cs, of an archive
//   GET /api/query          search_query, start, max_results, sortBy, sortOrder
//   GET /oai                verb=ListRecords
//   GET /account/requests   the account, as JSON
//   POST /account/faults    body: a list of faults, as in Options
//   POST /account/date      body: a page date
//
// A request without an Accept header is refused with 406, as arXiv does.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/arxiv_paper.h"

namespace paperboy {

class ArxivServer {
 public:
  struct Options {
    int port = 0;      // 0: any
    std::string date;  // page date of the feeds, YYYY-MM-DD
    std::vector<ArxivPaper> papers;
    size_t oai_page = 2500;  // records; arXiv's own size
    std::chrono::seconds retry_after{1};
    std::chrono::seconds stall{20};
    // As in faults.h; TEXT is looked for in the decoded target, as
    // /rss/cs.AI or /api/query?search_query=.... Kinds:
    //   lag          RSS: the announcement before, with its own dates
    //   stale        RSS: the announcement before, built today
    //   empty        RSS: no items
    //   no_matches   API: it finds nothing
    //   empty_pages  API: totals, but no entries    short_pages  only half of them
    //   error_feed   200 with an Error entry        rate_exceeded  200, "Rate exceeded."
    //   bad_token    OAI: a token is refused         error_element  OAI: badArgument
    //   truncated    the first half of the answer   stall        waits, then 429
    //   drop         a reset, no answer             NUMBER       that status; 429 and
    //                                               503 with Retry-After
    std::string faults;
    uint64_t seed = 1;
  };

  struct Request {
    std::string target;  // decoded path and query
    std::string user_agent;
    std::string accept;
    std::chrono::steady_clock::time_point start;  // when it had been read
    std::chrono::steady_clock::time_point end;    // when its answer was ready; zero before
    int status = 0;                               // 0: none was sent
    std::string fault;
  };

  struct Account {
    std::vector<Request> requests;  // in the order of their start; the first 100,000
    size_t max_concurrent = 0;
    // The smallest time from the end of one request to the start of the next,
    // negative when two overlapped; the largest duration while fewer than two.
    std::chrono::steady_clock::duration smallest_gap = std::chrono::steady_clock::duration::max();
  };

  explicit ArxivServer(Options options);
  ~ArxivServer();  // stops
  ArxivServer(const ArxivServer&) = delete;
  ArxivServer& operator=(const ArxivServer&) = delete;

  // Throws std::runtime_error when the port is taken.
  void Start();
  void Stop();
  int port() const;
  std::string rss_url() const;  // http://127.0.0.1:PORT/rss
  std::string api_url() const;  // .../api/query
  std::string oai_url() const;  // .../oai

  void SetFaults(const std::string& faults);
  void SetDate(const std::string& date);
  Account account() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
