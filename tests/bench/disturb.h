// What goes wrong while the quota is measured, and what must hold all the same.
#pragma once

#include <memory>
#include <string>

#include "tests/bench/load.h"
#include "tests/bench/watch.h"
#include "tests/support/system.h"

namespace paperboy::bench {

enum class Trouble {
  kNone,            // 99 % of the usable quota, no call refused
  kKills,           // scorers killed and started again, until 5 % of the send times
                    // handed out are lost: 94 %, none refused
  kFlushes,         // ten times FLUSHALL: 4 s of quota each, none refused
  kOldRedis,        // three times Redis killed and started with an old file: the same
  kHalved,          // the provider halves its quota and its headers say so: followed
                    // within two windows
  kHalvedSilently,  // it sends no such headers: the same
  kPauses,          // a 429 with Retry-After, twice: everybody stops and resumes,
                    // without a stampede
};
std::string NameOf(Trouble trouble);

struct Verdict {
  Use use;
  size_t refused = 0;  // of all calls, the first window's too
  std::string remark;  // what the trouble cost, for people
  std::string failed;  // what did not hold; empty if all did
};

class Disturbance {
 public:
  virtual ~Disturbance() = default;
  // As Watch::Run's tick.
  virtual void Tick(double now) { (void)now; }
  // After the run.
  virtual Verdict Judge(const Watch& watch) = 0;
};

// `run_scorer` starts one more scorer. The references must outlive it.
std::unique_ptr<Disturbance> Disturb(Trouble trouble, System& system, const Load& load, int windows,
                                     const std::function<void()>& run_scorer);

// What holds for an undisturbed run; also how a peer is measured.
Verdict JudgeSteady(const Watch& watch, const Load& load, double at_least);

}  // namespace paperboy::bench
