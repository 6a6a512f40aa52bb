#include "fetcher/run.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "common/calendar.h"
#include "common/text.h"
#include "fetcher/choose_reading.h"
#include "fetcher/file_source.h"
#include "fetcher/gaps.h"

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
// A run without a date mends what these days left unfinished, each of which may keep
// it from today's announcement for so long.
constexpr date::days kMendingDays{7};
constexpr std::chrono::minutes kMendingPatience{30};
// So long after it was due a feed may be late before the API is asked as well.
constexpr std::chrono::hours kFeedPatience{2};

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
    : parts_(std::move(parts)),
      settings_(settings),
      all_profiles_(std::move(profiles)),
      past_(parts_.source, PastSettings(settings_, parts_.arxiv, parts_.pump)) {
  parts_.aggregator.SetOnPush([this](const wire::FetcherReply& reply) { OnPush(reply); });
}

FetchRun::~FetchRun() { parts_.aggregator.SetOnPush(nullptr); }

std::set<std::string> FetchRun::Categories() const {
  std::set<std::string> categories;
  for (const wire::Profile& profile : tasks_[task_].profiles) {
    categories.insert(profile.categories().begin(), profile.categories().end());
  }
  return categories;
}

std::vector<Outcome> FetchRun::Go() {
  deadline_ = parts_.pump.now() + settings_.deadline;
  if (const Status made = MakeTasks(); !made) {
    tasks_ = {{std::nullopt, all_profiles_}};
    Fail("newest", made.error());
  } else {
    const MonotonicTime begin = parts_.pump.now();
    for (size_t task = 0; task < tasks_.size() && !parts_.pump.stopped(); ++task) Read(task);
    const MonotonicTime read = parts_.pump.now();
    for (const auto& job : jobs_) Finish(*job);
    if (settings_.range) SayWhereTheTimeWent(read - begin, parts_.pump.now() - read);
  }
  std::vector<Outcome> outcomes;
  for (auto& [task, ended] : outcomes_) {
    std::move(ended.begin(), ended.end(), std::back_inserter(outcomes));
  }
  return outcomes;
}

void FetchRun::SayWhereTheTimeWent(MonotonicTime::duration reading,
                                   MonotonicTime::duration following) {
  const auto seconds = [](MonotonicTime::duration time) {
    return fmt::format("{:.1f} s", std::chrono::duration<double>(time).count());
  };
  const ArxivClient::Spent& arxiv = parts_.arxiv.spent();
  parts_.progress.Say("time: " + seconds(reading + following) + " = arXiv's pace " +
                      seconds(arxiv.pace) + " + its answers " + seconds(arxiv.answers) +
                      " + delivery " + seconds(reading - arxiv.pace - arxiv.answers) +
                      " + scoring and publishing after the last list " + seconds(following));
}

Status FetchRun::MakeTasks() {
  if (!settings_.from) {
    if (settings_.source != SourceKind::kFile) {
      if (const Status added = AddMending(); !added) return added;
    }
    tasks_.push_back({std::nullopt, all_profiles_});
    return Ok();
  }
  for (Day day = *settings_.from; day <= *settings_.to; day += date::days(1)) {
    tasks_.push_back({day, all_profiles_});
  }
  return Ok();
}

Status FetchRun::AddMending() {
  // The feed has the newest announcement only.
  if (settings_.source == SourceKind::kRss) return Ok();
  const Day today = EasternDay(parts_.clock());
  const Day first = today - kMendingDays;
  std::map<Day, std::vector<wire::Profile>> unfinished;
  for (const wire::Profile& profile : all_profiles_) {
    const auto days =
        AskForDays(parts_.aggregator, profile.name(), first, today - date::days(1), deadline_);
    if (!days) return days.error();
    for (const Gap& gap : GapsIn(*days, first, today - date::days(1))) {
      if (gap.mendable) unfinished[gap.day].push_back(profile);
    }
    // What is due on a day without announcement, also when nothing is known yet.
    const Day due = PreviousPage(today + date::days(1));
    if (due < today && days->first().empty()) unfinished[due].push_back(profile);
  }
  for (auto& [day, profiles] : unfinished) tasks_.push_back({day, std::move(profiles), true});
  return Ok();
}

