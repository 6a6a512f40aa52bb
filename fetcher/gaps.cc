#include "fetcher/gaps.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/table.h"
#include "common/text.h"

namespace paperboy {

namespace {

// Returns how many are left out.
template <class T>
size_t CutTo(size_t size, std::vector<T>* all) {
  if (all->size() <= size) return 0;
  const size_t more = all->size() - size;
  all->erase(all->begin() + static_cast<ptrdiff_t>(size), all->end());
  return more;
}

}  // namespace

std::vector<Gap> GapsIn(const wire::Days& days, date::sys_days from, date::sys_days to) {
  std::map<std::string, const wire::DayState*> known;
  for (const wire::DayState& day : days.days()) known.emplace(day.date(), &day);
  const Result<date::sys_days> first = ParseDate(days.first());
  std::vector<Gap> gaps;
  for (date::sys_days day = from; day <= to; day += date::days(1)) {
    const auto found = known.find(FormatDate(day));
    // What was announced against the calendar has a digest.
    const bool has_digest = found != known.end() && !found->second->revision().empty();
    if (!AnnouncementFor(day) && !has_digest) continue;
    if (found == known.end()) {
      if (first && IsMissing(day, *first, to)) gaps.push_back({day, "missing", "", true});
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

FillCommands CommandsFor(const Options& options, const std::string& program,
                         const std::string& folder) {
  std::vector<std::string> without = {"profile", "date", "from", "to", "deadline", "dry-run"};
  // The feed has no past dates, wherever it was said that it is the source.
  const bool feed = options.String("source") == "rss";
  if (feed) without.push_back("source");
  FillCommands commands;
  commands.fetch = ShellWord(program) + options.FlagsGiven(without, &commands.left_out) +
                   (feed ? " --source auto" : "") + " --profile " + ShellWord(folder);
  const std::string beside = program.substr(0, program.rfind('/') + 1);
  commands.redo = ShellWord(beside + "paperboy-aggregator");
  if (options.Origin("aggregator") != "default") {
    commands.redo += " --bind-fetchers " + ShellWord(options.String("aggregator"));
  }
  commands.redo += " redo";
  return commands;
}

std::string GapsText(const std::string& profile, const FillCommands& commands,
                     const std::vector<Gap>& gaps) {
  if (gaps.empty()) return profile + ": no gaps\n";
  const auto fetch = [&](const Range& range) {
    return fmt::format("{} --from {} --to {}\n", commands.fetch, FormatDate(range.from),
                       FormatDate(range.to));
  };
  Table table({"profile", "date", "state", "why"});
  std::vector<date::sys_days> mendable, to_redo;
  for (const Gap& gap : gaps) {
    if (table.size() < kGapsShown) {
      table.Add({profile, FormatDate(gap.day), gap.state, gap.why});
    }
    (gap.mendable ? mendable : to_redo).push_back(gap.day);
  }
  std::string text;
  size_t left_out = CutTo(kGapsShown, &to_redo);
  auto redo = to_redo.begin();
  for (const Range& range : RangesOf(to_redo)) {
    for (; redo != to_redo.end() && *redo <= range.to; ++redo) {
      text += commands.redo + " " + FormatDate(*redo) + "\n";
    }
    text += fetch(range);
  }
  std::vector<Range> ranges = RangesOf(mendable);
  if (CutTo(kGapsShown, &ranges) > 0) {
    left_out += std::count_if(mendable.begin(), mendable.end(),
                              [&](date::sys_days day) { return day > ranges.back().to; });
  }
  for (const Range& range : ranges) text += fetch(range);
  if (left_out > 0) {
    text += "# and so on: after these, gaps has the commands for the other " +
            Counted(left_out, "date") + "\n";
  }
  std::string title = "To fill them:\n";
  if (!commands.left_out.empty()) {
    title = fmt::format("To fill them, with {} as you gave it, which holds a password:\n",
                        fmt::join(commands.left_out, ", "));
  }
  std::string more;
  if (gaps.size() > kGapsShown) {
    more = fmt::format("and {} more to {}; --from and --to show a part of them\n",
                       gaps.size() - kGapsShown, FormatDate(gaps.back().day));
  }
  return table.Text() + more + title + text;
}

std::string GuessesText(const wire::Days& days, date::sys_days from, date::sys_days to) {
  std::set<std::string> published;
  for (const wire::DayState& day : days.days()) {
    if (day.state() == "published") published.insert(day.date());
  }
  std::string text;
  for (date::sys_days day = from; day <= to; day += date::days(1)) {
    if (!IsGuessedDayOff(day) || published.contains(FormatDate(day))) continue;
    text += FormatDate(day) + " is no gap: " + WhyNoAnnouncement(day) + "\n";
  }
  return text;
}

}  // namespace paperboy
