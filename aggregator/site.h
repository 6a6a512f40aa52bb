// The archive as a web site: a folder of plain pages that links nowhere but into
// itself and to arXiv, and works from a disk as from a server.
//
//   OUT/site/index.html                    the newest day; of several profiles, a list of them
//   OUT/site/style.css
//   OUT/site/PROFILE/index.html            its newest day; before there is one, its newest month
//   OUT/site/PROFILE/YYYY-MM.html          a month: calendar, totals, cost
//   OUT/site/PROFILE/YYYY-MM-DD.html       a day, made from the recorded Markdown
//
// Every page is a pure function of what was recorded at publication (archive.h).
// The pages are not recorded themselves: a later version's look reaches old days
// too. All functions throw StorageError.
#pragma once

#include <compare>
#include <set>
#include <string>
#include <vector>

#include "aggregator/sqlite.h"

namespace paperboy {

struct SitePage {
  std::string profile;       // "": the site's own
  std::string name;          // index, 2025-05, 2025-05-19, style
  std::string Path() const;  // below OUT
  auto operator<=>(const SitePage&) const = default;
};

// All pages that the site has.
std::vector<SitePage> SitePages(Database& db);
// Those that show what was recorded of a date: the day, its neighbours, their months,
// the front pages, and the newest month of other profiles when it is behind all dates.
std::set<SitePage> SitePagesAround(Database& db, const std::string& profile,
                                   const std::string& date);
// Those that it had only while a digest was being scored that is open again, by `redo` or new
// rows: none of them may be in OUT. They are no pages of SitePages.
std::set<SitePage> FormerSitePages(Database& db);
// The bytes of one of SitePages.
std::string RenderSitePage(Database& db, const SitePage& page);

}  // namespace paperboy
