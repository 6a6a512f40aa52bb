#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/epoll_loop.h"
#include "common/log.h"
#include "fetcher/calendar_command.h"
#include "fetcher/dry_run.h"
#include "fetcher/outcome.h"
#include "fetcher/parse_command.h"
#include "fetcher/progress.h"
#include "fetcher/settings.h"
#include "fetcher/xml.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class FetcherSettingsTest : public testing::Test {
 protected:
  Result<FetcherSettings> Read(std::vector<const char*> args) {
    args.insert(args.begin(), {"paperboy-fetcher", "--profile", "ml"});
    Options options = FetcherOptions();
    const auto parsed = options.Parse(static_cast<int>(args.size()), args.data());
    if (!parsed) return parsed.error();
    return ReadFetcherSettings(options, now_);
  }
  std::string Trouble(std::vector<const char*> args) {
    const auto settings = Read(std::move(args));
    if (settings) return "";
    EXPECT_EQ(settings.error().kind, ErrorKind::kInvalid);
    return settings.error().message;
  }

  WallTime now_ = EasternTime(*ParseDate("2026-09-15"), hours(10));
};

TEST_F(FetcherSettingsTest, HasADefaultForEverythingButTheProfile) {
  const auto settings = Read({});
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->source, SourceKind::kAuto);
  EXPECT_FALSE(settings->from.has_value());
  EXPECT_EQ(settings->aggregator.endpoint, "tcp://127.0.0.1:5555");
  EXPECT_EQ(settings->rss_url, "https://rss.arxiv.org/rss");
  EXPECT_EQ(settings->oai_url, "https://oaipmh.arxiv.org/oai");
  EXPECT_EQ(settings->api_url, "https://export.arxiv.org/api/query");
  EXPECT_EQ(settings->arxiv_interval, seconds(3));
  EXPECT_EQ(settings->deadline, hours(8));
  EXPECT_TRUE(settings->wait);
}

TEST_F(FetcherSettingsTest, PastDatesWithTheBatchApiHaveADayMore) {
  const auto deadline = [&](std::vector<const char*> args, bool batch_api) {
    std::vector<wire::Profile> profiles(2);
    profiles[1].set_batch_api(batch_api);
    const auto settings = Read(std::move(args));
    EXPECT_TRUE(settings.ok());
    return DeadlineFor(*settings, profiles, now_);
  };
  const std::vector<const char*> range = {"--from", "2026-09-01", "--to", "2026-09-10"};
  EXPECT_EQ(deadline(range, true), hours(30));
  EXPECT_EQ(deadline({"--date", "2026-09-01"}, true), hours(30));
  EXPECT_EQ(deadline(range, false), hours(8));
  EXPECT_EQ(deadline({}, true), hours(8));
  EXPECT_EQ(deadline({"--date", "2026-09-15"}, true), hours(8)) << "today's page is due now";
  EXPECT_EQ(deadline({"--from", "2026-09-01", "--to", "2026-09-10", "--deadline", "1h"}, true),
            hours(1));
}

TEST_F(FetcherSettingsTest, WantsAProfile) {
  const char* args[] = {"paperboy-fetcher"};
  Options options = FetcherOptions();
  ASSERT_TRUE(options.Parse(1, args).ok());
  const auto settings = ReadFetcherSettings(options, now_);
  ASSERT_FALSE(settings.ok());
  EXPECT_THAT(settings.error().message, HasSubstr("--profile"));
}

TEST_F(FetcherSettingsTest, TakesADateOrARange) {
  const auto one = Read({"--date", "2026-09-14"});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(FormatDate(*one->from), "2026-09-14");
  EXPECT_EQ(FormatDate(*one->to), "2026-09-14");
  EXPECT_FALSE(one->range);
  const auto range = Read({"--from", "2026-09-01", "--to", "2026-09-14"});
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(FormatDate(*range->from), "2026-09-01");
  EXPECT_TRUE(range->range);
}

