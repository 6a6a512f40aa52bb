#include "fetcher/rss.h"

#include <gmock/gmock.h>

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string Item(const std::string& id, const std::string& type, const std::string& more = "") {
  return "<item><title>Title of " + id + "</title><link>https://arxiv.org/abs/" + id +
         "</link><description>arXiv:" + id + "v1 Announce Type: " + type + " \nAbstract: What " +
         id + " says.</description><guid isPermaLink=\"false\">oai:arXiv.org:" + id +
         "v1</guid><category>cs.LG</category><arxiv:announce_type>" + type +
         "</arxiv:announce_type><dc:creator>Ada Vale</dc:creator>" + more + "</item>";
}

std::string Rss(const std::string& items,
                const std::string& date = "Tue, 15 Sep 2026 00:00:00 -0400") {
  return "<?xml version='1.0' encoding='UTF-8'?>\n"
         "<rss xmlns:arxiv=\"http://arxiv.org/schemas/atom\" "
         "xmlns:dc=\"http://purl.org/dc/elements/1.1/\" version=\"2.0\"><channel>"
         "<title>cs.LG updates</title><pubDate>" +
         date + "</pubDate>" + items + "</channel></rss>";
}

std::string Entry(const std::string& published) {
  return "<entry><id>oai:arXiv.org:2609.00007v2</id><title>An owl</title>"
         "<updated>2026-09-15T04:00:19.866337+00:00</updated>"
         "<link href=\"https://arxiv.org/abs/2609.00007\" rel=\"alternate\"/>"
         "<summary>arXiv:2609.00007v2 Announce Type: replace-cross \nAbstract: It hoots.</summary>"
         "<category term=\"cs.CL\"/><category term=\"cs.LG\"/>" +
         published +
         "<arxiv:announce_type>replace-cross</arxiv:announce_type>"
         "<dc:creator>Bo Elm, Cy Dane</dc:creator></entry>";
}

std::string Atom(const std::string& entries) {
  return "<feed xmlns:arxiv=\"http://arxiv.org/schemas/atom\" "
         "xmlns=\"http://www.w3.org/2005/Atom\"><updated>2026-09-15T04:00:19.866337+00:00</"
         "updated>" +
         entries + "</feed>";
}

Listing Parsed(const std::string& body) {
  Result<Listing> list = ParseFeed(body, "cs.LG");
  EXPECT_TRUE(list.ok()) << (list.ok() ? "" : list.error().message);
  return list.ok() ? std::move(*list) : Listing{};
}

TEST(Rss, ReadsAnItem) {
  const Listing list = Parsed(
      Rss("<item><title>Owls &amp; <![CDATA[mice]]></title><link>https://arxiv.org/abs/2609.00001"
          "</link><description>arXiv:2609.00001v3 Announce Type: replace \n"
          "Abstract: If a &lt; b,\nthen c.</description>"
          "<category>stat.ML</category><category>cs.LG</category>"
          "<arxiv:announce_type>replace</arxiv:announce_type>"
          "<dc:creator>J\\\"org Elm, Ada Vale (Univ, City), Bo</dc:creator></item>"));

  EXPECT_EQ(list.category, "cs.LG");
  EXPECT_EQ(list.date, "2026-09-15");
  ASSERT_THAT(list.rows, SizeIs(1));
  const wire::Row& row = list.rows[0];
  EXPECT_EQ(row.id(), "2609.00001");
  EXPECT_EQ(row.version(), 3u);
  EXPECT_EQ(row.announce_type(), wire::ANNOUNCE_TYPE_REPLACE);
  EXPECT_EQ(row.primary_category(), "stat.ML");
  EXPECT_EQ(row.paper().title(), "Owls & mice");
  EXPECT_EQ(row.paper().abstract(), "If a < b, then c.");
  EXPECT_THAT(row.paper().authors(), ElementsAre("J\\\"org Elm", "Ada Vale (Univ, City)", "Bo"));
  EXPECT_THAT(row.paper().categories(), ElementsAre("stat.ML", "cs.LG"));
}

TEST(Rss, ReadsTheAtomFlavour) {
  const Listing list = Parsed(Atom(Entry("<published>2026-09-15T00:00:00-04:00</published>")));

  EXPECT_EQ(list.date, "2026-09-15");
  ASSERT_THAT(list.rows, SizeIs(1));
  EXPECT_EQ(list.rows[0].id(), "2609.00007");
  EXPECT_EQ(list.rows[0].version(), 2u);
  EXPECT_EQ(list.rows[0].announce_type(), wire::ANNOUNCE_TYPE_REPLACE_CROSS);
  EXPECT_EQ(list.rows[0].primary_category(), "cs.CL");
  EXPECT_EQ(list.rows[0].paper().abstract(), "It hoots.");
  EXPECT_THAT(list.rows[0].paper().authors(), ElementsAre("Bo Elm", "Cy Dane"));
}

TEST(Rss, TheDateIsThatOfTheFeedsOwnOffset) {
  EXPECT_EQ(Parsed(Rss("", "Tue, 15 Sep 2026 00:00:00 -0400")).date, "2026-09-15");
  EXPECT_EQ(Parsed(Rss("", "Mon, 14 Dec 2026 00:00:00 -0500")).date, "2026-12-14");
}

