#include "common/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kPrompt[] = "Pick papers on bees.\n\n[PAPER LIST HERE]\n\nAnswer in JSON.\n\n\n";

class ProfileTest : public testing::Test {
 protected:
  ProfileTest() {
    Write("profile.toml", "name = \"bees\"\n");
    Write("prompt.md", kPrompt);
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }

  wire::Profile Load() {
    auto profile = LoadProfile(dir_.path().string());
    EXPECT_TRUE(profile.ok()) << profile.error().message;
    return profile.ok() ? *profile : wire::Profile();
  }

  // What is wrong, without the folder's name in front.
  std::string Fault() {
    const auto profile = LoadProfile(dir_.path().string());
    if (profile.ok()) return "no error";
    EXPECT_EQ(profile.error().kind, ErrorKind::kInvalid);
    const std::string folder = dir_.path().string() + "/";
    const std::string& message = profile.error().message;
    return message.starts_with(folder) ? message.substr(folder.size()) : message;
  }

  std::string FaultOf(const std::string& settings) {
    Write("profile.toml", settings);
    return Fault();
  }

  TempDir dir_;
};

TEST_F(ProfileTest, EveryKeyButTheNameHasADefault) {
  const wire::Profile profile = Load();
  EXPECT_EQ(profile.name(), "bees");
  EXPECT_THAT(profile.categories(), ElementsAre("cs.LG"));
  EXPECT_THAT(profile.announce_types(),
              ElementsAre(wire::ANNOUNCE_TYPE_NEW, wire::ANNOUNCE_TYPE_CROSS));
  EXPECT_FALSE(profile.primary_only());
  EXPECT_EQ(profile.relevance_cutoff(), 8u);
  EXPECT_EQ(profile.novelty_cutoff(), 7u);
  EXPECT_EQ(profile.model(), "");
  EXPECT_FALSE(profile.title_stage());
  EXPECT_EQ(profile.batch_size(), 4u);
  EXPECT_EQ(profile.batch_tokens(), 3'000u);
  EXPECT_EQ(profile.h_index_cutoff(), 0u);
  EXPECT_EQ(profile.budget_picodollars_per_day(), 0);
  EXPECT_EQ(profile.rescore_samples(), 0u);
  EXPECT_EQ(profile.rescore_margin(), 0u) << "stands for 1";
  EXPECT_EQ(profile.drift_anchors(), 0u);
  EXPECT_EQ(profile.budget_picodollars_per_digest(), 0);
  EXPECT_THAT(profile.degrade(), IsEmpty());
  EXPECT_THAT(profile.topics(), IsEmpty());
  EXPECT_EQ(profile.authors(), "");
  EXPECT_EQ(profile.title_prompt(), "");
  EXPECT_EQ(profile.prompt(), "Pick papers on bees.\n\n[PAPER LIST HERE]\n\nAnswer in JSON.");
}

TEST_F(ProfileTest, EveryKeyIsRead) {
  Write("profile.toml", R"(
name = "bees-2"
categories = ["cs.AI", "hep-th", "cs.*", "math", "cond-mat.mes-hall"]
announce_types = ["replace-cross", "new", "replace"]
primary_only = true
relevance_cutoff = 1
novelty_cutoff = 10
model = "lexical"
title_stage = true
batch_size = 64
batch_tokens = 0
h_index_cutoff = 12
include_keywords = ["bee", "waggle dance"]
exclude_keywords = ["wasp"]
topics = ["pollination"]
budget_dollars_per_day = 0.1
rescore_samples = 3
rescore_margin = 2
drift_anchors = 4
budget_dollars_per_digest = 0.05
degrade = ["cheaper_model", "title_stage", "larger_batches"]
cheaper_model = "gpt-4o-mini"
)");
  Write("title_prompt.md", "Drop:\n [PAPER LIST HERE] \r\n");
  Write("authors.txt", "# friends\r\nMaja Bee, 123 # the first\n\nHo, Ney Jr., 456");
  const wire::Profile profile = Load();
  EXPECT_EQ(profile.name(), "bees-2");
  EXPECT_THAT(profile.categories(),
              ElementsAre("cs.AI", "hep-th", "cs", "math", "cond-mat.mes-hall"))
      << "an archive is kept as arXiv's feeds name it";
  EXPECT_THAT(profile.announce_types(),
              ElementsAre(wire::ANNOUNCE_TYPE_NEW, wire::ANNOUNCE_TYPE_REPLACE,
                          wire::ANNOUNCE_TYPE_REPLACE_CROSS));
  EXPECT_TRUE(profile.primary_only());
  EXPECT_EQ(profile.relevance_cutoff(), 1u);
  EXPECT_EQ(profile.novelty_cutoff(), 10u);
  EXPECT_EQ(profile.model(), "lexical");
  EXPECT_TRUE(profile.title_stage());
  EXPECT_EQ(profile.batch_size(), 64u);
  EXPECT_EQ(profile.batch_tokens(), 0u);
  EXPECT_EQ(profile.h_index_cutoff(), 12u);
  EXPECT_THAT(profile.include_keywords(), ElementsAre("bee", "waggle dance"));
  EXPECT_THAT(profile.exclude_keywords(), ElementsAre("wasp"));
  EXPECT_THAT(profile.topics(), ElementsAre("pollination"));
  EXPECT_EQ(profile.budget_picodollars_per_day(), 100'000'000'000) << "exact, not 0.1 in binary";
  EXPECT_EQ(profile.rescore_samples(), 3u);
  EXPECT_EQ(profile.rescore_margin(), 2u);
  EXPECT_EQ(profile.drift_anchors(), 4u);
  EXPECT_EQ(profile.budget_picodollars_per_digest(), 50'000'000'000);
  EXPECT_THAT(profile.degrade(), ElementsAre("cheaper_model", "title_stage", "larger_batches"));
  EXPECT_EQ(profile.cheaper_model(), "gpt-4o-mini");
  EXPECT_EQ(profile.title_prompt(), "Drop:\n [PAPER LIST HERE] ");
  EXPECT_THAT(profile.authors(), HasSubstr("Maja Bee, 123"));
}

TEST_F(ProfileTest, ATinyBudgetIsNotNone) {
  Write("profile.toml", "name = \"bees\"\nbudget_dollars_per_day = 0.0000001\n");
  EXPECT_GT(Load().budget_picodollars_per_day(), 0);
}

TEST_F(ProfileTest, RevisionChangesWithEveryPartAndOnlyThen) {
  const std::string revision = Load().revision();
  EXPECT_EQ(revision.size(), 64u);
  EXPECT_EQ(Load().revision(), revision);
  Write("profile.toml", "# a comment\nrelevance_cutoff = 8\nname = \"bees\"\n");
  EXPECT_EQ(Load().revision(), revision) << "a default written out is the same profile";
  Write("prompt.md", std::string(kPrompt) + "\n");
  EXPECT_EQ(Load().revision(), revision) << "newlines at the end do not count";
  Write("prompt.md", std::string("Please. ") + kPrompt);
  const std::string second = Load().revision();
  EXPECT_NE(second, revision);
  Write("authors.txt", "Maja Bee, 123\n");
  EXPECT_NE(Load().revision(), second);
}

TEST_F(ProfileTest, BadSettingsAreNamed) {
  EXPECT_THAT(FaultOf("model = \"x\"\n"), HasSubstr("profile.toml: key name: \"\" must be"));
  EXPECT_THAT(FaultOf("name = \"../bees\"\n"), HasSubstr("key name: \"../bees\" must be"));
  EXPECT_THAT(FaultOf("name = \"site\"\n"), HasSubstr("key name: \"site\" is the folder"));
  EXPECT_THAT(FaultOf("name = \"" + std::string(65, 'a') + "\"\n"), HasSubstr("key name"));
  const std::string name = "name = \"bees\"\n";
  EXPECT_THAT(FaultOf(name + "novelty = 3\n"),
              HasSubstr("profile.toml:2: key novelty: is unknown; keys are name, categories,"));
  EXPECT_EQ(FaultOf(name + "novelty_cutoff = 11\n"),
            "profile.toml:2: key novelty_cutoff: must be a whole number from 1 to 10");
  EXPECT_THAT(FaultOf(name + "relevance_cutoff = 7.5\n"), HasSubstr("must be a whole number"));
  EXPECT_THAT(FaultOf(name + "batch_size = 0\n"), HasSubstr("from 1 to 64"));
  EXPECT_THAT(FaultOf(name + "title_stage = 1\n"), HasSubstr("must be true or false"));
  EXPECT_THAT(FaultOf(name + "categories = [\"cs.LG\", \"cs LG\"]\n"),
              HasSubstr("profile.toml:2: key categories: \"cs LG\" is no arXiv category"));
  EXPECT_THAT(FaultOf(name + "categories = \"cs.LG\"\n"), HasSubstr("must be a list"));
  EXPECT_THAT(FaultOf(name + "categories = []\n"), HasSubstr("must name at least one"));
  EXPECT_THAT(FaultOf(name + "categories = [\"cs\", \"cs\"]\n"), HasSubstr("\"cs\" twice"));
  EXPECT_THAT(FaultOf(name + "announce_types = [\"old\"]\n"), HasSubstr("\"old\" is not new"));
  EXPECT_THAT(FaultOf(name + "include_keywords = [\"--\"]\n"), HasSubstr("no letter or digit"));
  EXPECT_THAT(FaultOf(name + "budget_dollars_per_day = -1\n"),
              HasSubstr("must be a number from 0"));
  EXPECT_THAT(FaultOf(name + "budget_dollars_per_day = nan\n"), HasSubstr("must be a number"));
  const std::string budget = name + "budget_dollars_per_day = 1\n";
  EXPECT_THAT(FaultOf(budget + "degrade = [\"nothing\"]\n"),
              HasSubstr("key degrade: \"nothing\" is not title_stage"));
  EXPECT_THAT(FaultOf(name + "degrade = [\"title_stage\"]\n"),
              HasSubstr("no effect without budget_dollars_per_day"));
  EXPECT_THAT(FaultOf(budget + "degrade = [\"cheaper_model\"]\n"), HasSubstr("give both"));
  EXPECT_THAT(FaultOf(budget + "cheaper_model = \"gpt-4o-mini\"\n"), HasSubstr("give both"));
  EXPECT_THAT(FaultOf(budget + "degrade = [\"cheaper_model\"]\ncheaper_model = \"lexical\"\n"),
              HasSubstr("must be a model"));
  EXPECT_THAT(FaultOf(name + "model = \n"), HasSubstr("profile.toml:2: "));
}

TEST_F(ProfileTest, ThePromptHoldsTheMarkerOnceAndAlone) {
  Write("prompt.md", "No marker.\n");
  EXPECT_THAT(Fault(), HasSubstr("prompt.md: 0 lines are [PAPER LIST HERE]; exactly one"));
  Write("prompt.md", "[PAPER LIST HERE]\n[PAPER LIST HERE]\n");
  EXPECT_THAT(Fault(), HasSubstr("prompt.md: 2 lines are"));
  Write("prompt.md", "One\nPapers: [PAPER LIST HERE]\n");
  EXPECT_THAT(Fault(), HasSubstr("prompt.md:2: [PAPER LIST HERE] must stand alone"));
}

TEST_F(ProfileTest, MissingAndUnreadableFilesAreNamed) {
  Write("prompt.md", "One\n\xFF\n[PAPER LIST HERE]\n");
  EXPECT_EQ(Fault(), "prompt.md:2: not valid UTF-8");
  Write("prompt.md", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(Fault(), "prompt.md: longer than 1048576 bytes");
  std::filesystem::remove(dir_.File("prompt.md"));
  EXPECT_THAT(Fault(), HasSubstr("prompt.md: cannot be read"));
  std::filesystem::create_directory(dir_.File("prompt.md"));
  EXPECT_THAT(Fault(), HasSubstr("prompt.md: cannot be read"));
  std::filesystem::remove(dir_.File("profile.toml"));
  EXPECT_THAT(Fault(), HasSubstr("profile.toml: cannot be read"));
  const auto missing = LoadProfile(dir_.File("nowhere"));
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message, HasSubstr("nowhere: no such folder"));
}

TEST_F(ProfileTest, BadAuthorsAreNamed) {
  for (const char* line : {"Maja Bee, x12", ", 12", "Maja Bee, ", "Bee, Maja", "--", "., 7"}) {
    Write("authors.txt", std::string("# one\n") + line + "\n");
    EXPECT_THAT(Fault(), HasSubstr("authors.txt:2: must be \"name, id\"")) << line;
  }
  for (const char* orcid : {"0000-0002-1825-0098", "0000-0002-1825-009", "0000-0002-1825-009x"}) {
    Write("authors.txt", std::string("Maja Bee, ") + orcid + "\n");
    EXPECT_THAT(Fault(), HasSubstr("is no ORCID: a digit of it is wrong")) << orcid;
  }
}

TEST_F(ProfileTest, CategoriesAreThoseThatThereAre) {
  const auto fault = [&](const std::string& name) {
    return FaultOf("name = \"bees\"\ncategories = [\"cs.AI\", \"" + name + "\"]\n");
  };
  EXPECT_THAT(fault("cs.lg"), HasSubstr("\"cs.lg\" is no arXiv category; did you mean cs.LG?"));
  EXPECT_THAT(fault("CS"), HasSubstr("did you mean cs?"));
  EXPECT_THAT(fault("cs.XX"), HasSubstr("cs has AI, AR, CC"));
  EXPECT_THAT(fault("hep-th.AB"), HasSubstr("hep-th has none below it"));
  EXPECT_THAT(fault("biology"),
              HasSubstr("write cs.LG, hep-th, or cs for all of cs; archives are"));
  EXPECT_THAT(fault("*"), HasSubstr("is no arXiv category"));
  EXPECT_THAT(fault("cs."), HasSubstr("cs has AI"));
  Write("profile.toml", "name = \"bees\"\ncategories = [\"cs\", \"stat.ML\", \"cs.*\"]\n");
  EXPECT_THAT(Fault(), HasSubstr("\"cs.*\" is cs, which is there already"));
  Write("profile.toml", "name = \"bees\"\ncategories = [\"hep-th.*\", \"physics\"]\n");
  EXPECT_THAT(Load().categories(), ElementsAre("hep-th", "physics"));
}

TEST(ParseAuthors, SkipsCommentsAndEmptyLines) {
  const auto authors = ParseAuthors("# x\n\n Maja Bee , 1 # y\r\nHo, Ney, 2", "authors.txt");
  ASSERT_TRUE(authors.ok());
  ASSERT_EQ(authors->size(), 2u);
  EXPECT_EQ((*authors)[0].name, "Maja Bee");
  EXPECT_EQ((*authors)[0].id, "1");
  EXPECT_EQ((*authors)[1].name, "Ho, Ney");
  EXPECT_EQ((*authors)[1].id, "2");
}

TEST(ParseAuthors, TakesAnIdAnOrcidOrTheNameAlone) {
  const auto authors = ParseAuthors(
      "Maja Bee, 0000-0002-1825-0097\nNey Ho, 0000-0002-9079-593X # X is 10\nSch\\\"on Wasp\n",
      "authors.txt");
  ASSERT_TRUE(authors.ok()) << authors.error().message;
  ASSERT_EQ(authors->size(), 3u);
  EXPECT_EQ((*authors)[0].orcid, "0000-0002-1825-0097");
  EXPECT_EQ((*authors)[0].id, "");
  EXPECT_EQ((*authors)[1].orcid, "0000-0002-9079-593X");
  EXPECT_EQ((*authors)[2].name, "Sch\\\"on Wasp");
  EXPECT_EQ((*authors)[2].id + (*authors)[2].orcid, "");
}

}  // namespace
}  // namespace paperboy
