// Semantic Scholar's answers, read. Pure; any thread.
// https://api.semanticscholar.org/api-docs/graph
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// Papers per request, its own limit.
inline constexpr size_t kMaxScholarIds = 500;
// What is asked for about each: the ids tell whether it is the paper that was meant.
inline constexpr char kScholarFields[] =
    "externalIds,authors.authorId,authors.name,authors.hIndex,authors.externalIds";

struct ScholarBatch {
  std::vector<wire::PaperAuthors> known;
  std::vector<std::string> unknown;   // ids of which it knows no paper, or no author
  std::vector<std::string> warnings;  // entries that are none; such a paper is in neither list
};

// The answer of /paper/batch to `ids` (arXiv's, without version): one entry each, in
// their order, null for what it does not know. An author without a readable id, ORCID or
// h-index has none. kInvalid when it is no such answer (no JSON, an error, another shape
// or number of entries); the message says what it is.
Result<ScholarBatch> ParseScholarBatch(const std::string& body,
                                       const std::vector<std::string>& ids);

// The message in an error's body ({"error": ...} or {"message": ...}), or the beginning
// of what else it is.
std::string ScholarErrorText(const std::string& body);

// What an answer of Semantic Scholar's in a file holds, for people; of any of its
// questions about papers and authors, bare or as a list of {"request", "response"} with
// a body each. nullopt: the text is no JSON, or JSON of something else. `ok`: nothing in
// it had to be refused.
struct ScholarReport {
  bool ok = false;
  std::string text;
  size_t records = 0;  // papers and authors
};
std::optional<ScholarReport> DescribeScholarAnswer(const std::string& text);

}  // namespace paperboy
