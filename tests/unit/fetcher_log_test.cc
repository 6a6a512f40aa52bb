// What the fetcher's JSON logs tell: the fields and levels of its lines.
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/trace.h"
#include "tests/unit/fetcher_fixture.h"

namespace paperboy {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::Not;
using testing::SizeIs;

class FetcherLogTest : public FetcherTest {
 protected:
  FetcherLogTest() { mode_ = Progress::Mode::kLog; }

  // The lines of a run, in their order.
  std::vector<json> Logged(const std::function<void(Pump&)>& meanwhile = nullptr) {
    testing::internal::CaptureStderr();
    SetUpLogging("fetcher", "info", "json");
    outcomes_ = Fetch(meanwhile);
    std::istringstream logged(testing::internal::GetCapturedStderr());
    std::vector<json> lines;
    for (std::string line; std::getline(logged, line);) lines.push_back(json::parse(line));
    return lines;
  }
  // Of those whose message has the words; "" of a line without the key.
  static std::vector<json> ValuesOf(const std::string& key, const std::vector<json>& lines,
                                    const std::string& words) {
    std::vector<json> values;
    for (const json& line : lines) {
      if (line["message"].get<std::string>().find(words) == std::string::npos) continue;
      values.push_back(line.value(key, json("")));
    }
    return values;
  }

  std::vector<Outcome> outcomes_;
};

TEST_F(FetcherLogTest, WhatIsReadWithoutADateHasTheTraceOfItsDigest) {
  now_ = EasternTime(Day("2026-09-15"), std::chrono::hours(10));
  settings_.file = dir_.File("papers.jsonl");
  std::ofstream(settings_.file)
      << R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})"
      << "\n";
  for (const auto& [source, list] :
       std::map<SourceKind, std::string>{{SourceKind::kAuto, "cs.LG: "},
                                         {SourceKind::kApi, "cs.LG: "},
                                         {SourceKind::kFile, "the file: "}}) {
    aggregator_.ForgetAll();
    settings_.source = source;
    const std::vector<json> lines = Logged();
    ASSERT_THAT(outcomes_, ElementsAre(Ended("published", kExitOk)));
    const auto traces = ValuesOf("trace", lines, list);
    EXPECT_THAT(traces, Not(SizeIs(0))) << json(lines).dump(1);
    EXPECT_THAT(traces, Each(json(TraceOf("ml", "2026-09-15", "r1")))) << json(lines).dump(1);
  }
}

TEST_F(FetcherLogTest, WhatIsAboutAllDigestsHasTheTraceOfEach) {
  settings_.from = Day("2026-09-14");
  settings_.to = Day("2026-09-15");
  settings_.range = true;
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->waiting_for = "no scorer is connected";
  });

  const std::vector<json> lines = Logged([&](Pump&) {
    if (std::count(waits_.begin(), waits_.end(), "no scorer is connected") == 0) return;
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    aggregator_.Set([](auto* knobs) { knobs->publish = true; });
  });

  ASSERT_THAT(outcomes_, SizeIs(2));
  const std::string words = "waiting for no scorer is connected";
  const auto traces = ValuesOf("trace", lines, words);
  ASSERT_THAT(traces, Not(SizeIs(0))) << json(lines).dump(1);
  const std::set<std::string> both = {TraceOf("ml", "2026-09-14", "r1"),
                                      TraceOf("ml", "2026-09-15", "r1")};
  EXPECT_EQ(traces.front(), json(both)) << json(lines).dump(1);
  for (const char* key : {"profile", "date", "digest"}) {
    EXPECT_EQ(ValuesOf(key, lines, words).front(), "") << key;
  }
}

TEST_F(FetcherLogTest, AWaitThatSomebodyMayHaveToMendIsAWarning) {
  const auto level_of_wait = [&](bool trouble) {
    aggregator_.ForgetAll();
    aggregator_.Set([&](auto* knobs) {
      knobs->publish = false;
      knobs->waiting_for = "the model";
      knobs->trouble = trouble;
    });
    waits_.clear();
    const auto lines = Logged([&](Pump&) {
      if (std::count(waits_.begin(), waits_.end(), "the model") == 0) return;
      aggregator_.Set([](auto* knobs) { knobs->publish = true; });
    });
    const auto levels = ValuesOf("level", lines, "waiting for the model");
    EXPECT_THAT(levels, Not(SizeIs(0))) << json(lines).dump(1);
    return levels.empty() ? json("") : levels[0];
  };
  EXPECT_EQ(level_of_wait(true), "warn");
  EXPECT_EQ(level_of_wait(false), "info");
  aggregator_.ForgetAll();
  aggregator_.Set([](auto* knobs) { knobs->busy = 1; });
  EXPECT_THAT(ValuesOf("level", Logged(), "waiting for the aggregator (starting)"),
              ElementsAre("warn"));
}

TEST_F(FetcherLogTest, PapersUnderADateWithoutAnnouncementAreAWarning) {
  const std::string words = "arXiv announces nothing on that date, a Sunday";
  const char line[] = R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})";
  AskForFile("2026-09-13", line);
  EXPECT_THAT(ValuesOf("level", Logged(), words), ElementsAre("warn"));
  AskForFile("2026-09-15", line);
  EXPECT_THAT(ValuesOf("level", Logged(), "arXiv announces nothing"), SizeIs(0));
}

TEST_F(FetcherLogTest, WhatALaterRunMendsIsAWarningAndWhatFailedAnError) {
  settings_.wait = false;
  const auto level_of = [&](const std::string& words) {
    const std::vector<json> lines = Logged();
    const auto levels = ValuesOf("level", lines, words);
    EXPECT_THAT(levels, SizeIs(1)) << words << json(lines).dump(1);
    return levels.empty() ? "" : levels[0].get<std::string>();
  };
  EXPECT_EQ(level_of("2026-09-15 ml: published"), "info");
  aggregator_.ForgetAll();
  aggregator_.Set([](auto* knobs) { knobs->published.set_state("withheld"); });
  EXPECT_EQ(level_of("2026-09-15 ml: withheld"), "warn");
  aggregator_.ForgetAll();
  aggregator_.Set([](auto* knobs) { knobs->refuse = "no such topic"; });
  EXPECT_EQ(level_of("2026-09-15 ml: failed"), "error");
  aggregator_.Set([](auto* knobs) { knobs->refuse = ""; });
  ServeArxiv("2026-09-14", "");
  EXPECT_EQ(level_of("2026-09-15 ml: not announced"), "warn");
  AskForFile("2026-09-15", "");
  settings_.file = dir_.File("missing");
  EXPECT_EQ(level_of("2026-09-15: failed"), "error");
  AskFor("2026-09-13", SourceKind::kAuto);
  EXPECT_EQ(level_of("2026-09-13: holiday"), "info");
}

}  // namespace
}  // namespace paperboy
