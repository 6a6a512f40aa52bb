#include "scorer/lexical.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/profile.h"
#include "common/text.h"
#include "embedded/kDocumentFrequencies.h"

namespace paperboy {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::StartsWith;

wire::BatchPaper MakePaper(const std::string& title, const std::string& abstract) {
  wire::BatchPaper paper;
  paper.set_id("2609.90999");
  paper.set_title(title);
  paper.set_abstract(abstract);
  return paper;
}

unsigned Relevance(const std::vector<std::string>& topics, const wire::BatchPaper& paper) {
  return ScoreLexically(topics, "", paper).relevance;
}

const wire::BatchPaper& Weather() {
  static const wire::BatchPaper paper = MakePaper(
      "Rain gauges on rooftops",
      "We describe a network of rain gauges and how pigeons disturb it. Cleaning twice a year "
      "suffices in most districts.");
  return paper;
}

TEST(Lexical, TitleWeighsMoreThanAbstract) {
  const std::string filler = "We study a large network and report what was found in it. ";
  const auto in_title = MakePaper("Quantization", filler);
  const auto in_abstract = MakePaper("A study", filler + "Quantization is considered.");
  EXPECT_GT(Relevance({"quantization"}, in_title), Relevance({"quantization"}, in_abstract));
}

TEST(Lexical, MoreOfATopicNeverRanksLower) {
  std::string abstract = "A paper. ";
  unsigned last = 0;
  for (int i = 0; i < 8; ++i) {
    const unsigned now = Relevance({"mixture of experts"}, MakePaper("Title", abstract));
    EXPECT_GE(now, last);
    last = now;
    abstract += "Experts in a mixture. ";
  }
  EXPECT_GE(last, 8u);
}

TEST(Lexical, CommonWordsAloneDoNotSuffice) {
  const auto paper = MakePaper("The method of the model", "We show that the method is a method.");
  EXPECT_LE(Relevance({"the method of the model"}, paper), 4u);
}

TEST(Lexical, BestTopicDecidesAndIsNamed) {
  const auto paper = MakePaper("Pruning by numbers", "Pruning a network and its experts.");
  const auto score = ScoreLexically({"mixture of experts", "Pruning"}, "", paper);
  EXPECT_EQ(score.relevance, Relevance({"pruning"}, paper));
  EXPECT_EQ(score.comment, "Matches the topic “Pruning”: pruning.");
  EXPECT_EQ(score.novelty, kLexicalNovelty);
}

TEST(Lexical, WordsThatTellMoreAreNamedFirst) {
  const auto score = ScoreLexically({"state of the KV cache"}, "",
                                    MakePaper("The KV cache", "The state of a KV cache."));
  EXPECT_EQ(score.comment, "Matches the topic “state of the KV cache”: kv, cache, state.");
}

TEST(Lexical, LongTopicIsCutInTheComment) {
  const std::string topic = "quantization " + std::string(200, 'x');
  const auto score = ScoreLexically({topic}, "", MakePaper("Quantization", "Quantization."));
  EXPECT_THAT(score.comment, AllOf(StartsWith("Matches the topic “quantization xxx"),
                                   HasSubstr("x…”: quantization.")));
  EXPECT_LT(score.comment.size(), 140u);
}

TEST(Lexical, UnrelatedPaperMatchesNothing) {
  const auto score = ScoreLexically({"mixture of experts", "quantization"}, "", Weather());
  EXPECT_EQ(score.relevance, 1u);
  EXPECT_EQ(score.comment, "Matches none of the topics.");
}

TEST(Lexical, OrderOfTopicsAndOfPapersDoesNotMatter) {
  const std::vector<std::string> topics = {"pruning", "quantization", "loss landscape"};
  const std::vector<std::string> reversed(topics.rbegin(), topics.rend());
  const std::vector<wire::BatchPaper> papers = {
      MakePaper("Pruning", "The loss landscape of pruning."), Weather(),
      MakePaper("Quantization", "Rounding of weights.")};
  std::vector<std::string> first;
  for (const auto& paper : papers) first.push_back(ScoreLexically(topics, "", paper).comment);
  for (size_t i = papers.size(); i-- > 0;) {
    EXPECT_EQ(ScoreLexically(topics, "", papers[i]).comment, first[i]);
    EXPECT_EQ(ScoreLexically(reversed, "", papers[i]).relevance, Relevance(topics, papers[i]));
  }
}

TEST(Lexical, EmptyAbstractIsRankedByItsTitle) {
  EXPECT_GE(Relevance({"KV cache"}, MakePaper("A smaller KV cache", "")), 8u);
  EXPECT_EQ(Relevance({"KV cache"}, MakePaper("", "")), 1u);
}

TEST(Lexical, WithoutTopicsThePromptRanks) {
  const std::string prompt =
      "Find papers for a friend who likes mixture of experts, sparse networks, pruning, "
      "quantization and the compression of large language models.\n[PAPER LIST HERE]\n";
  const auto about = MakePaper("Sparse mixture of experts after pruning and quantization",
                               "Compression of experts by pruning and quantization.");
  const auto score = ScoreLexically({}, prompt, about);
  EXPECT_GE(score.relevance, 8u);
  EXPECT_THAT(score.comment, StartsWith("Matches the prompt: "));
  EXPECT_LE(ScoreLexically({}, prompt, Weather()).relevance, 4u);
}

TEST(Lexical, MarkerIsNoPartOfThePrompt) {
  const auto lists = MakePaper("Paper list", "A list of papers is here. List, paper, list.");
  EXPECT_EQ(ScoreLexically({}, "[PAPER LIST HERE]", lists).relevance, 1u);
  EXPECT_EQ(ScoreLexically({}, "", lists).comment, "Shares no telling word with the prompt.");
}

TEST(Lexical, OddBytesAreHarmless) {
  std::string odd = "quantization \xff\xfe\x80 \xc3( \xed\xa0\x80 \xf4\x90\x80\x80 pruning";
  odd += '\0';
  odd += "\x01 quantization \xe2\x82";
  const auto paper = MakePaper(odd, odd + std::string(100'000, '\xc3'));
  const auto score = ScoreLexically({"quantization", "\xff\xff", "", "…"}, "\x80", paper);
  EXPECT_THAT(score.relevance, AllOf(Ge(1u), Le(10u)));
  EXPECT_THAT(score.comment, StartsWith("Matches the topic “quantization”"));
}

TEST(Lexical, WordsThatTheTableLacksAreRareOnes) {
  EXPECT_GE(Relevance({"Gugelhupfnet"}, MakePaper("Gugelhupfnet", "A network.")), 8u);
}

TEST(Lexical, FoldsCaseAndSplitsHyphens) {
  const auto plain = MakePaper("low rank compression", "schrödinger");
  const auto shouted = MakePaper("LOW-RANK COMPRESSION", "SCHRÖDINGER");
  EXPECT_EQ(Relevance({"Low-Rank Compression"}, plain),
            Relevance({"low rank compression"}, shouted));
  EXPECT_GT(Relevance({"Schrödinger"}, shouted), 1u);
}

// The table's words must be such as Words() makes, or they would never be found.
TEST(DocumentFrequencies, TableIsReadable) {
  std::istringstream table{std::string(embedded::kDocumentFrequencies)};
  std::string line;
  ASSERT_TRUE(std::getline(table, line));
  ASSERT_THAT(line, StartsWith("#documents\t13000\t"));
  std::string last;
  size_t words = 0;
  for (; std::getline(table, line); ++words) {
    const size_t tab = line.find('\t');
    ASSERT_NE(tab, std::string::npos) << line;
    const std::string word = line.substr(0, tab);
    unsigned frequency = 0;
    const auto read = std::from_chars(line.data() + tab + 1, line.data() + line.size(), frequency);
    ASSERT_EQ(read.ptr, line.data() + line.size()) << line;
    ASSERT_THAT(frequency, AllOf(Ge(5u), Le(13'000u))) << line;
    ASSERT_EQ(Words(word), std::vector<std::string>{word});
    ASSERT_LT(last, word);
    last = word;
  }
  EXPECT_GT(words, 10'000u);
}

// The sample announcement under the default profile: what the first minutes
// with Paperboy show.
class Sample : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string config = PAPERBOY_SOURCE_DIR "/config";
    auto profile = LoadProfile(config + "/profiles/default");
    ASSERT_TRUE(profile.ok()) << profile.error().message;
    profile_ = *profile;
    std::ifstream file(config + "/sample/announcement.jsonl");
    for (std::string line; std::getline(file, line);) {
      papers_.push_back(nlohmann::json::parse(line));
    }
    ASSERT_GE(papers_.size(), 80u);
  }

  LexicalScore Score(const nlohmann::json& paper) const {
    return ScoreLexically({profile_.topics().begin(), profile_.topics().end()}, profile_.prompt(),
                          MakePaper(paper["title"], paper["abstract"]));
  }

  wire::Profile profile_;
  std::vector<nlohmann::json> papers_;
};

// Those of the sample that were written to be on a topic of the default profile.
const std::set<std::string>& OnTopic() {
  static const std::set<std::string> ids = {"2609.90016", "2609.90113", "2609.90124", "2609.90125",
                                            "2609.90147", "2609.90152", "2609.90154", "2609.90155",
                                            "2609.90165", "2609.90171", "2609.90244", "2609.90245",
                                            "2609.90271", "2609.90277", "2609.90306", "2609.90325",
                                            "2609.90330", "2609.90398", "2609.90449"};
  return ids;
}

TEST_F(Sample, PapersOnATopicRankAboveTheOthers) {
  size_t found = 0;
  size_t others_selected = 0;
  size_t others_low = 0;
  for (const auto& paper : papers_) {
    const std::string id = paper["id"];
    const LexicalScore score = Score(paper);
    if (OnTopic().contains(id)) {
      ++found;
      EXPECT_GE(score.relevance, 9u) << id << " " << score.comment;
      continue;
    }
    EXPECT_LE(score.relevance, 8u) << id << " " << score.comment;
    others_selected += score.relevance == 8;
    others_low += score.relevance <= 4;
  }
  EXPECT_EQ(found, OnTopic().size());
  EXPECT_LE(others_selected, 2u);  // some of the sample only share a topic's words, on purpose
  EXPECT_GE(others_low, (papers_.size() - found) * 9 / 10);
}

TEST_F(Sample, PassesTheDefaultCutoffs) {
  EXPECT_GE(kLexicalNovelty, profile_.novelty_cutoff());
  for (const auto& paper : papers_) {
    if (OnTopic().contains(paper["id"])) {
      EXPECT_GE(Score(paper).relevance, profile_.relevance_cutoff());
    }
  }
}

TEST_F(Sample, EveryTopicOfTheProfileCanBeReached) {
  for (const std::string& topic : profile_.topics()) {
    EXPECT_EQ(Relevance({topic}, MakePaper(topic, topic + ". " + topic + "; " + topic)), 10u)
        << topic;
  }
}

TEST_F(Sample, HasEveryKeyAndTheOddCases) {
  std::set<std::string> ids;
  std::map<std::string, int> types;
  size_t most_authors = 0;
  size_t longest = 0;
  int empty = 0;
  int withdrawn = 0;
  for (const auto& paper : papers_) {
    for (const char* key : {"id", "version", "title", "abstract", "authors", "categories",
                            "primary_category", "announce_type", "published", "updated"}) {
      ASSERT_TRUE(paper.contains(key)) << key << " of " << paper["id"];
    }
    const std::string id = paper["id"];
    const std::string abstract = paper["abstract"];
    const std::string type = paper["announce_type"];
    EXPECT_EQ(ParseArxivId(id).id, id);
    EXPECT_TRUE(ids.insert(id).second) << id << " twice";
    EXPECT_EQ(paper["categories"][0], paper["primary_category"]);
    EXPECT_EQ(paper["version"] > 1, type.starts_with("replace")) << id;
    ++types[type];
    most_authors = std::max(most_authors, paper["authors"].size());
    longest = std::max(longest, abstract.size());
    empty += abstract.empty();
    withdrawn += abstract.starts_with("This paper has been withdrawn");
  }
  EXPECT_EQ(types.size(), 4u);
  EXPECT_GT(most_authors, 300u);
  EXPECT_GT(longest, 4000u);
  EXPECT_EQ(empty, 1);
  EXPECT_EQ(withdrawn, 1);
}

}  // namespace
}  // namespace paperboy
