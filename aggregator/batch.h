// How large the next batch may be.
//
// A batch holds at most batch_size papers and batch_tokens tokens of them. When what
// is left of a digest no longer gives every call that its scorers let fly at once a
// full batch, each gets an even share of it, so that the last calls of the day end
// sooner; but never less than half a batch, because every call pays for the prompt
// anew. Where calls are the scarce thing (a quota that begins fewer than one a second
// for each of them) or another digest waits to fill the free ones, batches stay full.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "proto/paperboy.pb.h"

namespace paperboy {

// How many units of work of a digest are looked up at once. Only the last of them
// tell how much is left.
inline constexpr size_t kCandidates = 512;

// What the scorers that fit a digest can do together.
struct Capacity {
  size_t calls = 0;  // at once; 0: no scorer is there
  int64_t rpm = 0;   // of all their quotas; 0: unlimited
  int64_t tpm = 0;
  bool deferred = false;  // through the provider's batch API: neither counts, half the price
  bool Scarce() const { return rpm > 0 && rpm < 60 * static_cast<int64_t>(calls); }
};

// Papers in the next batch, at most. `left`: papers looked up and not handed out,
// or kCandidates and more.
size_t BatchLimit(const wire::Profile& profile, size_t left, const Capacity& capacity);

// Tokens of a paper with that many bytes in a prompt (PaperChars), by the rule that a
// profile's batch_tokens counts in.
int64_t PaperTokens(size_t bytes);

// Whether a batch with that many tokens takes another paper.
inline bool Takes(const wire::Profile& profile, int64_t batch_tokens, int64_t paper_tokens) {
  return profile.batch_tokens() == 0 || batch_tokens == 0 ||
         batch_tokens + paper_tokens <= profile.batch_tokens();
}

// How many papers of these tokens are in each call, in the order in which they go out.
std::vector<size_t> BatchesOf(const wire::Profile& profile, const std::vector<int64_t>& tokens,
                              const Capacity& capacity);

}  // namespace paperboy
