#include "tests/support/llm_jobs.h"

#include <httplib.h>

#include <algorithm>
#include <ctime>
#include <sstream>

#include "tests/support/llm_refusals.h"

namespace paperboy {
namespace {

using Json = LlmJobs::Json;
using Clock = std::chrono::steady_clock;

void AnswerInvalid(httplib::Response& response, int status, const std::string& message) {
  AnswerError(response, status, message, "invalid_request_error");
}

// What follows `what` in the path, as ID in /v1/batches/ID; "" if it ends there.
std::string After(const std::string& path, const std::string& what) {
  const size_t at = path.find(what);
  const size_t end = at + what.size();
  return end < path.size() ? path.substr(end + 1) : "";
}

}  // namespace

void LlmJobs::SetTime(std::chrono::milliseconds time) {
  std::lock_guard lock(mutex_);
  time_ = time;
}

void LlmJobs::CancelAll(size_t answered) {
  std::lock_guard lock(mutex_);
  for (Made& job : jobs_) Cancel(&job, answered);
}

void LlmJobs::SetErrors(const std::string& message) {
  std::lock_guard lock(mutex_);
  errors_ = message;
}

void LlmJobs::Cancel(Made* job, size_t answered) {
  if (Clock::now() - job->at >= time_) return;
  job->end = "cancelled";
  job->at -= time_;  // its time has come
  size_t end = 0;
  for (; answered > 0 && end < job->output.size(); --answered) {
    end = job->output.find('\n', end) + 1;
  }
  job->object["output_file_id"] = job->object["error_file_id"] = nullptr;
  if (end == 0) return;
  const std::string id = "file-" + std::to_string(next_++);
  files_[id] = job->output.substr(0, end);
  job->object["output_file_id"] = id;
}

void LlmJobs::Cancel(const std::string& id, httplib::Response& response) {
  std::lock_guard lock(mutex_);
  const auto job = std::find_if(jobs_.begin(), jobs_.end(),
                                [&](const Made& made) { return made.object["id"] == id; });
  if (job == jobs_.end()) return AnswerInvalid(response, 404, "No batch found with id " + id);
  Cancel(&*job, 0);
  Answer(response, 200, Show(*job));
}

void LlmJobs::DeleteFiles() {
  std::lock_guard lock(mutex_);
  files_.clear();
}

std::vector<LlmJobs::Job> LlmJobs::jobs() const {
  std::lock_guard lock(mutex_);
  std::vector<Job> all;
  for (const Made& job : jobs_) all.push_back({job.object["id"], job.custom_ids, Status(job)});
  return all;
}

bool LlmJobs::Handle(const httplib::Request& request, httplib::Response& response,
                     const Fault& fault) {
  const bool post = request.method == "POST";
  if (request.path.find("/files") != std::string::npos) {
    if (post) {
      Upload(request, response);
      return true;
    }
    std::string id = After(request.path, "/files");
    id = id.substr(0, id.find('/'));
    std::lock_guard lock(mutex_);
    const auto file = files_.find(id);
    if (file == files_.end()) {
      AnswerInvalid(response, 404, "No such File object: " + id);
    } else {
      response.set_content(file->second, "application/octet-stream");
    }
    return true;
  }
  if (request.path.find("/batches") == std::string::npos) return false;
  const std::string id = After(request.path, "/batches");
  if (post && !id.empty()) {
    Cancel(id.substr(0, id.find('/')), response);
  } else if (post) {
    Create(request, response, fault);
  } else if (id.empty()) {
    List(request, response);
  } else {
    std::lock_guard lock(mutex_);
    const auto job = std::find_if(jobs_.begin(), jobs_.end(),
                                  [&](const Made& made) { return made.object["id"] == id; });
    if (job == jobs_.end()) {
      AnswerInvalid(response, 404, "No batch found with id '" + id + "'.");
    } else {
      Answer(response, 200, Show(*job));
    }
  }
  return true;
}

void LlmJobs::Upload(const httplib::Request& request, httplib::Response& response) {
  if (!request.has_file("file") || request.get_file_value("purpose").content != "batch") {
    return AnswerInvalid(response, 400, "'file' and 'purpose' are required properties");
  }
  const auto file = request.get_file_value("file");
  std::lock_guard lock(mutex_);
  const std::string id = "file-" + std::to_string(next_++);
  files_[id] = file.content;
  Answer(response, 200,
         {{"id", id},
          {"object", "file"},
          {"bytes", file.content.size()},
          {"filename", file.filename},
          {"purpose", "batch"}});
}

void LlmJobs::Create(const httplib::Request& request, httplib::Response& response,
                     const Fault& fault) {
  const Json asked = Json::parse(request.body, nullptr, false);
  std::string lines;
  {
    std::lock_guard lock(mutex_);
    const auto file =
        asked.is_object() ? files_.find(asked.value("input_file_id", "")) : files_.end();
    if (file == files_.end() || asked.value("endpoint", "") != "/v1/chat/completions" ||
        asked.value("completion_window", "") != "24h") {
      return AnswerInvalid(response, 400, "Invalid value in the request for a batch.");
    }
    lines = file->second;
  }
  Made job = Run(lines, fault);
  std::lock_guard lock(mutex_);
  job.object = {{"id", "batch_" + std::to_string(next_++)},
                {"object", "batch"},
                {"endpoint", asked["endpoint"]},
                {"errors", nullptr},
                {"input_file_id", asked["input_file_id"]},
                {"completion_window", "24h"},
                {"status", "validating"},
                {"output_file_id", nullptr},
                {"error_file_id", nullptr},
                {"created_at", static_cast<int64_t>(std::time(nullptr))},
                {"metadata", asked.value("metadata", Json())}};
  job.at = Clock::now();
  for (const auto& [name, content] :
       {std::pair{"output_file_id", &job.output}, std::pair{"error_file_id", &job.errors}}) {
    if (content->empty()) continue;
    const std::string id = "file-" + std::to_string(next_++);
    files_[id] = *content;
    job.object[name] = id;
  }
  if (job.end == "failed") {
    const bool crowded = fault.kind == "job_crowded";
    const Json why = {
        {"code", crowded ? "token_limit_exceeded" : "model_not_found"},
        {"message", !errors_.empty() ? errors_
                    : crowded        ? "Enqueued token limit reached. Please try again once some "
                                       "in_progress batches have been completed."
                                     : "The provided model is not supported by the Batch API."},
        {"line", nullptr},
        {"param", nullptr}};
    job.object["errors"] = {{"object", "list"}, {"data", Json::array({why})}};
  }
  jobs_.push_back(job);
  if (fault.kind == "job_lost")
    return AnswerError(response, 500, "The server had an error.", "server_error");
  Answer(response, 200, Show(job));
}

// The whole of a job at once; it is shown when its time has come.
LlmJobs::Made LlmJobs::Run(const std::string& lines, const Fault& fault) {
  Made job;
  std::string errors;
  {
    std::lock_guard lock(mutex_);
    errors = errors_;
  }
  job.end = "completed";
  if (fault.kind == "job_half") job.end = "expired";
  if (fault.kind == "job_fails" || fault.kind == "job_crowded") job.end = "failed";
  std::istringstream input(lines);
  std::vector<Json> calls;
  for (std::string line; std::getline(input, line);) {
    const Json call = Json::parse(line, nullptr, false);
    if (!call.is_object()) continue;  // the empty line at the end of the part
    calls.push_back(call);
    job.custom_ids.push_back(call["custom_id"]);
  }
  if (job.end == "failed" || fault.kind == "job_empty") return job;
  for (size_t i = 0; i < calls.size(); ++i) {
    Json line = {{"id", "batch_req_" + std::to_string(i)},
                 {"custom_id", calls[i]["custom_id"]},
                 {"response", nullptr},
                 {"error", nullptr}};
    if (job.end == "expired" && i >= calls.size() / 2) {
      line["error"] = {
          {"code", "batch_expired"},
          {"message", !errors.empty() ? errors
                                      : "This request could not be executed before the "
                                        "completion window expired."}};
      job.errors += line.dump() + "\n";
      continue;
    }
    auto [status, body] = chat_(calls[i]["body"].dump());
    line["response"] = {{"status_code", status}, {"request_id", ""}, {"body", std::move(body)}};
    (status == 200 ? job.output : job.errors) += line.dump() + "\n";
  }
  return job;
}

std::string LlmJobs::Status(const Made& job) const {
  const auto age = Clock::now() - job.at;
  if (age >= time_) return job.end;
  if (age < time_ / 4) return "validating";
  return age < time_ * 3 / 4 ? "in_progress" : "finalizing";
}

LlmJobs::Json LlmJobs::Show(const Made& job) const {
  Json object = job.object;
  object["status"] = Status(job);
  const bool ended = object["status"] == job.end;
  if (!ended) {
    object["output_file_id"] = object["error_file_id"] = nullptr;
    object["errors"] = nullptr;
  }
  const size_t done = ended && job.end == "completed" ? job.custom_ids.size() : 0;
  object["request_counts"] = {{"total", job.custom_ids.size()}, {"completed", done}, {"failed", 0}};
  return object;
}

void LlmJobs::List(const httplib::Request& request, httplib::Response& response) const {
  const size_t limit =
      request.has_param("limit") ? std::stoul(request.get_param_value("limit")) : 20;
  std::string after = request.get_param_value("after");
  std::lock_guard lock(mutex_);
  Json data = Json::array();
  bool more = false;
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) {
    if (!after.empty()) {
      if (job->object["id"] == after) after.clear();
      continue;
    }
    more = data.size() >= limit;
    if (more) break;
    data.push_back(Show(*job));
  }
  Answer(response, 200, {{"object", "list"}, {"data", data}, {"has_more", more}});
}

}  // namespace paperboy
