#include "aggregator/prices.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {

FUZZ_TARGET(prices, bytes) {
  const Result<Prices> prices = Prices::Parse(bytes, "prices.toml");
  if (!prices) return CheckError(prices.error());
  for (const char* model : {"a", "gpt-4o", "gpt-4o-2024-08-06"}) {
    const auto price = prices->Of(model);
    if (!price) continue;
    FUZZ_CHECK(price->prompt >= 0 && price->cached >= 0 && price->completion >= 0);
    FUZZ_CHECK(FormatDollars(price->prompt).starts_with("$"));
  }
}

}  // namespace paperboy::fuzz
