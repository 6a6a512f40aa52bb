#include "tests/support/arxiv_server.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <fstream>
#include <iomanip>
#include <pugixml.hpp>
#include <sstream>

#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::chrono::sys_seconds Time(const std::string& day, int hour) {
  return ParseDay(day) + std::chrono::hours(hour);
}

std::string Encoded(const std::string& text) {
  std::ostringstream out;
  for (const unsigned char c : text)
    out << '%' << std::hex << std::setw(2) << std::setfill('0') << int(c);
  return out.str();
}

// Monday's paper, and three of Tuesday's: one cross-listed, one replaced.
std::vector<ArxivPaper> Papers() {
  std::vector<ArxivPaper> papers(4);
  papers[0] = {.id = "2609.00001",
               .title = "Monday's",
               .abstract = "An abstract.",
               .authors = {"Ada Vale"},
               .categories = {"cs.LG"},
               .announce_type = "new",
               .announced = "2026-09-14",
               .published = Time("2026-09-10", 20)};
  papers[1] = {.id = "2609.00002",
               .title = "Tuesday's & \"first\"",
               .abstract = "If a < b.",
               .authors = {"Bo Schm\\\"idt", "Cy Dane"},
               .categories = {"cs.LG", "hep-th"},
               .announce_type = "new",
               .announced = "2026-09-15",
               .published = Time("2026-09-11", 20)};
  papers[2] = {.id = "2609.00003",
               .title = "Crossed",
               .abstract = "An abstract.",
               .authors = {"Di Elm", "Ed Fen", "Flo Gray"},
               .categories = {"math.ST", "cs.LG"},
               .announce_type = "cross",
               .announced = "2026-09-15",
               .published = Time("2026-09-12", 9)};
  papers[3] = {.id = "2508.00004",
               .version = 2,
               .title = "Replaced",
               .abstract = "An abstract.",
               .authors = {"Hal"},
               .categories = {"cs.AI"},
               .announce_type = "replace",
               .announced = "2026-09-15",
               .published = Time("2025-08-11", 9)};
  for (ArxivPaper& paper : papers) paper.updated = paper.published;
  papers[3].updated = Time("2026-09-13", 9);
  return papers;
}

class ArxivServerTest : public testing::Test {
 protected:
  ArxivServerTest() { Serve({}); }

  void Serve(ArxivServer::Options options) {
    options.date = "2026-09-15";
    options.papers = Papers();
    server_ = std::make_unique<ArxivServer>(std::move(options));
    server_->Start();
  }
  httplib::Result Get(const std::string& target,
                      httplib::Headers headers = {{"Accept", "text/xml"}}) {
    httplib::Client client("127.0.0.1", server_->port());
    return client.Get(target, headers);
  }
  pugi::xml_node Parse(const std::string& target) {
    const auto result = Get(target);
    EXPECT_TRUE(result && xml_.load_string(result->body.c_str())) << target;
    return xml_.document_element();
  }
  // The ids of an RSS feed, an API page or a list of records.
  std::vector<std::string> Ids(const std::string& target) {
    std::vector<std::string> ids;
    for (const auto& node : Parse(target).select_nodes(
             "//item/link | //*[local-name()='entry']/*[local-name()='id'] | "
             "//*[local-name()='header']/*[local-name()='identifier']")) {
      const std::string id = node.node().text().get();
      ids.push_back(id.substr(id.find_last_of("/:") + 1));
    }
    return ids;
  }
  std::string Api(const std::string& query, const std::string& more = "") {
    return "/api/query?search_query=" + Encoded(query) + more;
  }

  std::unique_ptr<ArxivServer> server_;
  pugi::xml_document xml_;
};

TEST_F(ArxivServerTest, RefusesAFaultThatItDoesNotKnow) {
  const auto refusal = [&](const std::string& faults) -> std::string {
    try {
      server_->SetFaults(faults);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal("lag@cs.LG=0.5,stale#2,503,drop"), "");
  EXPECT_EQ(refusal("lag,emty@cs.AI#2"),
            "fault \"emty@cs.AI#2\": \"emty\" is none of lag, stale, empty, no_matches, "
            "empty_pages, short_pages, error_feed, bad_token, error_element, truncated, "
            "rate_exceeded, stall, "
            "drop, NUMBER");
  EXPECT_NE(refusal("503s"), "");
  ArxivServer::Options options;
  options.date = "2026-09-15";
  options.faults = "emty";
  EXPECT_THROW(ArxivServer{std::move(options)}, std::invalid_argument);
  httplib::Client client("127.0.0.1", server_->port());
  const auto answer = client.Post("/account/faults", "emty", "text/plain");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("is none of lag"));
}

