#include "common/start.h"

#include <cstdio>

#include "common/log.h"

namespace paperboy {

std::optional<int> Start(const std::string& process, int argc, const char* const* argv,
                         Options* options) {
  const Result<Options::Parsed> parsed = options->Parse(argc, argv);
  if (!parsed) {
    SetUpLogging(process, "error", options->LogFormat(argc, argv));
    SayError(parsed.error().message);
    return 1;
  }
  if (parsed->done) {
    std::fputs(parsed->output.c_str(), stdout);
    return 0;
  }
  SetUpLogging(process, options->String("log-level"), options->String("log-format"));
  return std::nullopt;
}

}  // namespace paperboy
