// Finding, watching and reading jobs; the rest is in deferred.cc.
#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/text.h"
#include "common/trace.h"
#include "scorer/deferred.h"
#include "scorer/rows.h"

namespace paperboy {
namespace {

using wire::ProviderFailure;

// Pages of the list of jobs: an account with more has other troubles, and nothing is
// submitted on half a list.
constexpr int kMostPages = 1'000;
// Complete lists that must lack a batch before it counts as never submitted.
constexpr int kListsToLack = 2;

}  // namespace

// ---- finding ---------------------------------------------------------------------

void Deferred::BeginSearch() {
  search_ = Search{};
  for (const auto& [lease, held] : held_) {
    if (held.stage == Stage::kSearch) search_->names.insert(held.batch.custom_id());
  }
  ListMore();
}

void Deferred::ListMore() {
  Ask(BuildListJobs(server_, search_->after),
      [this](const Result<HttpResponse>& response) { OnListed(response); });
}

void Deferred::OnListed(const Result<HttpResponse>& response) {
  if (!search_) return;  // leaving
  if (const auto refusal = RefusalOf(response)) return FailSearch(*refusal);
  const auto page = ReadJobs(response->body);
  if (!page || (page->more && (page->jobs.empty() || ++search_->pages > kMostPages))) {
    Refusal refusal;
    refusal.failure.set_message("its list of jobs cannot be read to the end");
    return FailSearch(refusal);
  }
  for (const ProviderJob& job : page->jobs) {
    // One that failed was not begun.
    if (!job.ours || job.status == "failed") continue;
    const auto name = search_->names.lower_bound(job.first);
    if (name != search_->names.end() && *name <= job.last) search_->candidates.push_back(job);
  }
  if (!page->more) return ReadCandidate();
  search_->after = page->jobs.back().id;
  ListMore();
}

void Deferred::ReadCandidate() {
  if (search_->next >= search_->candidates.size()) return EndSearch();
  Ask(BuildGetFile(server_, search_->candidates[search_->next].input_file),
      [this](const Result<HttpResponse>& response) { OnCandidateRead(response); });
}

void Deferred::OnCandidateRead(const Result<HttpResponse>& response) {
  if (!search_) return;
  const ProviderJob& job = search_->candidates[search_->next];
  if (auto refusal = RefusalOf(response)) {
    // The provider deletes files after 30 days. That one is missing before may be an error of
    // the moment.
    const WallTime created{std::chrono::seconds(job.created_at)};
    if (refusal->status != 404 || world_.wall_clock() - created < pace_.give_up_after) {
      refusal->failure.set_message("the input of batch job " + job.id +
                                   " cannot be read: " + refusal->failure.message());
      return FailSearch(*refusal);
    }
    spdlog::warn("the input of batch job {} was deleted: what it asked cannot be known", job.id);
  } else {
    for (const std::string& name : ReadCustomIds(response->body)) {
      if (search_->names.contains(name)) search_->found.emplace(name, job);
    }
  }
  ++search_->next;
  ReadCandidate();
}

void Deferred::EndSearch() {
  const Search search = *std::exchange(search_, std::nullopt);
  list_ = {};
  trouble_.clear();
  size_t found = 0;
  std::vector<uint64_t> lacking;
  for (auto& [lease, held] : held_) {
    const std::string name = held.batch.custom_id();
    if (held.stage != Stage::kSearch || !search.names.contains(name)) continue;
    if (const auto job = search.found.find(name); job != search.found.end()) {
      Attach(job->second, lease);
      ++found;
    } else if (++held.lacking >= kListsToLack) {
      lacking.push_back(lease);
    }
  }
  for (const uint64_t lease : lacking) SubmitAnew(lease, "it was never submitted");
  list_.at = world_.loop.now() + pace_.search_again;
  if (found + lacking.size() == 0) return;
  spdlog::info("of batches that were looked for {} are in jobs, {} were never submitted", found,
               lacking.size());
}

// What is not in any job is submitted again by the scorer that it was first handed to; from
// any other it goes back.
void Deferred::SubmitAnew(uint64_t lease, const std::string& why) {
  Held& held = held_.at(lease);
  if (held.batch.resumed()) return GiveBack(lease, ProviderFailure::AGAIN, why);
  SetStage(&held, Stage::kGather);
}

void Deferred::FailSearch(const Refusal& refusal) {
  search_.reset();
  RetryLater(&list_, refusal);
}

// Nobody can tell what became of them.
void Deferred::GiveUpSearches() {
  for (const uint64_t lease : searching()) {
    const Held& held = held_.at(lease);
    if (!Overdue(held.batch.handed_out(), held.taken, pace_.give_up_after)) continue;
    Book(lease, NoAnswer(held.batch.model(),
                         "given up because the provider's batch jobs could not be read to tell "
                         "whether it was submitted"));
  }
}

// By the calendar, since scorers come and go in that time; but that may jump.
bool Deferred::Overdue(int64_t begun, MonotonicTime watched_since, Milliseconds after) const {
  // Compared as seconds: `begun` came over the wire, and a WallTime ends in 2262.
  const WallTime latest = world_.wall_clock() - after;
  return begun < std::chrono::ceil<std::chrono::seconds>(latest.time_since_epoch()).count() &&
         world_.loop.now() - watched_since > pace_.watched_for;
}

// ---- watching --------------------------------------------------------------------

void Deferred::Attach(const ProviderJob& info, uint64_t lease) {
  const auto place = held_.find(lease);
  if (place == held_.end()) return;
  Held& held = place->second;
  const auto [job, fresh] = jobs_.try_emplace(info.id);
  if (fresh) {
    job->second.info = info;
    job->second.model = held.batch.model();
    if (job->second.info.created_at == 0) {
      job->second.info.created_at =
          std::chrono::duration_cast<std::chrono::seconds>(world_.wall_clock().time_since_epoch())
              .count();
    }
    job->second.wait = pace_.first_look;
    job->second.watched_since = world_.loop.now();
    job->second.look_at = world_.loop.now() + (info.ended() ? Milliseconds(0) : pace_.first_look);
  }
  job->second.leases.insert(lease);
  SetStage(&held, Stage::kInJob);
}

void Deferred::LookAtDue() {
  const MonotonicTime now = world_.loop.now();
  auto asking = static_cast<size_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [](const auto& entry) { return entry.second.asking; }));
  for (auto& [id, job] : jobs_) {
    if (asking >= kLooksAtOnce) return;
    if (job.asking || now < job.look_at) continue;
    Look(&job);
    ++asking;
  }
}

