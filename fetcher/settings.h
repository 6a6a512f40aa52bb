// The fetcher's command line, checked.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/aggregator_socket.h"
#include "common/eastern.h"
#include "common/options.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

enum class SourceKind { kAuto, kRss, kApi, kOai, kFile };

// How long a run waits in all, unless it is told. A day of the provider's batch API has
// time to end.
inline constexpr std::chrono::hours kDeadline{8};
inline constexpr std::chrono::hours kBatchApiDeadline{30};

struct FetcherSettings {
  std::vector<std::string> profile_dirs;
  // A single date: from == to. Neither: the announcement that is due.
  std::optional<date::sys_days> from;
  std::optional<date::sys_days> to;
  bool range = false;  // given by --from/--to
  SourceKind source = SourceKind::kAuto;
  std::string file;  // for kFile; {date} stands for the date
  AggregatorAddress aggregator;
  std::string rss_url;
  std::string api_url;
  std::string oai_url;
  std::chrono::duration<double> arxiv_interval{3};
  std::chrono::milliseconds deadline = kDeadline;
  bool deadline_given = false;
  bool wait = true;
  bool dry_run = false;
  std::string progress;  // auto, plain, none
  std::string contact;
  std::string s2_url;
  std::string s2_key;  // a secret; empty: none
};

// The table behind --help, with its examples and exit codes.
Options FetcherOptions();

// kInvalid for combinations and values that make no sense at `now`; the message
// names the option and what is allowed.
Result<FetcherSettings> ReadFetcherSettings(const Options& options, WallTime now);

// The deadline of a run for these profiles at `now`.
std::chrono::milliseconds DeadlineFor(const FetcherSettings& settings,
                                      const std::vector<wire::Profile>& profiles, WallTime now);

// --date, or --from and --to, into `from`, `to` and `range`: the part of
// ReadFetcherSettings that does not look at the time.
Status ReadDates(const Options& options, FetcherSettings* settings);

// The file of --source file: for that date.
std::string FileOf(const FetcherSettings& settings, const std::string& date);

// kInvalid, with the names, when of a range not one of the files named by date is there, though
// a date of it has an announcement: that is a mistake in the name, and no range without papers.
Status CheckFiles(const FetcherSettings& settings);

// 90s, 5m, 8h, 2d: a whole number and a unit, at most a year.
Result<std::chrono::milliseconds> ParseSpan(const std::string& text);

}  // namespace paperboy
