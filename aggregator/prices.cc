#include "aggregator/prices.h"

#include <toml++/toml.h>

#include <cmath>
#include <regex>

#include "common/text.h"
#include "embedded/kPricesToml.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

constexpr double kMaxDollarsPerMillion = 1e6;

// Dollars per million tokens to picodollars per token; exact for up to six
// digits after the point.
Result<Picodollars> PerToken(const toml::table& table, const std::string& key,
                             const std::string& where) {
  const auto value = table[key].value<double>();
  if (!value || *value < 0 || *value > kMaxDollarsPerMillion) {
    return Invalid(where + ": \"" + key + "\" must be dollars per million tokens, as 2.50");
  }
  return static_cast<Picodollars>(std::llround(*value * 1e6));
}

Result<Price> ParsePrice(const toml::table& table, const std::string& where) {
  Price price;
  for (auto [key, field] : {std::pair{"prompt", &price.prompt},
                            {"cached", &price.cached},
                            {"completion", &price.completion}}) {
    auto amount = PerToken(table, key, where);
    if (!amount) return amount.error();
    *field = *amount;
  }
  for (const auto& [key, value] : table) {
    if (key != "prompt" && key != "cached" && key != "completion") {
      return Invalid(where + ": unknown key \"" + CleanText(key.str()) +
                     "\"; allowed are prompt, cached, completion");
    }
  }
  return price;
}

}  // namespace

Result<Prices> Prices::Parse(std::string_view text, const std::string& name) try {
  const toml::table root = toml::parse(text, name);
  Prices prices;
  for (const auto& [key, value] : root) {
    if (key == "as_of" || key == "source" || key == "sources") continue;
    if (key != "models" || !value.is_table()) {
      return Invalid(name + ": unknown key \"" + CleanText(key.str()) +
                     "\"; prices stand in tables as [models.\"gpt-4o\"]");
    }
    for (const auto& [model, entry] : *value.as_table()) {
      const std::string where = name + ": models." + CleanText(model.str());
      if (!entry.is_table()) return Invalid(where + " must be a table");
      auto price = ParsePrice(*entry.as_table(), where);
      if (!price) return price.error();
      prices.by_model_[std::string(model.str())] = *price;
    }
  }
  return prices;
} catch (const toml::parse_error& e) {
  return Invalid(name + ", line " + std::to_string(e.source().begin.line) + ": " +
                 CleanText(e.description()));
}

Prices Prices::Bundled() {
  auto prices = Parse(embedded::kPricesToml, "prices.toml");
  if (!prices) throw std::logic_error(prices.error().message);
  return std::move(prices).value();
}

std::optional<Price> Prices::Of(const std::string& model) const {
  if (model == "lexical") return Price{};
  if (auto it = by_model_.find(model); it != by_model_.end()) return it->second;
  static const std::regex dated("^(.+)-[0-9]{4}-[0-9]{2}-[0-9]{2}$");
  std::smatch match;
  if (std::regex_match(model, match, dated)) {
    if (auto it = by_model_.find(match[1]); it != by_model_.end()) return it->second;
  }
  return std::nullopt;
}

std::string FormatDollars(Picodollars amount) {
  constexpr Picodollars kCent = kPicodollarsPerDollar / 100;
  Picodollars cents = amount / kCent;
  const Picodollars rest = amount % kCent;
  if (rest * 2 > kCent || (rest * 2 == kCent && cents % 2 == 1)) ++cents;
  std::string digits = std::to_string(cents % 100);
  if (digits.size() < 2) digits.insert(0, "0");
  if (digits[1] == '0') digits.pop_back();
  return "$" + std::to_string(cents / 100) + "." + digits;
}

std::string FineDollars(Picodollars amount) {
  return fmt::format("{}${:.4f}", amount < 0 ? "-" : "",
                     std::abs(static_cast<double>(amount)) / kPicodollarsPerDollar);
}

}  // namespace paperboy
