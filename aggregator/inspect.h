// The ledger as tables for people: what `status` and `papers` print. They only
// read; any connection.
#pragma once

#include <string>

#include "aggregator/sqlite.h"
#include "common/result.h"

namespace paperboy {

// Digests that `status` lists unless told otherwise.
inline constexpr int kStatusDigests = 20;

// Size and version of the ledger, batches out, and the newest `limit` digests and
// dates without announcement. `path` is the ledger's file.
std::string StatusText(Database& db, const std::string& path, int limit);

// Every row of that date's digests, or those that ended in `state` ("": all;
// "waiting": without an end state). kInvalid for a wrong date or state, or a date
// that the ledger has no digest of.
Result<std::string> PapersText(Database& db, const std::string& date, const std::string& state);

}  // namespace paperboy
