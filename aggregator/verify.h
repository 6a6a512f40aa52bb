// Whether the ledger, what it published and the files below OUT agree: what
// `verify` prints. It only reads; beside the running process.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "aggregator/sqlite.h"

namespace paperboy {

struct VerifyReport {
  // What does not match, and what to do. Empty: everything holds.
  std::vector<std::string> problems;
  // What was not compared and need not: digests that are being amended.
  std::vector<std::string> said;
  size_t digests = 0;  // rendered anew
  size_t files = 0;    // compared with OUT
};

struct VerifyHooks {
  // What is being done, how much of it, of how much.
  std::function<void(const std::string& what, size_t done, size_t total)> progress =
      [](const std::string&, size_t, size_t) {};
  // Called once before files that differ are looked at again: the aggregator may
  // be about to write what it has just committed.
  std::function<void()> settle = [] {};
};

// Checks the database itself (integrity_check, foreign_key_check); that every
// digest's rows add up; renders every published page and status anew and compares
// the bytes with those recorded, and these with their hashes and with the files
// below `out_dir`, and the site's pages with what the records give. Each digest is
// read in one transaction.
VerifyReport Verify(Database& db, const std::string& out_dir, const VerifyHooks& hooks = {});

}  // namespace paperboy
