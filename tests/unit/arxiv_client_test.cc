#include "fetcher/arxiv_client.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "common/calendar.h"
#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "common/redis_keys.h"
#include "fetcher/arxiv_source.h"
#include "tests/support/arxiv_server.h"
#include "tests/support/http_host.h"
#include "tests/support/redis_server.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::chrono::duration<double> kQuick(0.003);

// One fetcher's end; used on the thread that made it.
class Client {
 public:
  Client(const RedisServer& redis_server, const std::string& owner,
         std::chrono::duration<double> interval)
      : redis_(loop_, *ParseRedisUrl(redis_server.url())),
        arxiv_(pump_, redis_, http_, progress_, [] { return std::chrono::system_clock::now(); },
               {interval, "tests@example.org", owner}) {
    progress_.OnWaitingChange([this](const std::string& what) { waits_ += what + "\n"; });
  }

  Status Get(const std::string& url, milliseconds patience = seconds(20)) {
    return arxiv_.Get(url, loop_.now() + patience, [this](const HttpResponse& response) -> Status {
      body_ = response.body;
      if (response.status != 200) return Invalid("HTTP " + std::to_string(response.status));
      if (body_.find("</rss>") == std::string::npos) return Unavailable("cut off");
      return Ok();
    });
  }

  // What Redis answers to a command.
  RedisReply Ask(std::vector<std::string> command) {
    RedisReply answer;
    bool done = false;
    pump_.Finish([this] { return redis_.ready(); }, seconds(5));
    redis_.Command(std::move(command), seconds(5), [&](Result<RedisReply> reply) {
      EXPECT_TRUE(reply.ok());
      if (reply.ok()) answer = *reply;
      done = true;
    });
    pump_.Finish([&] { return done; }, seconds(5));
    return answer;
  }

  Loop& loop() { return loop_; }
  Pump& pump() { return pump_; }
  ArxivClient& arxiv() { return arxiv_; }
  const std::string& waits() const { return waits_; }

 private:
  EpollLoop loop_;
  Pump pump_{loop_};
  Progress progress_{loop_, Progress::Mode::kNone, stderr};
  RedisClient redis_;
  CurlClient http_{loop_, 1};
  ArxivClient arxiv_;
  std::string body_;
  std::string waits_;
};

class ArxivClientTest : public testing::Test {
 protected:
  ArxivClientTest() { Serve(""); }

  void Serve(const std::string& faults, seconds retry_after = seconds(0)) {
    ArxivServer::Options options;
    options.date = "2026-09-15";
    options.faults = faults;
    options.retry_after = retry_after;
    options.stall = seconds(1);
    server_ = std::make_unique<ArxivServer>(std::move(options));
    server_->Start();
  }
  std::string Url() const { return server_->rss_url() + "/cs.LG"; }
  ArxivServer::Account Account() const { return server_->account(); }

  RedisServer redis_;
  std::unique_ptr<ArxivServer> server_;
};

TEST_F(ArxivClientTest, SaysWhoItIs) {
  Client client(redis_, "a", kQuick);
  ASSERT_TRUE(client.Get(Url()).ok());

  ASSERT_THAT(Account().requests, SizeIs(1));
  EXPECT_EQ(Account().requests[0].user_agent, "paperboy/" PAPERBOY_VERSION " (+tests@example.org)");
  EXPECT_EQ(Account().requests[0].accept, "application/atom+xml, text/xml, */*");
}

TEST_F(ArxivClientTest, KeepsTheInterval) {
  Client client(redis_, "a", milliseconds(150));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(client.Get(Url()).ok());
  EXPECT_GE(Account().smallest_gap, milliseconds(150));
}

