#include "fetcher/rss.h"

#include <optional>

#include "common/announce_type.h"
#include "common/eastern.h"
#include "common/text.h"
#include "fetcher/xml.h"

namespace paperboy {
namespace {

constexpr std::string_view kAbstractMark = "Abstract:";
constexpr std::string_view kTypeMark = "Announce Type:";

// Names at commas outside parentheses: "A. Author (Univ, City), B. Author".
void AddAuthors(std::string_view creators, wire::Paper* paper) {
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= creators.size(); ++i) {
    const char c = i < creators.size() ? creators[i] : ',';
    depth += c == '(' ? 1 : c == ')' && depth > 0 ? -1 : 0;
    if (c != ',' || (depth > 0 && i < creators.size())) continue;
    if (std::string name = CleanText(creators.substr(begin, i - begin)); !name.empty()) {
      paper->add_authors(std::move(name));
    }
    begin = i + 1;
  }
}

// The word after "Announce Type:" in "arXiv:2609.26811v1 Announce Type: new".
std::string TypeInText(const std::string& text) {
  const size_t mark = text.find(kTypeMark);
  if (mark == text.npos) return "";
  const size_t begin = text.find_first_not_of(" \t", mark + kTypeMark.size());
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_first_of(" \t\r\n", begin) - begin);
}

// The first of the places where an item names its paper that can be read. The
// text is asked first: links come without a version.
ArxivId IdOf(pugi::xml_node item, const std::string& text) {
  ArxivId id = ParseArxivId(std::string_view(text).substr(0, text.find_first_of(" \t\r\n")));
  for (const char* name : {"guid", "id", "link"}) {
    if (!id.ok()) id = ParseArxivId(ChildText(item, name));
  }
  if (!id.ok()) id = ParseArxivId(Child(item, "link").attribute("href").value());
  return id;
}

std::string AbstractIn(const std::string& text) {
  const size_t mark = text.rfind(kAbstractMark);
  if (mark != text.npos) return CleanText(text.substr(mark + kAbstractMark.size()));
  // Without the word, what follows the line of id and type.
  if (text.find(kTypeMark) == text.npos) return CleanText(text);
  const size_t newline = text.find('\n');
  return newline == text.npos ? "" : CleanText(text.substr(newline));
}

class FeedReader {
 public:
  FeedReader(const std::string& category, std::string date)
      : category_(category), list_(category, std::move(date)) {}

  void Read(pugi::xml_node item) {
    const std::string place = category_ + " item " + std::to_string(++items_);
    std::string text = ChildText(item, "description");
    if (text.empty()) text = ChildText(item, "summary");
    const ArxivId id = IdOf(item, text);
    if (!id.ok()) return list_.Refuse(place, "no arXiv id in its link, guid or description");
    const std::string title = CleanText(ChildText(item, "title"));
    if (title.empty()) return list_.Refuse(place, id.id + " has no title");

    wire::Row row;
    row.set_id(id.id);
    row.set_version(id.version);
    row.set_announce_type(TypeOf(item, text));
    wire::Paper* paper = row.mutable_paper();
    paper->set_title(title);
    paper->set_abstract(AbstractIn(text));
    ReadLists(item, paper);
    if (paper->categories_size() > 0) row.set_primary_category(paper->categories(0));
    list_.Add(std::move(row));
  }

  Listing Take() {
    if (items_ >= kMaxFeedItems) {
      list_.Warn(category_ + ": the feed has " + std::to_string(items_) + " items; arXiv cuts at " +
                 std::to_string(kMaxFeedItems) + ", so papers may be missing");
    }
    if (unknown_types_ > 0) {
      list_.Warn(category_ + ": " + std::to_string(unknown_types_) +
                 " items without a known announce type; they pass as any");
    }
    return list_.Take();
  }

 private:
  wire::AnnounceType TypeOf(pugi::xml_node item, const std::string& text) {
    std::string word = ChildText(item, "announce_type");
    if (word.empty()) word = TypeInText(text);
    const auto type = ParseAnnounceType(word);
    if (!type) ++unknown_types_;
    return type.value_or(wire::ANNOUNCE_TYPE_UNKNOWN);
  }

  static void ReadLists(pugi::xml_node item, wire::Paper* paper) {
    for (const pugi::xml_node child : item.children()) {
      const std::string_view name = LocalName(child.name());
      if (name == "creator") AddAuthors(TextOf(child), paper);
      if (name == "author") AddAuthors(ChildText(child, "name"), paper);
      if (name != "category") continue;
      std::string term = child.attribute("term").value();
      if (term.empty()) term = TextOf(child);
      if (term = CleanText(term); !term.empty()) paper->add_categories(std::move(term));
    }
  }

  std::string category_;
  ListingBuilder list_;
  size_t items_ = 0;
  size_t unknown_types_ = 0;
};

Result<std::string> RssDate(pugi::xml_node channel) {
  std::string text = ChildText(channel, "pubDate");
  if (text.empty()) text = ChildText(channel, "lastBuildDate");
  if (text.empty()) return Unavailable("the feed has no pubDate");
  const Result<Stamp> stamp = ParseStamp(text);
  if (!stamp) return Unavailable("the feed's pubDate is " + stamp.error().message);
  return FormatDate(stamp->day);
}

Result<std::string> AtomDate(pugi::xml_node feed) {
  const pugi::xml_node entry = Child(feed, "entry");
  std::string text = ChildText(entry, "published");
  if (text.empty()) text = ChildText(entry, "updated");
  if (text.empty()) text = ChildText(feed, "updated");
  if (text.empty()) return Unavailable("the feed has no date");
  const Result<Stamp> stamp = ParseStamp(text);
  if (!stamp) return Unavailable("the feed's date is " + stamp.error().message);
  return FormatDate(EasternDay(stamp->at));
}

Result<Listing> ReadItems(pugi::xml_node parent, std::string_view name, const std::string& category,
                          Result<std::string> date) {
  if (!date) return date.error();
  FeedReader reader(category, std::move(*date));
  for (const pugi::xml_node child : parent.children()) {
    if (LocalName(child.name()) == name) reader.Read(child);
  }
  return reader.Take();
}

}  // namespace

Result<Listing> ParseFeed(const std::string& body, const std::string& category) {
  pugi::xml_document document;
  if (const Status parsed = ParseXml(body, &document); !parsed) return parsed.error();
  const pugi::xml_node root = document.document_element();
  const std::string_view name = LocalName(root.name());
  if (name == "rss") {
    const pugi::xml_node channel = Child(root, "channel");
    return ReadItems(channel, "item", category, RssDate(channel));
  }
  if (name == "feed") return ReadItems(root, "entry", category, AtomDate(root));
  if (name == "RDF") {
    return Invalid(
        "this is the RDF feed that arXiv gave up in January 2024, without announce "
        "types; read https://rss.arxiv.org/rss");
  }
  return Unavailable("not a feed: its outermost element is " + ShownName(root));
}

}  // namespace paperboy
