// Whose papers a profile always shows, and whom its h-index gate keeps out, by the
// names that arXiv gives and by what Semantic Scholar knows of them. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/profile.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// As the page and the JSON show a followed author's paper (reference system's figure):
// as one with both scores 10.
inline constexpr int kAuthorMatchScore = 20;
inline constexpr char kAuthorMatchComment[] = "Author match";

// A name as it is compared. Equal are: TeX accents and Unicode (Sch\"urholt, Schürholt),
// composed and decomposed accents, capitals and small letters (ß and ss), any spaces and
// periods ("J. K. Doe", "J.K. Doe"), typographic and plain hyphens and apostrophes, with
// and without an affiliation in parentheses at the end. Not equal are: initials and the
// names they stand for ("J. Doe", "Jane Doe"; "JK Doe", "J. K. Doe"), other orders
// ("Doe Jane"), letters with and without accent ("Muller", "Mueller", "Müller").
std::string NameKey(std::string_view name);

class AuthorRules {
 public:
  // An authors.txt that ParseAuthors refuses follows nobody.
  explicit AuthorRules(const wire::Profile& profile);

  // Whether the profile follows anybody by a Semantic Scholar id or an ORCID.
  bool follows_by_id() const { return follows_by_id_; }
  // Whether what Semantic Scholar knows can make a difference.
  bool need_look_ups() const { return h_index_cutoff_ > 0 || follows_by_id_; }

  struct Verdict {
    std::string match;  // the followed author, and how known, or ""
    std::string gated;  // why the gate keeps it out, or ""
    // Semantic Scholar could have said something else, had it known the authors (all).
    bool unknown = false;
  };
  // `known`: what Semantic Scholar says, or nothing if it was not asked or says nothing.
  // An author followed by id or ORCID is told by that where it has one for the author of
  // that name, else by the name: an outage hides nobody's paper.
  Verdict Judge(const wire::Paper& paper, const std::optional<wire::PaperAuthors>& known) const;

 private:
  std::string MatchById(const wire::PaperAuthors& known) const;
  std::string MatchByName(const wire::Paper& paper,
                          const std::optional<wire::PaperAuthors>& known) const;
  void JudgeByHIndex(const wire::Paper& paper, const std::optional<wire::PaperAuthors>& known,
                     Verdict* verdict) const;

  const uint32_t h_index_cutoff_;
  bool follows_by_id_ = false;
  std::vector<FollowedAuthor> followed_;
  std::unordered_map<std::string, size_t> by_id_;  // Semantic Scholar's ids and ORCIDs
  std::unordered_multimap<std::string, size_t> by_name_;
};

}  // namespace paperboy