TEST_F(FetcherSettingsTest, RefusesDatesThatMakeNoSense) {
  EXPECT_THAT(Trouble({"--date", "14.9.2026"}), HasSubstr("--date"));
  EXPECT_THAT(Trouble({"--date", "2026-09-14", "--to", "2026-09-15"}), HasSubstr("exclude"));
  EXPECT_THAT(Trouble({"--from", "2026-09-14"}), HasSubstr("belong together"));
  EXPECT_THAT(Trouble({"--from", "2026-09-15", "--to", "2026-09-14"}), HasSubstr("later"));
  EXPECT_THAT(Trouble({"--from", "2026-09-11", "--to", "2026-09-14", "--source", "rss"}),
              HasSubstr("use api"));
}

// Also where the future is allowed, as for `calendar`.
TEST_F(FetcherSettingsTest, RefusesDatesThatArxivNeverHadOrNobodyCanTell) {
  const auto trouble = [](std::vector<const char*> args) -> std::string {
    args.insert(args.begin(), "paperboy-fetcher");
    Options options = FetcherOptions();
    EXPECT_TRUE(options.Parse(static_cast<int>(args.size()), args.data()).ok());
    FetcherSettings settings;
    const Status read = ReadDates(options, &settings);
    return read ? "" : read.error().message;
  };
  for (const char* bad : {"1991-08-13", "1850-01-01", "2201-01-01", "2262-04-12", "9999-12-31"}) {
    const std::string allowed = std::string("\"") + bad +
                                "\" is no date from 1991-08-14, arXiv's first day, to 2200-12-31; "
                                "write it as 2025-04-15";
    EXPECT_EQ(trouble({"--date", bad}), "--date " + allowed);
    EXPECT_EQ(trouble({"--from", bad, "--to", "2025-04-15"}), "--from " + allowed);
    EXPECT_EQ(trouble({"--from", "2025-04-15", "--to", bad}), "--to " + allowed);
  }
  EXPECT_EQ(trouble({"--from", "1991-08-14", "--to", "2200-12-31"}), "");
  EXPECT_EQ(Trouble({"--date", "1991-08-14"}), "");
}

TEST_F(FetcherSettingsTest, OffersTheDatesThatItTakes) {
  const auto no_date = [](const std::string& given, const std::string& range) {
    return "--date \"" + given + "\" is no date from " + range + "; write it as 2025-04-15";
  };
  const std::string arxivs = "1991-08-14, arXiv's first day, to 2026-09-15";
  for (const char* bad : {"1991-08-13", "2025-02-30", "14.9.2026", "2201-01-01"}) {
    EXPECT_EQ(Trouble({"--date", bad}), no_date(bad, arxivs));
    EXPECT_EQ(Trouble({"--date", bad, "--source", "oai"}), no_date(bad, arxivs));
  }
  EXPECT_EQ(Trouble({"--date", "1991-08-13", "--source", "file:x"}), "") << "arXiv is not asked";
  EXPECT_EQ(Trouble({"--date", "1900-01-01", "--source", "file:x"}), "");
  for (const char* bad : {"1899-12-31", "2025-02-30"}) {
    EXPECT_EQ(Trouble({"--date", bad, "--source", "file:x"}),
              no_date(bad, "1900-01-01 to 2026-09-15"));
  }
}

TEST_F(FetcherSettingsTest, RefusesTheFuture) {
  EXPECT_THAT(Trouble({"--date", "2026-09-16"}), HasSubstr("future"));
  EXPECT_THAT(Trouble({"--from", "2026-09-14", "--to", "2026-09-16"}), HasSubstr("future"));
  EXPECT_EQ(Trouble({"--date", "2026-09-15"}), "");
  // Tomorrow's page is announced this evening; a file's date is not past today.
  now_ = EasternTime(*ParseDate("2026-09-15"), hours(21));
  EXPECT_EQ(Trouble({"--date", "2026-09-16"}), "");
  EXPECT_THAT(Trouble({"--date", "2026-09-16", "--source", "file:x"}), HasSubstr("future"));
}

TEST_F(FetcherSettingsTest, KnowsItsSources) {
  EXPECT_EQ(Read({"--source", "rss"})->source, SourceKind::kRss);
  EXPECT_EQ(Read({"--source", "api"})->source, SourceKind::kApi);
  const auto file = Read({"--source", "file:a b.jsonl"});
  EXPECT_EQ(file->source, SourceKind::kFile);
  EXPECT_EQ(file->file, "a b.jsonl");
  EXPECT_THAT(Trouble({"--source", "file:"}), HasSubstr("needs a path"));
  EXPECT_THAT(Trouble({"--source", "ftp"}), HasSubstr("none of auto"));
}

