#include "common/profile.h"
#include "scorer/answer.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

size_t LinesThatAre(std::string_view text, std::string_view what) {
  size_t count = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    count += text.substr(0, end) == what;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return count;
}

}  // namespace

// Papers whose texts are what anybody may submit to arXiv: parts of the input, as id,
// title, author and abstract.
FUZZ_TARGET(prompt, bytes) {
  std::vector<wire::BatchPaper> papers;
  while (!bytes.empty() && papers.size() < 8) {
    wire::BatchPaper& paper = papers.emplace_back();
    paper.set_id(std::string(TakePart(&bytes, "==")));
    paper.set_title(std::string(TakePart(&bytes, "==")));
    paper.add_authors(std::string(TakePart(&bytes, "==")));
    paper.set_abstract(std::string(TakePart(&bytes, "==")));
  }
  const std::string before = "Score.\n", after = "\nAs JSON.";
  for (const wire::Stage stage : {wire::STAGE_ABSTRACT, wire::STAGE_TITLE}) {
    const auto prompt = RenderPrompt(before + kPaperListMarker + after, stage, papers);
    FUZZ_CHECK(prompt.ok() && prompt->starts_with(before) && prompt->ends_with(after));
    // No text can pose as another paper, or as the end of its own.
    FUZZ_CHECK(LinesThatAre(*prompt, "<paper>") == papers.size());
    FUZZ_CHECK(LinesThatAre(*prompt, "</paper>") == papers.size());
    const size_t lines = static_cast<size_t>(std::count(prompt->begin(), prompt->end(), '\n'));
    const size_t lines_of_paper = stage == wire::STAGE_ABSTRACT ? 6 : 4;
    FUZZ_CHECK(lines == 2 + papers.size() * lines_of_paper - (papers.empty() ? 0 : 1));
  }
}

}  // namespace paperboy::fuzz
