// What a day costs, said before it is spent, kept within its budget, and never spent
// twice; through the real programs.
#include <fstream>
#include <regex>

#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kDayBefore[] = "2026-09-14";

// A line of the forecast's table.
struct Line {
  double papers, scored, to_score, calls, prompt, completion, dollars, minutes;
};

std::optional<Line> LineOf(const std::string& table, const std::string& profile,
                           const std::string& date) {
  static const std::regex commas("([0-9]),([0-9])");
  const std::string number = " +\\$?([0-9.]+)";
  const std::regex form(profile + " +" + date + number + number + number + number + number +
                        number + " \\+" + number + number + number);
  std::smatch m;
  const std::string plain = std::regex_replace(table, commas, "$1$2");
  if (!std::regex_search(plain, m, form)) return std::nullopt;
  return Line{std::stod(m[2]), std::stod(m[3]), std::stod(m[4]), std::stod(m[5]),
              std::stod(m[6]), std::stod(m[7]), std::stod(m[8]), std::stod(m[9])};
}

// Two announcements without a paper in common, and scorers with a quota.
class MoneyTest : public testing::Test {
 protected:
  MoneyTest() : day(DayOf(150, std::chrono::milliseconds(5))), system(day.settings) {
    const auto& papers = day.settings.papers;
    first = system.WritePapers("first.jsonl", {papers.begin(), papers.begin() + 60});
    second = system.WritePapers("second.jsonl", {papers.begin() + 60, papers.end()});
    system.StartAggregator();
  }
  void StartScorers(int count = 2, const std::string& concurrency = "8") {
    system.StartScorers(
        count, "openai",
        {"--model", "gpt-4o", "--rpm", "6000", "--tpm", "9000000", "--concurrency", concurrency});
  }
  // One call at a time: how a day is cut into batches depends on nobody's speed then.
  void StartScorerWithOneCall() { StartScorers(1, "1"); }
  System::Run Run(const std::string& date, const std::string& file,
                  const System::Arguments& more = {}) {
    System::Arguments arguments = {"--date", date, "--source", "file:" + file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return system.RunFetcher(arguments);
  }
  uint64_t Calls() { return system.llm().account().calls; }

  Day day;
  System system;
  std::string first, second;
};

TEST_F(MoneyTest, TheForecastAgreesWithWhatThenHappens) {
  const auto alone = Run(kDayBefore, first, {"--dry-run"});
  EXPECT_EQ(alone.exit.code, 0) << alone.err;
  EXPECT_THAT(alone.out, AllOf(HasSubstr("unknown"), HasSubstr("no scorer that fits")));
  StartScorerWithOneCall();
  ASSERT_EQ(Run(kDayBefore, first).exit.code, 0) << system.Logs();
  const uint64_t before = Calls();
  const auto forecast = Run(kDate, second, {"--dry-run"});
  ASSERT_EQ(forecast.exit.code, 0) << forecast.err;
  EXPECT_EQ(Calls(), before) << "a forecast calls nobody";
  EXPECT_EQ(system.Page(kDate), "");
  const auto line = LineOf(forecast.out, "default", kDate);
  ASSERT_TRUE(line) << forecast.out;
  EXPECT_EQ(line->papers, 90);
  EXPECT_EQ(line->scored, 0);
  ASSERT_EQ(Run(kDate, second).exit.code, 0) << system.Logs();
  const auto digest = system.DigestJson(kDate);
  const double dollars =
      digest["prompt_dollars"].get<double>() + digest["completion_dollars"].get<double>();
  std::printf("forecast: %.0f calls, %.0f + %.0f tokens, $%.4f; then: %d calls, %d + %d, $%.4f\n",
              line->calls, line->prompt, line->completion, line->dollars,
              digest["calls"].get<int>(), digest["prompt_tokens"].get<int>(),
              digest["completion_tokens"].get<int>(), dollars);
  EXPECT_EQ(line->calls, digest["calls"].get<double>());
  EXPECT_EQ(Calls() - before, digest["calls"].get<uint64_t>());
  const auto near = [](double actual) { return 0.05 * actual; };
  EXPECT_NEAR(line->prompt, digest["prompt_tokens"], near(digest["prompt_tokens"]));
  EXPECT_NEAR(line->completion, digest["completion_tokens"], near(digest["completion_tokens"]));
  EXPECT_NEAR(line->dollars, dollars, near(dollars));
  const auto after = LineOf(Run(kDate, second, {"--dry-run"}).out, "default", kDate);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->scored, 90);
  EXPECT_EQ(after->calls, 0);
}

