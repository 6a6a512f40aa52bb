// The forecast before a run: reads the lists that the run would read, once and without
// waiting for an announcement, and asks the aggregator what they would take. Nothing
// is recorded anywhere. One thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/eastern.h"
#include "fetcher/arxiv_source.h"
#include "fetcher/delivery.h"
#include "fetcher/outcome.h"
#include "fetcher/past_days.h"
#include "fetcher/settings.h"

namespace paperboy {

// One profile on one date.
struct ForecastLine {
  std::string profile, date;
  std::optional<wire::Estimate> estimate;
  uint64_t rows = 0;  // unique ids in its lists
  std::string state;  // without an estimate: holiday, not announced, missing, failed
  std::string why;
  ExitCode exit_code = kExitOk;
};

class DryRun {
 public:
  struct Parts {
    Pump& pump;
    Progress& progress;
    ArxivClient& arxiv;
    ArxivSource& source;
    AggregatorClient& aggregator;
    std::function<WallTime()> clock;
  };

  DryRun(Parts parts, const FetcherSettings& settings, std::vector<wire::Profile> profiles);

  // One line for each profile and date; fewer when the process was told to stop.
  std::vector<ForecastLine> Go();

 private:
  using Day = date::sys_days;

  // Of a range: which digests are published and need nothing.
  Status FindComplete();
  std::vector<wire::Profile> Incomplete(const std::string& date) const;
  void OneDate(std::optional<Day> day);
  void FromFile(Day day);
  void FromPast(Day day);
  void NoAnnouncement(Day day);
  void FromFeeds(std::optional<Day> day);
  template <class ReadOne>
  Result<Listings> ReadAll(ReadOne read_one);
  void Ask(const std::string& date, const Listings& lists, bool remedial = false);
  Result<wire::Estimate> Estimate(const wire::Profile& profile, const std::string& date,
                                  const std::vector<wire::Row>& rows, bool remedial);
  void EndAll(const std::string& date, const std::string& state, const std::string& why,
              ExitCode code);
  void Fail(const std::string& date, const Error& error);

  const Parts parts_;
  const FetcherSettings& settings_;
  const std::vector<wire::Profile> profiles_;
  PastDays past_;
  MonotonicTime deadline_{};
  std::set<std::pair<std::string, std::string>> complete_;  // profile, date
  std::vector<ForecastLine> lines_;
};

// Rows of the lists that a profile asks for, each id once; entries that could not be
// read are left out.
std::vector<wire::Row> RowsFor(const wire::Profile& profile, const Listings& lists);

// The table for standard output, with a total, and notes on what is unknown and on
// budgets that do not suffice.
std::string ForecastTable(const std::vector<ForecastLine>& lines,
                          const std::vector<wire::Profile>& profiles);

}  // namespace paperboy
