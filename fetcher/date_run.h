// The digests of one date, one for each profile, delivered and followed
// together. One thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fetcher/day_lists.h"
#include "fetcher/delivery.h"
#include "fetcher/outcome.h"
#include "fetcher/progress.h"
#include "fetcher/pump.h"

namespace paperboy {

class DateRun {
 public:
  struct Parts {
    Pump& pump;
    Progress& progress;
    AggregatorClient& client;
    SeenHint& hint;
    SemanticScholar* scholar;    // null: no author is looked up
    std::function<void()> show;  // how far all digests are, for people
  };

  // `targets` differ in their profiles.
  DateRun(Parts parts, std::vector<Delivery::Target> targets, MonotonicTime deadline);
  DateRun(const DateRun&) = delete;
  DateRun& operator=(const DateRun&) = delete;

  // What the aggregator told unasked; what is about other digests changes nothing.
  void OnPush(const wire::FetcherReply& reply);

  // Digests that have no outcome yet. What fails in the calls below becomes the
  // outcome of that digest alone.
  bool done() const { return active_.empty(); }

  // Opens those of these profiles, which looks into the ledger.
  void Open(const std::set<std::string>& profiles);
  // A digest that lacks nothing is left alone: to open it is to begin its mending.
  void Deliver(const Listings& lists);
  // Lists that the ledger has already, of digests that were opened: it takes what is new.
  void DeliverAgain(const Listings& lists);
  // Lists that the ledger has of digests that were opened.
  std::set<std::string> Sealed() const;
  // Whether it had a paper of one of them.
  bool AnyRows() const;
  // Lists that a digest without outcome lacks.
  std::set<std::string> Missing() const;
  // Profiles of the digests without outcome that lack one of these lists.
  std::vector<std::string> Lacking(const std::set<std::string>& categories) const;
  // Whether a digest has some of its lists and lacks others.
  bool AnyPartial() const;

  // Waits until every digest is published or withheld, or the deadline passes.
  // A digest of which nothing is heard for 5 s (the aggregator was restarted) is
  // delivered again from `lists`. False when a list is missing for that: read
  // it and call again.
  bool Follow(const Listings& lists);

  // A digest that has some of its lists is published without the others, and says that
  // they were not announced in time; a later run adds them.
  void PublishPartial(const Listings& lists);
  // The same, and ends the wait for lists: a digest that has none ends as not announced,
  // or as failed if none of its lists could be read.
  void GoOnWithout(const std::string& why, const DayLists& lists);

  // These end digests that still lack a list; the others can be followed.
  void FailIncomplete(const Error& error);
  void EndIncomplete(const std::string& state, const std::string& why, ExitCode code);
  void FailWithout(const std::string& category, const Error& error);

  std::vector<Outcome> TakeOutcomes() { return std::move(outcomes_); }

  std::set<std::string> Traces() const;  // of the digests without outcome
  // Adds how far the digests are to `sum`: papers, scorers, what is waited for.
  void AddProgress(wire::Progress* sum) const;

 private:
  // Takes the step with every digest that has no outcome yet.
  void Each(const std::function<Status(Delivery&)>& step);
  void End(size_t index, Outcome outcome);
  void Collect();
  void EndWithout(const std::set<std::string>& without,
                  const std::function<Outcome(const Delivery::Target&)>& outcome);
  Status DeliverTo(Delivery& delivery, const Listings& lists);
  void DeliverSilentOnes(const Listings& lists);
  Outcome Late(const Delivery& delivery) const;

  const Parts parts_;
  const MonotonicTime deadline_;
  std::vector<std::unique_ptr<Delivery>> active_;
  std::vector<wire::Progress> ended_;  // last progress of the others, for the sums
  std::vector<Outcome> outcomes_;
};

}  // namespace paperboy
