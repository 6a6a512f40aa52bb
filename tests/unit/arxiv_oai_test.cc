#include <gmock/gmock.h>
#include <httplib.h>

#include <mutex>

#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "fetcher/arxiv_source.h"
#include "tests/support/arxiv_server.h"
#include "tests/support/http_host.h"
#include "tests/support/redis_server.h"

namespace paperboy {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Answerer = std::function<void(const httplib::Request&, httplib::Response&)>;

// Answers by a script, and remembers what was asked for.
class Scripted {
 public:
  explicit Scripted(Answerer answer) : answer_(std::move(answer)) {
    host_.Start(0, [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request);
      answer_(request, response);
    });
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(host_.port()); }
  std::vector<httplib::Request> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  const Answerer answer_;
  std::vector<httplib::Request> asked_;
  HttpHost host_{4};
};

std::string Record(const std::string& id, const std::string& datestamp, const std::string& title) {
  return "<record><header><identifier>oai:arXiv.org:" + id + "</identifier><datestamp>" +
         datestamp + "</datestamp></header><metadata><arXivRaw><id>" + id +
         "</id><version version=\"v1\"><date>Mon, 14 Sep 2026 12:00:00 "
         "GMT</date></version><title>" +
         title +
         "</title><authors>A</authors><categories>cs.LG</categories></arXivRaw>"
         "</metadata></record>";
}

std::string Page(const std::string& records, const std::string& token = "", int size = 0) {
  return "<OAI-PMH><ListRecords>" + records + "<resumptionToken" +
         (size > 0 ? " completeListSize=\"" + std::to_string(size) + "\"" : "") + ">" + token +
         "</resumptionToken></ListRecords></OAI-PMH>";
}

class ArxivOaiTest : public testing::Test {
 protected:
  void Serve(size_t papers, const std::string& faults = "") {
    ArxivServer::Options options;
    options.date = "2026-09-15";
    options.papers = InventArxivPapers(static_cast<int>(papers), "2026-09-15");
    options.oai_page = 2;
    options.faults = faults;
    options.retry_after = seconds(0);
    server_ = std::make_unique<ArxivServer>(std::move(options));
    server_->Start();
  }

  Result<ArxivSource::Modified> Read(const std::string& url, const std::string& category = "cs.LG",
                                     const std::string& from = "2026-09-15",
                                     seconds patience = seconds(20)) {
    ArxivSource source(arxiv_, "", "", url);
    return source.ReadModified(category, *ParseDate(from), loop_.now() + patience);
  }