TEST_F(FetcherSettingsTest, MissesFilesNamedByDateOnlyWhenThereIsNone) {
  TempDir dir;
  const auto trouble = [&](const std::string& to, const std::string& source) -> std::string {
    const auto settings =
        Read({"--from", "2026-09-10", "--to", to.c_str(), "--source", ("file:" + source).c_str()});
    EXPECT_TRUE(settings.ok());
    const Status checked = CheckFiles(*settings);
    return checked ? "" : checked.error().message;
  };
  const std::string named = dir.File("{date}.jsonl");
  EXPECT_EQ(trouble("2026-09-14", named),
            "--source file:" + named +
                ": no date from 2026-09-10 to 2026-09-14 has its file; "
                "looked for " +
                dir.File("2026-09-10.jsonl") + ", " + dir.File("2026-09-11.jsonl") + ", " +
                dir.File("2026-09-12.jsonl") + " and 2 more");
  EXPECT_EQ(trouble("2026-09-14", dir.File("one.jsonl")), "") << "said where it is read";
  std::ofstream(dir.File("2026-09-14.jsonl")) << "\n";
  EXPECT_EQ(trouble("2026-09-14", named), "");
  EXPECT_THAT(trouble("2026-09-13", named), HasSubstr("2026-09-13"));
}

TEST_F(FetcherSettingsTest, RefusesPlainLinesAmongObjects) {
  EXPECT_THAT(Trouble({"--progress", "plain", "--log-format", "json"}), HasSubstr("--progress"));
  EXPECT_EQ(Trouble({"--progress", "none", "--log-format", "json"}), "");
  EXPECT_EQ(Trouble({"--progress", "plain"}), "");
}

// As a scheduled run has it, each day for that day alone.
TEST_F(FetcherSettingsTest, MissesNoFileOfDatesWithoutAnAnnouncement) {
  TempDir dir;
  now_ = EasternTime(*ParseDate("2026-11-30"), hours(10));
  const auto checked = [&](const char* from, const char* to) {
    const auto settings = Read(
        {"--from", from, "--to", to, "--source", ("file:" + dir.File("{date}.jsonl")).c_str()});
    EXPECT_TRUE(settings.ok());
    return CheckFiles(*settings).ok();
  };
  EXPECT_TRUE(checked("2026-09-12", "2026-09-12")) << "a Saturday";
  EXPECT_TRUE(checked("2026-11-27", "2026-11-29")) << "after Thanksgiving, and a weekend";
  EXPECT_FALSE(checked("2026-11-27", "2026-11-30")) << "with a Monday";
}

TEST_F(FetcherSettingsTest, RefusesAContactThatWouldBreakAHeader) {
  EXPECT_THAT(Trouble({"--contact", "me@example.org\r\nX: y"}), HasSubstr("--contact"));
}

TEST_F(FetcherSettingsTest, IsPoliteToArxivWhateverItIsTold) {
  EXPECT_THAT(Trouble({"--arxiv-interval", "2.9"}), HasSubstr("arXiv asks for 3 s"));
  EXPECT_THAT(Trouble({"--arxiv-interval", "0", "--arxiv-rss-url", "http://127.0.0.1:1/rss"}),
              HasSubstr("export.arxiv.org is none"));
  EXPECT_THAT(Trouble({"--arxiv-interval", "0", "--arxiv-api-url", "http://127.0.0.1:1/api",
                       "--arxiv-rss-url", "HTTPS://me@RSS.ArXiv.org.:443/rss"}),
              HasSubstr("rss.arxiv.org is none"));
  EXPECT_THAT(Trouble({"--arxiv-interval", "0", "--arxiv-rss-url", "http://127.0.0.1:1/arxiv.org",
                       "--arxiv-api-url", "http://[::1]:2/api"}),
              HasSubstr("oaipmh.arxiv.org is none"));
  EXPECT_EQ(Trouble({"--arxiv-interval", "0", "--arxiv-rss-url", "http://127.0.0.1:1/arxiv.org",
                     "--arxiv-api-url", "http://[::1]:2/api", "--arxiv-oai-url",
                     "http://127.0.0.1:3/oai"}),
            "");
  EXPECT_EQ(Trouble({"--arxiv-interval", "3"}), "");
}

