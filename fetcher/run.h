// The fetcher's run: which dates it takes up, arXiv read once for all profiles, every
// digest delivered as soon as it is read, and followed until it is published. Scorers
// work on one date while the next is read. One thread.
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
#include "fetcher/past_days.h"
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
  ~FetchRun();
  FetchRun(const FetchRun&) = delete;
  FetchRun& operator=(const FetchRun&) = delete;

  // Everything that the settings ask for; without a date also what the last week left
  // unfinished. One outcome for each profile and date, by date; fewer when the process
  // was told to stop.
  std::vector<Outcome> Go();

 private:
  using Day = date::sys_days;

  // A date to take up. Without `day`: the announcement that is due.
  struct Task {
    std::optional<Day> day;
    std::vector<wire::Profile> profiles;
    bool mends = false;  // of the last week; it must not hold today's page up for long
  };
  // A date whose digests were begun.
  struct Job {
    size_t task;  // its number
    std::unique_ptr<DateRun> run;
    Listings lists;  // those read, while they cannot be read again
    // Reads lists again that the aggregator lost; empty: `lists` has them.
    std::function<Result<Listings>(const std::set<std::string>&)> read_again;
  };

  // For people.
  void SayWhereTheTimeWent(MonotonicTime::duration reading, MonotonicTime::duration following);
  Status MakeTasks();
  // Adds those of the last week.
  Status AddMending();
  void Read(size_t task);
  void FromFile(Day day);
  void FromPast(Day day, bool asked_for);
  void FromFeeds(std::optional<Day> day);

  // What one look at the feeds tells about a date; categories for people.
  struct Look {
    enum Kind { kOut, kNotOut, kPassed } kind = kNotOut;
    std::map<std::string, std::string> late;  // their feeds are not at the date, and why
    std::string empty;                        // theirs are, without a paper, while others have some
  };
  // Moves the lists of `read` that can be believed to `ready`. Fails when the
  // aggregator cannot be asked.
  Result<Look> Sort(Day day, Listings read, Listings* ready);
  // Why a list that says it is of that date was announced before; "" if it was not.
  Result<std::string> WhyStale(Day day, const Listing& list);
  // Whether an empty list has been seen often enough to be believed; counts.
  bool BelieveEmpty(const std::string& date, const std::string& category);
  // As Sort, for lists of past days, which are of the date always.
  std::string SortFound(const std::string& date, Listings read, Listings* ready);
  // Lists of late feeds from the API, once two looks found the same.
  void AddFound(Day day, Look* look, Listings* ready);
  void FeedsFailed(std::optional<Day> day, const Error& error, Job* job);
  // Ends the digests that lack a list, and tells the aggregator.
  void FailDay(Day day, const Error& error, DateRun& run);
  // Reads the feeds of the categories that `ready` lacks.
  Result<Listings> ReadFeeds(const Listings& ready, MonotonicTime deadline);
  Result<Listings> ReadPast(const std::set<std::string>& categories, Day day,
                            MonotonicTime deadline);
  Result<Listing> Note(Result<Listing> listing);
  Job& Begin(Day day, const char* source, bool remedial);
  // Follows the job's digests to their ends.
  void Finish(Job& job);
  // Hands on what the aggregator told, and shows how far everything is.
  void OnPush(const wire::FetcherReply& reply);
  void Show();

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

  std::vector<wire::Profile>& profiles() { return tasks_[task_].profiles; }
  std::set<std::string> Categories() const;  // of the task's profiles

  const Parts parts_;
  const FetcherSettings& settings_;
  const std::vector<wire::Profile> all_profiles_;
  PastDays past_;
  MonotonicTime deadline_{};
  std::vector<Task> tasks_;
  size_t task_ = 0;                   // under way
  MonotonicTime reading_deadline_{};  // of the task
  std::vector<std::unique_ptr<Job>> jobs_;
  std::map<size_t, std::vector<Outcome>> outcomes_;  // by task
  std::optional<Day> reported_waiting_;
  std::map<std::string, int> empty_looks_;  // at the date under way, by category
  std::map<std::string, size_t> found_;     // rows that the API had at the last look
};

}  // namespace paperboy