void Deferred::Look(Job* job) {
  job->asking = true;
  Ask(BuildGetJob(server_, job->info.id),
      [this, id = job->info.id](const Result<HttpResponse>& response) { OnLooked(id, response); });
}

void Deferred::OnLooked(const std::string& id, const Result<HttpResponse>& response) {
  const auto place = jobs_.find(id);
  if (place == jobs_.end()) return;
  Job& job = place->second;
  if (const auto refusal = RefusalOf(response)) return LookLater(&job, *refusal);
  const auto info = ReadJob(response->body);
  if (!info) return LookLater(&job, {});
  if (info->status != job.info.status) {
    spdlog::info("batch job {} is {}", id, info->status);
  }
  const int64_t created_at = info->created_at > 0 ? info->created_at : job.info.created_at;
  job.info = *info;
  job.info.created_at = created_at;
  trouble_.clear();
  if (!info->ended()) return WaitForEnd(&job);
  if (info->status == "failed") return OnFailedJob(id);
  job.answers.clear();
  job.files.clear();
  for (const std::string& file : {info->error_file, info->output_file}) {
    if (!file.empty()) job.files.push_back(file);
  }
  ReadNextFile(id);
}

// A provider that never ends a job must not keep its papers for ever.
void Deferred::WaitForEnd(Job* job) {
  job->asking = false;
  job->gone_since.reset();
  const auto overdue = [&](Milliseconds after) {
    return Overdue(job->info.created_at, job->watched_since, after);
  };
  if (overdue(pace_.give_up_after)) {
    job->info.status = "given up because it did not end";
    return Settle(std::string(job->info.id));
  }
  if (overdue(pace_.cancel_after) && job->info.status != "cancelling") {
    spdlog::warn("batch job {} is overdue; it is cancelled", job->info.id);
    Ask(BuildCancelJob(server_, job->info.id), [](const Result<HttpResponse>&) {});
  }
  job->look_at = world_.loop.now() + job->wait;
  job->wait = std::min(2 * job->wait, pace_.last_look);
}

