// A day through the three real processes.
#include <filesystem>
#include <fstream>

#include "tests/process/digest_test.h"
#include "tests/process/http_get.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SamePage : public testing::TestWithParam<std::string> {
 protected:
  // The lexical backend ranks the bundled sample, which has papers on and off its
  // topics; the simulated model scores invented papers.
  System::Arguments Announcement(System& system, const Day& day) const {
    if (GetParam() == "openai") return day.FromFile(system);
    return {"--date", kDate, "--source",
            "file:" PAPERBOY_SOURCE_DIR "/config/sample/announcement.jsonl"};
  }
};

TEST_P(SamePage, HoweverManyScorers) {
  const std::string backend = GetParam();
  std::string first;
  for (const int scorers : {1, 2, 8}) {
    const Day day = DayOf(120, std::chrono::milliseconds(20));
    System system(day.settings);
    system.StartAggregator();
    system.StartScorers(scorers, backend);
    const auto run = system.RunFetcher(Announcement(system, day));
    ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
    const std::string page = system.Page(kDate);
    const auto digest = system.DigestJson(kDate);
    ExpectFunnelAddsUp(digest);
    const int scanned = digest["funnel"]["scanned"], selected = digest["funnel"]["selected"];
    std::printf("%s, %d scorers: %d papers scanned, %d selected, %d calls, page of %zu bytes\n",
                backend.c_str(), scorers, scanned, selected, digest["calls"].get<int>(),
                page.size());
    EXPECT_GT(selected, 0);
    EXPECT_LT(selected, scanned);
    if (first.empty()) first = WithoutCost(page);
    EXPECT_EQ(WithoutCost(page), first) << scorers << " scorers";
    if (backend == "openai") {
      for (const auto& [id, times] : system.llm().account().sent) EXPECT_EQ(times, 1u) << id;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, SamePage, testing::Values("openai", "lexical"));

TEST(Daily, RssIsReadScoredAndPublishedWithTokensAndCost) {
  Day day = DayOf(40);
  day.settings.llm.keys = {"test-key"};
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2, "openai", {"--model", "gpt-4o"});
  const auto run = system.RunFetcher({"--date", kDate, "--source", "rss"});
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  const auto account = system.llm().account();
  EXPECT_TRUE(account.keys_seen.at(0));
  const auto digest = system.DigestJson(kDate);
  ExpectFunnelAddsUp(digest);
  EXPECT_EQ(digest["funnel"]["arxiv"], 40);
  EXPECT_EQ(digest["prompt_tokens"], account.prompt_tokens);
  EXPECT_EQ(digest["completion_tokens"], account.completion_tokens);
  EXPECT_GT(digest["prompt_dollars"], 0.0);
  EXPECT_THAT(system.Page(kDate), HasSubstr("| *[gpt-4o]*"));
  EXPECT_THAT(run.out, HasSubstr("$"));
}

TEST(Daily, ApiRebuildsAPastDayWithARemedialNote) {
  const Day day = DayOf(30);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  const auto run = system.RunFetcher({"--date", kDate, "--source", "api"});
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_EQ(system.DigestJson(kDate)["funnel"]["arxiv"], 30);
  EXPECT_THAT(system.Page(kDate), HasSubstr("> This is a remedial run for missed papers from "
                                            "09/11/2026 to 09/14/2026."));
}

TEST(Daily, TheTitleStageSparesCallsAndItsDropsAreNamed) {
  const Day day = DayOf(60);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2);
  auto arguments = day.FromFile(system);
  arguments.insert(arguments.end(),
                   {"--profile", system.WriteProfile("titles", "title_stage = true")});
  const auto run = system.RunFetcher(arguments);
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  const auto digest = system.DigestJson(kDate, "titles");
  ExpectFunnelAddsUp(digest);
  const int dropped = digest["funnel"]["title_dropped"];
  EXPECT_GT(dropped, 0);
  EXPECT_GT(system.llm().account().title_calls, 0u);
  EXPECT_EQ(system.llm().account().sent.size(), 60u - dropped) << "dropped papers cost no more";
}

TEST(Daily, AServerThatRefusesSchemasIsAskedForLines) {
  Day day = DayOf(20);
  day.settings.llm.faults = "refuse_schema";
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  const auto run = system.RunFetcher(day.FromFile(system));
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_EQ(system.llm().account().formats.count("json_schema"), 0u);
  EXPECT_EQ(system.llm().account().scored.size(), 20u);
}

