#include <nlohmann/json.hpp>

#include "fetcher/file_source.h"
#include "tests/fuzz/listing_checks.h"
#include "tests/fuzz/played_file.h"

namespace paperboy::fuzz {
namespace {

// What was read, written as a line again.
std::string LineOf(const wire::Row& row) {
  const wire::Paper& paper = row.paper();
  nlohmann::json line = {{"id", row.id()},
                         {"version", row.version()},
                         {"title", paper.title()},
                         {"abstract", paper.abstract()},
                         {"primary_category", row.primary_category()},
                         {"published", paper.published()},
                         {"updated", paper.updated()}};
  line["authors"] = std::vector<std::string>(paper.authors().begin(), paper.authors().end());
  line["categories"] =
      std::vector<std::string>(paper.categories().begin(), paper.categories().end());
  return line.dump();
}

// Entities and tags are taken away once each time: only without them are texts the same.
bool HasMarkup(const std::string& line) { return line.find_first_of("<&") != std::string::npos; }

}  // namespace

FUZZ_TARGET(paper_file, bytes) {
  const PlayedFile file(bytes);
  const Result<Listing> list = ReadPaperFile(file.path());
  if (!list) return CheckError(list.error());
  CheckListing(*list);
  for (const wire::Row& row : list->rows) {
    if (!row.refused().empty()) continue;
    const std::string line = LineOf(row);
    LineNotes notes;
    const Result<wire::Row> again = ParsePaperLine(line, &notes);
    FUZZ_CHECK(again.ok() && again->id() == row.id() && again->version() == row.version());
    FUZZ_CHECK(HasMarkup(line) || again->paper().title() == row.paper().title());
    FUZZ_CHECK(HasMarkup(line) || LineOf(*again) == line);
  }
}

}  // namespace paperboy::fuzz
