// How a digest ended, for the exit code and for the summary on standard output.
// Pure; any thread.
#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 1,         // bad usage or configuration, or a day of a range without its file
  kExitUnreachable = 2,   // a dependency, until the deadline
  kExitWithheld = 3,      // or published with papers that a later run can score
  kExitReplaced = 4,      // by another revision of the profile: do not retry
  kExitNotAnnounced = 5,  // by the deadline
};

struct Outcome {
  std::string profile;
  std::string date;   // as YYYY-MM-DD, or words
  std::string state;  // published, withheld, holiday, not announced, missing, replaced, failed
  std::string why;    // empty when `published` says it all
  ExitCode exit_code = kExitOk;
  std::optional<wire::Published> published;
};

// 1234567 as "1,234,567".
std::string Grouped(uint64_t n);

// The code of an error that ends a digest, and the state that goes with it.
Outcome FailedOutcome(std::string profile, std::string date, const Error& error);
Outcome PublishedOutcome(std::string profile, std::string date, wire::Published published);

// As what it is logged: what failed as an error, what a later run or another revision
// mends as a warning.
spdlog::level::level_enum LevelOf(const Outcome& outcome);

// Of several codes, the first of 1, 2, 3, 5, 4; 0 for none.
ExitCode WorstOf(const std::vector<ExitCode>& codes);
ExitCode WorstOf(const std::vector<Outcome>& outcomes);

// One paragraph per outcome; for a published digest with the funnel as a table
// that adds up, what it cost, its notes and its page. Of many outcomes a table with a
// line for each.
std::string Summary(const std::vector<Outcome>& outcomes);

}  // namespace paperboy