TEST_F(ArxivServerTest, RssHasTheDaysAnnouncementOfACategory) {
  EXPECT_THAT(Ids("/rss/cs.LG"), ElementsAre("2609.00002", "2609.00003"));
  EXPECT_THAT(Ids("/rss/cs.LG+cs.AI"), ElementsAre("2609.00002", "2609.00003", "2508.00004"));

  const auto channel = Parse("/rss/cs.LG").child("channel");
  EXPECT_STREQ(channel.child_value("pubDate"), "Tue, 15 Sep 2026 00:00:00 -0400");
  EXPECT_STREQ(channel.child_value("lastBuildDate"), "Tue, 15 Sep 2026 04:00:19 +0000");
  const auto item = channel.child("item");
  EXPECT_STREQ(item.child_value("title"), "Tuesday's & \"first\"");
  EXPECT_STREQ(item.child_value("description"),
               "arXiv:2609.00002v1 Announce Type: new \nAbstract: If a < b.");
  EXPECT_STREQ(item.child_value("dc:creator"), "Bo Schm\\\"idt, Cy Dane");
  EXPECT_STREQ(item.next_sibling("item").child_value("arxiv:announce_type"), "cross");

  server_->SetDate("2026-12-15");
  EXPECT_THAT(Ids("/rss/cs.LG"), IsEmpty());
  EXPECT_STREQ(Parse("/rss/cs.LG").child("channel").child_value("pubDate"),
               "Tue, 15 Dec 2026 00:00:00 -0500");
}

TEST_F(ArxivServerTest, AnUnchangedFeedIs304) {
  const auto first = Get("/rss/cs.LG");
  const auto again =
      Get("/rss/cs.LG", {{"Accept", "*/*"}, {"If-None-Match", first->get_header_value("ETag")}});
  EXPECT_EQ(again->status, 304);
  EXPECT_THAT(again->body, IsEmpty());
}

TEST_F(ArxivServerTest, AFeedCanLagOrBeStale) {
  server_->SetFaults("lag@cs.LG#1,stale@cs.LG#1");
  EXPECT_THAT(Ids("/rss/cs.AI"), ElementsAre("2508.00004")) << "only cs.LG lags";
  EXPECT_THAT(Ids("/rss/cs.LG"), ElementsAre("2609.00001"));
  EXPECT_STREQ(xml_.document_element().child("channel").child_value("pubDate"),
               "Mon, 14 Sep 2026 00:00:00 -0400");
  EXPECT_THAT(Ids("/rss/cs.LG"), ElementsAre("2609.00001"));
  EXPECT_STREQ(xml_.document_element().child("channel").child_value("pubDate"),
               "Tue, 15 Sep 2026 00:00:00 -0400");
  EXPECT_EQ(Ids("/rss/cs.LG").size(), 2u);
}

TEST_F(ArxivServerTest, ApiSelectsByCategoryAndSubmission) {
  EXPECT_THAT(Ids(Api("cat:cs.LG", "&sortBy=submittedDate&sortOrder=ascending")),
              ElementsAre("2609.00001v1", "2609.00002v1", "2609.00003v1"));
  EXPECT_THAT(Ids(Api("cat:cs.LG AND submittedDate:[202609112000 TO 202609120859]")),
              ElementsAre("2609.00002v1"));
  EXPECT_THAT(Ids(Api("(cat:hep-th OR cat:cs.AI) ANDNOT ti:replaced")),
              ElementsAre("2609.00002v1"));
  EXPECT_THAT(Ids(Api("cat:cs.*", "&start=3&max_results=2")), ElementsAre("2508.00004v2"));
  const auto feed = xml_.document_element();
  EXPECT_STREQ(feed.child_value("opensearch:totalResults"), "4");
  EXPECT_STREQ(feed.child_value("opensearch:startIndex"), "3");
  const auto entry = feed.child("entry");
  EXPECT_STREQ(entry.child_value("published"), "2025-08-11T09:00:00Z");
  EXPECT_STREQ(entry.child_value("updated"), "2026-09-13T09:00:00Z");
  EXPECT_STREQ(entry.child("arxiv:primary_category").attribute("term").value(), "cs.AI");
}

