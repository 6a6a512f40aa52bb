// A past day through the provider's batch API: at half the price, submitted once
// whoever dies meanwhile, and the same page as at the full price.
#include <csignal>

#include "aggregator/prices.h"
#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::Pair;

constexpr int kPapers = 30;
const System::Arguments kScorer = {"--model", "gpt-4o"};

class BatchApi : public testing::Test {
 protected:
  BatchApi() : day(DayOf(kPapers)), system(day.settings) {
    profile = system.WriteProfile("past", "batch_api = true\n");
  }
  System::Arguments Rebuild(const System::Arguments& more = {}) const {
    System::Arguments arguments = {"--date", kDate, "--source", "api", "--profile", profile};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // Until every paper is in a job that does not end yet.
  void Submit() {
    system.llm().jobs().SetTime(1h);
    system.StartAggregator();
    system.StartScorers(1, "openai", kScorer);
    fetcher = system.StartFetcher(Rebuild());
    ASSERT_TRUE(WaitUntil([&] { return system.llm().account().sent.size() == kPapers; }, 60s))
        << system.Logs();
  }
  void ExpectHalfThePriceAndEachPaperOnce() {
    const auto digest = system.DigestJson(kDate, "past");
    const auto account = system.llm().account();
    EXPECT_EQ(account.sent.size(), size_t{kPapers});
    EXPECT_THAT(account.sent, Each(Pair(testing::_, 1u)));
    EXPECT_EQ(digest["funnel"]["unscored"], 0);
    EXPECT_EQ(digest["calls"], digest["batch_api_calls"]);
    EXPECT_EQ(digest["prompt_tokens"], account.prompt_tokens);
    const Price price = *Prices::Bundled().Of("gpt-4o");
    const auto dollars = [](uint64_t tokens, Picodollars each) {
      return static_cast<double>(tokens) * static_cast<double>(each) / 2 / kPicodollarsPerDollar;
    };
    EXPECT_DOUBLE_EQ(digest["prompt_dollars"], dollars(account.prompt_tokens, price.prompt));
    EXPECT_DOUBLE_EQ(digest["completion_dollars"],
                     dollars(account.completion_tokens, price.completion));
    EXPECT_EQ(digest.count("lost_calls"), 0u);
    EXPECT_THAT(system.Page(kDate, "past"), HasSubstr("provider's batch API, at half the price"));
    ExpectFunnelAddsUp(digest);
  }
  // Lets the jobs end and waits for the page.
  void Finish() {
    system.llm().jobs().SetTime(0ms);
    ASSERT_EQ(fetcher->Wait(120s).value_or(Process::Exit{}).code, 0)
        << fetcher->Stdout() << fetcher->Stderr() << system.Logs();
    ExpectHalfThePriceAndEachPaperOnce();
  }

  Day day;
  System system;
  std::string profile;
  std::unique_ptr<Process> fetcher;
};

TEST_F(BatchApi, RebuildsAPastDayAtHalfThePriceWithTheSameScores) {
  Submit();
  ASSERT_TRUE(WaitUntil(
      [&] {
        return fetcher->Stdout().find("batch job batch_") != std::string::npos ||
               fetcher->Stderr().find("batch job batch_") != std::string::npos;
      },
      30s))
      << "it says what it waits for:\n"
      << fetcher->Stdout() << fetcher->Stderr();
  Finish();
  EXPECT_THAT(fetcher->Stdout(), HasSubstr("provider's batch API"));
  EXPECT_EQ(system.llm().arrivals().size(), 0u) << "no ordinary call was made";
  const auto batch_api = system.DigestJson(kDate, "past");
  // The same day at the full price, by another profile with the same prompt, costs nothing
  // more and has the same scores.
  const std::string full = system.WriteProfile("full");
  const auto run = system.RunFetcher({"--date", kDate, "--source", "api", "--profile", full});
  ASSERT_EQ(run.exit.code, 0) << run.err;
  EXPECT_THAT(system.llm().account().sent, Each(Pair(testing::_, 1u)));
  EXPECT_EQ(system.DigestJson(kDate, "full")["rows"], batch_api["rows"]);
}

TEST_F(BatchApi, TodaysFeedIsNotDeferred) {
  system.llm().jobs().SetTime(1h);
  system.StartAggregator();
  system.StartScorers(1, "openai", kScorer);
  const auto run = system.RunFetcher({"--date", kDate, "--source", "rss", "--profile", profile});
  EXPECT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_TRUE(system.llm().jobs().jobs().empty());
}

TEST_F(BatchApi, TheForecastKnowsThePrice) {
  system.StartAggregator();
  system.StartScorers(1, "openai", kScorer);
  system.WaitForScorers(1);
  const auto dollars = [](const std::string& table) {
    const size_t at = table.find('$');
    return at == std::string::npos ? 0 : std::stod(table.substr(at + 1));
  };
  const auto run = system.RunFetcher(Rebuild({"--dry-run"}));
  EXPECT_EQ(run.exit.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("up to a day"));
  EXPECT_THAT(run.out, HasSubstr("through the provider's batch API"));
  profile = system.WriteProfile("full");
  const auto full = system.RunFetcher(Rebuild({"--dry-run"}));
  EXPECT_EQ(full.exit.code, 0) << full.err;
  EXPECT_THAT(full.out, testing::Not(HasSubstr("batch API")));
  EXPECT_GT(dollars(run.out), 0.001);
  EXPECT_NEAR(2 * dollars(run.out), dollars(full.out), 2e-4) << "each is rounded";
}

TEST_F(BatchApi, AFetcherThatDoesNotWaitSoLongIsRunAgain) {
  system.llm().jobs().SetTime(1h);
  system.StartAggregator();
  system.StartScorers(1, "openai", kScorer);
  const auto run = system.RunFetcher(Rebuild({"--deadline", "15s"}));
  EXPECT_EQ(run.exit.code, 2);
  EXPECT_THAT(run.out + run.err, HasSubstr("batch job batch_"));
  fetcher = system.StartFetcher(Rebuild());
  Finish();
}

TEST_F(BatchApi, AStoppedScorerLeavesItsJobToTheNext) {
  Submit();
  system.scorer(0).Kill(SIGTERM);
  EXPECT_EQ(system.scorer(0).Wait(20s).value_or(Process::Exit{}).code, 0) << system.Logs();
  system.StartScorers(1, "openai", kScorer);
  Finish();
}

// ---- who dies after it was submitted -------------------------------------------------

struct Blow {
  const char* name;
  bool scorer, aggregator, redis;
};

class BatchApiBlow : public BatchApi, public testing::WithParamInterface<Blow> {};

TEST_P(BatchApiBlow, SubmitsNothingTwice) {
  Submit();
  const Blow blow = GetParam();
  if (blow.scorer) system.scorer(0).Kill(SIGKILL);
  if (blow.aggregator) system.KillAggregator();
  if (blow.redis) system.redis().Command("FLUSHALL");
  if (blow.aggregator) system.RestartAggregator();
  if (blow.scorer) system.StartScorers(2, "openai", kScorer);
  Finish();
}

INSTANTIATE_TEST_SUITE_P(Of, BatchApiBlow,
                         testing::Values(Blow{"TheScorer", true, false, false},
                                         Blow{"TheAggregator", false, true, false},
                                         Blow{"Everybody", true, true, true}),
                         [](const auto& blow) { return std::string(blow.param.name); });

// Killed while it gathers, uploads, submits: at any instant, time and again.
TEST_F(BatchApi, AScorerKilledTimeAndAgainSubmitsNothingTwice) {
  system.llm().jobs().SetTime(1h);
  system.StartAggregator();
  fetcher = system.StartFetcher(Rebuild({"--deadline", "180s"}));
  // Within the first seconds of a scorer: before and while it submits.
  for (const auto life : {500ms, 1'500ms, 2'500ms, 3'500ms, 4'500ms}) {
    system.StartScorers(1, "openai", kScorer);
    std::this_thread::sleep_for(life);
    system.scorer(system.scorers() - 1).Kill(SIGKILL);
  }
  system.StartScorers(1, "openai", kScorer);
  ASSERT_TRUE(WaitUntil([&] { return system.llm().account().sent.size() == kPapers; }, 90s))
      << system.Logs();
  Finish();
}

}  // namespace
}  // namespace paperboy
