// What becomes of the rows of a digest: the ledger's rules, from a sealed list
// to a complete digest. No I/O but the database, no clock: the instant of
// completion is handed in. Everything happens inside the caller's transaction
// and throws StorageError.
//
//   open --all lists sealed--> sealed --every row has its end state--> complete
//     ^                          ^                                        |
//     |                          |                                 rendering (publish.h)
//     '-- new rows ---- published or withheld <--------------------------'
//                       (back to sealed: new edition, mended rows, an earlier day)
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "aggregator/authors.h"
#include "aggregator/budget.h"
#include "aggregator/digests.h"
#include "aggregator/prices.h"
#include "aggregator/sqlite.h"

namespace paperboy {

class Planner {
 public:
  // A digest with a larger share of unscored papers, of those meant for the
  // model, or of unreadable entries, of all, is withheld.
  Planner(Database& db, double max_unscored_share)
      : db_(db), max_unscored_share_(max_unscored_share) {}

  // Whether all lists of the digest are in, or given up as late, with the text of every
  // wanted paper.
  bool ListsAreIn(const Digest& digest, const wire::Profile& profile);
  // Ids of rows that need a text and have none; of one list, or of all (""). Those that
  // stand only in late lists count as having all: it comes with the list. So do those that
  // have their end state, which they keep when their text was pruned; but not for a new
  // edition, which plans them `anew`.
  std::vector<std::string> MissingTexts(const Digest& digest, const wire::Profile& profile,
                                        const std::string& list = "", bool anew = false);

  // Ids of rows that the list rules want, about whose authors the profile's rules ask and
  // the ledger knows nothing; in their order.
  std::vector<std::string> MissingAuthors(const Digest& digest, const wire::Profile& profile);
  // The same of these rows alone, without a look at the others.
  std::vector<std::string> MissingAuthors(const Digest& digest, const wire::Profile& profile,
                                          const std::set<std::string>& papers);

  // Whether a row of the digest's list would be meant for the model, with the text that
  // it brings along. `authors`: the profile's.
  bool IsForModel(const Digest& digest, const wire::Profile& profile, const AuthorRules& authors,
                  const wire::Row& row);

  // Gives each row its end state or its next unit of work; the digest becomes
  // sealed.
  void Plan(DigestId digest);

  // Fixes who scores the digest, and what it gives up to fit its budget. Its units of
  // work are made by MakeWork.
  void Bind(DigestId digest, const Voice& voice, const std::optional<Economy>& economy = {});
  // Makes the next unit of work of up to `limit` rows of a bound digest that have none,
  // in the order of their papers; with the first of them the anchors'. Returns of how
  // many. A large digest's are made as they are handed out: all at once would hold
  // everybody up for a second.
  size_t MakeWork(DigestId digest, size_t limit = std::numeric_limits<size_t>::max());

  // Mendable rows wait again; the digest is sealed, or open where a text that was
  // pruned is wanted for one. True when there was one. Not those whose text is to come
  // with a late list.
  bool Reopen(DigestId digest);
  // The same for every such row that is unscored, also those given up for good: their
  // failed work begins anew. Returns how many.
  int64_t Retry(DigestId digest);
  // Drops rows, lists and seals: the digest is open again. Scores and texts stay.
  void Empty(DigestId digest);
  // Open again with its rows: the lists that have papers without a text are delivered anew.
  void OpenAgain(DigestId digest, const std::vector<std::string>& papers);

  // Takes rows on from answered units of work. Completes the digest when every
  // row has its end state: returns true then. Later digests of the profile that
  // had taken its papers, or left to it what it does not own, are sealed again.
  bool Advance(DigestId digest, int64_t now_unix_seconds);

  // Completes a sealed digest although papers are open: they end as
  // unscored(why), but for those that are answered already. False for a digest that is not sealed.
  bool GiveUp(DigestId digest, const std::string& why, int64_t now_unix_seconds,
              bool mendable = true);

  // Rows that are selected without a score.
  uint64_t AuthorMatches(DigestId digest);

 private:
  struct RowFacts;
  void ReplanLater(const Digest& digest);
  void PlanRows(const Digest& digest, const wire::Profile& profile);
  void PlanRow(const Digest& digest, const wire::Profile& profile, const AuthorRules& authors,
               const RowFacts& row);
  void Select(const Digest& digest, const RowFacts& row, const std::string& match);
  void KeepWithoutText(const Digest& digest, const RowFacts& row);
  bool IsInLateListsOnly(DigestId digest, const std::string& paper);
  void Unseal(DigestId digest);
  std::vector<std::string> WaitingWithoutText(DigestId digest);
  // The cursor's papers (and versions) but those whose text is to come with a late list;
  // they wait again.
  std::vector<std::string> TakeUp(DigestId digest, Cursor papers);
  static std::vector<RowFacts> ReadRows(Cursor cursor);
  std::vector<RowFacts> LoadRows(DigestId digest);
  std::vector<RowFacts> LoadRow(DigestId digest, const std::string& paper);  // one, or none
  bool LacksAuthors(const Digest& digest, const wire::Profile& profile, const RowFacts& row);
  std::string OwnedBefore(const Digest& digest, const std::string& paper, int64_t version,
                          bool replacement);
  void SetWork(const Digest& digest, const wire::Profile& profile, const std::string& paper,
               int64_t version, wire::Stage stage);
  void SetState(DigestId digest, const std::string& paper, const std::string& state,
                const std::string& why);
  void Complete(const Digest& digest, const wire::Profile& profile, const std::string& give_up,
                bool mendable, int64_t now);
  void FixFigures(DigestId digest, int withhold, int64_t now);

  void Number(DigestId digest);
  void FixTexts(DigestId digest);

  Database& db_;
  double max_unscored_share_;
};

}  // namespace paperboy
