// The page's bytes, the JSON beside it, money, and publication into OUT.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "aggregator/publish.h"
#include "aggregator/why.h"
#include "common/trace.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PageTest : public LedgerTest {
 protected:
  PageTest() { PassAdoption(); }
  std::string out() const { return dir.path(); }
  Digest Published(const std::string& date, const std::vector<TestPaper>& papers) {
    const Digest digest = Deliver(date, papers);
    ScoreEverything();
    publisher.Publish(digest.id);
    EXPECT_TRUE(publisher.Reconcile().ok());
    return digest;
  }

  TempDir dir;
  DiskFolder folder{dir.path()};
  Publisher publisher{store->db(), folder};
};

TEST_F(PageTest, TheClassicLayoutByteForByte) {
  scores["2501.00001"] = {8, 7};
  const Digest digest = Published("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  const std::string page = ReadFile(out() + "/test/md/2025-01/2025-01-03-output.md");
  EXPECT_EQ(page, R"(# Personalized Daily ArXiv Papers 2025-01-03

| *[gpt-4o]*   | Prompt   | Completion   | Total   |
|:------------:|:--------:|:------------:|:-------:|
| **Token**    | 1000     | 100          | 1100    |
| **Cost**     | $0.0     | $0.0         | $0.0    |

Total arXiv papers: 2

Total scanned papers: 2

Total relevant papers: 2

**Table of contents with paper titles:**

1. [Title of 2501.00002](#user-content-link1)
**Authors:** Ada Author

2. [Title of 2501.00001](#user-content-link2)
**Authors:** Ada Author

---

## 1. [Title of 2501.00002](https://arxiv.org/abs/2501.00002) <a id="link1"></a>

**ArXiv ID:** 2501.00002

**Authors:** Ada Author

**Abstract:** An abstract about 2501.00002.

**Comment:** About 2501.00002

**Relevance:** 9
**Novelty:** 8

---

## 2. [Title of 2501.00001](https://arxiv.org/abs/2501.00001) <a id="link2"></a>

**ArXiv ID:** 2501.00001

**Authors:** Ada Author

**Abstract:** An abstract about 2501.00001.

**Comment:** About 2501.00001

**Relevance:** 8
**Novelty:** 7

---

# Paper Selection Prompt

Score these.

[PAPER LIST HERE]
)");
  EXPECT_EQ(page, ReadFile(out() + "/test/output.md"));
}

TEST_F(PageTest, TheJsonFilesSayWhatWasSelectedAndWhatBecameOfEveryRow) {
  scores["2501.00001"] = {3, 2};
  Published("2025-01-03",
            {{"2501.00001"}, {"2501.00002"}, {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE, 2}});
  const auto papers =
      nlohmann::json::parse(ReadFile(out() + "/test/json/2025-01/2025-01-03-output.json"));
  ASSERT_EQ(papers.size(), 1u);
  EXPECT_EQ(papers["2501.00002"]["SCORE"], 17);
  EXPECT_EQ(papers["2501.00002"]["authors"][0], "Ada Author");
  const auto status =
      nlohmann::json::parse(ReadFile(out() + "/test/json/2025-01/2025-01-03-digest.json"));
  EXPECT_EQ(status["state"], "published");
  EXPECT_EQ(status["funnel"]["arxiv"], 3);
  EXPECT_EQ(status["funnel"]["not_wanted"], 1);
  ASSERT_EQ(status["rows"].size(), 3u);
  EXPECT_EQ(status["rows"][0]["state"], "below_cutoff");
  EXPECT_EQ(status["rows"][0]["relevance"], 3);
  EXPECT_EQ(status["rows"][2]["why"], "announce_type: replace");
}

TEST_F(PageTest, OutComesBackByteForByte) {
  Published("2025-01-03", {{"2501.00001"}});
  Published("2025-01-06", {{"2501.00002"}});
  std::map<std::string, std::string> before;
  for (const auto& entry : fs::recursive_directory_iterator(out())) {
    if (entry.is_regular_file()) before[entry.path()] = ReadFile(entry.path());
  }
  ASSERT_EQ(before.size(), 13u) << "three each, the newest page; six of the site";
  for (const auto& [path, bytes] : before) fs::remove(path);
  const auto written = publisher.Reconcile();
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(*written, 13);
  for (const auto& [path, bytes] : before) EXPECT_EQ(ReadFile(path), bytes) << path;
  EXPECT_EQ(*publisher.Reconcile(), 0) << "nothing is stale any more";
}

TEST_F(PageTest, APublicationBringsBackWhatElseIsMissing) {
  const Digest first = Published("2025-01-03", {{"2501.00001"}});
  const std::string path = out() + "/test/md/2025-01/2025-01-03-output.md", page = ReadFile(path);
  const Digest second = Published("2025-01-06", {{"2501.00002"}});
  fs::remove_all(out());
  EXPECT_EQ(*publisher.Reconcile(second.id), 13);
  EXPECT_EQ(ReadFile(path), page);
}

TEST_F(PageTest, TheNewestPageIsThatOfTheNewestDateNotOfTheNewestRun) {
  Published("2025-01-06", {{"2501.00002"}});
  Published("2025-01-03", {{"2501.00001"}});
  EXPECT_THAT(ReadFile(out() + "/test/output.md"), HasSubstr("Papers 2025-01-06"));
}

TEST_F(PageTest, AWithheldDigestHasAStatusAndNoPage) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  planner.GiveUp(digest.id, "401 key refused", now.unix_seconds);
  publisher.Publish(digest.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_FALSE(fs::exists(out() + "/test/md/2025-01/2025-01-03-output.md"));
  const auto status =
      nlohmann::json::parse(ReadFile(out() + "/test/json/2025-01/2025-01-03-digest.json"));
  EXPECT_EQ(status["state"], "withheld");
  EXPECT_THAT(status["notes"][0], HasSubstr("401 key refused"));
}

TEST_F(PageTest, APageWithUnscoredPapersSaysSoAtItsTop) {
  std::vector<TestPaper> papers;
  for (int i = 0; i < 10; ++i) papers.push_back({"2501.0001" + std::to_string(i)});
  const Digest digest = Deliver("2025-01-03", papers);
  Ready(1, 2);
  const auto batches = HandOut();
  for (const auto& batch : batches) Answer(Scores(batch));
  Ready(1, 1, {}, UINT64_MAX);
  HandOut();
  planner.GiveUp(digest.id, "the provider is away", now.unix_seconds);
  store->db().Exec("UPDATE digest SET withhold = 0");
  publisher.Publish(digest.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(ReadFile(out() + "/test/md/2025-01/2025-01-03-output.md"),
              StartsWith("> 2 of 10 papers could not be scored and are missing from this page: 2 "
                         "(the provider is away). A later run can score them.\n\n# Personalized"));
  store->db().Exec("UPDATE row SET mendable = 0");
  EXPECT_THAT(Notes(LoadPage(store->db(), digest.id)),
              testing::Contains(testing::EndsWith("(the provider is away).")));
}

TEST_F(PageTest, ARemedialPageSaysWhatItStandsFor) {
  auto open = OpenMessage("2025-01-03", "api");
  open.set_remedial_from("01/01/2025");
  open.set_remedial_to("01/02/2025");
  auto opened = intake.Open(open);
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE(SendRows(opened->digest, "cs.LG", {{"2501.00001"}}).ok());
  ASSERT_TRUE(Seal(opened->digest, "cs.LG", 1).ok());
  ScoreEverything();
  publisher.Publish(opened->digest.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(
      ReadFile(out() + "/test/md/2025-01/2025-01-03-output.md"),
      StartsWith(
          "> This is a remedial run for missed papers from 01/01/2025 to "
          "01/02/2025.\n> \n> Results generated on 06/15/2025.\n> \n> Rebuilt from ids and "
          "times of submission: papers submitted more than two weeks before, held "
          "for that long or newly listed in these categories, are not known.\n\n# Personalized"));
}

TEST_F(PageTest, ACategoryWithoutAPaperIsNamed) {
  for (const char* category : {"cs.AI", "cs.CL", "cs.CV"}) profile.add_categories(category);
  const Digest digest = Open("2025-01-03");
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2501.00001"}}).ok());
  ASSERT_TRUE(SendRows(digest, "cs.CL", {{"2501.00001"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 1).ok());
  ASSERT_TRUE(Seal(digest, "cs.CL", 1).ok());
  for (const char* empty : {"cs.CV", "cs.AI"}) ASSERT_TRUE(Seal(digest, empty, 0).ok());
  ScoreEverything();
  publisher.Publish(digest.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(ReadFile(out() + "/test/md/2025-01/2025-01-03-output.md"),
              StartsWith("> No paper was listed in: cs.AI, cs.CV.\n\n# Personalized"));
  const auto status =
      nlohmann::json::parse(ReadFile(out() + "/test/json/2025-01/2025-01-03-digest.json"));
  EXPECT_EQ(status["no_paper_listed"], (std::vector<std::string>{"cs.AI", "cs.CV"}));
  EXPECT_EQ(status["notes"][0], "No paper was listed in: cs.AI, cs.CV.");
  EXPECT_THAT(ReadFile(out() + "/site/test/2025-01-03.html"),
              HasSubstr("No paper was listed in: cs.AI, cs.CV."));
}

TEST_F(PageTest, AFileIsNoListOfACategory) {
  profile.add_categories("cs.AI");
  const auto opened = intake.Open(OpenMessage("2025-01-03", "file"));
  ASSERT_TRUE(opened.ok());
  wire::Seal seal;
  seal.set_digest(opened->digest.id);
  seal.set_edition(opened->digest.edition);
  seal.set_category("*");
  seal.set_source("file");
  ASSERT_TRUE(intake.Seal(seal).ok());
  planner.Advance(opened->digest.id, now.unix_seconds);
  EXPECT_THAT(Notes(LoadPage(store->db(), opened->digest.id)), testing::IsEmpty());
}

TEST_F(PageTest, AWithheldDigestNamesTheReasonsAndNothingElse) {
  remedial = true;
  profile.add_categories("cs.AI");
  const auto status_of = [&](const Digest& digest) {
    return nlohmann::json::parse(RenderStatusJson(LoadPage(store->db(), digest.id)));
  };
  const auto withheld = [&](const std::string& date, int papers, int unreadable, int unscored) {
    const Digest digest = Open(date);
    const std::string month = date.substr(2, 2) + date.substr(5, 2) + ".1" + date.substr(8, 2);
    std::vector<TestPaper> list;
    for (int i = 0; i < papers; ++i) list.push_back({month + std::to_string(10 + i)});
    EXPECT_TRUE(SendRows(digest, "cs.LG", list).ok());
    wire::Rows rows;
    rows.set_digest(digest.id);
    rows.set_edition(digest.edition);
    rows.set_category("cs.LG");
    for (int i = 0; i < unreadable; ++i) {
      auto* row = rows.add_rows();
      row->set_id("entry " + std::to_string(i));
      row->set_refused("no title");
    }
    EXPECT_TRUE(intake.Rows(rows).ok());
    EXPECT_TRUE(Seal(digest, "cs.AI", 0).ok());
    EXPECT_TRUE(Seal(digest, "cs.LG", papers + unreadable).ok());
    if (unscored > 0) {
      planner.GiveUp(digest.id, "401 key refused", now.unix_seconds);
    } else {
      ScoreEverything();
    }
    return digest;
  };
  const std::string unscored =
      "2 of 2 papers could not be scored: 2 (401 key refused). A later run can score them.";
  const Digest both = withheld("2025-01-03", 2, 2, 2);
  EXPECT_EQ(status_of(both)["why"], "2 of 4 entries could not be read. " + unscored);
  const Digest only_unscored = withheld("2025-01-06", 2, 0, 2);
  EXPECT_EQ(status_of(only_unscored)["why"], unscored);
  const Digest only_unreadable = withheld("2025-01-07", 2, 2, 0);
  EXPECT_EQ(status_of(only_unreadable)["why"], "2 of 4 entries could not be read.");
  // Some that could not be read beside many unscored are none of the reasons.
  const Digest one_of_many = withheld("2025-01-08", 9, 1, 9);
  EXPECT_THAT(status_of(one_of_many)["why"], StartsWith("9 of 9 papers could not be scored"));
  EXPECT_GE(status_of(one_of_many)["notes"].size(), 4u) << "the notes tell all";
  EXPECT_FALSE(status_of(withheld("2025-01-09", 2, 0, 0)).contains("why"));
}

TEST_F(PageTest, LexicalScoresAreNamedOnThePage) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  ScoreEverything("lexical");
  publisher.Publish(digest.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  const auto page = ReadFile(out() + "/test/md/2025-01/2025-01-03-output.md");
  EXPECT_THAT(page, StartsWith("> Scored by words alone"));
  EXPECT_THAT(page, HasSubstr("| *[lexical]*"));
}

TEST_F(PageTest, AnUnknownPriceIsUnknownAndNeverZero) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  Ready(1, 4, {}, 0, "some-unknown-model");
  auto batches = HandOut();
  ASSERT_EQ(batches.size(), 1u);
  auto result = Scores(batches[0]);
  result.mutable_calls(0)->set_model("some-unknown-model");
  Answer(result);
  HandOut();
  publisher.Publish(digest.id);
  const std::string page = RenderMarkdown(LoadPage(store->db(), digest.id));
  EXPECT_THAT(page, HasSubstr("| **Cost**                 | unknown  | unknown      | unknown |"));
  EXPECT_THAT(page, HasSubstr("> The price of some-unknown-model is unknown."));
}

TEST_F(PageTest, UnreportedTokensAreNotReportedAndNeverZero) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  Ready(1, 4);
  auto result = Scores(HandOut().at(0));
  result.mutable_calls(0)->set_tokens_reported(false);
  Answer(result);
  HandOut();
  const std::string page = RenderMarkdown(LoadPage(store->db(), digest.id));
  EXPECT_THAT(page, HasSubstr("not reported"));
  EXPECT_THAT(page, HasSubstr("| **Cost**              | unknown "));
  EXPECT_THAT(page,
              HasSubstr("| **Cost not known of** | 1 call       | estimated    | at most $0.00"));
  EXPECT_THAT(page, Not(HasSubstr("$0.0 ")));
  const std::string status = RenderStatusJson(LoadPage(store->db(), digest.id));
  EXPECT_THAT(status, HasSubstr("\"prompt_tokens\": null"));
  EXPECT_THAT(status, HasSubstr("\"prompt_dollars\": null"));
}

TEST_F(PageTest, WhyTellsWhereAPaperEnded) {
  scores["2501.00001"] = {3, 2};
  const Digest digest = Published("2025-01-03", {{"2501.00001"}});
  const auto why = Why(store->db(), "arXiv:2501.00001v2");
  ASSERT_TRUE(why.ok()) << why.error().message;
  EXPECT_THAT(*why, HasSubstr("test 2025-01-03 (digest published), announced as new"));
  EXPECT_THAT(*why, HasSubstr("  trace " + TraceOf("test", "2025-01-03", digest.revision) + "\n"));
  EXPECT_THAT(*why, HasSubstr("below the cut-off (cut-offs: relevance 8, novelty 7)"));
  EXPECT_THAT(*why, HasSubstr("relevance 3, novelty 2 by gpt-4o"));
  EXPECT_FALSE(Why(store->db(), "2501.99999").ok());
  EXPECT_FALSE(Why(store->db(), "hello").ok());
}

TEST(Dollars, AreRoundedToCentsAndPrintedShort) {
  EXPECT_EQ(BudgetText(1'000'000), "$0.000001");
  EXPECT_EQ(BudgetText(1'500'000'000'000), "$1.5");
  EXPECT_EQ(BudgetText(20'000'000'000'000), "$20");
  EXPECT_EQ(FormatDollars(0), "$0.0");
  EXPECT_EQ(FormatDollars(143'995'000'000), "$0.14");
  EXPECT_EQ(FormatDollars(200'000'000'000), "$0.2");
  EXPECT_EQ(FormatDollars(5'000'000'000), "$0.0") << "half to even";
  EXPECT_EQ(FormatDollars(15'000'000'000), "$0.02");
  EXPECT_EQ(FormatDollars(12'999'000'000'000), "$13.0");
}

TEST(PricesTest, ADatedModelHasThePriceOfItsName) {
  const Prices prices = Prices::Bundled();
  ASSERT_TRUE(prices.Of("gpt-4o").has_value());
  EXPECT_EQ(prices.Of("gpt-4o")->prompt, 2'500'000);
  EXPECT_FALSE(prices.Of("gpt-4o-unheard-of").has_value());
  EXPECT_EQ(prices.Of("lexical")->prompt, 0);
}

TEST(PricesTest, MistakesAreNamed) {
  EXPECT_THAT(Prices::Parse("[models.\"m\"]\nprompt = 1\ncached = 1\n", "p.toml").error().message,
              HasSubstr("models.m: \"completion\" must be dollars"));
  EXPECT_THAT(Prices::Parse("[models.\"m\"]\nprompt = -1\n", "p.toml").error().message,
              HasSubstr("\"prompt\""));
  EXPECT_THAT(Prices::Parse("colour = 1\n", "p.toml").error().message, HasSubstr("unknown key"));
  EXPECT_THAT(Prices::Parse("[", "p.toml").error().message, HasSubstr("p.toml, line 1"));
}

}  // namespace
}  // namespace paperboy
