// arXiv's daily feed of one category, RSS 2.0 or its Atom flavour, both of
// rss.arxiv.org. Pure; any thread.
#pragma once

#include <string>

#include "common/result.h"
#include "fetcher/listing.h"

namespace paperboy {

// arXiv cuts a feed here without saying so (its RSS help page).
inline constexpr size_t kMaxFeedItems = 2'000;

// The list's date is the feed's own: the date of the channel's pubDate in its
// own offset, for Atom that of its entries' `published` in Eastern time (of
// `updated` when it has none). An item that cannot be read is refused as
// "cs.LG item 17". A weekend's feed is an empty list.
//
// kUnavailable: cut off, or something else in the feed's place (not XML, not a
// feed, without a date). kInvalid: the RDF format that arXiv gave up in January
// 2024.
Result<Listing> ParseFeed(const std::string& body, const std::string& category);

}  // namespace paperboy
