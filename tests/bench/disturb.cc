#include "tests/bench/disturb.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <random>

#include "tests/bench/grants.h"

namespace paperboy::bench {
namespace {

constexpr double kSteadyShare = 0.99;
constexpr double kKillsShare = 0.94;
constexpr double kLostGrants = 0.05;
// Between two kills: what a kill loses is known after the horizon.
constexpr double kKillPause = 2.5;
constexpr size_t kScorersAKill = 8;
constexpr int kFlushCount = 10;
constexpr int kRestartCount = 3;
constexpr double kMostLost = 4;  // seconds of quota for each loss of Redis's data
// Of the halved quota, from two windows on.
constexpr double kHalvedShare = 0.9;
constexpr double kPauseSeconds = 5;
constexpr int kPauseCount = 2;
// A 429 is on its way back, and is told, while others still send.
constexpr double kPauseGrace = 0.15;
// Calls of a second, of the quota's: its burst and what came late come on top.
constexpr double kStampede = 1.3;

std::string Percent(double part) { return fmt::format("{:.1f} %", part * 100); }

void Fail(Verdict* verdict, const std::string& why) {
  verdict->failed += (verdict->failed.empty() ? "" : "; ") + why;
}

class Steady : public Disturbance {
 public:
  explicit Steady(const Load& load) : load_(load) {}
  Verdict Judge(const Watch& watch) override { return JudgeSteady(watch, load_, kSteadyShare); }

 private:
  const Load& load_;
};

class Kills : public Disturbance {
 public:
  Kills(System& system, const Load& load, std::function<void()> run_scorer)
      : system_(system),
        load_(load),
        run_scorer_(std::move(run_scorer)),
        grants_(system.redis().port()) {}

  void Tick(double now) override {
    if (now < last_kill_ + kKillPause) return;
    const size_t due = Due();
    if (static_cast<double>(due - std::min(due, system_.llm().arrivals().size())) >=
        kLostGrants * static_cast<double>(due)) {
      return;
    }
    std::vector<size_t> alive;
    for (size_t i = 0; i < system_.scorers(); ++i) {
      if (system_.scorer(i).running()) alive.push_back(i);
    }
    // The more there are, the less each of them has been granted.
    std::shuffle(alive.begin(), alive.end(), random_);
    alive.resize(std::max<size_t>(1, alive.size() / kScorersAKill));
    for (const size_t i : alive) {
      Process& victim = system_.scorer(i);
      victim.Kill(SIGKILL);
      victim.Wait(std::chrono::seconds(5));
      run_scorer_();
      ++kills_;
    }
    last_kill_ = now;
  }

  Verdict Judge(const Watch& watch) override {
    const size_t due = Due();
    const size_t sent = system_.llm().arrivals().size();
    Verdict verdict = JudgeSteady(watch, load_, kKillsShare);
    const double lost = 1 - static_cast<double>(sent) / static_cast<double>(due);
    verdict.remark = fmt::format("{} kills; of {} send times {} lost ({})", kills_, due, due - sent,
                                 Percent(lost));
    if (lost < kLostGrants * 0.9) Fail(&verdict, "too few send times were lost to show anything");
    return verdict;
  }

 private:
  size_t Due() const {
    return grants_.Due(std::chrono::duration<double>(load_.limits.jitter).count());
  }

  System& system_;
  const Load& load_;
  std::function<void()> run_scorer_;
  Grants grants_;
  std::mt19937 random_{1};
  double last_kill_ = -1e9;
  int kills_ = 0;
};

// Redis loses what it knew, a number of times, evenly spread.
class Losses : public Disturbance {
 public:
  Losses(const Load& load, int windows, int count)
      : load_(load), count_(count), spacing_(load.window * windows / count) {}

  void Tick(double now) override {
    if (now < 0) return Prepare();
    if (done_ == count_ || now < spacing_ * (done_ + 0.2)) return;
    Lose();
    ++done_;
  }

  Verdict Judge(const Watch& watch) override {
    Verdict verdict = JudgeSteady(watch, load_, 0);
    const double down = down_ / count_;
    const double each = (verdict.use.seconds - verdict.use.ideal) / count_ - down;
    verdict.remark =
        fmt::format("{} losses, {:.2f} s of quota each, and {:.2f} s while Redis was not there",
                    done_, each, down);
    if (each > kMostLost) Fail(&verdict, fmt::format("more than {} s of quota each", kMostLost));
    return verdict;
  }

 protected:
  virtual void Prepare() {}
  virtual void Lose() = 0;
  // Nobody could have used the quota meanwhile.
  void WasDown(double seconds) { down_ += seconds; }

 private:
  const Load& load_;
  double down_ = 0;
  const int count_;
  const double spacing_;
  int done_ = 0;
};

class Flushes : public Losses {
 public:
  Flushes(System& system, const Load& load, int windows)
      : Losses(load, windows, kFlushCount), system_(system) {}

 protected:
  void Lose() override { system_.redis().Command("FLUSHALL"); }

 private:
  System& system_;
};

class OldRedis : public Losses {
 public:
  OldRedis(System& system, const Load& load, int windows)
      : Losses(load, windows, kRestartCount), system_(system) {}

 protected:
  void Prepare() override {
    if (saved_) return;
    system_.redis().Command("SAVE");
    saved_ = true;
  }
  // Nothing is saved at its end, so that it comes back with that file.
  void Lose() override {
    const auto start = std::chrono::steady_clock::now();
    system_.redis().Restart();
    WasDown(Quota::Seconds(std::chrono::steady_clock::now() - start).count());
  }

