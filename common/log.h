// Logging to standard error through spdlog: set up once per process, before its
// second thread starts; spdlog::info and the like may then be called anywhere.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace paperboy {

// level: trace, debug, info, warn, error. format: text or json.
// text: "2025-04-15T13:30:00.123Z info fetcher: message", times in UTC.
// json: one object a line with the keys time, level, process, message.
// Control characters in a message (a line break in a server's answer) are
// escaped in both, so that a line is always one message.
void SetUpLogging(const std::string& process, const std::string& level, const std::string& format);

}  // namespace paperboy
