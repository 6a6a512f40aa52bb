#include "fetcher/listing.h"

#include <algorithm>
#include <utility>

namespace paperboy {
namespace {

constexpr size_t kIdsNamed = 5;

}  // namespace

std::string NameSome(const std::vector<std::string>& names, size_t total, size_t limit) {
  std::string text;
  const size_t named = std::min(limit, names.size());
  for (size_t i = 0; i < named; ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (total > named) text += " and " + std::to_string(total - named) + " more";
  return text;
}

ListingBuilder::ListingBuilder(std::string category, std::string date) {
  listing_.category = std::move(category);
  listing_.date = std::move(date);
}

void ListingBuilder::Add(wire::Row row) {
  const auto [it, is_new] = index_.emplace(row.id(), listing_.rows.size());
  if (!is_new) {
    wire::Row& first = listing_.rows[it->second];
    first.set_announce_type(std::min(first.announce_type(), row.announce_type()));
    if (repeated_.size() < kIdsNamed) repeated_.push_back(row.id());
    ++repeats_;
    return;
  }
  wire::Paper* paper = row.mutable_paper();
  paper->set_id(row.id());
  paper->set_version(row.version());
  paper->set_primary_category(row.primary_category());
  listing_.rows.push_back(std::move(row));
}

void ListingBuilder::Refuse(std::string place, std::string why) {
  wire::Row row;
  row.set_id(std::move(place));
  row.set_refused(std::move(why));
  listing_.rows.push_back(std::move(row));
}

Listing ListingBuilder::Take() {
  if (repeats_ > 0) {
    Warn("ids listed more than once (counted once): " + NameSome(repeated_, repeats_, kIdsNamed));
  }
  return std::move(listing_);
}

}  // namespace paperboy
