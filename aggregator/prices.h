// What a model's tokens cost. Money is whole picodollars (10^-12 dollars), so
// that tokens times price is exact: $2.50 per million tokens is 2,500,000 each.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace paperboy {

using Picodollars = int64_t;
inline constexpr Picodollars kPicodollarsPerDollar = 1'000'000'000'000;

struct Price {
  Picodollars prompt = 0;  // per token
  Picodollars cached = 0;  // per prompt token that the provider had cached
  Picodollars completion = 0;

  // Of a call through the provider's batch API: half, and no discount for cached tokens,
  // because for most models there is none (a figure that may be too high, never too low).
  // https://developers.openai.com/api/docs/pricing, "Batch", read 2026-11; the same half
  // at other providers that offer this API.
  Price Deferred() const { return {prompt / 2, prompt / 2, completion / 2}; }
};

class Prices {
 public:
  // The format of config/prices.toml; `name` is for error messages.
  static Result<Prices> Parse(std::string_view toml, const std::string& name);
  // The table that the binary carries.
  static Prices Bundled();

  // By the model's name, or by its name without a trailing date as in
  // "gpt-4o-2024-08-06". The lexical backend is free. nullopt: unknown.
  std::optional<Price> Of(const std::string& model) const;
  std::optional<Price> Of(const std::string& model, bool deferred) const {
    const auto price = Of(model);
    return price && deferred ? price->Deferred() : price;
  }

 private:
  std::map<std::string, Price> by_model_;
};

// "$0.23", "$0.2", "$0.0": dollars rounded half to even to two digits, printed
// as the shortest decimal with at least one digit after the point.
std::string FormatDollars(Picodollars amount);
// "$0.0312": to a hundredth of a cent, for forecasts and budgets.
std::string FineDollars(Picodollars amount);

}  // namespace paperboy