void FetchRun::Read(size_t task) {
  task_ = task;
  const std::optional<Day> day = tasks_[task].day;
  const MonotonicTime begin = parts_.pump.now();
  if (task > 0 && begin >= deadline_) {
    return Fail(day ? FormatDate(*day) : "newest",
                Unavailable("not begun: the deadline passed; run the same command again"));
  }
  reading_deadline_ = deadline_;
  if (tasks_[task].mends) {
    parts_.progress.Say(FormatDate(*day) + " was left unfinished; mending it first");
    reading_deadline_ = std::min(deadline_, begin + parts_.arxiv.Scaled(kMendingPatience));
  }
  empty_looks_.clear();
  found_.clear();
  const Reading reading =
      tasks_[task].mends ? Reading::kPast : ChooseReading(settings_, day, parts_.clock());
  switch (reading) {
    case Reading::kFile:
      return FromFile(day.value_or(EasternDay(parts_.clock())));
    case Reading::kPast:
      return FromPast(day.value_or(NewestAnnounced(parts_.clock())), day.has_value());
    case Reading::kFeed:
      return FromFeeds(day);
  }
}

void FetchRun::FromFile(Day day) {
  const std::string date = FormatDate(day);
  const std::string path = FileOf(settings_, date);
  if (settings_.range && path != settings_.file && !std::filesystem::exists(path)) {
    return EndAll(date, "skipped", "there is no file " + path, kExitOk);
  }
  const auto read = [this, path](const std::set<std::string>&) -> Result<Listings> {
    Result<Listing> list = Note(ReadPaperFile(path));
    if (!list) return list.error();
    Listings lists;
    lists.emplace(kAnyCategory, std::move(*list));
    return lists;
  };
  const Result<Listings> lists = read({});
  if (!lists) return Fail(date, lists.error());
  Job& job = Begin(day, kFileSource, false);
  job.run->Deliver(*lists);
  job.read_again = read;
}

void FetchRun::FromPast(Day day, bool asked_for) {
  if (!AnnouncementFor(day)) return NoAnnouncement(day);
  const WallTime now = parts_.clock();
  const bool remedial = settings_.range || (asked_for && day < EasternDay(now));
  const bool newest = day >= NewestAnnounced(now);
  Job& job = Begin(day, settings_.source == SourceKind::kOai ? kOaiSource : kApiSource, remedial);
  job.read_again = [this, day](const std::set<std::string>& categories) {
    return ReadPast(categories, day, deadline_);
  };
  DateRun& run = *job.run;
  run.Open();
  Listings lists;
  for (int looks = 1; !run.Missing().empty() && !parts_.pump.stopped(); ++looks) {
    std::set<std::string> unread = run.Missing();
    for (const auto& [category, list] : lists) unread.erase(category);
    Result<Listings> read = ReadPast(unread, day, reading_deadline_);
    if (!read) return FailDay(day, read.error(), run);
    const bool nothing = unread == Categories() && RowsIn(*read) == 0;
    // The search may lag behind the announcement.
    if (nothing && newest) {
      if (WaitForAnnouncement(day, "arXiv's search finds no paper of it")) continue;
      return run.EndUnannounced("arXiv's search finds no paper of it yet");
    }
    // No announcement is without papers: the search fails.
    if (nothing) {
      if (looks < kEmptyLooks && LookAgain(kRecheck, Names(unread))) continue;
      return FailDay(day, NothingFound(day, unread, looks), run);
    }
    const std::string empty = SortFound(FormatDate(day), std::move(*read), &lists);
    run.Deliver(lists);
    if (!empty.empty() && !LookAgainOrEnd(kRecheck, empty, run)) return;
  }
}

