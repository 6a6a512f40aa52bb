#include "fetcher/day_lists.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "common/text.h"

namespace paperboy {

DayLists::Lack& DayLists::Set(const std::string& category, Lack::Kind kind, std::string why) {
  Lack& lack = lacking_[category];
  lack.kind = kind;
  lack.why = std::move(why);
  lack.refused = false;
  return lack;
}

std::vector<std::string> DayLists::Wanted(const std::set<std::string>& categories) const {
  std::vector<std::string> wanted;
  for (const std::string& category : categories) {
    if (!in_.contains(category)) wanted.push_back(category);
  }
  std::stable_partition(wanted.begin(), wanted.end(),
                        [this](const std::string& category) { return !AllFailed({category}); });
  return wanted;
}

void DayLists::In(Listing list) {
  lacking_.erase(list.category);
  const std::string category = list.category;
  in_.emplace(category, std::move(list));
}

void DayLists::Late(const std::string& category, std::string why) {
  Set(category, Lack::kLate, category + ", " + std::move(why));
}

void DayLists::Failed(const std::string& category, const Error& error) {
  Set(category, Lack::kFailed, category + ", its feed cannot be read: " + error.message).refused =
      error.kind == ErrorKind::kInvalid;
}

bool DayLists::AnyRows() const {
  return std::any_of(in_.begin(), in_.end(),
                     [](const auto& list) { return !list.second.rows.empty(); });
}

void DayLists::EmptyFeed(const std::string& category) {
  ++Set(category, Lack::kEmpty, "the empty list of " + category).empty_looks;
}

bool DayLists::MayBeEmpty(const std::string& category) const {
  const auto lack = lacking_.find(category);
  return lack != lacking_.end() && lack->second.kind == Lack::kEmpty &&
         lack->second.empty_looks >= kEmptyLooks;
}

void DayLists::Empty(Listing list) {
  EmptyFeed(list.category);
  lacking_[list.category].found.reset();
  if (!MayBeEmpty(list.category)) return;
  spdlog::warn(
      "{}: arXiv lists no paper of {}, {} times, while other categories have some; taken "
      "as nothing announced in it",
      list.date, list.category, kEmptyLooks);
  In(std::move(list));
}

void DayLists::Found(Listing list, bool may_grow) {
  if (list.rows.empty() && !list.sparse) return Empty(std::move(list));
  const size_t rows = list.rows.size();
  const std::optional<size_t> before = std::exchange(lacking_[list.category].found, rows);
  if (!may_grow || before == rows) return In(std::move(list));
  Late(list.category, "in which arXiv has " + Counted(rows, "paper") + " so far");
}

bool DayLists::AllFailed(const std::set<std::string>& categories) const {
  return std::all_of(categories.begin(), categories.end(), [this](const std::string& category) {
    const auto lack = lacking_.find(category);
    return lack != lacking_.end() && lack->second.kind == Lack::kFailed;
  });
}

bool DayLists::AnyLate() const {
  return std::any_of(lacking_.begin(), lacking_.end(),
                     [](const auto& entry) { return entry.second.kind != Lack::kEmpty; });
}

std::string DayLists::Why() const {
  std::string why;
  for (const auto& [category, lack] : lacking_) why += (why.empty() ? "" : "; ") + lack.why;
  return why;
}

}  // namespace paperboy
