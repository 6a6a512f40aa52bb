#include "fetcher/file_source.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kGood[] =
    R"({"id": "2609.00001", "version": 2, "title": "Of owls", "abstract": " Owls\nrotate. ",)"
    R"( "authors": ["Ada Vale", "Bo Elm"], "categories": ["cs.LG", "cs.AI"],)"
    R"( "primary_category": "cs.LG", "announce_type": "cross",)"
    R"( "published": "2026-09-10T20:00:00Z", "updated": null})";

std::string Minimal(const std::string& id, const std::string& more = "") {
  return R"({"id": ")" + id + R"(", "title": "T", "abstract": "A", "authors": [])" + more + "}";
}

class FileSourceTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = dir_.File("papers.jsonl");
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string Compress(const std::string& text) {
    const std::string path = dir_.File("papers.jsonl.gz");
    const gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path;
  }
  Listing Read(const std::string& text) {
    Result<Listing> list = ReadPaperFile(Write(text));
    EXPECT_TRUE(list.ok());
    return list.ok() ? std::move(*list) : Listing{};
  }
  // Why the one line of a file was refused.
  std::string Refusal(const std::string& line) {
    const Listing list = Read(line + "\n");
    return list.rows.size() == 1 ? list.rows[0].refused() : "not one row";
  }

  TempDir dir_;
};

TEST_F(FileSourceTest, ReadsAPaper) {
  const Listing list = Read(std::string(kGood) + "\n");

  EXPECT_EQ(list.category, "*");
  EXPECT_THAT(list.warnings, IsEmpty());
  ASSERT_THAT(list.rows, SizeIs(1));
  const wire::Row& row = list.rows[0];
  EXPECT_EQ(row.id(), "2609.00001");
  EXPECT_EQ(row.version(), 2u);
  EXPECT_EQ(row.announce_type(), wire::ANNOUNCE_TYPE_CROSS);
  EXPECT_EQ(row.primary_category(), "cs.LG");
  EXPECT_EQ(row.refused(), "");
  const wire::Paper& paper = row.paper();
  EXPECT_EQ(paper.id(), "2609.00001");
  EXPECT_EQ(paper.version(), 2u);
  EXPECT_EQ(paper.title(), "Of owls");
  EXPECT_EQ(paper.abstract(), "Owls rotate.");
  EXPECT_THAT(paper.authors(), ElementsAre("Ada Vale", "Bo Elm"));
  EXPECT_THAT(paper.categories(), ElementsAre("cs.LG", "cs.AI"));
  EXPECT_EQ(paper.primary_category(), "cs.LG");
  EXPECT_EQ(paper.published(), "2026-09-10T20:00:00Z");
  EXPECT_EQ(paper.updated(), "");
}

TEST_F(FileSourceTest, ReadsCompressedFiles) {
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += Minimal("2609." + std::to_string(10'000 + i)) + "\n";

  const Result<Listing> list = ReadPaperFile(Compress(text));

  ASSERT_TRUE(list.ok());
  EXPECT_THAT(list->rows, SizeIs(5'000));
}

TEST_F(FileSourceTest, SaysThatACompressedFileIsCutOff) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += Minimal("2609." + std::to_string(10'000 + i * 7)) + "\n";
  const std::string path = Compress(text);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);

  const Result<Listing> list = ReadPaperFile(path);

  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(list.error().message, HasSubstr("cut off"));
}

TEST_F(FileSourceTest, SaysThatThereIsNoFile) {
  const Result<Listing> list = ReadPaperFile(dir_.File("missing.jsonl"));

  ASSERT_FALSE(list.ok());
  EXPECT_THAT(list.error().message, HasSubstr("No such file"));
}

TEST_F(FileSourceTest, EverythingButTheTextMayBeNull) {
  const Listing list =
      Read(Minimal("2609.00001v3", R"(, "version": null, "categories": null,)"
                                   R"( "primary_category": null, "announce_type": null,)"
                                   R"( "published": null, "updated": null)") +
           "\n");

  ASSERT_THAT(list.rows, SizeIs(1));
  EXPECT_EQ(list.rows[0].refused(), "");
  EXPECT_EQ(list.rows[0].version(), 3u);  // the id's own
  EXPECT_EQ(list.rows[0].announce_type(), wire::ANNOUNCE_TYPE_UNKNOWN);
}

TEST_F(FileSourceTest, AnAbstractMayBeEmpty) {
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "title": "T", "abstract": "", "authors": ["A"]})"), "");
}

TEST_F(FileSourceTest, RefusesALineUnderItsNumber) {
  const Listing list = Read(std::string(kGood) + "\n\n   \nnonsense\n" + Minimal("2609.00002"));

  ASSERT_THAT(list.rows, SizeIs(3));
  EXPECT_EQ(list.rows[1].id(), "line 4");
  EXPECT_THAT(list.rows[1].refused(), HasSubstr("bad JSON at column"));
  EXPECT_FALSE(list.rows[1].has_paper());
  EXPECT_EQ(list.rows[2].id(), "2609.00002");  // without a newline at the end
}

TEST_F(FileSourceTest, SaysWhatIsWrongWithALine) {
  EXPECT_EQ(Refusal("[1]"), "not a JSON object");
  EXPECT_EQ(Refusal(R"({"title": "T", "abstract": "A", "authors": []})"), "no id");
  EXPECT_EQ(Refusal(Minimal("spam")), "not an arXiv id: 'spam'");
  EXPECT_EQ(Refusal(Minimal(std::string(100, 'x'))),
            "not an arXiv id: '" + std::string(40, 'x') + "...'");
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "abstract": "A", "authors": []})"), "no title");
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "title": " ", "abstract": "A", "authors": []})"),
            "empty title");
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "title": "T", "abstract": null, "authors": []})"),
            "no abstract");
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "title": "T", "abstract": "A"})"), "no authors");
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "title": 5, "abstract": "A", "authors": []})"),
            "title is not a string");
  EXPECT_EQ(Refusal(R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": [1]})"),
            "authors is not a list of strings");
  EXPECT_EQ(Refusal(Minimal("2609.00001", R"(, "announce_type": "old")")),
            "announce_type 'old' is none of new, cross, replace, replace-cross");
  EXPECT_THAT(Refusal(Minimal("2609.00001", R"(, "version": -1)")), HasSubstr("version"));
  EXPECT_THAT(Refusal(Minimal("2609.00001", R"(, "version": 1e999)")), HasSubstr("bad JSON"));
  EXPECT_EQ(Refusal(Minimal("2609.00001v2", R"(, "version": 3)")),
            "id says version 2, version says 3");
}

