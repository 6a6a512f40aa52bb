// What an operator changes in the ledger (retry, redo, prune): the ledger's side of
// those commands. Everything is idempotent, happens inside the caller's transaction
// and throws StorageError; a wrong date, or one that the ledger has no digest of,
// is kInvalid.
#pragma once

#include <string>
#include <vector>

#include "aggregator/digests.h"
#include "aggregator/plan.h"
#include "common/result.h"

namespace paperboy {

// Papers that one message of Prune looks at: some 40 ms with the commit.
inline constexpr int kPruneChunk = 1000;

struct Amended {
  wire::Done done;
  std::vector<DigestId> sealed;  // digests with work that waits again
};

// With which the fetcher delivers that date, for people.
std::string FlagsFor(const std::string& date);

// Every unscored paper of the date's digests waits again; they are completed and
// published again by themselves.
Result<Amended> RetryDate(Database& db, Planner& planner, const std::string& date);

// The date's digests are open and empty; their pages stay until the next run of a
// fetcher has delivered the date anew. One that nothing could deliver stays as it is: of a
// date on which arXiv announces nothing, but from a file. kInvalid if all are such.
Result<Amended> RedoDate(Database& db, Planner& planner, const std::string& date);

// Drops the abstracts of papers that stand only in digests before the date which
// are published or withheld, except of those that stand on a page (verify renders
// it) or are unscored (a later run scores them). A pruned text counts as none: a
// new edition asks the fetcher for it again.
Result<Amended> PruneTexts(Database& db, const wire::Prune& prune);

}  // namespace paperboy
