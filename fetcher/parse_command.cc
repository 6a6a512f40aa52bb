#include "fetcher/parse_command.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <iterator>
#include <map>

#include "common/announce_type.h"
#include "common/text.h"
#include "fetcher/atom.h"
#include "fetcher/file_source.h"
#include "fetcher/rss.h"
#include "fetcher/scholar_answer.h"
#include "fetcher/xml.h"

namespace paperboy {
namespace {

constexpr size_t kRefusalsShown = 5;
// As the largest answer that is taken from arXiv.
constexpr std::streamsize kMaxXmlBytes = 64 << 20;

ParseReport Describe(const std::string& path, const std::string& format, const Listing& list) {
  std::map<wire::AnnounceType, size_t> types;
  std::string refusals;
  size_t refused = 0;
  for (const wire::Row& row : list.rows) {
    if (row.refused().empty()) {
      ++types[row.announce_type()];
    } else if (++refused <= kRefusalsShown) {
      refusals += fmt::format("  refused {}: {}\n", row.id(), row.refused());
    }
  }
  std::string counts;
  for (const auto& [type, count] : types)
    counts += fmt::format(", {} {}", count, AnnounceTypeName(type));
  ParseReport report{true,
                     fmt::format("{}: {}{}: {}{}; {} refused\n", path, format,
                                 list.date.empty() ? "" : " of " + list.date,
                                 Counted(list.rows.size() - refused, "paper"), counts, refused)};
  report.text += refusals;
  for (const std::string& warning : list.warnings) report.text += "  warning: " + warning + "\n";
  return report;
}

Result<Listing> ListingOfPage(const std::string& body) {
  Result<ApiPage> page = ParseApiPage(body);
  if (!page) return page.error();
  ListingBuilder list("entry", "");
  for (size_t i = 0; i < page->entries.size(); ++i) {
    wire::Row& row = page->entries[i].row;
    if (row.refused().empty()) {
      list.Add(std::move(row));
    } else {
      list.Refuse(fmt::format("entry {}", i + 1), row.refused());
    }
  }
  if (page->total != page->entries.size()) {
    list.Warn(fmt::format("one page of {} papers", page->total));
  }
  return list.Take();
}

std::string ReadXml(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string body(kMaxXmlBytes, '\0');
  in.read(body.data(), kMaxXmlBytes);
  body.resize(in.gcount());
  return body;
}

bool LooksLikeXml(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char first = 0;
  in >> std::ws >> first;
  if (first != '\xef') return first == '<';
  in.ignore(2);  // the rest of a byte order mark
  in >> first;
  return first == '<';
}

bool IsApiAnswer(const std::string& body) { return body.find("totalResults") != std::string::npos; }

}  // namespace

ParseReport ReportOnFile(const std::string& path) {
  std::string format = "JSON lines";
  Result<Listing> list = Invalid("");
  if (!LooksLikeXml(path)) {
    if (const auto answer = DescribeScholarAnswer(ReadXml(path))) {
      return {answer->ok, path + ": " + answer->text};
    }
    list = ReadPaperFile(path);
  } else if (const std::string body = ReadXml(path); IsApiAnswer(body)) {
    format = "answer of arXiv's API";
    list = ListingOfPage(body);
  } else {
    format = "arXiv's daily feed";
    list = ParseFeed(body, "feed");
  }
  if (!list) return {false, path + ": " + list.error().message + "\n"};
  return Describe(path, format, *list);
}

}  // namespace paperboy