TEST_F(FetcherSettingsTest, KnowsWhereSemanticScholarIsAndItsKey) {
  EXPECT_EQ(Read({})->s2_url, "https://api.semanticscholar.org");
  EXPECT_EQ(Read({})->s2_key, "");
  EXPECT_EQ(Read({"--s2-url", "http://127.0.0.1:1/"})->s2_url, "http://127.0.0.1:1");
  EXPECT_THAT(Trouble({"--s2-url", "semanticscholar"}), HasSubstr("a URL such as https://api"));
  TempDir dir;
  const std::string file = dir.File("key");
  EXPECT_THAT(Trouble({"--s2-api-key-file", file.c_str()}), HasSubstr("cannot be read"));
  std::ofstream(file) << " the-key\n";
  EXPECT_EQ(Read({"--s2-api-key-file", file.c_str()})->s2_key, "the-key");
  std::ofstream(file) << "the key";
  const std::string trouble = Trouble({"--s2-api-key-file", file.c_str()});
  EXPECT_THAT(trouble, HasSubstr("holds a character that no key has"));
  EXPECT_THAT(trouble, Not(HasSubstr("the key")));
  setenv("S2_API_KEY", "from-the-environment", 1);
  EXPECT_EQ(Read({})->s2_key, "from-the-environment");
  unsetenv("S2_API_KEY");
}

TEST(ParseSpan, ReadsANumberAndAUnit) {
  EXPECT_EQ(*ParseSpan("90s"), seconds(90));
  EXPECT_EQ(*ParseSpan("5m"), minutes(5));
  EXPECT_EQ(*ParseSpan("8h"), hours(8));
  EXPECT_EQ(*ParseSpan("2d"), hours(48));
  EXPECT_EQ(*ParseSpan("0s"), seconds(0));
  for (const char* bad :
       {"", "8", "h", "-1h", "1.5h", "8 h", "8hours", "400d", "99999999999999999999s"}) {
    EXPECT_FALSE(ParseSpan(bad).ok()) << bad;
  }
}

TEST(ParseStamp, ReadsTheFormsThatFeedsUse) {
  const struct {
    const char* text;
    const char* day;
    const char* utc;
  } cases[] = {
      {"Thu, 24 Sep 2026 00:00:00 -0400", "2026-09-24", "2026-09-24T04:00:00Z"},
      {"Thu, 24 Sep 2026 08:58:05 +0000", "2026-09-24", "2026-09-24T08:58:05Z"},
      {"Thu, 24 Sep 2026 08:58:05 GMT", "2026-09-24", "2026-09-24T08:58:05Z"},
      {"2025-08-20T00:00:00-04:00", "2025-08-20", "2025-08-20T04:00:00Z"},
      {"2025-08-20T04:00:19.866337+00:00", "2025-08-20", "2025-08-20T04:00:19Z"},
      {"2017-07-27T08:18:33Z", "2017-07-27", "2017-07-27T08:18:33Z"},
  };
  for (const auto& c : cases) {
    const auto stamp = ParseStamp(c.text);
    ASSERT_TRUE(stamp.ok()) << c.text;
    EXPECT_EQ(FormatDate(stamp->day), c.day) << c.text;
    EXPECT_EQ(FormatIsoUtc(stamp->at), c.utc) << c.text;
  }
  for (const char* bad : {"", "yesterday", "2025-08-20", "2025-08-20T04:00:19", "Z", "-0400"}) {
    EXPECT_FALSE(ParseStamp(bad).ok()) << bad;
  }
}

Outcome WithCode(ExitCode code) {
  Outcome outcome;
  outcome.exit_code = code;
  return outcome;
}

