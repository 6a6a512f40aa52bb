// `paperboy-fetcher parse FILE...`: what would be understood of files, without
// sending anything.
#pragma once

#include <string>
#include <vector>

namespace paperboy {

// The report on one file: its format, how many papers and refused entries, the
// first few of the refusals and how many more there are, the warnings. `ok` is false when nothing
// could be made of it, or it holds no record.
struct ParseReport {
  bool ok = false;
  std::string text;  // lines
  size_t papers = 0;
  size_t refused = 0;
  size_t others = 0;  // records that are no papers of arXiv's
  // Whether all of it was understood.
  bool whole() const { return ok && refused == 0; }
};
ParseReport ReportOnFile(const std::string& path);

// The last line: files parsed and refused, papers and refused entries in all.
std::string Sums(const std::vector<ParseReport>& reports);

}  // namespace paperboy
