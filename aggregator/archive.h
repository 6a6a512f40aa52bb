// What was published of each date, asked of table file by the paths that it has, and which
// digests are being scored. It changes when something is published or goes to the scorers,
// and not with every row. All functions throw StorageError.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/page.h"

namespace paperboy {

// "PROFILE/md/2025-05/2025-05-19-output.md", below OUT.
std::string PathBelowOut(const std::string& profile, const std::string& kind,
                         const std::string& date, const std::string& name);

// Dates that have a page, and those of which anything is recorded: a page, a
// withheld digest, a date without an announcement, a digest that is being scored.
enum class Recorded { kPage, kAnything };

inline constexpr char kBeginning[] = "0000-00-00", kEnd[] = "9999-99-99";

std::optional<std::string> DateBefore(Database& db, const std::string& profile, Recorded what,
                                      const std::string& date);
std::optional<std::string> DateAfter(Database& db, const std::string& profile, Recorded what,
                                     const std::string& date);
// The newest date of which anything is recorded, of whatever profile: the last that an
// archive without a clock knows to have come.
std::optional<std::string> NewestDate(Database& db);
// By name.
std::vector<std::string> RecordedProfiles(Database& db);
// All dates of a profile, oldest first.
std::vector<std::string> RecordedDates(Database& db, const std::string& profile, Recorded what);
// The bytes of a file; nullopt if there is none of that path.
std::optional<std::string> RecordedFile(Database& db, const std::string& path);

// Profile and date of the digests that have all their lists and wait for scores, or for their
// publication.
inline constexpr char kBeingScored[] = "being scored";
std::set<std::pair<std::string, std::string>> DigestsBeingScored(Database& db);

// A date as a calendar shows it.
struct DayRecord {
  std::string date;
  // published, partial (without a list that was late), quiet, holiday, failed (withheld
  // too), waiting, kBeingScored (also with a page that it replaces)
  std::string state;
  std::string why;  // for people; of a date with a page as it should be ""
  bool has_page = false;
  int64_t papers = 0;  // on its page
  StatusHead status;
};

std::optional<DayRecord> FindDayRecord(Database& db, const std::string& profile,
                                       const std::string& date);
// Those of a month ("2025-05"), oldest first.
std::vector<DayRecord> DayRecordsOf(Database& db, const std::string& profile,
                                    const std::string& month);

// How many of the dates after `date`, of all profiles together, ended how: published, partial,
// withheld, holiday, quiet, waiting, failed. Each is named, at 0 too.
std::map<std::string, int> CountStatesAfter(Database& db, const std::string& date);

}  // namespace paperboy
