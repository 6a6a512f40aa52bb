#include "fetcher/parse_command.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

using Json = nlohmann::ordered_json;

constexpr char kOai[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OAI-PMH><ListRecords>"
    "<record><header><identifier>oai:arXiv.org:2609.00001</identifier>"
    "<datestamp>2026-09-16</datestamp></header><metadata><arXivRaw><id>2609.00001</id>"
    "<version version=\"v1\"><date>Mon, 14 Sep 2026 12:00:00 GMT</date></version>"
    "<title>Of owls</title><authors>Ada Vale</authors><categories>cs.LG</categories>"
    "</arXivRaw></metadata></record><record/>"
    "<resumptionToken completeListSize=\"7\">next</resumptionToken></ListRecords></OAI-PMH>";
constexpr char kApi[] =
    "<feed><totalResults>1</totalResults><entry><id>http://arxiv.org/abs/2609.00001v1</id>"
    "<title>T</title><published>2026-09-14T12:00:00Z</published></entry></feed>";

class ParseCommandTest : public testing::Test {
 protected:
  ParseReport Report(const std::string& text, const std::string& name = "file") {
    const std::string path = dir_.File(name);
    std::ofstream(path, std::ios::binary) << text;
    return ReportOnFile(path);
  }
  // Recorded with its question, as tools for tests do.
  ParseReport Recorded(const std::string& url, int status, const Json& body) {
    const Json one = {{"request", {{"uri", url}}},
                      {"response", {{"status", {{"code", status}}}, {"body", body}}}};
    return Report(one.dump(1));
  }
  TempDir dir_;
};

TEST_F(ParseCommandTest, ReadsOaiPmh) {
  const ParseReport report = Report(kOai);
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.papers, 1u);
  EXPECT_EQ(report.refused, 1u);
  EXPECT_FALSE(report.whole()) << "one of its records was refused";
  EXPECT_THAT(report.text, StartsWith(dir_.File("file") + ": answer of arXiv's OAI-PMH: 1 paper"));
  EXPECT_THAT(report.text, AllOf(HasSubstr("  record 2: refused: "), HasSubstr("one page of 7")));
}

TEST_F(ParseCommandTest, AnOaiErrorIsARefusal) {
  const ParseReport report = Report("<OAI-PMH><error code=\"badArgument\">no</error></OAI-PMH>");
  EXPECT_FALSE(report.ok);
  EXPECT_THAT(report.text, HasSubstr(": refused: answer of arXiv's OAI-PMH: "));
  EXPECT_FALSE(Report("<OAI-PMH><error code=\"badResumptionToken\">x</error></OAI-PMH>").ok);
}

