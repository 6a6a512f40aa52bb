// Followed authors and the h-index gate: how names compare, what Semantic Scholar's
// word is worth, and what the ledger makes of both.
#include "aggregator/authors.h"

#include <nlohmann/json.hpp>
#include <set>

#include "aggregator/publish.h"
#include "aggregator/verify.h"
#include "aggregator/why.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(NameKey, IsTheSameForEveryWayToWriteAName) {
  const std::vector<std::vector<std::string>> same = {
      {"J\u00FCrgen Sch\u00FCrholt", "J\\\"urgen Sch\\\"urholt", "Ju\u0308rgen  Schu\u0308rholt",
       "j{\\\"u}rgen SCH\u00DCRHOLT", " J\\\"{u}rgen\u00A0Sch{\\\"{u}}rholt "},
      {"J. K. Doe", "J.K. Doe", "j. k. doe", "J.~K.~Doe", "J K Doe", "J.\\ K.\\ Doe"},
      {"Mei-Ling O'Hara", "Mei\u2010Ling O\u2019Hara", "mei\u2011ling o'hara"},
      {"Karl Wei\u00DF", "Karl Weiss", "KARL WEISS"},
      {"Ada Vale", "Ada Vale (Univ. of Owls)", "Ada Va\u00ADle"},
      {"\u0141ukasz \u017Ba\u0142", "\\L{}ukasz \\.Za{\\l}", "\u0141ukasz Z\u0307a\u0142"},
      {"Rui {van der} Berg", "Rui van der Berg"},
      {"\u738B\u5C0F\u660E", " \u738B\u5C0F\u660E"},
  };
  for (const auto& names : same) {
    for (const auto& name : names) EXPECT_EQ(NameKey(name), NameKey(names.front())) << name;
  }
}

TEST(NameKey, TellsPeopleApart) {
  const std::vector<std::string> all = {
      "Jane Doe",    "J. Doe",  "J. K. Doe", "JK Doe",  "Doe Jane",   "Jane-Doe", "Muller",
      "M\u00FCller", "Mueller", "Ada Vale",  "AdaVale", "(Ada Vale)", "Lukasz",   "\u0141ukasz"};
  std::set<std::string> keys;
  for (const auto& name : all) keys.insert(NameKey(name));
  EXPECT_EQ(keys.size(), all.size());
}

wire::Paper By(const std::vector<std::string>& names) {
  wire::Paper paper;
  for (const auto& name : names) paper.add_authors(name);
  return paper;
}
struct Known {
  std::string name, id = {}, orcid = {};
  std::optional<uint32_t> h_index = {};
};
wire::PaperAuthors Says(const std::vector<Known>& authors) {
  wire::PaperAuthors known;
  for (const auto& each : authors) {
    wire::Author* author = known.add_authors();
    author->set_name(each.name);
    author->set_id(each.id);
    author->set_orcid(each.orcid);
    if (each.h_index) author->set_h_index(*each.h_index);
  }
  return known;
}
AuthorRules Following(const std::string& authors, uint32_t cutoff = 0) {
  wire::Profile profile;
  profile.set_authors(authors);
  profile.set_h_index_cutoff(cutoff);
  return AuthorRules(profile);
}

TEST(AuthorRules, LookUpsAreNeededForIdsOrcidsAndTheGateOnly) {
  EXPECT_FALSE(Following("").need_look_ups());
  EXPECT_FALSE(Following("# Ada Vale, 7\nBo Elm\n").need_look_ups());
  EXPECT_TRUE(Following("Ada Vale, 7").need_look_ups());
  EXPECT_TRUE(Following("Ada Vale, 0000-0002-1825-0097").need_look_ups());
  EXPECT_TRUE(Following("", 5).need_look_ups());
}

TEST(AuthorRules, ANameAloneIsTheWholeName) {
  const auto rules = Following("Bo Elm\nJ\\\"urgen Vale\n");
  EXPECT_EQ(rules.Judge(By({"Ada Ash", "J\u00FCrgen Vale"}), {}).match, "J\\\"urgen Vale, by name");
  EXPECT_EQ(rules.Judge(By({"Bo Elmer", "B. Elm"}), {}).match, "");
  EXPECT_FALSE(rules.Judge(By({"Ada Ash"}), {}).unknown) << "nothing was to be looked up";
}

