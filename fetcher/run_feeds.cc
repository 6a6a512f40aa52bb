// The part of a run that reads today's lists, from arXiv's feeds.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "common/calendar.h"
#include "fetcher/day_lists.h"
#include "fetcher/run.h"

namespace paperboy {
namespace {

// So long after it was due a feed may be late before the API is asked as well.
constexpr std::chrono::hours kFeedPatience{2};
// So long before the deadline, or a quarter of the time to it, what is in is no longer
// kept waiting for what is late: it is to be scored too.
constexpr std::chrono::minutes kTimeToScore{30};

// What is complete as far as the ledger knows is not worth a longer wait.
constexpr std::chrono::minutes kSecondReading{1};

// Of those that could be read; empty: none could.
std::string LatestDate(const std::map<std::string, Result<Listing>>& feeds) {
  std::string latest;
  for (const auto& [category, feed] : feeds) {
    if (feed) latest = std::max(latest, feed->date);
  }
  return latest;
}

}  // namespace

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
    bare->set_announce_type(row.announce_type());
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

Status FetchRun::Sort(Day day, Looks feeds, bool some_known, DayLists* lists) {
  const std::string date = FormatDate(day);
  const bool cut_off = parts_.pump.now() >= reading_deadline_;
  std::vector<std::string> empty;
  for (auto& [category, feed] : feeds) {
    if (!feed) {
      // That there was no time to read it says less than an earlier look.
      if (!cut_off || !lists->lacking().contains(category)) lists->Failed(category, feed.error());
    } else if (feed->date != date) {
      lists->Late(category, "its feed is at " + feed->date);
    } else if (feed->rows.empty()) {
      empty.push_back(category);
    } else {
      const Result<std::string> stale = WhyStale(day, *feed);
      if (!stale) return stale.error();
      if (stale->empty()) {
        lists->In(std::move(*feed));
      } else {
        lists->Late(category, *stale);
      }
    }
  }
  for (const std::string& category : empty) {
    // One category may have nothing; that none has anything is arXiv being late.
    if (!some_known && !lists->AnyRows()) {
      lists->Late(category, "its feed is empty");
    } else if ((settings_.source == SourceKind::kRss || !AnnouncementFor(day)) && settings_.wait) {
      // Nobody else may or can be asked: three looks are believed, as of many small categories they
      // must be every day.
      lists->Empty(*std::move(feeds.at(category)));
    } else {
      lists->EmptyFeed(category);
    }
  }
  return Ok();
}

void FetchRun::AskElsewhere(Day day, MonotonicTime patience, DayLists* lists) {
  for (const auto& [category, lack] : std::map(lists->lacking())) {
    const bool empty = lack.kind == DayLists::Lack::kEmpty;
    const bool doubtful = empty ? lists->MayBeEmpty(category) || !settings_.wait : lack.refused;
    if (!doubtful && (empty || parts_.pump.now() < patience)) continue;
    past_.Forget(category);  // two looks, not one twice
    Looks read = ReadPast({category}, day, ReadBy());
    Result<Listing>& list = read.at(category);
    if (!list) continue;
    if (!list->rows.empty()) {
      lists->Found(std::move(*list), settings_.wait);
    } else if (lists->MayBeEmpty(category)) {
      spdlog::warn(
          "{}: {} times the feed of {} is empty, and arXiv's search finds no paper of it; "
          "taken as nothing announced in it",
          FormatDate(day), lack.empty_looks, category);
      list->source = kRssSource;
      lists->In(std::move(*list));
    } else {
      lists->FoundNothing(category);
    }
  }
}

Result<std::set<std::string>> FetchRun::HaveDigest(Day day) {
  std::set<std::string> names;
  for (const std::string& name : Names()) {
    const auto days = AskForDays(parts_.aggregator, name, day, day, deadline_);
    if (!days) return days.error();
    if (days->days_size() > 0 && !days->days(0).revision().empty()) names.insert(name);
  }
  return names;
}

void FetchRun::FromFeeds(std::optional<Day> day) {
  // The feed of a page date is built at its midnight (US Eastern), so the one
  // that is due is today's, also after 20:00, when tomorrow's is announced. If
  // today has none, the last one is.
  const Day today = EasternDay(parts_.clock());
  const Day due = PreviousPage(today + date::days(1));
  const bool asked_for = day.has_value();
  if (!day && due == today) day = due;
  const bool falls_back = settings_.source == SourceKind::kAuto;
  const MonotonicTime begin = parts_.pump.now();
  const auto late_by = parts_.clock() - EasternTime(day.value_or(due), {});
  const MonotonicTime patience =
      begin + parts_.arxiv.Scaled(std::chrono::duration_cast<Milliseconds>(
                  std::max<WallTime::duration>(kFeedPatience - late_by, {})));
  const MonotonicTime go_on_at =
      deadline_ -
      std::min<MonotonicTime::duration>(parts_.arxiv.Scaled(kTimeToScore), (deadline_ - begin) / 4);
  std::optional<LogScope> scope;
  DayLists lists;
  Job* job = nullptr;
  const auto run = [&]() -> DateRun& {
    if (job == nullptr) job = &Begin(*day, kRssSource, false);
    return *job->run;
  };
  const auto take_up = [&]() -> Status {
    scope.emplace(FieldsOf(*day));
    const Result<std::set<std::string>> begun = HaveDigest(*day);
    if (!begun) return begun.error();
    if (begun->empty()) return Ok();
    run().Open(*begun);
    run().Deliver({});
    job->read_again = [this, day](const auto& categories) -> Result<Listings> {
      Listings lists;
      for (auto& [category, feed] : ReadFeeds({categories.begin(), categories.end()})) {
        if (!feed) return feed.error();
        if (feed->date == FormatDate(*day)) lists.emplace(category, std::move(*feed));
      }
      return lists;
    };
    return Ok();
  };
  if (day) {
    if (const Status taken = take_up(); !taken) return Fail(FormatDate(*day), taken.error());
  }
  size_t delivered = 0;
  const auto deliver = [&] {
    if (lists.in().size() == delivered) return;
    delivered = lists.in().size();
    run().Deliver(lists.in());
    job->lists = lists.in();
  };
  for (bool first = true;; first = false) {
    const std::vector<std::string> wanted =
        lists.Wanted(job != nullptr ? run().Missing() : Categories());
    if (wanted.empty() && !first) return;
    Looks feeds = ReadFeeds(wanted);
    if (parts_.pump.stopped()) return;
    const std::string latest = LatestDate(feeds);
    if (!day) {
      day = latest.empty() ? due : std::max(*ParseDate(latest), due);
      LeaveOutMended(*day);
      if (profiles().empty() || parts_.pump.stopped()) return;
      // Without time left the aggregator is told, and not asked.
      const bool over = latest.empty() && parts_.pump.now() >= deadline_;
      if (over) scope.emplace(FieldsOf(*day));
      const Status taken = over ? Ok() : take_up();
      if (!taken) return Fail(FormatDate(*day), taken.error());
    }
    if (first && job != nullptr) {
      ReadSealedAgain(*day, feeds, run());
      const std::set<std::string> missing = run().Missing();
      std::erase_if(feeds, [&](const auto& feed) { return !missing.contains(feed.first); });
      if (feeds.empty()) return;
    }
    if (latest > FormatDate(*day)) {
      const std::string moved_on = "arXiv's feed is at " + latest + " already";
      const bool can_be_rebuilt = job == nullptr || AnnouncementFor(*day);
      if (falls_back && lists.in().empty() && can_be_rebuilt) {
        return job == nullptr ? FromPast(*day, true) : LookAtPast(*day, run(), false);
      }
      // Somebody asked for what the feed never had.
      if (asked_for && first && job == nullptr) {
        return Fail(FormatDate(*day), Invalid(moved_on + "; use --source api"));
      }
      return run().GoOnWithout(moved_on, lists);
    }
    const bool some_known = job != nullptr && run().AnyRows();
    if (const Status sorted = Sort(*day, std::move(feeds), some_known, &lists); !sorted) {
      return FailDay(*day, sorted.error(), run());
    }
    deliver();
    if (!AnnouncementFor(*day)) {
      if (lists.in().empty() && !lists.AllFailed(Categories())) {
        if (job == nullptr) return NoAnnouncement(*day);
        return EndFeeds(*day, WhyNoAnnouncement(*day), lists, run());
      }
    } else if (falls_back) {
      AskElsewhere(*day, patience, &lists);
      deliver();
    }
    const std::string why = lists.Why();
    if (why.empty() || (job != nullptr && run().Missing().empty())) return;
    // Only what has something to score is in a hurry.
    reading_deadline_ = job != nullptr && run().AnyPartial() ? go_on_at : deadline_;
    const std::string not_out = "not out yet: " + why;
    if (parts_.pump.now() >= deadline_ && lists.AllFailed(Categories())) {
      return EndFeeds(*day, not_out, lists, run());  // it has failed, and is not waited for
    }
    if (lists.AnyLate() ? WaitForAnnouncement(*day, not_out)
                        : settings_.wait && LookAgain(kPoll, why)) {
      continue;
    }
    if (parts_.pump.stopped()) return;
    if (!settings_.wait || reading_deadline_ == deadline_) {
      return EndFeeds(*day, not_out, lists, run());
    }
    run().PublishPartial(lists.in());
    reading_deadline_ = deadline_;
  }
}

void FetchRun::EndFeeds(Day day, const std::string& why, const DayLists& lists, DateRun& run) {
  std::vector<std::string> unread;
  for (const wire::Profile& profile : profiles()) {
    if (lists.AllFailed({profile.categories().begin(), profile.categories().end()})) {
      unread.push_back(profile.name());
    }
  }
  (void)ReportDay(unread, day, "failed", lists.Why(), parts_.pump.now() + kLastWord);
  run.GoOnWithout(why, lists);
}

void FetchRun::ReadSealedAgain(Day day, Looks feeds, DateRun& run) {
  const MonotonicTime now = parts_.pump.now();
  const MonotonicTime by =
      now + std::min<MonotonicTime::duration>(
                std::max(kMinRead, parts_.arxiv.Scaled(kSecondReading)), (deadline_ - now) / 4);
  Listings lists;
  for (const std::string& category : run.Sealed()) {
    if (parts_.pump.stopped()) return;
    auto look = feeds.find(category);
    if (look == feeds.end()) {
      look = feeds.emplace(category, Note(parts_.source.ReadFeed(category, by))).first;
    }
    Result<Listing>& feed = look->second;
    if (!feed) {
      spdlog::info("{}: whether the feed of {} has more than the ledger is not known: {}",
                   FormatDate(day), category, feed.error().message);
    } else if (feed->date == FormatDate(day) && !feed->rows.empty()) {
      const Result<std::string> stale = WhyStale(day, *feed);
      if (!stale || !stale->empty()) continue;
      // What could not be read is named by its place, which is another one by now.
      std::erase_if(feed->rows, [](const wire::Row& row) { return !row.refused().empty(); });
      lists.emplace(category, std::move(*feed));
    }
  }
  run.DeliverAgain(lists);
}

FetchRun::Looks FetchRun::ReadFeeds(const std::vector<std::string>& categories) {
  Looks feeds;
  for (const std::string& category : categories) {
    feeds.emplace(category, Note(parts_.source.ReadFeed(category, ReadBy())));
  }
  return feeds;
}

}  // namespace paperboy
