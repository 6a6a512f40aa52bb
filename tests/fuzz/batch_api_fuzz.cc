#include <algorithm>

#include "scorer/job_api.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

// They go into URLs and logs.
bool IsWord(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

void CheckJob(const ProviderJob& job) {
  FUZZ_CHECK(IsWord(job.id) && IsWord(job.status));
  FUZZ_CHECK(WallTime(std::chrono::seconds(job.created_at)) >= WallTime{});
  for (const std::string& file : {job.input_file, job.output_file, job.error_file}) {
    FUZZ_CHECK(file.empty() || IsWord(file));
  }
}

}  // namespace

// What the batch API answers: a job, a list of jobs, a file's id, and the lines of files.
FUZZ_TARGET(batch_api, bytes) {
  const std::string body(bytes);
  if (const auto job = ReadJob(body); job) CheckJob(*job);
  if (const auto page = ReadJobs(body); page) {
    for (const ProviderJob& job : page->jobs) CheckJob(job);
  }
  if (const auto file = ReadFileId(body); file) FUZZ_CHECK(IsWord(*file));
  std::string lines;
  const std::vector<std::string> ids = ReadCustomIds(body);
  const std::vector<JobAnswer> answers = ReadAnswers(body);
  FUZZ_CHECK(answers.size() == ids.size());
  for (size_t i = 0; i < ids.size(); ++i) FUZZ_CHECK(answers[i].custom_id == ids[i]);
  // What is submitted is found again.
  for (const std::string& id : ids) lines += JobLine(id, "{}");
  FUZZ_CHECK(ReadCustomIds(lines) == ids);
}

}  // namespace paperboy::fuzz
