// How many tokens a call will be charged against the provider's quota, before
// it is made. Learns from what calls report. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace paperboy {

// What a provider counts against a quota of tokens per minute.
enum class TokenCharge {
  kMaximum,  // the prompt and all that the answer may take, when the call arrives (OpenAI, Azure)
  kUsed,     // what the call used in the end
};

class TokenEstimate {
 public:
  explicit TokenEstimate(TokenCharge charge) : charge_(charge) {}

  // `max_tokens` is what the request allows the answer. Before anything was
  // learnt: a token for every four characters, as providers estimate too, and
  // the whole of `max_tokens`.
  int64_t Of(size_t prompt_chars, size_t papers, int64_t max_tokens) const;

  // A call's tokens as reported. Means count, with the newest call for a tenth:
  // over a window they add up to what is really charged.
  void Learn(size_t prompt_chars, size_t papers, uint64_t prompt_tokens,
             uint64_t completion_tokens);

 private:
  TokenCharge charge_;
  bool learnt_ = false;
  double per_char_ = 0;
  double per_paper_ = 0;
};

}  // namespace paperboy
