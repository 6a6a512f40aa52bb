// Answers about the ledger, for people: what `paperboy-aggregator why ID` prints.
#pragma once

#include <string>

#include "aggregator/sqlite.h"
#include "common/result.h"

namespace paperboy {

// Where a paper ended in each digest that met it, and why. kInvalid when `id` is
// not an arXiv id or the ledger never met it.
Result<std::string> Why(Database& db, const std::string& id);

}  // namespace paperboy
