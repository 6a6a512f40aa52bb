// The fetcher's run: dates one after another, arXiv read once for all profiles.
// One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/eastern.h"
#include "fetcher/arxiv_source.h"
#include "fetcher/date_run.h"
#include "fetcher/outcome.h"
#include "fetcher/settings.h"

namespace paperboy {

class FetchRun {
 public:
  struct Parts {
    Pump& pump;
    Progress& progress;
    ArxivClient& arxiv;
    ArxivSource& source;
    AggregatorClient& aggregator;
    SeenHint& hint;
    std::function<WallTime()> clock;
    SemanticScholar* scholar = nullptr;  // null: no author is looked up
  };

  FetchRun(Parts parts, const FetcherSettings& settings, std::vector<wire::Profile> profiles);

  // Everything that the settings ask for. One outcome for each profile and
  // date; fewer when the process was told to stop.
  std::vector<Outcome> Go();

 private:
  using Day = date::sys_days;

  void EachDate();
  void OneDate(std::optional<Day> day);
  void FromFile(Day day);
  void FromApi(Day day, bool asked_for);
  void FromFeeds(std::optional<Day> day);

  // What one look at the feeds tells about a date; categories for people.
  struct Look {
    enum Kind { kOut, kNotOut, kPassed } kind = kNotOut;
    std::string late;   // their feeds are not at the date
    std::string empty;  // theirs are, without a paper, while others have some
  };
  // Moves the lists of `read` that can be believed to `ready`.
  Look Sort(const std::string& date, Listings read, Listings* ready);
  // Whether an empty list has been seen often enough to be believed; counts.
  bool BelieveEmpty(const std::string& date, const std::string& category);
  // As Sort, for lists of the API, which are of the date always.
  Look SortFound(const std::string& date, Listings read, Listings* ready);
  // `run`: the date's, if it has begun.
  void FeedsFailed(std::optional<Day> day, const Error& error, DateRun* run, const Listings& ready);
  // Ends the digests that lack a list, and tells the aggregator.
  void FailDay(Day day, const Error& error, DateRun& run);
  // Reads the feeds of the categories that `ready` lacks.
  Result<Listings> ReadFeeds(const Listings& ready);
  Result<Listings> ReadWindows(const std::set<std::string>& categories, Day day);
  Result<Listing> Note(Result<Listing> listing);
  std::unique_ptr<DateRun> Begin(Day day, const char* source, bool remedial);
  // Follows `run` to its end and takes its outcomes.
  void Finish(DateRun& run, const Listings& lists);

  // Waits for the next look at arXiv. False when there is none: --no-wait, the
  // deadline or a stop.
  bool WaitForAnnouncement(Day day, const std::string& why);
  // Waits `pause` (not with --no-wait) before the next look at lists that were
  // empty. False when the deadline or a stop came first.
  bool LookAgain(Milliseconds pause, const std::string& categories);
  // As that, and ends the digests that lack a list when it is false.
  bool LookAgainOrEnd(Milliseconds pause, const std::string& categories, DateRun& run);
  void NoAnnouncement(Day day);
  void Fail(const std::string& date, const Error& error);
  void EndAll(const std::string& date, const std::string& state, const std::string& why,
              ExitCode code);
  Status ReportDay(Day day, const std::string& state, const std::string& why,
                   MonotonicTime deadline);

  const Parts parts_;
  const FetcherSettings& settings_;
  const std::vector<wire::Profile> profiles_;
  std::set<std::string> categories_;  // of all profiles
  MonotonicTime deadline_{};
  // Dates are delivered and not followed: a second pass does that.
  bool ahead_ = false;
  std::vector<Outcome> outcomes_;
  std::optional<Day> reported_waiting_;
  std::map<std::string, int> empty_looks_;  // at the date under way, by category
};

}  // namespace paperboy
