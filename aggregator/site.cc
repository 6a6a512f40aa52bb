#include "aggregator/site.h"

#include <algorithm>
#include <optional>

#include "aggregator/page_html.h"
#include "aggregator/site_html.h"
#include "common/text.h"
#include "embedded/kSiteCss.h"

namespace paperboy {
namespace {

constexpr char kTitle[] = "Personalized Daily ArXiv Papers";
const Place kInProfile{"", "../"};

std::string MonthOf(const std::string& date) { return date.substr(0, 7); }

std::optional<std::string> Newest(Database& db, const std::string& profile, Recorded what) {
  return DateBefore(db, profile, what, kEnd);
}

// ---- days -------------------------------------------------------------------

std::string DayNavigation(Database& db, const std::string& profile, const std::string& date,
                          const Place& place) {
  std::vector<SiteLink> links;
  const auto add_day = [&](const std::optional<std::string>& day, const char* what,
                           const char* rel) {
    if (day) links.push_back({place.folder + *day + ".html", what + (" " + *day), rel});
  };
  add_day(DateBefore(db, profile, Recorded::kPage, date), "Previous Day", "prev");
  const std::string month = MonthOf(date);
  links.push_back({place.folder + month + ".html", "Monthly Overview " + month});
  add_day(DateAfter(db, profile, Recorded::kPage, date), "Next Day", "next");
  return NavigationHtml("Days", links);
}

std::string DayPage(Database& db, const std::string& profile, const std::string& date,
                    const Place& place, const std::string& above = "") {
  const auto markdown = RecordedFile(db, PathBelowOut(profile, "md", date, "output.md"));
  return SiteDocument(kTitle + (" " + date) + " (" + profile + ")", place,
                      DayNavigation(db, profile, date, place),
                      above + PageHtml(markdown.value_or("")));
}

// A word about the newest date when its page is not out: nobody shall take an older
// one for it.
std::string NewsHtml(Database& db, const std::string& profile, const Place& place) {
  const auto newest = Newest(db, profile, Recorded::kAnything);
  const auto day = newest ? FindDayRecord(db, profile, *newest) : std::nullopt;
  if (!day || day->status.state == "published") return "";
  return "<p class=\"news\">" + LinkHtml({place.folder + MonthOf(*newest) + ".html", *newest}) +
         ": " + StateHtml(*day) + "</p>\n";
}

// ---- months -----------------------------------------------------------------

std::string MonthPage(Database& db, const std::string& profile, const std::string& month) {
  const auto before = DateBefore(db, profile, Recorded::kAnything, month + "-00");
  const auto after = DateAfter(db, profile, Recorded::kAnything, month + "-99");
  std::vector<SiteLink> links;
  if (before) {
    links.push_back({MonthOf(*before) + ".html", "Previous Month " + MonthOf(*before), "prev"});
  }
  links.push_back({"index.html", "Newest Day"});
  links.push_back({"../index.html", "Front Page"});
  if (after) links.push_back({MonthOf(*after) + ".html", "Next Month " + MonthOf(*after), "next"});
  return SiteDocument(kTitle + (" " + month) + " (" + profile + ")", kInProfile,
                      NavigationHtml("Months", links), MonthHtml(db, profile, month));
}

// A date behind all others makes days missing, of other profiles too: on the page of
// their newest month, and where their index is such a page.
std::set<SitePage> NewestMonths(Database& db, const std::string& date) {
  std::set<SitePage> pages;
  for (const auto& profile : RecordedProfiles(db)) {
    if (DateAfter(db, profile, Recorded::kAnything, date)) return {};
    if (const auto newest = Newest(db, profile, Recorded::kAnything)) {
      pages.insert({profile, MonthOf(*newest)});
      pages.insert({profile, "index"});
    }
  }
  return pages;
}

// ---- front pages ------------------------------------------------------------

std::string ProfilePage(Database& db, const std::string& profile) {
  if (const auto newest = Newest(db, profile, Recorded::kPage)) {
    return DayPage(db, profile, *newest, kInProfile, NewsHtml(db, profile, kInProfile));
  }
  return MonthPage(db, profile, MonthOf(Newest(db, profile, Recorded::kAnything).value_or("")));
}

std::string ProfileRow(Database& db, const std::string& profile) {
  const Place place{profile + "/", ""};
  std::string html = "<li>" + LinkHtml({place.folder + "index.html", EscapeHtml(profile)});
  if (const auto newest = Newest(db, profile, Recorded::kPage)) {
    const auto day = FindDayRecord(db, profile, *newest);
    html += ": " + LinkHtml({place.folder + *newest + ".html", *newest});
    if (day) html += ", " + Counted(static_cast<uint64_t>(day->papers), "paper");
  }
  return html + "\n" + NewsHtml(db, profile, place) + "</li>\n";
}

std::string FrontPage(Database& db) {
  const auto profiles = RecordedProfiles(db);
  if (profiles.size() == 1) {
    const Place place{profiles[0] + "/", ""};
    if (const auto newest = Newest(db, profiles[0], Recorded::kPage)) {
      return DayPage(db, profiles[0], *newest, place, NewsHtml(db, profiles[0], place));
    }
  }
  std::string list;
  for (const auto& profile : profiles) list += ProfileRow(db, profile);
  return SiteDocument(
      kTitle, {"", ""}, "",
      "<h1>" + std::string(kTitle) + "</h1>\n" +
          (list.empty() ? "<p>Nothing is published yet.</p>\n" : "<ul>\n" + list + "</ul>\n"));
}

}  // namespace

// ---- what the pages have in common ------------------------------------------

std::string SiteDocument(const std::string& title, const Place& place,
                         const std::string& navigation, const std::string& main) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         EscapeHtml(title) + "</title>\n<link rel=\"stylesheet\" href=\"" + place.root +
         "style.css\">\n</head>\n<body>\n" + navigation + "<main>\n" + main +
         "</main>\n</body>\n</html>\n";
}

