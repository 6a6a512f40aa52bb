// What a benchmark asks of the limiter: a provider's quota, the settings that
// scorers have for it, and papers whose calls are bound by the one dimension or
// the other.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "scorer/limiter_rate.h"
#include "tests/support/arxiv_paper.h"
#include "tests/support/quota.h"

namespace paperboy::bench {

enum class Mode { kSliding10, kSliding60, kBucket };
enum class Bound { kRequests, kTokens, kFlipping };

std::string NameOf(Mode mode);
std::string NameOf(Bound bound);

inline constexpr char kModel[] = "bench-model";
// All in the profile's prompt.md.
extern const char kPrompt[];

struct Load {
  double window = 0;            // seconds in which the use is measured
  double calls_per_second = 0;  // about
  Quota::Limits provider;
  LimiterSettings limits;
  size_t papers_per_phase = 0;  // flipping: as many short ones, then as many long ones
  Bound bound = Bound::kRequests;
};

// Enforced over sliding windows of 10 or 60 s, or by a bucket of one second's
// quota, then measured in windows of `bucket_window` seconds. While a dimension binds, the other
// has room for as much again, or for half of it where the two take turns, each for half a window.
Load LoadOf(Mode mode, Bound bound, double bucket_window);

// Whether the paper in that place, from 0 on, is a long one.
bool IsLong(const Load& load, size_t place);
// Enough for `seconds`, with some to spare.
std::vector<ArxivPaper> PapersFor(const Load& load, double seconds);
// The bodies of the calls for a short and a long paper, as the scorer sends them.
std::array<std::string, 2> Bodies();

}  // namespace paperboy::bench
