// What the pages of the site have in common. Pure.
#pragma once

#include <string>

#include "aggregator/archive.h"

namespace paperboy {

// Where a page stands: the ways from it to its profile's folder and to the site's.
struct Place {
  std::string folder, root;  // "" or a path that ends in a slash
};

// A whole page; `navigation` and `main` are HTML, the title is text.
std::string SiteDocument(const std::string& title, const Place& place,
                         const std::string& navigation, const std::string& main);

struct SiteLink {
  std::string to;    // as HTML has it
  std::string text;  // HTML
  std::string rel = {};
};
std::string LinkHtml(const SiteLink& link);
// The links between dots; `label` is for who does not see them.
std::string NavigationHtml(const std::string& label, const std::vector<SiteLink>& links);

// A state as the style sheet names it.
std::string StateClass(const std::string& state);
// "failed: the reason", for a sentence about a date.
std::string StateHtml(const DayRecord& day);

// What stands in the <main> of a month's page.
std::string MonthHtml(Database& db, const std::string& profile, const std::string& month);

}  // namespace paperboy
