#include "fetcher/atom.h"
#include "tests/fuzz/listing_checks.h"

namespace paperboy::fuzz {

FUZZ_TARGET(atom, bytes) {
  const Result<ApiPage> page = ParseApiPage(std::string(bytes));
  if (!page) return CheckError(page.error());
  for (const Submission& entry : page->entries) CheckSubmission(entry);
}

}  // namespace paperboy::fuzz