void FetchRun::FailDay(Day day, const Error& error, DateRun& run) {
  if (parts_.pump.stopped()) return;
  (void)ReportDay(day, "failed", error.message, parts_.pump.now() + kLastWord);
  run.FailIncomplete(error);
}

std::string FetchRun::SortFound(const std::string& date, Listings read, Listings* ready) {
  std::string empty;
  for (auto& [category, list] : read) {
    if (list.rows.empty() && !BelieveEmpty(date, category)) {
      Name(category, &empty);
    } else {
      ready->emplace(category, std::move(list));
    }
  }
  return empty;
}

bool FetchRun::BelieveEmpty(const std::string& date, const std::string& category) {
  if (++empty_looks_[category] < kEmptyLooks) return false;
  spdlog::warn(
      "{}: arXiv lists no paper of {}, {} times, while other categories have some; taken "
      "as nothing announced in it",
      date, category, kEmptyLooks);
  return true;
}

Result<std::string> FetchRun::WhyStale(Day day, const Listing& list) {
  wire::FetcherMessage message;
  wire::Compare* compare = message.mutable_compare();
  compare->set_category(list.category);
  compare->set_date(FormatDate(day));
  for (const wire::Row& row : list.rows) {
    if (!row.refused().empty()) continue;
    wire::Row* bare = compare->add_rows();
    bare->set_id(row.id());
    bare->set_version(row.version());
  }
  const Result<wire::FetcherReply> reply =
      parts_.aggregator.Call(std::move(message), reading_deadline_);
  if (!reply) return reply.error();
  const wire::Compared& compared = reply->compared();
  if (compared.repeats()) return "it repeats what was announced on " + compared.newest_date();
  // Against the calendar only what is certainly new counts as an announcement.
  if (!AnnouncementFor(day) && compared.newest_date().empty()) return WhyNoAnnouncement(day);
  return std::string();
}

Result<FetchRun::Look> FetchRun::Sort(Day day, Listings read, Listings* ready) {
  const std::string date = FormatDate(day);
  Look look;
  if (LatestDate(read) > date) {
    look.kind = Look::kPassed;
    return look;
  }
  for (const auto& [category, list] : read) {
    if (list.date != date) {
      look.late.emplace(category, "its feed is at " + list.date);
    } else if (!list.rows.empty()) {
      const Result<std::string> stale = WhyStale(day, list);
      if (!stale) return stale.error();
      if (!stale->empty()) look.late.emplace(category, *stale);
    }
  }
  const bool any = std::any_of(read.begin(), read.end(), [&](const auto& entry) {
    return !entry.second.rows.empty() && !look.late.contains(entry.first);
  });
  // One category may have nothing; that none has anything is arXiv being late.
  if (any || !ready->empty()) look.kind = Look::kOut;
  for (auto& [category, list] : read) {
    if (look.late.contains(category)) continue;
    if (look.kind != Look::kOut) {
      look.late.emplace(category, "its feed is empty");
    } else if (list.rows.empty() && !BelieveEmpty(date, category)) {
      Name(category, &look.empty);
    } else {
      ready->emplace(category, std::move(list));
    }
  }
  return look;
}

void FetchRun::AddFound(Day day, Look* look, Listings* ready) {
  std::set<std::string> late;
  for (const auto& [category, why] : look->late) {
    late.insert(category);
    past_.Forget(category, day);  // two looks, not one twice
  }
  Result<Listings> read = ReadPast(late, day, parts_.pump.now() + parts_.arxiv.Scaled(kPoll));
  if (!read) return;
  for (auto& [category, list] : *read) {
    const size_t before = std::exchange(found_[category], list.rows.size());
    if (list.rows.empty() || list.rows.size() != before) continue;
    look->kind = Look::kOut;
    look->late.erase(category);
    ready->emplace(category, std::move(list));
  }
}