TEST_F(ArxivServerTest, ApiAnswersABadQueryWithAnErrorFeed) {
  for (const std::string& target :
       {Api("cat:cs.LG", "&start=-1"), Api("cat:cs.LG", "&max_results=2001"),
        Api("cat:cs.LG", "&start=29999&max_results=2"), Api("cat:"), Api("cat:cs.LG AND"),
        Api("submittedDate:[2026 TO 2027]"), Api("submittedDate:[202613010000 TO 202701010000]"),
        Api("(cat:cs.LG"), Api("nonsense:x")}) {
    const auto result = Get(target);
    EXPECT_EQ(result->status, 400) << target;
    EXPECT_THAT(result->body, HasSubstr("<title>Error</title>")) << target;
  }
}

TEST_F(ArxivServerTest, ApiPagesCanBeEmptyOrShort) {
  server_->SetFaults("empty_pages#1,short_pages#1");
  EXPECT_THAT(Ids(Api("cat:cs.*")), IsEmpty());
  EXPECT_STREQ(xml_.document_element().child_value("opensearch:totalResults"), "4");
  EXPECT_EQ(Ids(Api("cat:cs.*")).size(), 2u);
  EXPECT_EQ(Ids(Api("cat:cs.*")).size(), 4u);
}

TEST_F(ArxivServerTest, OaiListsSetsInPages) {
  Serve({.oai_page = 2});
  const std::string list = "/oai?verb=ListRecords&metadataPrefix=arXiv";
  EXPECT_THAT(Ids(list + "&set=physics:hep-th"), ElementsAre("2609.00002"));
  EXPECT_FALSE(xml_.select_node("//*[local-name()='resumptionToken']"));
  EXPECT_THAT(Ids(list + "&set=math"), ElementsAre("2609.00003"));
  EXPECT_THAT(Ids(list + "&set=cs&from=2026-09-14&until=2026-09-14"), ElementsAre("2609.00001"));

  EXPECT_THAT(Ids(list), ElementsAre("2609.00001", "2609.00002"));
  const std::string token =
      xml_.select_node("//*[local-name()='resumptionToken']").node().text().get();
  EXPECT_THAT(Ids("/oai?verb=ListRecords&resumptionToken=" + Encoded(token)),
              ElementsAre("2609.00003", "2508.00004"));
  const auto last = xml_.select_node("//*[local-name()='resumptionToken']");
  ASSERT_TRUE(last);
  EXPECT_TRUE(last.node().text().empty());
}

TEST_F(ArxivServerTest, OaiGivesBothFormats) {
  const std::string list = "/oai?verb=ListRecords&set=cs&metadataPrefix=";
  Parse(list + "arXiv");
  const auto record = [&](const std::string& path) {
    return std::string(xml_.select_node((path).c_str()).node().text().get());
  };
  EXPECT_EQ(record("//arXiv[id='2508.00004']/created"), "2025-08-11");
  EXPECT_EQ(record("//arXiv[id='2508.00004']/updated"), "2026-09-13");
  EXPECT_EQ(record("//arXiv[id='2609.00002']/authors/author[2]/keyname"), "Dane");
  EXPECT_EQ(record("//arXiv[id='2609.00002']/categories"), "cs.LG hep-th");
  Parse(list + "arXivRaw");
  EXPECT_EQ(record("//arXivRaw[id='2508.00004']/version[1]/date"), "Mon, 11 Aug 2025 09:00:00 GMT");
  EXPECT_EQ(record("//arXivRaw[id='2508.00004']/version[2]/date"), "Sun, 13 Sep 2026 09:00:00 GMT");
  EXPECT_EQ(record("//arXivRaw[id='2609.00003']/authors"), "Di Elm, Ed Fen and Flo Gray");
}

TEST_F(ArxivServerTest, OaiErrorsComeWith200) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"verb=Nonsense", "badVerb"},
      {"verb=ListRecords", "badArgument"},
      {"verb=ListRecords&metadataPrefix=arXiv&from=yesterday", "badArgument"},
      {"verb=ListRecords&metadataPrefix=marc", "cannotDisseminateFormat"},
      {"verb=ListRecords&metadataPrefix=arXiv&set=econ", "noRecordsMatch"},
      {"verb=ListRecords&resumptionToken=nonsense", "badResumptionToken"}};
  for (const auto& [query, code] : cases) {
    const auto result = Get("/oai?" + query);
    EXPECT_EQ(result->status, 200) << query;
    EXPECT_THAT(result->body, HasSubstr("<error code=\"" + code + "\">")) << query;
  }
}

