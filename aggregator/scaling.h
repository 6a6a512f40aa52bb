// How many scorers would be of use, for an autoscaler that asks /scaling: as many as the
// backlog and the quota can feed. By Little's law a quota of R calls a second with
// answers that take S seconds keeps R * S calls in flight; a scorer holds so many of
// them, and more scorers than that only wait for each other. Without a quota it is as
// many as end the backlog in kWithoutQuota.
//
// What scorers say of quota and latency is kept in the ledger, because with none left
// there is nobody to ask. Used on the loop's thread; throws StorageError.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/sqlite.h"
#include "common/loop.h"

namespace paperboy {

// What is known of the scorers for a model.
struct ScorerPace {
  // Of the quota that they share; 0: unlimited. Where they know how many calls its tokens
  // allow, rpm says so.
  int64_t rpm = 0, tpm = 0;
  int64_t calls = 0;       // that one scorer lets fly at once, at most
  int64_t latency_ms = 0;  // mean of the calls answered lately; 0: none was
  bool operator==(const ScorerPace&) const = default;
};

// Work for the scorers of a model.
struct Backlog {
  double calls = 0;            // that wait or are in flight
  double tokens_per_call = 0;  // 0: not known
  bool waits = false;          // work that one scorer can do beside it, as for a job's end
  bool out = false;            // the provider refuses every call: one is enough to try it
};

// The time in which a backlog shall end where no quota limits the calls.
inline constexpr std::chrono::minutes kWithoutQuota{10};
// The most of so long a time counts, so that scorers neither come and go between two
// digests nor with every call that is faster than the one before (the window that
// Kubernetes' own autoscaler looks back when it scales down).
inline constexpr std::chrono::minutes kScaleDownWindow{5};

// What scorers for one model say together. Of a quota that shrank some have not heard yet:
// the least counts. Of latencies the median: that of one scorer is as good as its calls
// are many.
ScorerPace Together(const std::vector<ScorerPace>& said);

// How many scorers the quota and the backlog keep busy. 0: nothing is known, or more than
// one would not help.
double BusyScorers(const Backlog& backlog, const std::optional<ScorerPace>& pace);

class Scaling {
 public:
  explicit Scaling(Database& db) : db_(db) {}

  // What scorers say now of their model; of the latency only when they know one, and of
  // the calls that the quota allows when they differ by more than noise.
  void Heard(const std::string& model, ScorerPace pace);
  // Writes down what has changed by more than noise. Inside the caller's transaction.
  void Keep();
  // The transaction with the last Keep may never have been.
  void Reset() { kept_.clear(); }
  // Of all models together, from their backlogs, at least one for each that has work. Not
  // less than before for a tenth less: noise would make the number go up and down, and one
  // too many only waits. Model "": it is the scorers' own, and
  // none has said yet which that is; those heard of last.
  uint32_t Desired(const std::map<std::string, Backlog>& backlogs, MonotonicTime now);

 private:
  std::optional<ScorerPace> Find(const std::string& model);

  Database& db_;
  std::map<std::string, ScorerPace> heard_, kept_;
  uint32_t now_ = 0;
  std::deque<std::pair<MonotonicTime, uint32_t>> lately_;  // falling
};

}  // namespace paperboy
