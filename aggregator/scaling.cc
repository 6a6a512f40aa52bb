#include "aggregator/scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace paperboy {
namespace {

// Models that are remembered, in the ledger those that were heard of last.
constexpr size_t kModelsKept = 100;
// A change by less is noise.
constexpr double kNoise = 0.1;

bool Changed(int64_t before, int64_t now) {
  return std::abs(static_cast<double>(now - before)) > kNoise * static_cast<double>(before);
}

bool Changed(const ScorerPace& before, const ScorerPace& now) {
  return Changed(before.rpm, now.rpm) || before.tpm != now.tpm || before.calls != now.calls ||
         Changed(before.latency_ms, now.latency_ms);
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

double BusyScorers(const Backlog& backlog, const std::optional<ScorerPace>& pace) {
  if (backlog.out || !pace || pace->calls == 0 || pace->latency_ms == 0) return 0;
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
  return std::min(in_flight, backlog.calls) / static_cast<double>(pace->calls);
}

void Scaling::Heard(const std::string& model, ScorerPace pace) {
  if (heard_.size() > kModelsKept) heard_.clear();
  if (const auto known = Find(model)) {
    if (pace.latency_ms == 0) pace.latency_ms = known->latency_ms;
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
    if (kept != kept_.end() && !Changed(kept->second, pace)) continue;
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
  double least = 0, most = 0;
  for (const auto& [model, backlog] : backlogs) {
    if (backlog.calls <= 0 && !backlog.waits) continue;
    const double busy = BusyScorers(backlog, Find(model));
    least += std::max(1.0, busy);
    most += std::max(1.0, (1 + kNoise) * busy);
  }
  if (now_ < std::ceil(least) || now_ > std::ceil(most)) {
    now_ = static_cast<uint32_t>(std::ceil(least));
  }
  while (!lately_.empty() && lately_.front().first + kScaleDownWindow < now) lately_.pop_front();
  while (!lately_.empty() && lately_.back().second <= now_) lately_.pop_back();
  lately_.emplace_back(now, now_);
  return lately_.front().second;
}

}  // namespace paperboy
