// Watches a run and says what must never be: an acknowledgement of what is not
// stored, a hint at what is not recorded, a call without Redis, a paper that was
// sent to the model more often than the faults that hit it explain; and at the
// end, a day that is not what an undisturbed run makes of it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/model.h"
#include "tests/simulation/programs.h"
#include "tests/simulation/scenario.h"

namespace paperboy::sim {

using Files = std::map<std::string, std::string>;

class Witness {
 public:
  Witness(World& world, Model& model, RedisHost& redis, Disk& disk)
      : world_(world), model_(model), redis_(redis), disk_(disk) {}

  // ---- while it runs
  void OnCall(const std::string& scorer);
  void OnFrame(const std::string& from, const std::string& to, const std::string& service,
               const std::string& frame);
  void OnRedisWrite(const std::vector<std::string>& args);
  void OnScorerGone(const std::string& scorer, uint64_t life, bool killed);
  // The aggregator may not have heard the node for that time.
  void OnUnheard(const std::string& node, MonotonicTime from, MonotonicTime to);
  void OnRedisUnsure() { redis_unsure_ = true; }
  void OnLedgerReplaced();

  // ---- at the end; `expected` is what an undisturbed run published
  void CheckSends() const;
  void CheckPauses() const;
  void CheckQuota(const Scenario& scenario) const;
  void CheckLedger(const Scenario& scenario) const;
  // No budget was exceeded by what calls reported.
  void CheckMoney(const Scenario& scenario) const;
  void CheckFiles(const Files& files, const Files& expected) const;

  size_t repeats() const;

 private:
  struct Span {
    std::string node;
    MonotonicTime from, to;
  };
  void OnScorerReply(const std::string& scorer, const std::string& frame);
  void OnFetcherReply(const std::string& fetcher, const std::string& frame);
  void CheckAcknowledged(const wire::Result& result) const;
  void CheckRows(const wire::Rows& rows) const;
  uint64_t Allowed(const std::string& unit) const;
  std::optional<MonotonicTime> SafeSince(const Model::Unit& unit) const;
  bool LongEnough(const Span& span) const;
  bool Hit(const Model::Call& call, const Model::Unit& unit, const Span& span) const;
  bool RedisUnsure() const { return redis_unsure_ || redis_.ever_lost(); }
  int64_t Count(const char* sql) const;

  World& world_;
  Model& model_;
  RedisHost& redis_;
  Disk& disk_;
  std::map<std::string, std::string> unit_of_;                       // by work key
  std::map<std::string, std::set<std::string>> keys_of_;             // by unit
  std::map<std::string, std::map<uint64_t, wire::Result>> results_;  // by scorer and lease
  std::map<std::string, std::map<uint64_t, wire::Rows>> rows_;       // by fetcher and request
  std::vector<Span> spans_;
  std::map<std::pair<std::string, uint64_t>, MonotonicTime> deaths_;  // by scorer and life
  uint64_t ledgers_replaced_ = 0;
  bool redis_unsure_ = false;
};

}  // namespace paperboy::sim