TEST_F(ArxivServerTest, MisbehavesOnRequest) {
  Serve({.retry_after = std::chrono::seconds(7), .stall = std::chrono::seconds(0)});
  EXPECT_EQ(Get("/rss/cs.LG", {{"Accept", ""}})->status, 406);
  server_->SetFaults("429#1,503#1,406#1,rate_exceeded#1,error_feed#1,stall#1,truncated#1,drop#1");
  EXPECT_EQ(Get("/rss/cs.LG")->status, 429);
  const auto busy = Get("/rss/cs.LG");
  EXPECT_EQ(busy->status, 503);
  EXPECT_EQ(busy->get_header_value("Retry-After"), "7");
  EXPECT_EQ(Get("/rss/cs.LG")->status, 406);
  EXPECT_EQ(Get("/rss/cs.LG")->body, "Rate exceeded.");
  EXPECT_THAT(Get(Api("cat:cs.LG"))->body, HasSubstr("<title>Error</title>"));
  EXPECT_EQ(Get("/rss/cs.LG")->status, 429);
  EXPECT_FALSE(xml_.load_string(Get("/rss/cs.LG")->body.c_str()));
  EXPECT_FALSE(Get("/rss/cs.LG"));
  EXPECT_EQ(Get("/rss/cs.LG")->status, 200);
}

TEST_F(ArxivServerTest, KeepsAccountOfWhoAskedForWhatAndWhen) {
  EXPECT_EQ(server_->account().smallest_gap, std::chrono::steady_clock::duration::max());
  Get("/rss/cs.LG", {{"Accept", "text/xml"}, {"User-Agent", "tester"}});
  Get(Api("cat:cs.LG"));
  const auto account = server_->account();
  ASSERT_EQ(account.requests.size(), 2u);
  EXPECT_EQ(account.requests[0].target, "/rss/cs.LG");
  EXPECT_EQ(account.requests[0].user_agent, "tester");
  EXPECT_EQ(account.requests[0].accept, "text/xml");
  EXPECT_EQ(account.requests[0].status, 200);
  EXPECT_EQ(account.requests[1].target, "/api/query?search_query=cat:cs.LG");
  EXPECT_EQ(account.max_concurrent, 1u);
  EXPECT_EQ(account.smallest_gap, account.requests[1].start - account.requests[0].end);
  EXPECT_GT(account.smallest_gap.count(), 0);
}

TEST(ArxivPapersTest, ReadsTheFileFormatAndNamesABadLine) {
  const TempDir dir;
  std::ofstream(dir.File("papers.jsonl"))
      << R"({"id":"2609.00001","title":"T","abstract":"A","authors":["B"],)"
      << R"("categories":["cs.AI","cs.LG"],"primary_category":"cs.LG","version":null,)"
      << R"("announce_type":null,"published":"2026-09-14T13:05:09Z","updated":null})"
      << "\n\n"
      << R"({"id":"2609.00002","title":"T","abstract":"A","authors":[],"announced":"2026-09-16"})"
      << "\n";
  const auto papers = ReadArxivPapers(dir.File("papers.jsonl"), "2026-09-15");
  ASSERT_EQ(papers.size(), 2u);
  EXPECT_THAT(papers[0].categories, ElementsAre("cs.LG", "cs.AI"));
  EXPECT_EQ(papers[0].version, 1);
  EXPECT_EQ(papers[0].announced, "2026-09-15");
  EXPECT_EQ(IsoText(papers[0].published), "2026-09-14T13:05:09Z");
  EXPECT_EQ(papers[0].updated, papers[0].published);
  EXPECT_EQ(IsoText(papers[1].published), "2026-09-15T12:00:00Z");

  std::ofstream(dir.File("bad.jsonl")) << "\n{\"id\": 5}\n";
  try {
    ReadArxivPapers(dir.File("bad.jsonl"), "2026-09-15");
    FAIL() << "a bad line was read";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("bad.jsonl:2:"));
  }
}

}  // namespace
}  // namespace paperboy
