#include "fetcher/run.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <utility>

#include "common/calendar.h"
#include "common/text.h"
#include "common/trace.h"
#include "fetcher/calendar_command.h"
#include "fetcher/choose_reading.h"
#include "fetcher/day_lists.h"
#include "fetcher/file_source.h"
#include "fetcher/gaps.h"

namespace paperboy {
namespace {

// Between looks at an answer of the API that may lack something: its index is
// not late, it fails for a moment.
constexpr std::chrono::minutes kRecheck{1};
constexpr Milliseconds kMinPoll{50};
// A run without a date mends what these days left unfinished, which may keep it from
// today's announcement for so long, and for a quarter of its time at most.
constexpr date::days kMendingDays{7};
constexpr std::chrono::minutes kMendingPatience{30};

Error NothingFound(date::sys_days day, const std::vector<std::string>& categories, int looks) {
  return Unavailable(fmt::format(
      "arXiv's search found no paper of {} in {}, {} times, which it does when it fails; run the "
      "same command again later",
      FormatDate(day), fmt::join(categories, ", "), looks));
}

// What lists of one date tell together.
struct Found {
  bool any = false;  // papers
  bool all_sparse = true;

  void Add(const Listing& list) {
    any |= !list.rows.empty();
    all_sparse &= list.sparse;
  }
  // Few papers in one category explain nothing of another one's.
  bool LacksPapers() const { return !any && !all_sparse; }
};

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

std::vector<std::string> FetchRun::Names() const {
  std::vector<std::string> names;
  for (const wire::Profile& profile : tasks_[task_].profiles) names.push_back(profile.name());
  return names;
}

std::vector<Outcome> FetchRun::Go() {
  deadline_ = parts_.pump.now() + settings_.deadline;
  if (!settings_.from && settings_.source != SourceKind::kFile) {
    const std::string nothing = NothingAnnouncedOn(EasternDay(parts_.clock()));
    if (!nothing.empty()) parts_.progress.Say(nothing);
  }
  if (const Status made = MakeTasks(); !made) {
    tasks_ = {{std::nullopt, all_profiles_}};
    Fail("newest", made.error());
  } else {
    const MonotonicTime begin = parts_.pump.now();
    for (size_t task = 0; task < tasks_.size() && !parts_.pump.stopped(); ++task) Read(task);
    const MonotonicTime read = parts_.pump.now();
    reading_deadline_ = deadline_;
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
    if (due < today && days->first().empty()) {
      auto& those = unfinished[due];
      if (those.empty() || those.back().name() != profile.name()) those.push_back(profile);
    }
  }
  for (auto& [day, profiles] : unfinished) tasks_.push_back({day, std::move(profiles), true});
  return Ok();
}

void FetchRun::Read(size_t task) {
  task_ = task;
  const std::optional<Day> day = tasks_[task].day;
  const LogScope scope(day ? FieldsOf(*day) : LogFields());
  const MonotonicTime begin = parts_.pump.now();
  if (task > 0 && begin >= deadline_) {
    return Fail(day ? FormatDate(*day) : "newest",
                Unavailable("not begun: the deadline passed; run the same command again"));
  }
  reading_deadline_ = deadline_;
  reported_waiting_.reset();
  if (tasks_[task].mends) {
    if (!mending_deadline_) {
      mending_deadline_ =
          begin + std::min<MonotonicTime::duration>(parts_.arxiv.Scaled(kMendingPatience),
                                                    (deadline_ - begin) / 4);
    }
    if (begin >= *mending_deadline_) {
      return Fail(FormatDate(*day), Unavailable("not mended: the time for it went to other dates; "
                                                "run the same command again"));
    }
    parts_.progress.Say(FormatDate(*day) + " was left unfinished; mending it first");
    reading_deadline_ = *mending_deadline_;
  }
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
  const LogScope scope(FieldsOf(day));
  const std::string date = FormatDate(day);
  const std::string path = FileOf(settings_, date);
  if (settings_.range && path != settings_.file && !std::filesystem::exists(path)) {
    if (!AnnouncementFor(day)) return NoAnnouncement(day);
    return EndAll({"", date, "missing", "there is no file " + path, kExitUsage, {}});
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
  if (!AnnouncementFor(day)) {
    parts_.progress.Say(
        fmt::format(
            "{}: arXiv announces nothing on that date, {}; the papers of {} are filed under "
            "it all the same",
            date, WhyNoAnnouncement(day), path),
        spdlog::level::warn);
  }
  Job& job = Begin(day, kFileSource, false);
  job.run->Deliver(*lists);
  job.read_again = read;
}

void FetchRun::FromPast(Day day, bool asked_for) {
  const LogScope scope(FieldsOf(day));
  if (!AnnouncementFor(day)) return MendDayOff(day);
  const WallTime now = parts_.clock();
  const bool remedial = settings_.range || (asked_for && day < EasternDay(now));
  const bool newest = day >= NewestAnnounced(now);
  Job& job = Begin(day, settings_.source == SourceKind::kOai ? kOaiSource : kApiSource, remedial);
  job.read_again = [this, day, newest](const std::set<std::string>& categories) {
    return LookAtPastAgain(categories, day, newest);
  };
  const std::vector<std::string> names = Names();
  job.run->Open({names.begin(), names.end()});
  job.run->Deliver({});
  LookAtPast(day, *job.run, newest);
}

void FetchRun::MendDayOff(Day day) {
  const Result<std::set<std::string>> begun = HaveDigest(day);
  if (!begun) return Fail(FormatDate(day), begun.error());
  const auto has = [&](const auto& profile) { return begun->contains(profile.name()); };
  std::vector<wire::Profile> with = profiles();
  std::erase_if(with, std::not_fn(has));
  std::erase_if(profiles(), has);
  if (!profiles().empty()) NoAnnouncement(day);
  profiles() = std::move(with);
  if (profiles().empty() || parts_.pump.stopped()) return;
  DateRun& run = *Begin(day, kRssSource, false).run;
  run.Open(*begun);
  run.EndIncomplete("holiday", WhyNoAnnouncement(day) + ": nothing has the lists that it lacks",
                    kExitOk);
  run.Deliver({});
}

void FetchRun::LookAtPast(Day day, DateRun& run, bool newest) {
  DayLists lists;
  for (int looks = 1; !parts_.pump.stopped(); ++looks) {
    const std::vector<std::string> wanted = lists.Wanted(run.Missing());
    if (wanted.empty()) return;
    Looks read = ReadPast(wanted, day, reading_deadline_);
    if (parts_.pump.stopped()) return;
    const size_t in_before = lists.in().size();
    Found found;
    std::map<std::string, Error> failed;
    for (auto look = read.begin(); look != read.end();) {
      const auto& [category, list] = *look;
      if (list) {
        found.Add(*list);
        ++look;
        continue;
      }
      // That nothing answered in time says less than an earlier look.
      if (list.error().kind == ErrorKind::kInvalid || !lists.lacking().contains(category)) {
        failed.emplace(category, list.error());
      }
      look = read.erase(look);
    }
    const bool nothing = !read.empty() && !run.AnyRows() && !lists.AnyRows() && found.LacksPapers();
    for (auto& [category, list] : read) {
      if (!nothing) {
        lists.Found(std::move(*list), newest && settings_.wait);
      } else if (newest) {
        lists.Late(category, "of which arXiv's search finds no paper yet");
      }
    }
    if (lists.in().size() > in_before) run.Deliver(lists.in());
    for (const auto& [category, error] : failed) FailWithout(category, day, error, run);
    // No announcement is without papers, but in categories that have few: the search fails.
    if (nothing && !newest) {
      if (looks < kEmptyLooks && LookAgain(kRecheck, "no paper found")) continue;
      return FailDay(day, NothingFound(day, wanted, looks), run);
    }
    if (lists.Wanted(run.Missing()).empty()) return;
    const std::string why = lists.Why();
    // The search may lag behind the announcement.
    if (nothing ? WaitForAnnouncement(day, why) : LookAgain(kRecheck, why)) continue;
    if (parts_.pump.stopped()) return;
    (void)ReportDay(run.Lacking(run.Missing()), day, "waiting", why, parts_.pump.now() + kLastWord);
    return run.GoOnWithout((nothing ? "" : "no second look: ") + why, lists);
  }
}

Result<Listings> FetchRun::LookAtPastAgain(const std::set<std::string>& categories, Day day,
                                           bool newest) {
  DayLists lists;
  Found found;
  for (;;) {
    const std::vector<std::string> wanted = lists.Wanted(categories);
    for (auto& [category, list] : ReadPast(wanted, day, deadline_)) {
      if (!list) return list.error();
      found.Add(*list);
      lists.Found(std::move(*list), newest && settings_.wait);
    }
    const std::string why = lists.Why();
    if (why.empty() && found.LacksPapers()) return NothingFound(day, wanted, kEmptyLooks);
    if (why.empty()) return lists.in();
    if (!LookAgain(kRecheck, why)) return Unavailable("no second look: " + why);
  }
}

void FetchRun::FailWithout(const std::string& category, Day day, const Error& error, DateRun& run) {
  if (parts_.pump.stopped()) return;
  (void)ReportDay(run.Lacking({category}), day, "failed", error.message,
                  parts_.pump.now() + kLastWord);
  run.FailWithout(category, error);
}

void FetchRun::FailDay(Day day, const Error& error, DateRun& run) {
  for (const std::string& category : run.Missing()) FailWithout(category, day, error, run);
}

void FetchRun::LeaveOutMended(Day day) {
  for (const auto& job : jobs_) {
    if (tasks_[job->task].day == day) Finish(*job);
  }
  const bool over = parts_.pump.now() >= deadline_;
  for (auto& [task, outcomes] : outcomes_) {
    if (tasks_[task].day != day) continue;
    std::erase_if(outcomes, [over](const Outcome& outcome) {
      return !over && outcome.exit_code != kExitOk && outcome.exit_code != kExitReplaced;
    });
    for (const Outcome& outcome : outcomes) {
      std::erase_if(profiles(),
                    [&](const auto& profile) { return profile.name() == outcome.profile; });
    }
  }
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

MonotonicTime FetchRun::ReadBy() const {
  const Milliseconds time = std::max(kMinRead, parts_.arxiv.Scaled(kPoll));
  return std::min(reading_deadline_, parts_.pump.now() + time);
}

FetchRun::Looks FetchRun::ReadPast(const std::vector<std::string>& categories, Day day,
                                   MonotonicTime deadline) {
  Looks lists;
  for (const std::string& category : categories) {
    const MonotonicTime now = parts_.pump.now();
    const auto left = static_cast<int64_t>(categories.size() - lists.size());
    Result<Listing> list = Note(past_.Read(category, day, now + (deadline - now) / left));
    const bool newest = day >= NewestAnnounced(parts_.clock());
    // Should it be looked at again, it is asked for again.
    if (list && (list->rows.empty() || newest)) past_.Forget(category);
    if (list && newest) list->sparse = false;  // it may be late
    lists.emplace(category, std::move(list));
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
  const LogScope scope{TraceField(job.run->Traces())};
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
  std::set<std::string> traces;
  for (const auto& job : jobs_) {
    job->run->AddProgress(&sum);
    done += job->run->done() ? 1 : 0;
    traces.merge(job->run->Traces());
  }
  // It may be called in the middle of what is about one digest.
  const LogScope scope{{"profile", ""}, {"date", ""}, {"digest", ""}, TraceField(traces)};
  parts_.progress.Dates(jobs_.size(), done, tasks_.size());
  parts_.progress.Waiting(sum.waiting_for(),
                          sum.trouble() ? spdlog::level::warn : spdlog::level::info);
  if (sum.waiting_for().empty() && sum.to_score() > 0) {
    parts_.progress.Scoring(sum.scored(), sum.to_score(), sum.scorers());
  }
}

LogFields FetchRun::FieldsOf(Day day) const {
  const std::string date = FormatDate(day);
  std::set<std::string> traces;
  for (const wire::Profile& profile : tasks_[task_].profiles) {
    traces.insert(TraceOf(profile.name(), date, profile.revision()));
  }
  return {{"date", date}, TraceField(traces)};
}

bool FetchRun::WaitForAnnouncement(Day day, const std::string& why) {
  const LogScope scope(FieldsOf(day));
  if (reported_waiting_ != day) {
    const MonotonicTime limit = parts_.pump.now() + kLastWord;
    if (const Status told = ReportDay(Names(), day, "waiting", why, limit); told) {
      reported_waiting_ = day;
    } else {
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

bool FetchRun::LookAgain(Milliseconds pause, const std::string& why) {
  if (!settings_.wait) return !parts_.pump.stopped() && parts_.pump.now() < deadline_;
  parts_.progress.Waiting("a second look at arXiv: " + why);
  const bool again =
      parts_.pump.Sleep(std::max(kMinPoll, parts_.arxiv.Scaled(pause)), reading_deadline_);
  parts_.progress.Waiting("");
  return again;
}

void FetchRun::NoAnnouncement(Day day) {
  const std::string why = WhyNoAnnouncement(day);
  if (const Status told = ReportDay(Names(), day, "holiday", why, deadline_); !told) {
    return Fail(FormatDate(day), told.error());
  }
  EndAll({"", FormatDate(day), "holiday", why + ": arXiv announces nothing", kExitOk, {}});
}

Status FetchRun::ReportDay(const std::vector<std::string>& profiles, Day day,
                           const std::string& state, const std::string& why,
                           MonotonicTime deadline) {
  for (const std::string& profile : profiles) {
    wire::FetcherMessage message;
    message.mutable_day()->set_profile(profile);
    message.mutable_day()->set_date(FormatDate(day));
    message.mutable_day()->set_state(state);
    message.mutable_day()->set_why(why);
    const Result<wire::FetcherReply> reply = parts_.aggregator.Call(std::move(message), deadline);
    if (!reply) return reply.error();
  }
  return Ok();
}

void FetchRun::Fail(const std::string& date, const Error& error) {
  EndAll(FailedOutcome("", date, error));
}

void FetchRun::EndAll(Outcome outcome) {
  if (parts_.pump.stopped()) return;
  parts_.progress.Log(outcome.date + ": " + outcome.state + ": " + outcome.why, LevelOf(outcome));
  for (const wire::Profile& profile : profiles()) {
    outcome.profile = profile.name();
    outcomes_[task_].push_back(outcome);
  }
}

}  // namespace paperboy
