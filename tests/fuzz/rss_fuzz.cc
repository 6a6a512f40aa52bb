#include "fetcher/rss.h"
#include "tests/fuzz/listing_checks.h"

namespace paperboy::fuzz {

FUZZ_TARGET(rss, bytes) {
  const Result<Listing> list = ParseFeed(std::string(bytes), "cs.LG");
  if (!list) return CheckError(list.error());
  CheckListing(*list);
  FUZZ_CHECK(!list->date.empty());
}

}  // namespace paperboy::fuzz
