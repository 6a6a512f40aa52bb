// The aggregator's commands on the real programs, beside the running process.
#include <filesystem>
#include <fstream>
#include <zmq.hpp>

#include "common/socket.h"
#include "common/wire.h"
#include "proto/paperboy.pb.h"
#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

class Commands : public testing::Test {
 protected:
  Commands() : day(DayOf(24)), system(day.settings) {
    system.StartAggregator();
    system.StartScorers(2);
    arguments = day.FromFile(system);
  }
  void RunDay() {
    const auto run = system.RunFetcher(arguments);
    ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  }
  void Expect(int code, const System::Arguments& words, const testing::Matcher<std::string>& says) {
    const auto run = system.RunCommand(words);
    EXPECT_EQ(run.exit.code, code) << words[0] << ": " << run.out << run.err;
    EXPECT_THAT(run.out + run.err, says) << words[0];
  }
  // No paper went to the model more than once.
  void ExpectNoRepeat() {
    for (const auto& [id, times] : system.llm().account().sent) EXPECT_EQ(times, 1u) << id;
  }

  Day day;
  System system;
  System::Arguments arguments;
};

TEST_F(Commands, LookAtTheLedgerBesideTheRunningProcess) {
  RunDay();
  Expect(0, {"status"}, AllOf(HasSubstr("default  2026-09-15  published"), HasSubstr("schema 4")));
  Expect(0, {"papers", kDate}, HasSubstr(day.settings.papers[3].id));
  Expect(0, {"papers", kDate, "unscored"}, HasSubstr("no paper of 2026-09-15 is unscored"));
  Expect(0, {"verify"}, HasSubstr("1 digest rendered anew, 9 files compared: everything matches"));
  std::ofstream(system.out_dir() + "/default/output.md", std::ios::app) << "by hand";
  Expect(2, {"verify"}, HasSubstr("output.md is missing or is not what was published"));
  system.RestartAggregator();
  Expect(0, {"verify"}, HasSubstr("everything matches"));
}

TEST_F(Commands, WrongWordsAreSaidWithWhatThereIs) {
  Expect(1, {"frobnicate"}, AllOf(HasSubstr("unknown command"), HasSubstr("status, papers, why")));
  Expect(1, {"papers"}, HasSubstr("expected: paperboy-aggregator papers DATE [STATE]"));
  Expect(1, {"papers", "yesterday"}, HasSubstr("yesterday"));
  Expect(1, {"papers", "2026-09-15"}, HasSubstr("no digest of 2026-09-15"));
  Expect(1, {"status", "all"}, HasSubstr("as in: status 50"));
  Expect(1, {"retry", "2026-09-14"}, HasSubstr("no digest of 2026-09-14"));
  Expect(1, {"prune", "--before", "2026-02-30"}, HasSubstr("2026-02-30"));
  Expect(1, {"restore", "no-such-file"}, HasSubstr("there is no file no-such-file"));
  Expect(0, {"--help"}, AllOf(HasSubstr("redo DATE"), HasSubstr("prune --before DATE")));
}

TEST_F(Commands, RedoAndPruneCostNoCallAndGiveTheSamePage) {
  RunDay();
  const std::string page = system.Page(kDate);
  Expect(0, {"redo", kDate}, HasSubstr("default 2026-09-15: open again, 24 rows dropped"));
  EXPECT_EQ(system.Page(kDate), page) << "it stays until it is delivered anew";
  Expect(0, {"verify"}, HasSubstr("note: default 2026-09-15 is open: being amended"));
  RunDay();
  ExpectNoRepeat();
  EXPECT_EQ(WithoutCost(system.Page(kDate)), WithoutCost(page));
  Expect(0, {"prune", "--before", "2026-09-16"}, HasSubstr("abstracts were dropped"));
  Expect(0, {"verify"}, HasSubstr("everything matches"));
  Expect(0, {"retry", kDate}, HasSubstr("nothing is unscored"));
  // What was pruned is delivered again.
  Expect(0, {"redo", kDate}, HasSubstr("open again"));
  RunDay();
  ExpectNoRepeat();
  EXPECT_EQ(WithoutCost(system.Page(kDate)), WithoutCost(page));
}

TEST_F(Commands, RetryScoresWhatTheModelHadRefusedForGood) {
  system.llm().SetFaults("refusal@" + day.settings.papers[3].title);
  const auto run = system.RunFetcher(arguments);
  ASSERT_EQ(run.exit.code, 0) << "nothing that a later run could mend" << run.err << system.Logs();
  Expect(0, {"papers", kDate, "unscored"}, HasSubstr(day.settings.papers[3].id));
  system.llm().SetFaults("");
  Expect(0, {"retry", kDate}, HasSubstr("1 paper tried again"));
  EXPECT_TRUE(WaitUntil([&] { return system.DigestJson(kDate)["funnel"]["unscored"] == 0; }, 30s))
      << system.Logs();
  Expect(0, {"verify"}, HasSubstr("everything matches"));
}

TEST_F(Commands, ABackupMadeWhileItRunsIsRestoredAndGoesOn) {
  RunDay();
  const std::string page = system.Page(kDate);
  const std::string copy = system.data_dir() + "/../copy.db";
  Expect(0, {"backup", copy}, HasSubstr("checked"));
  Expect(1, {"backup", copy}, HasSubstr("overwrites nothing"));
  Expect(1, {"restore", copy}, HasSubstr("another aggregator has the ledger"));
  system.KillAggregator();
  Expect(0, {"restore", copy}, AllOf(HasSubstr("is the ledger now"), HasSubstr("replaced-")));
  system.RestartAggregator();
  Expect(0, {"verify"}, HasSubstr("everything matches"));
  RunDay();
  ExpectNoRepeat();
  EXPECT_EQ(system.Page(kDate), page);
}

TEST_F(Commands, AFloodOfMalformedFramesIsLoggedOnceAndHarmsNobody) {
  zmq::context_t context;
  auto fetcher = ConnectDealer(context, system.fetchers_endpoint()).value();
  auto scorer = ConnectDealer(context, system.scorers_endpoint()).value();
  wire::ScorerMessage invalid;
  invalid.set_wire_major(kWireMajor);
  invalid.mutable_ready()->set_pod("valid");
  std::string frame = invalid.SerializeAsString();
  frame[frame.find("valid")] = '\xff';  // not UTF-8
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(WaitUntil([&] { return Send(fetcher, "no message \xff"); }, 10s));
    ASSERT_TRUE(WaitUntil([&] { return Send(scorer, frame); }, 10s));
  }
  RunDay();
  std::istringstream log(system.Logs());
  int lines = 0;
  for (std::string line; std::getline(log, line);) {
    lines += line.find("refused") != std::string::npos || line.find("UTF-8") != std::string::npos;
  }
  EXPECT_GE(lines, 1);
  EXPECT_LE(lines, 12) << system.Logs().substr(0, 2000);
}

}  // namespace
}  // namespace paperboy