TEST(Outcomes, OfSeveralCodesTheFirstOf12354Counts) {
  std::vector<Outcome> outcomes;
  EXPECT_EQ(WorstOf(outcomes), 0);
  for (const ExitCode code :
       {kExitReplaced, kExitNotAnnounced, kExitWithheld, kExitUnreachable, kExitUsage}) {
    outcomes.insert(outcomes.begin() + outcomes.size() / 2, WithCode(code));
    EXPECT_EQ(WorstOf(outcomes), code);
  }
}

TEST(Outcomes, TheSummaryIsATableThatAddsUp) {
  wire::Published published;
  published.set_state("published");
  published.set_model("a-model");
  published.set_calls(52);
  published.set_prompt_tokens(23'745);
  published.set_completion_tokens(3'079);
  published.set_tokens_reported(true);
  published.set_cost("$0.09");
  published.set_page("out/ml/md/2026-09/2026-09-15-output.md");
  published.add_notes("a note");
  published.add_refusals("line 17: no title");
  published.mutable_funnel()->set_arxiv(1'234);
  published.mutable_funnel()->set_selected(7);

  const std::string text = Summary({PublishedOutcome("ml", "2026-09-15", published)});

  EXPECT_THAT(text, HasSubstr("ml  2026-09-15  published\n"
                              "  arXiv                 1,234\n"
                              "    refused                 0\n"));
  EXPECT_THAT(text, HasSubstr("      selected              7\n"));
  EXPECT_THAT(text, HasSubstr("  tokens   23,745 prompt + 3,079 completion\n"));
  EXPECT_THAT(text, HasSubstr("  note     a note\n"));
  EXPECT_THAT(text, HasSubstr("  refused  line 17: no title\n"));
}

TEST(Outcomes, TheSummarySaysHowManyRefusalsItDoesNotName) {
  wire::Published published;
  published.set_state("published");
  for (int line = 1; line <= 10; ++line) published.add_refusals("line " + std::to_string(line));
  published.mutable_funnel()->set_refused(17);
  const auto text = [&] { return Summary({PublishedOutcome("ml", "2026-09-15", published)}); };
  EXPECT_THAT(text(), testing::EndsWith("  refused  line 10\n  refused  and 7 more; `paperboy-"
                                        "aggregator papers 2026-09-15 refused` lists all\n"));
  published.mutable_funnel()->set_refused(10);
  EXPECT_THAT(text(), testing::EndsWith("  refused  line 10\n"));
}

TEST(Outcomes, TokensThatWereNotReportedAreNotZero) {
  wire::Published published;
  published.set_state("published");
  published.set_calls(3);
  published.set_cost("unknown");
  published.set_lost_calls(2);
  published.set_lost_cost("at most $0.0312");
  EXPECT_THAT(Summary({PublishedOutcome("ml", "2026-09-15", published)}),
              HasSubstr("  tokens   not reported\n"
                        "  cost     unknown, and of 2 calls whose cost is not known, estimated, "
                        "at most $0.0312\n"));
  published.set_tokens_reported(true);  // every call was refused: known to be none
  EXPECT_THAT(Summary({PublishedOutcome("ml", "2026-09-15", published)}),
              HasSubstr("  tokens   0 prompt + 0 completion\n"));
}

TEST(ForecastTable, SaysWhichBudgetsDoNotSufficeForTheDigestsAndForTheDay) {
  wire::Profile profile;
  profile.set_name("ml");
  profile.set_budget_picodollars_per_digest(600'000'000'000);
  profile.set_budget_picodollars_per_day(1'000'000'000'000);
  wire::Estimate estimate;
  estimate.set_priced(true);
  estimate.set_picodollars(400'000'000'000);
  std::vector<ForecastLine> lines = {{.profile = "ml", .date = "2026-09-14", .estimate = estimate},
                                     {.profile = "ml", .date = "2026-09-15", .estimate = estimate}};
  EXPECT_THAT(ForecastTable(lines, {profile}), testing::Not(HasSubstr("more than")));
  lines.push_back({.profile = "ml", .date = "2026-09-16", .estimate = estimate});
  EXPECT_THAT(ForecastTable(lines, {profile}),
              HasSubstr("ml all dates together: more than budget_dollars_per_day = 1; papers "
                        "beyond it stay unscored\n"));
  lines[1].estimate->set_picodollars(700'000'000'000);
  EXPECT_THAT(ForecastTable(lines, {profile}),
              HasSubstr("ml 2026-09-15: more than budget_dollars_per_digest = 0.6; "));
}

TEST(ForecastTable, WhatGoesThroughTheBatchApiHasNoPartInTheMinutes) {
  wire::Estimate deferred;
  deferred.set_priced(true);
  deferred.set_deferred(true);
  deferred.set_prompt_tokens(1'000'000);
  wire::Estimate ordinary;
  ordinary.set_priced(true);
  ordinary.set_quota_known(true);
  ordinary.set_calls(25);
  ordinary.set_rpm(10);
  std::vector<ForecastLine> lines = {{.profile = "a", .date = "2026-09-14", .estimate = ordinary},
                                     {.profile = "b", .date = "2026-09-14", .estimate = deferred}};
  const auto last_of_total = [&] {
    const std::string text = ForecastTable(lines, {});
    const size_t total = text.find("\ntotal");
    return text.substr(total, text.find('\n', total + 1) - total);
  };
  EXPECT_THAT(last_of_total(), testing::EndsWith(" 2.5"));
  EXPECT_THAT(ForecastTable(lines, {}), HasSubstr("answered within a day"));
  EXPECT_THAT(ForecastTable(lines, {}), Not(HasSubstr("the quota is unknown")));
  lines[0].estimate->set_quota_known(false);
  EXPECT_THAT(last_of_total(), testing::EndsWith(" unknown"));
  EXPECT_THAT(ForecastTable(lines, {}), HasSubstr("answered within a day"));
  EXPECT_THAT(ForecastTable(lines, {}), HasSubstr("the quota is unknown"));
  lines[0].estimate = deferred;
  EXPECT_THAT(last_of_total(), testing::EndsWith(" up to a day"));
}

TEST(Outcomes, AQuietDaySaysSo) {
  wire::Published published;
  published.set_state("published");
  EXPECT_THAT(Summary({PublishedOutcome("ml", "2026-09-15", published)}),
              HasSubstr("published: a quiet day"));
}

class ProgressTest : public testing::Test {
 protected:
  ~ProgressTest() override { std::fclose(file_); }
  std::string Written() {
    std::string text(1'000, '\0');
    std::rewind(file_);
    text.resize(std::fread(text.data(), 1, text.size(), file_));
    return text;
  }
  EpollLoop loop_;
  std::FILE* file_ = std::tmpfile();
};

TEST_F(ProgressTest, PlainLinesComeWhenSomethingChanges) {
  Progress progress(loop_, Progress::Mode::kPlain, file_);
  progress.Waiting("Redis");
  progress.Waiting("Redis");
  progress.Waiting("");
  progress.Waiting("arXiv");
  EXPECT_EQ(Written(), "waiting for Redis\nwaiting for arXiv\n");
}

TEST_F(ProgressTest, ScoringIsOneLineIn10SecondsUntilItIsDone) {
  Progress progress(loop_, Progress::Mode::kPlain, file_);
  for (uint64_t scored = 0; scored <= 50; ++scored) progress.Scoring(scored, 50, 2);
  EXPECT_EQ(Written(), "scored 0 of 50, 2 scorers\nscored 50 of 50, 2 scorers\n");
}

TEST_F(ProgressTest, OfSeveralDatesItSaysHowManyAreRead) {
  Progress progress(loop_, Progress::Mode::kPlain, file_);
  progress.Dates(3, 1, 10);
  progress.Scoring(5, 50, 2);
  EXPECT_EQ(Written(), "3 of 10 dates read, 1 published; scored 5 of 50, 2 scorers\n");
}

TEST_F(ProgressTest, ATerminalHasOneLine) {
  {
    Progress progress(loop_, Progress::Mode::kTerminal, file_);
    progress.Scoring(1, 50, 1);
    progress.Scoring(2, 50, 1);
    progress.Say("done");
  }
  EXPECT_THAT(Written(), HasSubstr("\r\x1b[Kscored 2 of 50, 1 scorer\r\x1b[Kdone\n"));
}

TEST_F(ProgressTest, NoneIsNothing) {
  Progress progress(loop_, Progress::ModeFor("none", "text", file_), file_);
  progress.Say("done");
  progress.Waiting("Redis");
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressTest, WithJsonLogsWhatChangesIsALineOfTheLog) {
  testing::internal::CaptureStderr();
  SetUpLogging("fetcher", "info", "json");
  Progress progress(loop_, Progress::ModeFor("auto", "json", file_), file_);
  progress.Waiting("Redis");
  progress.Waiting("Redis");
  progress.Say("cs.LG: 3 papers");
  progress.Log("begun");
  for (uint64_t scored = 0; scored <= 50; ++scored) progress.Scoring(scored, 50, 2);
  std::vector<std::string> messages;
  std::istringstream lines(testing::internal::GetCapturedStderr());
  for (std::string line; std::getline(lines, line);) {
    messages.push_back(nlohmann::json::parse(line)["message"]);
  }
  EXPECT_THAT(messages, testing::ElementsAre("waiting for Redis", "cs.LG: 3 papers", "begun",
                                             "scored 50 of 50, 2 scorers"));
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressTest, WithJsonLogsAndNoProgressWhatHappenedIsLogged) {
  testing::internal::CaptureStderr();
  SetUpLogging("fetcher", "info", "json");
  Progress progress(loop_, Progress::ModeFor("none", "json", file_), file_);
  progress.Waiting("Redis");
  progress.Scoring(50, 50, 2);
  progress.Say("cs.LG: 3 papers");
  progress.Log("sealed");
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, HasSubstr(R"("message":"cs.LG: 3 papers")"));
  EXPECT_THAT(logged, HasSubstr(R"("message":"sealed")"));
  EXPECT_THAT(logged, Not(HasSubstr("Redis")));
  EXPECT_THAT(logged, Not(HasSubstr("scored")));
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressTest, APersonIsNotToldWhatIsForTheLog) {
  testing::internal::CaptureStderr();
  Progress progress(loop_, Progress::ModeFor("auto", "text", file_), file_);
  SetUpLogging("fetcher", "info", "text");
  progress.Log("begun");
  SetUpLogging("fetcher", "debug", "text");
  progress.Log("sealed");
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, Not(HasSubstr("begun")));
  EXPECT_THAT(logged, HasSubstr("debug fetcher: sealed"));
  EXPECT_EQ(Written(), "");
}

TEST(SpanText, IsForPeople) {
  EXPECT_EQ(SpanText(seconds(40)), "40 s");
  EXPECT_EQ(SpanText(seconds(190)), "3 min 10 s");
  EXPECT_EQ(SpanText(seconds(7'500)), "2 h 5 min");
}

TEST(ParseCommand, SaysThatAFileIsNotThere) {
  const ParseReport report = ReportOnFile("/nonexistent/papers.jsonl");
  EXPECT_FALSE(report.ok);
  EXPECT_THAT(report.text, HasSubstr("No such file"));
}

TEST(CalendarLine, HasAColumnForEachOfItsHeader) {
  EXPECT_EQ(CalendarLine(*ParseDate("2025-03-11")),
            "2025-03-11\tTue\t2025-03-07T14:00-05:00\t2025-03-10T14:00-04:00\t"
            "2025-03-10T20:00-04:00\t-\n");
  EXPECT_EQ(CalendarLine(*ParseDate("2025-03-15")), "2025-03-15\tSat\t-\t-\t-\ta Saturday\n");
  const std::string header = kCalendarHeader;
  EXPECT_EQ(std::count(header.begin(), header.end(), '\t'), 5);
}

TEST(NothingAnnouncedOn, SaysWhenSomethingIs) {
  EXPECT_EQ(NothingAnnouncedOn(*ParseDate("2026-09-19")),
            "arXiv announces nothing on Saturday 2026-09-19, next on Monday 2026-09-21");
  EXPECT_EQ(
      NothingAnnouncedOn(*ParseDate("2026-11-27")),
      "arXiv announces nothing on Friday 2026-11-27, next on Monday 2026-11-30: no mailing on "
      "the evening of 2026-11-26 (Thanksgiving)");
  EXPECT_EQ(NothingAnnouncedOn(*ParseDate("2026-09-21")), "");
}

}  // namespace
}  // namespace paperboy
