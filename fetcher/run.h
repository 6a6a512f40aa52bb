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
#include "common/log.h"
#include "fetcher/arxiv_source.h"
#include "fetcher/date_run.h"
#include "fetcher/day_lists.h"
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

  static constexpr std::chrono::minutes kPoll{5};
  // A request takes its time, however the waits are scaled.
  static constexpr Milliseconds kMinRead{1'000};
  // What is told about a day on the way out is not worth a longer wait.
  static constexpr Milliseconds kLastWord{5'000};

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
  // arXiv did announce something on that day off, which a feed had: a digest with all of
  // its lists is scored. Nothing has lists that it lacks, and without one it is a holiday.
  void MendDayOff(Day day);
  // Looks for what the digests lack where past days come from, and delivers it. A digest
  // of which a list cannot be read fails, and no other.
  void LookAtPast(Day day, DateRun& run, bool newest);
  // The same without delivering, for what the aggregator lost.
  Result<Listings> LookAtPastAgain(const std::set<std::string>& categories, Day day, bool newest);
  // Ends the digests that lack the list, and tells the aggregator.
  void FailWithout(const std::string& category, Day day, const Error& error, DateRun& run);
  void FromFeeds(std::optional<Day> day);

  // Looks at the feeds of what is not in, and delivers what is, until everything is or
  // the time is over. The feed of one category that is late or cannot be read holds up
  // no other.
  using Looks = std::map<std::string, Result<Listing>>;
  // A deadline for reading one category's list, so that one that fails slowly leaves the
  // others theirs.
  MonotonicTime ReadBy() const;
  Looks ReadFeeds(const std::vector<std::string>& categories);
  // Notes what the feeds tell; `some_known`: the ledger has papers of the day. Fails when
  // the aggregator cannot be asked.
  Status Sort(Day day, Looks feeds, bool some_known, DayLists* lists);
  // Why a list that says it is of that date was announced before; "" if it was not.
  Result<std::string> WhyStale(Day day, const Listing& list);
  // Looks for late lists where past days come from, before `patience` is over only for
  // those whose feed is refused or may be empty. Where that has nothing either, the empty
  // feed is the list.
  void AskElsewhere(Day day, MonotonicTime patience, DayLists* lists);
  // Lists that the ledger has, if their feeds have more by now: those of `feeds`, and what
  // can be read of the others in a minute.
  void ReadSealedAgain(Day day, Looks feeds, DateRun& run);
  // Goes on without what is late. What could not be read at all is a failed day.
  void EndFeeds(Day day, const std::string& why, const DayLists& lists, DateRun& run);
  // Those of the task's profiles that have a digest of that date.
  Result<std::set<std::string>> HaveDigest(Day day);
  // Follows the mending of that date to its end. Leaves the task those profiles for which
  // it failed, whose outcome the feed decides, and those that had nothing to mend.
  void LeaveOutMended(Day day);
  // Ends the digests that lack a list, and tells the aggregator.
  void FailDay(Day day, const Error& error, DateRun& run);
  // Each category has an equal share of the time.
  Looks ReadPast(const std::vector<std::string>& categories, Day day, MonotonicTime deadline);
  Result<Listing> Note(Result<Listing> listing);
  Job& Begin(Day day, const char* source, bool remedial);
  // Follows the job's digests to their ends.
  void Finish(Job& job);
  // Hands on what the aggregator told, and shows how far everything is.
  void OnPush(const wire::FetcherReply& reply);
  // Its lines of the log are about all digests that have no outcome yet.
  void Show();

  // Waits for the next look at arXiv. False when there is none: --no-wait, the
  // deadline or a stop.
  bool WaitForAnnouncement(Day day, const std::string& why);
  // Waits `pause` (not with --no-wait) before the next look at lists that are not
  // believed yet. False when the deadline or a stop came first.
  bool LookAgain(Milliseconds pause, const std::string& why);
  void NoAnnouncement(Day day);
  void Fail(const std::string& date, const Error& error);
  void EndAll(Outcome outcome);  // of each of the task's profiles
  Status ReportDay(const std::vector<std::string>& profiles, Day day, const std::string& state,
                   const std::string& why, MonotonicTime deadline);
  // Of log lines about the date, for the task's profiles.
  LogFields FieldsOf(Day day) const;

  std::vector<wire::Profile>& profiles() { return tasks_[task_].profiles; }
  std::vector<std::string> Names() const;    // of the task's profiles
  std::set<std::string> Categories() const;  // the same

  const Parts parts_;
  const FetcherSettings& settings_;
  const std::vector<wire::Profile> all_profiles_;
  PastDays past_;
  MonotonicTime deadline_{};
  std::vector<Task> tasks_;
  size_t task_ = 0;                                // under way
  MonotonicTime reading_deadline_{};               // of the task
  std::optional<MonotonicTime> mending_deadline_;  // of all mending together
  std::vector<std::unique_ptr<Job>> jobs_;
  std::map<size_t, std::vector<Outcome>> outcomes_;  // by task
  std::optional<Day> reported_waiting_;
};

}  // namespace paperboy
