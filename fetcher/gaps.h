// What an archive lacks: dates with an announcement whose digest is missing or not
// finished. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "common/calendar.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

struct Gap {
  date::sys_days day;
  // missing: the ledger knows nothing of it, and knows an earlier date. Else as the
  // ledger has it: open, waiting, failed; sealed or complete while it is under way;
  // published or withheld with papers or lists that a later run can add; withheld for
  // good, which only `redo` mends.
  std::string state;
  std::string why;
  bool mendable = true;  // by running the fetcher for the date
};

// Of `days`, what the ledger answered about the dates from `from` to `to`.
std::vector<Gap> GapsIn(const wire::Days& days, date::sys_days from, date::sys_days to);

// Dates as few ranges for --from and --to, none of which holds another announcement.
struct Range {
  date::sys_days from, to;
};
std::vector<Range> RangesOf(const std::vector<date::sys_days>& days);

// For people: a line for each gap, and the commands that fill them; the folder of the
// profile is part of these.
std::string GapsText(const std::string& profile, const std::string& folder,
                     const std::vector<Gap>& gaps);

}  // namespace paperboy
