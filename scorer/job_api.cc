#include "scorer/job_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "scorer/json_fields.h"

namespace paperboy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// Beside the model's address a job names the endpoint, whatever the base URL is.
constexpr char kEndpoint[] = "/v1/chat/completions";
constexpr char kWindow[] = "24h";  // the only one there is
// Metadata: up to 16 keys of 64 characters, values up to 512.
constexpr char kMadeBy[] = "made_by";
constexpr char kPaperboy[] = "paperboy";
// No line of the file begins with it: lines are JSON objects.
constexpr char kBoundary[] = "paperboy-5f1c7d0a9be34c62";
// Answers for kMaxJobCalls batches of 64 papers stay below: 64 KiB each.
constexpr size_t kMaxFileBytes = 64 << 20;
constexpr size_t kMaxObjectBytes = 8 << 20;
constexpr size_t kMaxWordBytes = 200;
constexpr int64_t kEndOfTime = 7'258'118'400;  // 2200; a WallTime ends in 2262

HttpRequest Request(const LlmServerSettings& server, const std::string& path,
                    const std::string& parameters = "") {
  const auto [base, query] = SplitQuery(server.base_url);
  HttpRequest request;
  request.url = base + path + query;
  if (!parameters.empty()) request.url += (query.empty() ? "?" : "&") + parameters;
  if (!server.key.empty()) request.headers = {{"authorization", "Bearer " + server.key}};
  request.headers.emplace_back("accept", "application/json");
  request.timeout = server.timeout;
  request.max_body_bytes = kMaxObjectBytes;
  return request;
}

int64_t NumberOf(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_number_integer() ? field->get<int64_t>() : 0;
}

// What stands under a name, if that is an object; else an empty one.
json ObjectOf(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_object() ? *field : json::object();
}