TEST(Daily, AServerThatReportsNoTokensIsNotSaidToHaveUsedNone) {
  Day day = DayOf(20);
  day.settings.llm.faults = "no_usage";
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  const auto run = system.RunFetcher(day.FromFile(system));
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_THAT(run.out, testing::ContainsRegex("tokens +not reported\n +cost +unknown, and of "
                                              "[0-9]+ calls whose cost is not known"));
  EXPECT_TRUE(system.DigestJson(kDate)["prompt_tokens"].is_null());
}

TEST(Daily, BadAnswersAndFailingCallsLoseNoPaper) {
  Day day = DayOf(80);
  // Two answers that lack a paper asked about alone; the third would be its last.
  day.settings.llm.faults =
      "garbage#1,range#1,500=0.05,503=0.05,drop=0.05,partial=0.04,alien=0.1,fence=0.1,html502=0.05";
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(4);
  const auto run = system.RunFetcher(day.FromFile(system), std::chrono::seconds(120));
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  const auto digest = system.DigestJson(kDate);
  ExpectFunnelAddsUp(digest);
  EXPECT_EQ(digest["funnel"]["unscored"], 0) << digest["notes"];

  System calm(DayOf(80).settings);
  calm.StartAggregator();
  calm.StartScorers(1);
  ASSERT_EQ(calm.RunFetcher(day.FromFile(calm)).exit.code, 0);
  EXPECT_EQ(WithoutCost(system.Page(kDate)), WithoutCost(calm.Page(kDate)));
}

TEST(Daily, ASecondRunPublishesFromWhatIsScored) {
  const Day day = DayOf(40);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  ASSERT_EQ(system.RunFetcher(day.FromFile(system)).exit.code, 0) << system.Logs();
  const auto calls = system.llm().account().calls;
  const std::string page = system.Page(kDate);
  const auto again = system.RunFetcher(day.FromFile(system));
  EXPECT_EQ(again.exit.code, 0) << again.err;
  EXPECT_EQ(system.llm().account().calls, calls);
  EXPECT_EQ(system.Page(kDate), page);
}

TEST(Daily, AnOlderDateTakesItsPapersAndTheNewerPageSaysWhere) {
  const Day day = DayOf(20);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  auto arguments = day.FromFile(system);
  ASSERT_EQ(system.RunFetcher(arguments).exit.code, 0) << system.Logs();
  const std::string page = system.Page(kDate);
  const auto calls = system.llm().account().calls;
  arguments[1] = "2026-09-14";
  ASSERT_EQ(system.RunFetcher(arguments).exit.code, 0) << system.Logs();
  EXPECT_EQ(system.llm().account().calls, calls) << "it was paid for";
  const auto rest_of = [](const std::string& text) {
    return WithoutCost(text).substr(text.find('\n'));
  };
  EXPECT_EQ(rest_of(system.Page("2026-09-14")), rest_of(page));
  ASSERT_TRUE(WaitUntil([&] { return system.DigestJson(kDate)["funnel"]["seen_before"] == 20; },
                        std::chrono::seconds(10)));
  arguments[1] = kDate;
  const auto again = system.RunFetcher(arguments);
  EXPECT_EQ(again.exit.code, 0);
  EXPECT_THAT(again.out, HasSubstr("all its papers belong to earlier announcements"));
}

