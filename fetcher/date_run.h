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

  void Open();
  void Deliver(const Listings& lists);
  // Lists that a digest without outcome lacks.
  std::set<std::string> Missing() const;

  // Waits until every digest is published or withheld, or the deadline passes.
  // A digest of which nothing is heard for 5 s (the aggregator was restarted) is
  // delivered again from `lists`. False when a list is missing for that: read
  // it and call again.
  bool Follow(const Listings& lists);

  // Ends the wait for lists: a digest that has some is published without the others, and
  // says that they were not announced in time; a later run adds them. One that has none
  // ends as not announced, or as failed if none of its lists could be read.
  void GoOnWithout(const std::string& why, const DayLists& lists);

  // Both end the digests that still lack a list; the others can be followed.
  void FailIncomplete(const Error& error);
  void EndUnannounced(const std::string& why);

  std::vector<Outcome> TakeOutcomes() { return std::move(outcomes_); }

  // Adds how far the digests are to `sum`: papers, scorers, what is waited for.
  void AddProgress(wire::Progress* sum) const;

 private:
  // Takes the step with every digest that has no outcome yet.
  void Each(const std::function<Status(Delivery&)>& step);
  void End(size_t index, Outcome outcome);
  void EndIncomplete(const std::function<Outcome(const Delivery::Target&)>& outcome);
  void Collect();
  void DeliverSilentOnes(const Listings& lists);
  Outcome Late(const Delivery& delivery) const;

  const Parts parts_;
  const MonotonicTime deadline_;
  std::vector<std::unique_ptr<Delivery>> active_;
  std::vector<wire::Progress> ended_;  // last progress of the others, for the sums
  std::vector<Outcome> outcomes_;
};

}  // namespace paperboy
