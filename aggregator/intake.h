// Takes what fetchers deliver into the ledger. Everything is idempotent, happens
// inside the caller's transaction and throws StorageError; what a fetcher got
// wrong is a kInvalid Error, what another edition replaced is kConflict.
#pragma once

#include <string>
#include <vector>

#include "aggregator/digests.h"
#include "aggregator/plan.h"
#include "aggregator/prices.h"
#include "common/result.h"

namespace paperboy {

class Intake {
 public:
  Intake(Database& db, Planner& planner, const Prices& prices)
      : db_(db), planner_(planner), prices_(prices) {}

  // Joins the digest of that profile and date, or begins it. Another revision of
  // the profile begins a new edition: the rows stay. A digest that has mendable
  // papers is taken up again. `sealed`: the lists that the fetcher need not read
  // (of a file, which costs nothing to read again, none).
  // `authors`: as of Wanted, of the rows that the ledger has.
  struct Opened {
    Digest digest;
    std::vector<std::string> sealed;
    std::vector<std::string> authors;
    uint64_t rows = 0;
  };
  Result<Opened> Open(const wire::OpenDigest& open);

  // What is wrong with a question about rows that are not delivered.
  static Status Check(const wire::Forecast& forecast);

  // Stores rows and the texts that came along.
  struct Wanted {
    std::vector<std::string> texts;    // ids whose text is wanted still
    std::vector<std::string> authors;  // ids whose authors are to be looked up
  };
  Result<Wanted> Rows(const wire::Rows& rows);
  Status Papers(const wire::Papers& papers);
  // What was found of authors. When nothing but that was waited for, the digest is
  // planned: true.
  Result<bool> Authors(const wire::Authors& authors);
  // Refused when the ledger has fewer rows than the fetcher counted. With the
  // last list the digest is planned: true.
  Result<bool> Seal(const wire::Seal& seal);
  Status Day(const wire::Day& day);

 private:
  Result<Digest> Current(DigestId id, uint32_t edition);
  Digest Begin(const wire::OpenDigest& open);
  void BeginEdition(const Digest& digest, const wire::OpenDigest& open);
  bool IsSettled(const Digest& digest, const std::string& category, const std::string& source);
  bool PlanIfListsAreIn(const Digest& digest, const wire::Profile& profile);
  bool RecordSeal(const Digest& digest, const wire::Seal& seal);
  bool StoreRow(const Digest& digest, const std::string& category, const wire::Row& row);
  bool WantsText(const Digest& digest, const wire::Profile& profile, const std::string& paper);

  Database& db_;
  Planner& planner_;
  const Prices& prices_;
};

}  // namespace paperboy
