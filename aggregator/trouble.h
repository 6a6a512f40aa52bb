// Something that cannot be done for now, and is tried again until it can: said in the log
// when it begins and when it is over, and in between every minute; of what comes and goes,
// no more than that. One thread.
#pragma once

#include <chrono>
#include <string>

#include "common/loop.h"

namespace paperboy {

inline constexpr std::chrono::minutes kRemind{1};

class Trouble {
 public:
  // `over`: what can be done again, as "the ledger is written again".
  explicit Trouble(std::string over) : over_(std::move(over)) {}

  // It failed (once more). `why` is for people; `detail`, for the log alone, may be empty.
  void Note(std::string why, MonotonicTime now, const std::string& detail = "");
  // It is done, or there was none.
  void Over();

  const std::string& why() const { return why_; }  // the newest; "": no trouble

 private:
  const std::string over_;
  std::string why_;
  bool said_ = false;  // since it began
  std::string last_said_;
  MonotonicTime said_at_{};
};

}  // namespace paperboy
