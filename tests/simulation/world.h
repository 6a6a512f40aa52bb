// A world on virtual time: one queue of events, one source of chance, and nodes,
// on which processes run and die. Everything that happens follows from the seed.
// Only one thread runs at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/eastern.h"
#include "common/loop.h"

namespace paperboy::sim {

using Microseconds = std::chrono::microseconds;

class World {
 public:
  using EventId = uint64_t;

  explicit World(uint64_t seed) : random_(seed) {}

  MonotonicTime now() const { return now_; }
  // Seconds since the beginning, for people.
  double seconds() const;
  // The clock on the wall, which can be set.
  WallTime wall() const;
  void SetWallBy(std::chrono::seconds step) { wall_offset_ += step; }
  bool clock_is_back() const { return wall_offset_.count() < 0; }

  // In [0, n), in [from, to], and true with that probability.
  uint64_t Below(uint64_t n);
  Microseconds Between(Microseconds from, Microseconds to);
  bool Chance(double probability);

  EventId At(MonotonicTime at, std::function<void()> fn);
  EventId After(Microseconds delay, std::function<void()> fn) { return At(now_ + delay, fn); }
  void Cancel(EventId id);
  // Runs events, in the order of their time, until `done` (asked after each one)
  // or `end`. Returns done().
  bool Run(const std::function<bool()>& done, MonotonicTime end);
  uint64_t events() const { return events_run_; }

  // What must never happen has happened; the first one is kept.
  void Violate(const std::string& what);
  const std::string& violation() const { return violation_; }

  // A line of the story, printed when a seed is told.
  void Tell(const std::string& line) const;
  void TellStory() { telling_ = true; }
  bool telling() const { return telling_; }

 private:
  MonotonicTime now_{std::chrono::hours(1)};
  std::chrono::seconds wall_offset_{0};
  std::mt19937_64 random_;
  EventId next_event_ = 1;
  uint64_t events_run_ = 0;
  std::map<std::pair<MonotonicTime, EventId>, std::function<void()>> queue_;
  std::unordered_map<EventId, MonotonicTime> time_of_;
  std::string violation_;
  bool telling_ = false;
};

// What runs on a node: constructed by its start, destroyed by its end.
class Program {
 public:
  virtual ~Program() = default;
  // After every event of the node. True when the program has ended by itself.
  virtual bool EndTurn() = 0;
  // The process dies: whatever it waits for ends.
  virtual void Die() {}
  // SIGTERM.
  virtual void Terminate() = 0;
};

// A machine for one process at a time. Each thing that a process does to the
// outside is an act; a process may be killed right before or right after any
// one of them, and nothing that it does from then on has an effect.
class Node {
 public:
  using Start = std::function<std::unique_ptr<Program>(Node&)>;
  // `killed`: it did not end by itself.
  using OnEnd = std::function<void(bool killed)>;

  Node(World& world, std::string name, Start start, OnEnd on_end)
      : world_(world),
        name_(std::move(name)),
        start_(std::move(start)),
        on_end_(std::move(on_end)) {}
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  World& world() { return world_; }
  const std::string& name() const { return name_; }
  bool up() const { return program_ != nullptr; }
  bool dying() const { return dying_; }
  // Counts the processes that ran here.
  uint64_t life() const { return life_; }
  bool stopped() const { return world_.now() < stopped_until_; }
  Program& program() { return *program_; }

  void Boot();
  void Kill();  // SIGKILL
  // The same in the middle of what it does: at the `acts`-th act from now on.
  void KillAtAct(uint64_t acts);
  void Terminate();                 // SIGTERM
  void StopFor(Microseconds time);  // SIGSTOP, and SIGCONT later

  // The process does something to the outside. False: it must have no effect.
  bool Act(const char* what);

  // Calls `fn` at that time, unless the process that runs now has ended; later,
  // when it is stopped then.
  World::EventId Post(MonotonicTime at, std::function<void()> fn);

  // Told of deaths and ends, before the process is gone.
  void OnGone(std::function<void()> fn) { on_gone_.push_back(std::move(fn)); }

 private:
  void RunEvent(const std::function<void()>& fn);
  void AfterEvent();
  void End(bool killed);

  World& world_;
  const std::string name_;
  Start start_;
  OnEnd on_end_;
  std::vector<std::function<void()>> on_gone_;
  std::unique_ptr<Program> program_;
  uint64_t life_ = 0;
  bool running_ = false;  // an event of it runs
  bool dying_ = false;
  uint64_t acts_to_live_ = 0;  // 0: no end is fixed
  bool acts_before_ = false;   // it dies before that act rather than after it
  MonotonicTime stopped_until_{};
  std::deque<std::function<void()>> deferred_;  // while stopped
};

}  // namespace paperboy::sim