TEST(Daily, TheSiteIsServedAndABackfilledDayMendsItsNeighbour) {
  Day day = DayOf(20);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  const auto get = [&](const std::string& path) { return HttpGet(system.aggregator_url(), path); };
  EXPECT_THAT(get("/"), HasSubstr("Nothing is published yet"));
  ASSERT_EQ(system.RunFetcher(day.FromFile(system)).exit.code, 0) << system.Logs();
  EXPECT_THAT(get("/"), HasSubstr("Papers 2026-09-15</h1>"));
  EXPECT_THAT(get("/default/2026-09-15.html"), Not(HasSubstr("Previous Day")));
  // Other papers: the newer page keeps its own.
  day.settings.papers = InventArxivPapers(10, "2026-09-14");
  auto earlier = day.FromFile(system);
  earlier[1] = "2026-09-14";
  ASSERT_EQ(system.RunFetcher(earlier).exit.code, 0) << system.Logs();
  EXPECT_THAT(get("/default/2026-09-15.html"), HasSubstr("Previous Day 2026-09-14"));
  EXPECT_THAT(get("/default/2026-09-14.html"), HasSubstr("Next Day 2026-09-15"));
  EXPECT_THAT(get("/"), HasSubstr("Papers 2026-09-15</h1>"));
  EXPECT_THAT(get("/style.css"), HasSubstr("200 "));
  EXPECT_THAT(get("/default/output.md"), HasSubstr("200 # Personalized"));
  for (const char* path :
       {"/../data/ledger.db", "/../../data/ledger.db", "/%2e%2e/data/ledger.db", "/none.html"}) {
    EXPECT_EQ(get(path), "404 not found\n") << path;
  }
  const std::vector<std::string> pages = {"/", "/default/", "/default/2026-09.html",
                                          "/default/2026-09-14.html"};
  std::vector<std::string> before;
  for (const auto& page : pages) before.push_back(get(page));
  std::filesystem::remove_all(system.out_dir());
  system.RestartAggregator();
  for (size_t i = 0; i < pages.size(); ++i) EXPECT_EQ(get(pages[i]), before[i]) << pages[i];
  EXPECT_EQ(system.RunCommand({"verify"}).exit.code, 0);
}

TEST(Daily, TwoProfilesReadArxivOnce) {
  const Day day = DayOf(30);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(2);
  const auto run = system.RunFetcher({"--date", kDate, "--source", "rss", "--profile",
                                      system.WriteProfile("one"), "--profile",
                                      system.WriteProfile("two", "novelty_cutoff = 3")});
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_FALSE(system.Page(kDate, "one").empty());
  EXPECT_FALSE(system.Page(kDate, "two").empty());
  for (const auto& [id, times] : system.llm().account().sent) EXPECT_EQ(times, 1u) << id;
}

TEST(Daily, WhyTellsWhereAPaperEnded) {
  const Day day = DayOf(10);
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  ASSERT_EQ(system.RunFetcher(day.FromFile(system)).exit.code, 0) << system.Logs();
  Process why({PAPERBOY_BIN_DIR "/paperboy-aggregator", "--data", system.data_dir(), "why",
               day.settings.papers[3].id});
  ASSERT_EQ(why.Wait(std::chrono::seconds(20)).value_or(Process::Exit{}).code, 0);
  EXPECT_THAT(why.Stdout(),
              AllOf(HasSubstr(day.settings.papers[3].title),
                    HasSubstr("default 2026-09-15 (digest published)"), HasSubstr("relevance")));
}

// ---- bad input ----------------------------------------------------------------

class BadInput : public testing::Test {
 protected:
  BadInput() : day(DayOf(10)), system(day.settings) {}
  System::Arguments With(const std::string& profile) {
    auto arguments = day.FromFile(system);
    arguments.insert(arguments.end(), {"--profile", profile});
    return arguments;
  }
  Day day;
  System system;
};

TEST_F(BadInput, AMalformedLineIsRefusedByItsNumberAndTheRestCounts) {
  system.StartAggregator();
  system.StartScorers(1, "lexical");
  const std::string path = system.WritePapers("day.jsonl", day.settings.papers);
  std::ofstream(path, std::ios::app) << "{\"id\": \"2609.1\n";
  const auto run = system.RunFetcher({"--date", kDate, "--source", "file:" + path});
  EXPECT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_THAT(run.out, HasSubstr("line 11"));
  EXPECT_EQ(system.DigestJson(kDate)["funnel"]["refused"], 1);
  EXPECT_EQ(system.DigestJson(kDate)["funnel"]["arxiv"], 11);
  ExpectFunnelAddsUp(system.DigestJson(kDate));
}

TEST_F(BadInput, AFileThatNobodyCanReadIsNoQuietDay) {
  system.StartAggregator();
  system.StartScorers(1, "lexical");
  const std::string path = system.WritePapers("day.jsonl", {});
  std::ofstream(path) << "one\ntwo\nthree\n";
  const auto run = system.RunFetcher({"--date", kDate, "--source", "file:" + path});
  EXPECT_EQ(run.exit.code, 3) << run.err << system.Logs();
  EXPECT_THAT(run.out, AllOf(HasSubstr("too many entries could not be read"), HasSubstr("line 3")));
  EXPECT_EQ(system.DigestJson(kDate)["state"], "withheld");
  EXPECT_EQ(system.Page(kDate), "");
}

