// One profile's digest for one date on its way into the ledger. Every step can
// be repeated: after the aggregator was restarted, or lost its ledger, Deliver
// sends again what it lacks. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/log.h"
#include "common/result.h"
#include "fetcher/aggregator_client.h"
#include "fetcher/listing.h"
#include "fetcher/progress.h"
#include "fetcher/seen_hint.h"
#include "fetcher/semantic_scholar.h"

namespace paperboy {

class Delivery {
 public:
  struct Target {
    wire::Profile profile;
    std::string date;
    std::string source;         // rss, api, oai, file
    std::string remedial_from;  // as on the page, or empty
    std::string remedial_to;
    std::vector<std::string> categories;  // lists that make it complete
  };

  // `scholar` may be null: then no author is looked up.
  Delivery(AggregatorClient& client, SeenHint& hint, SemanticScholar* scholar, Progress& progress,
           Target target);

  const Target& target() const { return target_; }
  const std::string& trace() const { return trace_; }
  // Of log lines about it.
  LogFields Fields() const;
  int64_t digest() const { return opened_.digest(); }  // 0 before it is open

  // Opens the digest: joins it, or begins it. Errors of this and of Deliver are
  // those of AggregatorClient::Call; kConflict when another revision of the
  // profile has replaced this one's edition.
  Status Open(MonotonicTime deadline);

  // Opens the digest and sends the lists that the ledger lacks, as far as
  // `lists` has them.
  Status Deliver(const Listings& lists, MonotonicTime deadline);

  // Sends lists that the ledger has, which takes what it lacks of them: arXiv may still
  // have been filling a feed when it was read. Nothing of a digest that is not open here.
  Status DeliverAgain(const Listings& lists, MonotonicTime deadline);

  // What is missing now is not announced in time: the next Deliver closes the digest
  // without it.
  void GoOnWithoutMissing();

  // Categories whose lists the ledger has, as of the last call.
  const std::set<std::string>& sealed() const { return sealed_; }
  // Whether the ledger had a paper of it when it was opened last.
  bool AnyRows() const { return opened_.rows() > 0; }

  // Categories whose lists the ledger lacks, as of the last call, and that are waited for.
  std::vector<std::string> Missing() const;

  // Whether Deliver would have something to do: a list or authors that the ledger lacks,
  // or a list to go on without. Until it was opened: yes.
  bool Lacks() const;

  // Takes what the aggregator told about this digest.
  void OnPush(const wire::FetcherReply& reply, MonotonicTime now);
  const wire::Progress& progress() const { return progress_; }
  // The outcome, as of the last list that was sealed.
  const std::optional<wire::Published>& published() const { return published_; }
  MonotonicTime heard_at() const { return heard_at_; }
  void SetHeardAt(MonotonicTime t) { heard_at_ = t; }

 private:
  Status CheckEdition(MonotonicTime deadline);
  Status Send(const Listing& list, MonotonicTime deadline);
  // Sends rows from `begin` on; returns where the next message begins. `authors`
  // grows by the papers whose authors are to be looked up.
  Result<size_t> SendRows(const Listing& list, size_t begin, MonotonicTime deadline,
                          std::vector<std::string>* authors);
  // Looks up the authors of these papers and sends what was found.
  Status SendAuthors(const std::vector<std::string>& papers, MonotonicTime deadline);
  Status Seal(const std::string& category, const std::string& source, uint64_t rows, bool late,
              MonotonicTime deadline);
  Status SendPapers(const std::vector<const wire::Paper*>& papers, MonotonicTime deadline);
  wire::Rows MakeRows(const Listing& list, size_t begin);

  AggregatorClient& client_;
  SeenHint& hint_;
  SemanticScholar* const scholar_;
  Progress& shown_;
  const Target target_;
  const std::string trace_;
  wire::Opened opened_;
  std::set<std::string> sealed_;  // the ledger has them
  std::set<std::string> late_;    // it goes on without them
  bool opened_before_ = false;
  wire::Progress progress_;
  std::optional<wire::Published> published_;
  MonotonicTime heard_at_{};
  int told_open_ = 0;  // in a row, although every list was sealed
};

}  // namespace paperboy