TEST(AuthorRules, TheIdDecidesBetweenNamesakes) {
  const auto rules = Following("Ada Vale, 7");
  const auto paper = By({"Bo Elm", "Ada Vale"});
  EXPECT_EQ(rules.Judge(paper, Says({{"B. Elm", "1"}, {"A. Vale", "7"}})).match,
            "Ada Vale, Semantic Scholar 7");
  EXPECT_EQ(rules.Judge(paper, Says({{"B. Elm", "1"}, {"A. Vale", "8"}})).match, "")
      << "the second author is somebody else, whatever Semantic Scholar shortens";
  EXPECT_EQ(rules.Judge(By({"A. V. Oak"}), Says({{"A. V. Oak", "7"}})).match,
            "Ada Vale, Semantic Scholar 7")
      << "under a new name";
}

TEST(AuthorRules, WhereThereIsNoIdTheNameDecides) {
  const auto rules = Following("Ada Vale, 7\nCy Fir, 0000-0002-1825-0097\n");
  const auto by_name = HasSubstr(", by name: Semantic Scholar does not say who it is");
  EXPECT_THAT(rules.Judge(By({"Ada Vale"}), {}).match, by_name) << "the paper is not known";
  EXPECT_THAT(rules.Judge(By({"Ada Vale"}), Says({{"A. Vale"}})).match, by_name) << "no id";
  EXPECT_THAT(rules.Judge(By({"Cy Fir"}), Says({{"C. Fir", "9"}})).match, by_name) << "no ORCID";
  EXPECT_THAT(rules.Judge(By({"Bo Elm", "Ada Vale"}), Says({{"B. Elm", "1"}})).match, by_name)
      << "not listed";
  EXPECT_EQ(rules.Judge(By({"Cy Fir"}), Says({{"C. Fir", "", "0000-0002-1825-0097"}})).match,
            "Cy Fir, ORCID 0000-0002-1825-0097");
  EXPECT_EQ(rules.Judge(By({"Cy Fir"}), Says({{"C. Fir", "", "0000-0002-9079-593X"}})).match, "");
}

TEST(AuthorRules, FollowingByIdCountsPapersThatAreNotKnown) {
  const auto rules = Following("Ada Vale, 7");
  EXPECT_TRUE(rules.Judge(By({"Bo Elm"}), {}).unknown);
  EXPECT_FALSE(rules.Judge(By({"Bo Elm"}), Says({{"B. Elm", "1"}})).unknown);
}

TEST(AuthorRules, TheBestHIndexDecidesAtTheGate) {
  const auto rules = Following("", 10);
  const auto two = By({"Ada Vale", "Bo Elm"});
  const auto gated = [&](const wire::PaperAuthors& known) { return rules.Judge(two, known).gated; };
  EXPECT_EQ(gated(Says({{"A", "1", "", 3}, {"B", "2", "", 10}})), "") << "reached is enough";
  EXPECT_EQ(gated(Says({{"A", "1", "", 3}, {"Bo Elm", "2", "", 9}})),
            "the highest h-index of its authors is 9 (Bo Elm), below 10");
  EXPECT_EQ(gated(Says({{"A", "1", "", 0}, {"B", "2", "", 0}})),
            "the highest h-index of its authors is 0 (A), below 10");
}

TEST(AuthorRules, WhoIsNotKnownPassesTheGateAndIsCounted) {
  const auto rules = Following("", 10);
  const auto two = By({"Ada Vale", "Bo Elm"});
  const auto passes = [&](const std::optional<wire::PaperAuthors>& known) {
    const auto verdict = rules.Judge(two, known);
    return verdict.gated.empty() && verdict.unknown;
  };
  EXPECT_TRUE(passes({}));
  EXPECT_TRUE(passes(Says({})));
  EXPECT_TRUE(passes(Says({{"A", "1", "", 3}, {"B", "2"}}))) << "no h-index of one";
  EXPECT_TRUE(passes(Says({{"A", "1", "", 3}}))) << "one is not listed";
  const auto best = rules.Judge(two, Says({{"A", "1", "", 30}, {"B", "2"}}));
  EXPECT_FALSE(best.unknown) << "the other one would change nothing";
  EXPECT_EQ(best.gated, "");
}

TEST(AuthorRules, AFollowedAuthorNeedsNoHIndex) {
  const auto rules = Following("Ada Vale", 10);
  const auto verdict = rules.Judge(By({"Ada Vale"}), Says({{"A. Vale", "7", "", 1}}));
  EXPECT_EQ(verdict.match, "Ada Vale, by name");
  EXPECT_EQ(verdict.gated, "");
}

