#include "fetcher/oai.h"
#include "tests/fuzz/listing_checks.h"

namespace paperboy::fuzz {

FUZZ_TARGET(oai, bytes) {
  const Result<OaiPage> page = ParseOaiPage(std::string(bytes));
  if (!page) return CheckError(page.error());
  for (const OaiPage::Record& record : page->records) CheckSubmission(record.entry);
  FUZZ_CHECK(!page->bad_token || page->records.empty());
}

}  // namespace paperboy::fuzz