TEST_F(MoneyTest, AForecastReadsEverySource) {
  StartScorers();
  for (const char* source : {"rss", "api", "auto"}) {
    const auto run = system.RunFetcher({"--date", kDate, "--source", source, "--dry-run"});
    EXPECT_EQ(run.exit.code, 0) << source << run.err;
    EXPECT_THAT(run.out, HasSubstr("default  2026-09-15    150")) << source;
  }
  const auto range = system.RunFetcher({"--from", "2026-09-13", "--to", kDate, "--dry-run"});
  EXPECT_EQ(range.exit.code, 0) << range.err;
  EXPECT_THAT(range.out, AllOf(HasSubstr("total"), HasSubstr("2026-09-13  holiday")));
  EXPECT_EQ(
      system.RunFetcher({"--date", kDate, "--source", "file:/nowhere", "--dry-run"}).exit.code, 1);
  EXPECT_EQ(Calls(), 0u);
}

TEST_F(MoneyTest, AFileWithoutAByteIsNoQuietDay) {
  std::ofstream(first, std::ios::trunc).flush();
  const auto run = Run(kDate, first);
  EXPECT_EQ(run.exit.code, 1);
  EXPECT_THAT(run.out + run.err, HasSubstr("first.jsonl is empty"));
  EXPECT_TRUE(system.DigestJson(kDate).is_null());
}

TEST_F(MoneyTest, ADigestBeyondItsBudgetGivesUpWhatTheProfileLists) {
  StartScorers();
  system.WaitForScorers(2);
  const std::string profile = system.WriteProfile(
      "thrifty",
      "budget_dollars_per_digest = 0.05\ndegrade = [\"larger_batches\", \"cheaper_model\"]\n"
      "cheaper_model = \"gpt-4o-mini\"\n");
  const auto said = Run(kDayBefore, first, {"--profile", profile, "--dry-run"});
  EXPECT_THAT(said.out, HasSubstr("it gives up, in turn, larger_batches, cheaper_model"));
  const auto run = Run(kDayBefore, first, {"--profile", profile});
  ASSERT_EQ(run.exit.code, 0) << run.out << run.err << system.Logs();
  const auto digest = system.DigestJson(kDayBefore, "thrifty");
  EXPECT_EQ(digest["model"], "gpt-4o-mini");
  EXPECT_EQ(digest["funnel"]["unscored"], 0);
  EXPECT_EQ(digest["budget"]["given_up"].back(), "cheaper_model");
  EXPECT_LE(digest["budget"]["spent_dollars"].get<double>(), 0.05);
  EXPECT_THAT(system.Page(kDayBefore, "thrifty"), HasSubstr("gpt-4o-mini scores instead"));
  EXPECT_THAT(run.out, HasSubstr("gpt-4o-mini scores instead")) << "the summary says so too";
}

// ---- never paid twice -------------------------------------------------------------

class Rerun : public MoneyTest {};

TEST_F(Rerun, IsFreeUnlessTheQuestionChanges) {
  StartScorers();
  const std::string folder = system.WriteProfile("reader", "novelty_cutoff = 5\n");
  const System::Arguments profile = {"--profile", folder};
  ASSERT_EQ(Run(kDate, second, profile).exit.code, 0) << system.Logs();
  const uint64_t all = Calls();
  const std::string page = system.Page(kDate, "reader");
  ASSERT_EQ(Run(kDate, second, profile).exit.code, 0) << system.Logs();
  std::printf("first run: %lu calls; the same again: %lu\n", all, Calls() - all);
  EXPECT_EQ(Calls(), all);
  EXPECT_EQ(system.Page(kDate, "reader"), page);

  system.WriteProfile("reader", "novelty_cutoff = 9\nrelevance_cutoff = 9\n");
  ASSERT_EQ(Run(kDate, second, profile).exit.code, 0) << system.Logs();
  std::printf("with other cut-offs: %lu\n", Calls() - all);
  EXPECT_EQ(Calls(), all);
  EXPECT_NE(system.Page(kDate, "reader"), page) << "other papers reach them";

  std::string prompt;
  {
    std::ifstream file(folder + "/prompt.md");
    prompt.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::ofstream(folder + "/prompt.md") << "Be strict.\n\n" << prompt;
  ASSERT_EQ(Run(kDate, second, profile).exit.code, 0) << system.Logs();
  std::printf("with another prompt: %lu\n", Calls() - all);
  for (const auto& [id, times] : system.llm().account().scored) EXPECT_EQ(times, 2u) << id;
}

}  // namespace
}  // namespace paperboy