// ---- in the ledger ------------------------------------------------------------

TestPaper PaperBy(const std::string& id, const std::vector<std::string>& authors) {
  TestPaper paper{id};
  paper.authors = authors;
  return paper;
}

class AuthorsTest : public LedgerTest {
 protected:
  AuthorsTest() { PassAdoption(); }

  static wire::PaperAuthors Of(const std::string& paper, const std::vector<Known>& known) {
    wire::PaperAuthors authors = Says(known);
    authors.set_id(paper);
    return authors;
  }
  Result<bool> SendAuthors(const Digest& digest, const std::vector<wire::PaperAuthors>& known) {
    wire::Authors message;
    message.set_digest(digest.id);
    message.set_edition(digest.edition);
    for (const auto& each : known) *message.add_papers() = each;
    return intake.Authors(message);
  }
  // A day as a fetcher delivers it. Returns also whose authors were asked for.
  std::pair<Digest, std::vector<std::string>> Day(const std::string& date,
                                                  const std::vector<TestPaper>& papers,
                                                  const std::vector<wire::PaperAuthors>& known) {
    const Digest digest = Open(date);
    const auto wanted = SendRows(digest, "cs.LG", papers);
    EXPECT_TRUE(wanted.ok());
    EXPECT_TRUE(SendAuthors(digest, known).ok());
    EXPECT_TRUE(Seal(digest, "cs.LG", papers.size()).ok());
    return {digest, wanted->authors};
  }
  nlohmann::json StatusOf(const Digest& digest) {
    return nlohmann::json::parse(RenderStatusJson(LoadPage(store->db(), digest.id)));
  }
};

TEST_F(AuthorsTest, AFollowedAuthorIsSelectedWithoutACall) {
  profile.set_authors("Jos\\'e Vale\nBo Elm, 7\n");
  const auto [digest, asked] =
      Day("2025-01-03",
          {PaperBy("2501.00001", {"Jos\u00E9 Vale"}), PaperBy("2501.00002", {"B. E."}),
           PaperBy("2501.00003", {"Cy Fir"})},
          {Of("2501.00002", {{"B. Elm", "7"}}), Of("2501.00003", {{"C. Fir", "8"}})});
  EXPECT_THAT(asked, ElementsAre("2501.00001", "2501.00002", "2501.00003"));
  EXPECT_EQ(States(digest).at("2501.00001"), "selected(author match: Jos\\'e Vale, by name)");
  EXPECT_EQ(States(digest).at("2501.00002"), "selected(author match: Bo Elm, Semantic Scholar 7)");
  scores["2501.00003"] = {10, 9};
  std::vector<std::string> sent;
  Ready(1, 4, {}, UINT64_MAX);
  for (const auto& batch : HandOut()) {
    for (const auto& paper : batch.papers()) sent.push_back(paper.id());
    Answer(Scores(batch));
  }
  EXPECT_THAT(sent, ElementsAre("2501.00003"));
  HandOut();
  ASSERT_EQ(StateOf(digest), "complete");

  const DigestPage page = LoadPage(store->db(), digest.id);
  const std::string text = RenderMarkdown(page);
  EXPECT_THAT(text, HasSubstr("## 1. [Title of 2501.00001]"));
  EXPECT_THAT(text, HasSubstr("An abstract about 2501.00001.\n\n**Comment:** Author match\n\n---"))
      << "no relevance, no novelty";
  EXPECT_THAT(text, HasSubstr("## 3. [Title of 2501.00003]")) << "20 points stand before 19";
  EXPECT_THAT(Notes(page), IsEmpty());
  const auto papers = nlohmann::json::parse(RenderPapersJson(page));
  EXPECT_EQ(papers["2501.00002"]["SCORE"], 20);
  EXPECT_EQ(papers["2501.00002"]["COMMENT"], "Author match");
  EXPECT_TRUE(papers["2501.00002"]["RELEVANCE"].is_null());
  EXPECT_TRUE(papers["2501.00002"]["NOVELTY"].is_null());
  const auto row = StatusOf(digest)["rows"][0];
  EXPECT_EQ(row["why"], "author match: Jos\\'e Vale, by name");
  EXPECT_FALSE(row.contains("relevance"));
  EXPECT_THAT(*Why(store->db(), "2501.00002"),
              HasSubstr("selected: author match: Bo Elm, Semantic Scholar 7"));
}