// Goes into URLs and logs.
bool IsWord(const std::string& text) {
  return !text.empty() && text.size() <= kMaxWordBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::optional<ProviderJob> JobOf(const json& body) {
  if (!body.is_object()) return std::nullopt;
  ProviderJob job;
  job.id = TextOf(body, "id");
  job.status = TextOf(body, "status");
  if (!IsWord(job.id) || !IsWord(job.status)) return std::nullopt;
  for (const auto& [file, name] :
       {std::pair{&job.input_file, "input_file_id"}, std::pair{&job.output_file, "output_file_id"},
        std::pair{&job.error_file, "error_file_id"}}) {
    *file = TextOf(body, name);
    if (!file->empty() && !IsWord(*file)) return std::nullopt;
  }
  if (const int64_t at = NumberOf(body, "created_at"); at > 0 && at < kEndOfTime) {
    job.created_at = at;
  }
  const json counts = ObjectOf(body, "request_counts");
  job.calls = static_cast<uint64_t>(std::max<int64_t>(NumberOf(counts, "total"), 0));
  for (const char* kind : {"completed", "failed"}) {
    job.answered += static_cast<uint64_t>(std::max<int64_t>(NumberOf(counts, kind), 0));
  }
  const json errors = ObjectOf(body, "errors");
  if (const auto data = errors.find("data");
      data != errors.end() && data->is_array() && !data->empty() && data->front().is_object()) {
    job.error_code = TextOf(data->front(), "code");
    job.error = TextOf(data->front(), "message");
  }
  const json metadata = ObjectOf(body, "metadata");
  job.ours = TextOf(metadata, kMadeBy) == kPaperboy;
  job.first = TextOf(metadata, "first");
  job.last = TextOf(metadata, "last");
  return job;
}

json Parse(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

// Calls `each` for every line that is an object with a custom id.
template <class Each>
void ForEachCall(std::string_view lines, Each each) {
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const json line = Parse(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (!line.is_object()) continue;
    if (const std::string id = TextOf(line, "custom_id"); !id.empty()) each(id, line);
  }
}

}  // namespace

std::string JobLine(const std::string& custom_id, const std::string& body) {
  const ordered_json head = {{"custom_id", custom_id}, {"method", "POST"}, {"url", kEndpoint}};
  std::string line = head.dump();
  line.pop_back();
  return line + ",\"body\":" + body + "}\n";
}

HttpRequest BuildUpload(const LlmServerSettings& server, const std::string& lines) {
  HttpRequest request = Request(server, "/files");
  request.method = "POST";
  request.headers.emplace_back("content-type",
                               std::string("multipart/form-data; boundary=") + kBoundary);
  const std::string delimiter = std::string("--") + kBoundary;
  request.body =
      delimiter + "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n" +
      delimiter +
      "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"paperboy.jsonl\"\r\n"
      "Content-Type: application/jsonl\r\n\r\n" +
      lines + "\r\n" + delimiter + "--\r\n";
  return request;
}

HttpRequest BuildCreateJob(const LlmServerSettings& server, const std::string& file,
                           const std::string& first, const std::string& last) {
  HttpRequest request = Request(server, "/batches");
  request.method = "POST";
  request.headers.emplace_back("content-type", "application/json");
  request.body =
      ordered_json{{"input_file_id", file},
                   {"endpoint", kEndpoint},
                   {"completion_window", kWindow},
                   {"metadata", {{kMadeBy, kPaperboy}, {"first", first}, {"last", last}}}}
          .dump();
  return request;
}

HttpRequest BuildGetJob(const LlmServerSettings& server, const std::string& id) {
  return Request(server, "/batches/" + id);
}

HttpRequest BuildCancelJob(const LlmServerSettings& server, const std::string& id) {
  HttpRequest request = Request(server, "/batches/" + id + "/cancel");
  request.method = "POST";
  return request;
}

HttpRequest BuildListJobs(const LlmServerSettings& server, const std::string& after) {
  std::string parameters = "limit=" + std::to_string(kJobsPerPage);
  if (!after.empty()) parameters += "&after=" + after;
  return Request(server, "/batches", parameters);
}

HttpRequest BuildGetFile(const LlmServerSettings& server, const std::string& file) {
  HttpRequest request = Request(server, "/files/" + file + "/content");
  request.max_body_bytes = kMaxFileBytes;
  return request;
}

std::optional<std::string> ReadFileId(const std::string& body) {
  const json object = Parse(body);
  const std::string id = object.is_object() ? TextOf(object, "id") : "";
  if (!IsWord(id)) return std::nullopt;
  return id;
}

std::optional<ProviderJob> ReadJob(const std::string& body) { return JobOf(Parse(body)); }

std::optional<JobPage> ReadJobs(const std::string& body) {
  const json object = Parse(body);
  if (!object.is_object()) return std::nullopt;
  const auto data = object.find("data");
  if (data == object.end() || !data->is_array()) return std::nullopt;
  JobPage page;
  for (const json& each : *data) {
    auto job = JobOf(each);
    if (!job) return std::nullopt;  // not the whole list
    page.jobs.push_back(*std::move(job));
  }
  const auto more = object.find("has_more");
  page.more = more != object.end() && more->is_boolean() && more->get<bool>();
  return page;
}

std::vector<std::string> ReadCustomIds(const std::string& lines) {
  std::vector<std::string> ids;
  ForEachCall(lines, [&](const std::string& id, const json&) { ids.push_back(id); });
  return ids;
}

std::vector<JobAnswer> ReadAnswers(const std::string& lines) {
  std::vector<JobAnswer> answers;
  ForEachCall(lines, [&](const std::string& id, const json& line) {
    JobAnswer& answer = answers.emplace_back();
    answer.custom_id = id;
    const json response = ObjectOf(line, "response");
    answer.status = static_cast<int>(NumberOf(response, "status_code"));
    if (const auto body = response.find("body"); body != response.end()) {
      answer.body = body->dump(-1, ' ', false, json::error_handler_t::replace);
    }
    const json error = ObjectOf(line, "error");
    answer.code = TextOf(error, "code");
    answer.error = TextOf(error, "message");
  });
  return answers;
}

}  // namespace paperboy
