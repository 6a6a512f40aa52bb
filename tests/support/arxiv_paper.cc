#include "tests/support/arxiv_paper.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace paperboy {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

using Condition = std::function<bool(const ArxivPaper&)>;
using Json = nlohmann::json;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ::tolower);
  return text;
}

sys_seconds ParseIso(const std::string& text) {
  int hour = 0, minute = 0, second = 0;
  const sys_days day = ParseDay(text.substr(0, 10));
  if (text.size() > 10 &&
      std::sscanf(text.c_str() + 10, "T%2d:%2d:%2dZ", &hour, &minute, &second) != 3) {
    throw std::invalid_argument("not a time like 2026-09-14T13:00:00Z: " + text);
  }
  return day + hours(hour) + minutes(minute) + seconds(second);
}

// A field that may be missing or null.
std::string Text(const Json& row, const char* field, const std::string& otherwise = "") {
  const auto it = row.find(field);
  return it == row.end() || it->is_null() ? otherwise : it->get<std::string>();
}

ArxivPaper FromJson(const Json& row, const std::string& default_date) {
  ArxivPaper paper;
  paper.id = row.at("id");
  if (row.contains("version") && !row["version"].is_null()) paper.version = row["version"];
  paper.title = row.at("title");
  paper.abstract = row.at("abstract");
  paper.authors = row.at("authors").get<std::vector<std::string>>();
  if (row.contains("categories") && !row["categories"].is_null()) {
    paper.categories = row["categories"].get<std::vector<std::string>>();
  }
  const std::string primary = Text(row, "primary_category");
  std::stable_partition(paper.categories.begin(), paper.categories.end(),
                        [&](const std::string& category) { return category == primary; });
  paper.announce_type = Text(row, "announce_type", "new");
  paper.announced = Text(row, "announced", default_date);
  const sys_seconds day_before = ParseDay(paper.announced) - days(1) + hours(12);
  paper.published = day_before;
  if (const std::string text = Text(row, "published"); !text.empty())
    paper.published = ParseIso(text);
  paper.updated = paper.published;
  if (const std::string text = Text(row, "updated"); !text.empty()) paper.updated = ParseIso(text);
  return paper;
}

// search_query by recursive descent; all operators bind equally, left to right.
class QueryParser {
 public:
  explicit QueryParser(const std::string& text) : text_(text) {}

  Condition Parse() {
    Condition condition = Expression();
    if (at_ != text_.size()) Fail();
    return condition;
  }

 private:
  [[noreturn]] void Fail() const {
    throw std::invalid_argument("incorrect search query at \"" + text_.substr(at_) + "\"");
  }
  void SkipSpace() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(const std::string& word) {
    SkipSpace();
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }
  std::string Until(const char* stops) {
    const size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
    const std::string part = text_.substr(at_, end - at_);
    at_ = end;
    return part;
  }

  Condition Expression() {
    Condition left = Term();
    for (;;) {
      if (Take("ANDNOT ")) {
        left = [left, right = Term()](const ArxivPaper& p) { return left(p) && !right(p); };
      } else if (Take("AND ")) {
        left = [left, right = Term()](const ArxivPaper& p) { return left(p) && right(p); };
      } else if (Take("OR ")) {
        left = [left, right = Term()](const ArxivPaper& p) { return left(p) || right(p); };
      } else {
        SkipSpace();
        return left;
      }
    }
  }

  Condition Term() {
    if (Take("(")) {
      Condition inner = Expression();
      if (!Take(")")) Fail();
      return inner;
    }
    SkipSpace();
    const std::string field = Until(": ()");
    if (!Take(":")) Fail();
    if (field == "submittedDate") return Submitted();
    std::string value;
    if (Take("\"")) {
      value = Until("\"");
      if (!Take("\"")) Fail();
    } else {
      value = Until(" ()");
    }
    if (value.empty()) Fail();
    if (field == "cat") return Category(value);
    if (field != "ti" && field != "abs" && field != "all") Fail();
    return [field, value = Lower(value)](const ArxivPaper& p) {
      const bool title = Lower(p.title).find(value) != std::string::npos;
      const bool abstract = Lower(p.abstract).find(value) != std::string::npos;
      return (field != "abs" && title) || (field != "ti" && abstract);
    };
  }

  static Condition Category(std::string value) {
    const bool prefix = value.back() == '*';
    if (prefix) value.pop_back();
    return [value, prefix](const ArxivPaper& p) {
      return std::any_of(p.categories.begin(), p.categories.end(),
                         [&](const std::string& category) {
                           return prefix ? category.rfind(value, 0) == 0 : category == value;
                         });
    };
  }