TEST_F(ArxivClientTest, FetchersTakeTurns) {
  std::vector<std::thread> fetchers;
  std::atomic<int> answers = 0;
  for (const char* owner : {"a", "b", "c"}) {
    fetchers.emplace_back([&, owner] {
      Client client(redis_, owner, milliseconds(60));
      for (int i = 0; i < 5; ++i) answers += client.Get(Url()).ok() ? 1 : 0;
    });
  }
  for (std::thread& fetcher : fetchers) fetcher.join();

  EXPECT_EQ(answers, 15);
  EXPECT_EQ(Account().max_concurrent, 1u);
  EXPECT_GE(Account().smallest_gap, milliseconds(60));
}

TEST_F(ArxivClientTest, TriesAgainWhateverGoesWrong) {
  for (const char* fault : {"406", "429", "503", "500", "rate_exceeded", "truncated", "drop"}) {
    Serve(std::string(fault) + "#2");
    Client client(redis_, "a", kQuick);
    EXPECT_TRUE(client.Get(Url()).ok()) << fault;
    EXPECT_THAT(Account().requests, SizeIs(3)) << fault;
    EXPECT_THAT(client.waits(), HasSubstr("next try at")) << fault;
  }
}

TEST_F(ArxivClientTest, BacksOffLongerEachTime) {
  Serve("500#4");
  Client client(redis_, "a", std::chrono::duration<double>(0.006));  // from 120 ms
  ASSERT_TRUE(client.Get(Url()).ok());

  const auto requests = Account().requests;
  ASSERT_THAT(requests, SizeIs(5));
  for (size_t i = 1; i < requests.size(); ++i) {
    EXPECT_GE(requests[i].start - requests[i - 1].end, milliseconds(120) * (1 << (i - 1)));
  }
}

// A reader who has five minutes for each list asks a failing server no more often.
TEST_F(ArxivClientTest, ABackOffOutlivesTheCall) {
  Serve("500#3");
  Client client(redis_, "a", std::chrono::duration<double>(0.006));  // from 120 ms
  while (Account().requests.size() < 3) ASSERT_FALSE(client.Get(Url(), milliseconds(100)).ok());
  ASSERT_TRUE(client.Get(Url()).ok());

  auto requests = Account().requests;
  ASSERT_THAT(requests, SizeIs(4));
  for (size_t i = 1; i < requests.size(); ++i) {
    EXPECT_GE(requests[i].start - requests[i - 1].end, milliseconds(120) * (1 << (i - 1)));
  }
  // Answered well, it begins anew.
  server_->SetFaults("500#1");
  ASSERT_TRUE(client.Get(Url()).ok());
  requests = Account().requests;
  EXPECT_LT(requests[5].start - requests[4].end, milliseconds(900));
}

TEST_F(ArxivClientTest, BacksOffALittleEvenWithoutAnInterval) {
  Serve("500#3");
  Client client(redis_, "a", seconds(0));
  ASSERT_TRUE(client.Get(Url()).ok());

  const auto requests = Account().requests;
  ASSERT_THAT(requests, SizeIs(4));
  for (size_t i = 1; i < requests.size(); ++i) {
    EXPECT_GE(requests[i].start - requests[i - 1].end, milliseconds(18));
  }
}

TEST_F(ArxivClientTest, HonoursRetryAfterForEveryFetcher) {
  Serve("429#1", seconds(1));
  std::thread first([&] {
    Client client(redis_, "a", kQuick);
    EXPECT_TRUE(client.Get(Url()).ok());
  });
  while (Account().requests.empty() || Account().requests[0].status == 0) {
    std::this_thread::yield();
  }
  Client second(redis_, "b", kQuick);
  EXPECT_TRUE(second.Get(Url()).ok());
  first.join();

  const auto requests = Account().requests;
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_GE(requests[1].start - requests[0].end, milliseconds(990));
}

TEST_F(ArxivClientTest, DoesNotRepeatWhatArxivCannotAnswer) {
  Serve("404");
  Client client(redis_, "a", kQuick);
  const Status got = client.Get(Url());
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(Account().requests, SizeIs(1));
}

TEST_F(ArxivClientTest, SaysWhatItWaitedForAtTheDeadline) {
  Serve("503");
  Client client(redis_, "a", kQuick);
  const Status got = client.Get(Url(), milliseconds(500));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(got.error().message, HasSubstr("HTTP 503"));
}