TEST(Rss, TheDateOfTheAtomFlavourIsEastern) {
  // Three hours after midnight in Greenwich is the evening before in New York.
  EXPECT_EQ(Parsed(Atom(Entry("<published>2026-09-15T03:00:00Z</published>"))).date, "2026-09-14");
  EXPECT_EQ(Parsed(Atom("")).date, "2026-09-15");
}

TEST(Rss, AnEmptyFeedIsAnEmptyList) {
  const Listing list = Parsed(Rss("", "Sat, 19 Sep 2026 00:00:00 -0400"));
  EXPECT_EQ(list.date, "2026-09-19");
  EXPECT_THAT(list.rows, IsEmpty());
}

TEST(Rss, TakesTheTypeFromTheTextIfItMust) {
  const Listing list = Parsed(Rss(
      "<item><title>T</title><link>https://arxiv.org/abs/2609.00001</link>"
      "<description>arXiv:2609.00001v1 Announce Type: cross\nAbstract: A</description></item>"
      "<item><title>T</title><link>https://arxiv.org/abs/2609.00002</link>"
      "<description>arXiv:2609.00002v1 Announce Type: revoked\nAbstract: A</description></item>"));

  ASSERT_THAT(list.rows, SizeIs(2));
  EXPECT_EQ(list.rows[0].announce_type(), wire::ANNOUNCE_TYPE_CROSS);
  EXPECT_EQ(list.rows[1].announce_type(), wire::ANNOUNCE_TYPE_UNKNOWN);
  EXPECT_THAT(list.warnings, ElementsAre(HasSubstr("1 items without a known announce type")));
}

TEST(Rss, TheAbstractIsWhatFollowsTheLastMark) {
  const Listing list = Parsed(Rss(
      "<item><title>T</title><link>https://arxiv.org/abs/2609.00001</link>"
      "<description>arXiv:2609.00001v1 Announce Type: new\nAbstract: Abstract: Owls.</description>"
      "</item>"
      "<item><title>T</title><link>https://arxiv.org/abs/2609.00002</link>"
      "<description>arXiv:2609.00002v1 Announce Type: new\nMice.</description></item>"));

  ASSERT_THAT(list.rows, SizeIs(2));
  EXPECT_EQ(list.rows[0].paper().abstract(), "Owls.");
  EXPECT_EQ(list.rows[1].paper().abstract(), "Mice.");
}

TEST(Rss, FindsTheIdWhereverItIs) {
  const Listing list = Parsed(
      Rss("<item><title>T</title><guid>oai:arXiv.org:2609.00001v4</guid></item>"
          "<item><title>T</title><link>http://arxiv.org/abs/hep-th/9901001v2</link></item>"));

  ASSERT_THAT(list.rows, SizeIs(2));
  EXPECT_EQ(list.rows[0].id(), "2609.00001");
  EXPECT_EQ(list.rows[0].version(), 4u);
  EXPECT_EQ(list.rows[1].id(), "hep-th/9901001");
}

TEST(Rss, RefusesAnItemThatCannotBeRead) {
  const Listing list = Parsed(Rss(Item("2609.00001", "new") +
                                  "<item><title>T</title><link>https://arxiv.org/</link></item>"
                                  "<item><link>https://arxiv.org/abs/2609.00003</link></item>"));

  ASSERT_THAT(list.rows, SizeIs(3));
  EXPECT_EQ(list.rows[1].id(), "cs.LG item 2");
  EXPECT_THAT(list.rows[1].refused(), HasSubstr("no arXiv id"));
  EXPECT_EQ(list.rows[2].id(), "cs.LG item 3");
  EXPECT_EQ(list.rows[2].refused(), "2609.00003 has no title");
}

TEST(Rss, ACutOffFeedIsAskedForAgain) {
  const std::string whole = Rss(Item("2609.00001", "new") + "\n" + Item("2609.00002", "new"));
  const Result<Listing> list = ParseFeed(whole.substr(0, whole.size() - 90), "cs.LG");

  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(list.error().message, HasSubstr("line 5"));
}

TEST(Rss, TextIsNoFeed) {
  const Result<Listing> list = ParseFeed("Rate exceeded.", "cs.LG");
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().kind, ErrorKind::kUnavailable);
}

TEST(Rss, RefusesTheOldFormat) {
  const Result<Listing> list = ParseFeed(
      "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" "
      "xmlns=\"http://purl.org/rss/1.0/\"><channel><title>hep-ex</title></channel></rdf:RDF>",
      "hep-ex");

  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(list.error().message, HasSubstr("RDF"));
}

TEST(Rss, AnythingElseInTheFeedsPlaceIsAskedForAgain) {
  for (const std::string& body :
       {std::string("<rss><channel></channel></rss>"), Rss("", "yesterday"),
        std::string("<feed></feed>"), std::string("<html><body>Maintenance</body></html>")}) {
    const Result<Listing> list = ParseFeed(body, "cs.LG");
    ASSERT_FALSE(list.ok()) << body;
    EXPECT_EQ(list.error().kind, ErrorKind::kUnavailable) << body;
  }
}

TEST(Rss, WarnsWhenAFeedMayHaveBeenCut) {
  std::string items;
  for (size_t i = 0; i < kMaxFeedItems; ++i) {
    items += Item("2609." + std::to_string(10'000 + i), "new");
  }
  const Listing list = Parsed(Rss(items));

  EXPECT_THAT(list.rows, SizeIs(kMaxFeedItems));
  EXPECT_THAT(list.warnings, ElementsAre(HasSubstr("papers may be missing")));
}

}  // namespace
}  // namespace paperboy
