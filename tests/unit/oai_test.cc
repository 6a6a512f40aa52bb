#include "fetcher/oai.h"

#include <gmock/gmock.h>

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string Answer(const std::string& body) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" \n"
         "         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n"
         "    <responseDate>2026-09-16T07:46:38Z</responseDate>\n"
         "    <request verb=\"ListRecords\">http://oaipmh.arxiv.org/oai</request>\n\n" +
         body + "</OAI-PMH>\n";
}

std::string List(const std::string& body) {
  return Answer("<ListRecords>\n" + body + "</ListRecords>\n");
}

std::string Record(const std::string& id, const std::string& metadata) {
  return "<record>\n<header>\n <identifier>oai:arXiv.org:" + id +
         "</identifier>\n <datestamp>2026-09-16</datestamp>\n <setSpec>cs:cs:LG</setSpec>\n"
         "</header>\n\n<metadata>\n " +
         metadata + "\n</metadata>\n</record>\n";
}

std::string Raw(const std::string& content) {
  return "<arXivRaw xmlns=\"http://arxiv.org/OAI/arXivRaw/\">\n " + content + "</arXivRaw>";
}

constexpr char kOwls[] =
    "<id>2609.00001</id><submitter>Ada Vale</submitter>"
    "<version version=\"v1\"><date>Mon, 7 Sep 2026 17:59:59 GMT</date><size>9kb</size></version>"
    "<version version=\"v2\"><date>Tue, 15 Sep 2026 08:00:01 GMT</date><size>9kb</size></version>"
    "<title>Of owls &amp; of\n  elms</title><authors>Ada Vale, J\\\"org Elm and Bo Fen</authors>"
    "<categories>cs.LG stat.ML</categories><comments>7 pages</comments>"
    "<abstract>  They hoot\nat night.\n</abstract>";

OaiPage Parsed(const std::string& body) {
  Result<OaiPage> page = ParseOaiPage(body);
  EXPECT_TRUE(page.ok()) << page.error().message;
  return page.ok() ? *page : OaiPage{};
}

std::string Refusal(const std::string& record) {
  const OaiPage page = Parsed(List(record));
  return page.records.size() == 1 ? page.records[0].entry.row.refused() : "not one record";
}

TEST(Oai, ReadsARawRecord) {
  const OaiPage page = Parsed(List(Record("2609.00001", Raw(kOwls))));

  ASSERT_THAT(page.records, SizeIs(1));
  EXPECT_EQ(page.records[0].datestamp, "2026-09-16");
  const Submission& entry = page.records[0].entry;
  EXPECT_EQ(FormatIsoUtc(entry.submitted), "2026-09-07T17:59:59Z");
  EXPECT_EQ(entry.row.id(), "2609.00001");
  EXPECT_EQ(entry.row.version(), 2u);
  EXPECT_EQ(entry.row.primary_category(), "cs.LG");
  EXPECT_EQ(entry.row.announce_type(), wire::ANNOUNCE_TYPE_UNKNOWN);
  const wire::Paper& paper = entry.row.paper();
  EXPECT_EQ(paper.title(), "Of owls & of elms");
  EXPECT_EQ(paper.abstract(), "They hoot at night.");
  EXPECT_THAT(paper.authors(), ElementsAre("Ada Vale", "J\\\"org Elm", "Bo Fen"));
  EXPECT_THAT(paper.categories(), ElementsAre("cs.LG", "stat.ML"));
  EXPECT_EQ(paper.published(), "2026-09-07T17:59:59Z");
  EXPECT_EQ(paper.updated(), "2026-09-15T08:00:01Z");
  EXPECT_EQ(page.token, "");
  EXPECT_FALSE(page.complete_size);
}

// Another version's time would put the paper on another page.
TEST(Oai, WithoutTheFirstVersionsTimeARecordIsRefused) {
  std::string raw = Raw(kOwls);
  const size_t at = raw.find("<date>") + 6;
  raw.replace(at, raw.find("</date>") - at, "some day");
  const OaiPage page = Parsed(List(Record("2609.00001", raw)));
  ASSERT_THAT(page.records, SizeIs(1));
  EXPECT_THAT(page.records[0].entry.row.refused(), testing::HasSubstr("no time of submission"));
}

