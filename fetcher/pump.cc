#include "fetcher/pump.h"

#include <algorithm>

namespace paperboy {

bool Pump::Until(const std::function<bool()>& done, MonotonicTime deadline) {
  bool is_done = false;
  loop_.RunUntil([&] { return stopped() || (is_done = done()); }, deadline);
  return is_done;
}

bool Pump::Finish(const std::function<bool()>& done, Milliseconds limit) {
  return loop_.RunUntil(done, now() + limit);
}

bool Pump::Sleep(Milliseconds time, MonotonicTime deadline) {
  const MonotonicTime wake = now() + time;
  loop_.RunUntil([this] { return stopped(); }, std::min(wake, deadline));
  return !stopped() && wake <= deadline;
}

}  // namespace paperboy
