#include "fetcher/semantic_scholar.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/redis_keys.h"
#include "common/text.h"

namespace paperboy {
namespace {

using std::chrono::seconds;

constexpr Milliseconds kRedisDeadline{1'000};
constexpr int kShareOfTimeLeft = 4;
constexpr int kLessAfterOutage = 10;
constexpr size_t kWarningsLogged = 3;
// So it answers when it knows none of the papers.
constexpr char kNoneKnown[] = "No valid paper ids given";

bool AsksToWait(const HttpResponse& response) {
  return response.status == 429 || response.status == 503;
}

Manners ScholarManners(const SemanticScholar::Config& config) {
  Manners manners;
  manners.who = "Semantic Scholar";
  manners.lock = redis_keys::ScholarLock();
  manners.end = redis_keys::ScholarEnd();
  manners.owner = config.owner;
  manners.interval = config.interval;
  manners.scale = config.interval.count();
  manners.request_timeout = seconds(30);
  // A request too many is answered with 429, and does no harm.
  manners.hold_off = seconds(1);
  manners.first_back_off = seconds(1);
  manners.max_back_off = seconds(60);
  manners.asks_to_wait = AsksToWait;
  return manners;
}

std::string BodyFor(const std::vector<std::string>& papers) {
  auto ids = nlohmann::json::array();
  for (const std::string& id : papers) ids.push_back("ARXIV:" + id);
  return nlohmann::json{{"ids", std::move(ids)}}.dump();
}

}  // namespace

SemanticScholar::SemanticScholar(Pump& pump, Redis& redis, HttpClient& http, Progress& progress,
                                 PoliteClient::Clock clock, Config config)
    : pump_(pump),
      redis_(redis),
      progress_(progress),
      config_(std::move(config)),
      client_(pump, redis, http, progress, std::move(clock), ScholarManners(config_)) {}

MonotonicTime SemanticScholar::EndFor(const std::string& date, MonotonicTime deadline) const {
  const MonotonicTime now = pump_.now();
  const auto spent = spent_.find(date);
  const auto most = std::min<MonotonicTime::duration>(
      config_.patience / (out_ ? kLessAfterOutage : 1), (deadline - now) / kShareOfTimeLeft);
  return now + most - (spent == spent_.end() ? MonotonicTime::duration{} : spent->second);
}

std::vector<wire::PaperAuthors> SemanticScholar::LookUp(const std::string& date,
                                                        const std::vector<std::string>& papers,
                                                        MonotonicTime deadline) {
  std::vector<wire::PaperAuthors> found;
  std::vector<std::string> missing = papers;
  TakeCached(&missing, &found);
  const size_t cached = papers.size() - missing.size();
  const MonotonicTime begin = pump_.now();
  const MonotonicTime end = EndFor(date, deadline);
  size_t failed = 0;
  std::string why;
  for (size_t i = 0; i < missing.size() && !pump_.stopped(); i += kMaxScholarIds) {
    const auto first = missing.begin() + static_cast<ptrdiff_t>(i);
    const size_t size = std::min(kMaxScholarIds, missing.size() - i);
    const std::vector<std::string> ids(first, first + static_cast<ptrdiff_t>(size));
    // One batch that it fails on does not use up the time of the others.
    const auto batches = static_cast<int>((missing.size() - i - 1) / kMaxScholarIds + 1);
    const MonotonicTime now = pump_.now();
    Result<ScholarBatch> batch = Ask(ids, now + (end - now) / batches);
    if (!batch) {
      failed += size;
      why = batch.error().message;
      continue;
    }
    Keep(*batch);
    std::move(batch->known.begin(), batch->known.end(), std::back_inserter(found));
  }
  progress_.Waiting("");
  spent_[date] += pump_.now() - begin;
  spdlog::info("Semantic Scholar: the authors of {} of {} are known; {} looked up before",
               found.size(), Counted(papers.size(), "paper"), cached);
  if (failed > 0 && !pump_.stopped()) {
    spdlog::warn(
        "Semantic Scholar: the authors of {} could not be looked up: {}; the papers pass, and "
        "their page says so",
        Counted(failed, "paper"), why);
  }
  return found;
}

Result<ScholarBatch> SemanticScholar::Ask(const std::vector<std::string>& papers,
                                          MonotonicTime deadline) {
  if (refused_) return Invalid("it has refused before, and is not asked again in this run");
  if (pump_.now() >= deadline) return Unavailable("the time that the date has for it is used up");
  HttpRequest request;
  request.method = "POST";
  request.url = config_.url + "/graph/v1/paper/batch?fields=" + kScholarFields;
  request.body = BodyFor(papers);
  request.headers = {{"User-Agent", "paperboy/" PAPERBOY_VERSION},
                     {"Accept", "application/json"},
                     {"Content-Type", "application/json"}};
  if (!config_.key.empty()) request.headers.emplace_back("x-api-key", config_.key);
  std::optional<ScholarBatch> batch;
  const Status asked = client_.Ask(request, deadline, [&](const HttpResponse& response) -> Status {
    const int status = response.status;
    if (status == 400 && response.body.find(kNoneKnown) != std::string::npos) {
      batch = ScholarBatch{{}, papers, {}};
      return Ok();
    }
    if (status != 200) {
      const std::string said =
          "HTTP " + std::to_string(status) + ": " + ScholarErrorText(response.body);
      refused_ = status == 401 || status == 403 || status == 404;
      if (status == 404) return Invalid(said + "; is --s2-url right?");
      return Invalid(said +
                     (refused_ ? "; is the key in S2_API_KEY or --s2-api-key-file right?" : ""));
    }
    Result<ScholarBatch> parsed = ParseScholarBatch(response.body, papers);
    if (!parsed) return parsed.error();
    batch = std::move(*parsed);
    return Ok();
  });
  out_ = !asked && asked.error().kind == ErrorKind::kUnavailable;
  if (!asked) return asked.error();
  for (size_t i = 0; i < std::min(kWarningsLogged, batch->warnings.size()); ++i) {
    spdlog::warn("Semantic Scholar: {}; taken as not known ({} such)", batch->warnings[i],
                 batch->warnings.size());
  }
  return std::move(*batch);
}

void SemanticScholar::TakeCached(std::vector<std::string>* papers,
                                 std::vector<wire::PaperAuthors>* found) {
  std::vector<std::string> missing;
  for (size_t i = 0; i < papers->size(); i += kMaxScholarIds) {
    const size_t end = std::min(papers->size(), i + kMaxScholarIds);
    std::vector<std::string> command = {"MGET"};
    for (size_t k = i; k < end; ++k) command.push_back(redis_keys::Authors((*papers)[k]));
    const auto reply = std::make_shared<std::optional<Result<RedisReply>>>();
    if (redis_.ready()) {
      redis_.Command(std::move(command), kRedisDeadline,
                     [reply](Result<RedisReply> got) { reply->emplace(std::move(got)); });
      pump_.Finish([&] { return reply->has_value(); }, kRedisDeadline);
    }
    const bool answered = reply->has_value() && **reply && (**reply)->array.size() == end - i;
    for (size_t k = i; k < end; ++k) {
      const RedisReply none;
      const RedisReply& kept = answered ? (**reply)->array[k - i] : none;
      wire::PaperAuthors authors;
      const bool is_there = kept.kind == RedisReply::Kind::kString &&
                            authors.ParseFromString(kept.string) &&
                            (kept.string.empty() || authors.id() == (*papers)[k]);
      if (!is_there) {
        missing.push_back((*papers)[k]);
      } else if (!kept.string.empty()) {
        found->push_back(std::move(authors));
      }
    }
  }
  *papers = std::move(missing);
}

void SemanticScholar::Keep(const ScholarBatch& batch) {
  const auto keep = [&](const std::string& id, const std::string& value, Milliseconds time) {
    redis_.Command({"SET", redis_keys::Authors(id), value, "PX", std::to_string(time.count())},
                   kRedisDeadline, [](const Result<RedisReply>&) {});
  };
  for (const wire::PaperAuthors& authors : batch.known) {
    keep(authors.id(), authors.SerializeAsString(), redis_keys::kAuthorsTtl);
  }
  for (const std::string& id : batch.unknown) keep(id, "", redis_keys::kUnknownAuthorsTtl);
}

}  // namespace paperboy
