#include "fetcher/seen_hint.h"

#include <memory>
#include <optional>
#include <utility>

#include "common/redis_keys.h"

namespace paperboy {
namespace {

constexpr Milliseconds kDeadline{1'000};

}  // namespace

std::vector<bool> SeenHint::Seen(const std::string& ledger, const std::string& profile,
                                 const std::vector<std::string>& ids) {
  std::vector<bool> seen(ids.size(), false);
  if (!std::exchange(given_time_, true)) {
    pump_.Finish([this] { return redis_.ready(); }, kDeadline);
  }
  if (ids.empty() || !redis_.ready()) return seen;
  std::vector<std::string> command = {"SMISMEMBER", redis_keys::Seen(ledger, profile)};
  command.insert(command.end(), ids.begin(), ids.end());
  const auto reply = std::make_shared<std::optional<Result<RedisReply>>>();
  redis_.Command(std::move(command), kDeadline,
                 [reply](Result<RedisReply> got) { reply->emplace(std::move(got)); });
  pump_.Finish([&] { return reply->has_value(); }, kDeadline);
  if (!reply->has_value() || !**reply || (**reply)->array.size() != ids.size()) return seen;
  for (size_t i = 0; i < ids.size(); ++i) seen[i] = (**reply)->array[i].integer == 1;
  return seen;
}

}  // namespace paperboy
