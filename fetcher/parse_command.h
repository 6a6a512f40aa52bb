// `paperboy-fetcher parse FILE...`: what would be understood of files, without
// sending anything.
#pragma once

#include <string>
#include <vector>

namespace paperboy {

// The report on one file: its format, how many papers and refused entries, the
// first few of the refusals, the warnings. `ok` is false when nothing could be
// made of it.
struct ParseReport {
  bool ok = false;
  std::string text;  // lines
};
ParseReport ReportOnFile(const std::string& path);

}  // namespace paperboy
