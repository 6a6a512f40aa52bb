#include "fetcher/dry_run.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "common/announce_type.h"
#include "common/calendar.h"
#include "common/table.h"
#include "common/text.h"
#include "common/wire.h"
#include "fetcher/choose_reading.h"
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

std::vector<std::string> CellsOf(const std::string& profile, const std::string& date, uint64_t rows,
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
    : parts_(std::move(parts)),
      settings_(settings),
      profiles_(std::move(profiles)),
      past_(parts_.source, PastSettings(settings_, parts_.arxiv, parts_.pump)) {}

std::vector<ForecastLine> DryRun::Go() {
  deadline_ = parts_.pump.now() + settings_.deadline;
  if (!settings_.from) {
    OneDate(std::nullopt);
    return std::move(lines_);
  }
  if (const Status found = settings_.range ? FindComplete() : Ok(); !found) {
    Fail(FormatDate(*settings_.from) + " to " + FormatDate(*settings_.to), found.error());
    return std::move(lines_);
  }
  for (Day day = *settings_.from; day <= *settings_.to; day += date::days(1)) {
    if (parts_.pump.stopped()) break;
    OneDate(day);
  }
  return std::move(lines_);
}

Status DryRun::FindComplete() {
  for (const wire::Profile& profile : profiles_) {
    const auto days =
        AskForDays(parts_.aggregator, profile.name(), *settings_.from, *settings_.to, deadline_);
    if (!days) return days.error();
    for (const wire::DayState& day : days->days()) {
      if (day.state() != "published" || day.mendable()) continue;
      if (day.revision() != profile.revision()) continue;
      complete_.emplace(profile.name(), day.date());
    }
  }
  return Ok();
}

std::vector<wire::Profile> DryRun::Incomplete(const std::string& date) const {
  std::vector<wire::Profile> profiles;
  for (const wire::Profile& profile : profiles_) {
    if (!complete_.contains({profile.name(), date})) profiles.push_back(profile);
  }
  return profiles;
}

void DryRun::OneDate(std::optional<Day> day) {
  if (day && Incomplete(FormatDate(*day)).empty()) {
    return EndAll(FormatDate(*day), "published", "nothing to do", kExitOk);
  }
  const WallTime now = parts_.clock();
  switch (ChooseReading(settings_, day, now)) {
    case Reading::kFile:
      return FromFile(day.value_or(EasternDay(now)));
    case Reading::kPast:
      return FromPast(day.value_or(NewestAnnounced(now)));
    case Reading::kFeed:
      return FromFeeds(day);
  }
}

void DryRun::FromFile(Day day) {
  const std::string date = FormatDate(day);
  const std::string path = FileOf(settings_, date);
  if (settings_.range && path != settings_.file && !std::filesystem::exists(path)) {
    if (!AnnouncementFor(day)) return NoAnnouncement(day);
    return EndAll(date, "missing", "there is no file " + path, kExitUsage);
  }
  Result<Listing> list = ReadPaperFile(path);
  if (!list) return Fail(date, list.error());
  Listings lists;
  lists.emplace(kAnyCategory, std::move(*list));
  Ask(date, lists);
}

void DryRun::NoAnnouncement(Day day) {
  EndAll(FormatDate(day), "holiday", WhyNoAnnouncement(day) + ": arXiv announces nothing", kExitOk);
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

void DryRun::FromPast(Day day) {
  if (!AnnouncementFor(day)) return NoAnnouncement(day);
  const std::string date = FormatDate(day);
  const auto lists =
      ReadAll([&](const std::string& category) { return past_.Read(category, day, deadline_); });
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
    if (settings_.source == SourceKind::kAuto) return FromPast(*day);
    return Fail(date, Invalid("arXiv's feed is at " + latest + " already; use --source api"));
  }
  for (const auto& [category, list] : *lists) {
    if (list.date != date) late += (late.empty() ? "" : ", ") + category;
  }
  if (!late.empty() && !AnnouncementFor(*day)) return FromPast(*day);
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
  for (const wire::Profile& profile : Incomplete(date)) {
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
  Table table({"profile", "date", ">arXiv", ">papers", ">scored", ">to score", ">calls", ">tokens",
               ">dollars", ">minutes"});
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
    table.Add(CellsOf(line.profile, line.date, line.rows, *line.estimate,
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
  if (table.size() > 1) {
    table.Add(CellsOf("total", "", rows, total, MinutesText(minutes, total)));
  }
  std::string text;
  if (table.size() > 0) text = table.Text();
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
