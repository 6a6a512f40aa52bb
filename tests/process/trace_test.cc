// One trace leads through the logs of the three programs.
#include "common/trace.h"

#include <algorithm>
#include <csignal>
#include <set>
#include <vector>

#include "common/eastern.h"
#include "common/profile.h"
#include "tests/process/digest_test.h"
#include "tests/support/fake_clock.h"

namespace paperboy {
namespace {

using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

const System::Arguments kJsonLogs = {"--log-format", "json", "--log-level", "debug"};

std::string TraceOfBundled(const std::string& date) {
  const auto profile = LoadProfile(PAPERBOY_SOURCE_DIR "/config/profiles/default");
  return TraceOf(profile->name(), date, profile->revision());
}

class Lines {
 public:
  // Each of `text`'s is JSON, but for the headings of System::Logs.
  explicit Lines(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("==> ")) continue;
      lines_.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
      EXPECT_TRUE(lines_.back().is_object()) << line;
    }
  }

  // Those of the process about that digest alone.
  Lines Of(const std::string& process, const std::string& trace) const {
    return Where([&](const auto& line) {
      return line["process"] == process && line.value("trace", nlohmann::json()) == trace;
    });
  }
  Lines Saying(const std::string& words) const {
    return Where([&](const auto& line) {
      return line["message"].template get<std::string>().find(words) != std::string::npos;
    });
  }
  size_t size() const { return lines_.size(); }
  const nlohmann::json& front() const { return lines_.front(); }

  // What these have under `key`, and the items of what are lists.
  std::set<std::string> All(const std::string& key) const {
    std::set<std::string> all;
    for (const auto& line : lines_) {
      if (!line.contains(key)) continue;
      if (!line[key].is_array()) {
        all.insert(line[key].is_string() ? line[key].get<std::string>() : line[key].dump());
        continue;
      }
      for (const auto& item : line[key]) all.insert(item.get<std::string>());
    }
    return all;
  }

 private:
  Lines() = default;
  template <class Condition>
  Lines Where(const Condition& condition) const {
    Lines some;
    std::copy_if(lines_.begin(), lines_.end(), std::back_inserter(some.lines_), condition);
    return some;
  }

  std::vector<nlohmann::json> lines_;
};

class Trace : public testing::Test {
 protected:
  void Start(int scorers) {
    system.StartAggregator(kJsonLogs);
    system.StartScorers(scorers, "openai", kJsonLogs);
  }
  System::Run Fetch(System::Arguments arguments) {
    arguments.insert(arguments.end(), kJsonLogs.begin(), kJsonLogs.end());
    arguments.insert(arguments.end(), {"--progress", "auto"});
    const auto run = system.RunFetcher(arguments);
    EXPECT_EQ(run.exit.code, 0) << run.err << system.Logs();
    return run;
  }
  std::set<std::string> Selected(const std::string& profile) {
    std::set<std::string> ids;
    const nlohmann::json papers = system.PapersJson(kDate, profile);
    for (const auto& [id, paper] : papers.items()) ids.insert(id);
    return ids;
  }
  // Every result is acknowledged to its scorer, a moment after the page is out.
  bool AllAcknowledged(const std::string& trace) {
    const auto all = [&] {
      const Lines lines(system.Logs());
      return lines.Saying("is acknowledged").All("lease") ==
             lines.Of("scorer", trace).Saying("is made").All("lease");
    };
    return WaitUntil(all, std::chrono::seconds(10));
  }

  const Day day = DayOf(40);
  System system{day.settings};
};

TEST_F(Trace, LeadsFromTheFetchOverTheCallsToThePage) {
  Start(2);
  const auto run = Fetch({"--date", kDate, "--source", "rss"});
  const std::string trace = TraceOfBundled(kDate);
  ASSERT_TRUE(AllAcknowledged(trace)) << system.Logs();

  const Lines fetched(run.err);
  EXPECT_EQ(fetched.All("trace"), std::set<std::string>{trace});
  const Lines fetcher = fetched.Of("fetcher", trace);
  EXPECT_EQ(fetcher.Saying("default: begun").size(), 1u) << run.err;
  const Lines sealed = fetcher.Saying("is delivered and sealed");
  const auto profile = LoadProfile(PAPERBOY_SOURCE_DIR "/config/profiles/default");
  EXPECT_EQ(sealed.All("category"),
            std::set<std::string>(profile->categories().begin(), profile->categories().end()));
  EXPECT_EQ(fetcher.Saying("default: published").size(), 1u) << run.err;

  const Lines logs(system.Logs());
  const Lines calls = logs.Of("scorer", trace).Saying("is made");
  const Lines answers = logs.Of("scorer", trace).Saying("is answered");
  EXPECT_GT(calls.size(), 0u);
  EXPECT_EQ(answers.All("call"), calls.All("call"));
  EXPECT_EQ(calls.All("papers").size(), 40u);

  const Lines aggregator = logs.Of("aggregator", trace);
  EXPECT_EQ(aggregator.Saying("default 2026-09-15: sealed, 40 rows").size(), 1u) << system.Logs();
  EXPECT_EQ(aggregator.Saying("is handed out").All("lease"), calls.All("lease"));
  EXPECT_EQ(aggregator.Saying("has come").All("call"), calls.All("call"));
  EXPECT_EQ(aggregator.Saying("has come").All("papers"), calls.All("papers"));
  const Lines published = aggregator.Saying("default 2026-09-15: published");
  ASSERT_EQ(published.size(), 1u) << system.Logs();
  EXPECT_EQ(published.front()["level"], "info");
  EXPECT_EQ(published.front()["profile"], "default");
  EXPECT_EQ(published.front()["date"], kDate);
  EXPECT_EQ(published.All("digest"), sealed.All("digest"));

  const auto selected = Selected("default");
  ASSERT_FALSE(selected.empty());
  EXPECT_EQ(published.All("papers"), selected);
  EXPECT_THAT(calls.All("papers"), IsSupersetOf(selected));
  EXPECT_THAT(system.RunCommand({"why", *selected.begin()}).out, HasSubstr("trace " + trace));
  EXPECT_THAT(run.err + system.Logs(), Not(HasSubstr("test-key")));
}

