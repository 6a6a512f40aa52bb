// Answers of web services as they lie in files: plain or .gz, bare or recorded
// together with the question, status and headers. One thread.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace paperboy {

struct RecordedAnswer {
  std::string url;  // that was asked; "" of a bare answer
  int status = 200;
  std::string body;
};

// What is in a file, of which the first 64 MiB count; an empty answer if it cannot be
// read. A recording is a JSON object with `body` and `url`, or with `request` and
// `response`, or a list of such; anything else is one bare answer. kInvalid: a
// recording without the answer.
Result<std::vector<RecordedAnswer>> ReadRecorded(const std::string& path);

}  // namespace paperboy