TEST_F(AuthorsTest, OfAMessageOnlyItsOwnRowsAreLookedAt) {
  profile.set_authors("Bo Elm, 7\n");
  Day("2025-01-02", {PaperBy("2501.00001", {"A"})}, {});
  const Digest digest = Open("2025-01-03");
  ASSERT_TRUE(SendRows(digest, "cs.LG",
                       {{"2501.00001"},
                        {"2501.00002"},
                        {"2501.00003"},
                        {"2501.00004", wire::ANNOUNCE_TYPE_REPLACE, 2},
                        {"2501.00005"}})
                  .ok());
  ASSERT_TRUE(SendAuthors(digest, {Of("2501.00003", {{"C. Fir", "8"}})}).ok());
  EXPECT_THAT(planner.MissingAuthors(digest, profile), ElementsAre("2501.00002", "2501.00005"));
  // Seen before, not known, known, not wanted, in no row.
  EXPECT_THAT(
      planner.MissingAuthors(
          digest, profile, {"2501.00001", "2501.00002", "2501.00003", "2501.00004", "2501.99999"}),
      ElementsAre("2501.00002"));
  profile.clear_authors();
  EXPECT_THAT(planner.MissingAuthors(digest, profile, {"2501.00002"}), IsEmpty());
}

TEST_F(AuthorsTest, ADayOfFollowedAuthorsAloneIsCompleteWithoutAScorer) {
  profile.set_authors("Ada Author");
  const auto [digest, asked] = Day("2025-01-03", {{"2501.00001"}}, {});
  EXPECT_THAT(asked, IsEmpty()) << "a name needs no look-up";
  EXPECT_TRUE(planner.Advance(digest.id, now.unix_seconds) || StateOf(digest) == "complete");
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(RenderMarkdown(LoadPage(store->db(), digest.id)), HasSubstr("*[no model]*"));
}

TEST_F(AuthorsTest, KeywordsConcernNoFollowedAuthorAndListsDo) {
  profile.set_authors("Ada Author");
  profile.add_exclude_keywords("abstract");
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"},
                                               PaperBy("2501.00002", {"Bo Elm"}),
                                               {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE}});
  EXPECT_THAT(States(digest).at("2501.00001"), HasSubstr("selected(author match"));
  EXPECT_EQ(States(digest).at("2501.00002"), "not_wanted(keyword: has \"abstract\")");
  EXPECT_EQ(States(digest).at("2501.00003"), "not_wanted(announce_type: replace)");
}

TEST_F(AuthorsTest, TheGateKeepsOutWhomItKnowsAndCountsWhomItDoesNot) {
  profile.set_h_index_cutoff(10);
  const auto [digest, asked] = Day(
      "2025-01-03",
      {{"2501.00001"}, {"2501.00002"}, {"2501.00003"}, {"2501.00004", wire::ANNOUNCE_TYPE_REPLACE}},
      {Of("2501.00001", {{"Ada Author", "1", "", 4}}), Of("2501.00002", {{"A", "2", "", 40}})});
  EXPECT_THAT(asked, ElementsAre("2501.00001", "2501.00002", "2501.00003"))
      << "nobody asks who wrote what is not wanted";
  ScoreEverything();
  EXPECT_EQ(States(digest).at("2501.00001"),
            "author_gated(the highest h-index of its authors is 4 (Ada Author), below 10)");
  EXPECT_EQ(States(digest).at("2501.00002"), "selected");
  EXPECT_EQ(States(digest).at("2501.00003"), "selected");
  const auto status = StatusOf(digest);
  EXPECT_EQ(status["funnel"]["author_gated"], 1);
  EXPECT_EQ(status["funnel"]["scanned"], 3);
  EXPECT_EQ(status["authors_unknown"], 1);
  EXPECT_FALSE(status["rows"][1].contains("authors_unknown"));
  EXPECT_EQ(status["rows"][2]["authors_unknown"], true);
  EXPECT_THAT(Notes(LoadPage(store->db(), digest.id)),
              ElementsAre("The authors of 1 of 3 papers are not known to Semantic Scholar, or not "
                          "all of them: these papers passed the h-index gate."));
  EXPECT_THAT(*Why(store->db(), "2501.00003"), HasSubstr("not known to Semantic Scholar"));
}

