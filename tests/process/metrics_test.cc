// What the running processes tell Prometheus: names, types and help by its conventions,
// and all that the chart's alerts and dashboard ask for.
#include <httplib.h>

#include <map>
#include <regex>
#include <set>

#include "tests/process/digest_test.h"
#include "tests/support/read_file.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

struct Exposed {
  std::set<std::string> help, samples;
  std::map<std::string, std::string> types;
  std::set<std::string> malformed;
};

void Read(const std::string& text, Exposed* exposed) {
  static const std::regex kHelp("# HELP (\\w+) .+"), kType("# TYPE (\\w+) (counter|gauge)"),
      kSample("(\\w+)(\\{[^}]*\\})? [-+0-9.eE]+( \\d+)?");
  std::istringstream lines(text);
  std::string line;
  std::smatch match;
  while (std::getline(lines, line)) {
    if (std::regex_match(line, match, kHelp)) {
      exposed->help.insert(match[1]);
    } else if (std::regex_match(line, match, kType)) {
      exposed->types[match[1]] = match[2];
    } else if (std::regex_match(line, match, kSample)) {
      exposed->samples.insert(match[1]);
    } else {
      exposed->malformed.insert(line);
    }
  }
}

std::string Metrics(const std::string& url) {
  httplib::Client client(url);
  const auto answer = client.Get("/metrics");
  return answer && answer->status == 200 ? answer->body : "";
}

std::set<std::string> NamesIn(const std::string& path) {
  const std::string all = ReadFile(std::string(PAPERBOY_SOURCE_DIR) + "/deploy/chart/" + path);
  static const std::regex kName("paperboy_[a-z0-9_]+");
  return {std::sregex_token_iterator(all.begin(), all.end(), kName), std::sregex_token_iterator()};
}

class MetricsTest : public ::testing::Test {
 protected:
  // A day from arXiv and Semantic Scholar by a model with a quota.
  void SetUp() override {
    system_.StartAggregator();
    system_.StartScorers(1, "openai", {"--rpm", "6000", "--tpm", "6000000"});
    const auto fetcher = system_.StartFetcher(
        {"--profile", system_.WriteProfile("reader", "h_index_cutoff = 1"), "--date", kDate});
    const auto asked = [&] {
      if (fetcher->Stderr().find("status on") == std::string::npos) return false;
      const std::string text = Metrics(StatusUrl(*fetcher));
      if (text.find("paperboy_fetcher_s2_requests_total{") == std::string::npos) return false;
      Read(text, &exposed_);
      return true;
    };
    EXPECT_TRUE(WaitUntil(asked, 30s)) << fetcher->Stderr();
    const auto exit = fetcher->Wait(120s);
    ASSERT_TRUE(exit && exit->code == 0) << fetcher->Stderr() << system_.Logs();
    const auto all = [&] {
      exposed_at_end_ = exposed_;
      Read(Metrics(system_.aggregator_url()), &exposed_at_end_);
      Read(Metrics(StatusUrl(system_.scorer(0))), &exposed_at_end_);
      return exposed_at_end_.samples.contains("paperboy_papers_total") &&
             exposed_at_end_.samples.contains("paperboy_dates");
    };
    EXPECT_TRUE(WaitUntil(all, 10s)) << Metrics(system_.aggregator_url());
  }

  Day day_ = DayOf(20, 1s);
  System system_{day_.settings};
  Exposed exposed_, exposed_at_end_;
};

TEST_F(MetricsTest, KeepToTheConventionsAndHaveWhatAlertsAndDashboardAskFor) {
  const Exposed& told = exposed_at_end_;
  EXPECT_THAT(told.malformed, ::testing::IsEmpty());
  EXPECT_GE(told.types.size(), 20u);
  static const std::regex kName("paperboy(_[a-z][a-z0-9]*)+");
  // No unit but base units, and none in the middle of a name; "total" of counters alone.
  static const std::regex kOtherUnit(
      ".*_(ms|millis|milliseconds|minutes|hours|days|percent|kb|mb)(_.*|$)");
  for (const auto& [name, type] : told.types) {
    EXPECT_TRUE(std::regex_match(name, kName)) << name;
    EXPECT_FALSE(std::regex_match(name, kOtherUnit)) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name << " is a " << type;
    if (name.find("_seconds") != std::string::npos) {
      EXPECT_TRUE(name.ends_with("_seconds") || name.ends_with("_seconds_total")) << name;
    }
    EXPECT_TRUE(told.help.contains(name)) << name;
    EXPECT_TRUE(told.samples.contains(name)) << name;
  }
  for (const char* path : {"templates/monitoring/alerts.yaml", "files/dashboard.json"}) {
    const auto names = NamesIn(path);
    EXPECT_GE(names.size(), 8u) << path;
    for (const std::string& name : names) {
      EXPECT_TRUE(told.samples.contains(name)) << path << " asks for " << name;
    }
  }
}

}  // namespace
}  // namespace paperboy
