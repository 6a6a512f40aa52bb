// Copies of the ledger: made while it is written, and put back in its place.
#pragma once

#include <cstdint>
#include <string>

#include "aggregator/sqlite.h"
#include "common/eastern.h"
#include "common/result.h"

namespace paperboy {

// Copies the ledger as it is at one instant to `file`, compacted: written aside as
// FILE.new, checked, synced, renamed. Returns its bytes. kInvalid when the file is
// there already; kStorage names what failed, nothing is left then.
Result<int64_t> BackUpLedger(Database& db, const std::string& file);

// Puts the copy `file` in the place of the ledger in `data_dir`, under a new ledger
// id (hints in Redis of the ledger before hold no more), while no aggregator runs
// (kConflict). The copy is checked first: integrity, schema not newer than known
// (kInvalid). The ledger before is moved to DATA/replaced-WHEN/, never deleted;
// returns that folder, "" if there was none. A kill at any instant leaves the
// ledger before, the copy, or a state that a start refuses until it is run again.
Result<std::string> RestoreLedger(const std::string& data_dir, const std::string& file,
                                  WallTime now);

}  // namespace paperboy
