// What the ledger knows of dates and of what was announced before: what fetchers ask
// to decide what to read. Read only; inside the caller's transaction; throws
// StorageError.
#pragma once

#include "aggregator/sqlite.h"
#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// kInvalid for what is no date.
Result<wire::Days> ListDays(Database& db, const wire::ListDays& question);

// Compares with the lists of earlier dates, of whatever profile: arXiv's lists are the
// same for all.
Result<wire::Compared> Compare(Database& db, const wire::Compare& question);

}  // namespace paperboy
