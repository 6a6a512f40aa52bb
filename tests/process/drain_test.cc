// A scorer that is told to stop in the middle of its calls. What the provider answered,
// and charges for, is in the ledger with its call and cost; no paper is asked about again,
// and the page is that of an undisturbed run.
#include <csignal>

#include "spdlog/fmt/fmt.h"
#include "tests/process/chaos.h"
#include "tests/process/http_get.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

constexpr int kPapers = 80;
constexpr uint64_t kBatch = 4;
constexpr uint64_t kCalls = 4;  // at once

struct Books {
  uint64_t calls = 0, prompt_tokens = 0, completion_tokens = 0, unpriced = 0;
  std::map<std::string, uint64_t> scored;  // by paper, with a call that is in the books
};

Books LedgerOf(const System& system) {
  Books books;
  Database ledger(system.data_dir() + "/ledger.db", Access::kRead);
  auto calls = ledger.Query(
      "SELECT count(*), total(prompt_tokens), total(completion_tokens), total(prompt_picodollars "
      "IS "
      "NULL OR completion_picodollars IS NULL) FROM call WHERE http_status = 200");
  calls.Next();
  books = {static_cast<uint64_t>(calls.Int(0)),
           static_cast<uint64_t>(calls.Int(1)),
           static_cast<uint64_t>(calls.Int(2)),
           static_cast<uint64_t>(calls.Int(3)),
           {}};
  auto papers = ledger.Query(
      "SELECT paper FROM work JOIN call ON call.id = work.call WHERE state = 'done' AND relevance "
      "> "
      "0");
  while (papers.Next()) ++books.scored[papers.Text(0)];
  return books;
}

class Drain : public testing::Test {
 protected:
  static System::Arguments Fetch(System& system, const Day& day) {
    auto arguments = day.FromFile(system);
    arguments.insert(arguments.end(), {"--profile", system.WriteProfile("day", "batch_size = 4"),
                                       "--deadline", "300s"});
    return arguments;
  }
  void StartScorer() {
    system_.StartScorers(1, "openai",
                         {"--model", "gpt-4o", "--concurrency", std::to_string(kCalls),
                          "--call-timeout", std::to_string(call_timeout_.count())});
  }
  // Some papers are scored, and as many calls as may be are with the provider, which
  // answers them when AnswersCome, and not before.
  void InTheMiddle() {
    system_.llm().AllowAnswers(2);
    system_.StartAggregator();
    StartScorer();
    fetcher_ = system_.StartFetcher(Fetch(system_, day_));
    const auto in_the_middle = [&] {
      const auto account = system_.llm().account();
      return account.ok == 2 && account.in_flight == kCalls;
    };
    ASSERT_TRUE(WaitUntil(in_the_middle, 60s)) << system_.Logs();
    ASSERT_LT(system_.llm().account().sent.size(), size_t{kPapers});
  }
  void TellScorerToStop(int signal = SIGTERM) {
    system_.scorer(0).Kill(signal);
    ASSERT_TRUE(system_.scorer(0).WaitForOutput("stopping: ", 20s)) << system_.Logs();
  }
  void AnswersCome() { system_.llm().AllowAnswers(UINT64_MAX); }
  void ExpectScorerEnds(int code) {
    EXPECT_EQ(system_.scorer(0).Wait(60s), (Process::Exit{.code = code})) << system_.Logs();
  }
  void ExpectTheLedgerHasWhatTheProviderAnswered() {
    const auto account = system_.llm().account();
    const Books books = LedgerOf(system_);
    EXPECT_EQ(account.in_flight, 0u);
    EXPECT_EQ(account.abandoned, 0u);
    EXPECT_EQ(books.calls, account.ok);
    EXPECT_EQ(books.prompt_tokens, account.prompt_tokens);
    EXPECT_EQ(books.completion_tokens, account.completion_tokens);
    EXPECT_EQ(books.unpriced, 0u);
    EXPECT_EQ(books.scored, account.scored);
  }
  void ExpectThePageOfAnUndisturbedRun() {
    System calm(day_.settings);
    calm.StartAggregator();
    calm.StartScorers(2, "openai", {"--model", "gpt-4o"});
    EXPECT_EQ(calm.RunFetcher(Fetch(calm, day_)).exit.code, 0) << calm.Logs();
    const Published want = Published::Of(calm, kDate, "day");
    const Published got = Published::Of(system_, kDate, "day");
    EXPECT_FALSE(want.page.empty());
    EXPECT_EQ(got.page, want.page);
    EXPECT_EQ(got.digest, want.digest);
  }
  // Another scorer completes the day.
  void ExpectTheRestIsDone() {
    AnswersCome();
    StartScorer();
    ASSERT_EQ(fetcher_->Wait(120s).value_or(Process::Exit{}).code, 0)
        << fetcher_->Stderr() << system_.Logs();
    EXPECT_EQ(system_.llm().account().sent.size(), size_t{kPapers});
    ExpectThePageOfAnUndisturbedRun();
  }
  void ExpectNoPaperTwice() {
    EXPECT_THAT(system_.llm().account().sent, Each(Pair(testing::_, 1u)));
  }

