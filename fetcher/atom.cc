#include "fetcher/atom.h"

#include <charconv>

#include "common/text.h"
#include "fetcher/xml.h"

namespace paperboy {
namespace {

void Refuse(std::string why, Submission* entry) {
  entry->row.Clear();
  entry->row.set_refused(std::move(why));
}

void ReadLists(pugi::xml_node node, wire::Paper* paper) {
  for (const pugi::xml_node child : node.children()) {
    const std::string_view name = LocalName(child.name());
    if (name == "author") {
      if (std::string author = CleanText(ChildText(child, "name")); !author.empty()) {
        paper->add_authors(std::move(author));
      }
    } else if (name == "category") {
      if (std::string term = CleanText(child.attribute("term").value()); !term.empty()) {
        paper->add_categories(std::move(term));
      }
    }
  }
}

std::string PrimaryCategory(pugi::xml_node node, const wire::Paper& paper) {
  const std::string term = CleanText(Child(node, "primary_category").attribute("term").value());
  if (!term.empty()) return term;
  return paper.categories_size() > 0 ? paper.categories(0) : "";
}

Submission ReadEntry(pugi::xml_node node) {
  Submission entry;
  const std::string id_text = ChildText(node, "id");
  const ArxivId id = ParseArxivId(id_text);
  if (!id.ok()) {
    Refuse("not an arXiv id: '" + CutChars(CleanText(id_text), 60) + "'", &entry);
    return entry;
  }
  const Result<Stamp> published = ParseStamp(ChildText(node, "published"));
  if (!published) {
    Refuse(id.id + " has no time of submission", &entry);
    return entry;
  }
  const std::string title = CleanText(ChildText(node, "title"));
  if (title.empty()) {
    Refuse(id.id + " has no title", &entry);
    return entry;
  }
  entry.submitted = published->at;
  entry.row.set_id(id.id);
  entry.row.set_version(id.version);
  wire::Paper* paper = entry.row.mutable_paper();
  paper->set_title(title);
  paper->set_abstract(CleanText(ChildText(node, "summary")));
  ReadLists(node, paper);
  entry.row.set_primary_category(PrimaryCategory(node, *paper));
  paper->set_published(FormatIsoUtc(published->at));
  if (const Result<Stamp> updated = ParseStamp(ChildText(node, "updated")); updated) {
    paper->set_updated(FormatIsoUtc(updated->at));
  }
  return entry;
}

}  // namespace

Result<ApiPage> ParseApiPage(const std::string& body) {
  pugi::xml_document document;
  if (const Status parsed = ParseXml(body, &document); !parsed) return parsed.error();
  const pugi::xml_node feed = document.document_element();
  if (LocalName(feed.name()) != "feed") {
    return Unavailable("no answer of the arXiv API: its outermost element is " + ShownName(feed));
  }
  const pugi::xml_node first = Child(feed, "entry");
  if (ChildText(first, "title") == "Error" &&
      ChildText(first, "id").find("/api/errors") != std::string::npos) {
    return Invalid("the arXiv API refuses the query: " +
                   CutChars(CleanText(ChildText(first, "summary")), 300));
  }
  ApiPage page;
  const std::string total = ChildText(feed, "totalResults");
  const auto read = std::from_chars(total.data(), total.data() + total.size(), page.total);
  if (read.ec != std::errc() || read.ptr != total.data() + total.size()) {
    return Unavailable("no answer of the arXiv API: it lacks opensearch:totalResults");
  }
  for (const pugi::xml_node node : feed.children()) {
    if (LocalName(node.name()) == "entry") page.entries.push_back(ReadEntry(node));
  }
  return page;
}

}  // namespace paperboy
