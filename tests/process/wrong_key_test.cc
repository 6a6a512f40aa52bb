// A provider that refuses every call: a wrong key, a key without rights, an account
// without quota, a model that is not there. Eight scorers find out with few calls,
// everybody says so, and the same command completes the day when it is mended.
#include <httplib.h>

#include <thread>

#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kScorers = 8;

struct Refusal {
  std::string name;
  std::string fault;  // of the model's server
  bool wrong_key;     // the scorers' key is not accepted
  std::string model;  // that the scorers ask for
  std::string says;   // the cause, as everybody names it
};

std::string MetricsOf(const System& system) {
  httplib::Client client(system.aggregator_url());
  const auto answer = client.Get("/metrics");
  return answer ? answer->body : "";
}

void EndScorers(System* system) {
  for (size_t i = 0; i < system->scorers(); ++i) system->scorer(i).Kill(SIGTERM);
  for (size_t i = 0; i < system->scorers(); ++i) system->scorer(i).Wait(20s);
}

class WrongKey : public testing::TestWithParam<Refusal> {
 protected:
  static Day MakeDay(const Refusal& refusal) {
    Day day = DayOf(40);
    if (refusal.wrong_key) day.settings.llm.keys = {"the-right-key"};
    day.settings.llm.models = {"gpt-4o-mini"};
    day.settings.llm.faults = refusal.fault;
    return day;
  }
  const Day day_ = MakeDay(GetParam());
  System system_{day_.settings};
};

TEST_P(WrongKey, IsFoundWithFewCallsSaidEverywhereAndMended) {
  const Refusal& refusal = GetParam();
  system_.StartAggregator();
  const std::string profile = system_.WriteProfile("reader", "batch_size = 1");
  System::Arguments fetch = day_.FromFile(system_);
  fetch.insert(fetch.end(), {"--profile", profile});
  system_.StartScorers(kScorers, "openai", {"--model", refusal.model});

  const auto run = system_.RunFetcher(fetch);
  EXPECT_EQ(run.exit.code, 3) << run.err << system_.Logs();
  EXPECT_LE(system_.llm().account().calls, 3u + kScorers);
  const auto digest = system_.DigestJson(kDate, "reader");
  EXPECT_EQ(digest["state"], "withheld");
  EXPECT_EQ(digest["mendable"], true);
  EXPECT_EQ(digest["funnel"]["unscored"], 40);
  EXPECT_EQ(system_.Page(kDate, "reader"), "") << "nothing is published as a quiet day";
  EXPECT_THAT(digest["notes"].dump(), HasSubstr(refusal.says));
  EXPECT_THAT(run.out, HasSubstr(refusal.says));
  const std::string logs = system_.Logs();
  const size_t withheld = logs.find("withheld: 40 of 40 papers could not be scored");
  ASSERT_NE(withheld, logs.npos) << logs;
  EXPECT_THAT(logs.substr(withheld, logs.find('\n', withheld) - withheld), HasSubstr(refusal.says));
  EXPECT_THAT(system_.RunCommand({"status"}).out,
              AllOf(HasSubstr("withheld"), HasSubstr("40 papers without a score"),
                    HasSubstr(refusal.says)));
  EXPECT_THAT(MetricsOf(system_),
              HasSubstr("paperboy_model_out{model=\"" + refusal.model + "\"} 1"));
  EXPECT_THAT(run.out + run.err + system_.Logs() + digest.dump(), Not(HasSubstr("test-key")));

  // The same command is worth one more call, not a new flood. Calls that were under way
  // when the digest was given up come first.
  const auto calls = [&] { return system_.llm().account().calls; };
  uint64_t before = 0;
  for (uint64_t now = calls(); now != before; now = calls()) {
    before = now;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  EXPECT_LE(before, 3u + kScorers);
  EXPECT_EQ(system_.RunFetcher(fetch).exit.code, 3);
  EXPECT_LE(calls(), before + 1);

  EndScorers(&system_);
  system_.llm().SetFaults("");
  const std::string key_file = system_.File("key");
  std::ofstream(key_file) << "the-right-key\n";
  system_.StartScorers(kScorers, "openai", {"--model", "gpt-4o-mini", "--api-key-file", key_file});
  const auto mended = system_.RunFetcher(fetch);
  EXPECT_EQ(mended.exit.code, 0) << mended.err << mended.out << system_.Logs();
  EXPECT_EQ(system_.DigestJson(kDate, "reader")["state"], "published");
  EXPECT_EQ(system_.DigestJson(kDate, "reader")["funnel"]["unscored"], 0);
  for (const auto& [id, times] : system_.llm().account().scored) EXPECT_EQ(times, 1u) << id;
}

INSTANTIATE_TEST_SUITE_P(Causes, WrongKey,
                         testing::Values(Refusal{"Status401", "", true, "gpt-4o-mini",
                                                 "HTTP 401: Incorrect API key provided"},
                                         Refusal{"Status403", "403", false, "gpt-4o-mini",
                                                 "HTTP 403"},
                                         Refusal{"InsufficientQuota", "insufficient_quota", false,
                                                 "gpt-4o-mini", "You exceeded your current quota"},
                                         Refusal{"ModelNotFound", "", false, "gpt-4o",
                                                 "The model `gpt-4o` does not exist"}),
                         [](const auto& info) { return info.param.name; });

TEST(RevokedKey, InTheMiddleOfADigestCostsNoMoreThanWhatIsInFlight) {
  Day day = DayOf(300, 300ms);
  day.settings.llm.keys = {"test-key"};
  System system(day.settings);
  system.StartAggregator();
  const std::string profile = system.WriteProfile("reader", "batch_size = 1");
  System::Arguments fetch = day.FromFile(system);
  fetch.insert(fetch.end(), {"--profile", profile});
  system.StartScorers(kScorers, "openai", {"--concurrency", "4"});
  auto fetcher = system.StartFetcher(fetch);
  ASSERT_TRUE(WaitUntil([&] { return system.llm().account().ok >= 100; }, 60s)) << system.Logs();
  system.llm().SetKeys({"another-key"});
  const auto exit = fetcher->Wait(60s);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->code, 3) << system.Logs();
  // Each of four slots may hold a call that goes before its scorer has the first
  // refusal, and one that was handed out before the aggregator had.
  EXPECT_LE(system.llm().account().bad_key, 2u * 4u * kScorers + 3u);
  const auto digest = system.DigestJson(kDate, "reader");
  EXPECT_EQ(digest["state"], "withheld");
  EXPECT_THAT(digest["notes"].dump(), HasSubstr("Incorrect API key"));

  system.llm().SetKeys({"test-key"});
  const auto mended = system.RunFetcher(fetch);
  EXPECT_EQ(mended.exit.code, 0) << mended.err << mended.out << system.Logs();
  EXPECT_EQ(system.DigestJson(kDate, "reader")["funnel"]["unscored"], 0);
  for (const auto& [id, times] : system.llm().account().scored) EXPECT_EQ(times, 1u) << id;
}

}  // namespace
}  // namespace paperboy
