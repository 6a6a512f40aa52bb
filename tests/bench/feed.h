// Work for scorers: digests of invented papers, delivered by the real fetcher.
#pragma once

#include <string>
#include <vector>

#include "tests/support/system.h"

namespace paperboy::bench {

// The profile's name.
inline constexpr char kProfile[] = "bench";

// `count` invented papers of as many dates as they need, 1,500 a date; a scorer
// gets them in their order.
std::vector<ArxivPaper> InventPapers(size_t count);

// Writes the profile, with these lines in its profile.toml and, if it is not
// empty, this prompt; and delivers the papers to the running aggregator, date by
// date. Throws std::runtime_error when a delivery fails.
void Feed(System& system, const std::string& toml, const std::string& prompt,
          const std::vector<ArxivPaper>& papers);

}  // namespace paperboy::bench
