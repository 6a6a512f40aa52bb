#include "aggregator/budget.h"

#include <algorithm>

#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

constexpr char kUsedUp[] = " is used up";
constexpr char kTooSmall[] = " is too small for a single call";

Picodollars Sum(Cursor cursor) { return cursor.Next() ? cursor.Int(0) : 0; }

Picodollars CommittedOn(Database& db, const std::string& profile, const std::string& day) {
  return Sum(db.Query(
             "SELECT coalesce(sum(call.prompt_picodollars + call.completion_picodollars), 0) "
             "FROM call JOIN digest ON digest.id = call.digest "
             "WHERE day = ? AND profile = ?",
             day, profile)) +
         Sum(db.Query("SELECT coalesce(sum(estimate_picodollars), 0) FROM lease "
                      "JOIN digest ON digest.id = lease.digest WHERE day = ? AND profile = ?",
                      day, profile));
}

Picodollars CommittedFor(Database& db, DigestId digest) {
  return Sum(db.Query(
             "SELECT coalesce(sum(call.prompt_picodollars + call.completion_picodollars), 0) "
             "FROM call WHERE digest = ?",
             digest)) +
         Sum(db.Query("SELECT coalesce(sum(estimate_picodollars), 0) FROM lease WHERE digest = ?",
                      digest));
}

bool HasBudget(const wire::Profile& profile) {
  return profile.budget_picodollars_per_day() > 0 || profile.budget_picodollars_per_digest() > 0;
}

}  // namespace

std::vector<Budget> BudgetsOf(Database& db, const Digest& digest, const wire::Profile& profile,
                              const std::string& day) {
  std::vector<Budget> budgets;
  if (const Picodollars limit = profile.budget_picodollars_per_day(); limit > 0) {
    budgets.push_back({"day", limit, limit - CommittedOn(db, profile.name(), day)});
  }
  if (const Picodollars limit = profile.budget_picodollars_per_digest(); limit > 0) {
    budgets.push_back({"digest", limit, limit - CommittedFor(db, digest.id)});
  }
  return budgets;
}

bool HoldsReservations(Database& db, const Budget& budget, const Digest& digest,
                       const std::string& day, bool deferred) {
  return db
      .Query(
          "SELECT 1 FROM lease JOIN digest ON digest.id = lease.digest WHERE lost = 0 AND "
          "(deferred IS NULL OR ?) AND iif(?, day = ? AND profile = ?, digest.id = ?) LIMIT 1",
          deferred, budget.what == "day", day, digest.profile, digest.id)
      .Next();
}

Status CheckPrices(const wire::Profile& profile, const Prices& prices) {
  if (!HasBudget(profile)) return Ok();
  for (const auto& [key, model] :
       {std::pair{"model", profile.model()}, std::pair{"cheaper_model", profile.cheaper_model()}}) {
    if (model.empty() || prices.Of(model)) continue;
    return Invalid(
        fmt::format("profile {} has a budget, but the price of its {} {} is unknown: "
                    "add it to the price table (--prices), or set "
                    "budget_dollars_per_day and budget_dollars_per_digest to 0",
                    profile.name(), key, model));
  }
  return Ok();
}

std::optional<Economy> Economize(Database& db, const Forecaster& forecaster, const Digest& digest,
                                 const wire::Profile& profile, const Voice& voice,
                                 const Capacity& capacity, const std::string& day) {
  if (voice.backend == "lexical") return std::nullopt;
  const auto budgets = BudgetsOf(db, digest, profile, day);
  if (budgets.empty()) return std::nullopt;
  Needs needs = forecaster.Of(digest, profile, voice, capacity);
  if (!needs.cost) return std::nullopt;
  Economy economy;
  economy.budget = *std::min_element(budgets.begin(), budgets.end(),
                                     [](const auto& a, const auto& b) { return a.left < b.left; });
  economy.day = day;
  economy.forecast = *needs.cost;
  for (const auto& step : profile.degrade()) {
    if (*needs.cost + needs.slack <= economy.budget.left) break;
    const std::string given_up = economy.given_up + (economy.given_up.empty() ? "" : ",") + step;
    const wire::Profile poorer = AsScored(profile, given_up);
    Voice other = voice;
    if (!poorer.model().empty()) other.model = poorer.model();
    const Needs less = forecaster.Of(digest, poorer, other, capacity);
    if (!less.cost || *less.cost >= *needs.cost) continue;
    economy.given_up = given_up;
    needs = less;
  }
  economy.forecast_now = *needs.cost;
  return economy;
}

std::string UsedUpText(const Budget& budget) {
  const std::string text = "the " + budget.what + "'s budget of " + BudgetText(budget.limit) +
                           (budget.left < budget.limit ? kUsedUp : kTooSmall);
  return budget.what == "day" ? text : text + ": raise budget_dollars_per_digest";
}

bool SaysUsedUp(const std::string& why) {
  return why.find(kUsedUp) != std::string::npos || why.find(kTooSmall) != std::string::npos;
}

std::string BudgetText(Picodollars limit) {
  auto text = fmt::format("${:.6f}", static_cast<double>(limit) / kPicodollarsPerDollar);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace paperboy
