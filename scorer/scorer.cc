#include "scorer/scorer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/log.h"
#include "common/text.h"
#include "common/wire.h"
#include "scorer/answer.h"
#include "scorer/rows.h"

namespace paperboy {
namespace {

using wire::ProviderFailure;

// Redis is asked again for a batch's cached scores after this long.
constexpr Milliseconds kLookUpAgain{500};
constexpr char kLeasesMayBeLost[] = "the lease may be lost after a silence";

size_t CharsOf(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string HexOfNumber(uint64_t number) {
  char text[17];
  snprintf(text, sizeof text, "%016lx", number);
  return text;
}

}  // namespace

Scorer::Scorer(World world, ScorerSettings settings, uint64_t boot)
    : world_(std::move(world)),
      settings_(std::move(settings)),
      boot_(boot),
      quota_key_(settings_.lexical ? "" : QuotaKey(settings_.server, settings_.model)) {
  if (!settings_.lexical) cache_.emplace(*world_.redis);
}

Scorer::~Scorer() { world_.loop.Cancel(tick_timer_); }

void Scorer::Start() {
  world_.link.Start({.ready = [this] { return Ready(); },
                     .on_batch = [this](wire::Batch batch) { OnBatch(std::move(batch)); },
                     .on_all_acknowledged = [this] { StopWhenDone(); }});
  last_tick_ = world_.loop.now();
  tick_timer_ = world_.loop.Every(kBeat, [this] { Tick(); });
}

wire::Ready Scorer::Ready() const {
  wire::Ready ready;
  ready.set_pod(settings_.pod);
  ready.set_boot(boot_);
  ready.set_backend(settings_.lexical ? "lexical" : "openai");
  ready.set_model(settings_.model);
  ready.set_temperature(settings_.server.temperature);
  ready.set_quota_key(quota_key_);
  ready.set_rpm(static_cast<uint32_t>(settings_.limits.rpm));
  ready.set_tpm(static_cast<uint32_t>(settings_.limits.tpm));
  ready.set_free_calls(FreeCalls());
  ready.set_leaving(leaving_);
  for (const auto& [lease, job] : jobs_) ready.add_holding(lease);
  return ready;
}

uint32_t Scorer::FreeCalls() const {
  // Unacknowledged results take no slot, so that the model is kept busy while
  // the aggregator commits; twice as many as slots is the limit.
  if (leaving_ || jobs_.size() >= settings_.concurrency ||
      world_.link.unacknowledged() >= 2 * settings_.concurrency) {
    return 0;
  }
  const auto free = static_cast<uint32_t>(settings_.concurrency - jobs_.size());
  if (settings_.lexical) return free;
  if (!RedisTrouble().empty()) return 0;
  for (const auto& [name, model] : models_) {
    if (model->limiter->beyond_horizon()) return 0;
  }
  if (!any_worked_) return jobs_.empty() ? 1 : 0;
  return free;
}

wire::Result Scorer::EmptyResult(const wire::Batch& batch) const {
  wire::Result result;
  result.set_lease(batch.lease());
  result.set_digest(batch.digest());
  result.set_quota_key(quota_key_);
  return result;
}

void Scorer::OnBatch(wire::Batch batch) {
  const uint64_t lease = batch.lease();
  if (jobs_.contains(lease)) return;
  if (leaving_) return Refuse(batch, ProviderFailure::AGAIN, "the scorer is leaving");
  if (batch.backend() == "lexical") return ScoreByWords(batch);
  if (settings_.lexical || batch.backend() != "openai") {
    return Refuse(batch, ProviderFailure::HARD,
                  "this scorer does not have the backend " + batch.backend());
  }
  if (jobs_.size() >= settings_.concurrency) {
    return Refuse(batch, ProviderFailure::AGAIN, "the scorer has no free call");
  }
  Job& job = jobs_[lease];
  job.result = EmptyResult(batch);
  job.batch = std::move(batch);
  LookUp(lease);
}

void Scorer::Refuse(const wire::Batch& batch, ProviderFailure::Kind kind,
                    const std::string& message) {
  wire::Result result = EmptyResult(batch);
  result.mutable_failure()->set_kind(kind);
  result.mutable_failure()->set_message(message);
  world_.link.Deliver(result);
}

void Scorer::ScoreByWords(const wire::Batch& batch) {
  wire::Result result = EmptyResult(batch);
  for (wire::PaperResult& row : RowsByWords(batch)) *result.add_papers() = std::move(row);
  world_.metrics.OnPapers(static_cast<size_t>(result.papers_size()));
  world_.link.Deliver(result);
}

// ---- before the call --------------------------------------------------------

void Scorer::LookUp(uint64_t lease) {
  const auto found = jobs_.find(lease);
  if (found == jobs_.end()) return;
  cache_->Find(found->second.batch, [this, lease](const Result<ScoreCache::Found>& cached) {
    OnLookedUp(lease, cached);
  });
}

void Scorer::OnLookedUp(uint64_t lease, const Result<ScoreCache::Found>& found) {
  const auto place = jobs_.find(lease);
  if (place == jobs_.end()) return;
  if (!found) {
    // Calling without having looked could pay twice for the same paper.
    world_.loop.After(kLookUpAgain, [this, lease] { LookUp(lease); });
    return;
  }
  Job& job = place->second;
  std::set<std::string> calls;
  for (int i = 0; i < job.batch.papers_size(); ++i) {
    const auto& cached = (*found)[static_cast<size_t>(i)];
    if (!cached) {
      job.asked.push_back(job.batch.papers(i));
      continue;
    }
    *job.result.add_papers() = cached->paper();
    if (calls.insert(cached->call().id()).second) *job.result.add_calls() = cached->call();
  }
  world_.metrics.OnCacheHits(static_cast<size_t>(job.result.papers_size()));
  if (job.asked.empty()) return Finish(lease);
  Prepare(&job);
}

void Scorer::Prepare(Job* job) {
  Result<std::string> prompt = RenderPrompt(job->batch.prompt(), job->batch.stage(), job->asked);
  if (!prompt) {
    return GiveBack(job->batch.lease(), ProviderFailure::HARD, prompt.error().message);
  }
  job->model = &ModelNamed(job->batch.model());
  job->call = {.model = job->batch.model(),
               .stage = job->batch.stage(),
               .prompt = *std::move(prompt),
               .papers = job->asked.size()};
  job->model->waiting.push_back(job->batch.lease());
  Admit(job->model);
}

Scorer::Model& Scorer::ModelNamed(const std::string& name) {
  std::unique_ptr<Model>& model = models_[name];
  if (!model) {
    model = std::make_unique<Model>(Model{
        .name = name,
        .tokens = TokenEstimate(settings_.charge),
        .limiter =
            std::make_unique<Limiter>(world_.loop, *world_.redis, QuotaKey(settings_.server, name),
                                      settings_.limits, boot_ + models_.size())});
  }
  return *model;
}

void Scorer::Admit(Model* model) {
  while (!model->waiting.empty() && (model->worked || model->admitted == 0)) {
    const uint64_t lease = model->waiting.front();
    model->waiting.pop_front();
    AskLimiter(&jobs_.at(lease));
  }
}

void Scorer::AskLimiter(Job* job) {
  Model& model = *job->model;
  ++model.admitted;
  job->dialect = model.dialect;
  job->since = world_.loop.now();
  const int64_t tokens = model.tokens.Of(CharsOf(job->call.prompt), job->call.papers,
                                         MaxTokensSent(job->dialect, job->call));
  job->ticket = model.limiter->Acquire(tokens, [this, lease = job->batch.lease()] { Send(lease); });
}

// ---- the call ---------------------------------------------------------------

void Scorer::Send(uint64_t lease) {
  if (LeasesMayBeLost()) return GiveBackUnsent(kLeasesMayBeLost);
  Job& job = jobs_.at(lease);
  const MonotonicTime now = world_.loop.now();
  world_.metrics.OnLimiterWait(now - job.since);
  job.ticket = 0;
  job.in_flight = true;
  job.since = now;
  world_.metrics.SetInFlight(++in_flight_);
  world_.http.Start(
      BuildChatRequest(settings_.server, job.dialect, job.call),
      [this, lease](const Result<HttpResponse>& response) { OnResponse(lease, response); });
}

void Scorer::OnResponse(uint64_t lease, const Result<HttpResponse>& response) {
  Job& job = jobs_.at(lease);
  Model& model = *job.model;
  world_.metrics.SetInFlight(--in_flight_);
  ChatOutcome outcome = InterpretChat(settings_.server, job.dialect, model.name, model.worked,
                                      world_.wall_clock(), response);
  wire::Call& call = outcome.call;
  call.set_id(HexOfNumber(boot_) + "-" + std::to_string(next_call_++));
  call.set_latency_ms(static_cast<uint64_t>(
      std::chrono::duration_cast<Milliseconds>(world_.loop.now() - job.since).count()));
  world_.metrics.OnCall(call);
  Learn(job, outcome);
  Book(&job, outcome, call);
  const bool hopeless = outcome.failure.kind() == ProviderFailure::HARD && !model.worked;
  const std::deque<uint64_t> others = hopeless ? model.waiting : std::deque<uint64_t>();
  Finish(lease);
  for (const uint64_t other : others) {
    GiveBack(other, ProviderFailure::HARD, outcome.failure.message());
  }
  Admit(&model);
}

// What the response says about model and server, beyond its papers.
void Scorer::Learn(const Job& job, const ChatOutcome& outcome) {
  Model& model = *job.model;
  if (outcome.kind == ChatOutcome::Kind::kAnswered) model.worked = any_worked_ = true;
  if (model.dialect.json_schema && !outcome.dialect.json_schema) {
    spdlog::warn("{} takes no JSON schema; asking for plain text", model.name);
  }
  model.dialect.json_schema &= outcome.dialect.json_schema;
  model.dialect.max_completion_tokens |= outcome.dialect.max_completion_tokens;
  model.limiter->FollowDown(outcome.limits.requests, outcome.limits.tokens);
  if (outcome.pause.count() > 0) {
    spdlog::info("{} for {}: everybody pauses for {} ms", outcome.call.outcome(), model.name,
                 std::chrono::duration_cast<Milliseconds>(outcome.pause).count());
    model.limiter->Pause(outcome.pause);
  }
  if (outcome.call.tokens_reported()) {
    model.tokens.Learn(CharsOf(job.call.prompt), job.call.papers, outcome.call.prompt_tokens(),
                       outcome.call.completion_tokens());
  }
}

void Scorer::Book(Job* job, const ChatOutcome& outcome, const wire::Call& call) {
  *job->result.add_calls() = call;
  if (outcome.kind == ChatOutcome::Kind::kFailed) {
    *job->result.mutable_failure() = outcome.failure;
    spdlog::debug("call {} failed: {}", call.id(), outcome.failure.message());
  }
  for (const wire::PaperResult& row : RowsOf(outcome, job->batch.stage(), job->asked, call.id())) {
    cache_->Store(row, call);
    *job->result.add_papers() = row;
  }
}

// ---- after it ---------------------------------------------------------------

// Returns a batch that is not in flight; what the cache answered goes along.
void Scorer::GiveBack(uint64_t lease, ProviderFailure::Kind kind, const std::string& message) {
  Job& job = jobs_.at(lease);
  if (job.model != nullptr) std::erase(job.model->waiting, lease);
  job.result.mutable_failure()->set_kind(kind);
  job.result.mutable_failure()->set_message(message);
  Finish(lease);
}

void Scorer::GiveBackUnsent(const std::string& why) {
  std::vector<uint64_t> unsent;
  for (const auto& [lease, job] : jobs_) {
    if (!job.in_flight) unsent.push_back(lease);
  }
  for (const uint64_t lease : unsent) GiveBack(lease, ProviderFailure::AGAIN, why);
}

bool Scorer::LeasesMayBeLost() const {
  return world_.link.silence() > kLeaseTrust || world_.loop.now() - last_tick_ > kLeaseTrust;
}

void Scorer::Finish(uint64_t lease) {
  const auto place = jobs_.find(lease);
  Job& job = place->second;
  const bool admitted = job.ticket != 0 || job.in_flight;
  if (job.ticket != 0) job.model->limiter->Cancel(job.ticket);
  if (admitted) --job.model->admitted;
  world_.metrics.OnPapers(static_cast<size_t>(
      std::count_if(job.result.papers().begin(), job.result.papers().end(), [](const auto& row) {
        return row.kind() != wire::PaperResult::MISSING && row.kind() != wire::PaperResult::REFUSED;
      })));
  const wire::Result result = std::move(job.result);
  jobs_.erase(place);
  world_.link.Deliver(result);
}

void Scorer::Leave() {
  leaving_ = true;
  world_.link.ReadyChanged();
  spdlog::info("stopping: {} batches go back, {} calls are in flight, {} results to deliver",
               jobs_.size() - in_flight_, in_flight_, world_.link.unacknowledged());
  GiveBackUnsent("the scorer is leaving");
  world_.loop.After(settings_.server.timeout + kFlushTime, [this] {
    spdlog::warn("stopping with {} calls in flight and {} results not acknowledged", in_flight_,
                 world_.link.unacknowledged());
    world_.loop.Stop();
  });
  StopWhenDone();
}

void Scorer::StopWhenDone() {
  if (!leaving_ || !jobs_.empty() || world_.link.unacknowledged() > 0) return;
  world_.link.ReadyChanged();  // the goodbye: leaving, and holding nothing
  world_.loop.Stop();
}

// ---- for people -------------------------------------------------------------

std::string Scorer::RedisTrouble() const {
  if (settings_.lexical) return "";
  if (!world_.redis->ready()) return "Redis: " + world_.redis->trouble();
  for (const auto& [name, model] : models_) {
    if (!model->limiter->trouble().empty()) return model->limiter->trouble();
  }
  return "";
}

std::string Scorer::trouble() const {
  const std::string redis = RedisTrouble();
  const std::string aggregator = world_.link.trouble();
  return redis + (redis.empty() || aggregator.empty() ? "" : "; ") + aggregator;
}

void Scorer::Tick() {
  if (LeasesMayBeLost()) GiveBackUnsent(kLeasesMayBeLost);
  last_tick_ = world_.loop.now();
  const std::string trouble = RedisTrouble();
  if (trouble.empty() == !said_redis_trouble_) return;
  said_redis_trouble_ = !trouble.empty();
  if (said_redis_trouble_) {
    spdlog::warn("{}; no new calls until that is over, those in flight finish", trouble);
  } else {
    spdlog::info("Redis is there again");
    world_.link.ReadyChanged();
  }
}

}  // namespace paperboy
