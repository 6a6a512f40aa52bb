// Answers that were paid for, kept in Redis for as long as the ledger may not
// have them (redis_keys::Score). It saves calls; it is never the truth. One
// thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/redis.h"
#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

class ScoreCache {
 public:
  explicit ScoreCache(Redis& redis) : redis_(redis) {}

  // One entry per paper, in their order; nothing where none is kept, or what is
  // kept does not read as an answer to this paper in this stage. An error means
  // that Redis did not answer: try again. Calls `done` as Redis::Command does.
  using Found = std::vector<std::optional<wire::CachedScore>>;
  void Find(const wire::Batch& batch, std::function<void(Result<Found>)> done);

  // Keeps what `result` answered in `call` (scores and verdicts on titles; what
  // is missing or refused is to be asked again). A failure is logged, once per
  // outage: the answer goes to the ledger all the same.
  void Store(const wire::PaperResult& result, const wire::Call& call);

 private:
  Redis& redis_;
  bool failing_ = false;
};

}  // namespace paperboy
