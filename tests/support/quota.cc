#include "tests/support/quota.h"

#include <algorithm>

namespace paperboy {

Quota::Seconds Quota::Take(double tokens, Time now) {
  while (!window_.empty() && Seconds(now - window_.front().at) >= limits_.window) {
    window_token_sum_ -= window_.front().tokens;
    window_.pop_front();
  }
  const Seconds wait =
      limits_.mode == Mode::kBucket ? TakeFromBuckets(tokens, now) : TakeFromWindow(tokens, now);
  if (wait > Seconds::zero()) return std::min(wait, limits_.window);
  window_.push_back({now, tokens});
  window_token_sum_ += tokens;
  max_window_requests_ = std::max<uint64_t>(max_window_requests_, window_.size());
  max_window_tokens_ = std::max(max_window_tokens_, window_token_sum_);
  return Seconds::zero();
}

Quota::Seconds Quota::TakeFromBuckets(double tokens, Time now) {
  const double requests_cap = window_requests(), tokens_cap = window_tokens();
  if (!started_) {
    started_ = true;
    request_bucket_ = requests_cap;
    token_bucket_ = tokens_cap;
  } else {
    const double windows = Seconds(now - refilled_) / limits_.window;
    request_bucket_ = std::min(requests_cap, request_bucket_ + windows * requests_cap);
    token_bucket_ = std::min(tokens_cap, token_bucket_ + windows * tokens_cap);
  }
  refilled_ = now;
  Seconds wait{0};
  if (requests_cap > 0 && request_bucket_ < 1) {
    wait = limits_.window * ((1 - request_bucket_) / requests_cap);
  }
  if (tokens_cap > 0 && token_bucket_ < tokens) {
    wait = std::max(wait, limits_.window * ((tokens - token_bucket_) / tokens_cap));
  }
  if (wait > Seconds::zero()) return wait;
  if (requests_cap > 0) request_bucket_ -= 1;
  if (tokens_cap > 0) token_bucket_ -= tokens;
  return wait;
}

Quota::Seconds Quota::TakeFromWindow(double tokens, Time now) const {
  const double requests_cap = window_requests(), tokens_cap = window_tokens();
  double requests = static_cast<double>(window_.size()) + 1;
  double token_sum = window_token_sum_ + tokens;
  const auto fits = [&] {
    return (requests_cap <= 0 || requests <= requests_cap) &&
           (tokens_cap <= 0 || token_sum <= tokens_cap);
  };
  if (fits()) return Seconds::zero();
  for (const Admitted& oldest : window_) {
    requests -= 1;
    token_sum -= oldest.tokens;
    if (fits()) return limits_.window - Seconds(now - oldest.at);
  }
  return limits_.window;
}

double Quota::remaining_requests() const {
  if (limits_.requests_per_minute <= 0) return 0;
  if (limits_.mode == Mode::kBucket) return request_bucket_;
  return window_requests() - static_cast<double>(window_.size());
}

double Quota::remaining_tokens() const {
  if (limits_.tokens_per_minute <= 0) return 0;
  if (limits_.mode == Mode::kBucket) return token_bucket_;
  return window_tokens() - window_token_sum_;
}

}  // namespace paperboy
