#include "aggregator/trouble.h"

#include <utility>

#include "spdlog/spdlog.h"

namespace paperboy {

void Trouble::Note(std::string why, MonotonicTime now, const std::string& detail) {
  const bool begins = why_.empty();
  why_ = std::move(why);
  if ((!begins || why_ == last_said_) && now - said_at_ < kRemind) return;
  spdlog::error("{}{}{}", said_ ? "still: " : "", why_, detail.empty() ? "" : " (" + detail + ")");
  said_ = true;
  last_said_ = why_;
  said_at_ = now;
}

void Trouble::Over() {
  why_.clear();
  if (std::exchange(said_, false)) spdlog::info("the trouble is over: {}", over_);
}

}  // namespace paperboy
