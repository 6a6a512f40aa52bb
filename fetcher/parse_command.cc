#include "fetcher/parse_command.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "common/announce_type.h"
#include "common/text.h"
#include "fetcher/atom.h"
#include "fetcher/file_source.h"
#include "fetcher/oai.h"
#include "fetcher/recorded.h"
#include "fetcher/rss.h"
#include "fetcher/scholar_answer.h"

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kRefusalsShown = 5;
// Of XML, where the kind of an answer shows.
constexpr size_t kHeadBytes = 4'096;

ParseReport Refused(const std::string& place, const std::string& why) {
  return {.text = place + ": refused: " + why + "\n"};
}

ParseReport Describe(const std::string& place, const std::string& format, const Listing& list) {
  std::map<wire::AnnounceType, size_t> types;
  std::string refusals;
  size_t refused = 0;
  for (const wire::Row& row : list.rows) {
    if (row.refused().empty()) {
      ++types[row.announce_type()];
    } else if (++refused <= kRefusalsShown) {
      refusals += fmt::format("  {}: refused: {}\n", row.id(), row.refused());
    }
  }
  if (refused > kRefusalsShown) {
    refusals += fmt::format("  and {} more\n", refused - kRefusalsShown);
  }
  std::string counts;
  for (const auto& [type, count] : types)
    counts += fmt::format(", {} {}", count, AnnounceTypeName(type));
  const size_t papers = list.rows.size() - refused;
  ParseReport report{true,
                     fmt::format("{}: {}{}: {}{}; {} refused\n", place, format,
                                 list.date.empty() ? "" : " of " + list.date,
                                 Counted(papers, "paper"), counts, refused),
                     papers, refused};
  report.text += refusals;
  for (const std::string& warning : list.warnings) report.text += "  warning: " + warning + "\n";
  return report;
}

ParseReport DescribeOr(const std::string& place, const char* format, const Result<Listing>& list) {
  if (list) return Describe(place, format, *list);
  return Refused(place, std::string(format) + ": " + list.error().message);
}

void AddEntry(Submission* entry, const std::string& place, ListingBuilder* list) {
  if (entry->row.refused().empty()) {
    list->Add(std::move(entry->row));
  } else {
    list->Refuse(place, entry->row.refused());
  }
}

Result<Listing> ListingOfApi(const std::string& body) {
  Result<ApiPage> page = ParseApiPage(body);
  if (!page) return page.error();
  ListingBuilder list("entry", "");
  for (size_t i = 0; i < page->entries.size(); ++i) {
    AddEntry(&page->entries[i], fmt::format("entry {}", i + 1), &list);
  }
  if (page->total != page->entries.size()) {
    list.Warn(fmt::format("one page of {} papers", page->total));
  }
  return list.Take();
}

Result<Listing> ListingOfOai(const std::string& body) {
  Result<OaiPage> page = ParseOaiPage(body);
  if (!page) return page.error();
  if (page->bad_token) return Invalid("it refuses the resumption token (badResumptionToken)");
  ListingBuilder list("record", "");
  for (size_t i = 0; i < page->records.size(); ++i) {
    AddEntry(&page->records[i].entry, fmt::format("record {}", i + 1), &list);
  }
  if (page->deleted > 0) list.Warn(Counted(page->deleted, "deleted record"));
  if (!page->token.empty()) {
    list.Warn(page->complete_size ? fmt::format("one page of {} records", *page->complete_size)
                                  : std::string("not the last page"));
  }
  return list.Take();
}

std::string Head(const RecordedAnswer& answer) { return answer.body.substr(0, kHeadBytes); }

bool IsXml(const RecordedAnswer& answer) {
  std::string_view text = answer.body;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return Trim(text.substr(0, kHeadBytes)).starts_with('<');
}

bool IsOai(const RecordedAnswer& answer) {
  const std::string head = Head(answer);
  return IsXml(answer) && (head.find("<OAI-PMH") != head.npos || head.find("<record") != head.npos);
}

bool IsApi(const RecordedAnswer& answer) {
  return IsXml(answer) && answer.body.find("totalResults") != std::string::npos;
}

bool IsOverload(const RecordedAnswer& answer) {
  return answer.body.size() < 200 && answer.body.find("Rate exceeded") != std::string::npos;
}

bool HasAny(const Json& json, std::initializer_list<const char*> keys) {
  return json.is_object() &&
         std::any_of(keys.begin(), keys.end(), [&](const char* key) { return json.contains(key); });
}

bool IsScholar(const RecordedAnswer& answer) {
  if (answer.url.find("semanticscholar.org") != std::string::npos) return true;
  const Json json = Json::parse(answer.body, nullptr, false);
  return json.is_array() || HasAny(json, {"paperId", "authorId", "data"}) ||
         (HasAny(json, {"error"}) && json["error"].is_string());
}

bool IsChat(const RecordedAnswer& answer) {
  if (answer.url.find("/chat/completions") != std::string::npos) return true;
  if (Trim(answer.body).starts_with("data: {")) return true;  // a stream
  const Json json = Json::parse(answer.body, nullptr, false);
  return HasAny(json, {"choices"}) || (HasAny(json, {"error"}) && json["error"].is_object());
}