TEST_F(AuthorsTest, WhatIsFoundLaterChangesNoPage) {
  profile.set_h_index_cutoff(10);
  const auto [digest, asked] = Day("2025-01-03", {{"2501.00001"}}, {});
  ScoreEverything();
  const std::string before = RenderStatusJson(LoadPage(store->db(), digest.id));
  EXPECT_TRUE(SendAuthors(digest, {Of("2501.00001", {{"Ada Author", "1", "", 4}})}).ok());
  EXPECT_EQ(RenderStatusJson(LoadPage(store->db(), digest.id)), before);
}

TEST_F(AuthorsTest, WithoutTheGateAndIdsNobodyIsAskedFor) {
  const auto [digest, asked] = Day("2025-01-03", {{"2501.00001"}}, {});
  EXPECT_THAT(asked, IsEmpty());
  ScoreEverything();
  EXPECT_FALSE(StatusOf(digest).contains("authors_unknown"));
  EXPECT_THAT(Notes(LoadPage(store->db(), digest.id)), IsEmpty());
}

TEST_F(AuthorsTest, WhoIsKnownOrWasReadBeforeIsNotAskedForAgain) {
  profile.set_h_index_cutoff(10);
  Day("2025-01-03", {{"2501.00001"}}, {Of("2501.00001", {{"A", "1", "", 40}})});
  ScoreEverything();
  const auto [next, asked] = Day("2025-01-06", {{"2501.00001"}, {"2501.00002"}}, {});
  EXPECT_THAT(asked, ElementsAre("2501.00002"));
  profile.set_name("other");
  const auto [other, asked_other] = Day("2025-01-03", {{"2501.00001"}}, {});
  EXPECT_THAT(asked_other, IsEmpty()) << "what one profile's run found is the ledger's";
}

TEST_F(AuthorsTest, AChangedGateIsPlannedAnewFromWhatTheLedgerHas) {
  profile.set_h_index_cutoff(50);
  const auto [digest, asked] =
      Day("2025-01-03", {{"2501.00001"}, {"2501.00002"}},
          {Of("2501.00001", {{"A", "1", "", 20}}), Of("2501.00002", {{"B", "2", "", 60}})});
  ScoreEverything();
  Publish(digest);
  ASSERT_THAT(States(digest).at("2501.00001"), HasSubstr("author_gated"));
  profile.set_h_index_cutoff(15);
  const auto lower = intake.Open(OpenMessage("2025-01-03"));
  ASSERT_TRUE(lower.ok());
  EXPECT_THAT(lower->authors, IsEmpty());
  EXPECT_EQ(lower->digest.state, "sealed");
  dispatch.OnWork(lower->digest.id, now);
  EXPECT_EQ(ScoreEverything(), 1) << "only the paper that was kept out is new to the model";
  EXPECT_EQ(States(digest).at("2501.00001"), "selected");
  Publish(digest);
  profile.set_authors("Ada Author, 2\n");
  const auto followed = intake.Open(OpenMessage("2025-01-03"));
  ASSERT_TRUE(followed.ok());
  EXPECT_EQ(followed->digest.state, "sealed");
  EXPECT_EQ(States(digest).at("2501.00002"),
            "selected(author match: Ada Author, Semantic Scholar 2)");
}

TEST_F(AuthorsTest, AGateThatIsNewWaitsForTheLookUp) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}, {"2501.00002"}});
  ScoreEverything();
  Publish(digest);
  profile.set_h_index_cutoff(10);
  auto opened = intake.Open(OpenMessage("2025-01-03"));
  ASSERT_TRUE(opened.ok());
  EXPECT_THAT(opened->authors, ElementsAre("2501.00001", "2501.00002"));
  EXPECT_THAT(opened->sealed, ElementsAre("cs.LG")) << "no list is read again";
  EXPECT_EQ(opened->digest.state, "open");
  // The fetcher dies, and is run again.
  opened = intake.Open(OpenMessage("2025-01-03"));
  EXPECT_THAT(opened->authors, ElementsAre("2501.00001", "2501.00002"));
  wire::Authors first;
  first.set_digest(digest.id);
  first.set_edition(opened->digest.edition);
  first.set_more(true);
  *first.add_papers() = Of("2501.00001", {{"A", "1", "", 4}});
  ASSERT_TRUE(intake.Authors(first).ok());
  EXPECT_EQ(StateOf(digest), "open") << "more is coming";
  ASSERT_TRUE(SendAuthors(opened->digest, {}).ok());
  EXPECT_EQ(StateOf(digest), "sealed");
  EXPECT_THAT(States(digest).at("2501.00001"), HasSubstr("author_gated"));
  dispatch.OnWork(digest.id, now);
  EXPECT_EQ(ScoreEverything(), 0) << "what was scored before stays so";
  EXPECT_EQ(States(digest).at("2501.00002"), "selected");
  EXPECT_EQ(StatusOf(digest)["authors_unknown"], 1);
}

