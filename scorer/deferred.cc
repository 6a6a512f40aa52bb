// Taking, gathering and submitting; the rest is in deferred_jobs.cc.
#include "scorer/deferred.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/text.h"
#include "common/trace.h"
#include "scorer/answer.h"
#include "scorer/rows.h"

namespace paperboy {
namespace {

using wire::ProviderFailure;

// Redis is asked again for a batch's cached scores after this long.
constexpr Milliseconds kLookUpAgain{2'000};
// Jobs that are named to people one by one.
constexpr size_t kJobsNamed = 3;

Milliseconds Doubled(Milliseconds wait, Milliseconds first, Milliseconds last) {
  return std::clamp(2 * wait, first, last);
}

}  // namespace

Deferred::Deferred(World world, const LlmServerSettings& server, std::string quota_key,
                   const DeferredPace& pace)
    : world_(std::move(world)), server_(server), quota_key_(std::move(quota_key)), pace_(pace) {}

Deferred::~Deferred() { world_.loop.Cancel(step_timer_); }

bool Deferred::capable() const { return ProviderNamed(server_.backend)->has_batch_api(); }

uint32_t Deferred::free() const {
  if (leaving_ || !capable()) return 0;
  return static_cast<uint32_t>(kMaxJobCalls - std::min(kMaxJobCalls, held_.size()));
}

std::vector<uint64_t> Deferred::holding() const {
  std::vector<uint64_t> leases;
  for (const auto& [lease, held] : held_) leases.push_back(lease);
  return leases;
}

std::vector<uint64_t> Deferred::searching() const {
  std::vector<uint64_t> leases;
  for (const auto& [lease, held] : held_) {
    if (held.stage == Stage::kSearch) leases.push_back(lease);
  }
  return leases;
}

std::string Deferred::state() const {
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  size_t named = 0, gathered = 0, searched = 0;
  for (const auto& [id, job] : jobs_) {
    if (++named > kJobsNamed) continue;
    const uint64_t calls = job.info.calls > 0 ? job.info.calls : job.leases.size();
    std::string status = job.info.status;
    std::replace(status.begin(), status.end(), '_', ' ');
    add("batch job " + id + " of " + Counted(calls, "call") + ", " + status + ", " +
        std::to_string(job.info.answered) + " done, submitted at " +
        FormatIsoUtc(WallTime(std::chrono::seconds(job.info.created_at))));
  }
  if (named > kJobsNamed) add("and " + std::to_string(named - kJobsNamed) + " more");
  for (const auto& [lease, held] : held_) {
    gathered += held.stage == Stage::kGather || held.stage == Stage::kLookUp;
    searched += held.stage == Stage::kSearch;
  }
  if (gathered > 0) add(Counted(gathered, "call") + " to be submitted");
  if (searched > 0) add(Counted(searched, "call") + " looked for among the provider's jobs");
  if (!text.empty() && !trouble_.empty()) add(trouble_);
  return text;
}

// ---- taking --------------------------------------------------------------------

void Deferred::Take(wire::Batch batch) {
  const uint64_t lease = batch.lease();
  if (leaving_ || held_.contains(lease)) return;  // Ready says that it is not held here
  if (step_timer_ == 0) step_timer_ = world_.loop.Every(pace_.step, [this] { Step(); });
  if (held_.empty()) trouble_.clear();
  Held& held = held_[lease];
  held.batch = std::move(batch);
  held.taken = world_.loop.now();
  held.claimed = world_.link.next_ready();
  SetStage(&held, Stage::kLookUp);
  world_.link.ReadyChanged();  // it is submitted when that was heard
  LookUp(lease);
}

void Deferred::SetStage(Held* held, Stage stage) {
  held->stage = stage;
  held->since = world_.loop.now();
}

void Deferred::LookUp(uint64_t lease) {
  const auto found = held_.find(lease);
  if (found == held_.end()) return;
  world_.cache.Find(found->second.batch, [this, lease, alive = std::weak_ptr(alive_)](
                                             const Result<ScoreCache::Found>& cached) {
    if (!alive.expired()) OnLookedUp(lease, cached);
  });
}

void Deferred::OnLookedUp(uint64_t lease, const Result<ScoreCache::Found>& found) {
  const auto place = held_.find(lease);
  // Lost and resumed meanwhile, it may be in a job already.
  if (place == held_.end() || place->second.stage != Stage::kLookUp) return;
  if (!found) {
    world_.loop.After(kLookUpAgain, [this, lease, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) LookUp(lease);
    });
    return;
  }
  Held& held = place->second;
  wire::Result result = ResultFor(held);
  std::set<std::string> calls;
  for (const auto& cached : *found) {
    if (!cached) continue;
    *result.add_papers() = cached->paper();
    if (calls.insert(cached->call().id()).second) *result.add_calls() = cached->call();
  }
  world_.metrics.OnCacheHits(static_cast<size_t>(result.papers_size()));
  if (result.papers_size() == held.batch.papers_size()) return Finish(lease, result);
  if (held.batch.resumed()) return SetStage(&held, Stage::kSearch);
  if (result.papers_size() == 0) return SetStage(&held, Stage::kGather);
  // A line asks about the whole of its batch, so that whoever reads its answer knows what
  // was asked: the rest comes again.
  result.mutable_failure()->set_kind(ProviderFailure::AGAIN);
  result.mutable_failure()->set_message("a part was answered before");
  Finish(lease, result);
}

void Deferred::Drop(uint64_t lease) {
  const auto place = held_.find(lease);
  if (place != held_.end() && place->second.stage != Stage::kInJob) held_.erase(place);
}

void Deferred::Leave() {
  leaving_ = true;
  search_.reset();
  jobs_.clear();
  if (!busy()) submission_.reset();
  std::erase_if(held_, [this](const auto& entry) {
    return !submission_ || std::find(submission_->leases.begin(), submission_->leases.end(),
                                     entry.first) == submission_->leases.end();
  });
}

// ---- what is due -----------------------------------------------------------------

void Deferred::Step() {
  if (leaving_) return;
  const MonotonicTime now = world_.loop.now();
  if (!submission_ && now >= submit_.at && Quiet(Stage::kGather)) Submit();
  GiveUpSearches();
  if (!search_ && now >= list_.at && Quiet(Stage::kSearch)) BeginSearch();
  LookAtDue();
}

// Whether there are batches in the stage, and no more to wait for.
bool Deferred::Quiet(Stage stage) const {
  const MonotonicTime now = world_.loop.now();
  MonotonicTime first = MonotonicTime::max(), last{};
  size_t count = 0;
  for (const auto& [lease, held] : held_) {
    if (held.stage != stage) continue;
    first = std::min(first, held.since);
    last = std::max(last, held.since);
    ++count;
  }
  return count > 0 &&
         (now - last >= pace_.gather || now - first >= pace_.gather_most || count >= kMaxJobCalls);
}

// ---- submitting ------------------------------------------------------------------

// After a pause of this process, or of the link, somebody else may hold it.
bool Deferred::Confirmed(const Held& held) const {
  return world_.link.heard_lately() && world_.link.heard(held.claimed);
}

bool Deferred::MaySubmit(const Held& held) const {
  if (held.stage != Stage::kGather || !Confirmed(held)) return false;
  const auto model = models_.find(held.batch.model());
  if (model == models_.end()) return true;
  if (world_.loop.now() < model->second.queue.at) return false;
  // With its queue full the provider takes the next job when the one before is done.
  return model->second.most >= kMaxJobCalls ||
         std::none_of(jobs_.begin(), jobs_.end(),
                      [&](const auto& entry) { return entry.second.model == model->first; });
}

void Deferred::Submit() {
  const auto first = std::find_if(held_.begin(), held_.end(),
                                  [this](const auto& entry) { return MaySubmit(entry.second); });
  if (first == held_.end()) return;
  Submission submission;
  submission.model = first->second.batch.model();
  Compose(submission.model, &submission);
  if (submission.leases.empty()) return;
  HttpRequest upload = BuildUpload(server_, std::exchange(submission.lines, {}));
  submission_ = std::move(submission);
  Ask(std::move(upload), [this](const Result<HttpResponse>& response) { OnUploaded(response); });
}

void Deferred::Compose(const std::string& model_name, Submission* submission) {
  Model& model = models_[model_name];
  for (auto it = held_.begin(); it != held_.end();) {
    const auto& [lease, held] = *it++;  // it may be given back
    if (held.batch.model() != model_name || !MaySubmit(held)) continue;
    if (submission->leases.size() >= model.most || submission->lines.size() > kMaxJobBytes) break;
    const wire::Batch& batch = held.batch;
    const std::vector<wire::BatchPaper> papers(batch.papers().begin(), batch.papers().end());
    const Result<std::string> prompt = RenderPrompt(batch.prompt(), batch.stage(), papers);
    if (!prompt) {
      GiveBack(lease, ProviderFailure::HARD, prompt.error().message);
      continue;
    }
    const ChatCall call{model_name, batch.stage(), *prompt, papers.size()};
    const int64_t reserved = batch.max_answer_tokens();
    // What was reserved tells what the ledger knows of the model.
    ChatDialect reasoning = model.dialect;
    reasoning.max_completion_tokens = true;
    if (reserved >= MaxTokensSent(reasoning, call)) model.dialect = reasoning;
    if (reserved > 0 && MaxTokensSent(model.dialect, call) > reserved) {
      GiveBack(lease, ProviderFailure::AGAIN, "more money must be reserved for a reasoning model");
      continue;
    }
    submission->lines +=
        JobLine(batch.custom_id(), BuildChatRequest(server_, model.dialect, call).body);
    submission->leases.push_back(lease);
    const std::string& name = batch.custom_id();
    if (submission->first.empty() || name < submission->first) submission->first = name;
    submission->last = std::max(submission->last, name);
  }
}

void Deferred::OnUploaded(const Result<HttpResponse>& response) {
  if (leaving_) return submission_.reset();
  if (auto refusal = RefusalOf(response)) {
    const Submission failed = *std::exchange(submission_, std::nullopt);
    if (refusal->status == 404) {
      refusal->failure.set_message(
          "the server has no batch API, which the profile's batch_api asks for: " +
          refusal->failure.message());
    }
    if (refusal->hard) return FailAll(StillGathered(failed.leases), refusal->failure);
    return RetryLater(&submit_, *refusal);
  }
  const auto file = ReadFileId(response->body);
  if (!file) {
    const Submission failed = *std::exchange(submission_, std::nullopt);
    ProviderFailure failure;
    failure.set_kind(ProviderFailure::HARD);
    failure.set_message(
        "the server has no batch API, which the profile's batch_api asks for: it answered an "
        "upload with something that is no file");
    return FailAll(StillGathered(failed.leases), failure);
  }
  // A batch that was lost meanwhile must not be in a job. The file alone does nothing, and
  // goes away by itself.
  const auto& leases = submission_->leases;
  if (StillGathered(leases).size() < leases.size() ||
      !std::all_of(leases.begin(), leases.end(),
                   [this](uint64_t lease) { return Confirmed(held_.at(lease)); })) {
    submission_.reset();
    return RetryLater(&submit_, {});
  }
  submission_->creating = true;
  Ask(BuildCreateJob(server_, *file, submission_->first, submission_->last),
      [this](const Result<HttpResponse>& created) { OnCreated(created); });
}

void Deferred::OnCreated(const Result<HttpResponse>& response) {
  const auto leases = StillGathered(std::exchange(submission_, std::nullopt)->leases);
  const auto refusal = RefusalOf(response);
  const auto job = refusal ? std::nullopt : ReadJob(response->body);
  if (job) {
    submit_ = {};
    trouble_.clear();
    const LogScope scope{TracesOf({leases.begin(), leases.end()})};
    spdlog::info("submitted as batch job {}: {}", job->id, Counted(leases.size(), "call"));
    for (const uint64_t lease : leases) Attach(*job, lease);
  } else if (refusal && refusal->hard) {
    FailAll(leases, refusal->failure);
  } else {
    RetryLater(&submit_, refusal.value_or(Refusal{}));
    for (const uint64_t lease : leases) {
      if (refusal && !refusal->arrived) continue;
      // The provider may have made it all the same.
      Held& held = held_.at(lease);
      held.lacking = 0;
      SetStage(&held, Stage::kSearch);
    }
  }
  if (!leaving_) return;
  Leave();
  world_.on_idle();
}

// Of the leases of a request those that it still speaks for: one may have been lost
// meanwhile, and resumed to be looked for.
std::vector<uint64_t> Deferred::StillGathered(std::vector<uint64_t> leases) const {
  std::erase_if(leases, [this](uint64_t lease) {
    const auto held = held_.find(lease);
    return held == held_.end() || held->second.stage != Stage::kGather;
  });
  return leases;
}

LogField Deferred::TracesOf(const std::set<uint64_t>& leases) const {
  std::set<std::string> traces;
  for (const uint64_t lease : leases) traces.insert(held_.at(lease).batch.trace());
  return TraceField(traces);
}

void Deferred::FailAll(const std::vector<uint64_t>& leases, const ProviderFailure& failure) {
  const LogScope scope{TracesOf({leases.begin(), leases.end()})};
  spdlog::error("the batch API cannot be used: {}", failure.message());
  trouble_ = failure.message();
  for (const uint64_t lease : leases) GiveBack(lease, failure.kind(), failure.message());
}

// ---- results and refusals ----------------------------------------------------------

wire::Result Deferred::ResultFor(const Held& held) const {
  wire::Result result;
  result.set_lease(held.batch.lease());
  result.set_digest(held.batch.digest());
  result.set_quota_key(quota_key_);
  const auto model = models_.find(held.batch.model());
  result.set_reasoning(model != models_.end() && model->second.dialect.max_completion_tokens);
  return result;
}

void Deferred::Finish(uint64_t lease, const wire::Result& result) {
  world_.metrics.OnPapers(AnsweredIn(result));
  held_.erase(lease);
  world_.link.Deliver(result);
}

void Deferred::GiveBack(uint64_t lease, ProviderFailure::Kind kind, const std::string& message) {
  const auto held = held_.find(lease);
  if (held == held_.end()) return;
  wire::Result result = ResultFor(held->second);
  result.mutable_failure()->set_kind(kind);
  result.mutable_failure()->set_message(message);
  Finish(lease, result);
}

std::optional<Deferred::Refusal> Deferred::RefusalOf(const Result<HttpResponse>& response) const {
  if (response.ok() && response->status / 100 == 2) return std::nullopt;
  const ChatOutcome outcome = InterpretChat(server_, {}, "", false, world_.wall_clock(), response);
  Refusal refusal;
  refusal.failure = outcome.failure;
  if (outcome.kind != ChatOutcome::Kind::kFailed) refusal.failure.set_message(outcome.why);
  refusal.hard = outcome.failure.kind() != ProviderFailure::TRANSIENT &&
                 outcome.failure.kind() != ProviderFailure::RATE_LIMITED;
  if (refusal.hard) refusal.failure.set_kind(ProviderFailure::HARD);
  refusal.status = response.ok() ? response->status : 0;
  refusal.arrived = !refusal.hard && refusal.status != 429 && outcome.call.outcome() != "not_sent";
  refusal.pause = std::chrono::duration_cast<Milliseconds>(outcome.pause);
  return refusal;
}

void Deferred::RetryLater(Retry* retry, const Refusal& refusal) {
  retry->wait = Doubled(retry->wait, pace_.first_retry, pace_.last_retry);
  retry->at = world_.loop.now() + std::max(retry->wait, refusal.pause);
  if (refusal.failure.message().empty()) return;
  trouble_ = "the batch API: " + refusal.failure.message();
  spdlog::warn("{}; asking again in {} s", trouble_, retry->wait.count() / 1'000);
}

void Deferred::Ask(HttpRequest request, std::function<void(const Result<HttpResponse>&)> done) {
  world_.http.Start(std::move(request), [done = std::move(done), alive = std::weak_ptr(alive_)](
                                            const Result<HttpResponse>& response) {
    if (!alive.expired()) done(response);
  });
}

}  // namespace paperboy
