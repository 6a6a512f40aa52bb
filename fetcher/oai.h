// Answers of arXiv's OAI-PMH (https://info.arxiv.org/help/oa/index.html), in its
// prefixes arXivRaw, arXiv and oai_dc. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "fetcher/atom.h"

namespace paperboy {

// One page of records, in the server's order.
struct OaiPage {
  // As an entry of the API. Of arXivRaw the time of submission is exact and the
  // version known; arXiv and oai_dc have only its day (midnight GMT stands for it)
  // and no version, and oai_dc has no categories.
  struct Record {
    Submission entry;
    std::string datestamp;  // YYYY-MM-DD of the last change of any kind
  };
  std::vector<Record> records;
  uint64_t deleted = 0;                   // records that say only that a paper is gone
  std::string token;                      // asks for the next page; empty on the last
  std::optional<uint64_t> complete_size;  // of all pages together, if the server says
  bool bad_token = false;                 // the token is not valid (any more): start again
};

// A list without a match is an empty page. A bare <record>, as archives keep them,
// is a page of one.
//
// kUnavailable: cut off, not XML, or no list of records. kInvalid: arXiv refuses the
// question, with what it says.
Result<OaiPage> ParseOaiPage(const std::string& body);

// The names in arXivRaw's line of authors, one string that people typed: split at
// commas and "and"; affiliations in parentheses and "et al." left out; a
// collaboration before a colon is a name of its own. TeX stays as it is.
std::vector<std::string> SplitAuthors(std::string_view line);

// The set of a category or of a whole archive: cs:cs:LG, physics:astro-ph:GA,
// physics:hep-th, and cs for cs.
std::string OaiSet(const std::string& category);

}  // namespace paperboy