 private:
  System& system_;
  bool saved_ = false;
};

class Halved : public Disturbance {
 public:
  Halved(System& system, const Load& load)
      : system_(system), load_(load), at_(2 * load.window), followed_(4 * load.window) {}

  void Tick(double now) override {
    if (done_ || now < at_) return;
    Quota::Limits half = load_.provider;
    half.requests_per_minute /= 2;
    half.tokens_per_minute /= 2;
    system_.llm().SetQuota(half);
    done_ = true;
  }

  Verdict Judge(const Watch& watch) override {
    LimiterSettings half = load_.limits;
    half.rpm /= 2;
    half.tpm /= 2;
    const Arrivals after = watch.Measured(followed_, watch.seconds());
    const size_t late = Refused(after);
    Verdict verdict;
    verdict.refused = Refused(watch.all());
    verdict.use = UseOf(after, watch.seconds() - followed_, half);
    verdict.remark = fmt::format(
        "{} refused in the two windows after it, {} later; share from then on, of the half",
        Refused(watch.Measured(at_, followed_)), late);
    if (Refused(watch.Measured(-load_.window, at_)) > 0) Fail(&verdict, "refused before");
    if (late > 0) Fail(&verdict, fmt::format("{} refused after two windows", late));
    if (verdict.use.of_usable() < kHalvedShare) {
      Fail(&verdict, "less than " + Percent(kHalvedShare) + " of the half");
    }
    return verdict;
  }

 private:
  System& system_;
  const Load& load_;
  const double at_, followed_;
  bool done_ = false;
};

class Pauses : public Disturbance {
 public:
  Pauses(System& system, const Load& load, int windows)
      : system_(system), load_(load), spacing_(load.window * windows / kPauseCount) {}

  void Tick(double now) override {
    if (now < 0 || done_ == kPauseCount || now < spacing_ * (done_ + 0.2)) return;
    system_.llm().SetFaults(fmt::format("429-{}#1", kPauseSeconds));
    ++done_;
  }

  Verdict Judge(const Watch& watch) override {
    Verdict verdict;
    verdict.use = UseOf(watch.Measured(), watch.seconds(), load_.limits);
    verdict.refused = Refused(watch.all());
    if (verdict.refused > 0) Fail(&verdict, fmt::format("{} refused", verdict.refused));
    size_t on_the_way = 0, during = 0, most = 0;
    double resumed = 0;
    int seen = 0;
    for (const auto& hit : watch.all()) {
      if (hit.fault.empty()) continue;
      ++seen;
      const double at = Quota::Seconds(hit.at - watch.start()).count();
      on_the_way += watch.Measured(at + 1e-6, at + kPauseGrace).size();
      during += watch.Measured(at + kPauseGrace, at + kPauseSeconds).size();
      const Arrivals after = watch.Measured(at + kPauseSeconds, at + kPauseSeconds + 5);
      most = std::max(most, MostWithin(after, 1));
      resumed = std::max(
          resumed,
          after.empty() ? 5 : Quota::Seconds(after.front().at - hit.at).count() - kPauseSeconds);
    }
    const double peak = static_cast<double>(most) / load_.calls_per_second;
    verdict.remark = fmt::format(
        "{} pauses of {} s: {} calls in their first {} ms, {} after; resumed within {:.2f} s; "
        "most in a second then {} ({} of the quota)",
        seen, kPauseSeconds, on_the_way, kPauseGrace * 1000, during, resumed, most, Percent(peak));
    if (seen != kPauseCount) Fail(&verdict, "the 429s were not sent");
    if (during > 0) Fail(&verdict, fmt::format("{} calls during a pause", during));
    if (resumed > 1) Fail(&verdict, "resumed late");
    if (peak > kStampede) Fail(&verdict, "a stampede");
    return verdict;
  }

 private:
  System& system_;
  const Load& load_;
  const double spacing_;
  int done_ = 0;
};

}  // namespace

std::string NameOf(Trouble trouble) {
  switch (trouble) {
    case Trouble::kKills:
      return "kills";
    case Trouble::kFlushes:
      return "flushes";
    case Trouble::kOldRedis:
      return "old-redis";
    case Trouble::kHalved:
      return "halved";
    case Trouble::kHalvedSilently:
      return "halved-silently";
    case Trouble::kPauses:
      return "pauses";
    case Trouble::kNone:
      break;
  }
  return "none";
}

Verdict JudgeSteady(const Watch& watch, const Load& load, double at_least) {
  Verdict verdict;
  verdict.use = UseOf(watch.Measured(), watch.seconds(), load.limits);
  verdict.refused = Refused(watch.all());
  if (verdict.refused > 0) Fail(&verdict, fmt::format("{} refused", verdict.refused));
  if (verdict.use.of_usable() < at_least) {
    Fail(&verdict, "less than " + Percent(at_least) + " of the usable quota");
  }
  return verdict;
}

std::unique_ptr<Disturbance> Disturb(Trouble trouble, System& system, const Load& load, int windows,
                                     const std::function<void()>& run_scorer) {
  switch (trouble) {
    case Trouble::kKills:
      return std::make_unique<Kills>(system, load, run_scorer);
    case Trouble::kFlushes:
      return std::make_unique<Flushes>(system, load, windows);
    case Trouble::kOldRedis:
      return std::make_unique<OldRedis>(system, load, windows);
    case Trouble::kHalved:
    case Trouble::kHalvedSilently:
      return std::make_unique<Halved>(system, load);
    case Trouble::kPauses:
      return std::make_unique<Pauses>(system, load, windows);
    case Trouble::kNone:
      break;
  }
  return std::make_unique<Steady>(load);
}

}  // namespace paperboy::bench