  static std::vector<std::string> Ids(const ArxivSource::Modified& modified) {
    std::vector<std::string> ids;
    for (const auto& entry : modified.entries) ids.push_back(entry.row.id());
    return ids;
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
};

TEST_F(ArxivOaiTest, FollowsTheTokensToTheEnd) {
  Serve(9);

  const auto modified = Read(server_->oai_url());

  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(Ids(*modified), ElementsAre("2609.10002", "2609.10003", "2609.10005", "2609.10006",
                                          "2609.10008", "2609.10009"));
  EXPECT_THAT(modified->warnings, IsEmpty());
  EXPECT_EQ(FormatIsoUtc(modified->entries[0].submitted), "2026-09-13T20:00:02Z");
  EXPECT_EQ(modified->entries[0].row.announce_type(), wire::ANNOUNCE_TYPE_NEW);
  const auto requests = server_->account().requests;
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_THAT(requests[0].target, HasSubstr("from=2026-09-14"));
  EXPECT_THAT(requests[0].target, HasSubstr("set=cs:cs:LG"));
  EXPECT_THAT(requests[0].target, HasSubstr("metadataPrefix=arXivRaw"));
  EXPECT_EQ(server_->account().max_concurrent, 1u);
}

TEST_F(ArxivOaiTest, ElsewhereAPaperIsACrossListing) {
  Serve(3);
  const auto modified = Read(server_->oai_url(), "cs.AI");
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  ASSERT_THAT(Ids(*modified), ElementsAre("2609.10001", "2609.10002"));
  EXPECT_EQ(modified->entries[1].row.announce_type(), wire::ANNOUNCE_TYPE_CROSS);
}

TEST_F(ArxivOaiTest, NoMatchIsAnEmptyList) {
  Serve(3);
  const auto modified = Read(server_->oai_url(), "econ.EM");
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(modified->entries, IsEmpty());
}

TEST_F(ArxivOaiTest, OutlastsFaults) {
  Serve(9, "503#1,truncated#1,429#1,drop#1,rate_exceeded#1,bad_token#1");
  const auto modified = Read(server_->oai_url());
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(modified->entries, SizeIs(6));
}

TEST_F(ArxivOaiTest, AnErrorElementEndsIt) {
  Serve(3, "error_element");
  const auto modified = Read(server_->oai_url());
  ASSERT_FALSE(modified.ok());
  EXPECT_EQ(modified.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(modified.error().message, HasSubstr("invalid set"));
}

TEST_F(ArxivOaiTest, TokensThatAreAlwaysRefusedAreNotAskedForForEver) {
  Serve(9, "bad_token@resumptionToken");
  const auto modified = Read(server_->oai_url());
  ASSERT_FALSE(modified.ok());
  EXPECT_EQ(modified.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(server_->account().requests, SizeIs(6));
}

TEST_F(ArxivOaiTest, ACircleOfTokensEnds) {
  Scripted host([](const httplib::Request&, httplib::Response& response) {
    response.set_content(Page(Record("2609.00001", "2026-09-15", "T"), "again%26"), "text/xml");
  });
  const auto modified = Read(host.url());
  ASSERT_FALSE(modified.ok());
  EXPECT_EQ(modified.error().kind, ErrorKind::kUnavailable);
  ASSERT_THAT(host.asked(), SizeIs(6));
  EXPECT_EQ(host.asked()[1].get_param_value("resumptionToken"), "again%26");
}

TEST_F(ArxivOaiTest, PagesBeyondTheSizeOfTheListEnd) {
  int pages = 0;
  Scripted host([&](const httplib::Request&, httplib::Response& response) {
    response.set_content(
        Page(Record("2609.00001", "2026-09-15", "T"), "t" + std::to_string(++pages), 2),
        "text/xml");
  });
  EXPECT_FALSE(Read(host.url()).ok());
  EXPECT_THAT(host.asked(), SizeIs(6));
}

// Some servers send a token with the last record too.
TEST_F(ArxivOaiTest, ATokenAfterTheLastRecordIsTheEnd) {
  Scripted host([](const httplib::Request& request, httplib::Response& response) {
    const bool first = !request.has_param("resumptionToken");
    response.set_content(
        Page(Record(first ? "2609.00001" : "2609.00002", "2026-09-15", "T"), first ? "a" : "b", 2),
        "text/xml");
  });
  const auto modified = Read(host.url());
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(Ids(*modified), ElementsAre("2609.00001", "2609.00002"));
  EXPECT_THAT(modified->warnings, IsEmpty());
  EXPECT_THAT(host.asked(), SizeIs(2));
}

TEST_F(ArxivOaiTest, ATokenBehindWhichNothingMatchesIsTheEnd) {
  Scripted host([](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.has_param("resumptionToken")
                             ? "<OAI-PMH><error code=\"noRecordsMatch\">none</error></OAI-PMH>"
                             : Page(Record("2609.00001", "2026-09-15", "T"), "t"),
                         "text/xml");
  });
  const auto modified = Read(host.url());
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(Ids(*modified), ElementsAre("2609.00001"));
  EXPECT_THAT(host.asked(), SizeIs(2));
}

TEST_F(ArxivOaiTest, OfAPaperTheNewestRecordCounts) {
  Scripted host([](const httplib::Request& request, httplib::Response& response) {
    const bool first = !request.has_param("resumptionToken");
    response.set_content(first ? Page(Record("2609.00001", "2026-09-16", "new") +
                                          Record("2609.00002", "2026-09-15", "old"),
                                      "t")
                               : Page(Record("2609.00001", "2026-09-15", "old") +
                                      Record("2609.00002", "2026-09-16", "new") + "<record/>"),
                         "text/xml");
  });
  const auto modified = Read(host.url());
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  ASSERT_THAT(Ids(*modified), ElementsAre("2609.00001", "2609.00002", "cs.LG record 5"));
  EXPECT_EQ(modified->entries[0].row.paper().title(), "new");
  EXPECT_EQ(modified->entries[1].row.paper().title(), "new");
  EXPECT_THAT(modified->entries[2].row.refused(), HasSubstr("no metadata"));
}

// A record that changes while the list is read makes another one slip out of it.
TEST_F(ArxivOaiTest, AListThatComesShortIsReadAgain) {
  int walks = 0;
  Scripted host([&](const httplib::Request& request, httplib::Response& response) {
    const std::string one = Record("2609.00001", "2026-09-15", "T");
    const std::string two = Record("2609.00002", "2026-09-15", "T");
    if (!request.has_param("resumptionToken")) ++walks;
    response.set_content(request.has_param("resumptionToken") ? Page(walks == 1 ? one : two, "", 2)
                                                              : Page(one, "t", 2),
                         "text/xml");
  });
  const auto modified = Read(host.url());
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(Ids(*modified), ElementsAre("2609.00001", "2609.00002"));
  EXPECT_THAT(modified->warnings, IsEmpty());
  EXPECT_THAT(host.asked(), SizeIs(4));
}

TEST_F(ArxivOaiTest, AListThatStaysShortIsSaidToBe) {
  Scripted host([](const httplib::Request&, httplib::Response& response) {
    response.set_content(Page(Record("2609.00001", "2026-09-15", "T"), "", 2), "text/xml");
  });
  const auto modified = Read(host.url());
  ASSERT_TRUE(modified.ok()) << modified.error().message;
  EXPECT_THAT(modified->warnings, ElementsAre(HasSubstr("says that it has 2 records and gave 1")));
  EXPECT_THAT(host.asked(), SizeIs(3));
}

TEST_F(ArxivOaiTest, AFeedThatHasNotChangedIsNotSentAgain) {
  Serve(3);
  ArxivSource source(arxiv_, server_->rss_url(), "", "");
  const auto read = [&] { return source.ReadFeed("cs.LG", loop_.now() + seconds(20)); };

  const Result<Listing> first = read();
  const Result<Listing> second = read();
  server_->SetDate("2026-09-16");
  const Result<Listing> third = read();

  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(second->date, "2026-09-15");
  EXPECT_THAT(second->rows, SizeIs(first->rows.size()));
  EXPECT_EQ(third->date, "2026-09-16");
  std::vector<int> statuses;
  for (const auto& request : server_->account().requests) statuses.push_back(request.status);
  EXPECT_THAT(statuses, ElementsAre(200, 304, 200));
}

TEST_F(ArxivOaiTest, AFeedIsAskedForByTheDateToo) {
  Scripted host([](const httplib::Request& request, httplib::Response& response) {
    const char* date = "Tue, 15 Sep 2026 04:00:19 GMT";
    if (request.get_header_value("If-Modified-Since") == date) {
      response.status = 304;
      return;
    }
    response.set_header("Last-Modified", date);
    response.set_content(
        "<rss><channel><pubDate>Tue, 15 Sep 2026 00:00:00 -0400</pubDate></channel></rss>",
        "text/xml");
  });
  ArxivSource source(arxiv_, host.url(), "", "");
  for (int i = 0; i < 2; ++i) {
    const Result<Listing> list = source.ReadFeed("cs.LG", loop_.now() + seconds(20));
    ASSERT_TRUE(list.ok()) << list.error().message;
    EXPECT_EQ(list->date, "2026-09-15");
  }
  EXPECT_THAT(host.asked(), SizeIs(2));
}

}  // namespace
}  // namespace paperboy
