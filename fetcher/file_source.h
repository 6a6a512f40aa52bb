// Papers from a file of JSON lines, plain or gzip, one paper a line.
#pragma once

#include <string>

#include "common/result.h"
#include "fetcher/listing.h"

namespace paperboy {

// A longer line is refused.
inline constexpr size_t kMaxLineBytes = 1 << 20;
// A day of arXiv is a few hundred papers per category; this only bounds memory.
inline constexpr size_t kMaxLines = 100'000;

// Keys: id, title, abstract, authors (list), which no paper goes without (an
// abstract may be empty); version, categories (list), primary_category,
// announce_type, published, updated (ISO 8601), which may be null or missing.
// Other keys are ignored with a warning. A line that cannot be understood is
// refused under its number, also one whose id and version name two versions; blank lines
// are skipped. The list's category is
// kAnyCategory and its date empty.
//
// kInvalid: the file cannot be opened, is damaged, too long, or holds no byte.
Result<Listing> ReadPaperFile(const std::string& path);

// One line, as above; kInvalid says what is wrong with it. Names of unknown
// keys are added to `unknown_keys`; `dropped_dates` is increased by the number
// of dates that were not ISO 8601 and were left out.
struct LineNotes {
  std::vector<std::string> unknown_keys;
  size_t dropped_dates = 0;
  size_t mended_bytes = 0;  // that were not UTF-8
};
Result<wire::Row> ParsePaperLine(std::string_view line, LineNotes* notes);

}  // namespace paperboy
