#include "tests/simulation/scaling/figures.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace paperboy::sim {
namespace {

// A phase goes one way, and may turn once: up, and down again when its work is done.
constexpr int kMostTurns = 1;
// The mean of 64 latencies is off by a twentieth, and the most of five minutes counts. The
// first number rests on a handful of calls: it may be off by more until it is forgotten.
constexpr double kMostAbove = 1.2, kMostAboveAtFirst = 1.5;
constexpr uint64_t kFirstCalls = 64;
// Until a quota that was lowered is found: two of its windows, and what counts of before.
constexpr double kForgottenAfterMinutes = 2 + kScaleDownWindow / std::chrono::minutes(1);
constexpr double kMeanLatencySeconds =
    (Scene::kLeastLatency.count() + Scene::kLongestLatency.count()) / 2.0;

using Samples = std::vector<Sample>;

// How often it turns from rising to falling or back.
template <class Value>
int Turns(const Samples& samples, Value value) {
  int turns = 0, way = 0;
  for (size_t i = 1; i < samples.size(); ++i) {
    const auto step =
        static_cast<int64_t>(value(samples[i])) - static_cast<int64_t>(value(samples[i - 1]));
    if (step == 0) continue;
    const int now = step > 0 ? 1 : -1;
    if (way != 0 && now != way) ++turns;
    way = now;
  }
  return turns;
}

int64_t Desired(const Sample& sample) { return sample.desired; }
int64_t Replicas(const Sample& sample) { return sample.replicas; }

Samples Between(const Samples& samples, double from, double to) {
  Samples found;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(found),
               [&](const Sample& sample) { return sample.minute >= from && sample.minute < to; });
  return found;
}

// Of the quota of the minutes in which at least as many scorers ran as are of use.
double ShareUsed(const Samples& samples, const ChartSettings& chart) {
  double used = 0, quota = 0;
  for (size_t i = 1; i < samples.size(); ++i) {
    const Sample& now = samples[i];
    const double enough = OfUse(now, chart);
    const bool fed = now.calls_waiting >= now.quota_calls / 60 * kMeanLatencySeconds;
    if (now.out || !fed || static_cast<double>(now.running) < enough) continue;
    used += static_cast<double>(now.calls - samples[i - 1].calls);
    quota += now.quota_calls / 60;
  }
  return quota == 0 ? 0 : used / quota;
}

class Findings {
 public:
  void Say(bool holds, const std::string& text) {
    std::printf("        %s%s\n", holds ? "" : "FAILED: ", text.c_str());
    all_hold_ &= holds;
  }
  bool all_hold() const { return all_hold_; }

 private:
  bool all_hold_ = true;
};

void ReportPhases(const Scene& scene, Findings* findings) {
  const auto& phases = scene.phases();
  for (size_t i = 0; i < phases.size(); ++i) {
    const double end =
        i + 1 < phases.size() ? phases[i + 1].minute : scene.samples().back().minute + 1;
    const Samples phase = Between(scene.samples(), phases[i].minute, end);
    const auto by_desired = [](const Sample& a, const Sample& b) { return a.desired < b.desired; };
    const auto [least, most] = std::minmax_element(phase.begin(), phase.end(), by_desired);
    double of_use = 0, running = 0, beyond = 0;
    for (const Sample& sample : phase) {
      const double use = OfUse(sample, scene.chart());
      of_use = std::max(of_use, use);
      running += static_cast<double>(sample.running) / 60;
      beyond += std::max(0.0, static_cast<double>(sample.running) - use) / 60;
    }
    const int turns = Turns(phase, Desired), scaled = Turns(phase, Replicas);
    findings->Say(
        turns <= kMostTurns && scaled <= kMostTurns,
        fmt::format("{:<14} desired {:>2} to {:>2} of {:>2} of use; turns {}, of the pods {}; "
                    "quota used {:>3.0f} %; scorer-minutes {:>4.0f}, {:>4.0f} beyond use",
                    phases[i].name, least->desired, most->desired, of_use, turns, scaled,
                    100 * ShareUsed(phase, scene.chart()), running, beyond));
  }
}

