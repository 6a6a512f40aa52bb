// Looks up who wrote a paper at Semantic Scholar: politely (one request a second over
// all fetchers), from Redis where it is known already, and never for longer than the
// day can spare: what is not found in time is not known. One thread.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "fetcher/polite_client.h"
#include "fetcher/scholar_answer.h"

namespace paperboy {

class SemanticScholar {
 public:
  struct Config {
    std::string url;    // https://api.semanticscholar.org
    std::string key;    // for the header x-api-key; empty: one of many without
    std::string owner;  // of the lock: random, this process's own
    // Its own figure for a key; less is for a simulated one, and scales the waits.
    std::chrono::duration<double> interval{1};
    Milliseconds patience = std::chrono::minutes(10);  // for the look-ups of one date
  };

  SemanticScholar(Pump& pump, Redis& redis, HttpClient& http, Progress& progress,
                  PoliteClient::Clock clock, Config config);
  void SetOnRequest(PoliteClient::OnRequest fn) { client_.SetOnRequest(std::move(fn)); }

  // What is known of the authors of these papers (arXiv ids without version), for a
  // digest of `date`; papers of which nothing is known are left out. All look-ups of a
  // date together take its patience at most, and a quarter of the time until `deadline`:
  // the digest has to be scored too. After one that ended so, patience is a tenth, until
  // one succeeds. Answers are kept in Redis, for 30 days, or for one where the paper was
  // not known. What failed is logged.
  std::vector<wire::PaperAuthors> LookUp(const std::string& date,
                                         const std::vector<std::string>& papers,
                                         MonotonicTime deadline);

 private:
  // Takes what Redis has into `found`, and what it knows to be unknown, off `papers`.
  void TakeCached(std::vector<std::string>* papers, std::vector<wire::PaperAuthors>* found);
  void Keep(const ScholarBatch& batch);
  Result<ScholarBatch> Ask(const std::vector<std::string>& papers, MonotonicTime deadline);
  MonotonicTime EndFor(const std::string& date, MonotonicTime deadline) const;

  Pump& pump_;
  Redis& redis_;
  Progress& progress_;
  const Config config_;
  PoliteClient client_;
  std::map<std::string, MonotonicTime::duration> spent_;  // by date
  bool out_ = false;                                      // the last look-up ran out of time
  bool refused_ = false;  // it refuses the key, or is not there: not asked again
};

}  // namespace paperboy
