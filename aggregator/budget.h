// A profile's budgets, and what a digest gives up to fit them. Everything is read
// from the ledger, so that it is the same after every crash; throws StorageError.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aggregator/digests.h"
#include "aggregator/forecast.h"
#include "aggregator/prices.h"

namespace paperboy {

// One budget, and what of it is neither spent nor reserved for calls that are out or
// were lost. `left` may be negative where another revision's budget was larger.
struct Budget {
  std::string what;  // "day", "digest"
  Picodollars limit = 0;
  Picodollars left = 0;
};
// Those that the profile sets; of `day`, an Eastern date. A digest's counts all that
// was ever spent on it, of earlier editions too.
std::vector<Budget> BudgetsOf(Database& db, const Digest& digest, const wire::Profile& profile,
                              const std::string& day);

// Whether calls are out for which some of it is reserved: what they cost in truth may
// leave room for more. Of calls through a batch API only if the digest's own go there: who
// can wait a day for its page.
bool HoldsReservations(Database& db, const Budget& budget, const Digest& digest,
                       const std::string& day, bool deferred);

// kInvalid: a budget for a model without a price, of the models that the profile names.
Status CheckPrices(const wire::Profile& profile, const Prices& prices);

// Decided once, when an edition is bound to the voice that scores it: does it fit what
// is left of its budgets as configured, with what must be left for its last call to
// begin? Otherwise the steps that the profile lists under
// `degrade` are taken in turn, those that save nothing left out, until it fits; if it
// never does, all of them are, and the digest stops where its budget ends.
struct Economy {
  std::string given_up;          // steps taken, separated by commas; empty: it fits
  Budget budget;                 // the one with the least left
  std::string day;               // Eastern date on which that was left
  Picodollars forecast = 0;      // as configured
  Picodollars forecast_now = 0;  // with what is given up
};
// nullopt: no budget, or no price to go by.
std::optional<Economy> Economize(Database& db, const Forecaster& forecaster, const Digest& digest,
                                 const wire::Profile& profile, const Voice& voice,
                                 const Capacity& capacity, const std::string& day);

// Why the rest of a digest stays unscored, and whether a text is that.
std::string UsedUpText(const Budget& budget);
bool SaysUsedUp(const std::string& why);

// "$0.5", with as many digits as it has.
std::string BudgetText(Picodollars limit);

}  // namespace paperboy
