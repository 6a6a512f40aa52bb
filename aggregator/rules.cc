#include "aggregator/rules.h"

#include <algorithm>

#include "common/announce_type.h"
#include "common/category.h"
#include "common/text.h"

namespace paperboy {
namespace {

bool AnyMatches(const wire::Profile& profile, const std::string& category) {
  return std::any_of(profile.categories().begin(), profile.categories().end(),
                     [&](const auto& wanted) { return CategoryMatches(wanted, category); });
}

std::string Join(const auto& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + std::string(item);
  return text;
}

}  // namespace

std::optional<std::string> UnwantedByList(const wire::Profile& profile, const ListedRow& row) {
  const auto& types = profile.announce_types();
  if (row.announce_type != wire::ANNOUNCE_TYPE_UNKNOWN &&
      std::find(types.begin(), types.end(), row.announce_type) == types.end()) {
    return "announce_type: " + std::string(AnnounceTypeName(row.announce_type));
  }
  const bool listed = std::any_of(row.lists.begin(), row.lists.end(), [&](const auto& list) {
    return list == "*" || AnyMatches(profile, list);
  });
  if (!listed) return "category: listed in " + Join(row.lists) + " only";
  if (profile.primary_only() && !row.primary_category.empty() &&
      !AnyMatches(profile, row.primary_category)) {
    return "category: primary is " + row.primary_category;
  }
  return std::nullopt;
}

std::optional<std::string> UnwantedByCategory(const wire::Profile& profile,
                                              const wire::Paper& paper) {
  if (paper.categories_size() > 0 &&
      std::none_of(paper.categories().begin(), paper.categories().end(),
                   [&](const auto& category) { return AnyMatches(profile, category); })) {
    return "category: " + Join(paper.categories());
  }
  return std::nullopt;
}

std::optional<std::string> UnwantedByKeyword(const wire::Profile& profile,
                                             const wire::Paper& paper) {
  if (profile.include_keywords().empty() && profile.exclude_keywords().empty()) return std::nullopt;
  const auto title = Words(Comparable(paper.title()));
  const auto abstract = Words(Comparable(paper.abstract()));
  const auto has = [&](const std::string& keyword) {
    const std::string phrase = Comparable(keyword);
    return ContainsPhrase(title, phrase) || ContainsPhrase(abstract, phrase);
  };
  for (const auto& keyword : profile.exclude_keywords()) {
    if (has(keyword)) return "keyword: has \"" + keyword + "\"";
  }
  const auto& include = profile.include_keywords();
  if (!include.empty() && std::none_of(include.begin(), include.end(), has)) {
    return "keyword: has none of those asked for";
  }
  return std::nullopt;
}

}  // namespace paperboy
