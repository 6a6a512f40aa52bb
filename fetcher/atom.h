// Answers of arXiv's API, in the format of before and after 2026. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "fetcher/mailing.h"

namespace paperboy {

// One page of answers, in the server's order. Rows carry their paper; an entry
// that could not be read has `refused` set and no id.
struct ApiPage {
  uint64_t total = 0;  // opensearch:totalResults: on all pages together
  std::vector<Submission> entries;
};

// kUnavailable: cut off, not XML, or XML that is no answer of the API.
// kInvalid: arXiv's own error feed (one entry titled Error), with what it says.
Result<ApiPage> ParseApiPage(const std::string& body);

}  // namespace paperboy
