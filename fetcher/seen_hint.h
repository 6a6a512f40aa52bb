// Which papers the ledger has, as far as Redis knows: spares sending their
// texts. Only a hint; the ledger asks for what it wants after all.
#pragma once

#include <string>
#include <vector>

#include "common/redis.h"
#include "fetcher/pump.h"

namespace paperboy {

class SeenHint {
 public:
  SeenHint(Pump& pump, Redis& redis) : pump_(pump), redis_(redis) {}

  // One answer per id, in their order; all false when Redis does not answer
  // within a second. `ledger` is the ledger's own id, `profile` a name.
  std::vector<bool> Seen(const std::string& ledger, const std::string& profile,
                         const std::vector<std::string>& ids);

 private:
  Pump& pump_;
  Redis& redis_;
  bool given_time_ = false;  // to connect
};

}  // namespace paperboy