std::string LinkHtml(const SiteLink& link) {
  const std::string rel = link.rel.empty() ? "" : " rel=\"" + link.rel + "\"";
  return "<a" + rel + " href=\"" + link.to + "\">" + link.text + "</a>";
}

std::string NavigationHtml(const std::string& label, const std::vector<SiteLink>& links) {
  std::string html;
  for (const auto& link : links) html += (html.empty() ? "" : " ·\n") + LinkHtml(link);
  return "<nav aria-label=\"" + label + "\">\n" + html + "\n</nav>\n";
}

std::string StateClass(const std::string& state) {
  return state == kBeingScored ? "being-scored" : state;
}

std::string StateHtml(const DayRecord& day) {
  std::string html = "<span class=\"" + StateClass(day.state) + "\">" + day.state + "</span>";
  if (!day.why.empty()) html += ": <bdi>" + EscapeHtml(ValidUtf8(day.why)) + "</bdi>";
  return html;
}

// ---- which pages there are --------------------------------------------------

std::string SitePage::Path() const {
  return "site/" + (profile.empty() ? "" : profile + "/") + name +
         (name == "style" ? ".css" : ".html");
}

std::vector<SitePage> SitePages(Database& db) {
  std::set<SitePage> pages = {{"", "index"}, {"", "style"}};
  for (const auto& profile : RecordedProfiles(db)) {
    pages.insert({profile, "index"});
    for (const auto& date : RecordedDates(db, profile, Recorded::kPage)) {
      pages.insert({profile, date});
    }
    for (const auto& date : RecordedDates(db, profile, Recorded::kAnything)) {
      pages.insert({profile, MonthOf(date)});
    }
  }
  return {pages.begin(), pages.end()};
}

std::set<SitePage> SitePagesAround(Database& db, const std::string& profile,
                                   const std::string& date) {
  std::set<SitePage> pages = {{"", "index"}, {profile, "index"}, {profile, MonthOf(date)}};
  if (RecordedFile(db, PathBelowOut(profile, "md", date, "output.md"))) {
    pages.insert({profile, date});
  }
  for (const auto find : {DateBefore, DateAfter}) {
    if (const auto day = find(db, profile, Recorded::kPage, date)) pages.insert({profile, *day});
    // Their months too: which dates are missing, and which month is next to which,
    // depends on the first and the last that there are.
    if (const auto day = find(db, profile, Recorded::kAnything, date)) {
      pages.insert({profile, MonthOf(*day)});
    }
  }
  pages.merge(NewestMonths(db, date));
  return pages;
}

std::set<SitePage> FormerSitePages(Database& db) {
  std::set<SitePage> pages;
  auto cursor = db.Query("SELECT profile, date FROM digest WHERE state = 'open'");
  while (cursor.Next()) {
    const std::string profile = cursor.Text(0), month = MonthOf(cursor.Text(1));
    const auto date = DateAfter(db, profile, Recorded::kAnything, month + "-00");
    if (!date || MonthOf(*date) != month) pages.insert({profile, month});
    if (!Newest(db, profile, Recorded::kAnything)) pages.insert({profile, "index"});
  }
  return pages;
}

std::string RenderSitePage(Database& db, const SitePage& page) {
  if (page.name == "style") return std::string(embedded::kSiteCss);
  if (page.profile.empty()) return FrontPage(db);
  if (page.name == "index") return ProfilePage(db, page.profile);
  return page.name.size() == 7 ? MonthPage(db, page.profile, page.name)
                               : DayPage(db, page.profile, page.name, kInProfile);
}

}  // namespace paperboy