TEST(Oai, ReadsStructuredAuthorsAndBareDays) {
  const OaiPage page = Parsed(
      List(Record("hep-th/9901001",
                  "<arXiv xmlns=\"http://arxiv.org/OAI/arXiv/\"><id>hep-th/9901001</id>"
                  "<created>1999-01-04</created>\n<updated>2026-09-15</updated>\n<authors><author>"
                  "<keyname>Elm</keyname><forenames>Bo A.</forenames><suffix>Jr</suffix></author>\n"
                  "<author><keyname>Owl Collaboration</keyname></author></authors><title>T</title>"
                  "<categories>hep-th</categories><abstract>A</abstract></arXiv>")));

  ASSERT_THAT(page.records, SizeIs(1));
  const Submission& entry = page.records[0].entry;
  EXPECT_EQ(entry.row.id(), "hep-th/9901001");
  EXPECT_EQ(entry.row.version(), 0u);
  EXPECT_EQ(FormatIsoUtc(entry.submitted), "1999-01-04T00:00:00Z");
  EXPECT_THAT(entry.row.paper().authors(), ElementsAre("Bo A. Elm Jr", "Owl Collaboration"));
}

TEST(Oai, ReadsABareRecordOfDublinCore) {
  const OaiPage page = Parsed(
      Record("math/0309136",
             "<oai_dc:dc xmlns:oai_dc=\"o\" xmlns:dc=\"d\"><dc:title>T</dc:title>"
             "<dc:creator>Elm, Bo</dc:creator><dc:creator>Owl Collaboration</dc:creator>"
             "<dc:subject>Mathematics</dc:subject><dc:description>  An abstract.\n</dc:description>"
             "<dc:date>2003-09-08</dc:date><dc:date>2004-01-02</dc:date></oai_dc:dc>"));

  ASSERT_THAT(page.records, SizeIs(1));
  const wire::Row& row = page.records[0].entry.row;
  EXPECT_EQ(row.id(), "math/0309136");
  EXPECT_THAT(row.paper().authors(), ElementsAre("Bo Elm", "Owl Collaboration"));
  EXPECT_EQ(row.paper().abstract(), "An abstract.");
  EXPECT_EQ(row.paper().published(), "2003-09-08T00:00:00Z");
  EXPECT_EQ(row.paper().updated(), "2004-01-02T00:00:00Z");
}

TEST(Oai, ReadsTokenAndSizeAndCountsTheDeleted) {
  const std::string gone =
      "<record><header status=\"deleted\"><identifier>oai:arXiv.org:2609.00009</identifier>"
      "<datestamp>2026-09-16</datestamp></header></record>";
  const OaiPage page =
      Parsed(List(gone + Record("2609.00001", Raw(kOwls)) +
                  "<resumptionToken completeListSize=\"5001\" cursor=\"0\">verb%3DListRecords%26"
                  "skip%3D2500\n</resumptionToken>"));
  EXPECT_THAT(page.records, SizeIs(1));
  EXPECT_EQ(page.deleted, 1u);
  EXPECT_EQ(page.token, "verb%3DListRecords%26skip%3D2500");
  EXPECT_EQ(page.complete_size, 5001u);
  EXPECT_EQ(Parsed(List("<resumptionToken/>")).token, "");
}

