#include "fetcher/oai.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/text.h"
#include "fetcher/xml.h"

namespace paperboy {
namespace {

// Groups of arXiv's sets that are archives too; every other archive is of physics.
constexpr std::array<std::string_view, 7> kGroups = {"cs",    "econ",  "eess", "math",
                                                     "q-bio", "q-fin", "stat"};
// What follows a comma and still belongs to the name before it.
constexpr std::array<std::string_view, 6> kSuffixes = {"Jr", "Jr.", "Sr", "Sr.", "II", "III"};

template <class List>
bool Contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// Whether every parenthesis has its other half, in order.
bool Balanced(std::string_view text) {
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth < 0) return false;
  }
  return depth == 0;
}

std::string WithoutParentheses(std::string_view text) {
  // Where one is missing nobody can tell where the affiliation ends: lose no name.
  if (!Balanced(text)) return std::string(text);
  std::string out;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (depth == 0) out += c;
    if (c == ')') --depth;
  }
  return out;
}

// Ends at a comma, a colon or the word "and"; `*rest` is what follows.
std::string_view TakeName(std::string_view* rest) {
  constexpr std::string_view kAnd = "and ";
  for (size_t i = 0; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    const bool mark = c == ',' || (c == ':' && i + 1 < rest->size() && (*rest)[i + 1] == ' ');
    const bool word = (i == 0 || (*rest)[i - 1] == ' ') && rest->substr(i).starts_with(kAnd);
    if (!mark && !word) continue;
    const std::string_view name = rest->substr(0, i);
    rest->remove_prefix(i + (mark ? 1 : kAnd.size()));
    return name;
  }
  return std::exchange(*rest, {});
}

// "A. Elm et al.", "et al"
std::string_view WithoutEtAl(std::string_view name) {
  for (const std::string_view end : {"et al.", "et al"}) {
    if (!name.ends_with(end)) continue;
    const std::string_view before = name.substr(0, name.size() - end.size());
    if (before.empty() || before.back() == ' ') return Trim(before);
  }
  return name;
}