// What was submitted is not given back because it cannot be looked at: that would be paid
// twice. Only a provider that says for a while that it is not there is believed; and there
// is an end.
void Deferred::LookLater(Job* job, const Refusal& refusal) {
  job->asking = false;
  const MonotonicTime now = world_.loop.now();
  if (refusal.status != 404) job->gone_since.reset();
  if (refusal.status == 404 && !job->gone_since) job->gone_since = now;
  if (job->gone_since && now - *job->gone_since > pace_.gone_after) {
    job->info.status = "gone";
    return Settle(std::string(job->info.id));
  }
  if (Overdue(job->info.created_at, job->watched_since, pace_.give_up_after)) {
    job->info.status = "given up because it cannot be looked at";
    return Settle(std::string(job->info.id));
  }
  Retry retry{{}, job->wait};
  RetryLater(&retry, refusal);
  job->look_at = retry.at;
  job->wait = retry.wait;
}

void Deferred::OnFailedJob(const std::string& id) {
  const Job job = std::move(jobs_.extract(id).mapped());
  Model& model = models_[job.model];
  const std::string why = ForPeople(job.info.error_code + " " + job.info.error, server_.key);
  // A single call for which there is never room is refused.
  const auto never = [this](uint64_t lease) {
    const Held& held = held_.at(lease);
    return Overdue(held.batch.handed_out(), held.taken, pace_.give_up_after);
  };
  if (job.info.error_code == kQueueFull &&
      (job.leases.size() > 1 || !std::all_of(job.leases.begin(), job.leases.end(), never))) {
    spdlog::info("batch job {} of {}: {}", id, Counted(job.leases.size(), "call"), why);
    model.most = std::max<size_t>(1, job.leases.size() / 2);
    Refusal refusal;
    refusal.pause = pace_.last_look;
    RetryLater(&model.queue, refusal);
    for (const uint64_t lease : job.leases) SubmitAnew(lease, why);
    return;
  }
  ProviderFailure failure;
  failure.set_kind(ProviderFailure::HARD);
  failure.set_message("the provider refused the batch job " + id + ": " + why);
  FailAll({job.leases.begin(), job.leases.end()}, failure);
}

// ---- reading ---------------------------------------------------------------------

void Deferred::ReadNextFile(const std::string& id) {
  Job& job = jobs_.at(id);
  if (job.files.empty()) return Settle(id);
  Ask(BuildGetFile(server_, job.files.back()),
      [this, id](const Result<HttpResponse>& response) { OnFileRead(id, response); });
}

void Deferred::OnFileRead(const std::string& id, const Result<HttpResponse>& response) {
  const auto place = jobs_.find(id);
  if (place == jobs_.end()) return;
  Job& job = place->second;
  if (const auto refusal = RefusalOf(response)) return LookLater(&job, *refusal);
  for (JobAnswer& answer : ReadAnswers(response->body)) {
    const std::string name = answer.custom_id;
    job.answers.emplace(name, std::move(answer));
  }
  job.files.pop_back();
  ReadNextFile(id);
}

