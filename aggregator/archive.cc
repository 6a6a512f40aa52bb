#include "aggregator/archive.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

std::string KindOf(Recorded what) { return what == Recorded::kPage ? "md" : "json"; }

// Paths of a kind are between this and the same with its last character raised.
std::string Prefix(const std::string& profile, Recorded what) {
  return profile + "/" + KindOf(what) + "/";
}
std::string Behind(std::string prefix) {
  ++prefix.back();
  return prefix;
}

// "…/2025-05-19-output.md" → "2025-05-19"
std::string DateOf(const std::string& path) { return path.substr(path.rfind('/') + 1, 10); }

// Paths of a date are at or behind this one, and before the same with '.' behind it.
std::string OfDate(const std::string& profile, Recorded what, const std::string& date) {
  return PathBelowOut(profile, KindOf(what), date, "");
}

std::optional<std::string> DateIn(Cursor cursor) {
  if (!cursor.Next() || cursor.Null(0)) return std::nullopt;
  return DateOf(cursor.Text(0));
}

// A quiet day was read to its end and had nothing for this reader. One all of whose
// papers belong to earlier dates may be a stale list instead.
bool IsQuiet(const StatusHead& status) {
  const auto& funnel = status.funnel;
  const bool all_seen = funnel.scanned() == 0 && funnel.seen_before() > 0;
  if (status.mendable) return false;
  return funnel.selected() == 0 && funnel.unscored() == 0 && funnel.refused() == 0 && !all_seen;
}

// An earlier version recorded no reason, but notes.
std::string WithheldBecause(const StatusHead& status) {
  if (!status.why.empty()) return "withheld: " + status.why;
  std::string why = "withheld:";
  for (const auto& note : status.notes) why += " " + note;
  return why;
}

// As DigestsBeingScored has it, by the index of those that are not done.
#define BEING_SCORED "state IN ('open', 'sealed', 'complete') AND state <> 'open'"

bool IsBeingScored(Database& db, const std::string& profile, const std::string& date) {
  return db
      .Query("SELECT 1 FROM digest WHERE profile = ? AND date = ? AND " BEING_SCORED, profile, date)
      .Next();
}

std::optional<std::string> TextIn(Cursor cursor) {
  if (!cursor.Next() || cursor.Null(0)) return std::nullopt;
  return cursor.Text(0);
}

DayRecord Read(Database& db, const std::string& profile, const std::string& date,
               const std::string& status) {
  DayRecord day;
  day.date = date;
  day.status = ReadStatusHead(status);
  day.state = day.status.state;
  day.why = day.status.why;
  if (day.state == "published" && !day.status.late.empty()) {
    day.state = "partial";
    day.why = fmt::format("not announced in time: {}", fmt::join(day.status.late, ", "));
  }
  if (day.state == "published" && IsQuiet(day.status)) day.state = "quiet";
  if (day.state == "withheld") {
    day.state = "failed";
    day.why = WithheldBecause(day.status);
  }
  static const std::set<std::string> known = {"published", "partial", "quiet",
                                              "holiday",   "failed",  "waiting"};
  if (!known.contains(day.state)) day.state = "failed";
  day.has_page =
      db.Query("SELECT 1 FROM file WHERE path = ?", PathBelowOut(profile, "md", date, "output.md"))
          .Next();
  day.papers = static_cast<int64_t>(day.status.funnel.selected());
  if (day.status.state != "published") {
    // The page, if there is one, is older than the status.
    const auto papers = RecordedFile(db, PathBelowOut(profile, "json", date, "output.json"));
    const auto json = nlohmann::json::parse(papers.value_or("{}"), nullptr, false);
    day.papers = json.is_object() ? static_cast<int64_t>(json.size()) : 0;
  }
  return day;
}

std::optional<DayRecord> ReadRecord(Database& db, const std::string& profile,
                                    const std::string& date) {
  const auto status = RecordedFile(db, PathBelowOut(profile, "json", date, "digest.json"));
  if (!status) return std::nullopt;
  return Read(db, profile, date, *status);
}

}  // namespace

std::string PathBelowOut(const std::string& profile, const std::string& kind,
                         const std::string& date, const std::string& name) {
  return profile + "/" + kind + "/" + date.substr(0, 7) + "/" + date + "-" + name;
}