  const Day day_ = DayOf(kPapers);
  std::chrono::seconds call_timeout_{60};
  System system_{day_.settings};
  std::unique_ptr<Process> fetcher_;
};

class DrainBySignal : public Drain, public testing::WithParamInterface<int> {};

TEST_P(DrainBySignal, InTheMiddleOfCallsLosesNoPaperAndNoPaidAnswer) {
  InTheMiddle();
  const auto sent = system_.llm().account().sent;
  TellScorerToStop(GetParam());
  AnswersCome();
  ExpectScorerEnds(0);
  ExpectTheLedgerHasWhatTheProviderAnswered();  // by the one that stopped alone
  EXPECT_EQ(system_.llm().account().sent, sent) << "the rest went back unasked";
  ExpectTheRestIsDone();
  ExpectNoPaperTwice();
  ExpectTheLedgerHasWhatTheProviderAnswered();
}

INSTANTIATE_TEST_SUITE_P(Signals, DrainBySignal, testing::Values(SIGTERM, SIGINT, SIGHUP),
                         [](const auto& info) { return std::string(::sigabbrev_np(info.param)); });

TEST_F(Drain, UntilItEndsReadyzSaysWhatIsLeft) {
  InTheMiddle();
  const std::string url = StatusUrl(system_.scorer(0));
  const auto status = [&url](const char* path) { return HttpGet(url, path); };
  EXPECT_THAT(status("/readyz"), StartsWith("200 "));
  TellScorerToStop();
  EXPECT_TRUE(WaitUntil([&] { return status("/readyz").starts_with("503 "); }, 10s));
  EXPECT_THAT(status("/readyz"), HasSubstr("stopping, with 4 calls in flight and 0 results"));
  EXPECT_THAT(status("/healthz"), StartsWith("200 ")) << "it is not to be killed";
  AnswersCome();
  ExpectScorerEnds(0);
}

TEST_F(Drain, WhileTheAggregatorIsAwayForAMomentDeliversWhenItIsBack) {
  InTheMiddle();
  system_.KillAggregator();
  TellScorerToStop();
  AnswersCome();
  ASSERT_TRUE(WaitUntil([&] { return system_.llm().account().in_flight == 0; }, 30s));
  EXPECT_TRUE(system_.scorer(0).running()) << "it has answers to deliver";
  system_.RestartAggregator();
  ExpectScorerEnds(0);
  ExpectTheLedgerHasWhatTheProviderAnswered();
  ExpectTheRestIsDone();
  ExpectNoPaperTwice();
  ExpectTheLedgerHasWhatTheProviderAnswered();
}

TEST_F(Drain, WhileTheAggregatorIsAwayForLongLeavesPaidAnswersToTheNextScorer) {
  call_timeout_ = 15s;  // it waits as long, and 5 s
  InTheMiddle();
  system_.KillAggregator();
  TellScorerToStop();
  AnswersCome();
  ExpectScorerEnds(0);
  EXPECT_THAT(system_.scorer(0).Stdout(), HasSubstr("results not acknowledged"));
  EXPECT_LT(LedgerOf(system_).calls, system_.llm().account().ok) << "some were not delivered";
  system_.RestartAggregator();
  ExpectTheRestIsDone();
  ExpectNoPaperTwice();
  ExpectTheLedgerHasWhatTheProviderAnswered();
}

TEST_F(Drain, ASecondSignalEndsItAtOnceAndCostsNoMoreThanWhatIsInFlight) {
  InTheMiddle();
  TellScorerToStop();
  std::set<std::string> under_way;
  for (const auto& call : system_.llm().calls()) {
    if (!call.over) under_way.insert(call.papers.begin(), call.papers.end());
  }
  system_.scorer(0).Kill(SIGTERM);
  ExpectScorerEnds(1);
  EXPECT_THAT(system_.scorer(0).Stderr(),
              HasSubstr(fmt::format(
                  "a second signal: stopping with {} calls in flight ({} papers, which go back",
                  kCalls, kCalls * kBatch)));
  ExpectTheRestIsDone();
  uint64_t repeats = 0;
  for (const auto& [paper, times] : system_.llm().account().sent) {
    EXPECT_LE(times, under_way.contains(paper) ? 2u : 1u) << paper;
    repeats += times - 1;
  }
  EXPECT_EQ(repeats, under_way.size()) << "which nobody answered";
  EXPECT_LE(repeats, kCalls * kBatch);
}

}  // namespace
}  // namespace paperboy
