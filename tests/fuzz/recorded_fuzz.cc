#include "fetcher/parse_command.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/played_file.h"

namespace paperboy::fuzz {

// `paperboy-fetcher parse`: any file at all, with everything that it may be.
FUZZ_TARGET(recorded, bytes) {
  const PlayedFile file(bytes);
  const ParseReport report = ReportOnFile(file.path());
  FUZZ_CHECK(report.text.starts_with(file.path()));
  FUZZ_CHECK(report.ok || report.text.find(": refused: ") != std::string::npos);
  std::string_view lines = report.text;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    CheckLine(std::string(lines.substr(0, end)));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

}  // namespace paperboy::fuzz
