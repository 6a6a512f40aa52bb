#include "fetcher/date_run.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "common/wire.h"

namespace paperboy {
namespace {

// The aggregator reports every second while it is there.
constexpr Milliseconds kSilent{5'000};
constexpr Milliseconds kLook{250};

Outcome Unannounced(const Delivery::Target& target, const std::string& why) {
  return {target.profile.name(), target.date, "not announced", why,
          kExitNotAnnounced,     std::nullopt};
}

}  // namespace

DateRun::DateRun(Parts parts, std::vector<Delivery::Target> targets, MonotonicTime deadline)
    : parts_(parts), deadline_(deadline) {
  for (Delivery::Target& target : targets) {
    active_.push_back(
        std::make_unique<Delivery>(parts_.client, parts_.hint, parts_.scholar, std::move(target)));
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
  ended_.push_back(active_[index]->progress());
  outcomes_.push_back(std::move(outcome));
  active_.erase(active_.begin() + static_cast<ptrdiff_t>(index));
}

void DateRun::Each(const std::function<Status(Delivery&)>& step) {
  for (size_t i = 0; i < active_.size();) {
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

void DateRun::Open() {
  Each([this](Delivery& delivery) { return delivery.Open(deadline_); });
}

void DateRun::Deliver(const Listings& lists) {
  Each([&](Delivery& delivery) {
    const Status delivered = delivery.Deliver(lists, deadline_);
    delivery.SetHeardAt(parts_.pump.now());
    return delivered;
  });
}

std::set<std::string> DateRun::Missing() const {
  std::set<std::string> missing;
  for (const auto& delivery : active_) {
    for (std::string& category : delivery->Missing()) missing.insert(std::move(category));
  }
  return missing;
}

void DateRun::Collect() {
  for (size_t i = 0; i < active_.size();) {
    const Delivery& delivery = *active_[i];
    if (!delivery.published() || !delivery.Missing().empty()) {
      ++i;
      continue;
    }
    const std::string name = delivery.target().profile.name();
    parts_.progress.Say(delivery.target().date + " " + name + ": " + delivery.published()->state());
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
    if (sum->waiting_for().empty()) sum->set_waiting_for(progress.waiting_for());
  }
}

void DateRun::DeliverSilentOnes(const Listings& lists) {
  const MonotonicTime now = parts_.pump.now();
  const bool silent = std::any_of(active_.begin(), active_.end(), [&](const auto& delivery) {
    return now - delivery->heard_at() >= kSilent;
  });
  if (!silent) return;
  spdlog::info("the aggregator has said nothing for a while; delivering again what it lacks");
  Deliver(lists);
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

void DateRun::GoOnWithout(const std::string& why, const DayLists& lists) {
  for (size_t i = 0; i < active_.size();) {
    const Delivery::Target& target = active_[i]->target();
    if (active_[i]->Missing().size() < target.categories.size()) {
      active_[i++]->GoOnWithoutMissing();
    } else if (lists.AllFailed({target.categories.begin(), target.categories.end()})) {
      End(i, FailedOutcome(target.profile.name(), target.date, Unavailable(lists.Why())));
    } else {
      End(i, Unannounced(target, why));
    }
  }
  Deliver(lists.in());
}

void DateRun::FailIncomplete(const Error& error) {
  EndIncomplete([&](const Delivery::Target& target) {
    return FailedOutcome(target.profile.name(), target.date, error);
  });
}

void DateRun::EndUnannounced(const std::string& why) {
  EndIncomplete([&](const Delivery::Target& target) { return Unannounced(target, why); });
}

void DateRun::EndIncomplete(const std::function<Outcome(const Delivery::Target&)>& outcome) {
  if (parts_.pump.stopped()) return;
  for (size_t i = 0; i < active_.size();) {
    if (active_[i]->Missing().empty()) {
      ++i;
    } else {
      End(i, outcome(active_[i]->target()));
    }
  }
}

}  // namespace paperboy
