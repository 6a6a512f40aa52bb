// What every program does first.
#pragma once

#include <optional>
#include <string>

#include "common/options.h"

namespace paperboy {

// Reads the options, prints what they ask for (--help, --version, --print-config), and sets
// up logging. The code to exit with, after an error 1, which is told as --log-format says, as
// far as that can be known; nothing: go on.
std::optional<int> Start(const std::string& process, int argc, const char* const* argv,
                         Options* options);

}  // namespace paperboy
