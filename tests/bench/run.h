// One row of the benchmark's table: a load, run by Paperboy or by the peer.
#pragma once

#include <string>

#include "tests/bench/disturb.h"
#include "tests/bench/load.h"

namespace paperboy::bench {

struct Case {
  Mode mode = Mode::kSliding10;
  Bound bound = Bound::kRequests;
  Trouble trouble = Trouble::kNone;
  int processes = 1;          // scorers, or workers of the peer
  int windows = 10;           // measured, after the first
  double bucket_window = 10;  // seconds of one, for Mode::kBucket

  Load load() const { return LoadOf(mode, bound, bucket_window); }
  std::string Title() const;  // for people
};

// The real programs, with a real Redis. Their logs go to `log` if it is not empty.
// Throws std::runtime_error when something does not start.
Verdict RunPaperboy(const Case& run, const std::string& log);

// BullMQ with its own limiter, workers in processes of their own, in front of the
// same provider. `folder` has its worker.mjs and node_modules. What it misses is
// no failure.
Verdict RunPeer(const Case& run, const std::string& folder);

}  // namespace paperboy::bench
