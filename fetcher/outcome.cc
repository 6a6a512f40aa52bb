#include "fetcher/outcome.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "common/table.h"
#include "common/text.h"

namespace paperboy {
namespace {

constexpr size_t kCountWidth = 9;  // 9,999,999
// More digests than these are a table.
constexpr size_t kDetailed = 4;

std::string Count(const std::string& label, uint64_t n) {
  return fmt::format("  {:<18}{:>{}}\n", label, Grouped(n), kCountWidth);
}

std::string FunnelTable(const wire::Funnel& funnel) {
  return Count("arXiv", funnel.arxiv()) + Count("  refused", funnel.refused()) +
         Count("  not wanted", funnel.not_wanted()) + Count("  seen before", funnel.seen_before()) +
         Count("  scanned", funnel.scanned()) + Count("    author gated", funnel.author_gated()) +
         Count("    title dropped", funnel.title_dropped()) +
         Count("    below cut-off", funnel.below_cutoff()) +
         Count("    selected", funnel.selected()) + Count("    unscored", funnel.unscored());
}

std::string Field(const std::string& name, const std::string& value) {
  return value.empty() ? "" : fmt::format("  {:<9}{}\n", name, value);
}

std::string Tokens(const wire::Published& published) {
  if (!published.tokens_reported()) return "not reported";
  return fmt::format("{} prompt + {} completion", Grouped(published.prompt_tokens()),
                     Grouped(published.completion_tokens()));
}

std::string Cost(const wire::Published& published) {
  if (published.lost_calls() == 0) return published.cost();
  return fmt::format("{}, and of {} whose cost is not known, estimated, {}", published.cost(),
                     Counted(published.lost_calls(), "call"), published.lost_cost());
}

std::string Details(const std::string& date, const wire::Published& published) {
  std::string text = FunnelTable(published.funnel());
  if (!published.model().empty()) text += Field("model", published.model());
  text += Field("calls", Grouped(published.calls()));
  if (published.calls() > 0) text += Field("tokens", Tokens(published));
  text += Field("cost", Cost(published));
  text += Field("page", published.page());
  for (const std::string& note : published.notes()) text += Field("note", note);
  for (const std::string& refusal : published.refusals()) text += Field("refused", refusal);
  const auto named = static_cast<uint64_t>(published.refusals_size());
  if (published.funnel().refused() > named) {
    text += Field("refused", fmt::format("and {} more; `paperboy-aggregator papers {} refused` "
                                         "lists all",
                                         Grouped(published.funnel().refused() - named), date));
  }
  return text;
}

// A line for each digest, and how many there are of each state.
std::string SummaryTable(const std::vector<Outcome>& outcomes) {
  Table table({"date", "profile", "state", ">arXiv", ">scanned", ">selected", ">unscored", ">calls",
               ">cost", "why"});
  std::map<std::string, uint64_t> states;
  for (const Outcome& outcome : outcomes) {
    ++states[outcome.state];
    if (!outcome.published) {
      table.Add(
          {outcome.date, outcome.profile, outcome.state, "", "", "", "", "", "", outcome.why});
      continue;
    }
    const wire::Published& published = *outcome.published;
    const wire::Funnel& funnel = published.funnel();
    table.Add({outcome.date, outcome.profile, outcome.state, Grouped(funnel.arxiv()),
               Grouped(funnel.scanned()), Grouped(funnel.selected()), Grouped(funnel.unscored()),
               Grouped(published.calls()), Cost(published), outcome.why});
  }
  std::string text = table.Text();
  for (const auto& [state, count] : states) {
    text += fmt::format("{}{} {}", text.ends_with("\n") ? "" : ", ", Grouped(count), state);
  }
  return text + "\n";
}

}  // namespace

std::string Grouped(uint64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

Outcome FailedOutcome(std::string profile, std::string date, const Error& error) {
  Outcome outcome{std::move(profile), std::move(date),  "failed",
                  error.message,      kExitUnreachable, std::nullopt};
  if (error.kind == ErrorKind::kInvalid) outcome.exit_code = kExitUsage;
  if (error.kind == ErrorKind::kConflict) {
    outcome.exit_code = kExitReplaced;
    outcome.state = "replaced";
  }
  return outcome;
}

Outcome PublishedOutcome(std::string profile, std::string date, wire::Published published) {
  const bool scored = published.state() == "published" && !published.mendable();
  const ExitCode code = !scored                     ? kExitWithheld
                        : published.late_size() > 0 ? kExitNotAnnounced
                                                    : kExitOk;
  std::string why;
  const wire::Funnel& funnel = published.funnel();
  if (published.state() != "published") {
    why = funnel.unscored() > 0 ? "too many papers are unscored; no page was written"
                                : "too many entries could not be read; no page was written";
  } else if (published.mendable()) {
    why = "a later run can score what is unscored";
  } else if (published.late_size() > 0) {
    why = fmt::format("{} not announced in time; a later run adds the papers",
                      fmt::join(published.late(), ", "));
  } else if (funnel.arxiv() == 0) {
    why = "a quiet day: nothing was announced in its categories";
  } else if (funnel.scanned() == 0 && funnel.seen_before() > 0) {
    why = "all its papers belong to earlier announcements";
  } else if (funnel.selected() == 0) {
    why = "a quiet day: nothing was selected";
  }
  return {std::move(profile),  std::move(date), published.state(), std::move(why), code,
          std::move(published)};
}

spdlog::level::level_enum LevelOf(const Outcome& outcome) {
  if (outcome.state == "failed") return spdlog::level::err;
  return outcome.exit_code == kExitOk ? spdlog::level::info : spdlog::level::warn;
}

ExitCode WorstOf(const std::vector<ExitCode>& codes) {
  for (const ExitCode code :
       {kExitUsage, kExitUnreachable, kExitWithheld, kExitNotAnnounced, kExitReplaced}) {
    if (std::find(codes.begin(), codes.end(), code) != codes.end()) return code;
  }
  return kExitOk;
}

ExitCode WorstOf(const std::vector<Outcome>& outcomes) {
  std::vector<ExitCode> codes;
  for (const Outcome& outcome : outcomes) codes.push_back(outcome.exit_code);
  return WorstOf(codes);
}

std::string Summary(const std::vector<Outcome>& outcomes) {
  if (outcomes.size() > kDetailed) return SummaryTable(outcomes);
  std::string text;
  for (const Outcome& outcome : outcomes) {
    text += fmt::format("{}{}  {}  {}", text.empty() ? "" : "\n", outcome.profile, outcome.date,
                        outcome.state);
    if (!outcome.why.empty()) text += ": " + outcome.why;
    text += "\n";
    if (outcome.published) text += Details(outcome.date, *outcome.published);
  }
  return text;
}

}  // namespace paperboy
