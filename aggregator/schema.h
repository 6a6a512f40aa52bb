// The ledger's tables, and the way from every earlier version of them to this one.
#pragma once

#include <string>

#include "aggregator/sqlite.h"
#include "common/result.h"

namespace paperboy {

// The version that this program writes; a ledger says its own in PRAGMA
// user_version.
int SchemaVersion();
// That of a ledger; 0 for a database without tables. Throws StorageError.
int SchemaVersionOf(Database& db);

// Brings a ledger up to SchemaVersion(), one transaction a version. kInvalid for
// one that a newer version wrote, which is left as it is. Throws StorageError.
Status Migrate(Database& db);

}  // namespace paperboy
