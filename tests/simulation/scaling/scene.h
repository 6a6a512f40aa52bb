// A stretch of time in which an autoscaler follows desired_scorers: papers that come in,
// a quota that is changed, a provider that is out. The three programs are the shipped
// ones; the autoscaler, the pods' start and the provider are models.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/model.h"
#include "tests/simulation/scaling/autoscaler.h"
#include "tests/simulation/scaling/pods.h"
#include "tests/support/temp_dir.h"

namespace paperboy::sim {

// What the rendered chart says.
struct ChartSettings {
  Autoscaler::Settings autoscaler;
  ScorerSettings scorer;
  std::chrono::seconds grace{};
};

// Once a second.
struct Sample {
  double minute = 0;  // since the scene's beginning
  uint32_t desired = 0;
  int replicas = 0;        // that the autoscaler wants
  size_t running = 0;      // scorers
  uint64_t papers = 0;     // that wait
  uint64_t calls = 0;      // that the provider let pass so far
  uint64_t tokens = 0;     // that these counted
  double quota_calls = 0;  // that the quota lets begin in a minute
  double quota_tokens = 0;
  bool out = false;  // the provider is
  double calls_waiting = 0;
};

class Scene {
 public:
  static constexpr size_t kPapersADay = 800;
  static constexpr size_t kPapersACall = 4;
  static constexpr std::chrono::seconds kLeastLatency{15}, kLongestLatency{45};

  Scene(World& world, const ChartSettings& chart, size_t profiles);
  ~Scene();

  // The announcement of a date for all profiles is fetched then.
  void Fetch(const std::string& date, Microseconds at);
  // Something happens then, and begins a phase of that name.
  void Phase(const std::string& name, Microseconds at, std::function<void()> what);
  void SetQuota(double rpm, double tpm);
  void SetOut(bool out);
  void Upgrade(int64_t rpm, int64_t tpm);
  void Run(Microseconds length);

  struct Begun {
    std::string name;
    double minute;
  };
  const std::vector<Begun>& phases() const { return phases_; }
  const std::vector<Sample>& samples() const { return samples_; }
  const ChartSettings& chart() const { return chart_; }
  const Model& model() const { return model_; }
  size_t fetched() const { return fetched_; }
  size_t fetches() const { return fetches_.size(); }
  // Of the ledger.
  int64_t Count(const char* sql);

 private:
  struct Fetcher;
  void EverySecond();
  void StartFetcherFor(Fetcher* fetcher);

  World& world_;
  const ChartSettings chart_;
  const MonotonicTime begin_;
  TempDir files_;
  Net net_;
  RedisHost redis_;
  Model model_;
  bool out_ = false;
  Prices prices_ = Prices::Bundled();
  Disk disk_;
  Surroundings around_;
  Autoscaler autoscaler_;
  std::unique_ptr<Node> aggregator_;
  std::unique_ptr<Pods> pods_;
  std::vector<wire::Profile> profiles_;
  std::vector<std::unique_ptr<Fetcher>> fetches_;
  size_t fetched_ = 0;
  std::vector<Begun> phases_;
  std::vector<Sample> samples_;
};

}  // namespace paperboy::sim