TEST(Oai, ErrorsAreNotAllFailures) {
  const auto error = [](const std::string& code) {
    return ParseOaiPage(Answer("<error code=\"" + code + "\">so it says</error>"));
  };
  ASSERT_TRUE(error("noRecordsMatch").ok());
  EXPECT_THAT(error("noRecordsMatch")->records, IsEmpty());
  EXPECT_FALSE(error("noRecordsMatch")->bad_token);
  ASSERT_TRUE(error("badResumptionToken").ok());
  EXPECT_TRUE(error("badResumptionToken")->bad_token);
  ASSERT_FALSE(error("badArgument").ok());
  EXPECT_EQ(error("badArgument").error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(error("badArgument").error().message, HasSubstr("badArgument: so it says"));
}

TEST(Oai, WhatIsNoListIsUnavailable) {
  const std::string whole = List(Record("2609.00001", Raw(kOwls)));
  for (const std::string& body :
       {whole.substr(0, whole.size() / 2), std::string("Rate exceeded."),
        std::string("<html><body/></html>"), Answer("<Identify/>"), std::string()}) {
    const Result<OaiPage> page = ParseOaiPage(body);
    ASSERT_FALSE(page.ok()) << body;
    EXPECT_EQ(page.error().kind, ErrorKind::kUnavailable);
  }
}

TEST(Oai, RefusesARecordThatLacksWhatNoPaperGoesWithout) {
  const std::string version =
      "<version version=\"v1\"><date>Mon, 07 Sep 2026 17:59:59 GMT</date></version>";
  EXPECT_THAT(Refusal(Record("nonsense", Raw("<id>x</id><title>T</title>" + version))),
              HasSubstr("no arXiv id in 'oai:arXiv.org:nonsense'"));
  EXPECT_EQ(Refusal(Record("2609.00001", Raw("<id>2609.00001</id>" + version))),
            "2609.00001 has no title");
  EXPECT_EQ(Refusal(Record("2609.00001", Raw("<id>2609.00001</id><title>T</title>"
                                             "<version version=\"v1\"><date>soon</date>"
                                             "</version>"))),
            "2609.00001 has no time of submission");
  EXPECT_THAT(Refusal(Record("2609.00001", "<marc/>")), HasSubstr("no metadata of a known kind"));
  EXPECT_THAT(Refusal("<record/>"), HasSubstr("no metadata of a known kind"));
}

TEST(Oai, BadBytesAndEntitiesBecomeText) {
  const OaiPage page = Parsed(List(Record(
      "2609.00001",
      Raw("<id>2609.00001</id><version version=\"v1\"><date>Mon, 07 Sep 2026 17:59:59 GMT</date>"
          "</version><title>Of \xff owls&#39; &eacute;</title><authors>A</authors>"
          "<abstract>x &lt; y</abstract>"))));
  ASSERT_THAT(page.records, SizeIs(1));
  EXPECT_EQ(page.records[0].entry.row.paper().title(), "Of \xef\xbf\xbd owls' \xc3\xa9");
  EXPECT_EQ(page.records[0].entry.row.paper().abstract(), "x < y");
}

TEST(OaiAuthors, AreSplitAsPeopleTypeThem) {
  EXPECT_THAT(SplitAuthors("Ada Vale"), ElementsAre("Ada Vale"));
  EXPECT_THAT(SplitAuthors("Ada Vale and Bo Elm"), ElementsAre("Ada Vale", "Bo Elm"));
  EXPECT_THAT(SplitAuthors("Ada Vale, Bo Elm,\n  and Cy Fen"),
              ElementsAre("Ada Vale", "Bo Elm", "Cy Fen"));
  EXPECT_THAT(SplitAuthors("A. Vale (1 and 2), B. Elm (2) ((1) Univ. of X, Y, (2) Z)"),
              ElementsAre("A. Vale", "B. Elm"));
  EXPECT_THAT(SplitAuthors("Owl Collaboration: A. Vale, B. Elm"),
              ElementsAre("Owl Collaboration", "A. Vale", "B. Elm"));
  EXPECT_THAT(SplitAuthors("A. Vale, B. Elm, et al. (909 additional authors not shown)"),
              ElementsAre("A. Vale", "B. Elm"));
  EXPECT_THAT(SplitAuthors("A. Vale et al"), ElementsAre("A. Vale"));
  EXPECT_THAT(SplitAuthors("J\\'er\\^ome {\\v S}tan\\c{c}, Sandy Anderson, A. Vale, Jr."),
              ElementsAre("J\\'er\\^ome {\\v S}tan\\c{c}", "Sandy Anderson", "A. Vale Jr."));
  EXPECT_THAT(SplitAuthors("A. Vale (Univ. of X, B. Elm"),
              ElementsAre("A. Vale (Univ. of X", "B. Elm"));
  EXPECT_THAT(SplitAuthors(" ,, and "), IsEmpty());
}

TEST(OaiSet, FollowsArxivsGroups) {
  EXPECT_EQ(OaiSet("cs.LG"), "cs:cs:LG");
  EXPECT_EQ(OaiSet("q-bio.NC"), "q-bio:q-bio:NC");
  EXPECT_EQ(OaiSet("hep-th"), "physics:hep-th");
  EXPECT_EQ(OaiSet("astro-ph.GA"), "physics:astro-ph:GA");
  EXPECT_EQ(OaiSet("physics.atom-ph"), "physics:physics:atom-ph");
  EXPECT_EQ(OaiSet("cond-mat"), "physics:cond-mat");
  EXPECT_EQ(OaiSet("math-ph"), "physics:math-ph");
  EXPECT_EQ(OaiSet("cs"), "cs");
}

}  // namespace
}  // namespace paperboy
