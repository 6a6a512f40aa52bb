// What the chaos tests share: a system that is disturbed, who was hit by what, and
// the one ending of every case: recovered, nothing lost, nothing doubled.
#pragma once

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "aggregator/sqlite.h"
#include "tests/process/digest_test.h"

namespace paperboy {

// A stop that nobody takes for a death, and one that everybody does (kSilence is 8 s).
inline constexpr std::chrono::milliseconds kShortStop{2'000};
inline constexpr std::chrono::milliseconds kLongStop{10'000};

// Another seed every time, unless PAPERBOY_CHAOS_SEED names one.
inline uint64_t ChaosSeed() {
  const char* given = std::getenv("PAPERBOY_CHAOS_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("PAPERBOY_CHAOS_SEED=%lu\n", static_cast<unsigned long>(seed));
  return seed;
}

// Waits for `time` while `holds` stays true; false as soon as it does not.
inline bool StaysTrue(const std::function<bool()>& holds, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    if (!holds()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// What two runs of a digest must agree in: all of it but times, tokens and cost; and
// if papers are `left_out`, but for them and what is said about how many there are.
struct Published {
  std::string page;
  nlohmann::json digest;

  static Published Of(const System& system, const std::string& date, const std::string& profile,
                      const std::map<std::string, std::string>& left_out = {}) {
    Published published{WithoutCost(system.Page(date, profile)), system.DigestJson(date, profile)};
    if (!left_out.empty()) published.LeaveOut(left_out);
    for (const char* spent :
         {"completed_at", "calls", "prompt_tokens", "completion_tokens", "prompt_dollars",
          "completion_dollars", "edition", "lost_calls", "lost_dollars_at_most"}) {
      published.digest.erase(spent);
    }
    for (auto& row : published.digest["rows"]) row.erase("call");
    return published;
  }

  void LeaveOut(const std::map<std::string, std::string>& papers) {
    page.erase(0, page.find("# "));  // the notes
    digest.erase("notes");
    digest.erase("funnel");
    nlohmann::json rows;
    for (const auto& row : digest["rows"]) {
      if (!papers.contains(row["id"])) rows.push_back(row);
    }
    digest["rows"] = rows;
  }
};

struct DigestName {
  std::string date = kDate;
  std::string profile = "day";
};
struct Ending {
  // How an undisturbed run gets there; what it is given has published nothing but
  // what an earlier ending of the same case did.
  std::function<void(System&)> undisturbed;
  std::vector<DigestName> digests = {DigestName()};
  // How often a paper must be asked about: once for each prompt.
  uint64_t questions = 1;
  // How often it may have been asked about for an edition that was replaced.
  uint64_t replaced_questions = 0;
  // Papers that end without a score, and why.
  std::map<std::string, std::string> unscored;
};

class Chaos {
 public:
  using Arguments = System::Arguments;
  // `toml` is what its profile, "day", has beside the name. Scorers need keys of
  // their own for their hits to be counted.
  explicit Chaos(Day day, std::string toml = "", bool own_keys = true)
      : day_(WithKeys(std::move(day), own_keys)),
        toml_(std::move(toml)),
        random_(ChaosSeed()),
        calm_(Calm(day_).settings),
        system(day_.settings) {}

  const Day& day() const { return day_; }

  // ---- what runs --------------------------------------------------------------

  // The aggregator and scorers; `everybody` is added to what aggregator and fetcher
  // are told.
  void StartService(int scorers, const Arguments& to_scorers = {"--concurrency", "2"},
                    const Arguments& everybody = {}) {
    scorer_arguments_ = to_scorers;
    everybody_ = everybody;
    system.StartAggregator(everybody);
    AddScorers(scorers);
    // Now, so that it is ready when it is needed.
    calm_.StartAggregator();
    calm_.StartScorers(2);
  }
  void Start(int scorers, const Arguments& to_scorers = {"--concurrency", "2"},
             const Arguments& everybody = {}) {
    StartService(scorers, to_scorers, everybody);
    StartFetcher();
  }
  void AddScorers(int n, const Arguments& more = {}) {
    Arguments arguments = scorer_arguments_;
    arguments.insert(arguments.end(), more.begin(), more.end());
    for (int i = 0; i < n; ++i) {
      alive_.push_back(system.scorers());
      system.StartScorers(1, "openai", arguments);
    }
  }
  // The one command of this digest.
  static Arguments Command(System& system, const Day& day, const std::string& toml) {
    return {"--date",     kDate,
            "--source",   "file:" + system.WritePapers("day.jsonl", day.settings.papers),
            "--profile",  system.WriteProfile("day", toml),
            "--deadline", "900s"};
  }
  Arguments Command() { return Command(system, day_, toml_); }
  void StartFetcher(const Arguments& more = {}) {
    Arguments arguments = Command();
    arguments.insert(arguments.end(), everybody_.begin(), everybody_.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    Follow(arguments);
  }
  // Starts a fetcher; what the ending waits for is that one. Returns the one before.
  std::unique_ptr<Process> Follow(const Arguments& command) {
    return std::exchange(fetcher_, system.StartFetcher(command));
  }
  Process& fetcher() { return *fetcher_; }
  size_t alive() const { return alive_.size(); }
  Process& scorer(size_t i) { return system.scorer(alive_.at(i)); }
  std::string KeyOf(size_t i) const { return system.ScorerKey(alive_.at(i)); }

  // ---- chance -----------------------------------------------------------------

  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }
  std::mt19937_64& random() { return random_; }

  // While something is disturbed.
  static void Pass(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }
  // Passes a random part of `most`.
  void Pause(std::chrono::milliseconds most) {
    Pass(std::chrono::milliseconds(Below(static_cast<uint64_t>(most.count()) + 1)));
  }
  size_t scored() { return system.llm().account().scored.size(); }
  // Waits until at least `share` of the papers are scored and then for a random
  // part of a call. The digest must not be out by then.
  void AtRandomInstantAfter(double share) {
    const auto papers = static_cast<double>(day_.settings.papers.size());
    const auto enough = [&] { return static_cast<double>(scored()) >= share * papers; };
    ASSERT_TRUE(WaitUntil(enough, std::chrono::seconds(90))) << system.Logs();
    Pause(day_.settings.llm.latency);
    ASSERT_EQ(system.DigestJson(kDate, "day"), nullptr) << "too late to mean anything";
    std::printf("  after %zu of %zu papers: ", scored(), day_.settings.papers.size());
  }

  // ---- hits -------------------------------------------------------------------

  // Papers whose every score is in the ledger: they are held by nobody any more.
  std::set<std::string> Settled() {
    std::set<std::string> papers;
    try {
      Database ledger(system.data_dir() + "/ledger.db", Access::kRead);
      auto cursor = ledger.Query(
          "SELECT paper FROM work WHERE stage = 0 GROUP BY paper HAVING max(state = 'open') = 0");
      while (cursor.Next()) papers.insert(cursor.Text(0));
    } catch (const StorageError&) {
      // There is no ledger yet.
    }
    return papers;
  }

  // Scorer `i` died, or counts as dead, when `settled` was what Settled() says: a
  // call of it holds its papers from when the server takes it until the ledger has
  // their scores. Each call is hit once. Returns how many papers it held.
  size_t CountHit(size_t i, const std::set<std::string>& settled) {
    return CountHits(KeyOf(i), settled);
  }

  // Stopped first, so that what it holds is what it held when it died. A request
  // that was on its way to the server then is counted at the ending.
  size_t KillScorer(size_t i) {
    scorer(i).Kill(SIGSTOP);
    const auto settled = Settled();
    const size_t held = CountHit(i, settled);
    dead_.emplace_back(KeyOf(i), settled);
    scorer(i).Kill(SIGKILL);
    scorer(i).Wait(std::chrono::seconds(10));
    return held;
  }
  void ReplaceScorer(size_t i) {
    alive_[i] = system.scorers();
    system.StartScorers(1, "openai", scorer_arguments_);
  }
  void KillFetcher() {
    fetcher_->Kill(SIGKILL);
    fetcher_->Wait(std::chrono::seconds(10));
  }

  // ---- the ending -------------------------------------------------------------

  // Every case ends with this. The fetcher says that nothing is left to mend; the
  // page and the status are those of an undisturbed run; every paper has its end
  // state and its score; and none was sent more often than once plus once for
  // each kill that hit a call holding it.
  void ExpectRecovered(const Ending& ending = {}) {
    ASSERT_EQ(fetcher_->Wait(std::chrono::seconds(120)).value_or(Process::Exit{}).code, 0)
        << fetcher_->Stdout() << fetcher_->Stderr() << system.Logs();
    if (ending.undisturbed) {
      ending.undisturbed(calm_);
    } else {
      EXPECT_EQ(calm_.RunFetcher(Command(calm_, day_, toml_)).exit.code, 0) << calm_.Logs();
    }
    for (const auto& [date, profile] : ending.digests) {
      ExpectFunnelAddsUp(system.DigestJson(date, profile));
      ExpectUnscored(system.DigestJson(date, profile), ending.unscored);
      const Published want = Published::Of(calm_, date, profile, ending.unscored);
      const Published got = Published::Of(system, date, profile, ending.unscored);
      EXPECT_FALSE(want.page.empty()) << calm_.Logs();
      EXPECT_EQ(got.page, want.page) << system.Logs();
      EXPECT_EQ(got.digest, want.digest);
    }
    ExpectSends(ending.questions, ending.replaced_questions);
  }

  static void ExpectUnscored(const nlohmann::json& digest,
                             const std::map<std::string, std::string>& why) {
    std::map<std::string, std::string> unscored;
    for (const auto& row : digest["rows"]) {
      if (row["state"] == "unscored") unscored[row["id"]] = row["why"];
    }
    EXPECT_EQ(unscored, why);
  }

  // The model's account, paper by paper.
  void ExpectSends(uint64_t questions, uint64_t replaced) {
    for (const auto& [key, settled] : dead_) CountHits(key, settled);
    const auto account = system.llm().account();
    uint64_t repeats = 0, allowed = 0;
    for (const ArxivPaper& paper : day_.settings.papers) {
      const auto sent = account.sent.find(paper.id);
      const auto hit = hits_.find(paper.id);
      const uint64_t most = questions + replaced + (hit == hits_.end() ? 0 : hit->second);
      const uint64_t times = sent == account.sent.end() ? 0 : sent->second;
      EXPECT_GE(times, questions) << paper.id << " was lost";
      EXPECT_LE(times, most) << paper.id << " was sent more often than kills explain";
      repeats += times - std::min(times, questions);
      allowed += most - questions;
    }
    EXPECT_EQ(account.sent.size(), day_.settings.papers.size());
    EXPECT_EQ(account.rejected_429, 0u);
    std::printf("%zu papers, %lu repeats of at most %lu\n", account.sent.size(),
                static_cast<unsigned long>(repeats), static_cast<unsigned long>(allowed));
    if (testing::Test::HasFailure()) PrintRepeats(account.sent);
    if (testing::Test::HasFailure()) std::printf("%s", system.Logs().c_str());
  }

 private:
  size_t CountHits(const std::string& key, const std::set<std::string>& settled) {
    const auto calls = system.llm().calls();
    std::set<std::string> held;
    for (size_t call = 0; call < calls.size(); ++call) {
      if (calls[call].key != key || hit_calls_.contains(call)) continue;
      for (const std::string& paper : calls[call].papers) {
        if (settled.contains(paper)) continue;
        hit_calls_.insert(call);
        ++hits_[paper];
        held.insert(paper);
      }
    }
    return held.size();
  }

  // Who was asked about each paper that was sent more than once.
  void PrintRepeats(const std::map<std::string, uint64_t>& sent) {
    const auto calls = system.llm().calls();
    for (size_t call = 0; call < calls.size(); ++call) {
      for (const std::string& paper : calls[call].papers) {
        if (sent.at(paper) < 2) continue;
        std::printf("%s: call %zu with %s%s\n", paper.c_str(), call, calls[call].key.c_str(),
                    hit_calls_.contains(call) ? ", hit" : "");
      }
    }
  }

  static Day WithKeys(Day day, bool own_keys) {
    day.settings.own_keys = own_keys;
    return day;
  }
  static Day Calm(Day day) {
    day.settings.own_keys = false;
    day.settings.llm.latency = {};
    day.settings.llm.quota = {};
    day.settings.llm.faults = {};
    day.settings.redis = {};
    day.settings.env = {};
    return day;
  }

  const Day day_;
  const std::string toml_;
  std::mt19937_64 random_;
  System calm_;
  Arguments scorer_arguments_, everybody_;
  std::vector<size_t> alive_;
  std::unique_ptr<Process> fetcher_;
  // Keys of killed scorers, and what was settled when they died.
  std::vector<std::pair<std::string, std::set<std::string>>> dead_;
  std::set<size_t> hit_calls_;
  std::map<std::string, uint64_t> hits_;  // by paper

 public:
  System system;
};

}  // namespace paperboy
