// What the looks at arXiv tell of one date's lists, each category for itself: its list
// is in, or it is late, looks empty, or could not be read, and why. One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "fetcher/listing.h"

namespace paperboy {

// So many looks find nothing before it is believed that there is nothing.
inline constexpr int kEmptyLooks = 3;

class DayLists {
 public:
  // A category that was looked at and whose list is not in.
  struct Lack {
    enum Kind { kLate, kEmpty, kFailed } kind = kLate;
    std::string why;
    bool refused = false;  // kFailed: asking again does not help
    // What several looks tell together.
    int empty_looks = 0;
    std::optional<size_t> found;  // rows of a rebuilt list when it was last looked for
  };

  const Listings& in() const { return in_; }
  // Whether a list that is in has a paper: that arXiv has announced.
  bool AnyRows() const;
  const std::map<std::string, Lack>& lacking() const { return lacking_; }

  // Those of `categories` that are not in. What could not be read comes last: it may
  // take all the time that there is.
  std::vector<std::string> Wanted(const std::set<std::string>& categories) const;

  // What one look told of a category that is not in. Late, EmptyFeed and Failed are for
  // now only.
  void In(Listing list);
  void Late(const std::string& category, std::string why);
  void Failed(const std::string& category, const Error& error);
  // A feed that says today and has no paper, while other categories have some: it may be
  // filled later, so it is never taken as in for that alone.
  void EmptyFeed(const std::string& category);
  // The same of a list of which nobody else is asked: in at the last of several looks.
  void Empty(Listing list);
  // Whether the category's list looked empty, and so often that it may be.
  bool MayBeEmpty(const std::string& category) const;
  // Rebuilt, and other categories have papers or this one is sparse. A list that `may_grow`
  // is in when two looks in a row found as many rows, one without rows when several looks
  // found none or, of a sparse category, at once.
  void Found(Listing list, bool may_grow);

  // Rebuilt, and nothing was found.
  void FoundNothing(const std::string& category) { lacking_[category].found.reset(); }

  // Whether the last look at each of `categories` failed.
  bool AllFailed(const std::set<std::string>& categories) const;
  // Whether another look than at empty lists is due.
  bool AnyLate() const;
  // What lacks, for people; empty: nothing.
  std::string Why() const;

 private:
  Lack& Set(const std::string& category, Lack::Kind kind, std::string why);

  Listings in_;
  std::map<std::string, Lack> lacking_;
};

}  // namespace paperboy
