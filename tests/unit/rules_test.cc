// Which listed papers a profile wants: announce types, categories, archives, keywords.
#include "aggregator/rules.h"

#include <gmock/gmock.h>

#include "common/category.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::HasSubstr;

wire::Profile Reader(const std::vector<std::string>& categories) {
  wire::Profile profile;
  for (const auto& category : categories) profile.add_categories(category);
  profile.add_announce_types(wire::ANNOUNCE_TYPE_NEW);
  profile.add_announce_types(wire::ANNOUNCE_TYPE_CROSS);
  return profile;
}

wire::Paper Paper(const std::string& title, const std::string& abstract) {
  wire::Paper paper;
  paper.set_title(title);
  paper.set_abstract(abstract);
  return paper;
}

// Why it is not wanted, or "".
std::string ByWord(const wire::Profile& profile, const wire::Paper& paper) {
  return UnwantedByKeyword(profile, paper).value_or("");
}
std::string ByList(const wire::Profile& profile, const ListedRow& row) {
  return UnwantedByList(profile, row).value_or("");
}

TEST(Category, LiesInItsArchiveAndInNoOther) {
  EXPECT_TRUE(CategoryMatches("cs.LG", "cs.LG"));
  EXPECT_TRUE(CategoryMatches("cs", "cs.LG"));
  EXPECT_TRUE(CategoryMatches("cs.*", "cs.LG"));
  EXPECT_TRUE(CategoryMatches("hep-th", "hep-th"));
  EXPECT_TRUE(CategoryMatches("astro-ph", "astro-ph")) << "papers from before it was divided";
  EXPECT_FALSE(CategoryMatches("cs.LG", "cs.L"));
  EXPECT_FALSE(CategoryMatches("cs.LG", "cs"));
  EXPECT_FALSE(CategoryMatches("cs", "css.LG"));
  EXPECT_FALSE(CategoryMatches("math", "math-ph"));
  EXPECT_FALSE(CategoryMatches("cs.", "cs.LG"));
  EXPECT_TRUE(IsArchive("cs"));
  EXPECT_TRUE(IsArchive("physics"));
  EXPECT_FALSE(IsArchive("hep-th"));
  EXPECT_FALSE(IsArchive("cs.LG"));
}

TEST(Rules, SeveralCategoriesAndArchives) {
  const auto profile = Reader({"stat.ML", "cs"});
  const ListedRow in_archive{wire::ANNOUNCE_TYPE_NEW, "cs.CL", {"cs"}};
  EXPECT_EQ(ByList(profile, in_archive), "");
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_CROSS, "math.ST", {"stat.ML"}}), "");
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_NEW, "cs.LG", {"cs.LG"}}), "")
      << "a list that was read for another revision of the profile";
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_NEW, "stat.ME", {"stat.ME"}}),
            "category: listed in stat.ME only");
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_REPLACE, "cs.CL", {"cs"}}),
            "announce_type: replace");
}

TEST(Rules, PrimaryOnlyTakesAnArchiveAsAllThatLiesInIt) {
  auto profile = Reader({"stat.ML", "cs"});
  profile.set_primary_only(true);
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_NEW, "cs.CL", {"cs"}}), "");
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_CROSS, "stat.ML", {"cs"}}), "");
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_CROSS, "math.ST", {"cs", "stat.ML"}}),
            "category: primary is math.ST");
  EXPECT_EQ(ByList(profile, {wire::ANNOUNCE_TYPE_CROSS, "", {"cs"}}), "") << "unknown passes";
}

TEST(Rules, ThePapersOwnCategoriesCountForALotWithoutCategories) {
  const auto profile = Reader({"cs", "hep-th"});
  wire::Paper paper = Paper("Owls", "");
  EXPECT_FALSE(UnwantedByCategory(profile, paper)) << "unknown passes";
  paper.add_categories("math.AG");
  EXPECT_EQ(UnwantedByCategory(profile, paper), "category: math.AG");
  paper.add_categories("cs.DM");
  EXPECT_FALSE(UnwantedByCategory(profile, paper));
}

TEST(Rules, ExcludedAndIncludedKeywords) {
  auto profile = Reader({"cs"});
  const auto owls = Paper("On Owls", "What they do at night.");
  EXPECT_EQ(ByWord(profile, owls), "");
  profile.add_include_keywords("owls");
  profile.add_include_keywords("state space");
  EXPECT_EQ(ByWord(profile, owls), "");
  EXPECT_EQ(ByWord(profile, Paper("Models", "A State-Space view.")), "") << "a phrase, any case";
  EXPECT_EQ(ByWord(profile, Paper("On Mice", "By day.")), "keyword: has none of those asked for");
  EXPECT_EQ(ByWord(profile, Paper("On an Owlscape", "")), "keyword: has none of those asked for")
      << "whole words";
  EXPECT_EQ(ByWord(profile, Paper("On the state", "Space is large.")),
            "keyword: has none of those asked for")
      << "no phrase begins in the title and ends in the abstract";
  profile.add_exclude_keywords("night");
  EXPECT_EQ(ByWord(profile, owls), "keyword: has \"night\"") << "excluding wins";
  EXPECT_EQ(ByWord(profile, Paper("Owls by day", "")), "");
  profile.clear_include_keywords();
  EXPECT_EQ(ByWord(profile, Paper("On Mice", "By day.")), "");
  EXPECT_EQ(ByWord(profile, Paper("Knights", "")), "");
}

TEST(Rules, AKeywordIsFoundInWhateverFormItIsWritten) {
  for (const std::string written : {"Schr\\\"odinger", "Schr\u00F6dinger", "Schro\u0308dinger",
                                    "SCHR\u00D6DINGER", "Schr{\\\"o}dinger"}) {
    for (const std::string meant :
         {"schr\u00F6dinger bridge", "Schro\u0308dinger Bridge", "Schr\\\"odinger bridge"}) {
      auto profile = Reader({"cs"});
      profile.add_include_keywords(meant);
      EXPECT_EQ(ByWord(profile, Paper("The " + written + " bridge", "")), "") << written << meant;
      EXPECT_EQ(ByWord(profile, Paper("", "A " + written + "-bridge.")), "") << written << meant;
    }
  }
}

class RulesInTheLedger : public LedgerTest {};

TEST_F(RulesInTheLedger, ARowEndsWithTheRuleThatItMet) {
  profile.add_exclude_keywords("mice");
  const Digest digest =
      Deliver("2025-01-03", {{"2501.00001"},
                             {.id = "2501.00002", .title = "Mice"},
                             {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE},
                             {"2501.00004", wire::ANNOUNCE_TYPE_NEW, 1, "math.AG"}});
  const auto states = States(digest);
  EXPECT_EQ(states.at("2501.00002"), "not_wanted(keyword: has \"mice\")");
  EXPECT_EQ(states.at("2501.00003"), "not_wanted(announce_type: replace)");
  EXPECT_THAT(states.at("2501.00004"), HasSubstr("not_wanted(category: math.AG"));
  EXPECT_EQ(states.at("2501.00001"), "");
}

}  // namespace
}  // namespace paperboy
