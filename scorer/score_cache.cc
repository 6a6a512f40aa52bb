#include "scorer/score_cache.h"

#include <utility>

#include "common/log.h"
#include "common/redis_keys.h"
#include "common/text.h"

namespace paperboy {
namespace {

using wire::PaperResult;

constexpr Milliseconds kDeadline{2'000};

bool AnswersStage(PaperResult::Kind kind, wire::Stage stage) {
  if (stage == wire::STAGE_TITLE) return kind == PaperResult::KEEP || kind == PaperResult::DROP;
  return kind == PaperResult::SCORE;
}

std::optional<wire::CachedScore> Read(const RedisReply& reply, const std::string& key,
                                      wire::Stage stage) {
  wire::CachedScore cached;
  if (reply.kind != RedisReply::Kind::kString || !cached.ParseFromString(reply.string) ||
      cached.paper().key() != key || !AnswersStage(cached.paper().kind(), stage)) {
    return std::nullopt;
  }
  return cached;
}

}  // namespace

void ScoreCache::Find(const wire::Batch& batch, std::function<void(Result<Found>)> done) {
  std::vector<std::string> command = {"MGET"};
  std::vector<std::string> keys;
  for (const wire::BatchPaper& paper : batch.papers()) {
    keys.push_back(paper.key());
    command.push_back(redis_keys::Score(HexOf(paper.key())));
  }
  redis_.Command(std::move(command), kDeadline,
                 [keys = std::move(keys), stage = batch.stage(),
                  done = std::move(done)](const Result<RedisReply>& reply) {
                   if (!reply) return done(reply.error());
                   Found found;
                   for (size_t i = 0; i < keys.size(); ++i) {
                     found.push_back(i < reply->array.size() ? Read(reply->array[i], keys[i], stage)
                                                             : std::nullopt);
                   }
                   done(std::move(found));
                 });
}

void ScoreCache::Store(const PaperResult& result, const wire::Call& call) {
  if (!AnswersStage(result.kind(), wire::STAGE_ABSTRACT) &&
      !AnswersStage(result.kind(), wire::STAGE_TITLE)) {
    return;
  }
  wire::CachedScore cached;
  *cached.mutable_paper() = result;
  *cached.mutable_call() = call;
  const auto seconds = std::chrono::seconds(redis_keys::kScoreTtl).count();
  redis_.Command({"SET", redis_keys::Score(HexOf(result.key())), cached.SerializeAsString(), "EX",
                  std::to_string(seconds)},
                 kDeadline, [this](const Result<RedisReply>& reply) {
                   if (!reply && !failing_) {
                     spdlog::warn("scores are not kept in Redis, only sent to the aggregator: {}",
                                  reply.error().message);
                   }
                   failing_ = !reply.ok();
                 });
}

}  // namespace paperboy
