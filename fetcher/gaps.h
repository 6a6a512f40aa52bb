// What an archive lacks: dates with an announcement whose digest is missing, and digests
// that are not finished, whatever the calendar says of their dates. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "common/calendar.h"
#include "common/options.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

struct Gap {
  date::sys_days day;
  // missing: the ledger knows nothing of it, and should (IsMissing). Else as the
  // ledger has it: open, waiting, failed; sealed or complete while it is under way;
  // published or withheld with papers or lists that a later run can add; withheld for
  // good, which only `redo` mends.
  std::string state;
  std::string why;
  bool mendable = true;  // by running the fetcher for the date
};

// Of `days`, what the ledger answered about the dates from `from` to `to`, the last of
// which is due.
std::vector<Gap> GapsIn(const wire::Days& days, date::sys_days from, date::sys_days to);

// Dates as few ranges for --from and --to, none of which holds another announcement.
struct Range {
  date::sys_days from, to;
};
std::vector<Range> RangesOf(const std::vector<date::sys_days>& days);

// How the commands that fill gaps begin, as a shell reads them.
struct FillCommands {
  std::string fetch;                  // paperboy-fetcher with all but the dates
  std::string redo;                   // paperboy-aggregator ... redo
  std::vector<std::string> left_out;  // flags that hold a password, which is not printed
};
// For the folder of a profile: what was given to this program, by its name `program`, is
// given to the commands too, but what is for looking at gaps alone.
FillCommands CommandsFor(const Options& options, const std::string& program,
                         const std::string& folder);

// For people: a line for each of the first kGapsShown gaps, how many more there are, and the
// commands that fill them: of more than kGapsShown dates to redo, or ranges to fetch, the first.
inline constexpr size_t kGapsShown = 100;
std::string GapsText(const std::string& profile, const FillCommands& commands,
                     const std::vector<Gap>& gaps);

// For people: the dates from `from` to `to` that are no gaps only because a rule takes
// them for days off, a line each.
std::string GuessesText(const wire::Days& days, date::sys_days from, date::sys_days to);

}  // namespace paperboy
