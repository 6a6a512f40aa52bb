#include "fetcher/gaps.h"

#include <spdlog/fmt/fmt.h>

#include <map>

#include "common/table.h"

namespace paperboy {

std::vector<Gap> GapsIn(const wire::Days& days, date::sys_days from, date::sys_days to) {
  std::map<std::string, const wire::DayState*> known;
  for (const wire::DayState& day : days.days()) known.emplace(day.date(), &day);
  std::vector<Gap> gaps;
  for (const date::sys_days day : PagesBetween(from, to)) {
    const std::string date = FormatDate(day);
    const auto found = known.find(date);
    if (found == known.end()) {
      if (!days.first().empty() && days.first() < date) gaps.push_back({day, "missing", "", true});
      continue;
    }
    const wire::DayState& state = *found->second;
    const bool whole = state.state() == "published" && !state.mendable();
    if (whole || state.state() == "holiday" || state.state() == "quiet") continue;
    gaps.push_back(
        {day, state.state(), state.why(), state.state() != "withheld" || state.mendable()});
  }
  return gaps;
}

std::vector<Range> RangesOf(const std::vector<date::sys_days>& days) {
  std::vector<Range> ranges;
  for (const date::sys_days day : days) {
    if (!ranges.empty() && NextPage(ranges.back().to) == day) {
      ranges.back().to = day;
    } else {
      ranges.push_back({day, day});
    }
  }
  return ranges;
}

std::string GapsText(const std::string& profile, const std::string& folder,
                     const std::vector<Gap>& gaps) {
  Table table({"profile", "date", "state", "why"});
  std::vector<date::sys_days> mendable;
  std::string text;
  for (const Gap& gap : gaps) {
    table.Add({profile, FormatDate(gap.day), gap.state, gap.why});
    if (gap.mendable) {
      mendable.push_back(gap.day);
    } else {
      text += "paperboy-aggregator redo " + FormatDate(gap.day) + "\n";
    }
  }
  for (const Range& range : RangesOf(mendable)) {
    text += fmt::format("paperboy-fetcher --profile {} --from {} --to {}\n", folder,
                        FormatDate(range.from), FormatDate(range.to));
  }
  if (gaps.empty()) return profile + ": no gaps\n";
  return table.Text() + "To fill them:\n" + text;
}

}  // namespace paperboy
