#include "aggregator/scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace paperboy {
namespace {

// Models that are remembered, in the ledger those that were heard of last.
constexpr size_t kModelsKept = 100;
// A quota that changed by less is as before.
constexpr double kChanged = 0.1;
// How far the latency in use may lie above what scorers say.
constexpr double kLatencyAbove = 0.15;

bool Changed(int64_t before, int64_t now) {
  return std::abs(static_cast<double>(now - before)) > kChanged * static_cast<double>(before);
}

// As near to what it was as may be. Never below what is said: too few scorers leave quota
// unused, and those that are too many only wait.
int64_t Followed(int64_t before, int64_t said) {
  return std::clamp(before, said,
                    said + static_cast<int64_t>(kLatencyAbove * static_cast<double>(said)));
}

}  // namespace

ScorerPace Together(const std::vector<ScorerPace>& said) {
  ScorerPace pace;
  std::vector<int64_t> latencies;
  const auto least = [](int64_t* limit, int64_t other) {
    if (other > 0 && (*limit == 0 || other < *limit)) *limit = other;
  };
  for (const ScorerPace& one : said) {
    least(&pace.rpm, one.rpm);
    least(&pace.tpm, one.tpm);
    pace.calls = std::max(pace.calls, one.calls);
    if (one.latency_ms > 0) latencies.push_back(one.latency_ms);
  }
  if (latencies.empty()) return pace;
  const auto middle = latencies.begin() + static_cast<ptrdiff_t>(latencies.size() / 2);
  std::nth_element(latencies.begin(), middle, latencies.end());
  pace.latency_ms = *middle;
  return pace;
}

uint32_t ScorersFor(const Backlog& backlog, const std::optional<ScorerPace>& pace) {
  if (backlog.calls <= 0) return backlog.waits ? 1 : 0;
  if (backlog.out || !pace || pace->calls == 0 || pace->latency_ms == 0) return 1;
  constexpr double kUnlimited = std::numeric_limits<double>::infinity();
  double calls_per_second = kUnlimited;
  if (pace->rpm > 0) calls_per_second = static_cast<double>(pace->rpm) / 60;
  if (pace->tpm > 0 && backlog.tokens_per_call > 0) {
    calls_per_second =
        std::min(calls_per_second, static_cast<double>(pace->tpm) / 60 / backlog.tokens_per_call);
  }
  if (calls_per_second == kUnlimited) {
    calls_per_second = backlog.calls / std::chrono::duration<double>(kWithoutQuota).count();
  }
  const double in_flight = calls_per_second * static_cast<double>(pace->latency_ms) / 1e3;
  const double of_use = std::min(in_flight, backlog.calls);
  return std::max(1u, static_cast<uint32_t>(std::ceil(of_use / static_cast<double>(pace->calls))));
}

void Scaling::Heard(const std::string& model, ScorerPace pace) {
  if (heard_.size() > kModelsKept) heard_.clear();
  if (const auto known = Find(model)) {
    if (pace.latency_ms == 0) pace.latency_ms = known->latency_ms;
    if (known->latency_ms > 0) pace.latency_ms = Followed(known->latency_ms, pace.latency_ms);
    if (!Changed(known->rpm, pace.rpm)) pace.rpm = known->rpm;
  }
  heard_[model] = pace;
}

std::optional<ScorerPace> Scaling::Find(const std::string& model) {
  if (const auto heard = heard_.find(model); heard != heard_.end()) return heard->second;
  auto cursor = db_.Query(
      "SELECT rpm, tpm, calls, latency_ms FROM scorer_pace WHERE model = ?1 OR ?1 = '' "
      "ORDER BY rowid DESC LIMIT 1",
      model);
  if (!cursor.Next()) return std::nullopt;
  return ScorerPace{cursor.Int(0), cursor.Int(1), cursor.Int(2), cursor.Int(3)};
}

void Scaling::Keep() {
  for (const auto& [model, pace] : heard_) {
    const auto kept = kept_.find(model);
    if (kept != kept_.end() && kept->second == pace) continue;
    db_.Exec("INSERT OR REPLACE INTO scorer_pace VALUES (?, ?, ?, ?, ?)", model, pace.rpm, pace.tpm,
             pace.calls, pace.latency_ms);
    db_.Exec(
        "DELETE FROM scorer_pace WHERE rowid <= (SELECT rowid FROM scorer_pace "
        "ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        static_cast<int64_t>(kModelsKept));
    if (kept_.size() > kModelsKept) kept_.clear();
    kept_[model] = pace;
  }
}

uint32_t Scaling::Desired(const std::map<std::string, Backlog>& backlogs, MonotonicTime now) {
  uint32_t sum = 0;
  for (const auto& [model, backlog] : backlogs) sum += ScorersFor(backlog, Find(model));
  while (!lately_.empty() && lately_.front().first + kScaleDownWindow < now) lately_.pop_front();
  while (!lately_.empty() && lately_.back().second <= sum) lately_.pop_back();
  lately_.emplace_back(now, sum);
  return lately_.front().second;
}

}  // namespace paperboy