TEST_F(FileSourceTest, AVersionMayStandInBothPlaces) {
  const Listing list = Read(Minimal("2609.00001v2", R"(, "version": 2)") + "\n" +
                            Minimal("2609.00002v2", R"(, "version": 0)") + "\n" +
                            Minimal("2609.00003", R"(, "version": 2)") + "\n");
  ASSERT_THAT(list.rows, SizeIs(3));
  for (const wire::Row& row : list.rows) {
    EXPECT_EQ(row.refused(), "");
    EXPECT_EQ(row.version(), 2u);
  }
}

TEST_F(FileSourceTest, RefusesTooLongALineAndGoesOn) {
  const std::string longest(kMaxLineBytes + 1, 'x');

  const Listing list = Read(longest + "\n" + kGood + "\n");

  ASSERT_THAT(list.rows, SizeIs(2));
  EXPECT_EQ(list.rows[0].id(), "line 1");
  EXPECT_THAT(list.rows[0].refused(), HasSubstr("longer than"));
  EXPECT_EQ(list.rows[1].id(), "2609.00001");
}

TEST_F(FileSourceTest, CountsAnIdOnceAndTheFirstTypeWins) {
  const Listing list = Read(Minimal("2609.00001", R"(, "announce_type": "replace")") + "\n" +
                            R"({"id": "2609.00001", "title": "Another", "abstract": "A",)"
                            R"( "authors": [], "announce_type": "cross"})" +
                            "\n");

  ASSERT_THAT(list.rows, SizeIs(1));
  EXPECT_EQ(list.rows[0].announce_type(), wire::ANNOUNCE_TYPE_CROSS);
  EXPECT_EQ(list.rows[0].paper().title(), "T");
  EXPECT_THAT(list.warnings, ElementsAre(HasSubstr("2609.00001")));
}

TEST_F(FileSourceTest, NamesUnknownKeysOnce) {
  const Listing list = Read(Minimal("2609.00001", R"(, "licence": 1, "doi": "x")") + "\n" +
                            Minimal("2609.00002", R"(, "doi": "y")") + "\n");

  EXPECT_THAT(list.rows, SizeIs(2));
  EXPECT_THAT(list.warnings, ElementsAre("unknown keys, ignored: doi, licence"));
}

TEST_F(FileSourceTest, MendsWhatIsNotUtf8) {
  const Listing list = Read(
      "{\"id\": \"2609.00001\", \"title\": \"Caf\xe9\", \"abstract\": \"A\", \"authors\": []}\r\n");

  ASSERT_THAT(list.rows, SizeIs(1));
  EXPECT_EQ(list.rows[0].paper().title(), "Caf\xef\xbf\xbd");
  EXPECT_THAT(list.warnings, ElementsAre("replaced: 1 byte not in UTF-8"));
}

TEST_F(FileSourceTest, LeavesOutADateThatIsNone) {
  const Listing list = Read(Minimal("2609.00001", R"(, "published": "last Tuesday")") + "\n");

  ASSERT_THAT(list.rows, SizeIs(1));
  EXPECT_EQ(list.rows[0].refused(), "");
  EXPECT_EQ(list.rows[0].paper().published(), "");
  EXPECT_THAT(list.warnings, ElementsAre(HasSubstr("1 date not in ISO 8601")));
}

TEST_F(FileSourceTest, AFileWithoutAByteIsRefusedAndBlankLinesAreAQuietDay) {
  for (const std::string& path : {Write(""), Compress("")}) {
    const Result<Listing> list = ReadPaperFile(path);
    ASSERT_FALSE(list.ok()) << path;
    EXPECT_THAT(list.error().message, HasSubstr(path + " is empty"));
  }
  EXPECT_THAT(Read("\n").rows, IsEmpty());
}

}  // namespace
}  // namespace paperboy