// `answer` is null where the job has none.
ChatOutcome Deferred::OutcomeOf(const Job& job, const JobAnswer* answer, bool worked) {
  if (answer != nullptr && answer->status != 0) {
    return InterpretChat(server_, models_[job.model].dialect, job.model, worked,
                         world_.wall_clock(), HttpResponse{answer->status, {}, answer->body});
  }
  const std::string why = answer == nullptr || answer->error.empty()
                              ? ""
                              : ": " + ForPeople(answer->error, server_.key);
  ChatOutcome outcome = NoAnswer(
      job.model, "batch job " + job.info.id + ", " + job.info.status + ", has no answer" + why);
  const bool expired = answer != nullptr && answer->code == kLineExpired;
  if (expired || job.info.status == "expired" || job.info.status == "cancelled") {
    // Not begun, and not charged: only completed calls are.
    outcome.failure.set_kind(ProviderFailure::AGAIN);
    outcome.call.set_outcome("not_sent");
  }
  return outcome;
}

// What it cost is not known.
ChatOutcome Deferred::NoAnswer(const std::string& model, const std::string& why) {
  ChatOutcome outcome;
  outcome.dialect = models_[model].dialect;
  outcome.call.set_model(model);
  outcome.call.set_outcome("no_answer");
  outcome.failure.set_kind(ProviderFailure::TRANSIENT);
  outcome.failure.set_message(why);
  return outcome;
}

void Deferred::Settle(const std::string& id) {
  const Job job = std::move(jobs_.extract(id).mapped());
  Model& model = models_[job.model];
  model.queue = {};
  model.most = std::min(2 * model.most, kMaxJobCalls);
  model.worked |= std::any_of(job.answers.begin(), job.answers.end(),
                              [](const auto& entry) { return entry.second.status == 200; });
  ChatDialect learnt = model.dialect;
  std::map<uint64_t, ChatOutcome> outcomes;
  for (const uint64_t lease : job.leases) {
    const auto answer = job.answers.find(held_.at(lease).batch.custom_id());
    ChatOutcome outcome =
        OutcomeOf(job, answer == job.answers.end() ? nullptr : &answer->second, model.worked);
    learnt.json_schema &= outcome.dialect.json_schema;
    learnt.max_completion_tokens |= outcome.dialect.max_completion_tokens;
    outcomes.emplace(lease, std::move(outcome));
  }
  model.dialect = learnt;
  const LogScope scope{TracesOf(job.leases)};
  size_t answered = 0;
  for (auto& [lease, outcome] : outcomes) {
    answered += outcome.kind == ChatOutcome::Kind::kAnswered;
    Book(lease, std::move(outcome));
  }
  spdlog::info("batch job {}, {}: {} of {} answered", id, job.info.status, answered,
               Counted(outcomes.size(), "call"));
}

// The lease ends with what became of its line.
void Deferred::Book(uint64_t lease, ChatOutcome outcome) {
  const Held& held = held_.at(lease);
  wire::Call& call = outcome.call;
  // The same whoever reads the answer, so that it is booked once.
  call.set_id(held.batch.custom_id());
  call.set_lease(lease);
  call.set_deferred(true);
  world_.metrics.OnCall(call);
  if (spdlog::should_log(spdlog::level::debug)) {
    const LogScope scope(FieldsOf(held.batch));
    const LogScope line{{"call", call.id()}, {"papers", IdsOf(held.batch.papers())}};
    spdlog::debug("call {} of a batch job: {}", call.id(), call.outcome());
  }
  wire::Result result = ResultFor(held);
  *result.add_calls() = call;
  if (outcome.kind == ChatOutcome::Kind::kFailed) *result.mutable_failure() = outcome.failure;
  const std::vector<wire::BatchPaper> asked(held.batch.papers().begin(), held.batch.papers().end());
  for (const wire::PaperResult& row : RowsOf(outcome, held.batch.stage(), asked, call.id())) {
    world_.cache.Store(row, call);
    *result.add_papers() = row;
  }
  Finish(lease, result);
}

}  // namespace paperboy