TEST_F(ArxivClientTest, AnOutageIsSaidOnceWithItsCauseHoweverOftenItIsWaitedFor) {
  Serve("503");
  Client client(redis_, "a", seconds(1));                            // backs off for 20 s
  client.Ask({"SET", redis_keys::ArxivEnd(), "0 0", "EX", "1000"});  // who was first held off
  while (Account().requests.empty()) ASSERT_FALSE(client.Get(Url(), seconds(1)).ok());
  const Status again = client.Get(Url(), seconds(3));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().message,
            "the deadline passed waiting for arXiv: it asks to wait (HTTP 503)");
  EXPECT_THAT(client.waits(),
              testing::MatchesRegex("arXiv: it asks to wait \\(HTTP 503\\); next try at "
                                    "..:..:.. UTC\n"));

  Client another(redis_, "b", seconds(1));
  ASSERT_FALSE(another.Get(Url(), seconds(3)).ok());
  EXPECT_THAT(another.waits(),
              testing::MatchesRegex("arXiv: nobody may ask it now; next try at ..:..:.. UTC\n"));
  EXPECT_THAT(Account().requests, SizeIs(1));
}

TEST_F(ArxivClientTest, WaitsUntilADeadFetchersLockRunsOut) {
  Client client(redis_, "a", kQuick);
  client.Ask({"SET", redis_keys::ArxivLock(), "killed", "PX", "400"});
  const auto begin = steady_clock::now();

  ASSERT_TRUE(client.Get(Url()).ok());

  EXPECT_GE(steady_clock::now() - begin, milliseconds(350));
  EXPECT_THAT(client.waits(), HasSubstr("another fetcher"));
}

TEST_F(ArxivClientTest, LeavesNoLockAndNothingForEver) {
  Client client(redis_, "a", kQuick);
  ASSERT_TRUE(client.Get(Url()).ok());

  EXPECT_EQ(client.Ask({"EXISTS", redis_keys::ArxivLock()}).integer, 0);
  EXPECT_GT(client.Ask({"TTL", redis_keys::ArxivEnd()}).integer, 0);
}

TEST_F(ArxivClientTest, AStopFreesTheLockAtOnce) {
  Serve("stall");
  Client client(redis_, "a", kQuick);
  client.loop().Every(milliseconds(10), [&] {
    if (!Account().requests.empty()) client.pump().Stop(15);
  });

  EXPECT_FALSE(client.Get(Url()).ok());

  EXPECT_EQ(client.Ask({"EXISTS", redis_keys::ArxivLock()}).integer, 0);
}

TEST_F(ArxivClientTest, NoSecondRequestThoughRedisForgetsTheFirst) {
  Serve("stall#1");
  // The lock is renewed every 33 ms, and nobody takes it for 166 ms when there
  // is no state.
  constexpr std::chrono::duration<double> interval(0.1);
  std::thread first([&] {
    Client client(redis_, "a", interval);
    EXPECT_TRUE(client.Get(Url()).ok());
  });
  while (Account().requests.empty()) std::this_thread::yield();
  Client second(redis_, "b", interval);
  second.Ask({"FLUSHALL"});
  EXPECT_TRUE(second.Get(Url()).ok());
  first.join();

  EXPECT_EQ(Account().max_concurrent, 1u);
  EXPECT_GE(Account().smallest_gap, milliseconds(100));
}

TEST_F(ArxivClientTest, WaitsForRedisAndGoesOnWhenItIsBack) {
  redis_.Kill();
  Client client(redis_, "a", kQuick);
  bool restarted = false;
  client.loop().Every(milliseconds(20), [&] {
    if (restarted || client.waits().find("Redis") == std::string::npos) return;
    restarted = true;
    EXPECT_THAT(Account().requests, SizeIs(0));
    redis_.Restart();
  });

  EXPECT_TRUE(client.Get(Url()).ok());

  EXPECT_TRUE(restarted);
  EXPECT_THAT(Account().requests, SizeIs(1));
}

