// Which of arXiv's search and its OAI-PMH past days are read from.
#include "fetcher/past_days.h"

#include <gmock/gmock.h>

#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "tests/support/arxiv_server.h"
#include "tests/support/redis_server.h"

namespace paperboy {
namespace {

using std::chrono::minutes, std::chrono::seconds;

class PastDaysTest : public testing::Test {
 protected:
  static std::unique_ptr<ArxivServer> Serve() {
    ArxivServer::Options options;
    options.date = "2026-09-15";
    options.papers = InventArxivPapers(6, "2026-09-15");
    for (ArxivPaper& paper : options.papers) paper.id[5] = '2';  // 2609.20001 and on
    for (ArxivPaper& paper : InventArxivPapers(6, "2026-09-11")) {
      options.papers.push_back(std::move(paper));
    }
    options.retry_after = seconds(0);
    auto server = std::make_unique<ArxivServer>(std::move(options));
    server->Start();
    return server;
  }

  // The source that the list came from, or what is wrong.
  std::string Read(PastDays* days, const std::string& page) {
    const auto list = days->Read("cs.LG", *ParseDate(page), loop_.now() + later_ + seconds(4));
    return list ? list->source : list.error().message;
  }

  size_t Papers(PastDays* days, const std::string& page) {
    const auto list = days->Read("cs.LG", *ParseDate(page), loop_.now() + seconds(4));
    return list ? list->rows.size() : 0;
  }

  PastDays::Settings Settings(PastSource source) {
    return {source, seconds(1), minutes(30), {}, [this] { return loop_.now() + later_; }};
  }

  RedisServer redis_server_;
  std::unique_ptr<ArxivServer> server_ = Serve();
  EpollLoop loop_;
  Pump pump_{loop_};
  Progress progress_{loop_, Progress::Mode::kNone, stderr};
  RedisClient redis_{loop_, *ParseRedisUrl(redis_server_.url())};
  CurlClient http_{loop_, 1};
  ArxivClient arxiv_{pump_,
                     redis_,
                     http_,
                     progress_,
                     [] { return std::chrono::system_clock::now(); },
                     {std::chrono::duration<double>(0.003), "tests@example.org", "a"}};
  ArxivSource source_{arxiv_, "", server_->api_url(), server_->oai_url()};
  MonotonicTime::duration later_{};  // that time has passed
};

TEST_F(PastDaysTest, ASearchThatDidNotAnswerIsAskedAgainAfterAWhile) {
  PastDays days(source_, Settings(PastSource::kEither));
  server_->SetFaults("500@/api");
  EXPECT_EQ(Read(&days, "2026-09-14"), "oai");
  server_->SetFaults("");
  later_ = minutes(29);
  EXPECT_EQ(Read(&days, "2026-09-15"), "oai");
  days.Forget("cs.LG");
  later_ = minutes(31);
  EXPECT_EQ(Read(&days, "2026-09-15"), "api");
}

// The index had none of the mailing at the first look: what moderation had held for days
// came into it with the rest.
TEST_F(PastDaysTest, WhatIsForgottenIsReadAgainFromItsBeginning) {
  PastDays days(source_, Settings(PastSource::kApi));
  EXPECT_EQ(Papers(&days, "2026-09-15"), 4u);
  days.Forget("cs.LG");
  EXPECT_EQ(Papers(&days, "2026-09-15"), 4u);
  const auto requests = server_->account().requests;
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].target, requests[1].target);
}

TEST_F(PastDaysTest, ThatACategoryHasNothingAtAllIsNotRemembered) {
  PastDays days(source_, Settings(PastSource::kApi));
  server_->SetFaults("no_matches#1");
  EXPECT_EQ(Papers(&days, "2026-09-14"), 0u);
  EXPECT_EQ(Papers(&days, "2026-09-15"), 4u);
}

TEST_F(PastDaysTest, OfACategoryInWhichTheSearchFindsNothingOaiIsAsked) {
  PastDays days(source_, Settings(PastSource::kEither));
  server_->SetFaults("no_matches#1");
  EXPECT_EQ(Read(&days, "2026-09-14"), "oai");
  days.Forget("cs.LG");
  EXPECT_EQ(Read(&days, "2026-09-14"), "api") << "it answers";
}

TEST_F(PastDaysTest, WhateverTheSearchSaysAgainstAQuestionOaiIsAsked) {
  for (const char* fault : {"error_feed@/api", "400@/api"}) {
    PastDays days(source_, Settings(PastSource::kEither));
    server_->SetFaults(fault);
    EXPECT_EQ(Read(&days, "2026-09-14"), "oai") << fault;
  }
}

// What a page shares with the next one is read with it.
TEST_F(PastDaysTest, AStretchOfTimeInWhichNothingWasFoundIsLookedAtAgain) {
  PastDays days(source_, Settings(PastSource::kApi));
  EXPECT_EQ(Papers(&days, "2026-09-11"), 4u);
  server_->SetFaults("no_matches#1");
  EXPECT_EQ(Papers(&days, "2026-09-14"), 0u);
  EXPECT_EQ(server_->account().requests.size(), 3u) << "with the days before";
  EXPECT_EQ(Papers(&days, "2026-09-15"), 4u);
}

TEST_F(PastDaysTest, WhereThereShouldBePapersAllIsReadAnewBeforeNothingIsBelieved) {
  ArxivServer::Options options;
  options.date = "2026-09-15";
  options.papers = InventArxivPapers(90, "2026-09-11");
  for (ArxivPaper& paper : InventArxivPapers(90, "2026-09-15")) {
    paper.id[5] = '2';
    options.papers.push_back(std::move(paper));
  }
  ArxivServer server(std::move(options));
  server.Start();
  ArxivSource source(arxiv_, "", server.api_url(), "");
  PastDays days(source, Settings(PastSource::kApi));
  EXPECT_EQ(Papers(&days, "2026-09-11"), 60u);
  server.SetFaults("no_matches#1");
  EXPECT_EQ(Papers(&days, "2026-09-14"), 0u);
  EXPECT_EQ(server.account().requests.size(), 3u);
  EXPECT_EQ(Papers(&days, "2026-09-15"), 60u);
}

// Where there is little time, both get some of it.
TEST_F(PastDaysTest, TheSearchTakesHalfOfTheTimeAtMost) {
  PastDays days(
      source_, {PastSource::kEither, minutes(15), minutes(30), {}, [this] { return loop_.now(); }});
  server_->SetFaults("500@/api");
  EXPECT_EQ(Read(&days, "2026-09-14"), "oai");
}

}  // namespace
}  // namespace paperboy
