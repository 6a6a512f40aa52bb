// A month: the calendar, what became of its days, totals and cost.
#include <algorithm>
#include <map>

#include "aggregator/page_html.h"
#include "aggregator/site_html.h"
#include "common/calendar.h"
#include "common/text.h"

namespace paperboy {
namespace {

using date::days;
using date::sys_days;

constexpr char kHoliday[] = "holiday", kWeekend[] = "weekend";

// A date without a record: arXiv's own calendar says whether it should have one.
DayRecord Unrecorded(sys_days day, sys_days first, sys_days last) {
  DayRecord record;
  record.date = FormatDate(day);
  record.state = IsMissing(day, first, last) ? "missing" : IsWeekend(day) ? kWeekend : kHoliday;
  record.why = WhyNoAnnouncement(day);
  return record;
}

using Days = std::map<sys_days, DayRecord>;

Days DaysOf(Database& db, const std::string& profile, const std::string& month) {
  Days all;
  for (auto& record : DayRecordsOf(db, profile, month)) {
    const auto day = ParseDate(record.date);
    if (!day) continue;
    // A weekend looks like one also when somebody asked for it.
    if (record.state == kHoliday && IsWeekend(*day)) record.state = kWeekend;
    all.emplace(*day, std::move(record));
  }
  const auto first =
      ParseDate(DateAfter(db, profile, Recorded::kAnything, kBeginning).value_or(""));
  const auto last = ParseDate(NewestDate(db).value_or(""));
  const auto begin = ParseDate(month + "-01");
  if (!begin || !first || !last) return all;
  const date::year_month_day ymd(*begin);
  const sys_days end = sys_days(ymd.year() / ymd.month() / date::last);
  // Nothing is said of dates before the first and after the last.
  for (sys_days day = std::max(*begin, *first); day <= std::min(end, *last); day += days(1)) {
    if (!all.contains(day)) all.emplace(day, Unrecorded(day, *first, *last));
  }
  return all;
}

std::string Papers(const DayRecord& day) {
  std::string text = Counted(static_cast<uint64_t>(day.papers), "paper");
  const auto unscored = day.status.funnel.unscored();
  if (unscored > 0) text += ", " + std::to_string(unscored) + " unscored";
  return text;
}

std::string Cell(sys_days day, const DayRecord* record) {
  // The name of the day is for narrow screens, which have no columns.
  const std::string number = std::to_string(unsigned(date::year_month_day(day).day()));
  if (record == nullptr) return "<td>" + number + "</td>\n";
  const std::string shown =
      "<span class=\"weekday\">" + date::format("%a", day) + "</span> " +
      (record->has_page ? LinkHtml({record->date + ".html", number}) : number);
  const bool no_announcement = record->state == kHoliday || record->state == kWeekend;
  const std::string title =
      no_announcement ? " title=\"" + EscapeHtml(ValidUtf8(record->why)) + "\"" : "";
  std::string html = "<td class=\"" + StateClass(record->state) + "\"" + title + ">" + shown;
  if (record->state != kWeekend || record->has_page) html += " <br />" + record->state;
  if (record->has_page) html += " <br />" + Papers(*record);
  return html + "</td>\n";
}

std::string Calendar(sys_days begin, const Days& records) {
  std::string html =
      "<table class=\"calendar\">\n<thead>\n<tr><th scope=\"col\">Mon</th><th "
      "scope=\"col\">Tue</th>"
      "<th scope=\"col\">Wed</th><th scope=\"col\">Thu</th><th scope=\"col\">Fri</th>"
      "<th scope=\"col\">Sat</th><th scope=\"col\">Sun</th></tr>\n</thead>\n<tbody>\n";
  const date::year_month_day first(begin);
  const sys_days end = sys_days(first.year() / first.month() / date::last);
  sys_days day = begin - (date::weekday(begin) - date::Monday);
  while (day <= end) {
    html += "<tr>\n";
    for (int i = 0; i < 7; ++i, day += days(1)) {
      const auto record = records.find(day);
      const bool inside = day >= begin && day <= end;
      html += inside ? Cell(day, record == records.end() ? nullptr : &record->second)
                     : "<td class=\"outside\"></td>\n";
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n";
}

// "18 published, 1 holiday, 2 missing"
std::string StatesLine(const Days& records) {
  std::string text;
  for (const char* state :
       {"published", "partial", "quiet", "holiday", "failed", "waiting", kBeingScored, "missing"}) {
    int count = 0;
    for (const auto& [day, record] : records) count += record.state == state ? 1 : 0;
    if (count == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + state;
  }
  return "<p>Days: " + text + ".</p>\n";
}

// The days that are not as they should be, with the reasons.
std::string Reasons(const Days& records) {
  std::string items;
  for (const auto& [day, record] : records) {
    if (record.state == "published" || record.state == kWeekend || record.why.empty()) continue;
    items += "<li>" + record.date + ": " + StateHtml(record) + "</li>\n";
  }
  return items.empty() ? "" : "<ul class=\"reasons\">\n" + items + "</ul>\n";
}

// A sum of what is known, and of how many days it is not.
struct Sum {
  int64_t sum = 0;
  int unknown = 0;
  void Add(const std::optional<int64_t>& value) {
    if (value) sum += *value;
    if (!value) ++unknown;
  }
  Sum operator+(const Sum& other) const {
    return {sum + other.sum, std::max(unknown, other.unknown)};
  }
};

struct Totals {
  int64_t arxiv = 0, scanned = 0, papers = 0, unscored = 0, lost_calls = 0;
  uint64_t withheld = 0, withheld_papers = 0, failed = 0, waiting = 0,
           scored = 0;  // days, papers of arXiv's
  Sum prompt_tokens, completion_tokens, prompt_cost, completion_cost, lost_cost;
};

// Papers count where they were published; what was spent counts also where it was
// for a page that is withheld.
Totals TotalsOf(const Days& records) {
  Totals totals;
  for (const auto& [day, record] : records) {
    const StatusHead& status = record.status;
    if (!status.of_digest) {
      totals.failed += record.state == "failed" ? 1 : 0;
      totals.waiting += record.state == "waiting" ? 1 : 0;
      totals.scored += record.state == kBeingScored ? 1 : 0;
      continue;
    }
    if (status.state == "published") {
      totals.papers += record.papers;
      totals.arxiv += static_cast<int64_t>(status.funnel.arxiv());
      totals.scanned += static_cast<int64_t>(status.funnel.scanned());
      totals.unscored += static_cast<int64_t>(status.funnel.unscored());
    } else {
      ++totals.withheld;
      totals.withheld_papers += status.funnel.arxiv();
    }
    totals.prompt_tokens.Add(status.prompt_tokens);
    totals.completion_tokens.Add(status.completion_tokens);
    totals.prompt_cost.Add(status.prompt_cost);
    totals.completion_cost.Add(status.completion_cost);
    totals.lost_calls += status.lost_calls;
    if (status.lost_calls > 0) totals.lost_cost.Add(status.lost_cost);
  }
  return totals;
}

std::string OfDays(int days) { return " of " + Counted(static_cast<uint64_t>(days), "day"); }

std::string Tokens(const Sum& sum) {
  return std::to_string(sum.sum) +
         (sum.unknown > 0 ? ", not reported" + OfDays(sum.unknown) : std::string());
}

std::string Dollars(const Sum& sum) {
  return FormatDollars(sum.sum) +
         (sum.unknown > 0 ? ", unknown" + OfDays(sum.unknown) : std::string());
}

std::string Row(const std::string& name, const std::vector<std::string>& cells) {
  std::string html = "<tr><th scope=\"row\">" + name + "</th>";
  for (const auto& cell : cells) html += "<td>" + cell + "</td>";
  return html + "</tr>\n";
}

// The days that are not in the totals, with their papers.
std::string NotCounted(const Totals& totals) {
  std::string days;
  const auto add = [&](uint64_t count, const std::string& what, const std::string& plural = "") {
    if (count > 0) days += (days.empty() ? "" : ", ") + Counted(count, what, plural);
  };
  add(totals.withheld, "withheld day");
  if (totals.withheld > 0) days += " with " + Counted(totals.withheld_papers, "arXiv paper");
  add(totals.failed, "failed day");
  add(totals.waiting, "waiting day");
  add(totals.scored, "day being scored", "days being scored");
  if (days.empty()) return "";
  return "<p>Not in these totals: " + days + "." +
         (totals.withheld > 0 ? " Tokens and cost are with those of withheld days." : "") +
         "</p>\n";
}

std::string TotalsHtml(const Totals& totals) {
  const auto line = [](const char* name, int64_t count) {
    return "<p>" + std::string(name) + ": " + std::to_string(count) + "</p>\n";
  };
  std::string html = line("Total arXiv papers", totals.arxiv) +
                     line("Total scanned papers", totals.scanned) +
                     line("Total relevant papers", totals.papers);
  if (totals.unscored > 0) html += line("Total unscored papers", totals.unscored);
  html += NotCounted(totals);
  html +=
      "<table class=\"figures\">\n<thead>\n<tr><th scope=\"col\">Month</th>"
      "<th scope=\"col\">Prompt</th><th scope=\"col\">Completion</th>"
      "<th scope=\"col\">Total</th></tr>\n</thead>\n<tbody>\n";
  html += Row("Token", {Tokens(totals.prompt_tokens), Tokens(totals.completion_tokens),
                        Tokens(totals.prompt_tokens + totals.completion_tokens)});
  html += Row("Cost", {Dollars(totals.prompt_cost), Dollars(totals.completion_cost),
                       Dollars(totals.prompt_cost + totals.completion_cost)});
  if (totals.lost_calls > 0) {
    html += Row("Cost not known of", {Counted(static_cast<uint64_t>(totals.lost_calls), "call"),
                                      "estimated", "at most " + Dollars(totals.lost_cost)});
  }
  return html + "</tbody>\n</table>\n";
}

}  // namespace

std::string MonthHtml(Database& db, const std::string& profile, const std::string& month) {
  std::string heading =
      "<h1>Monthly Overview " + month + "</h1>\n<p>Profile: " + EscapeHtml(profile) + "</p>\n";
  const auto begin = ParseDate(month + "-01");
  if (!begin) return heading;
  const Days records = DaysOf(db, profile, month);
  return heading + Calendar(*begin, records) + StatesLine(records) + Reasons(records) +
         TotalsHtml(TotalsOf(records));
}

}  // namespace paperboy