TEST_F(ParseCommandTest, ReadsWhatWasRecordedOrPacked) {
  const Json recorded = {
      {"url", "https://export.arxiv.org/api/query"}, {"status_code", 200}, {"body", kApi}};
  const ParseReport report = Report(recorded.dump());
  EXPECT_TRUE(report.ok) << report.text;
  EXPECT_THAT(report.text, HasSubstr("answer of arXiv's API: 1 paper"));

  const std::string path = dir_.File("packed.xml.gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzputs(file, kOai);
  gzclose(file);
  EXPECT_EQ(ReportOnFile(path).papers, 1u);

  const ParseReport headers =
      Report(R"({"request":{"uri":"https://oaipmh.arxiv.org/oai"},"headers":{}})");
  EXPECT_FALSE(headers.ok);
  EXPECT_THAT(headers.text, HasSubstr("without the answer"));
}

TEST_F(ParseCommandTest, SaysWhatElseAFileIs) {
  const ParseReport chat =
      Recorded("https://api.example.org/v1/chat/completions", 429, {{"error", {{"code", 429}}}});
  EXPECT_FALSE(chat.ok);
  EXPECT_THAT(chat.text, AllOf(HasSubstr("OpenAI chat completion"), HasSubstr("HTTP 429")));
  EXPECT_THAT(Report(R"({"id":"chatcmpl-1","object":"chat.completion","choices":[]})").text,
              HasSubstr("OpenAI chat completion"));
  EXPECT_THAT(Report("data: {\"choices\":[]}\n\ndata: [DONE]\n").text,
              HasSubstr("OpenAI chat completion"));
  EXPECT_THAT(Recorded("https://api.semanticscholar.org/graph/v1/paper/x", 200,
                       R"({"paperId":"x","title":"T"})")
                  .text,
              HasSubstr("Semantic Scholar"));
  EXPECT_THAT(Report("[null, {\"authorId\": \"1\"}]").text, HasSubstr("Semantic Scholar"));
  EXPECT_THAT(Report("Rate exceeded.").text, HasSubstr("under load"));
  EXPECT_THAT(Recorded("https://example.org/", 200, "hello").text,
              HasSubstr("an answer of https://example.org/ of no known kind"));
  const ParseReport table = Report("file\trepo\n");
  EXPECT_FALSE(table.ok);
  EXPECT_THAT(table.text, HasSubstr("neither XML nor JSON lines of papers: line 1: "));
}

TEST_F(ParseCommandTest, LinesOfPapersStayWhatTheyWere) {
  const std::string line = R"({"id":"2609.00001","title":"T","abstract":"","authors":["A"]})";
  EXPECT_TRUE(Report(line + "\n").whole());
  const ParseReport two = Report(line + "\nnonsense\n");
  EXPECT_TRUE(two.ok);
  EXPECT_EQ(two.papers, 1u);
  EXPECT_EQ(two.refused, 1u);
  EXPECT_FALSE(two.whole());
  EXPECT_THAT(two.text, HasSubstr("  line 2: refused: bad JSON"));
}

TEST_F(ParseCommandTest, OfManyRefusedLinesItSaysHowManyItDoesNotName) {
  std::string lines = R"({"id":"2609.00001","title":"T","abstract":"","authors":["A"]})";
  for (int i = 0; i < 5; ++i) lines += "\nnonsense";
  EXPECT_THAT(Report(lines).text, testing::EndsWith("  line 6: refused: bad JSON at column 2\n"));
  for (int i = 0; i < 7; ++i) lines += "\nnonsense";
  EXPECT_THAT(Report(lines).text,
              testing::EndsWith("  line 6: refused: bad JSON at column 2\n  and 7 more\n"));
}

TEST_F(ParseCommandTest, AFileWithoutARecordIsRefused) {
  for (const char* text :
       {"\n", "<feed><totalResults>0</totalResults></feed>", "[null]", "{\"data\": []}"}) {
    const ParseReport report = Report(text);
    EXPECT_FALSE(report.ok) << text;
    EXPECT_THAT(report.text, HasSubstr(dir_.File("file") + ": refused: it holds no record"))
        << text;
  }
  EXPECT_TRUE(Report("[null, {\"authorId\": \"1\"}]").whole());
}

TEST_F(ParseCommandTest, EveryAnswerOfAFileIsReportedOn) {
  const Json one = {{"url", "https://export.arxiv.org/api/query"}, {"body", kApi}};
  const Json other = {{"url", "https://oaipmh.arxiv.org/oai"}, {"body", "Rate exceeded."}};
  const ParseReport report = Report(Json::array({one, other}).dump());
  EXPECT_FALSE(report.ok);
  EXPECT_EQ(report.papers, 1u);
  EXPECT_THAT(report.text, AllOf(HasSubstr("file#1: answer of"), HasSubstr("file#2: refused: ")));
}

TEST_F(ParseCommandTest, TheLastLineAddsUp) {
  EXPECT_EQ(Sums({Report(kOai), Report(kApi), Report("Rate exceeded.")}),
            "3 files: 2 parsed, 1 refused; 2 papers, 1 entry refused in the parsed files\n");
}

}  // namespace
}  // namespace paperboy
