// arXiv's three languages as its servers write them: RSS, the API's Atom, and
// OAI-PMH. Pure.
#pragma once

#include <string>
#include <vector>

#include "tests/support/arxiv_paper.h"

namespace paperboy {

using ArxivPapers = std::vector<const ArxivPaper*>;

// The feed of `categories` (joined by "+") that was built for `built`, with the
// announcement of `announced`.
std::string RssFeed(const std::string& categories, std::chrono::sys_days built,
                    std::chrono::sys_days announced, const ArxivPapers& papers);

struct AtomPage {
  std::string query;
  size_t total = 0;
  size_t start = 0;
  size_t per_page = 0;
  std::chrono::sys_seconds now;
};
std::string AtomFeed(const AtomPage& page, const ArxivPapers& papers);
// The API's way to report an error: a feed with one entry titled "Error".
std::string AtomError(const std::string& message, std::chrono::sys_seconds now);

// An OAI-PMH answer around `body`; `request` is the text of its request element.
std::string OaiAnswer(const std::string& request, std::chrono::sys_seconds now,
                      const std::string& body);
std::string OaiError(const std::string& code, const std::string& message);
// `prefix` is arXiv or arXivRaw; `datestamp` the day of the last change.
std::string OaiRecord(const ArxivPaper& paper, const std::string& prefix,
                      std::chrono::sys_days datestamp);

}  // namespace paperboy