TEST_F(ArxivClientTest, ARedisClockSetBackIsNoReasonToWait) {
  for (const auto step : {std::chrono::hours(2), std::chrono::hours(24 * 3650)}) {
    Client client(redis_, "a", kQuick);
    const auto then = std::chrono::system_clock::now() + step;
    const std::string us = std::to_string(
        std::chrono::duration_cast<std::chrono::microseconds>(then.time_since_epoch()).count());
    client.Ask({"SET", redis_keys::ArxivEnd(), us + " " + us, "EX", "1000"});
    EXPECT_TRUE(client.Get(Url(), seconds(5)).ok()) << step.count() << " h";
  }
}

// An API that answers with the pages of a script, one after another.
class ScriptedApi {
 public:
  explicit ScriptedApi(std::vector<std::string> pages) : pages_(std::move(pages)) {
    host_.Start(0, [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      starts_.push_back(request.get_param_value("start"));
      const size_t turn = std::min(starts_.size(), pages_.size()) - 1;
      response.set_content(pages_[turn], "application/atom+xml");
    });
  }
  // A page that says `total` and has the papers from `first` to `last`.
  static std::string Page(int total, int first, int last) {
    std::string entries;
    for (int i = first; i <= last; ++i) {
      entries += "<entry><id>http://arxiv.org/abs/2609.0000" + std::to_string(i) +
                 "v1</id><title>T</title><published>2026-09-14T12:00:00Z</published></entry>";
    }
    return "<feed><totalResults>" + std::to_string(total) + "</totalResults>" + entries + "</feed>";
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(host_.port()) + "/api"; }
  std::vector<std::string> starts() {
    const std::lock_guard lock(mutex_);
    return starts_;
  }

 private:
  std::mutex mutex_;
  const std::vector<std::string> pages_;
  std::vector<std::string> starts_;  // as asked for
  HttpHost host_{4};
};

class ArxivSourceTest : public testing::Test {
 protected:
  Result<std::vector<Submission>> Read(ScriptedApi& api) { return Read(api.url()); }
  Result<std::vector<Submission>> Read(const std::string& url) {
    Client client(redis_, "a", kQuick);
    ArxivSource source(client.arxiv(), "", url, "");
    const auto day = *ParseDate("2026-09-15");
    return source.ReadWindow("cs.LG", AnnouncementFor(day)->submitted,
                             client.loop().now() + seconds(20));
  }
  RedisServer redis_;
};

TEST_F(ArxivSourceTest, APageThatSaysLessThanOneBeforeIsAskedForAgain) {
  ScriptedApi api({ScriptedApi::Page(4, 1, 2), ScriptedApi::Page(2, 1, 0),
                   ScriptedApi::Page(3, 3, 3), ScriptedApi::Page(4, 3, 4)});

  const auto papers = Read(api);

  ASSERT_TRUE(papers.ok()) << papers.error().message;
  EXPECT_THAT(*papers, SizeIs(4));
  EXPECT_THAT(api.starts(), testing::ElementsAre("0", "2", "2", "2"));
}

// Of the two kinds of complaint only one is about the question.
TEST_F(ArxivSourceTest, WhatTheSearchSaysAgainstAQuestionIsBelievedByItsHttpStatus) {
  ArxivServer server({.date = "2026-09-15", .faults = "error_feed"});
  server.Start();
  const auto failed = Read(server.api_url());
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("the search backend did not answer"));
  EXPECT_THAT(server.account().requests, SizeIs(3));

  server.SetFaults("400");
  const auto refused = Read(server.api_url());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
}

TEST_F(ArxivSourceTest, AnApiThatKeepsSayingLessIsAtFault) {
  ScriptedApi api({ScriptedApi::Page(4, 1, 2), ScriptedApi::Page(2, 1, 0)});

  const auto papers = Read(api);

  ASSERT_FALSE(papers.ok());
  EXPECT_EQ(papers.error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace paperboy
