// How many calls may be in flight at once, so that a provider that is slow or fails
// is not drowned. This is not the quota (limiter.h), which bounds calls a minute.
// Pure; one thread.
//
// TCP's way: from kFirst on it doubles each round trip (slow start, RFC 5681). At the
// first trouble it shrinks, and from then on it grows with every round that ends well:
// by half of what is left up to where trouble began (BIC), then by one. A round is as
// many ended calls as may be in flight, at least kLeastRound. After an outage, in which no
// call was answered, it doubles again, up to half of where trouble began. Trouble is
//   - failures (5xx, time-outs, broken connections) of a fifth of a round: half. A
//     single 5xx is none: one call in a hundred fails at any provider, at any load.
//   - latency that rises to kRisen times what is usual: three quarters. Compared are
//     logarithms, whose mean is steady (answers' times are log-normal), and each call
//     with its own kind, because an answer about 20 papers takes longer than one about
//     two. What is usual moves a tenth of the way with every round without trouble.
//     If the next round is no faster, the provider has become slower by itself, and
//     that is usual from then on: Vegas and its kin shrink for ever there.
// What was sent before it shrank counts no more: it is news of the load before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

#include "common/loop.h"

namespace paperboy {

class Concurrency {
 public:
  // As many as TCP may send before it has heard anything (RFC 3390).
  static constexpr size_t kFirst = 4;
  // The mean of 16 log-normal latencies with sigma 0.5 is off by 0.5 / 4: log(1.5) is
  // three times that.
  static constexpr size_t kLeastRound = 16;
  static constexpr double kRisen = 1.5;

  // Never more than `most`.
  explicit Concurrency(size_t most);

  size_t limit() const { return static_cast<size_t>(limit_); }

  // How many batches a scorer may hold: with many calls some wait for one to end, so that
  // the next follows at once. As many as end within kSpareTime, in which the aggregator
  // hands out others even while its disk is busy; but never more than a quarter of those
  // that are called.
  static constexpr size_t kSpareFrom = 100, kMostSparePart = 4;
  static constexpr Milliseconds kSpareTime{1'000};
  size_t batches() const;
  // What that is at most.
  static size_t MostBatches(size_t calls) {
    return calls < kSpareFrom ? calls : calls + calls / kMostSparePart;
  }
  // The mean of the calls answered lately, by which Little's law counts those in flight;
  // 0: none was.
  Milliseconds latency() const;

  // A call ended. `in_flight`: how many were, with it. `kind`: calls that take the same
  // time when nothing is wrong; there are few.
  void OnAnswered(uint32_t kind, MonotonicTime sent, MonotonicTime now, size_t in_flight);
  void OnFailed(MonotonicTime sent, MonotonicTime now);

 private:
  struct Usual {
    bool known = false;
    double log_latency = 0;
    double sum = 0;  // of this round
    size_t calls = 0;
  };
  void EndRoundIfDue(MonotonicTime now);
  double Rise() const;
  void Settle(double weight);
  void Shrink(double factor, MonotonicTime now);
  void BeginRound();

  const double most_;
  double limit_;
  double doubles_up_to_;  // until a load has been too much: as many as are allowed
  MonotonicTime shrunk_{};
  double trouble_at_ = 0;     // the limit at which trouble began
  bool just_shrunk_ = false;  // and no round has ended well since
  double risen_by_ = 0;       // when it shrank for it in the round before; 0: it did not
  std::map<uint32_t, Usual> usual_;
  size_t answered_ = 0;
  size_t failed_ = 0;
  size_t most_in_flight_ = 0;  // in this round
  bool used_ = false;          // so many were in flight in this round that more might help
  std::deque<Milliseconds> latencies_;
};

}  // namespace paperboy
