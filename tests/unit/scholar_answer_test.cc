// Semantic Scholar's answers, as it gives them and as nobody should.
#include "fetcher/scholar_answer.h"

#include <gmock/gmock.h>

#include <fstream>

#include "fetcher/parse_command.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(ScholarBatch, IsReadInTheOrderOfTheQuestion) {
  const auto batch =
      ParseScholarBatch(R"([null,
    {"paperId": "a1", "externalIds": {"ArXiv": "2501.00002", "CorpusId": 7}, "authors": [
      {"authorId": "17", "name": "J\u00fcrgen  Vale", "hIndex": 4,
       "externalIds": {"ORCID": "0000-0002-1825-0097", "DBLP": ["J. Vale"]}},
      {"authorId": null, "name": "Bo Elm", "hIndex": null, "externalIds": null}]},
    {"paperId": "a2", "authors": []},
    {"paperId": "a3", "title": null, "authors": [{"authorId": "9", "name": null}]}])",
                        {"2501.00001", "2501.00002", "2501.00003", "math.GT/0309136"});
  ASSERT_TRUE(batch.ok()) << batch.error().message;
  EXPECT_THAT(batch->unknown, ElementsAre("2501.00001", "2501.00003"));
  EXPECT_THAT(batch->warnings, IsEmpty());
  ASSERT_THAT(batch->known, SizeIs(2));
  const wire::PaperAuthors& paper = batch->known[0];
  EXPECT_EQ(paper.id(), "2501.00002");
  ASSERT_EQ(paper.authors_size(), 2);
  EXPECT_EQ(paper.authors(0).id(), "17");
  EXPECT_EQ(paper.authors(0).orcid(), "0000-0002-1825-0097");
  EXPECT_EQ(paper.authors(0).h_index(), 4u);
  EXPECT_EQ(paper.authors(1).name(), "Bo Elm");
  EXPECT_EQ(paper.authors(1).id(), "");
  EXPECT_FALSE(paper.authors(1).has_h_index());
  EXPECT_EQ(batch->known[1].id(), "math.GT/0309136");
}

TEST(ScholarBatch, ValuesOfAnotherKindAreNone) {
  const auto batch = ParseScholarBatch(
      R"([{"authors": [{"authorId": 17, "name": 5, "hIndex": "4", "externalIds": []},
                       {"authorId": "x17", "hIndex": -4, "externalIds": {"ORCID": 3}},
                       {"authorId": ["1"], "hIndex": 4.5},
                       {"hIndex": 1e300}, 7, null, "Bo"]}])",
      {"2501.00001"});
  ASSERT_TRUE(batch.ok());
  ASSERT_THAT(batch->known, SizeIs(1));
  ASSERT_EQ(batch->known[0].authors_size(), 7);
  EXPECT_EQ(batch->known[0].authors(0).id(), "17") << "a number is as good";
  for (int i = 0; i < 7; ++i) {
    EXPECT_FALSE(batch->known[0].authors(i).has_h_index()) << i;
    if (i > 0) EXPECT_EQ(batch->known[0].authors(i).id(), "") << i;
    EXPECT_EQ(batch->known[0].authors(i).orcid(), "") << i;
  }
}

TEST(ScholarBatch, EntriesThatAreNoPaperAreNamedAndTheRestIsTaken) {
  const auto batch = ParseScholarBatch(
      R"([7, {"authors": "Bo"}, {"paperId": "a"}, {"externalIds": {"ArXiv": "2501.09999"},
          "authors": [{"authorId": "1"}]}, {"authors": [{"authorId": "5"}]}])",
      {"2501.00001", "2501.00002", "2501.00003", "2501.00004", "2501.00005"});
  ASSERT_TRUE(batch.ok());
  EXPECT_THAT(batch->known, SizeIs(1));
  EXPECT_THAT(batch->unknown, IsEmpty()) << "it did not say that it does not know them";
  EXPECT_THAT(batch->warnings, ElementsAre("its entry for 2501.00001 is no paper",
                                           "its entry for 2501.00002 has no list of authors",
                                           "its entry for 2501.00003 has no list of authors",
                                           "its entry for 2501.00004 is arXiv's 2501.09999"));
}

