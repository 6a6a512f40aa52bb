#include "fetcher/atom.h"

#include <gmock/gmock.h>

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// As since 2026: prefixes declared once, dates before the authors.
std::string NewFeed(const std::string& entries, const std::string& total) {
  return "<?xml version='1.0' encoding='UTF-8'?>\n"
         "<feed xmlns:opensearch=\"http://a9.com/-/spec/opensearch/1.1/\" "
         "xmlns:arxiv=\"http://arxiv.org/schemas/atom\" xmlns=\"http://www.w3.org/2005/Atom\">"
         "<id>https://arxiv.org/api/x</id><title>arXiv Query</title>"
         "<opensearch:itemsPerPage>10</opensearch:itemsPerPage><opensearch:totalResults>" +
         total + "</opensearch:totalResults>" + entries + "</feed>";
}

constexpr char kNewEntry[] =
    "<entry><id>http://arxiv.org/abs/2609.00001v2</id><title>Of owls</title>"
    "<updated>2026-09-12T08:18:33Z</updated>"
    "<link href=\"https://arxiv.org/abs/2609.00001v2\" rel=\"alternate\"/>"
    "<summary>They hoot.</summary><category term=\"cs.LG\" scheme=\"x\"/>"
    "<category term=\"cs.AI\" scheme=\"x\"/><published>2026-09-11T18:00:59Z</published>"
    "<arxiv:comment>5 pages</arxiv:comment><arxiv:primary_category term=\"cs.LG\"/>"
    "<author><name>J\xc3\xb6rg Elm</name></author><author><name>Ada Vale</name></author></entry>";

// As before: prefixes declared on each element, line breaks inside the text.
constexpr char kOldFeed[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<feed xmlns=\"http://www.w3.org/2005/Atom\">\n"
    "  <title type=\"html\">ArXiv Query</title>\n"
    "  <opensearch:totalResults xmlns:opensearch=\"http://a9.com/-/spec/opensearch/1.1/\">1"
    "</opensearch:totalResults>\n"
    "  <entry>\n    <id>http://arxiv.org/abs/hep-th/9901001v1</id>\n"
    "    <updated>1999-01-04T21:19:45Z</updated>\n    <published>1999-01-04T21:19:45Z</published>\n"
    "    <title>A title of two\n  lines</title>\n"
    "    <summary>  An abstract\nof two lines.\n</summary>\n"
    "    <author>\n      <name>Bo Elm</name>\n    </author>\n"
    "    <arxiv:primary_category xmlns:arxiv=\"http://arxiv.org/schemas/atom\" term=\"hep-th\" "
    "scheme=\"x\"/>\n    <category term=\"hep-th\" scheme=\"x\"/>\n  </entry>\n</feed>\n";

TEST(Atom, ReadsAnEntry) {
  const Result<ApiPage> page = ParseApiPage(NewFeed(kNewEntry, "812"));

  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->total, 812u);
  ASSERT_THAT(page->entries, SizeIs(1));
  const wire::Row& row = page->entries[0].row;
  EXPECT_EQ(row.id(), "2609.00001");
  EXPECT_EQ(row.version(), 2u);
  EXPECT_EQ(row.announce_type(), wire::ANNOUNCE_TYPE_UNKNOWN);
  EXPECT_EQ(row.primary_category(), "cs.LG");
  EXPECT_EQ(row.paper().title(), "Of owls");
  EXPECT_EQ(row.paper().abstract(), "They hoot.");
  EXPECT_THAT(row.paper().authors(), ElementsAre("J\xc3\xb6rg Elm", "Ada Vale"));
  EXPECT_THAT(row.paper().categories(), ElementsAre("cs.LG", "cs.AI"));
  EXPECT_EQ(row.paper().published(), "2026-09-11T18:00:59Z");
  EXPECT_EQ(row.paper().updated(), "2026-09-12T08:18:33Z");
  EXPECT_EQ(FormatIsoUtc(page->entries[0].submitted), "2026-09-11T18:00:59Z");
}

TEST(Atom, ReadsTheFormatOfBefore2026) {
  const Result<ApiPage> page = ParseApiPage(kOldFeed);

  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->total, 1u);
  ASSERT_THAT(page->entries, SizeIs(1));
  const wire::Row& row = page->entries[0].row;
  EXPECT_EQ(row.id(), "hep-th/9901001");
  EXPECT_EQ(row.primary_category(), "hep-th");
  EXPECT_EQ(row.paper().title(), "A title of two lines");
  EXPECT_EQ(row.paper().abstract(), "An abstract of two lines.");
}

TEST(Atom, APageMayBeEmptyThoughThereIsMore) {
  const Result<ApiPage> page = ParseApiPage(NewFeed("", "812"));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->total, 812u);
  EXPECT_THAT(page->entries, IsEmpty());
}

TEST(Atom, AnErrorFeedSaysWhatArxivSays) {
  const Result<ApiPage> page = ParseApiPage(
      NewFeed("<entry><id>https://arxiv.org/api/errors#bad_query</id><title>Error</title>"
              "<summary>incorrect id format for abc</summary></entry>",
              "1"));
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(page.error().message, HasSubstr("incorrect id format for abc"));
}

TEST(Atom, RefusesAnEntryThatCannotBeRead) {
  const Result<ApiPage> page = ParseApiPage(
      NewFeed("<entry><id>http://example.org/7</id><title>T</title></entry>"
              "<entry><id>http://arxiv.org/abs/2609.00002v1</id><title>T</title></entry>"
              "<entry><id>http://arxiv.org/abs/2609.00003v1</id>"
              "<published>2026-09-11T18:00:59Z</published></entry>",
              "3"));
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->entries, SizeIs(3));
  EXPECT_EQ(page->entries[0].row.refused(), "not an arXiv id: 'http://example.org/7'");
  EXPECT_EQ(page->entries[1].row.refused(), "2609.00002 has no time of submission");
  EXPECT_EQ(page->entries[2].row.refused(), "2609.00003 has no title");
}

TEST(Atom, ACutOffAnswerIsAskedForAgain) {
  const std::string whole = NewFeed(kNewEntry, "1");
  const Result<ApiPage> page = ParseApiPage(whole.substr(0, whole.size() / 2));
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().kind, ErrorKind::kUnavailable);
}

TEST(Atom, OtherXmlIsNoAnswerAndAskedForAgain) {
  const Result<ApiPage> html = ParseApiPage("<html><body>Maintenance</body></html>");
  ASSERT_FALSE(html.ok());
  EXPECT_EQ(html.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(html.error().message, HasSubstr("<html>"));
  const Result<ApiPage> no_total = ParseApiPage("<feed></feed>");
  ASSERT_FALSE(no_total.ok());
  EXPECT_EQ(no_total.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(no_total.error().message, HasSubstr("totalResults"));
}

}  // namespace
}  // namespace paperboy
