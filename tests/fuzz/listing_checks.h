// What holds for every list that a parser of arXiv's answers makes.
#pragma once

#include <set>

#include "common/text.h"
#include "fetcher/atom.h"
#include "fetcher/listing.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {

// A row is refused, with a reason, or has a valid id and a title.
inline void CheckRow(const wire::Row& row) {
  CheckLines(row);
  if (!row.refused().empty()) return FUZZ_CHECK(!row.has_paper());
  FUZZ_CHECK(!row.id().empty() && ParseArxivId(row.id()).id == row.id());
  FUZZ_CHECK(!row.paper().title().empty());
}

// Every id stands in it once, and the ledger would take it.
inline void CheckListing(const Listing& list) {
  std::set<std::string> ids;
  for (const wire::Row& row : list.rows) {
    CheckRow(row);
    FUZZ_CHECK(!row.id().empty() && ids.insert(row.id()).second);
    if (row.refused().empty()) FUZZ_CHECK(row.paper().id() == row.id());
  }
  for (const std::string& warning : list.warnings) CheckLine(warning);
  if (!list.date.empty()) FUZZ_CHECK(ParseDate(list.date).ok());
}

// Of an answer that knows times of submission. Its dates are written as ISO 8601.
inline void CheckSubmission(const Submission& entry) {
  CheckRow(entry.row);
  if (!entry.row.refused().empty()) return;
  for (const std::string& time : {entry.row.paper().published(), entry.row.paper().updated()}) {
    if (!time.empty()) FUZZ_CHECK(time.size() == 20 && ParseDate(time.substr(0, 10)).ok());
  }
}

}  // namespace paperboy::fuzz
