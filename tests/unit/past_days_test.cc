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
  PastDaysTest() {
    ArxivServer::Options options;
    options.date = "2026-09-15";
    options.papers = InventArxivPapers(6, "2026-09-15");
    options.retry_after = seconds(0);
    server_ = std::make_unique<ArxivServer>(std::move(options));
    server_->Start();
  }

  // The source that the list came from, or what is wrong.
  std::string Read(PastDays* days, const std::string& page) {
    const auto list = days->Read("cs.LG", *ParseDate(page), loop_.now() + later_ + seconds(4));
    return list ? list->source : list.error().message;
  }

  RedisServer redis_server_;
  std::unique_ptr<ArxivServer> server_;
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
  PastDays days(source_, {PastSource::kEither, seconds(1), minutes(30), {}, [this] {
                            return loop_.now() + later_;
                          }});
  server_->SetFaults("500@/api");
  EXPECT_EQ(Read(&days, "2026-09-14"), "oai");
  server_->SetFaults("");
  later_ = minutes(29);
  EXPECT_EQ(Read(&days, "2026-09-15"), "oai");
  days.Forget("cs.LG", *ParseDate("2026-09-15"));
  later_ = minutes(31);
  EXPECT_EQ(Read(&days, "2026-09-15"), "api");
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
