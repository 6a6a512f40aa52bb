#include "aggregator/authors.h"

#include "common/text.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// The character that a comparison sees in its place; 0: none at all.
char32_t Plain(char32_t c) {
  if (c == '.' || c == '~' || c == '\t' || c == '\n') return ' ';
  if (c == '{' || c == '}' || c == '\\') return 0;  // TeX's, around what is no accent
  if (c == 0x2018 || c == 0x2019 || c == 0x2BC || c == '`') return '\'';
  if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212) return '-';
  return c;
}

std::string_view WithoutAffiliation(std::string_view name) {
  name = Trim(name);
  const size_t open = name.find('(');
  const bool ends = open != name.npos && open > 0 && name.back() == ')';
  return ends ? name.substr(0, open) : name;
}

// Of the author of that name what Semantic Scholar says; nullptr if it lists none such.
// Its own names are often shortened, so places count where both lists are as long.
const wire::Author* AuthorOfName(const std::string& key, const std::vector<std::string>& names,
                                 const wire::PaperAuthors& known) {
  const bool aligned = known.authors_size() == static_cast<int>(names.size());
  for (int i = 0; i < known.authors_size(); ++i) {
    const wire::Author& author = known.authors(i);
    if ((aligned && names[i] == key) || NameKey(author.name()) == key) return &author;
  }
  return nullptr;
}

}  // namespace

std::string NameKey(std::string_view name) {
  const std::string text = Comparable(WithoutAffiliation(name));
  std::string key;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = Plain(NextChar(text, &pos));
    if (c == 0 || (c == ' ' && (key.empty() || key.back() == ' '))) continue;
    AppendChar(c, &key);
  }
  return std::string(Trim(key));
}

AuthorRules::AuthorRules(const wire::Profile& profile) : h_index_cutoff_(profile.h_index_cutoff()) {
  auto followed = ParseAuthors(profile.authors(), "authors.txt");
  if (followed) followed_ = std::move(*followed);
  for (size_t i = 0; i < followed_.size(); ++i) {
    const FollowedAuthor& author = followed_[i];
    const std::string& id = author.id.empty() ? author.orcid : author.id;
    if (!id.empty()) by_id_.emplace(id, i);
    follows_by_id_ |= !id.empty();
    by_name_.emplace(NameKey(author.name), i);
  }
}

std::string AuthorRules::MatchById(const wire::PaperAuthors& known) const {
  for (const wire::Author& author : known.authors()) {
    for (const std::string& id : {author.id(), author.orcid()}) {
      const auto found = id.empty() ? by_id_.end() : by_id_.find(id);
      if (found == by_id_.end()) continue;
      const FollowedAuthor& followed = followed_[found->second];
      return followed.name + (followed.id.empty() ? ", ORCID " : ", Semantic Scholar ") + id;
    }
  }
  return "";
}

std::string AuthorRules::MatchByName(const wire::Paper& paper,
                                     const std::optional<wire::PaperAuthors>& known) const {
  if (by_name_.empty()) return "";
  std::vector<std::string> names;
  for (const std::string& name : paper.authors()) names.push_back(NameKey(name));
  for (const std::string& name : names) {
    const auto [begin, end] = by_name_.equal_range(name);
    for (auto it = begin; it != end; ++it) {
      const FollowedAuthor& followed = followed_[it->second];
      if (followed.id.empty() && followed.orcid.empty()) return followed.name + ", by name";
      const wire::Author* author = known ? AuthorOfName(name, names, *known) : nullptr;
      const bool says_who =
          author != nullptr && !(followed.id.empty() ? author->orcid() : author->id()).empty();
      if (!says_who) return followed.name + ", by name: Semantic Scholar does not say who it is";
    }
  }
  return "";
}

void AuthorRules::JudgeByHIndex(const wire::Paper& paper,
                                const std::optional<wire::PaperAuthors>& known,
                                Verdict* verdict) const {
  const wire::Author* best = nullptr;
  bool all = known && known->authors_size() > 0 && known->authors_size() >= paper.authors_size();
  if (known) {
    for (const wire::Author& author : known->authors()) {
      all &= author.has_h_index();
      if (!author.has_h_index() || (best != nullptr && author.h_index() <= best->h_index())) {
        continue;
      }
      best = &author;
    }
  }
  if (best != nullptr && best->h_index() >= h_index_cutoff_) return;
  if (!all) {
    verdict->unknown = true;
    return;
  }
  verdict->gated = fmt::format("the highest h-index of its authors is {} ({}), below {}",
                               best->h_index(), best->name(), h_index_cutoff_);
}

AuthorRules::Verdict AuthorRules::Judge(const wire::Paper& paper,
                                        const std::optional<wire::PaperAuthors>& known) const {
  Verdict verdict;
  if (known) verdict.match = MatchById(*known);
  if (verdict.match.empty()) verdict.match = MatchByName(paper, known);
  if (!verdict.match.empty()) return verdict;
  verdict.unknown = follows_by_id_ && !known;
  if (h_index_cutoff_ > 0) JudgeByHIndex(paper, known, &verdict);
  return verdict;
}

}  // namespace paperboy