TEST_F(Trace, BeginsAtTheFetchAlsoWithoutADate) {
  FakeClock clock;
  clock.Set(EasternTime(*ParseDate(kDate), std::chrono::hours(10)));
  Day today = day;
  today.settings.env = clock.env();
  System there(today.settings);
  there.StartAggregator(kJsonLogs);
  there.StartScorers(1, "openai", kJsonLogs);
  auto arguments = kJsonLogs;
  arguments.insert(arguments.end(), {"--progress", "auto"});
  const auto run = there.RunFetcher(arguments);
  ASSERT_EQ(run.exit.code, 0) << run.err << there.Logs();
  const auto profile = LoadProfile(PAPERBOY_SOURCE_DIR "/config/profiles/default");
  const Lines read = Lines(run.err).Of("fetcher", TraceOfBundled(kDate));
  for (const std::string& category : profile->categories()) {
    EXPECT_GT(read.Saying(kDate + (" " + category) + ": ").size(), 0u) << run.err;
  }
}

TEST_F(Trace, AFetcherThatIsToldToStopSaysSoAsJson) {
  system.StartAggregator(kJsonLogs);
  const auto fetcher = system.StartFetcher(
      {"--date", kDate, "--source", "rss", "--log-format", "json", "--progress", "none"});
  ASSERT_TRUE(fetcher->WaitForOutput("is delivered and sealed", std::chrono::seconds(30)));
  fetcher->Kill(SIGTERM);
  EXPECT_EQ(fetcher->Wait(std::chrono::seconds(20)).value_or(Process::Exit{}).code, 128 + SIGTERM);
  const Lines lines(fetcher->Stderr());
  EXPECT_EQ(lines.Saying("default: begun").All("level"), std::set<std::string>{"info"});
  EXPECT_EQ(lines.Saying("stopped by SIGTERM").All("level"), std::set<std::string>{"warn"});
}

TEST_F(Trace, IsTheSameAfterARestartAndADeliveryAnew) {
  Start(1);
  Fetch(day.FromFile(system));
  system.RestartAggregator();
  ASSERT_EQ(system.RunCommand({"redo", kDate}).exit.code, 0);
  const auto again = Fetch(day.FromFile(system));
  const std::string trace = TraceOfBundled(kDate);
  EXPECT_EQ(Lines(again.err).All("trace"), std::set<std::string>{trace});
  const Lines aggregator = Lines(system.Logs()).Of("aggregator", trace);
  EXPECT_EQ(aggregator.Saying("default 2026-09-15: published").size(), 2u) << system.Logs();
}

TEST_F(Trace, OfAnotherProfileIsAnother) {
  Start(1);
  const auto run = Fetch({"--date", kDate, "--source", "rss", "--profile",
                          system.WriteProfile("one"), "--profile", system.WriteProfile("two")});
  const Lines fetched(run.err);
  std::set<std::string> traces;
  for (const std::string profile : {"one", "two"}) {
    const Lines ends = fetched.Saying(profile + ": published");
    ASSERT_EQ(ends.size(), 1u) << run.err;
    const std::string trace = ends.front()["trace"];
    traces.insert(trace);
    const Lines published =
        Lines(system.Logs()).Of("aggregator", trace).Saying(profile + " 2026-09-15: published");
    ASSERT_EQ(published.size(), 1u) << system.Logs();
    EXPECT_EQ(published.All("papers"), Selected(profile));
  }
  EXPECT_EQ(traces.size(), 2u);
  // What was read for both is of both.
  EXPECT_EQ(fetched.Saying("cs.LG: ").All("trace"), traces) << run.err;
}

}  // namespace
}  // namespace paperboy
