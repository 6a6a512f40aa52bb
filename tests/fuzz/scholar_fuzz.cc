#include "common/text.h"
#include "fetcher/scholar_answer.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {

// Asked about three papers.
FUZZ_TARGET(scholar, bytes) {
  const std::vector<std::string> ids = {"2609.00001", "2609.00002", "hep-th/9901001"};
  const std::string body(bytes);
  if (const auto batch = ParseScholarBatch(body, ids); !batch) {
    CheckError(batch.error());
  } else {
    FUZZ_CHECK(batch->known.size() + batch->unknown.size() + batch->warnings.size() == ids.size());
    for (const wire::PaperAuthors& paper : batch->known) {
      CheckLines(paper);
      FUZZ_CHECK(paper.authors_size() > 0);
    }
    for (const std::string& warning : batch->warnings) CheckLine(warning);
  }
  const std::string error = ScholarErrorText(body);
  FUZZ_CHECK(!error.empty());
  CheckLine(error);
  if (const auto report = DescribeScholarAnswer(body); report) FUZZ_CHECK(!report->text.empty());
}

}  // namespace paperboy::fuzz
