// The commands of paperboy-aggregator beside serving: looking at the ledger (beside
// the running process), changing it (a message to the running process), copying it
// and putting a copy back.
#pragma once

#include <string>
#include <vector>

#include "common/options.h"

namespace paperboy {

// What --help says about them.
std::string CommandsHelp();

// The arguments with `prune --before DATE` as the words that it means: `prune DATE`.
std::vector<const char*> WithoutBefore(int argc, const char* const* argv);

// Runs the command that options.words() name; prints to standard output and error.
// Returns the exit code: 0 done, 1 bad usage or a ledger that cannot be used, 2
// verify found something, or nobody answered.
int RunCommand(const Options& options);

}  // namespace paperboy