void FetchRun::FromFeeds(std::optional<Day> day) {
  // The feed of a page date is built at its midnight (US Eastern), so the one
  // that is due is today's, also after 20:00, when tomorrow's is announced. If
  // today has none, the last one is.
  const bool asked_for = day.has_value();
  const Day today = EasternDay(parts_.clock());
  const Day due = PreviousPage(today + date::days(1));
  if (!day && due == today) day = due;
  const bool falls_back = settings_.source == SourceKind::kAuto;
  const MonotonicTime patience = parts_.pump.now() + parts_.arxiv.Scaled(kFeedPatience);
  Job* job = nullptr;
  Listings ready;
  for (;;) {
    const MonotonicTime poll = parts_.pump.now() + parts_.arxiv.Scaled(kPoll);
    Result<Listings> read =
        ReadFeeds(ready, falls_back ? std::min(deadline_, std::max(patience, poll)) : deadline_);
    Look look;
    std::optional<Error> failed;
    if (read) {
      const std::string latest = LatestDate(*read);
      if (!day) day = std::max(*ParseDate(latest), due);
      // It was mended just now.
      if (std::any_of(tasks_.begin(), tasks_.end(),
                      [&](const Task& task) { return task.day == day; }) &&
          !asked_for) {
        return;
      }
      auto sorted = Sort(*day, std::move(*read), &ready);
      if (!sorted) return FeedsFailed(day, sorted.error(), job);
      look = std::move(*sorted);
      if (look.kind == Look::kPassed && falls_back && job == nullptr) return FromPast(*day, true);
      if (look.kind == Look::kPassed) {
        const std::string moved_on = "arXiv's feed is at " + latest + " already";
        if (job != nullptr) return job->run->GoOnWithout(moved_on, ready);
        return Fail(FormatDate(*day), Invalid(moved_on + "; use --source api"));
      }
      if (look.kind == Look::kNotOut && !AnnouncementFor(*day)) return NoAnnouncement(*day);
    } else {
      failed = read.error();
      if (!falls_back || parts_.pump.stopped() || parts_.pump.now() >= deadline_ ||
          failed->kind == ErrorKind::kInvalid) {
        return FeedsFailed(day, *failed, job);
      }
      if (!day) day = due;
      for (const std::string& category : Categories()) {
        if (!ready.contains(category)) look.late.emplace(category, failed->message);
      }
    }
    if (!look.late.empty() && falls_back && AnnouncementFor(*day) &&
        parts_.pump.now() >= patience) {
      AddFound(*day, &look, &ready);
    }
    if (look.kind == Look::kOut) {
      if (job == nullptr) job = &Begin(*day, kRssSource, false);
      job->run->Deliver(ready);
      job->lists = ready;
    }
    if (look.late.empty()) {
      if (look.empty.empty()) return;
      if (LookAgain(kPoll, look.empty)) continue;
      if (parts_.pump.stopped()) return;
      return job->run->GoOnWithout("no second look at the empty list of " + look.empty, ready);
    }
    std::string why = "not out yet: ";
    for (const auto& [category, reason] : look.late) {
      why += (why.ends_with(": ") ? "" : "; ") + category + ", " + reason;
    }
    if (WaitForAnnouncement(*day, why)) continue;
    if (parts_.pump.stopped()) return;
    if (failed) return FeedsFailed(day, *failed, job);
    if (job == nullptr) return EndAll(FormatDate(*day), "not announced", why, kExitNotAnnounced);
    return job->run->GoOnWithout(why, ready);
  }
}

