// Look-ups at a simulated Semantic Scholar through a real Redis: what is found and
// kept, how politely, and that no mood of the server holds a day up.
#include "fetcher/semantic_scholar.h"

#include <gmock/gmock.h>

#include <thread>

#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "common/redis_keys.h"
#include "tests/support/redis_server.h"
#include "tests/support/scholar_server.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kDate[] = "2026-09-15";
constexpr std::chrono::duration<double> kQuick(0.005);

std::string IdOf(int i) { return "2609." + std::to_string(10'000 + i); }

std::vector<std::string> Ids(int n) {
  std::vector<std::string> ids;
  for (int i = 0; i < n; ++i) ids.push_back(IdOf(i));
  return ids;
}

// Every paper with an even number is known, by one author.
ScholarServer::Options Papers(int n) {
  ScholarServer::Options options;
  for (int i = 0; i < n; i += 2) {
    options.papers[IdOf(i)] = {{"Ada Vale", std::to_string(i), "", i}};
  }
  return options;
}

// One fetcher's end.
class Client {
 public:
  Client(const RedisServer& redis_server, const ScholarServer& scholar,
         SemanticScholar::Config config = {})
      : redis_(loop_, *ParseRedisUrl(redis_server.url())),
        scholar_(
            pump_, redis_, http_, progress_, [] { return std::chrono::system_clock::now(); },
            With(std::move(config), scholar)) {
    progress_.OnWaitingChange([this](const std::string& what) { waits_ += what + "\n"; });
    pump_.Finish([this] { return redis_.ready(); }, seconds(5));
  }
  std::vector<std::string> LookUp(const std::vector<std::string>& papers,
                                  milliseconds patience = seconds(40),
                                  const std::string& date = kDate) {
    std::vector<std::string> ids;
    found_ = scholar_.LookUp(date, papers, loop_.now() + patience);
    for (const auto& paper : found_) ids.push_back(paper.id());
    return ids;
  }
  RedisReply Ask(std::vector<std::string> command) {
    RedisReply answer;
    bool done = false;
    redis_.Command(std::move(command), seconds(5), [&](Result<RedisReply> reply) {
      if (reply.ok()) answer = *reply;
      done = true;
    });
    pump_.Finish([&] { return done; }, seconds(5));
    return answer;
  }
  const std::vector<wire::PaperAuthors>& found() const { return found_; }
  const std::string& waits() const { return waits_; }
  const std::string& waiting() const { return progress_.waiting(); }
  Pump& pump() { return pump_; }
  Loop& loop() { return loop_; }

 private:
  static SemanticScholar::Config With(SemanticScholar::Config config,
                                      const ScholarServer& scholar) {
    config.url = scholar.url();
    if (config.owner.empty()) config.owner = "one";
    if (config.interval == seconds(1)) config.interval = kQuick;
    return config;
  }

  EpollLoop loop_;
  Pump pump_{loop_};
  Progress progress_{loop_, Progress::Mode::kNone, stderr};
  RedisClient redis_;
  CurlClient http_{loop_, 1};
  SemanticScholar scholar_;
  std::vector<wire::PaperAuthors> found_;
  std::string waits_;
};

class SemanticScholarTest : public testing::Test {
 protected:
  ScholarServer& Serve(ScholarServer::Options options) {
    server_ = std::make_unique<ScholarServer>(std::move(options));
    server_->Start();
    return *server_;
  }
  size_t Requests() const { return server_->requests().size(); }

  RedisServer redis_;
  std::unique_ptr<ScholarServer> server_;
};

TEST_F(SemanticScholarTest, AsksForManyPapersAtOnceAndKeepsTheAnswers) {
  Serve(Papers(4));
  Client client(redis_, *server_, {.key = "secret-key"});
  EXPECT_THAT(client.LookUp(Ids(4)), ElementsAre(IdOf(0), IdOf(2)));
  EXPECT_EQ(client.found()[1].authors(0).h_index(), 2u);
  ASSERT_EQ(Requests(), 1u);
  const auto request = server_->requests()[0];
  EXPECT_EQ(request.key, "secret-key");
  EXPECT_EQ(request.ids[3], "ARXIV:" + IdOf(3));
  EXPECT_EQ(request.fields, kScholarFields);

  EXPECT_THAT(client.LookUp(Ids(4)), ElementsAre(IdOf(0), IdOf(2)));
  EXPECT_EQ(Requests(), 1u) << "all of it is in Redis, also what is not known";
  Client another(redis_, *server_, {.owner = "two"});
  EXPECT_THAT(another.LookUp({IdOf(2), IdOf(6)}), ElementsAre(IdOf(2)));
  EXPECT_THAT(server_->requests().back().ids, ElementsAre("ARXIV:" + IdOf(6)));

  const auto days = [&](int paper) {
    return static_cast<double>(client.Ask({"TTL", redis_keys::Authors(IdOf(paper))}).integer) /
           86'400;
  };
  EXPECT_NEAR(days(0), 30, 0.1);
  EXPECT_NEAR(days(1), 1, 0.1);
}

TEST_F(SemanticScholarTest, NeverAsksForMoreThanItTakes) {
  Serve(Papers(1'203));
  Client client(redis_, *server_);
  EXPECT_THAT(client.LookUp(Ids(1'203)), SizeIs(602));
  ASSERT_EQ(Requests(), 3u);
  for (const auto& request : server_->requests()) {
    EXPECT_LE(request.ids.size(), 500u);
    EXPECT_EQ(request.status, 200);
    EXPECT_EQ(request.key, "") << "without a key there is no header";
  }
}

TEST_F(SemanticScholarTest, NoneKnownIsAnAnswerToo) {
  Serve(Papers(2));
  Client client(redis_, *server_);
  EXPECT_THAT(client.LookUp({IdOf(1), IdOf(3)}), IsEmpty());
  EXPECT_EQ(server_->requests()[0].status, 400);
  EXPECT_THAT(client.LookUp({IdOf(1), IdOf(3)}), IsEmpty());
  EXPECT_EQ(Requests(), 1u);
}

TEST_F(SemanticScholarTest, KeepsItsDistanceOverAllFetchers) {
  ScholarServer::Options options = Papers(40);
  options.spacing = milliseconds(200);
  Serve(std::move(options));
  const auto fetcher = [&](const std::string& owner, int first) {
    Client client(redis_, *server_,
                  {.owner = owner, .interval = std::chrono::duration<double>(0.2)});
    for (int i = first; i < first + 8; i += 2) client.LookUp({IdOf(i)});
  };
  std::thread other([&] { fetcher("two", 20); });
  fetcher("one", 0);
  other.join();
  ASSERT_EQ(Requests(), 8u);
  for (const auto& request : server_->requests()) EXPECT_EQ(request.status, 200);
}

TEST_F(SemanticScholarTest, AskedToWaitItWaitsAndTriesAgain) {
  ScholarServer::Options options = Papers(2);
  options.faults = "429#2,500#1,drop#1";
  Serve(std::move(options));
  Client client(redis_, *server_);
  EXPECT_THAT(client.LookUp(Ids(2)), ElementsAre(IdOf(0)));
  EXPECT_EQ(Requests(), 5u);
  EXPECT_THAT(client.waits(), HasSubstr("Semantic Scholar: it asks to wait (HTTP 429)"));
  EXPECT_THAT(client.waits(), HasSubstr("it failed (HTTP 500)"));
  EXPECT_EQ(client.waiting(), "") << "nothing is waited for any more";
  const auto requests = server_->requests();
  EXPECT_GE(requests[3].start - requests[2].start, milliseconds(40)) << "the pauses double";
}

TEST_F(SemanticScholarTest, HonoursRetryAfter) {
  ScholarServer::Options options = Papers(2);
  options.retry_after = seconds(1);
  options.faults = "429#1";
  Serve(std::move(options));
  Client client(redis_, *server_);
  EXPECT_THAT(client.LookUp(Ids(2)), ElementsAre(IdOf(0)));
  const auto requests = server_->requests();
  EXPECT_GE(requests[1].start - requests[0].start, milliseconds(950));
}

TEST_F(SemanticScholarTest, AnOutageTakesAQuarterOfTheTimeThatIsLeftOnce) {
  ScholarServer::Options options = Papers(2);
  options.faults = "503";
  Serve(std::move(options));
  Client client(redis_, *server_);
  const auto time = [&](const std::string& date) {
    const auto begin = client.loop().now();
    EXPECT_THAT(client.LookUp(Ids(2), seconds(4), date), IsEmpty());
    return client.loop().now() - begin;
  };
  const auto first = time(kDate);
  EXPECT_GE(first, milliseconds(900));
  EXPECT_LE(first, milliseconds(2'500));
  EXPECT_LE(time(kDate), milliseconds(500)) << "the date has had its time";
  server_->SetFaults("");
  EXPECT_THAT(client.LookUp(Ids(2), seconds(40), "2026-09-16"), ElementsAre(IdOf(0)))
      << "a failure is not kept";
}

TEST_F(SemanticScholarTest, AfterAnOutageTheNextDatesHaveLessPatience) {
  ScholarServer::Options options = Papers(2);
  options.faults = "503";
  Serve(std::move(options));
  Client client(redis_, *server_, {.patience = milliseconds(1'500)});
  const auto time = [&](const std::string& date) {
    const auto begin = client.loop().now();
    client.LookUp(Ids(2), seconds(60), date);
    return client.loop().now() - begin;
  };
  EXPECT_GE(time("2026-09-15"), milliseconds(1'400));
  EXPECT_LE(time("2026-09-16"), milliseconds(1'200));
}

TEST_F(SemanticScholarTest, AStallEndsWithTheTime) {
  ScholarServer::Options options = Papers(2);
  options.faults = "stall";
  Serve(std::move(options));
  Client client(redis_, *server_);
  const auto begin = client.loop().now();
  EXPECT_THAT(client.LookUp(Ids(2), seconds(4)), IsEmpty());
  EXPECT_LE(client.loop().now() - begin, milliseconds(3'000));
}

TEST_F(SemanticScholarTest, OneBatchThatItFailsOnLeavesTheOthersTheirTime) {
  ScholarServer::Options options = Papers(1'000);
  options.faults = "500@" + IdOf(3);
  Serve(std::move(options));
  Client client(redis_, *server_);
  EXPECT_THAT(client.LookUp(Ids(1'000), seconds(8)), SizeIs(250));
}

TEST_F(SemanticScholarTest, AnswersThatAreNoneLeaveThePapersUnknownAtOnce) {
  for (const char* fault : {"html", "truncated", "fewer", "shape", "entries", "302"}) {
    ScholarServer::Options options = Papers(5);
    options.faults = fault;
    Serve(std::move(options));
    Client client(redis_, *server_, {.owner = fault});
    EXPECT_THAT(client.LookUp(Ids(5)), IsEmpty()) << fault;
    EXPECT_EQ(Requests(), 1u) << fault << ": not asked again";
    server_->SetFaults("");
    EXPECT_THAT(client.LookUp({IdOf(0)}), SizeIs(1)) << fault << ": and not kept";
    client.Ask({"FLUSHALL"});
  }
}

TEST_F(SemanticScholarTest, NobodyIsTakenForTheAuthorOfAnotherPaper) {
  ScholarServer::Options options = Papers(5);
  options.faults = "shifted";
  Serve(std::move(options));
  Client client(redis_, *server_);
  EXPECT_THAT(client.LookUp(Ids(5)), IsEmpty());
}

TEST_F(SemanticScholarTest, ARefusedKeyIsNotTriedAgain) {
  ScholarServer::Options options = Papers(2);
  options.keys = {"right"};
  Serve(std::move(options));
  Client client(redis_, *server_, {.key = "wrong"});
  EXPECT_THAT(client.LookUp(Ids(2)), IsEmpty());
  EXPECT_THAT(client.LookUp({IdOf(4)}), IsEmpty());
  EXPECT_EQ(Requests(), 1u);
  EXPECT_EQ(server_->requests()[0].status, 403);
}

TEST_F(SemanticScholarTest, WithoutRedisNothingIsAskedAndNothingWaitsForLong) {
  Serve(Papers(2));
  Client client(redis_, *server_);
  redis_.Kill();
  const auto begin = client.loop().now();
  EXPECT_THAT(client.LookUp(Ids(2), seconds(6)), IsEmpty());
  EXPECT_LE(client.loop().now() - begin, seconds(4));
  EXPECT_EQ(Requests(), 0u);
}

TEST_F(SemanticScholarTest, AStopEndsIt) {
  ScholarServer::Options options = Papers(2);
  options.faults = "stall";
  Serve(std::move(options));
  Client client(redis_, *server_);
  client.loop().Every(milliseconds(200), [&] { client.pump().Stop(15); });
  const auto begin = client.loop().now();
  EXPECT_THAT(client.LookUp(Ids(2), seconds(40)), IsEmpty());
  EXPECT_LE(client.loop().now() - begin, seconds(3));
}

}  // namespace
}  // namespace paperboy
