// When a simulated server misbehaves, and how. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace paperboy {

struct Fault {
  std::string kind;  // empty: none
  std::string text;  // that the request contained, if the rule asked for one
};

class Faults {
 public:
  // `spec` is a comma-separated list of
  //   KIND          every request
  //   KIND=P        a request with probability P
  //   KIND#N        the next N requests
  // each optionally only for requests that contain a text: KIND@TEXT=P. What a
  // kind does is the server's business. Throws std::invalid_argument for
  // anything else, also for a kind that is none of `known`, where NUMBER is any whole
  // number (none: every kind will do). `seed` makes the draws repeatable, request by
  // request.
  explicit Faults(const std::string& spec = "", uint64_t seed = 1,
                  std::vector<std::string> known = {});

  // Replaces the list; what was drawn so far stays counted.
  void Set(const std::string& spec);

  // The fault for a request. Rules are asked in their order; probabilities add
  // up, one draw for all of them.
  Fault Draw(const std::string& request);

  std::map<std::string, uint64_t> drawn() const;  // how often each kind was

 private:
  struct Rule {
    Fault fault;
    double probability = 1;
    int64_t remaining = -1;  // -1: no limit
  };
  std::vector<Rule> Parse(const std::string& spec) const;
  bool IsKnown(const std::string& kind) const;

  const std::vector<std::string> known_;
  mutable std::mutex mutex_;
  std::vector<Rule> rules_;
  std::mt19937_64 random_;
  std::map<std::string, uint64_t> drawn_;
};

}  // namespace paperboy