  sys_seconds Minute() {
    SkipSpace();
    const std::string text = Until(" ]");
    int year = 0, month = 0, day = 0, hour = 0, minute = 0;
    if (text.size() != 12 ||
        std::sscanf(text.c_str(), "%4d%2d%2d%2d%2d", &year, &month, &day, &hour, &minute) != 5) {
      Fail();
    }
    const std::chrono::year_month_day date(std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day)));
    if (!date.ok()) Fail();
    return sys_days(date) + hours(hour) + minutes(minute);
  }

  Condition Submitted() {
    if (!Take("[")) Fail();
    const sys_seconds from = Minute();
    if (!Take("TO ")) Fail();
    const sys_seconds to = Minute();
    if (!Take("]")) Fail();
    return [from, to](const ArxivPaper& p) {
      const auto minute = std::chrono::floor<minutes>(p.published);
      return from <= minute && minute <= to;
    };
  }

  const std::string text_;
  size_t at_ = 0;
};

}  // namespace

std::vector<ArxivPaper> ReadArxivPapers(const std::string& path, const std::string& default_date) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read the papers file " + path);
  std::vector<ArxivPaper> papers;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    try {
      papers.push_back(FromJson(Json::parse(line), default_date));
    } catch (const std::exception& error) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  return papers;
}

std::string ArxivPaperLines(const std::vector<ArxivPaper>& papers) {
  std::string lines;
  for (const ArxivPaper& paper : papers) {
    lines += Json{{"id", paper.id},
                  {"version", paper.version},
                  {"title", paper.title},
                  {"abstract", paper.abstract},
                  {"authors", paper.authors},
                  {"categories", paper.categories},
                  {"primary_category",
                   paper.categories.empty() ? Json() : Json(paper.categories.front())},
                  {"announce_type", paper.announce_type},
                  {"announced", paper.announced},
                  {"published", IsoText(paper.published)},
                  {"updated", IsoText(paper.updated)}}
                 .dump() +
             "\n";
  }
  return lines;
}

std::vector<ArxivPaper> InventArxivPapers(int n, const std::string& announced) {
  static const std::vector<std::vector<std::string>> kCategories = {
      {"cs.LG"}, {"cs.AI"}, {"cs.LG", "cs.AI"}};
  // Late on the day two before the page date: in the window of any weekday's
  // page but Monday's, which takes Thursday afternoon and Friday morning.
  const bool monday = std::chrono::weekday(ParseDay(announced)) == std::chrono::Monday;
  const sys_seconds first = ParseDay(announced) - days(monday ? 4 : 2) + hours(20);
  const std::string month = announced.substr(2, 2) + announced.substr(5, 2);
  std::vector<ArxivPaper> papers;
  for (int i = 1; i <= n; ++i) {
    const std::string number = std::to_string(i);
    papers.push_back({.id = month + "." + std::to_string(10'000 + i),
                      .title = "On Matter Number " + number,
                      .abstract = "We look into matter number " + number + " and report a finding.",
                      .authors = {"Author A" + number, "Author B" + number},
                      .categories = kCategories[static_cast<size_t>(i) % kCategories.size()],
                      .announce_type = "new",
                      .announced = announced,
                      .published = first + seconds(i),
                      .updated = first + seconds(i)});
  }
  return papers;
}

Condition ParseArxivQuery(const std::string& query) { return QueryParser(query).Parse(); }

std::string OaiSetOf(const std::string& category) {
  static const std::set<std::string> kPhysics = {
      "astro-ph", "cond-mat", "gr-qc",   "hep-ex",  "hep-lat", "hep-ph",  "hep-th",
      "math-ph",  "nlin",     "nucl-ex", "nucl-th", "physics", "quant-ph"};
  const size_t dot = category.find('.');
  const std::string archive = category.substr(0, dot);
  const std::string group = kPhysics.contains(archive) ? "physics" : archive;
  return group + ":" + archive + (dot == std::string::npos ? "" : ":" + category.substr(dot + 1));
}

sys_days ParseDay(const std::string& text) {
  int year = 0, month = 0, day = 0, used = 0;
  if (text.size() == 10 &&
      std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && used == 10) {
    const std::chrono::year_month_day date(std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day)));
    if (date.ok()) return date;
  }
  throw std::invalid_argument("not a date like 2026-09-15: " + text);
}

std::string DayText(sys_days day) { return IsoText(day).substr(0, 10); }

std::string IsoText(sys_seconds time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", int(date.year()),
                unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                int(clock.minutes().count()), int(clock.seconds().count()));
  return text.data();
}

std::string MailText(sys_seconds time, const char* zone) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::string iso = IsoText(time);
  return std::string(kDays[std::chrono::weekday(day).c_encoding()]) + ", " + iso.substr(8, 2) +
         " " + kMonths[unsigned(date.month()) - 1] + " " + iso.substr(0, 4) + " " +
         iso.substr(11, 8) + " " + zone;
}

const char* EasternOffset(sys_days day) {
  const std::chrono::year year = std::chrono::year_month_day(day).year();
  const sys_days spring = year / std::chrono::March / std::chrono::Sunday[2];
  const sys_days autumn = year / std::chrono::November / std::chrono::Sunday[1];
  return spring <= day && day < autumn ? "-0400" : "-0500";
}

}  // namespace paperboy
