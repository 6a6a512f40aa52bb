// The papers behind the simulated arXiv, and its queries and dates over them.
// Pure but for reading the file.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace paperboy {

struct ArxivPaper {
  std::string id;
  int version = 1;
  std::string title;
  std::string abstract;
  std::vector<std::string> authors;
  std::vector<std::string> categories;  // the primary one first
  std::string announce_type;            // new, cross, replace, replace-cross
  std::string announced;                // page date, YYYY-MM-DD
  std::chrono::sys_seconds published;   // submission of version 1
  std::chrono::sys_seconds updated;     // submission of `version`
};

// Reads JSON lines in the format of --source file:, with one more field,
// "announced": the page date, `default_date` where it is missing. A missing
// published time is noon GMT of the day before the page date. Throws
// std::runtime_error naming the line that cannot be read.
std::vector<ArxivPaper> ReadArxivPapers(const std::string& path, const std::string& default_date);

// The same format, one line a paper.
std::string ArxivPaperLines(const std::vector<ArxivPaper>& papers);

// `n` invented papers of one announcement, all new, in cs.LG or cs.AI or both,
// submitted in its window. Ids are YYMM.10001 and on, of the page date's month.
std::vector<ArxivPaper> InventArxivPapers(int n, const std::string& announced);

// A condition of the API's search_query: cat:, ti:, abs:, all:, submittedDate:[A TO
// B] (GMT, YYYYMMDDHHMM, both included), AND, OR, ANDNOT, parentheses; cat: takes
// a final *. Throws std::invalid_argument saying what is wrong.
std::function<bool(const ArxivPaper&)> ParseArxivQuery(const std::string& query);

// The OAI-PMH sets of a category: cs.LG is cs:cs:LG, hep-th is physics:hep-th.
std::string OaiSetOf(const std::string& category);

// Dates as arXiv prints them. ParseDay throws std::invalid_argument for what is
// not YYYY-MM-DD.
std::chrono::sys_days ParseDay(const std::string& text);
std::string DayText(std::chrono::sys_days day);      // 2026-09-15
std::string IsoText(std::chrono::sys_seconds time);  // 2026-09-15T04:00:00Z
std::string MailText(std::chrono::sys_seconds time,
                     const char* zone);  // Tue, 15 Sep 2026 04:00:00 GMT
// -0400 or -0500: the US Eastern offset at noon of `day`.
const char* EasternOffset(std::chrono::sys_days day);

}  // namespace paperboy
