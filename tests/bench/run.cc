#include "tests/bench/run.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>

#include "tests/bench/feed.h"
#include "tests/bench/grants.h"
#include "tests/bench/watch.h"

namespace paperboy::bench {
namespace {

// As a quick model answers a short question.
constexpr std::chrono::milliseconds kLatency{300};
constexpr double kLatencySpread = 0.3;

LlmServer::Options ProviderOf(const Case& run, const Load& load) {
  return {.quota = load.provider,
          .charge = LlmServer::Charge::kMaximum,
          .latency = kLatency,
          .jitter = kLatencySpread,
          .headers = run.trouble != Trouble::kHalvedSilently};
}

double MeasuredSeconds(const Case& run, const Load& load) { return load.window * run.windows; }

// Calls under way and calls that wait for their send time, with room to spare.
int Concurrency(const Case& run, const Load& load) {
  return std::max(8, static_cast<int>(std::ceil(3 * load.calls_per_second / run.processes)));
}

}  // namespace

std::string Case::Title() const {
  std::string title = fmt::format("{} {}, {} processes", NameOf(mode), NameOf(bound), processes);
  if (trouble != Trouble::kNone) title += ", " + NameOf(trouble);
  return title;
}

Verdict RunPaperboy(const Case& run, const std::string& log) {
  const Load load = run.load();
  System system({.llm = ProviderOf(run, load)});
  const auto papers = PapersFor(load, MeasuredSeconds(run, load));
  system.StartAggregator();
  Feed(system, "batch_size = 1", kPrompt, papers);
  const System::Arguments settings = {
      "--model",        kModel,
      "--rpm",          std::to_string(load.limits.rpm),
      "--tpm",          std::to_string(load.limits.tpm),
      "--quota-window", fmt::format("{}", load.limits.window.count() / 1000),
      "--concurrency",  std::to_string(Concurrency(run, load))};
  const auto run_scorer = [&] { system.StartScorers(1, "openai", settings); };
  // Troubles lose send times on purpose, or Redis with what it says.
  std::optional<Grants> grants;
  if (run.trouble == Trouble::kNone) grants.emplace(system.redis().port());
  const auto disturbance = Disturb(run.trouble, system, load, run.windows, run_scorer);
  for (int i = 0; i < run.processes; ++i) run_scorer();
  Watch watch(system.llm(), "paperboy " + run.Title(), load.window, run.windows);
  watch.Run([&](double now) { disturbance->Tick(now); });
  Verdict verdict = disturbance->Judge(watch);
  if (grants) {
    const size_t due = grants->Due(std::chrono::duration<double>(load.limits.jitter).count());
    const size_t sent = std::min(due, system.llm().arrivals().size());
    verdict.remark = fmt::format("of {} send times {} were not used", due, due - sent);
  }
  verdict.remark +=
      fmt::format("; this machine was up to {:.0f} ms late", watch.machine_late() * 1000);
  if (watch.all().size() >= papers.size()) verdict.failed = "the papers did not suffice";
  if (!log.empty()) std::ofstream(log, std::ios::app) << system.Logs();
  return verdict;
}

Verdict RunPeer(const Case& run, const std::string& folder) {
  const Load load = run.load();
  RedisServer redis;
  LlmServer provider(ProviderOf(run, load));
  provider.Start();
  const TempDir files;
  const auto bodies = Bodies();
  std::ofstream(files.File("0.json")) << bodies[0];
  std::ofstream(files.File("1.json")) << bodies[1];
  {
    std::ofstream jobs(files.File("jobs"));
    const size_t count = PapersFor(load, MeasuredSeconds(run, load)).size();
    for (size_t i = 0; i < count; ++i) jobs << (IsLong(load, i) ? '1' : '0');
  }
  // Its limiter counts calls alone: as many as the quota lets through on average.
  const double seconds = load.provider.window.count();
  const auto most = static_cast<int>(std::floor(load.calls_per_second * seconds + 1e-9));
  const auto node = [&](const std::string& script) {
    return std::vector<std::string>{"node",
                                    folder + "/" + script,
                                    std::to_string(redis.port()),
                                    provider.url() + "/chat/completions",
                                    files.path().string(),
                                    std::to_string(most),
                                    std::to_string(std::lround(seconds * 1000)),
                                    std::to_string(Concurrency(run, load))};
  };
  Process fill(node("fill.mjs"));
  const auto filled = fill.Wait(std::chrono::minutes(2));
  if (!filled || filled->code != 0) {
    throw std::runtime_error("the peer's queue was not filled: " + fill.Stderr());
  }
  std::vector<std::unique_ptr<Process>> workers;
  for (int i = 0; i < run.processes; ++i) {
    workers.push_back(std::make_unique<Process>(node("worker.mjs")));
  }
  Watch watch(provider, "bullmq " + run.Title(), load.window, run.windows);
  watch.Run([&](double) {
    for (const auto& worker : workers) {
      if (!worker->running()) {
        throw std::runtime_error("a worker of the peer ended: " + worker->Stderr());
      }
    }
  });
  Verdict verdict = JudgeSteady(watch, load, 0);
  verdict.failed.clear();
  return verdict;
}

}  // namespace paperboy::bench
