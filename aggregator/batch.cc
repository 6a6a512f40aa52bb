#include "aggregator/batch.h"

#include <algorithm>
#include <cmath>

#include "common/tokens.h"

namespace paperboy {

size_t BatchLimit(const wire::Profile& profile, size_t left, const Capacity& capacity) {
  const size_t full = std::max<size_t>(profile.batch_size(), 1);
  if (left >= kCandidates || capacity.calls == 0 || capacity.Scarce()) return full;
  const size_t share = (left + capacity.calls - 1) / capacity.calls;
  return std::clamp(share, (full + 1) / 2, full);
}

int64_t PaperTokens(size_t bytes) {
  return std::llround(std::ceil(static_cast<double>(bytes) * kTokensPerChar));
}

std::vector<size_t> BatchesOf(const wire::Profile& profile, const std::vector<int64_t>& tokens,
                              const Capacity& capacity) {
  std::vector<size_t> batches;
  for (size_t i = 0; i < tokens.size();) {
    const size_t begin = i;
    // What was looked up together ends together.
    const size_t page_end = std::min(tokens.size(), (i / kCandidates + 1) * kCandidates);
    const bool last_page = page_end == tokens.size() && page_end % kCandidates != 0;
    const size_t limit = BatchLimit(profile, last_page ? page_end - i : kCandidates, capacity);
    const size_t end = std::min(page_end, i + limit);
    int64_t sum = tokens[i++];
    for (; i < end && Takes(profile, sum, tokens[i]); ++i) sum += tokens[i];
    batches.push_back(i - begin);
  }
  return batches;
}

}  // namespace paperboy
