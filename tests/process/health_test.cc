// What a kubelet is told: /readyz fails with the reason while a process could not do its
// work, /healthz only when its loop hangs, and then it must.
#include <httplib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "aggregator/sqlite.h"
#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct Told {
  int status = 0;  // 0: no answer
  std::string why;
};

Told Ask(const std::string& url, const std::string& path) {
  httplib::Client client(url);
  client.set_read_timeout(5s);  // the chart's timeoutSeconds
  const auto answer = client.Get(path);
  return answer ? Told{answer->status, answer->body} : Told{};
}

// Nothing of it runs on the thread of its loop while this lives; its other threads go on.
// Throws std::runtime_error where it cannot be stopped, as where ptrace is not allowed.
class HungLoop {
 public:
  explicit HungLoop(const Process& process) : pid_(process.pid()) {
    for (const auto request : {PTRACE_SEIZE, PTRACE_INTERRUPT}) {
      if (::ptrace(request, pid_, nullptr, nullptr) == 0) continue;
      throw std::runtime_error(std::string("ptrace: ") + std::strerror(errno));
    }
    int status = 0;
    const auto stopped = [&] {
      return ::waitpid(pid_, &status, WNOHANG) == pid_ && WIFSTOPPED(status);
    };
    if (!WaitUntil(stopped, 20s)) throw std::runtime_error("it does not stop");
  }
  ~HungLoop() { ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr); }
  HungLoop(const HungLoop&) = delete;
  HungLoop& operator=(const HungLoop&) = delete;

 private:
  const pid_t pid_;
};

class Health : public testing::Test {
 protected:
  std::string Aggregator() { return system_.aggregator_url(); }
  std::string Scorer() { return StatusUrl(system_.scorer(0)); }
  // `why` is empty for a process that is ready. It lives on in both cases.
  void ExpectReady(const std::string& url) { ExpectBecomes(url, 200, "ok"); }
  void ExpectNotReady(const std::string& url, const std::string& why) {
    ExpectBecomes(url, 503, why);
  }
  void ExpectBecomes(const std::string& url, int status, const std::string& why) {
    Told told;
    const auto so = [&] {
      told = Ask(url, "/readyz");
      return told.status == status && told.why.find(why) != std::string::npos;
    };
    EXPECT_TRUE(WaitUntil(so, 60s)) << "instead of " << status << " " << why << ": " << told.status
                                    << " " << told.why << system_.Logs();
    EXPECT_EQ(Ask(url, "/healthz").status, 200);
  }
  std::unique_ptr<Process> StartFetcher(const System::Arguments& more = {}) {
    auto arguments = day_.FromFile(system_);
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto fetcher = system_.StartFetcher(arguments);
    EXPECT_TRUE(fetcher->WaitForOutput("status on ", 20s)) << fetcher->Stderr();
    return fetcher;
  }

  const Day day_ = DayOf(12);
  System system_{day_.settings};
};

TEST_F(Health, AnAggregatorIsReadyWhileItsLedgerTakesCommits) {
  system_.StartAggregator();
  ExpectReady(Aggregator());
  {
    Database another(system_.data_dir() + "/ledger.db", Access::kWrite);
    another.Script("BEGIN IMMEDIATE");
    ExpectNotReady(Aggregator(), "the ledger cannot be written");
    EXPECT_THAT(Ask(Aggregator(), "/readyz").why, HasSubstr("locked"));
    another.Script("ROLLBACK");
  }
  ExpectReady(Aggregator());
}

TEST_F(Health, RedisIsThatOfAScorerAndNotOfTheAggregator) {
  system_.StartAggregator();
  system_.StartScorers(1);
  ExpectReady(Scorer());
  system_.redis().Kill();
  ExpectNotReady(Scorer(), "Redis");
  EXPECT_EQ(Ask(Aggregator(), "/readyz").status, 200);
  system_.RestartAggregator();
  ExpectReady(Aggregator());
  system_.redis().Restart();
  ExpectReady(Scorer());
}

TEST_F(Health, AScorerIsReadyWhileItHearsTheAggregatorAndTheModelTakesItsKey) {
  system_.llm().SetKeys({"another-key"});
  system_.StartScorers(1);
  ExpectNotReady(Scorer(), "waiting for the aggregator at " + system_.scorers_endpoint());
  system_.StartAggregator();
  ExpectReady(Scorer());
  system_.KillAggregator();
  ExpectNotReady(Scorer(), "waiting for the aggregator at " + system_.scorers_endpoint());
  system_.RestartAggregator();
  ExpectReady(Scorer());
  const auto fetcher = StartFetcher();
  ExpectNotReady(Scorer(), "cannot be used: the key is not accepted");
  ASSERT_TRUE(fetcher->Wait(60s)) << "it is told that the digest cannot be scored";
  system_.llm().SetKeys({"test-key"});
  EXPECT_EQ(StartFetcher()->Wait(60s), (Process::Exit{.code = 0})) << system_.Logs();
  ExpectReady(Scorer());
}

TEST_F(Health, AFetcherSaysWhatItWaitsFor) {
  system_.redis().Kill();
  system_.llm().SetLatency(600s);
  const auto fetcher = system_.StartFetcher({"--date", kDate, "--source", "rss"});
  ASSERT_TRUE(fetcher->WaitForOutput("status on ", 20s)) << fetcher->Stderr();
  const std::string url = StatusUrl(*fetcher);
  ExpectNotReady(url, "waiting for the aggregator at " + system_.fetchers_endpoint());
  system_.StartAggregator();
  ExpectNotReady(url, "waiting for Redis");
  system_.redis().Restart();
  ExpectNotReady(url, "scorer");
  system_.StartScorers(1);
  ExpectReady(url);
}

TEST_F(Health, AProcessWhoseLoopHangsIsNotAlive) {
  system_.llm().SetLatency(20s);
  system_.StartAggregator();
  system_.StartScorers(1);
  const auto fetcher = StartFetcher();
  ASSERT_TRUE(WaitUntil([&] { return system_.llm().account().in_flight > 0; }, 60s));
  const std::vector<std::string> urls = {Aggregator(), Scorer(), StatusUrl(*fetcher)};
  const auto all_become = [&](int status) {
    return [&urls, status] {
      return std::all_of(urls.begin(), urls.end(), [&](const std::string& url) {
        return Ask(url, "/healthz").status == status;
      });
    };
  };
  EXPECT_TRUE(all_become(200)());
  {
    const HungLoop aggregator(system_.aggregator()), scorer(system_.scorer(0)), third(*fetcher);
    EXPECT_TRUE(WaitUntil(all_become(503), 60s));
    EXPECT_THAT(Ask(urls[0], "/healthz").why, HasSubstr("the event loop stands still"));
  }
  EXPECT_TRUE(WaitUntil(all_become(200), 60s));
}

}  // namespace
}  // namespace paperboy
