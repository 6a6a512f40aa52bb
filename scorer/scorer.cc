#include "scorer/scorer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/log.h"
#include "common/text.h"
#include "common/trace.h"
#include "common/wire.h"
#include "scorer/answer.h"
#include "scorer/rows.h"

namespace paperboy {
namespace {

constexpr size_t kChargedOver = 64;  // calls, as the mean latency

using wire::ProviderFailure;

// Redis is asked again for a batch's cached scores after this long.
constexpr Milliseconds kLookUpAgain{500};

size_t CharsOf(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string HexOfNumber(uint64_t number) {
  char text[17];
  snprintf(text, sizeof text, "%016lx", number);
  return text;
}

uint32_t CallsPerMinute(const LimiterSettings& limits, double tokens) {
  auto calls = static_cast<double>(limits.rpm);
  if (limits.tpm > 0 && tokens > 0) {
    const double by_tokens = std::max(1.0, static_cast<double>(limits.tpm) / tokens);
    calls = calls > 0 ? std::min(calls, by_tokens) : by_tokens;
  }
  return static_cast<uint32_t>(calls);
}

}  // namespace

Scorer::Scorer(World world, ScorerSettings settings, uint64_t boot)
    : world_(std::move(world)),
      settings_(std::move(settings)),
      boot_(boot),
      quota_key_(settings_.lexical ? "" : QuotaKey(settings_.server, settings_.model)),
      account_key_(settings_.lexical ? "" : AccountKey(settings_.server)) {
  if (settings_.lexical) return;
  cache_.emplace(*world_.redis);
  deferred_.emplace(Deferred::World{.loop = world_.loop,
                                    .link = world_.link,
                                    .cache = *cache_,
                                    .http = world_.http,
                                    .metrics = world_.metrics,
                                    .wall_clock = world_.wall_clock,
                                    .on_idle = [this] { StopWhenDone(); }},
                    settings_.server, quota_key_, settings_.deferred);
}

Scorer::~Scorer() { world_.loop.Cancel(tick_timer_); }

void Scorer::Start() {
  world_.link.Start({.ready = [this] { return Ready(); },
                     .on_batch = [this](wire::Batch batch) { OnBatch(std::move(batch)); },
                     .on_void = [this](uint64_t lease) { OnVoid(lease); },
                     .on_all_acknowledged = [this] { StopWhenDone(); }});
  tick_timer_ = world_.loop.Every(kBeat, [this] { Tick(); });
}

wire::Ready Scorer::Ready() const {
  wire::Ready ready;
  ready.set_pod(settings_.pod);
  ready.set_boot(boot_);
  ready.set_backend(settings_.lexical ? "lexical" : settings_.server.backend);
  ready.set_model(settings_.model);
  ready.set_temperature(settings_.server.temperature);
  ready.set_quota_key(quota_key_);
  ready.set_free_calls(FreeCalls());
  ready.set_leaving(leaving_);
  size_t concurrency = settings_.lexical ? settings_.concurrency : 1;
  LimiterSettings limits = settings_.limits;
  if (answered_last_ != nullptr) {
    limits = answered_last_->limiter->in_force();
    ready.set_calls_per_minute(CallsPerMinute(limits, answered_last_->charged));
    concurrency = answered_last_->concurrency.limit();
    ready.set_paced_model(answered_last_->name);
    ready.set_latency_ms(static_cast<uint32_t>(answered_last_->concurrency.latency().count()));
  }
  ready.set_rpm(static_cast<uint32_t>(limits.rpm));
  ready.set_tpm(static_cast<uint32_t>(limits.tpm));
  ready.set_concurrency(static_cast<uint32_t>(concurrency));
  ready.set_most_calls(static_cast<uint32_t>(settings_.concurrency));
  for (const auto& [lease, job] : jobs_) ready.add_holding(lease);
  if (!deferred_) return ready;
  ready.set_defers(deferred_->capable());
  ready.set_trouble(RedisTrouble());
  ready.set_deferred_free(ready.trouble().empty() ? deferred_->free() : 0);
  ready.set_deferred_state(deferred_->state());
  ready.set_account_key(account_key_);
  for (const uint64_t lease : deferred_->holding()) ready.add_holding(lease);
  for (const uint64_t lease : deferred_->searching()) ready.add_searching(lease);
  return ready;
}

uint32_t Scorer::FreeCalls() const {
  // Unacknowledged results take no slot, so that the model is kept busy while
  // the aggregator commits; twice as many as slots is the limit.
  if (leaving_ || jobs_.size() >= MostBatches() ||
      world_.link.unacknowledged() >= 2 * settings_.concurrency) {
    return 0;
  }
  const auto free = static_cast<uint32_t>(MostBatches() - jobs_.size());
  if (settings_.lexical) return free;
  if (!RedisTrouble().empty()) return 0;
  for (const auto& [name, model] : models_) {
    if (model->limiter->beyond_horizon()) return 0;
  }
  if (!AnyWorked()) return jobs_.empty() ? 1 : 0;
  return std::min(free, static_cast<uint32_t>(Room()));
}

size_t Scorer::MostBatches() const {
  return settings_.lexical ? settings_.concurrency
                           : Concurrency::MostBatches(settings_.concurrency);
}

bool Scorer::AnyWorked() const {
  return std::any_of(models_.begin(), models_.end(),
                     [](const auto& entry) { return entry.second->worked; });
}

// Calls that could go at once, to the model that has room for most of them.
size_t Scorer::Room() const {
  size_t most = 0;
  size_t undecided = jobs_.size();  // still looked up
  for (const auto& [name, model] : models_) {
    const size_t taken = model->admitted + model->waiting.size();
    const size_t limit = model->concurrency.batches();
    most = std::max(most, limit - std::min(limit, taken));
    undecided -= taken;
  }
  return most - std::min(most, undecided);
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
  // A deferred one is not given back but by an answer of the provider: Ready says that it
  // is not held here.
  if (leaving_ && !batch.custom_id().empty()) return;
  if (leaving_) return Refuse(batch, ProviderFailure::AGAIN, "the scorer is leaving");
  if (batch.backend() == "lexical") return ScoreByWords(batch);
  if (settings_.lexical || batch.backend() != settings_.server.backend) {
    return Refuse(batch, ProviderFailure::HARD,
                  "this scorer does not have the backend " + batch.backend());
  }
  if (!batch.custom_id().empty()) return deferred_->Take(std::move(batch));
  if (jobs_.size() >= MostBatches()) {
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
  if (spdlog::should_log(spdlog::level::debug)) {
    const LogScope scope(FieldsOf(batch));
    const LogScope papers{{"papers", IdsOf(batch.papers())}};
    spdlog::debug("batch {} is scored by words", batch.lease());
  }
  world_.link.Deliver(result);
}

void Scorer::OnVoid(uint64_t lease) {
  if (deferred_) deferred_->Drop(lease);
  const auto job = jobs_.find(lease);
  if (job == jobs_.end() || job->second.in_flight) return;
  Model* model = job->second.model;
  GiveBack(lease, ProviderFailure::AGAIN, "the aggregator does not know the lease");
  if (model != nullptr) Admit(model);
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
  job->prompt_chars = CharsOf(job->call.prompt);
  job->bare_chars = CharsOf(job->batch.prompt());
  DropTexts(job);
  job->model->waiting.push_back(job->batch.lease());
  Admit(job->model);
}

// With a thousand batches the texts would be most of the memory.
void Scorer::DropTexts(Job* job) {
  wire::Batch batch;
  batch.set_lease(job->batch.lease());
  batch.set_digest(job->batch.digest());
  batch.set_trace(job->batch.trace());
  batch.set_stage(job->batch.stage());
  batch.set_model(job->batch.model());
  batch.set_max_answer_tokens(job->batch.max_answer_tokens());
  job->batch = std::move(batch);
  for (wire::BatchPaper& paper : job->asked) {
    wire::BatchPaper named;
    named.set_id(paper.id());
    named.set_key(paper.key());
    paper = std::move(named);
  }
}

Scorer::Model& Scorer::ModelNamed(const std::string& name) {
  std::unique_ptr<Model>& model = models_[name];
  if (!model) {
    model = std::make_unique<Model>(Model{
        .name = name,
        .tokens = TokenEstimate(settings_.charge),
        .limiter =
            std::make_unique<Limiter>(world_.loop, *world_.redis, QuotaKey(settings_.server, name),
                                      settings_.limits, boot_ + models_.size()),
        .concurrency = Concurrency(settings_.concurrency)});
  }
  return *model;
}

void Scorer::Admit(Model* model) {
  while (!model->waiting.empty() &&
         model->admitted < (model->worked ? model->concurrency.limit() : 1)) {
    const uint64_t lease = model->waiting.front();
    model->waiting.pop_front();
    Job& job = jobs_.at(lease);
    if (!HasRoom(job)) {
      GiveBack(lease, ProviderFailure::AGAIN, "more money must be reserved for a reasoning model");
      continue;
    }
    job.dialect = model->dialect;
    job.tokens =
        model->tokens.Of(job.prompt_chars, job.call.papers, MaxTokensSent(job.dialect, job.call));
    const int64_t most = TokensOfAWindow(model->limiter->in_force());
    if (most > 0 && job.tokens > most) {
      ReturnTooLarge(&job, most);
    } else {
      AskLimiter(&job);
    }
  }
}

// Whether the call may cost no more than is reserved for it.
bool Scorer::HasRoom(const Job& job) {
  const int64_t reserved = job.batch.max_answer_tokens();
  return reserved == 0 || MaxTokensSent(job.model->dialect, job.call) <= reserved;
}

// The provider would refuse it for ever, and everybody would pause for that. The settings
// are to blame only where no paper would fit.
void Scorer::ReturnTooLarge(Job* job, int64_t most) {
  const size_t papers = job->asked.size();
  const std::string why =
      "a call about " + (papers == 1 ? "one paper" : std::to_string(papers) + " papers") +
      " takes up to " + std::to_string(job->tokens) + " tokens, and the quota in force allows " +
      std::to_string(most) + " in a window";
  const ChatCall smallest{.stage = job->call.stage, .papers = 1};
  if (job->model->tokens.Of(job->bare_chars, 1, MaxTokensSent(job->dialect, smallest)) > most) {
    return GiveBack(job->batch.lease(), ProviderFailure::HARD,
                    why + "; the prompt alone is too long for it: shorten it, or raise --tpm");
  }
  const LogScope scope(CallFields(*job));
  spdlog::warn("{}; {}", why,
               papers > 1 ? "they come again in smaller batches. Lower the profile's batch_size"
                          : "the paper cannot be scored with it");
  const ChatOutcome outcome{.kind = ChatOutcome::Kind::kPapersRefused, .why = why};
  for (wire::PaperResult& row : RowsOf(outcome, job->batch.stage(), job->asked, "")) {
    *job->result.add_papers() = std::move(row);
  }
  Finish(job->batch.lease());
}

void Scorer::AskLimiter(Job* job) {
  Model& model = *job->model;
  ++model.admitted;
  job->since = world_.loop.now();
  job->ticket =
      model.limiter->Acquire(job->tokens, [this, lease = job->batch.lease()] { Send(lease); });
}

// ---- the call ---------------------------------------------------------------

void Scorer::Send(uint64_t lease) {
  Job& job = jobs_.at(lease);
  if (!world_.link.heard_lately()) {
    // After a pause of this process, or of the link, somebody else may hold it.
    Model* model = job.model;
    model->limiter->NotSent(job.tokens);
    GiveBack(lease, ProviderFailure::AGAIN, "the aggregator has not heard of the scorer lately");
    return Admit(model);
  }
  const MonotonicTime now = world_.loop.now();
  world_.metrics.OnLimiterWait(now - job.since);
  job.ticket = 0;
  job.in_flight = true;
  job.call_id = HexOfNumber(boot_) + "-" + std::to_string(next_call_++);
  job.since = now;
  if (spdlog::should_log(spdlog::level::debug)) LogCall(job, "is made");
  ++job.model->in_flight;
  world_.metrics.SetInFlight(++in_flight_);
  HttpRequest request = BuildChatRequest(settings_.server, job.dialect, job.call);
  std::string().swap(job.call.prompt);
  world_.http.Start(std::move(request), [this, lease](const Result<HttpResponse>& response) {
    OnResponse(lease, response);
  });
}

void Scorer::OnResponse(uint64_t lease, const Result<HttpResponse>& response) {
  Job& job = jobs_.at(lease);
  Model& model = *job.model;
  world_.metrics.SetInFlight(--in_flight_);
  ChatOutcome outcome = InterpretChat(settings_.server, job.dialect, model.name, model.worked,
                                      world_.wall_clock(), response);
  wire::Call& call = outcome.call;
  call.set_id(job.call_id);
  call.set_lease(lease);
  call.set_latency_ms(static_cast<uint64_t>(
      std::chrono::duration_cast<Milliseconds>(world_.loop.now() - job.since).count()));
  world_.metrics.OnCall(call);
  {
    const LogScope scope(CallFields(job));
    if (spdlog::should_log(spdlog::level::debug)) {
      LogCall(job, outcome.kind == ChatOutcome::Kind::kFailed
                       ? "failed: " + outcome.failure.message()
                       : "is answered: " + call.outcome());
    }
    LearnPace(job, outcome);
    --model.in_flight;
    Learn(job, outcome);
  }
  Book(&job, outcome, call);
  Finish(lease);
  if (outcome.failure.kind() == ProviderFailure::HARD) GiveBackUnsent(model, model.refused);
  Admit(&model);
}

LogFields Scorer::CallFields(const Job& job) {
  LogFields fields = FieldsOf(job.batch);
  fields.push_back({"call", job.call_id});
  return fields;
}

void Scorer::LogCall(const Job& job, const std::string& what) {
  const LogScope scope(CallFields(job));
  const LogScope papers{{"papers", IdsOf(job.asked)}};
  spdlog::debug("call {} about {} {}", job.call_id, Counted(job.asked.size(), "paper"), what);
}

// A call that is refused for good would be refused for all that wait behind it too.
void Scorer::GiveBackUnsent(const Model& model, const std::string& why) {
  std::vector<uint64_t> unsent;
  for (const auto& [lease, job] : jobs_) {
    if (job.batch.model() == model.name && !job.in_flight) unsent.push_back(lease);
  }
  for (const uint64_t lease : unsent) GiveBack(lease, ProviderFailure::HARD, why);
}

// What it says about how fast the server is, and how many calls it bears.
void Scorer::LearnPace(const Job& job, const ChatOutcome& outcome) {
  Model& model = *job.model;
  const MonotonicTime now = world_.loop.now();
  if (outcome.kind == ChatOutcome::Kind::kAnswered) {
    const auto kind = static_cast<uint32_t>(2 * job.call.papers + job.call.stage);
    model.concurrency.OnAnswered(kind, job.since, now, model.in_flight);
    const auto over = static_cast<double>(std::min(++model.answered, kChargedOver));
    model.charged += (static_cast<double>(job.tokens) - model.charged) / over;
    answered_last_ = &model;
  } else if (outcome.failure.kind() == ProviderFailure::TRANSIENT) {
    model.concurrency.OnFailed(job.since, now);
  } else if (outcome.failure.kind() == ProviderFailure::RATE_LIMITED) {
    model.limiter->OnRefused(job.tokens, job.since);
  }
}

// What the response says about model and server, beyond its papers.
void Scorer::Learn(const Job& job, const ChatOutcome& outcome) {
  Model& model = *job.model;
  if (outcome.kind == ChatOutcome::Kind::kAnswered && job.since >= model.refused_at) {
    model.worked = true;
    model.refused.clear();
  } else if (outcome.failure.kind() == ProviderFailure::HARD) {
    if (model.refused.empty()) {
      spdlog::error("{} cannot be used: {}", model.name, outcome.failure.message());
    }
    model.worked = false;
    model.refused_at = world_.loop.now();
    model.refused = outcome.failure.message();
  }
  if (model.dialect.json_schema && !outcome.dialect.json_schema) {
    spdlog::warn("{} takes no JSON schema; asking for plain text", model.name);
  }
  model.dialect.json_schema &= outcome.dialect.json_schema;
  model.dialect.max_completion_tokens |= outcome.dialect.max_completion_tokens;
  model.limiter->OnNamed({outcome.limits.requests, outcome.limits.tokens});
  if (outcome.pause.count() > 0) {
    spdlog::info("{} for {}: everybody pauses for {} ms", outcome.call.outcome(), model.name,
                 std::chrono::duration_cast<Milliseconds>(outcome.pause).count());
    const bool for_rate = outcome.failure.kind() == ProviderFailure::RATE_LIMITED;
    model.limiter->Pause(outcome.pause, for_rate ? PauseFor::kQuota : PauseFor::kServer);
  }
  if (outcome.call.tokens_reported()) {
    model.tokens.Learn(job.prompt_chars, job.call.papers, outcome.call.prompt_tokens(),
                       outcome.call.completion_tokens());
  }
}

void Scorer::Book(Job* job, const ChatOutcome& outcome, const wire::Call& call) {
  *job->result.add_calls() = call;
  if (outcome.kind == ChatOutcome::Kind::kFailed) {
    *job->result.mutable_failure() = outcome.failure;
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

void Scorer::Finish(uint64_t lease) {
  const auto place = jobs_.find(lease);
  Job& job = place->second;
  const bool admitted = job.ticket != 0 || job.in_flight;
  if (job.ticket != 0) job.model->limiter->Cancel(job.ticket);
  if (admitted) --job.model->admitted;
  job.result.set_reasoning(job.model != nullptr && job.model->dialect.max_completion_tokens);
  world_.metrics.OnPapers(AnsweredIn(job.result));
  const wire::Result result = std::move(job.result);
  jobs_.erase(place);
  world_.link.Deliver(result);
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
  std::string all;
  const auto add = [&all](const std::string& trouble) {
    if (!trouble.empty()) all += (all.empty() ? "" : "; ") + trouble;
  };
  if (leaving_) {
    add(fmt::format("stopping, with {} in flight and {} not acknowledged",
                    Counted(in_flight_, "call"), Counted(world_.link.unacknowledged(), "result")));
  }
  add(RedisTrouble());
  add(world_.link.trouble());
  if (deferred_) add(deferred_->trouble());
  for (const auto& [name, model] : models_) {
    if (!model->refused.empty()) add(name + " cannot be used: " + model->refused);
  }
  return all;
}

void Scorer::Tick() {
  for (const auto& [name, model] : models_) {
    world_.metrics.SetLimits(name, model->limiter->in_force(), model->concurrency.limit());
  }
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
