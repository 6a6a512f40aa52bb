#include "aggregator/days.h"

#include <algorithm>
#include <set>
#include <string>

#include "aggregator/digests.h"
#include "common/calendar.h"
#include "common/eastern.h"

namespace paperboy {
namespace {

// Ids of the old form (hep-th/9901001) and places of unreadable entries come behind
// all numbers; they are no measure of what is new.
constexpr char kBehindNumbers[] = ":";

// The newest date of the lists before the date that the question gives, and the highest id
// in them; empty when there are none.
struct Before {
  std::string date, highest;
};

Before ListsBefore(Database& db, const wire::Compare& question) {
  // A list of the date itself that has nothing in common with this one is another day's.
  std::set<std::string> own;
  auto listed = db.Query(
      "SELECT l.paper FROM digest d JOIN listing l ON l.digest = d.id AND l.category = ?1 "
      "WHERE d.date = ?2",
      question.category(), question.date());
  while (listed.Next()) own.insert(listed.Text(0));
  const auto& rows = question.rows();
  const bool another =
      !own.empty() && std::none_of(rows.begin(), rows.end(),
                                   [&](const wire::Row& row) { return own.contains(row.id()); });
  // Ids are given mailing by mailing: where the ledger has no list of the category, those
  // of others tell as well.
  for (const bool any_category : {false, true}) {
    auto cursor = db.Query(
        "SELECT coalesce(max(date), ''), coalesce(max(highest), '') FROM (SELECT d.date, "
        "(SELECT max(paper) FROM listing WHERE digest = d.id AND (category = ?1 OR ?4) "
        "AND paper < ?3) AS highest FROM digest d WHERE d.date < ?2 OR (d.date = ?2 AND ?5)) "
        "WHERE highest IS NOT NULL",
        question.category(), question.date(), kBehindNumbers, int64_t{any_category},
        int64_t{another});
    cursor.Next();
    if (!cursor.Text(0).empty()) return {cursor.Text(0), cursor.Text(1)};
  }
  return {};
}

bool HasRows(Database& db, DigestId digest) {
  return db.Query("SELECT 1 FROM row WHERE digest = ? LIMIT 1", digest).Next();
}

}  // namespace

Result<wire::Days> ListDays(Database& db, const wire::ListDays& question) {
  for (const std::string& date : {question.from(), question.to()}) {
    if (const auto parsed = ParseDate(date); !parsed) return parsed.error();
  }
  wire::Days days;
  // An open digest says less than why its date waits or failed.
  auto cursor = db.Query(
      "SELECT date, coalesce(min(day), min(digest)), max(why), max(id), max(revision) FROM ("
      "SELECT date, iif(state = 'open', NULL, state) AS digest, NULL AS day, '' AS why, id, "
      "revision FROM digest WHERE profile = ?1 "
      "UNION ALL SELECT date, NULL, state, why, NULL, '' FROM day WHERE profile = ?1) "
      "WHERE date BETWEEN ?2 AND ?3 GROUP BY date ORDER BY date",
      question.profile(), question.from(), question.to());
  while (cursor.Next()) {
    const std::string date = cursor.Text(0);
    auto digest = cursor.OptInt(3);
    const bool open = digest && FindDigest(db, *digest)->state == "open";
    // Nothing is to come of it.
    if (open && !AnnouncementFor(*ParseDate(date)) && !HasRows(db, *digest)) digest.reset();
    if (!digest && cursor.Text(1).empty()) continue;
    wire::DayState* day = days.add_days();
    day->set_date(date);
    day->set_state(cursor.Text(1).empty() ? "open" : cursor.Text(1));
    day->set_why(cursor.Text(2));
    day->set_mendable(digest && (IsMendable(db, *digest) || !LateLists(db, *digest).empty()));
    if (digest) day->set_revision(cursor.Text(4));
  }
  // Of a digest that was opened and has nothing (any more) nobody asked for what came after.
  auto first = db.Query(
      "SELECT coalesce(min(date), '') FROM (SELECT min(date) AS date FROM digest "
      "WHERE profile = ?1 AND (state <> 'open' OR EXISTS "
      "(SELECT 1 FROM row WHERE row.digest = digest.id)) "
      "UNION ALL SELECT min(date) FROM day WHERE profile = ?1)",
      question.profile());
  if (first.Next()) days.set_first(first.Text(0));
  return days;
}

Result<wire::Compared> Compare(Database& db, const wire::Compare& question) {
  if (const auto parsed = ParseDate(question.date()); !parsed) return parsed.error();
  wire::Compared compared;
  const Before before = ListsBefore(db, question);
  compared.set_newest_date(before.date);
  const auto listed_before = [&](const wire::Row& row) {
    return db
        .Query(
            "SELECT 1 FROM row JOIN digest d ON d.id = row.digest JOIN listing l ON "
            "l.digest = d.id AND l.category = ?1 AND l.paper = row.paper "
            "WHERE row.paper = ?2 AND d.date < ?3 AND row.version >= ?4 LIMIT 1",
            question.category(), row.id(), question.date(), row.version())
        .Next();
  };
  const auto& rows = question.rows();
  const auto is_new = [](const wire::Row& row) {
    return row.announce_type() == wire::ANNOUNCE_TYPE_NEW;
  };
  // An earlier list that was rebuilt lacks replacements and what was newly listed.
  const bool by_new_papers = std::any_of(rows.begin(), rows.end(), is_new);
  compared.set_repeats(!rows.empty() && std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
    if (by_new_papers && !is_new(row)) return true;
    const bool above = row.id() < kBehindNumbers && row.id() > before.highest;
    return !above && (by_new_papers || listed_before(row));
  }));
  return compared;
}

}  // namespace paperboy
