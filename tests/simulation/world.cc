#include "tests/simulation/world.h"

#include <cstdio>

namespace paperboy::sim {
namespace {

// 2026-09-16 08:00 in New York, a Wednesday.
constexpr std::chrono::seconds kWallAtStart{1'789'560'000};

}  // namespace

double World::seconds() const {
  return std::chrono::duration<double>(now_ - MonotonicTime(std::chrono::hours(1))).count();
}

WallTime World::wall() const {
  const auto since = now_ - MonotonicTime(std::chrono::hours(1));
  return WallTime(kWallAtStart + wall_offset_) +
         std::chrono::duration_cast<WallTime::duration>(since);
}

uint64_t World::Below(uint64_t n) { return n == 0 ? 0 : random_() % n; }

Microseconds World::Between(Microseconds from, Microseconds to) {
  return from + Microseconds(Below(static_cast<uint64_t>((to - from).count()) + 1));
}

bool World::Chance(double probability) {
  return static_cast<double>(random_() >> 11) < probability * 0x1p53;
}

World::EventId World::At(MonotonicTime at, std::function<void()> fn) {
  const EventId id = next_event_++;
  queue_.emplace(std::pair(std::max(at, now_), id), std::move(fn));
  time_of_.emplace(id, std::max(at, now_));
  return id;
}

void World::Cancel(EventId id) {
  const auto found = time_of_.find(id);
  if (found == time_of_.end()) return;
  queue_.erase({found->second, id});
  time_of_.erase(found);
}

bool World::Run(const std::function<bool()>& done, MonotonicTime end) {
  while (!done()) {
    if (queue_.empty() || queue_.begin()->first.first > end || !violation_.empty()) return done();
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().first;
    time_of_.erase(node.key().second);
    ++events_run_;
    node.mapped()();
  }
  return true;
}

void World::Violate(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  Tell("VIOLATION: " + what);
}

void World::Tell(const std::string& line) const {
  if (telling_) std::printf("%10.6f %s\n", seconds(), line.c_str());
}

// ---- nodes ------------------------------------------------------------------

Node::~Node() {
  if (program_) End(/*killed=*/true);
}

void Node::Boot() {
  if (program_) return;
  ++life_;
  dying_ = false;
  acts_to_live_ = 0;
  stopped_until_ = {};
  deferred_.clear();
  world_.Tell(name_ + " starts");
  running_ = true;
  program_ = start_(*this);
  running_ = false;
  AfterEvent();
}

void Node::Kill() {
  if (!program_) return;
  dying_ = true;
  if (!running_) End(/*killed=*/true);
}

void Node::KillAtAct(uint64_t acts) {
  acts_to_live_ = acts;
  acts_before_ = world_.Chance(0.5);
}

void Node::Terminate() {
  Post(world_.now(), [this] {
    world_.Tell(name_ + " gets SIGTERM");
    program_->Terminate();
  });
}

void Node::StopFor(Microseconds time) {
  if (!program_ || stopped()) return;
  world_.Tell(name_ + " is stopped for " + std::to_string(time.count() / 1000) + " ms");
  stopped_until_ = world_.now() + time;
  world_.At(stopped_until_, [this, life = life_] {
    if (life != life_ || !program_) return;
    world_.Tell(name_ + " continues");
    const auto fns = std::exchange(deferred_, {});
    RunEvent([&] {
      for (const auto& fn : fns) fn();
    });
  });
}

bool Node::Act(const char* what) {
  if (dying_) return false;
  if (acts_to_live_ == 0 || --acts_to_live_ > 0) return true;
  dying_ = true;
  world_.Tell(name_ + " is killed " + (acts_before_ ? "before" : "after") + " this: " + what);
  return !acts_before_;
}

World::EventId Node::Post(MonotonicTime at, std::function<void()> fn) {
  return world_.At(at, [this, life = life_, fn = std::move(fn)] {
    if (life != life_ || !program_) return;
    if (stopped()) {
      deferred_.push_back(fn);
    } else {
      RunEvent(fn);
    }
  });
}

void Node::RunEvent(const std::function<void()>& fn) {
  running_ = true;
  fn();
  running_ = false;
  AfterEvent();
}

void Node::AfterEvent() {
  running_ = true;
  const bool ended = program_->EndTurn();
  running_ = false;
  if (dying_ || ended) End(dying_);
}

void Node::End(bool killed) {
  world_.Tell(name_ + (killed ? " is dead" : " has ended"));
  dying_ = true;
  program_->Die();
  for (const auto& fn : on_gone_) fn();
  const std::unique_ptr<Program> gone = std::move(program_);
  on_end_(killed);
}

}  // namespace paperboy::sim