void FetchRun::FeedsFailed(std::optional<Day> day, const Error& error, Job* job) {
  if (job != nullptr) return FailDay(*day, error, *job->run);
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

Result<Listings> FetchRun::ReadFeeds(const Listings& ready, MonotonicTime deadline) {
  Listings lists;
  for (const std::string& category : Categories()) {
    if (ready.contains(category)) continue;
    Result<Listing> list = Note(parts_.source.ReadFeed(category, deadline));
    if (!list) return list.error();
    lists.emplace(category, std::move(*list));
  }
  return lists;
}

Result<Listings> FetchRun::ReadPast(const std::set<std::string>& categories, Day day,
                                    MonotonicTime deadline) {
  Listings lists;
  for (const std::string& category : categories) {
    Result<Listing> list = Note(past_.Read(category, day, std::min(deadline, deadline_)));
    if (!list) return list.error();
    // Should it be looked at again, it is asked for again.
    if (list->rows.empty() || day >= NewestAnnounced(parts_.clock())) past_.Forget(category, day);
    lists.emplace(category, std::move(*list));
  }
  return lists;
}

FetchRun::Job& FetchRun::Begin(Day day, const char* source, bool remedial) {
  std::vector<Delivery::Target> targets;
  for (const wire::Profile& profile : profiles()) {
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
  auto run =
      std::make_unique<DateRun>(DateRun::Parts{parts_.pump, parts_.progress, parts_.aggregator,
                                               parts_.hint, parts_.scholar, [this] { Show(); }},
                                std::move(targets), deadline_);
  jobs_.push_back(std::make_unique<Job>(Job{task_, std::move(run), {}, {}}));
  return *jobs_.back();
}

void FetchRun::Finish(Job& job) {
  task_ = job.task;
  reading_deadline_ = deadline_;
  while (!job.run->Follow(job.lists)) {
    Result<Listings> lists = job.lists;
    if (job.read_again) lists = job.read_again(job.run->Missing());
    if (lists) job.run->Deliver(*lists);
    job.run->FailIncomplete(Unavailable("the aggregator lost a list, and reading it again failed" +
                                        (lists ? "" : ": " + lists.error().message) +
                                        "; run the same command again"));
  }
  for (Outcome& outcome : job.run->TakeOutcomes()) {
    outcomes_[job.task].push_back(std::move(outcome));
  }
}

void FetchRun::OnPush(const wire::FetcherReply& reply) {
  for (const auto& job : jobs_) job->run->OnPush(reply);
  // While something else is waited for, that is what is shown.
  if (parts_.progress.waiting().empty() && jobs_.size() > 1) Show();
}

void FetchRun::Show() {
  wire::Progress sum;
  size_t done = 0;
  for (const auto& job : jobs_) {
    job->run->AddProgress(&sum);
    done += job->run->done() ? 1 : 0;
  }
  parts_.progress.Dates(jobs_.size(), done, tasks_.size());
  parts_.progress.Waiting(sum.waiting_for());
  if (sum.waiting_for().empty() && sum.to_score() > 0) {
    parts_.progress.Scoring(sum.scored(), sum.to_score(), sum.scorers());
  }
}

bool FetchRun::WaitForAnnouncement(Day day, const std::string& why) {
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
  const bool again =
      parts_.pump.Sleep(std::max(kMinPoll, parts_.arxiv.Scaled(kPoll)), reading_deadline_);
  parts_.progress.Waiting("");
  return again;
}

bool FetchRun::LookAgain(Milliseconds pause, const std::string& categories) {
  if (!settings_.wait) return !parts_.pump.stopped() && parts_.pump.now() < deadline_;
  parts_.progress.Waiting("a second look at arXiv's empty list of " + categories);
  const bool again =
      parts_.pump.Sleep(std::max(kMinPoll, parts_.arxiv.Scaled(pause)), reading_deadline_);
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
  for (const wire::Profile& profile : profiles()) {
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
  for (const wire::Profile& profile : profiles()) {
    outcomes_[task_].push_back(FailedOutcome(profile.name(), date, error));
  }
}

void FetchRun::EndAll(const std::string& date, const std::string& state, const std::string& why,
                      ExitCode code) {
  if (parts_.pump.stopped()) return;
  for (const wire::Profile& profile : profiles()) {
    outcomes_[task_].push_back(Outcome{profile.name(), date, state, why, code, std::nullopt});
  }
}

}  // namespace paperboy
