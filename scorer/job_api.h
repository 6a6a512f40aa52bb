// OpenAI's Batch API: many calls in one file, answered within a day at a lower price.
// What is sent and what comes back; deferred.h decides when. What the API calls a batch
// is a job here: a batch is the papers of one call. Pure; any thread.
//
//   POST BASE/files                 multipart, purpose=batch: the calls, a line each
//   POST BASE/batches               a job of that file; GET BASE/batches?limit&after lists all
//   GET  BASE/batches/ID            how it stands: validating, failed, in_progress,
//                                   finalizing, completed, expired, cancelling, cancelled
//   POST BASE/batches/ID/cancel     what was answered until then is in its files
//   GET  BASE/files/ID/content      lines of its input, output and error file
//
// https://platform.openai.com/docs/guides/batch and .../docs/api-reference/batch,
// https://developers.openai.com/api/docs/api-reference/files/create, read 2026-11. Files
// with the purpose batch are deleted by the provider after 30 days.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/http_client.h"
#include "scorer/provider.h"

namespace paperboy {

// The API takes 50,000 calls and 200 MB in a file. A job has fewer, so that a scorer can
// hold them all, and all are of one model, as the API asks for.
inline constexpr size_t kMaxJobCalls = 1'000;
// It must go up within the time of one request, over a slow line too.
inline constexpr size_t kMaxJobBytes = 16 << 20;
// A page of the list of jobs: the most that the API gives.
inline constexpr int kJobsPerPage = 100;
// The code of a job that failed because too many tokens are queued already: to be sent
// again when others are done. https://github.com/openai/openai-python/issues/2084
inline constexpr char kQueueFull[] = "token_limit_exceeded";
// The code of a line that was not answered in time.
inline constexpr char kLineExpired[] = "batch_expired";

struct ProviderJob {
  std::string id;
  std::string status;
  std::string input_file, output_file, error_file;  // "": none
  int64_t created_at = 0;                           // Unix seconds; 0: not known
  uint64_t calls = 0, answered = 0;                 // 0 calls: not counted yet
  std::string error_code, error;                    // of a failed one
  // Of jobs that Paperboy made (`ours`): the lowest and highest custom id.
  bool ours = false;
  std::string first, last;

  bool ended() const {
    return status == "completed" || status == "failed" || status == "expired" ||
           status == "cancelled";
  }
};

// One call in the file: `body` as an ordinary call has it.
std::string JobLine(const std::string& custom_id, const std::string& body);

HttpRequest BuildUpload(const LlmServerSettings& server, const std::string& lines);
HttpRequest BuildCreateJob(const LlmServerSettings& server, const std::string& file,
                           const std::string& first, const std::string& last);
HttpRequest BuildGetJob(const LlmServerSettings& server, const std::string& id);
HttpRequest BuildCancelJob(const LlmServerSettings& server, const std::string& id);
// `after`: the last job of the page before; "": the first page.
HttpRequest BuildListJobs(const LlmServerSettings& server, const std::string& after);
HttpRequest BuildGetFile(const LlmServerSettings& server, const std::string& file);

// Of the body of a 200; nothing where it is no such object.
std::optional<std::string> ReadFileId(const std::string& body);
std::optional<ProviderJob> ReadJob(const std::string& body);
struct JobPage {
  std::vector<ProviderJob> jobs;
  bool more = false;
};
std::optional<JobPage> ReadJobs(const std::string& body);

// The custom ids in an input file.
std::vector<std::string> ReadCustomIds(const std::string& lines);
// A line of an output or error file. `status` is 0 where the call was not answered; then
// `code` and `error` may say why.
struct JobAnswer {
  std::string custom_id;
  int status = 0;
  std::string body;
  std::string code, error;
};
// Lines that cannot be read are left out.
std::vector<JobAnswer> ReadAnswers(const std::string& lines);

}  // namespace paperboy
