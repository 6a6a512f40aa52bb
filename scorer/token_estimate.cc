#include "scorer/token_estimate.h"

#include <algorithm>
#include <cmath>

#include "common/tokens.h"

namespace paperboy {
namespace {

constexpr double kNewest = 0.1;
// For what the means miss within one window.
constexpr double kMargin = 1.01;

}  // namespace

int64_t TokenEstimate::Of(size_t prompt_chars, size_t papers, int64_t max_tokens) const {
  const auto chars = static_cast<double>(prompt_chars);
  const auto most = static_cast<double>(max_tokens);
  double tokens = 0;
  if (charge_ == TokenCharge::kUsed && learnt_) {
    tokens =
        kMargin * (chars * per_char_ + std::min(most, static_cast<double>(papers) * per_paper_));
  } else {
    tokens = chars * std::max(kTokensPerChar, per_char_) + most;
  }
  return static_cast<int64_t>(std::ceil(tokens));
}

void TokenEstimate::Learn(size_t prompt_chars, size_t papers, uint64_t prompt_tokens,
                          uint64_t completion_tokens) {
  if (prompt_chars == 0 || papers == 0) return;
  const double per_char = static_cast<double>(prompt_tokens) / static_cast<double>(prompt_chars);
  const double per_paper = static_cast<double>(completion_tokens) / static_cast<double>(papers);
  const double weight = learnt_ ? kNewest : 1;
  per_char_ += weight * (per_char - per_char_);
  per_paper_ += weight * (per_paper - per_paper_);
  learnt_ = true;
}

}  // namespace paperboy