std::optional<std::string> DateBefore(Database& db, const std::string& profile, Recorded what,
                                      const std::string& date) {
  const auto recorded = DateIn(db.Query("SELECT max(path) FROM file WHERE path >= ? AND path < ?",
                                        Prefix(profile, what), OfDate(profile, what, date)));
  if (what == Recorded::kPage) return recorded;
  return std::max(recorded, TextIn(db.Query("SELECT max(date) FROM digest WHERE profile = ? AND "
                                            "date < ? AND " BEING_SCORED,
                                            profile, date)));
}

std::optional<std::string> DateAfter(Database& db, const std::string& profile, Recorded what,
                                     const std::string& date) {
  const auto recorded =
      DateIn(db.Query("SELECT min(path) FROM file WHERE path >= ? AND path < ?",
                      Behind(OfDate(profile, what, date)), Behind(Prefix(profile, what))));
  if (what == Recorded::kPage) return recorded;
  const auto scored = TextIn(
      db.Query("SELECT min(date) FROM digest WHERE profile = ? AND date > ? AND " BEING_SCORED,
               profile, date));
  return recorded && scored ? std::min(recorded, scored) : std::max(recorded, scored);
}

std::optional<std::string> NewestDate(Database& db) {
  std::optional<std::string> newest;
  for (const auto& profile : RecordedProfiles(db)) {
    newest = std::max(newest, DateBefore(db, profile, Recorded::kAnything, kEnd));
  }
  return newest;
}

std::vector<std::string> RecordedProfiles(Database& db) {
  std::vector<std::string> profiles;
  auto cursor = db.Query(
      "SELECT substr(path, 1, instr(path, '/') - 1) FROM file "
      "UNION SELECT profile FROM digest WHERE " BEING_SCORED " ORDER BY 1");
  while (cursor.Next()) profiles.push_back(cursor.Text(0));
  return profiles;
}

std::vector<std::string> RecordedDates(Database& db, const std::string& profile, Recorded what) {
  std::set<std::string> dates;
  auto cursor = db.Query("SELECT path FROM file WHERE path >= ? AND path < ?",
                         Prefix(profile, what), Behind(Prefix(profile, what)));
  while (cursor.Next()) dates.insert(DateOf(cursor.Text(0)));
  if (what == Recorded::kAnything) {
    for (const auto& [name, date] : DigestsBeingScored(db)) {
      if (name == profile) dates.insert(date);
    }
  }
  return {dates.begin(), dates.end()};
}

std::optional<std::string> RecordedFile(Database& db, const std::string& path) {
  auto cursor = db.Query("SELECT content FROM file WHERE path = ?", path);
  if (!cursor.Next()) return std::nullopt;
  return cursor.Text(0);
}

std::set<std::pair<std::string, std::string>> DigestsBeingScored(Database& db) {
  std::set<std::pair<std::string, std::string>> digests;
  auto cursor = db.Query("SELECT profile, date FROM digest WHERE " BEING_SCORED);
  while (cursor.Next()) digests.emplace(cursor.Text(0), cursor.Text(1));
  return digests;
}

std::optional<DayRecord> FindDayRecord(Database& db, const std::string& profile,
                                       const std::string& date) {
  auto day = ReadRecord(db, profile, date);
  if (!IsBeingScored(db, profile, date)) return day;
  if (!day) {
    day.emplace();
    day->date = date;
    day->status.state = kBeingScored;
  }
  day->state = kBeingScored;
  day->why.clear();
  return day;
}

std::vector<DayRecord> DayRecordsOf(Database& db, const std::string& profile,
                                    const std::string& month) {
  std::vector<DayRecord> days;
  std::string date = month + "-00";
  for (;;) {
    const auto next = DateAfter(db, profile, Recorded::kAnything, date);
    if (!next || next->substr(0, 7) != month) return days;
    if (auto day = FindDayRecord(db, profile, *next)) days.push_back(std::move(*day));
    date = *next;
  }
}

std::map<std::string, int> CountStatesAfter(Database& db, const std::string& date) {
  std::map<std::string, int> counts = {{"published", 0}, {"partial", 0}, {"withheld", 0},
                                       {"holiday", 0},   {"quiet", 0},   {"waiting", 0},
                                       {"failed", 0}};
  for (const auto& profile : RecordedProfiles(db)) {
    for (auto next = DateAfter(db, profile, Recorded::kAnything, date); next;
         next = DateAfter(db, profile, Recorded::kAnything, *next)) {
      const auto day = ReadRecord(db, profile, *next);
      if (day) ++counts[day->status.state == "withheld" ? "withheld" : day->state];
    }
  }
  return counts;
}

}  // namespace paperboy
