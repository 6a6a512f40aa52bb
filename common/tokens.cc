#include "common/tokens.h"

namespace paperboy {
namespace {

// A reference day's comments reach 260 characters, some 65 tokens, and have 190 on
// the average; id, names and numbers take 40.
constexpr int kMostPerScore = 160;
constexpr int kLikelyPerScore = 88;
// An id takes 10; every other paper is dropped by its title.
constexpr int kMostPerTitle = 16;
constexpr int kLikelyPerTitle = 5;
constexpr int kTokensAround = 64;
constexpr int kLikelyAround = 8;

// <paper>, </paper>, the names of the fields and line breaks.
constexpr size_t kFrameOfTitle = 36;
constexpr size_t kFrameOfAbstract = 57;

}  // namespace

int64_t UpperPromptTokens(size_t bytes) { return static_cast<int64_t>(bytes / 3); }

int MaxAnswerTokens(wire::Stage stage, size_t papers) {
  const int each = stage == wire::STAGE_TITLE ? kMostPerTitle : kMostPerScore;
  return kTokensAround + each * static_cast<int>(papers);
}

int LikelyAnswerTokens(wire::Stage stage, size_t papers) {
  const int each = stage == wire::STAGE_TITLE ? kLikelyPerTitle : kLikelyPerScore;
  return kLikelyAround + each * static_cast<int>(papers);
}

size_t PaperChars(wire::Stage stage, const wire::BatchPaper& paper) {
  const size_t head = paper.id().size() + paper.title().size();
  if (stage == wire::STAGE_TITLE) return kFrameOfTitle + head;
  size_t authors = 0;
  for (const auto& name : paper.authors()) authors += name.size() + 2;
  return kFrameOfAbstract + head + authors + paper.abstract().size();
}

}  // namespace paperboy
