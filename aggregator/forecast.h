// What scoring papers will take: calls, tokens, money. Learns from the calls of the
// same model that the ledger has; before there are any, by the rule of common/tokens.h.
// Reads the ledger only; throws StorageError.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/batch.h"
#include "aggregator/digests.h"
#include "aggregator/prices.h"

namespace paperboy {

struct Needs {
  uint64_t papers = 0;  // of them, not scored yet
  uint64_t calls = 0;
  double prompt_tokens = 0;
  double completion_tokens = 0;
  std::optional<Picodollars> cost;  // nullopt: the model's price is unknown
  // How much more than it is expected to cost is reserved for a call, at most: must be
  // left beside `cost`, or the last call does not begin.
  Picodollars slack = 0;
};

// What is set aside for a call before it is made: no call takes more.
struct Reservation {
  int64_t answer_tokens = 0;
  Picodollars cost = 0;  // 0: the model's price is unknown
};

class Forecaster {
 public:
  Forecaster(Database& db, const Prices& prices) : db_(db), prices_(prices) {}

  // For a prompt of that many bytes, with the papers in it.
  Reservation Reserve(const std::string& model, wire::Stage stage, size_t prompt_bytes,
                      size_t papers, bool deferred) const;

  // A call as the model's are, by those lately, else by the rules of batches and tokens.
  struct TypicalCall {
    double papers = 1;
    double tokens = 0;
  };
  TypicalCall CallOf(const std::string& model, const wire::Profile& profile) const;

  // For the digest's rows that have no end state yet, would `voice` score them under
  // `profile`.
  Needs Of(const Digest& digest, const wire::Profile& profile, const Voice& voice,
           const Capacity& capacity) const;
  // The same for papers that the ledger need not have, by their ids.
  Needs Of(const std::map<std::string, const wire::Paper*>& papers, const wire::Profile& profile,
           const Voice& voice, const Capacity& capacity) const;

 private:
  struct Rates;
  Rates RatesOf(const std::string& model, wire::Stage stage) const;
  double KeptByTitle(const std::string& profile) const;
  double ReadAgain(const wire::Profile& profile) const;
  size_t Anchors(const wire::Profile& profile) const;
  std::optional<bool> Answered(const std::string& key) const;
  struct Tally;
  void Count(const wire::Paper& paper, const wire::Profile& profile, const Voice& voice,
             Tally* tally) const;
  void CountAgain(const std::string& key, const wire::BatchPaper& view,
                  const wire::Profile& profile, const Voice& voice, Tally* tally) const;
  Needs Sum(const Tally& tally, const wire::Profile& profile, const Voice& voice,
            const Capacity& capacity) const;
  void Add(const wire::Profile& profile, const Voice& voice, wire::Stage stage,
           const std::vector<size_t>& chars, double share, const Capacity& capacity,
           Needs* needs) const;

  Database& db_;
  const Prices& prices_;
};

}  // namespace paperboy