TEST_F(AuthorsTest, WhatAnotherRunLookedUpMeanwhileIsNotWaitedFor) {
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  ScoreEverything();
  Publish(digest);
  profile.set_h_index_cutoff(10);
  EXPECT_EQ(Open("2025-01-03").state, "open");
  // The fetcher dies; one with another profile asks about the same paper.
  StoreAuthors(store->db(), Of("2501.00001", {{"A", "1", "", 4}}));

  const auto opened = intake.Open(OpenMessage("2025-01-03"));

  EXPECT_THAT(opened->authors, IsEmpty());
  EXPECT_EQ(opened->digest.state, "sealed");
  EXPECT_THAT(States(digest).at("2501.00001"), HasSubstr("author_gated"));
}

TEST_F(AuthorsTest, AuthorMatchesDoNotHideThatTheModelFailed) {
  profile.set_authors("Bo Elm");
  std::vector<TestPaper> papers = {{"2501.00001"}};
  for (int i = 2; i < 12; ++i) {
    papers.push_back(PaperBy("2501.000" + std::to_string(10 + i), {"Bo Elm"}));
  }
  const Digest digest = Deliver("2025-01-03", papers);
  ASSERT_TRUE(planner.GiveUp(digest.id, "the provider is out", now.unix_seconds));
  EXPECT_TRUE(FindDigest(store->db(), digest.id)->withhold)
      << "all of the papers meant for the model are unscored";
}

TEST_F(AuthorsTest, WhatIsNoMessageAboutAuthorsIsRefused) {
  profile.set_h_index_cutoff(10);
  const Digest digest = Open("2025-01-03");
  EXPECT_FALSE(SendAuthors(digest, {Of("2501.00001v2", {})}).ok());
  EXPECT_FALSE(SendAuthors(digest, {Of("x", {})}).ok());
  Digest old = digest;
  old.edition = 7;
  EXPECT_EQ(SendAuthors(old, {}).error().kind, ErrorKind::kConflict);
  profile.set_authors("Ada Author, nobody");
  const auto opened = intake.Open(OpenMessage("2025-01-03"));
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message, HasSubstr("authors.txt:1"));
}

TEST_F(AuthorsTest, AForecastLeavesOutWhomTheModelIsNotAskedAbout) {
  profile.set_authors("Bo Elm");
  profile.set_h_index_cutoff(10);
  StoreAuthors(store->db(), Of("2501.00001", {{"A", "1", "", 4}}));
  const AuthorRules authors(profile);
  Digest digest;
  digest.profile = profile.name();
  digest.date = "2025-01-03";
  const auto for_model = [&](const TestPaper& paper) {
    wire::Row row;
    row.set_id(paper.id);
    row.set_version(1);
    row.set_announce_type(wire::ANNOUNCE_TYPE_NEW);
    *row.mutable_paper() = Text(paper);
    return planner.IsForModel(digest, profile, authors, row);
  };
  EXPECT_FALSE(for_model({"2501.00001"})) << "gated";
  EXPECT_FALSE(for_model(PaperBy("2501.00002", {"Bo Elm"}))) << "followed";
  EXPECT_TRUE(for_model({"2501.00003"})) << "not known";
}

TEST_F(AuthorsTest, APageWithAnAuthorMatchIsSound) {
  TempDir dir;
  DiskFolder folder(dir.path());
  Publisher publisher(store->db(), folder);
  profile.set_authors("Ada Author");
  const Digest digest = Deliver("2025-01-03", {{"2501.00001"}});
  planner.Advance(digest.id, now.unix_seconds);
  publisher.Publish(digest.id);
  ASSERT_TRUE(publisher.Reconcile().ok());
  EXPECT_THAT(Verify(store->db(), dir.path()).problems, IsEmpty());
}

}  // namespace
}  // namespace paperboy
