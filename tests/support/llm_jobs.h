// The simulated provider's Batch API: files of calls, jobs of files. Written from its
// documentation: https://platform.openai.com/docs/guides/batch and
// https://platform.openai.com/docs/api-reference/batch. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/faults.h"

// Its header defines words like REFUSED.
namespace httplib {
struct Request;
struct Response;
}  // namespace httplib

namespace paperboy {

class LlmJobs {
 public:
  using Json = nlohmann::ordered_json;
  // Answers one call: status and body.
  using Chat = std::function<std::pair<int, Json>(const std::string& body)>;

  struct Job {
    std::string id;
    std::vector<std::string> custom_ids;
    std::string status;
  };

  explicit LlmJobs(Chat chat) : chat_(std::move(chat)) {}

  // False if the request is for something else. `fault` is what was drawn for the line
  // "METHOD PATH" of the request; of its kinds the server itself answers those of a status,
  // and these stand for what becomes of a job that is made:
  //   job_fails    fails validation, as with a model that is not known
  //   job_crowded  fails, as with too many tokens queued
  //   job_half     expires when half of its calls were answered
  //   job_lost     is made, and the answer is 500 all the same
  //   job_empty    completes without a line of output
  bool Handle(const httplib::Request& request, httplib::Response& response, const Fault& fault);

  // From the making of a job, old and new, until it ends.
  void SetTime(std::chrono::milliseconds time);
  // The provider's operator cancels what has not ended; a request cancels one job. So many
  // calls of each were answered until then.
  void CancelAll(size_t answered = 0);
  // What jobs that fail and lines that expire say instead.
  void SetErrors(const std::string& message);
  void DeleteFiles();
  std::vector<Job> jobs() const;

 private:
  struct Made {
    Json object;
    std::vector<std::string> custom_ids;
    std::string end;  // how it will end
    std::chrono::steady_clock::time_point at;
    std::string output, errors;  // lines
  };

  void Upload(const httplib::Request& request, httplib::Response& response);
  void Cancel(const std::string& id, httplib::Response& response);
  void Create(const httplib::Request& request, httplib::Response& response, const Fault& fault);
  void List(const httplib::Request& request, httplib::Response& response) const;
  Made Run(const std::string& lines, const Fault& fault);
  Json Show(const Made& job) const;
  std::string Status(const Made& job) const;
  void Cancel(Made* job, size_t answered);

  const Chat chat_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, std::string> files_;
  std::vector<Made> jobs_;  // oldest first
  std::chrono::milliseconds time_{0};
  std::string errors_;
  uint64_t next_ = 1;
};

}  // namespace paperboy