TEST_F(BadInput, ASourceThatIsNoRegularFileIsAUsageError) {
  const auto run = system.RunFetcher({"--date", kDate, "--source", "file:/dev/zero"});
  EXPECT_EQ(run.exit.code, 1);
  EXPECT_THAT(run.out, HasSubstr("not a regular file"));
}

TEST_F(BadInput, ARangeWithoutAnyOfItsFilesIsAUsageError) {
  const auto run = system.RunFetcher({"--from", "2026-09-01", "--to", "2026-09-02", "--source",
                                      "file:" + system.File("{date}.jsonl")});
  EXPECT_EQ(run.exit.code, 1) << run.out;
  EXPECT_THAT(run.err, AllOf(HasSubstr("2026-09-01.jsonl"), HasSubstr("2026-09-02.jsonl")));
}

TEST_F(BadInput, AProfileWithAnUnknownKeyIsAUsageError) {
  const auto run = system.RunFetcher(With(system.WriteProfile("odd", "colour = \"blue\"")));
  EXPECT_EQ(run.exit.code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("colour"), HasSubstr("profile.toml")));
}

TEST_F(BadInput, AProfileWithoutAPromptIsAUsageError) {
  const std::string profile = system.WriteProfile("silent");
  std::remove((profile + "/prompt.md").c_str());
  const auto run = system.RunFetcher(With(profile));
  EXPECT_EQ(run.exit.code, 1);
  EXPECT_THAT(run.err, HasSubstr("prompt.md"));
}

TEST_F(BadInput, ADateInTheFutureIsAUsageError) {
  const auto run = system.RunFetcher({"--date", "2999-01-04", "--source", "rss"});
  EXPECT_EQ(run.exit.code, 1);
  EXPECT_THAT(run.err, HasSubstr("2999-01-04"));
}

TEST_F(BadInput, AnUnreachableAggregatorIsWaitedForUntilTheDeadline) {
  auto arguments = day.FromFile(system);
  arguments.insert(arguments.end(), {"--deadline", "3s"});
  const auto run = system.RunFetcher(arguments);
  EXPECT_EQ(run.exit.code, 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("waiting for the aggregator at tcp://"));
}

TEST_F(BadInput, AnUnreachableRedisIsWaitedForUntilTheDeadline) {
  system.StartAggregator();
  system.redis().Kill();
  const auto run = system.RunFetcher({"--date", kDate, "--source", "rss", "--deadline", "3s"});
  EXPECT_EQ(run.exit.code, 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("Redis"));
}

TEST_F(BadInput, WithoutAScorerItSaysSo) {
  system.StartAggregator();
  auto arguments = day.FromFile(system);
  arguments.insert(arguments.end(), {"--deadline", "15s"});
  const auto run = system.RunFetcher(arguments);
  EXPECT_EQ(run.exit.code, 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("no scorer is connected"));
}

TEST_F(BadInput, APortInUseIsNamed) {
  system.StartAggregator();
  Process second({PAPERBOY_BIN_DIR "/paperboy-aggregator", "--data", system.data_dir() + "2",
                  "--out", system.out_dir() + "2", "--bind-fetchers", "tcp://127.0.0.1:0",
                  "--bind-scorers", "tcp://127.0.0.1:0", "--http",
                  system.aggregator_url().substr(7)});
  EXPECT_EQ(second.Wait(std::chrono::seconds(20)).value_or(Process::Exit{}).code, 1);
  EXPECT_THAT(second.Stderr(), HasSubstr("in use"));
}

TEST_F(BadInput, TwoAggregatorsOnOneLedgerAreOneTooMany) {
  system.StartAggregator();
  Process second({PAPERBOY_BIN_DIR "/paperboy-aggregator", "--data", system.data_dir(), "--out",
                  system.out_dir(), "--bind-fetchers", "tcp://127.0.0.1:0", "--bind-scorers",
                  "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"});
  EXPECT_EQ(second.Wait(std::chrono::seconds(20)).value_or(Process::Exit{}).code, 1);
  EXPECT_THAT(second.Stderr(), HasSubstr("another aggregator has the ledger"));
}

}  // namespace
}  // namespace paperboy
