// Paperboy's three programs, composed as their main functions do it, on nodes of
// the world.
#pragma once

#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/aggregator.h"
#include "fetcher/run.h"
#include "scorer/scorer.h"
#include "tests/simulation/sim_http.h"
#include "tests/simulation/sim_loop.h"
#include "tests/simulation/sim_net.h"
#include "tests/simulation/sim_redis.h"

namespace paperboy::sim {

// OUT in memory.
class MemoryFolder : public Folder {
 public:
  explicit MemoryFolder(const bool& full) : full_(full) {}
  void SetNode(Node* node) { node_ = node; }
  const std::string& path() const override { return path_; }
  bool Has(const std::string& path) override { return files_.contains(path); }
  std::optional<std::string> Read(const std::string& path) override;
  Status Write(const std::string& path, const std::string& content) override;
  Status Remove(const std::string& path) override;
  const std::map<std::string, std::string>& files() const { return files_; }
  void Clear() { files_.clear(); }

 private:
  const bool& full_;
  Node* node_ = nullptr;
  std::string path_ = "out";
  std::map<std::string, std::string> files_;
};

// The aggregator's machine: what survives its process.
struct Disk {
  bool full = false;
  MemoryFolder out{full};
  std::unique_ptr<Store> store = Store::InMemory();
  std::string backup;

  void SetNode(Node* node);
  void Replace(const std::string& image);  // empty: a new ledger

 private:
  Node* node_ = nullptr;
  void Hook();
};

// What every program finds around it.
struct Surroundings {
  World& world;
  Net& net;
  RedisHost& redis;
  SimHttp::Hosts hosts;
};

inline constexpr char kFetcherService[] = "fetchers";
inline constexpr char kScorerService[] = "scorers";

// `made_at_once`: units of work that it makes in a turn.
std::unique_ptr<Program> StartAggregator(Surroundings& around, Disk& disk, const Prices& prices,
                                         Node& node, size_t made_at_once);
// What the aggregator that runs there answers at /scaling.
std::optional<Aggregator::ScalingView> ScalingOf(Node& aggregator);
std::unique_ptr<Program> StartScorer(Surroundings& around, const ScorerSettings& settings,
                                     Node& node);
// `exit` gets the exit code, unless it is killed.
std::unique_ptr<Program> StartFetcher(Surroundings& around, const FetcherSettings& settings,
                                      const std::vector<wire::Profile>& profiles,
                                      std::optional<int>* exit, Node& node);

}  // namespace paperboy::sim
