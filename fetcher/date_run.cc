#include "fetcher/date_run.h"

#include <algorithm>

#include "common/log.h"
#include "common/trace.h"
#include "common/wire.h"

namespace paperboy {
namespace {

// The aggregator reports every second while it is there.
constexpr Milliseconds kSilent{5'000};
constexpr Milliseconds kLook{250};

bool IsPartial(const Delivery& delivery) {
  const size_t missing = delivery.Missing().size();
  return missing > 0 && missing < delivery.target().categories.size();
}

}  // namespace

DateRun::DateRun(Parts parts, std::vector<Delivery::Target> targets, MonotonicTime deadline)
    : parts_(parts), deadline_(deadline) {
  for (Delivery::Target& target : targets) {
    active_.push_back(std::make_unique<Delivery>(parts_.client, parts_.hint, parts_.scholar,
                                                 parts_.progress, std::move(target)));
    const Delivery& begun = *active_.back();
    const LogScope scope(begun.Fields());
    parts_.progress.Log(begun.target().date + " " + begun.target().profile.name() + ": begun");
  }
}

void DateRun::OnPush(const wire::FetcherReply& reply) {
  for (const auto& delivery : active_) {
    delivery->OnPush(reply, parts_.pump.now());
    // One of them was replaced; asking tells which.
    if (reply.has_refused()) delivery->SetHeardAt(MonotonicTime{});
  }
}

void DateRun::End(size_t index, Outcome outcome) {
  const LogScope scope(active_[index]->Fields());
  const std::string text = outcome.date + " " + outcome.profile + ": " + outcome.state;
  if (outcome.published) {
    parts_.progress.Say(text, LevelOf(outcome));
  } else {
    parts_.progress.Log(text + ": " + outcome.why, LevelOf(outcome));
  }
  ended_.push_back(active_[index]->progress());
  outcomes_.push_back(std::move(outcome));
  active_.erase(active_.begin() + static_cast<ptrdiff_t>(index));
}

void DateRun::Each(const std::function<Status(Delivery&)>& step) {
  for (size_t i = 0; i < active_.size();) {
    const LogScope scope(active_[i]->Fields());
    const Status done = step(*active_[i]);
    if (parts_.pump.stopped()) return;
    if (done) {
      ++i;
      continue;
    }
    const Delivery::Target& target = active_[i]->target();
    End(i, FailedOutcome(target.profile.name(), target.date, done.error()));
  }
}

void DateRun::Open(const std::set<std::string>& profiles) {
  Each([&](Delivery& delivery) -> Status {
    if (!profiles.contains(delivery.target().profile.name())) return Ok();
    return delivery.Open(deadline_);
  });
}

Status DateRun::DeliverTo(Delivery& delivery, const Listings& lists) {
  const Status delivered = delivery.Deliver(lists, deadline_);
  delivery.SetHeardAt(parts_.pump.now());
  return delivered;
}

void DateRun::Deliver(const Listings& lists) {
  Each([&](Delivery& delivery) { return delivery.Lacks() ? DeliverTo(delivery, lists) : Ok(); });
}

void DateRun::DeliverAgain(const Listings& lists) {
  Each([&](Delivery& delivery) { return delivery.DeliverAgain(lists, deadline_); });
}

std::set<std::string> DateRun::Sealed() const {
  std::set<std::string> sealed;
  for (const auto& delivery : active_) {
    sealed.insert(delivery->sealed().begin(), delivery->sealed().end());
  }
  return sealed;
}

bool DateRun::AnyRows() const {
  return std::any_of(active_.begin(), active_.end(),
                     [](const auto& delivery) { return delivery->AnyRows(); });
}

std::set<std::string> DateRun::Missing() const {
  std::set<std::string> missing;
  for (const auto& delivery : active_) {
    for (std::string& category : delivery->Missing()) missing.insert(std::move(category));
  }
  return missing;
}

std::vector<std::string> DateRun::Lacking(const std::set<std::string>& categories) const {
  std::vector<std::string> profiles;
  for (const auto& delivery : active_) {
    const std::vector<std::string> missing = delivery->Missing();
    const bool lacks = std::any_of(missing.begin(), missing.end(), [&](const auto& category) {
      return categories.contains(category);
    });
    if (lacks) profiles.push_back(delivery->target().profile.name());
  }
  return profiles;
}

std::set<std::string> DateRun::Traces() const {
  std::set<std::string> traces;
  for (const auto& delivery : active_) traces.insert(delivery->trace());
  return traces;
}

bool DateRun::AnyPartial() const {
  return std::any_of(active_.begin(), active_.end(),
                     [](const auto& delivery) { return IsPartial(*delivery); });
}

void DateRun::Collect() {
  for (size_t i = 0; i < active_.size();) {
    const Delivery& delivery = *active_[i];
    if (!delivery.published() || !delivery.Missing().empty()) {
      ++i;
      continue;
    }
    const std::string name = delivery.target().profile.name();
    End(i, PublishedOutcome(name, delivery.target().date, *delivery.published()));
  }
}

void DateRun::AddProgress(wire::Progress* sum) const {
  const auto add = [sum](const wire::Progress& progress) {
    sum->set_scored(sum->scored() + progress.scored());
    sum->set_to_score(sum->to_score() + progress.to_score());
  };
  for (const wire::Progress& progress : ended_) add(progress);
  for (const auto& delivery : active_) {
    const wire::Progress& progress = delivery->progress();
    add(progress);
    sum->set_scorers(std::max(sum->scorers(), progress.scorers()));
    // What somebody may have to mend goes before what only takes its time.
    if (!sum->waiting_for().empty() && (sum->trouble() || !progress.trouble())) continue;
    sum->set_waiting_for(progress.waiting_for());
    sum->set_trouble(progress.trouble());
  }
}

void DateRun::DeliverSilentOnes(const Listings& lists) {
  const MonotonicTime now = parts_.pump.now();
  const bool silent = std::any_of(active_.begin(), active_.end(), [&](const auto& delivery) {
    return now - delivery->heard_at() >= kSilent;
  });
  if (!silent) return;
  spdlog::info("the aggregator has said nothing for a while; delivering again what it lacks");
  Each([&](Delivery& delivery) { return DeliverTo(delivery, lists); });
}

// Delivered, but not published in time.
Outcome DateRun::Late(const Delivery& delivery) const {
  const wire::Progress& progress = delivery.progress();
  const std::string& waiting = progress.waiting_for();
  return Outcome{delivery.target().profile.name(),
                 delivery.target().date,
                 "not published",
                 "the deadline passed with " + std::to_string(progress.scored()) + " of " +
                     std::to_string(progress.to_score()) + " papers scored" +
                     (waiting.empty() ? "" : ", waiting for " + waiting) +
                     "; the aggregator goes on without the fetcher",
                 kExitUnreachable,
                 std::nullopt};
}

bool DateRun::Follow(const Listings& lists) {
  for (const auto& delivery : active_) delivery->SetHeardAt(parts_.pump.now());
  for (;;) {
    Collect();
    if (active_.empty() || parts_.pump.stopped()) break;
    if (parts_.pump.now() >= deadline_) {
      while (!active_.empty()) End(0, Late(*active_.front()));
      break;
    }
    if (!Missing().empty()) return false;
    parts_.show();
    DeliverSilentOnes(lists);
    const auto any_published = [&] {
      return std::any_of(active_.begin(), active_.end(),
                         [](const auto& delivery) { return delivery->published().has_value(); });
    };
    parts_.pump.Until(any_published, std::min(deadline_, parts_.pump.now() + kLook));
  }
  parts_.progress.Waiting("");
  return true;
}

void DateRun::PublishPartial(const Listings& lists) {
  Each([&](Delivery& delivery) -> Status {
    if (!IsPartial(delivery)) return Ok();
    delivery.GoOnWithoutMissing();
    return DeliverTo(delivery, lists);
  });
}

void DateRun::GoOnWithout(const std::string& why, const DayLists& lists) {
  PublishPartial(lists.in());
  EndWithout(Missing(), [&](const Delivery::Target& target) {
    if (lists.AllFailed({target.categories.begin(), target.categories.end()})) {
      return FailedOutcome(target.profile.name(), target.date, Unavailable(lists.Why()));
    }
    return Outcome{target.profile.name(), target.date, "not announced", why,
                   kExitNotAnnounced,     std::nullopt};
  });
}

void DateRun::FailIncomplete(const Error& error) {
  for (const std::string& category : Missing()) FailWithout(category, error);
}

void DateRun::FailWithout(const std::string& category, const Error& error) {
  EndWithout({category}, [&](const Delivery::Target& target) {
    return FailedOutcome(target.profile.name(), target.date, error);
  });
}

void DateRun::EndIncomplete(const std::string& state, const std::string& why, ExitCode code) {
  EndWithout(Missing(), [&](const Delivery::Target& target) {
    return Outcome{target.profile.name(), target.date, state, why, code, std::nullopt};
  });
}

void DateRun::EndWithout(const std::set<std::string>& without,
                         const std::function<Outcome(const Delivery::Target&)>& outcome) {
  if (parts_.pump.stopped()) return;
  const std::vector<std::string> lacking = Lacking(without);
  for (size_t i = 0; i < active_.size();) {
    const Delivery::Target& target = active_[i]->target();
    if (std::find(lacking.begin(), lacking.end(), target.profile.name()) == lacking.end()) {
      ++i;
    } else {
      End(i, outcome(target));
    }
  }
}

}  // namespace paperboy
