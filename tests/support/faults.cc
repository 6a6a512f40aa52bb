#include "tests/support/faults.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace paperboy {

Faults::Faults(const std::string& spec, uint64_t seed, std::vector<std::string> known)
    : known_(std::move(known)), rules_(Parse(spec)), random_(seed) {}

bool Faults::IsKnown(const std::string& kind) const {
  const bool number = kind.find_first_not_of("0123456789") == std::string::npos;
  return known_.empty() ||
         std::find(known_.begin(), known_.end(), number ? "NUMBER" : kind) != known_.end();
}

std::vector<Faults::Rule> Faults::Parse(const std::string& spec) const {
  std::vector<Rule> rules;
  std::istringstream items(spec);
  for (std::string item; std::getline(items, item, ',');) {
    if (item.empty()) continue;
    Rule rule;
    const size_t amount = item.find_last_of("=#");
    std::string name = item.substr(0, amount);
    if (amount != std::string::npos) {
      size_t used = 0;
      const std::string number = item.substr(amount + 1);
      try {
        if (item[amount] == '=') {
          rule.probability = std::stod(number, &used);
        } else {
          rule.remaining = std::stoll(number, &used);
        }
      } catch (const std::logic_error&) {
        used = 0;
      }
      if (used == 0 || used != number.size() || rule.probability < 0 || rule.probability > 1) {
        throw std::invalid_argument("fault \"" + item + "\": \"" + number +
                                    "\" is neither a probability (=0.1) nor a number (#3)");
      }
    }
    const size_t at = name.find('@');
    if (at != std::string::npos) rule.fault.text = name.substr(at + 1);
    rule.fault.kind = name.substr(0, at);
    if (rule.fault.kind.empty()) throw std::invalid_argument("fault \"" + item + "\" has no kind");
    if (!IsKnown(rule.fault.kind)) {
      std::string kinds;
      for (const std::string& kind : known_) kinds += (kinds.empty() ? "" : ", ") + kind;
      throw std::invalid_argument("fault \"" + item + "\": \"" + rule.fault.kind +
                                  "\" is none of " + kinds);
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

void Faults::Set(const std::string& spec) {
  std::vector<Rule> rules = Parse(spec);
  std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
}

Fault Faults::Draw(const std::string& request) {
  std::lock_guard lock(mutex_);
  const double draw = std::uniform_real_distribution<double>(0, 1)(random_);
  double sum = 0;
  for (Rule& rule : rules_) {
    if (!rule.fault.text.empty() && request.find(rule.fault.text) == std::string::npos) continue;
    if (rule.remaining == 0) continue;
    sum += rule.probability;
    if (draw >= sum) continue;
    if (rule.remaining > 0) --rule.remaining;
    ++drawn_[rule.fault.kind];
    return rule.fault;
  }
  return {};
}

std::map<std::string, uint64_t> Faults::drawn() const {
  std::lock_guard lock(mutex_);
  return drawn_;
}

}  // namespace paperboy
