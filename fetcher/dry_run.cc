#include "fetcher/dry_run.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "common/announce_type.h"
#include "common/calendar.h"
#include "common/text.h"
#include "common/wire.h"
#include "fetcher/file_source.h"

namespace paperboy {
namespace {

// Well below kMaxFrameBytes: the last row of a message may be a large one.
constexpr size_t kMaxMessageBytes = 8 << 20;
constexpr double kPicodollars = 1e12;

void AddTo(wire::Estimate* sum, const wire::Estimate& part) {
  sum->set_papers(sum->papers() + part.papers());
  sum->set_to_score(sum->to_score() + part.to_score());
  sum->set_calls(sum->calls() + part.calls());
  sum->set_prompt_tokens(sum->prompt_tokens() + part.prompt_tokens());
  sum->set_completion_tokens(sum->completion_tokens() + part.completion_tokens());
  sum->set_picodollars(sum->picodollars() + part.picodollars());
  sum->set_priced(sum->priced() && part.priced());
  sum->set_model(part.model());
  sum->set_deferred(sum->deferred() && part.deferred());
  if (part.deferred()) return;  // no quota of calls holds it up
  sum->set_quota_known(sum->quota_known() && part.quota_known());
  sum->set_rpm(part.rpm());
  sum->set_tpm(part.tpm());
}

wire::Estimate EmptySum() {
  wire::Estimate sum;
  sum.set_priced(true);
  sum.set_quota_known(true);
  sum.set_deferred(true);
  return sum;
}

// nullopt: the quota is unknown.
std::optional<double> Minutes(const wire::Estimate& estimate) {
  if (!estimate.quota_known()) return std::nullopt;
  double minutes = 0;
  if (estimate.rpm() > 0) minutes = static_cast<double>(estimate.calls()) / estimate.rpm();
  if (estimate.tpm() > 0) {
    const auto tokens =
        static_cast<double>(estimate.prompt_tokens() + estimate.completion_tokens());
    minutes = std::max(minutes, tokens / estimate.tpm());
  }
  return minutes;
}

std::string Dollars(const wire::Estimate& estimate) {
  if (!estimate.priced()) return "unknown";
  return fmt::format("${:.4f}", static_cast<double>(estimate.picodollars()) / kPicodollars);
}

std::string MinutesText(const std::optional<double>& minutes, const wire::Estimate& estimate) {
  if (estimate.deferred()) return "up to a day";
  if (!minutes) return "unknown";
  const bool unlimited = estimate.rpm() == 0 && estimate.tpm() == 0;
  return unlimited && *minutes == 0 ? "no quota" : fmt::format("{:.1f}", *minutes);
}

using Cells = std::array<std::string, 10>;

Cells CellsOf(const std::string& profile, const std::string& date, uint64_t rows,
              const wire::Estimate& estimate, const std::string& minutes) {
  return {profile,
          date,
          Grouped(rows),
          Grouped(estimate.papers()),
          Grouped(estimate.papers() - estimate.to_score()),
          Grouped(estimate.to_score()),
          Grouped(estimate.calls()),
          Grouped(estimate.prompt_tokens()) + " + " + Grouped(estimate.completion_tokens()),
          Dollars(estimate),
          minutes};
}

std::string Aligned(const std::vector<Cells>& lines) {
  constexpr size_t kTextColumns = 2;  // the others are numbers
  std::array<size_t, std::tuple_size_v<Cells>> widths{};
  for (const Cells& cells : lines) {
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string text;
  for (const Cells& cells : lines) {
    for (size_t i = 0; i < cells.size(); ++i) {
      text += i == 0             ? ""
              : i < kTextColumns ? "  "
                                 : "  " + std::string(widths[i] - cells[i].size(), ' ');
      text += cells[i];
      if (i < kTextColumns) text += std::string(widths[i] - cells[i].size(), ' ');
    }
    text += "\n";
  }
  return text;
}

// `what` costs that much; "" while that is within the budget.
std::string BudgetNote(const std::string& what, int64_t picodollars, const std::string& key,
                       int64_t budget, const wire::Profile& profile) {
  if (budget == 0 || picodollars <= budget) return "";
  const std::string note =
      fmt::format("{}: more than {} = {}; ", what, key, static_cast<double>(budget) / kPicodollars);
  if (profile.degrade_size() == 0) return note + "papers beyond it stay unscored\n";
  return note + fmt::format("until it fits it gives up, in turn, {}\n",
                            fmt::join(profile.degrade(), ", "));
}

// Each digest has its budget; all that is scored on one day shares the day's.
std::string BudgetNotes(const std::vector<ForecastLine>& lines, const wire::Profile& profile) {
  std::string notes, dates;
  int64_t sum = 0;
  for (const ForecastLine& line : lines) {
    if (line.profile != profile.name() || !line.estimate) continue;
    sum += line.estimate->picodollars();
    dates = dates.empty() ? line.date : "all dates together";
    notes +=
        BudgetNote(line.profile + " " + line.date, line.estimate->picodollars(),
                   "budget_dollars_per_digest", profile.budget_picodollars_per_digest(), profile);
  }
  return notes + BudgetNote(profile.name() + " " + dates, sum, "budget_dollars_per_day",
                            profile.budget_picodollars_per_day(), profile);
}

}  // namespace

DryRun::DryRun(Parts parts, const FetcherSettings& settings, std::vector<wire::Profile> profiles)
    : parts_(std::move(parts)), settings_(settings), profiles_(std::move(profiles)) {}

std::vector<ForecastLine> DryRun::Go() {
  deadline_ = parts_.pump.now() + settings_.deadline;
  if (!settings_.from) {
    OneDate(std::nullopt);
    return std::move(lines_);
  }
  for (Day day = *settings_.from; day <= *settings_.to; day += date::days(1)) {
    if (parts_.pump.stopped()) break;
    OneDate(day);
  }
  return std::move(lines_);
}

void DryRun::OneDate(std::optional<Day> day) {
  const WallTime now = parts_.clock();
  const Day today = EasternDay(now);
  const Day newest = NewestAnnounced(now);
  if (settings_.source == SourceKind::kFile) return FromFile(day.value_or(today));
  const bool past = day && (settings_.range || *day < std::min(today, newest));
  if (settings_.source == SourceKind::kApi || (settings_.source == SourceKind::kAuto && past)) {
    return FromApi(day.value_or(newest));
  }
  FromFeeds(day);
}

void DryRun::FromFile(Day day) {
  const std::string date = FormatDate(day);
  const std::string path = FileOf(settings_, date);
  if (settings_.range && path != settings_.file && !std::filesystem::exists(path)) {
    return EndAll(date, "skipped", "there is no file " + path, kExitOk);
  }
  Result<Listing> list = ReadPaperFile(path);
  if (!list) return Fail(date, list.error());
  Listings lists;
  lists.emplace(kAnyCategory, std::move(*list));
  Ask(date, lists);
}

template <class ReadOne>
Result<Listings> DryRun::ReadAll(ReadOne read_one) {
  std::set<std::string> categories;
  for (const wire::Profile& profile : profiles_) {
    categories.insert(profile.categories().begin(), profile.categories().end());
  }
  Listings lists;
  for (const std::string& category : categories) {
    Result<Listing> list = read_one(category);
    if (!list) return list.error();
    lists.emplace(category, std::move(*list));
  }
  return lists;
}

void DryRun::FromApi(Day day) {
  const std::string date = FormatDate(day);
  const std::optional<Announcement> announcement = AnnouncementFor(day);
  if (!announcement) {
    return EndAll(date, "holiday", WhyNoAnnouncement(day) + ": arXiv announces nothing", kExitOk);
  }
  const auto lists = ReadAll([&](const std::string& category) {
    return parts_.source.ReadWindow(category, date, announcement->submitted, deadline_);
  });
  if (!lists) return Fail(date, lists.error());
  const Day today = EasternDay(parts_.clock());
  Ask(date, *lists, settings_.range || (settings_.from && day < today));
}

void DryRun::FromFeeds(std::optional<Day> day) {
  const Day today = EasternDay(parts_.clock());
  const Day due = PreviousPage(today + date::days(1));
  const auto lists = ReadAll(
      [&](const std::string& category) { return parts_.source.ReadFeed(category, deadline_); });
  if (!lists) return Fail(day ? FormatDate(*day) : "newest", lists.error());
  std::string latest, late;
  for (const auto& [category, list] : *lists) latest = std::max(latest, list.date);
  if (!day) day = due == today ? due : std::max(*ParseDate(latest), due);
  const std::string date = FormatDate(*day);
  if (latest > date) {
    if (settings_.source == SourceKind::kAuto) return FromApi(*day);
    return Fail(date, Invalid("arXiv's feed is at " + latest + " already; use --source api"));
  }
  for (const auto& [category, list] : *lists) {
    if (list.date != date) late += (late.empty() ? "" : ", ") + category;
  }
  if (!late.empty() && !AnnouncementFor(*day)) return FromApi(*day);
  if (!late.empty()) {
    return EndAll(date, "not announced", "no feed of that date yet for " + late, kExitNotAnnounced);
  }
  Ask(date, *lists);
}

std::vector<wire::Row> RowsFor(const wire::Profile& profile, const Listings& lists) {
  std::map<std::string, wire::Row> by_id;
  for (const auto& [category, list] : lists) {
    const auto& wanted = profile.categories();
    if (category != kAnyCategory && std::ranges::find(wanted, category) == wanted.end()) continue;
    for (const wire::Row& row : list.rows) {
      if (!row.refused().empty()) continue;
      const auto [known, fresh] = by_id.emplace(row.id(), row);
      if (fresh) continue;
      wire::Row& merged = known->second;
      merged.set_announce_type(MergeAnnounceTypes(merged.announce_type(), row.announce_type()));
      merged.set_version(std::max(merged.version(), row.version()));
      if (merged.primary_category().empty()) merged.set_primary_category(row.primary_category());
    }
  }
  std::vector<wire::Row> rows;
  for (auto& [id, row] : by_id) rows.push_back(std::move(row));
  return rows;
}

Result<wire::Estimate> DryRun::Estimate(const wire::Profile& profile, const std::string& date,
                                        const std::vector<wire::Row>& rows, bool remedial) {
  wire::Estimate sum = EmptySum();
  for (size_t i = 0; i < rows.size() || i == 0;) {
    wire::FetcherMessage message;
    wire::Forecast* forecast = message.mutable_forecast();
    *forecast->mutable_profile() = profile;
    forecast->set_date(date);
    forecast->set_remedial(remedial);
    for (size_t bytes = 0;
         i < rows.size() && bytes < kMaxMessageBytes && forecast->rows_size() < kMaxRowsPerForecast;
         ++i) {
      *forecast->add_rows() = rows[i];
      bytes += rows[i].ByteSizeLong();
    }
    const Result<wire::FetcherReply> reply = parts_.aggregator.Call(std::move(message), deadline_);
    if (!reply) return reply.error();
    AddTo(&sum, reply->estimate());
    if (rows.empty()) break;
  }
  return sum;
}

void DryRun::Ask(const std::string& date, const Listings& lists, bool remedial) {
  for (const wire::Profile& profile : profiles_) {
    if (parts_.pump.stopped()) return;
    const auto rows = RowsFor(profile, lists);
    const auto estimate = Estimate(profile, date, rows, remedial);
    if (!estimate) {
      const Outcome failed = FailedOutcome(profile.name(), date, estimate.error());
      lines_.push_back({profile.name(), date, std::nullopt, rows.size(), failed.state, failed.why,
                        failed.exit_code});
      continue;
    }
    lines_.push_back({profile.name(), date, *estimate, rows.size(), "", "", kExitOk});
  }
}

void DryRun::EndAll(const std::string& date, const std::string& state, const std::string& why,
                    ExitCode code) {
  if (parts_.pump.stopped()) return;
  for (const wire::Profile& profile : profiles_) {
    lines_.push_back({profile.name(), date, std::nullopt, 0, state, why, code});
  }
}

void DryRun::Fail(const std::string& date, const Error& error) {
  const Outcome failed = FailedOutcome("", date, error);
  EndAll(date, failed.state, failed.why, failed.exit_code);
}

std::string ForecastTable(const std::vector<ForecastLine>& lines,
                          const std::vector<wire::Profile>& profiles) {
  std::vector<Cells> table = {{"profile", "date", "arXiv", "papers", "scored", "to score", "calls",
                               "tokens", "dollars", "minutes"}};
  wire::Estimate total = EmptySum();
  std::optional<double> minutes = 0;
  uint64_t rows = 0;
  bool any_deferred = false;
  std::string others, notes;
  std::set<std::string> unpriced;
  for (const ForecastLine& line : lines) {
    if (!line.estimate) {
      others += fmt::format("{}  {}  {}{}{}\n", line.profile, line.date, line.state,
                            line.why.empty() ? "" : ": ", line.why);
      continue;
    }
    const auto time = Minutes(*line.estimate);
    table.push_back(CellsOf(line.profile, line.date, line.rows, *line.estimate,
                            MinutesText(time, *line.estimate)));
    AddTo(&total, *line.estimate);
    rows += line.rows;
    any_deferred |= line.estimate->deferred();
    if (!line.estimate->deferred()) {
      minutes = minutes && time ? std::optional(*minutes + *time) : std::nullopt;
    }
    if (!line.estimate->priced()) unpriced.insert(line.estimate->model());
  }
  for (const wire::Profile& profile : profiles) notes += BudgetNotes(lines, profile);
  if (table.size() > 2) {
    table.push_back(CellsOf("total", "", rows, total, MinutesText(minutes, total)));
  }
  std::string text;
  if (table.size() > 1) text = Aligned(table);
  for (const std::string& model : unpriced) {
    notes += model.empty() ? "no model is known yet: the profile names none and no scorer is "
                             "connected\n"
                           : "the price of " + model +
                                 " is unknown: add it to the aggregator's price table (--prices)\n";
  }
  if (any_deferred) {
    notes +=
        "through the provider's batch API (batch_api): at half the price, answered within a day\n";
  }
  if (!total.quota_known()) {
    notes += "the quota is unknown: no scorer that fits is connected to the aggregator\n";
  }
  return text + others + notes;
}

}  // namespace paperboy