uint64_t NumberIn(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// A time stamp, or a bare day.
std::optional<WallTime> TimeIn(const std::string& text) {
  if (const Result<Stamp> stamp = ParseStamp(text); stamp) return stamp->at;
  if (const auto day = ParseDate(text); day) return WallTime(*day);
  return std::nullopt;
}

// What a prefix says of a paper, before it is known to be enough.
struct Metadata {
  std::string id;
  uint32_t version = 0;
  std::string title;
  std::string abstract;
  std::vector<std::string> authors;
  std::vector<std::string> categories;
  std::optional<WallTime> submitted;
  std::optional<WallTime> updated;
};

std::vector<std::string> SplitAtSpaces(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

void ReadVersions(pugi::xml_node node, Metadata* paper) {
  for (const pugi::xml_node child : node.children()) {
    if (LocalName(child.name()) != "version") continue;
    std::string_view name = child.attribute("version").value();
    if (name.starts_with('v')) name.remove_prefix(1);
    const uint64_t version = NumberIn(name);
    const std::optional<WallTime> at = TimeIn(ChildText(child, "date"));
    // Another version's time would put the paper on another page.
    if (version == 1) paper->submitted = at;
    if (version <= paper->version) continue;
    paper->version = static_cast<uint32_t>(version);
    if (at) paper->updated = at;
  }
}

// keyname, forenames and suffix, in the order in which names are said.
std::vector<std::string> StructuredAuthors(pugi::xml_node authors) {
  std::vector<std::string> names;
  for (const pugi::xml_node author : authors.children()) {
    if (LocalName(author.name()) != "author") continue;
    std::string name;
    for (const char* part : {"forenames", "keyname", "suffix"}) {
      const std::string text = CleanText(ChildText(author, part));
      if (!text.empty()) name += (name.empty() ? "" : " ") + text;
    }
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

Metadata ReadArxiv(pugi::xml_node node) {
  Metadata paper;
  paper.id = ChildText(node, "id");
  paper.title = CleanText(ChildText(node, "title"));
  paper.abstract = CleanText(ChildText(node, "abstract"));
  paper.categories = SplitAtSpaces(CleanText(ChildText(node, "categories")));
  if (LocalName(node.name()) == "arXivRaw") {
    paper.authors = SplitAuthors(ChildText(node, "authors"));
    ReadVersions(node, &paper);
  } else {
    paper.authors = StructuredAuthors(Child(node, "authors"));
    paper.submitted = TimeIn(ChildText(node, "created"));
    paper.updated = TimeIn(ChildText(node, "updated"));
  }
  return paper;
}

// Dublin Core: each element may come again; "Elm, Ada" are key name and forenames.
Metadata ReadDublinCore(pugi::xml_node node) {
  Metadata paper;
  paper.title = CleanText(ChildText(node, "title"));
  paper.abstract = CleanText(ChildText(node, "description"));
  for (const pugi::xml_node child : node.children()) {
    const std::string_view name = LocalName(child.name());
    const std::string text = CleanText(TextOf(child));
    if (name == "creator" && !text.empty()) {
      const size_t comma = text.find(", ");
      paper.authors.push_back(
          comma == text.npos ? text : text.substr(comma + 2) + " " + text.substr(0, comma));
    } else if (name == "date") {
      (paper.submitted ? paper.updated : paper.submitted) = TimeIn(text);
    }
  }
  return paper;
}

void Refuse(std::string why, Submission* entry) {
  entry->row.Clear();
  entry->row.set_refused(std::move(why));
}

void Fill(const Metadata& from, wire::Row* row) {
  row->set_version(from.version);
  wire::Paper* paper = row->mutable_paper();
  paper->set_title(from.title);
  paper->set_abstract(from.abstract);
  for (const std::string& author : from.authors) paper->add_authors(author);
  for (const std::string& category : from.categories) paper->add_categories(category);
  if (!from.categories.empty()) row->set_primary_category(from.categories.front());
  paper->set_published(FormatIsoUtc(*from.submitted));
  if (from.updated) paper->set_updated(FormatIsoUtc(*from.updated));
}

OaiPage::Record ReadRecord(pugi::xml_node node) {
  OaiPage::Record record;
  Submission& entry = record.entry;
  const pugi::xml_node header = Child(node, "header");
  record.datestamp = ChildText(header, "datestamp");
  const std::string name = ChildText(header, "identifier");
  const pugi::xml_node metadata = Child(node, "metadata").find_child([](pugi::xml_node child) {
    return child.type() == pugi::node_element;
  });
  const std::string_view prefix = LocalName(metadata.name());
  if (prefix != "arXivRaw" && prefix != "arXiv" && prefix != "dc") {
    Refuse("'" + CutChars(CleanText(name), 60) + "' has no metadata of a known kind", &entry);
    return record;
  }
  const Metadata paper = prefix == "dc" ? ReadDublinCore(metadata) : ReadArxiv(metadata);
  ArxivId id = ParseArxivId(paper.id);
  if (!id.ok()) id = ParseArxivId(name);
  if (!id.ok()) {
    Refuse("no arXiv id in '" + CutChars(CleanText(name), 60) + "'", &entry);
  } else if (paper.title.empty()) {
    Refuse(id.id + " has no title", &entry);
  } else if (!paper.submitted) {
    Refuse(id.id + " has no time of submission", &entry);
  } else {
    entry.row.set_id(id.id);
    entry.submitted = *paper.submitted;
    Fill(paper, &entry.row);
  }
  return record;
}

bool Deleted(pugi::xml_node record) {
  return std::string_view(Child(record, "header").attribute("status").value()) == "deleted";
}

// Errors come with HTTP 200.
Result<OaiPage> ReadError(pugi::xml_node error) {
  OaiPage page;
  const std::string_view code = error.attribute("code").value();
  if (code == "noRecordsMatch") return page;
  page.bad_token = code == "badResumptionToken";
  if (page.bad_token) return page;
  return Invalid("arXiv's OAI-PMH refuses the question: " + CutChars(CleanText(code), 60) + ": " +
                 CutChars(CleanText(TextOf(error)), 300));
}

OaiPage ReadList(pugi::xml_node list) {
  OaiPage page;
  for (const pugi::xml_node child : list.children()) {
    const std::string_view name = LocalName(child.name());
    if (name == "record" && Deleted(child)) {
      ++page.deleted;
    } else if (name == "record") {
      page.records.push_back(ReadRecord(child));
    } else if (name == "resumptionToken") {
      page.token = Trim(TextOf(child));
      const std::string_view size = child.attribute("completeListSize").value();
      if (!size.empty()) page.complete_size = NumberIn(size);
    }
  }
  return page;
}

}  // namespace

std::vector<std::string> SplitAuthors(std::string_view line) {
  std::vector<std::string> names;
  const std::string clean = CleanText(WithoutParentheses(CleanText(line)));
  for (std::string_view rest = clean; !rest.empty();) {
    const std::string_view name = WithoutEtAl(Trim(TakeName(&rest)));
    if (name.empty() || name == "and") continue;
    if (Contains(kSuffixes, name) && !names.empty()) {
      names.back() += " " + std::string(name);
    } else {
      names.emplace_back(name);
    }
  }
  return names;
}

std::string OaiSet(const std::string& category) {
  const size_t dot = category.find('.');
  const std::string archive = category.substr(0, dot);
  const bool is_group = Contains(kGroups, archive);
  if (dot == category.npos) return is_group ? archive : "physics:" + archive;
  return (is_group ? archive : "physics") + ":" + archive + ":" + category.substr(dot + 1);
}

Result<OaiPage> ParseOaiPage(const std::string& body) {
  pugi::xml_document document;
  if (const Status parsed = ParseXml(body, &document); !parsed) return parsed.error();
  const pugi::xml_node root = document.document_element();
  if (LocalName(root.name()) == "record") return ReadList(document);
  if (LocalName(root.name()) != "OAI-PMH") {
    return Unavailable("no answer of OAI-PMH: its outermost element is " + ShownName(root));
  }
  if (const pugi::xml_node error = Child(root, "error"); error) return ReadError(error);
  for (const char* verb : {"ListRecords", "GetRecord"}) {
    if (const pugi::xml_node list = Child(root, verb); list) return ReadList(list);
  }
  return Unavailable("an answer of OAI-PMH without records");
}

}  // namespace paperboy