bool IsHtml(const RecordedAnswer& answer) {
  const std::string begin = FoldCase(Trim(answer.body).substr(0, 15));
  return begin.starts_with("<!doctype html") || begin.starts_with("<html");
}

// The kinds of answers, the first that recognises one reports on it.
struct Kind {
  bool (*recognises)(const RecordedAnswer& answer);
  ParseReport (*report)(const std::string& place, const RecordedAnswer& answer);
};

template <class Why>
ParseReport RefusedAnswer(const std::string& place, const RecordedAnswer& answer, Why why) {
  return Refused(place,
                 fmt::format("{} (HTTP {}); no papers are read from it", why, answer.status));
}

const std::array kKinds = {
    Kind{IsOai,
         [](const std::string& place, const RecordedAnswer& answer) {
           return DescribeOr(place, "answer of arXiv's OAI-PMH", ListingOfOai(answer.body));
         }},
    Kind{IsApi,
         [](const std::string& place, const RecordedAnswer& answer) {
           return DescribeOr(place, "answer of arXiv's API", ListingOfApi(answer.body));
         }},
    Kind{IsHtml,
         [](const std::string& place, const RecordedAnswer& answer) {
           return RefusedAnswer(place, answer, "a page of HTML, for people");
         }},
    Kind{IsXml,
         [](const std::string& place, const RecordedAnswer& answer) {
           return DescribeOr(place, "arXiv's daily feed", ParseFeed(answer.body, "feed"));
         }},
    Kind{IsOverload,
         [](const std::string& place, const RecordedAnswer& answer) {
           return RefusedAnswer(place, answer, "what arXiv says under load, \"Rate exceeded.\"");
         }},
    Kind{IsScholar,
         [](const std::string& place, const RecordedAnswer& answer) {
           const auto report = DescribeScholarAnswer(answer.body);
           if (report) {
             return ParseReport{.ok = report->ok,
                                .text = place + (report->ok ? ": " : ": refused: ") + report->text,
                                .others = report->records};
           }
           return RefusedAnswer(place, answer, "an answer of Semantic Scholar without records");
         }},
    Kind{IsChat,
         [](const std::string& place, const RecordedAnswer& answer) {
           return RefusedAnswer(place, answer, "an answer of a model (OpenAI chat completion)");
         }},
};

ParseReport ReportOnLines(const std::string& path) {
  const Result<Listing> list = ReadPaperFile(path);
  if (!list) return Refused(path, list.error().message);
  const bool none = std::all_of(list->rows.begin(), list->rows.end(),
                                [](const wire::Row& row) { return !row.refused().empty(); });
  if (list->rows.empty() || !none) return Describe(path, "JSON lines", *list);
  return Refused(path, fmt::format("neither XML nor JSON lines of papers: {}: {}",
                                   list->rows.front().id(), list->rows.front().refused()));
}

// Several answers of one file are told apart by number.
ParseReport ReportOnAnswers(const std::string& path, const std::vector<RecordedAnswer>& answers) {
  ParseReport all{.ok = true};
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& candidate) {
      return candidate.recognises(answers[i]);
    });
    const std::string place = answers.size() == 1 ? path : fmt::format("{}#{}", path, i + 1);
    const ParseReport one =
        kind != kKinds.end() ? kind->report(place, answers[i])
        : answers[i].url.empty()
            ? ReportOnLines(path)
            : RefusedAnswer(place, answers[i],
                            "an answer of " + CleanText(answers[i].url) + " of no known kind");
    all.ok &= one.ok;
    all.text += one.text;
    all.papers += one.papers;
    all.refused += one.refused;
    all.others += one.others;
  }
  return all;
}

ParseReport ReportOnContent(const std::string& path) {
  // Says why it cannot be read, and does not wait for a pipe.
  if (std::error_code error; !std::filesystem::is_regular_file(path, error)) {
    return ReportOnLines(path);
  }
  const Result<std::vector<RecordedAnswer>> answers = ReadRecorded(path);
  return answers ? ReportOnAnswers(path, *answers) : Refused(path, answers.error().message);
}

}  // namespace

ParseReport ReportOnFile(const std::string& path) {
  ParseReport report = ReportOnContent(path);
  if (report.ok && report.papers + report.others == 0) {
    report.text += path + ": refused: it holds no record that can be read\n";
    report.ok = false;
  }
  return report;
}

std::string Sums(const std::vector<ParseReport>& reports) {
  size_t parsed = 0;
  size_t papers = 0;
  size_t refused = 0;
  for (const ParseReport& report : reports) {
    parsed += report.ok ? 1 : 0;
    papers += report.papers;
    refused += report.refused;
  }
  return fmt::format("{}: {} parsed, {} refused; {}, {} refused in the parsed files\n",
                     Counted(reports.size(), "file"), parsed, reports.size() - parsed,
                     Counted(papers, "paper"), Counted(refused, "entry", "entries"));
}

}  // namespace paperboy
