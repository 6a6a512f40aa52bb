// What a source says that arXiv announced in one category, as it goes to the
// ledger. Pure; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proto/paperboy.pb.h"

namespace paperboy {

// The category of a list that is not by category (file:).
inline constexpr char kAnyCategory[] = "*";

// Sources, as the ledger and the pages name them.
inline constexpr char kRssSource[] = "rss";
inline constexpr char kApiSource[] = "api";
inline constexpr char kOaiSource[] = "oai";
inline constexpr char kFileSource[] = "file";

// One category's list: every id once. An entry that could not be read is a row
// whose id names its place and whose `refused` says why.
struct Listing {
  std::string category;
  std::string date;    // the announcement date that the source itself names, or ""
  std::string source;  // empty: that of the digest that it is delivered for
  std::vector<wire::Row> rows;
  std::vector<std::string> warnings;
  bool sparse = false;  // rebuilt, of a category that has so few papers that none is no surprise
};

// By category.
using Listings = std::map<std::string, Listing>;

// Collects rows; of an id that comes again, the first of new, cross, replace,
// replace-cross wins and the first entry's text stays.
class ListingBuilder {
 public:
  ListingBuilder(std::string category, std::string date);

  // `row.paper` is filled in but for what the row itself says (id, version,
  // primary category), which is copied into it.
  void Add(wire::Row row);
  // An entry that could not be read: `place` is unique ("line 17").
  void Refuse(std::string place, std::string why);
  void Warn(std::string text) { listing_.warnings.push_back(std::move(text)); }
  size_t size() const { return listing_.rows.size(); }

  // Adds a warning about repeated ids, if there were any. Once.
  Listing Take();

 private:
  Listing listing_;
  std::unordered_map<std::string, size_t> index_;
  std::vector<std::string> repeated_;  // the first few
  size_t repeats_ = 0;
};

// "a, b, c and 4 more": at most `limit` of them are named.
std::string NameSome(const std::vector<std::string>& names, size_t total, size_t limit);

}  // namespace paperboy