// With work and nothing known it is one; never more than the quota can use.
void ReportLimits(const Scene& scene, Findings* findings) {
  const Samples& samples = scene.samples();
  const auto first_call =
      std::find_if(samples.begin(), samples.end(), [](const Sample& s) { return s.calls > 0; });
  const auto waits = [](const Sample& s) { return s.papers > 0; };
  const bool one = std::all_of(samples.begin(), first_call,
                               [&](const Sample& s) { return s.desired == (waits(s) ? 1u : 0u); });
  findings->Say(one, "one while nothing is known of the model, none before there is work");
  const auto steady = std::find_if(samples.begin(), samples.end(),
                                   [](const Sample& s) { return s.calls >= kFirstCalls; });
  const double steady_at = steady->minute + kForgottenAfterMinutes;
  double at_first = 0, later = 0;
  for (auto sample = samples.begin(); sample != samples.end(); ++sample) {
    double allowed = 0;
    for (auto past = sample;; --past) {
      if (sample->minute - past->minute > kForgottenAfterMinutes) break;
      allowed = std::max(allowed, OfUse(*past, scene.chart()));
      if (past == samples.begin()) break;
    }
    if (sample->desired == 0) continue;
    double& worst = sample->minute < steady_at ? at_first : later;
    worst = std::max(worst, allowed == 0 ? HUGE_VAL : sample->desired / allowed);
  }
  findings->Say(at_first <= kMostAboveAtFirst && later <= kMostAbove,
                fmt::format("at most {:.2f} times what quota and work can use, {:.2f} by the first "
                            "answers",
                            later, at_first));
}

void ReportTimes(const Scene& scene, Findings* findings) {
  const Samples& samples = scene.samples();
  const auto works = [](const Sample& s) { return s.papers > 0; };
  const auto begin = std::find_if(samples.begin(), samples.end(), works);
  const auto end = std::find_if(samples.rbegin(), samples.rend(), works).base();
  const auto enough = std::find_if(begin, samples.end(), [&](const Sample& s) {
    return s.papers > 0 && s.desired > 1 &&
           static_cast<double>(s.running) >= OfUse(s, scene.chart());
  });
  const auto none = std::find_if(end, samples.end(),
                                 [](const Sample& s) { return s.running == 0 && s.desired == 0; });
  const bool ends = none != samples.end() && samples.back().running == 0 && end != samples.end();
  findings->Say(ends && enough != samples.end(),
                fmt::format("from the first paper to as many as are of use {:.1f} min, of work "
                            "{:.1f} min, from the last score to none {:.1f} min",
                            enough == samples.end() ? NAN : enough->minute - begin->minute,
                            end == samples.end() ? NAN : end->minute - begin->minute,
                            ends ? none->minute - end->minute : NAN));
}

}  // namespace

double OfUse(const Sample& sample, const ChartSettings& chart) {
  const double in_flight =
      std::min(sample.quota_calls / 60 * kMeanLatencySeconds, sample.calls_waiting);
  return std::ceil(in_flight / static_cast<double>(chart.scorer.concurrency));
}

bool Report(const World& world, Scene* scene) {
  Findings findings;
  ReportPhases(*scene, &findings);
  ReportLimits(*scene, &findings);
  ReportTimes(*scene, &findings);
  const int64_t published = scene->Count("SELECT count(*) FROM digest WHERE state = 'published'");
  const int64_t unscored =
      scene->Count("SELECT count(*) FROM row WHERE state IS NULL OR state = 'unscored'");
  findings.Say(world.violation().empty() && scene->fetched() == scene->fetches() && unscored == 0,
               fmt::format("{} digests published, {} papers without a score, {} calls{}", published,
                           unscored, scene->model().admitted(),
                           world.violation().empty() ? "" : "; " + world.violation()));
  return findings.all_hold();
}

}  // namespace paperboy::sim
