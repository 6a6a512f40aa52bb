// Profiles and days that change while a digest is on its way.
#include <csignal>
#include <fstream>

#include "tests/process/chaos.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

constexpr int kReplaced = 4;  // the fetcher's exit code

class Profile : public testing::Test {
 protected:
  // The command with the same profile, changed.
  static System::Arguments Changed(System& system, const Day& day, const std::string& toml,
                                   const std::string& prompt_end = "") {
    auto command = Chaos::Command(system, day, toml);
    if (!prompt_end.empty()) {
      std::ofstream(command[5] + "/prompt.md", std::ios::app) << prompt_end << "\n";
    }
    return command;
  }
  // Replaces the running fetcher by one with the changed profile.
  void RunChanged(const std::string& toml, const std::string& prompt_end = "") {
    // On a slow machine it comes when all is scored, but for this.
    chaos.system.llm().SetLatency(3s);
    const auto older = chaos.Follow(Changed(chaos.system, chaos.day(), toml, prompt_end));
    EXPECT_EQ(older->Wait(60s).value_or(Process::Exit{}).code, kReplaced) << older->Stderr();
    chaos.system.llm().SetLatency(chaos.day().settings.llm.latency);
  }
  Ending AsIfRunWith(const std::string& toml, const std::string& prompt_end = "") {
    return {.undisturbed = [this, toml, prompt_end](System& calm) {
      EXPECT_EQ(calm.RunFetcher(Changed(calm, chaos.day(), toml, prompt_end)).exit.code, 0);
    }};
  }

  Chaos chaos{DayOf(100, 200ms)};
};

TEST_F(Profile, CutOffsChangedInTheMiddleCostNoCall) {
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  std::printf("cut-offs changed\n");
  RunChanged("relevance_cutoff = 3");
  chaos.ExpectRecovered(AsIfRunWith("relevance_cutoff = 3"));
}

TEST_F(Profile, CutOffsChangedBetweenTwoRunsCostNoCall) {
  chaos.Start(2);
  chaos.ExpectRecovered();
  const auto calls = chaos.system.llm().account().calls;
  chaos.Follow(Changed(chaos.system, chaos.day(), "relevance_cutoff = 3\nnovelty_cutoff = 2"));
  chaos.ExpectRecovered(AsIfRunWith("relevance_cutoff = 3\nnovelty_cutoff = 2"));
  EXPECT_EQ(chaos.system.llm().account().calls, calls);
}

TEST_F(Profile, APromptChangedBetweenTwoRunsAsksAboutEveryPaperAgain) {
  chaos.Start(2);
  chaos.ExpectRecovered();
  chaos.Follow(Changed(chaos.system, chaos.day(), "", "Be strict."));
  Ending ending = AsIfRunWith("", "Be strict.");
  ending.questions = 2;
  chaos.ExpectRecovered(ending);
}

// What was asked for the older edition is worth nothing to the new one.
TEST_F(Profile, APromptChangedInTheMiddle) {
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  std::printf("prompt changed\n");
  RunChanged("", "Be strict.");
  chaos.system.RestartAggregator();
  Ending ending = AsIfRunWith("", "Be strict.");
  ending.replaced_questions = 1;
  chaos.ExpectRecovered(ending);
}

TEST_F(Profile, TwoWithOnePromptShareEveryScore) {
  const auto both = [&](System& system) {
    auto command = Chaos::Command(system, chaos.day(), "");
    command.insert(command.end(),
                   {"--profile", system.WriteProfile("other", "novelty_cutoff = 3")});
    return command;
  };
  chaos.StartService(2);
  chaos.Follow(both(chaos.system));
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  std::printf("aggregator and a scorer killed\n");
  chaos.KillScorer(0);
  chaos.ReplaceScorer(0);
  chaos.system.RestartAggregator();
  chaos.ExpectRecovered({.undisturbed =
                             [&](System& calm) {
                               EXPECT_EQ(calm.RunFetcher(both(calm)).exit.code, 0) << calm.Logs();
                             },
                         .digests = {{}, {.profile = "other"}}});
}

// An earlier day with half of a published day's papers and some of its own is added
// while processes die: the papers move without a call, and both pages are those of
// days that were read in their order.
TEST_F(Profile, ADayAddedBeforeAPublishedOne) {
  constexpr char kEarlier[] = "2026-09-14";
  std::vector<ArxivPaper> first(chaos.day().settings.papers.begin(),
                                chaos.day().settings.papers.begin() + 40);
  std::vector<ArxivPaper> second(chaos.day().settings.papers.begin() + 20,
                                 chaos.day().settings.papers.end());
  const auto command = [&](System& system, bool earlier) {
    auto arguments = Chaos::Command(system, chaos.day(), "");
    arguments[1] = earlier ? kEarlier : kDate;
    arguments[3] = "file:" + system.WritePapers(earlier ? "first.jsonl" : "second.jsonl",
                                                earlier ? first : second);
    return arguments;
  };
  chaos.StartService(2);
  chaos.Follow(command(chaos.system, false));
  EXPECT_EQ(chaos.fetcher().Wait(60s).value_or(Process::Exit{}).code, 0);
  EXPECT_EQ(chaos.scored(), second.size());
  chaos.Follow(command(chaos.system, true));
  ASSERT_TRUE(WaitUntil([&] { return chaos.scored() > second.size(); }, 30s));
  chaos.Pause(400ms);
  std::printf("after %zu papers: aggregator killed\n", chaos.scored());
  chaos.system.RestartAggregator();
  EXPECT_EQ(chaos.fetcher().Wait(60s).value_or(Process::Exit{}).code, 0);
  EXPECT_TRUE(WaitUntil(
      [&] { return chaos.system.DigestJson(kDate, "day")["funnel"]["seen_before"] == 20; }, 20s));
  chaos.ExpectRecovered({.undisturbed =
                             [&](System& calm) {
                               EXPECT_EQ(calm.RunFetcher(command(calm, true)).exit.code, 0);
                               EXPECT_EQ(calm.RunFetcher(command(calm, false)).exit.code, 0);
                             },
                         .digests = {{}, {.date = kEarlier}}});
}

}  // namespace
}  // namespace paperboy
