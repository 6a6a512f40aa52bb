#include <nlohmann/json.hpp>

#include "common/text.h"
#include "scorer/answer.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

const std::vector<std::string> kAsked = {"2609.00001", "2609.00002v2", "hep-th/9901001"};

void CheckResult(const wire::PaperResult& result) {
  CheckLines(result);
  if (result.kind() == wire::PaperResult::MISSING) return FUZZ_CHECK(!result.why().empty());
  if (result.kind() != wire::PaperResult::SCORE) return;
  for (const uint32_t score : {result.relevance(), result.novelty()}) {
    FUZZ_CHECK(score >= 1 && score <= 10);
  }
  FUZZ_CHECK(CutChars(result.comment(), kMaxCommentChars) == result.comment());
}

// The scores as the schema asks for them.
std::string AnswerOf(const std::vector<wire::PaperResult>& results) {
  nlohmann::json papers = nlohmann::json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].kind() != wire::PaperResult::SCORE) continue;
    papers.push_back({{"ARXIVID", kAsked[i]},
                      {"COMMENT", results[i].comment()},
                      {"RELEVANCE", results[i].relevance()},
                      {"NOVELTY", results[i].novelty()}});
  }
  return nlohmann::json{{"papers", papers}}.dump();
}

}  // namespace

// What a model says, in either stage.
FUZZ_TARGET(llm_text, bytes) {
  const auto scores = ParseScores(bytes, kAsked);
  FUZZ_CHECK(scores.size() == kAsked.size());
  for (const auto& score : scores) CheckResult(score);
  const auto again = ParseScores(AnswerOf(scores), kAsked);
  for (size_t i = 0; i < scores.size(); ++i) {
    FUZZ_CHECK(again[i].kind() == scores[i].kind() &&
               again[i].relevance() == scores[i].relevance() &&
               again[i].novelty() == scores[i].novelty());
  }
  const auto drops = ParseDrops(bytes, kAsked);
  FUZZ_CHECK(drops.size() == kAsked.size());
  for (const auto& drop : drops) {
    CheckResult(drop);
    FUZZ_CHECK(drop.kind() != wire::PaperResult::SCORE);
  }
}

}  // namespace paperboy::fuzz