TEST(ScholarBatch, WhatIsNoAnswerIsRefusedWithWhatItIs) {
  const auto refusal = [](const std::string& body) {
    const auto batch = ParseScholarBatch(body, {"2501.00001", "2501.00002"});
    return batch ? "" : batch.error().message;
  };
  EXPECT_THAT(refusal("<html><h1>Back  soon</h1></html>"), HasSubstr("is no JSON: \""));
  EXPECT_EQ(refusal(""), "its answer is no JSON: an empty answer");
  EXPECT_THAT(refusal("[null, {\"paperId\": \"a"), HasSubstr("is no JSON"));
  EXPECT_THAT(refusal("[null, \"\xFF\"]"), HasSubstr("is no JSON"));
  EXPECT_THAT(refusal("{\"data\": []}"), HasSubstr("is no list"));
  EXPECT_THAT(refusal("7"), HasSubstr("is no list"));
  EXPECT_EQ(refusal("{\"error\": \"no such field\"}"), "it says: no such field");
  EXPECT_EQ(refusal("{\"message\": \"Forbidden\"}"), "it says: Forbidden");
  EXPECT_THAT(refusal("[null]"), HasSubstr("has 1 entry for 2 papers"));
  EXPECT_THAT(refusal("[null, null, null]"), HasSubstr("has 3 entries for 2 papers"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("is no JSON"));
}

class ParseScholarFile : public testing::Test {
 protected:
  ParseReport Report(const std::string& text) {
    std::ofstream(dir_.File("answer.json")) << text;
    ParseReport report = ReportOnFile(dir_.File("answer.json"));
    const std::string name = dir_.File("answer.json") + ": ";
    EXPECT_TRUE(report.text.starts_with(name));
    report.text.erase(0, name.size());
    return report;
  }
  TempDir dir_;
};

TEST_F(ParseScholarFile, CountsPapersAndAuthors) {
  const auto report = Report(R"([null, {"paperId": "a", "authors": [
      {"authorId": "1", "name": "Ada", "hIndex": 3}, {"authorId": "2", "name": "Bo"}]}])");
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.text,
            "answer of Semantic Scholar: 1 paper, 2 authors, 1 with an h-index; 1 not known to it; "
            "0 refused\n");
  EXPECT_THAT(Report(R"({"total": 2, "data": [{"authorId": "1"}, {"authorId": "2"}]})").text,
              HasSubstr("0 papers, 2 authors"));
  EXPECT_THAT(Report(R"({"authorId": "1", "name": "Ada"})").text, HasSubstr("1 author,"));
}

TEST_F(ParseScholarFile, TakesRecordedExchangesApart) {
  const auto report = Report(R"([
    {"request": {"method": "GET"}, "response": {"status": {"code": 200, "message": "OK"},
     "body": "{\"data\": [{\"paperId\": \"a\", \"title\": \"On Owls\"}]}\n"}},
    {"request": {"method": "GET"}, "response": {"status": 400,
     "body": "{\"error\":\"Unrecognized or unsupported fields: [unknown]\"}"}},
    {"request": {"method": "GET"}, "response": {"status": 200, "body": "<html>"}},
    {"request": {"method": "GET"}, "response": {"status": 200,
     "body": "{\"data\": [{\"snippet\": {\"text\": \"Owls\"}}]}"}},
    7])");
  EXPECT_FALSE(report.ok);
  EXPECT_EQ(report.text,
            "refused: answer of Semantic Scholar: 1 paper, 0 authors, 0 with an h-index; "
            "0 not known to it; 4 refused\n"
            "  refused: HTTP 400: Unrecognized or unsupported fields: [unknown]\n"
            "  refused: no JSON: mark-up without text\n"
            "  refused: a record that is neither a paper nor an author\n"
            "  refused: an entry without request and response\n");
}

TEST_F(ParseScholarFile, JsonLinesAreNoAnswer) {
  const auto report = Report(R"({"id": "2501.00001", "title": "On Owls", "abstract": "Night.",
)" + std::string(1, ' '));
  EXPECT_THAT(report.text, testing::Not(HasSubstr("Semantic Scholar")));
  const auto line = Report(
      "{\"id\": \"2501.00001\", \"title\": \"On Owls\", \"abstract\": \"x\", \"authors\": []}\n");
  EXPECT_TRUE(line.ok) << line.text;
  EXPECT_THAT(line.text, HasSubstr("JSON lines: 1 paper"));
}

}  // namespace
}  // namespace paperboy
