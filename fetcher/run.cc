#include "fetcher/run.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "common/calendar.h"
#include "common/text.h"
#include "fetcher/file_source.h"

namespace paperboy {
namespace {

constexpr std::chrono::minutes kPoll{5};
// Between looks at an answer of the API that may lack something: its index is
// not late, it fails for a moment.
constexpr std::chrono::minutes kRecheck{1};
constexpr Milliseconds kMinPoll{50};
// So many looks find nothing before it is believed that there is nothing.
constexpr int kEmptyLooks = 3;
// What is told about a day on the way out is not worth a longer wait.
constexpr Milliseconds kLastWord{5'000};

size_t RowsIn(const Listings& lists) {
  size_t rows = 0;
  for (const auto& [category, list] : lists) rows += list.rows.size();
  return rows;
}

void Name(const std::string& category, std::string* names) {
  *names += (names->empty() ? "" : ", ") + category;
}

std::string Names(const std::set<std::string>& categories) {
  std::string names;
  for (const std::string& category : categories) Name(category, &names);
  return names;
}

Error NothingFound(date::sys_days day, const std::set<std::string>& categories, int looks) {
  return Unavailable("arXiv's search found no paper of " + FormatDate(day) + " in " +
                     Names(categories) + ", " + std::to_string(looks) +
                     " times, which it does when it fails; run the same command again later");
}

std::string LatestDate(const Listings& lists) {
  std::string latest;
  for (const auto& [category, list] : lists) latest = std::max(latest, list.date);
  return latest;
}

}  // namespace

FetchRun::FetchRun(Parts parts, const FetcherSettings& settings,
                   std::vector<wire::Profile> profiles)
    : parts_(std::move(parts)), settings_(settings), profiles_(std::move(profiles)) {
  for (const wire::Profile& profile : profiles_) {
    categories_.insert(profile.categories().begin(), profile.categories().end());
  }
}

std::vector<Outcome> FetchRun::Go() {
  deadline_ = parts_.pump.now() + settings_.deadline;
  if (!settings_.from) {
    OneDate(std::nullopt);
    return std::move(outcomes_);
  }
  // What the provider's batch API may take a day for is out for all dates at once.
  ahead_ = settings_.range && std::any_of(profiles_.begin(), profiles_.end(),
                                          [](const auto& profile) { return profile.batch_api(); });
  if (ahead_) {
    EachDate();
    ahead_ = false;
    outcomes_.clear();
  }
  EachDate();
  return std::move(outcomes_);
}

void FetchRun::EachDate() {
  for (Day day = *settings_.from; day <= *settings_.to; day += date::days(1)) {
    if (parts_.pump.stopped()) break;
    if (day > *settings_.from && parts_.pump.now() >= deadline_) {
      Fail(FormatDate(day) + " to " + FormatDate(*settings_.to),
           Unavailable("not begun: the deadline passed; run the same command again"));
      break;
    }
    OneDate(day);
  }
}

void FetchRun::OneDate(std::optional<Day> day) {
  parts_.progress.ResetRate();
  empty_looks_.clear();
  const WallTime now = parts_.clock();
  const Day today = EasternDay(now);
  const Day newest = NewestAnnounced(now);
  switch (settings_.source) {
    case SourceKind::kFile:
      return FromFile(day.value_or(today));
    case SourceKind::kApi:
      return FromApi(day.value_or(newest), day.has_value());
    case SourceKind::kRss:
      return FromFeeds(day);
    case SourceKind::kAuto:
      // On days without announcement the feed is empty.
      if (day && (settings_.range || *day < std::min(today, newest))) return FromApi(*day, true);
      return FromFeeds(day);
  }
}

void FetchRun::FromFile(Day day) {
  const std::string date = FormatDate(day);
  const std::string path = FileOf(settings_, date);
  if (settings_.range && path != settings_.file && !std::filesystem::exists(path)) {
    return EndAll(date, "skipped", "there is no file " + path, kExitOk);
  }
  Result<Listing> list = Note(ReadPaperFile(path));
  if (!list) return Fail(date, list.error());
  Listings lists;
  lists.emplace(kAnyCategory, std::move(*list));
  const std::unique_ptr<DateRun> run = Begin(day, kFileSource, false);
  run->Deliver(lists);
  Finish(*run, lists);
}

void FetchRun::FromApi(Day day, bool asked_for) {
  if (!AnnouncementFor(day)) return NoAnnouncement(day);
  const WallTime now = parts_.clock();
  const bool remedial = settings_.range || (asked_for && day < EasternDay(now));
  const bool newest = day >= NewestAnnounced(now);
  const std::unique_ptr<DateRun> run = Begin(day, kApiSource, remedial);
  Listings lists;
  run->Open();
  for (int looks = 1; !run->done() && !parts_.pump.stopped(); ++looks) {
    std::set<std::string> unread = run->Missing();
    for (const auto& [category, list] : lists) unread.erase(category);
    Result<Listings> read = ReadWindows(unread, day);
    if (!read) {
      FailDay(day, read.error(), *run);
      break;
    }
    const bool nothing = unread == categories_ && RowsIn(*read) == 0;
    // The search may lag behind the announcement.
    if (nothing && newest) {
      if (WaitForAnnouncement(day, "arXiv's search finds no paper of it")) continue;
      run->EndUnannounced("arXiv's search finds no paper of it yet");
      break;
    }
    // No announcement is without papers: the search fails.
    if (nothing) {
      if (looks < kEmptyLooks && LookAgain(kRecheck, Names(unread))) continue;
      FailDay(day, NothingFound(day, unread, looks), *run);
      break;
    }
    const Look look = SortFound(FormatDate(day), std::move(*read), &lists);
    run->Deliver(lists);
    if (!look.empty.empty() && LookAgainOrEnd(kRecheck, look.empty, *run)) continue;
    if (ahead_ || run->Follow(lists)) break;
  }
  Finish(*run, lists);
}

void FetchRun::FailDay(Day day, const Error& error, DateRun& run) {
  if (parts_.pump.stopped()) return;
  if (ahead_) return;
  (void)ReportDay(day, "failed", error.message, parts_.pump.now() + kLastWord);
  run.FailIncomplete(error);
}

FetchRun::Look FetchRun::SortFound(const std::string& date, Listings read, Listings* ready) {
  Look look{Look::kOut, "", ""};
  for (auto& [category, list] : read) {
    if (list.rows.empty() && !BelieveEmpty(date, category)) {
      Name(category, &look.empty);
    } else {
      ready->emplace(category, std::move(list));
    }
  }
  return look;
}

bool FetchRun::BelieveEmpty(const std::string& date, const std::string& category) {
  if (++empty_looks_[category] < kEmptyLooks) return false;
  spdlog::warn(
      "{}: arXiv lists no paper of {}, {} times, while other categories have some; taken "
      "as nothing announced in it",
      date, category, kEmptyLooks);
  return true;
}

FetchRun::Look FetchRun::Sort(const std::string& date, Listings read, Listings* ready) {
  Look look;
  if (LatestDate(read) > date) return {Look::kPassed, "", ""};
  const bool any = std::any_of(read.begin(), read.end(), [&](const auto& entry) {
    return entry.second.date == date && !entry.second.rows.empty();
  });
  // One category may have nothing; that none has anything is arXiv being late.
  if (any || !ready->empty()) look.kind = Look::kOut;
  for (auto& [category, list] : read) {
    if (look.kind != Look::kOut || list.date != date) {
      Name(category, &look.late);
    } else if (list.rows.empty() && !BelieveEmpty(date, category)) {
      Name(category, &look.empty);
    } else {
      ready->emplace(category, std::move(list));
    }
  }
  return look;
}

void FetchRun::FromFeeds(std::optional<Day> day) {
  // The feed of a page date is built at its midnight (US Eastern), so the one
  // that is due is today's, also after 20:00, when tomorrow's is announced. If
  // today has none, the last one is.
  const Day today = EasternDay(parts_.clock());
  const Day due = PreviousPage(today + date::days(1));
  if (!day && due == today) day = due;
  Listings ready;
  std::unique_ptr<DateRun> run;
  for (;;) {
    Result<Listings> read = ReadFeeds(ready);
    if (!read) return FeedsFailed(day, read.error(), run.get(), ready);
    const std::string latest = LatestDate(*read);
    if (!day) day = std::max(*ParseDate(latest), due);
    const std::string date = FormatDate(*day);
    const Look look = Sort(date, std::move(*read), &ready);
    if (look.kind == Look::kPassed) {
      run.reset();
      if (settings_.source == SourceKind::kAuto) return FromApi(*day, true);
      return Fail(date, Invalid("arXiv's feed is at " + latest + " already; use --source api"));
    }
    if (look.kind == Look::kNotOut && !AnnouncementFor(*day)) return NoAnnouncement(*day);
    if (look.kind == Look::kOut) {
      if (!run) run = Begin(*day, kRssSource, false);
      run->Deliver(ready);
    }
    if (look.late.empty()) {
      if (!look.empty.empty() && LookAgainOrEnd(kPoll, look.empty, *run)) continue;
      return Finish(*run, ready);
    }
    const std::string why = "no feed of that date yet for " + look.late;
    if (WaitForAnnouncement(*day, why)) continue;
    if (!run) return EndAll(date, "not announced", why, kExitNotAnnounced);
    run->EndUnannounced(why);
    return Finish(*run, ready);
  }
}

void FetchRun::FeedsFailed(std::optional<Day> day, const Error& error, DateRun* run,
                           const Listings& ready) {
  if (run != nullptr) {
    FailDay(*day, error, *run);
    return Finish(*run, ready);
  }
  if (parts_.pump.stopped()) return;
  if (day) (void)ReportDay(*day, "failed", error.message, parts_.pump.now() + kLastWord);
  Fail(day ? FormatDate(*day) : "newest", error);
}

Result<Listing> FetchRun::Note(Result<Listing> listing) {
  if (!listing) return listing;
  for (const std::string& warning : listing->warnings) spdlog::warn("{}", warning);
  const auto refused = std::count_if(listing->rows.begin(), listing->rows.end(),
                                     [](const wire::Row& row) { return !row.refused().empty(); });
  parts_.progress.Say(
      (listing->date.empty() ? "" : listing->date + " ") +
      (listing->category == kAnyCategory ? "the file" : listing->category) + ": " +
      Counted(listing->rows.size() - refused, "paper") +
      (refused > 0 ? ", " + Counted(refused, "entry", "entries") + " that could not be read" : ""));
  return listing;
}

Result<Listings> FetchRun::ReadFeeds(const Listings& ready) {
  Listings lists;
  for (const std::string& category : categories_) {
    if (ready.contains(category)) continue;
    Result<Listing> list = Note(parts_.source.ReadFeed(category, deadline_));
    if (!list) return list.error();
    lists.emplace(category, std::move(*list));
  }
  return lists;
}

Result<Listings> FetchRun::ReadWindows(const std::set<std::string>& categories, Day day) {
  Listings lists;
  const SubmissionWindow window = AnnouncementFor(day).value().submitted;
  for (const std::string& category : categories) {
    Result<Listing> list =
        Note(parts_.source.ReadWindow(category, FormatDate(day), window, deadline_));
    if (!list) return list.error();
    lists.emplace(category, std::move(*list));
  }
  return lists;
}

std::unique_ptr<DateRun> FetchRun::Begin(Day day, const char* source, bool remedial) {
  std::vector<Delivery::Target> targets;
  for (const wire::Profile& profile : profiles_) {
    Delivery::Target target{profile, FormatDate(day), source, "", "", {}};
    if (remedial) {
      const SubmissionWindow window = AnnouncementFor(day).value().submitted;
      target.remedial_from = FormatUsDate(EasternDay(window.from));
      target.remedial_to = FormatUsDate(EasternDay(window.to));
    }
    if (source == std::string_view(kFileSource)) {
      target.categories = {kAnyCategory};
    } else {
      target.categories = {profile.categories().begin(), profile.categories().end()};
    }
    targets.push_back(std::move(target));
  }
  return std::make_unique<DateRun>(
      DateRun::Parts{parts_.pump, parts_.progress, parts_.aggregator, parts_.hint, parts_.scholar},
      std::move(targets), deadline_);
}

void FetchRun::Finish(DateRun& run, const Listings& lists) {
  if (ahead_) return;
  while (!run.Follow(lists)) {
    run.Deliver(lists);
    // Whatever is missing now is not in `lists`: the ledger had it when this
    // run began.
    run.FailIncomplete(Unavailable(
        "the aggregator lost a list that this run did not have to read; run the same command "
        "again"));
  }
  for (Outcome& outcome : run.TakeOutcomes()) outcomes_.push_back(std::move(outcome));
}

bool FetchRun::WaitForAnnouncement(Day day, const std::string& why) {
  if (ahead_) return false;
  if (reported_waiting_ != day) {
    reported_waiting_ = day;
    const MonotonicTime limit = std::min(deadline_, parts_.pump.now() + kLastWord);
    if (const Status told = ReportDay(day, "waiting", why, limit); !told) {
      spdlog::warn("the aggregator was not told that {} is waited for: {}", FormatDate(day),
                   told.error().message);
    }
  }
  if (!settings_.wait) return false;
  parts_.progress.Waiting("arXiv to announce " + FormatDate(day) + " (" + why + ")");
  const bool again = parts_.pump.Sleep(std::max(kMinPoll, parts_.arxiv.Scaled(kPoll)), deadline_);
  parts_.progress.Waiting("");
  return again;
}

bool FetchRun::LookAgain(Milliseconds pause, const std::string& categories) {
  if (!settings_.wait) return !parts_.pump.stopped() && parts_.pump.now() < deadline_;
  parts_.progress.Waiting("a second look at arXiv's empty list of " + categories);
  const bool again = parts_.pump.Sleep(std::max(kMinPoll, parts_.arxiv.Scaled(pause)), deadline_);
  parts_.progress.Waiting("");
  return again;
}

bool FetchRun::LookAgainOrEnd(Milliseconds pause, const std::string& categories, DateRun& run) {
  const bool again = LookAgain(pause, categories);
  if (!again) run.EndUnannounced("no second look at the empty list of " + categories);
  return again;
}

void FetchRun::NoAnnouncement(Day day) {
  const std::string why = WhyNoAnnouncement(day);
  if (const Status told = ReportDay(day, "holiday", why, deadline_); !told) {
    return Fail(FormatDate(day), told.error());
  }
  EndAll(FormatDate(day), "holiday", why + ": arXiv announces nothing", kExitOk);
}

Status FetchRun::ReportDay(Day day, const std::string& state, const std::string& why,
                           MonotonicTime deadline) {
  for (const wire::Profile& profile : profiles_) {
    wire::FetcherMessage message;
    message.mutable_day()->set_profile(profile.name());
    message.mutable_day()->set_date(FormatDate(day));
    message.mutable_day()->set_state(state);
    message.mutable_day()->set_why(why);
    const Result<wire::FetcherReply> reply = parts_.aggregator.Call(std::move(message), deadline);
    if (!reply) return reply.error();
  }
  return Ok();
}

void FetchRun::Fail(const std::string& date, const Error& error) {
  if (parts_.pump.stopped()) return;
  for (const wire::Profile& profile : profiles_) {
    outcomes_.push_back(FailedOutcome(profile.name(), date, error));
  }
}

void FetchRun::EndAll(const std::string& date, const std::string& state, const std::string& why,
                      ExitCode code) {
  if (parts_.pump.stopped()) return;
  for (const wire::Profile& profile : profiles_) {
    outcomes_.push_back(Outcome{profile.name(), date, state, why, code, std::nullopt});
  }
}

}  // namespace paperboy
