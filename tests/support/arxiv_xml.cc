#include "tests/support/arxiv_xml.h"

#include <set>

namespace paperboy {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Element(const std::string& name, const std::string& text) {
  return "<" + name + ">" + Escaped(text) + "</" + name + ">";
}

std::string Joined(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

std::string Versioned(const ArxivPaper& paper) {
  return paper.id + "v" + std::to_string(paper.version);
}

std::string RssItem(const ArxivPaper& paper, const std::string& date) {
  std::string text =
      "    <item>\n      " + Element("title", paper.title) + "\n      " +
      Element("link", "https://arxiv.org/abs/" + paper.id) + "\n      " +
      Element("description", "arXiv:" + Versioned(paper) + " Announce Type: " +
                                 paper.announce_type + " \nAbstract: " + paper.abstract) +
      "\n      <guid isPermaLink=\"false\">oai:arXiv.org:" + Versioned(paper) + "</guid>\n";
  for (const std::string& category : paper.categories) {
    text += "      " + Element("category", category) + "\n";
  }
  return text + "      " + Element("pubDate", date) + "\n      " +
         Element("arxiv:announce_type", paper.announce_type) + "\n      " +
         Element("dc:rights", "http://creativecommons.org/licenses/by/4.0/") + "\n      " +
         Element("dc:creator", Joined(paper.authors, ", ")) + "\n    </item>\n";
}

std::string AtomEntry(const ArxivPaper& paper) {
  const std::string link = "https://arxiv.org/abs/" + Versioned(paper);
  std::string text = "  <entry>\n    " + Element("id", "http://arxiv.org/abs/" + Versioned(paper)) +
                     "\n    " + Element("title", paper.title) + "\n    " +
                     Element("updated", IsoText(paper.updated)) + "\n    <link href=\"" + link +
                     "\" rel=\"alternate\" type=\"text/html\"/>\n    " +
                     Element("summary", paper.abstract) + "\n";
  for (const std::string& category : paper.categories) {
    text += "    <category term=\"" + Escaped(category) +
            "\" scheme=\"http://arxiv.org/schemas/atom\"/>\n";
  }
  text += "    " + Element("published", IsoText(paper.published)) + "\n";
  if (!paper.categories.empty()) {
    text += "    <arxiv:primary_category term=\"" + Escaped(paper.categories.front()) + "\"/>\n";
  }
  for (const std::string& author : paper.authors) {
    text += "    <author>\n      " + Element("name", author) + "\n    </author>\n";
  }
  return text + "  </entry>\n";
}

// "Ada B. Lovelace" as arXiv's own format has it: key name last.
std::string OaiAuthor(const std::string& name) {
  const size_t space = name.rfind(' ');
  if (space == std::string::npos) return "<author>" + Element("keyname", name) + "</author>";
  return "<author>" + Element("keyname", name.substr(space + 1)) +
         Element("forenames", name.substr(0, space)) + "</author>";
}

std::string ArxivMetadata(const ArxivPaper& paper) {
  std::string authors;
  for (const std::string& author : paper.authors) authors += OaiAuthor(author);
  std::string text =
      "<arXiv xmlns=\"http://arxiv.org/OAI/arXiv/\" "
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
      "xsi:schemaLocation=\"http://arxiv.org/OAI/arXiv/ "
      "https://oaipmh.arxiv.org/OAI/arXiv.xsd\">\n" +
      Element("id", paper.id) + "\n" + Element("created", IsoText(paper.published).substr(0, 10)) +
      "\n";
  if (paper.version > 1) text += Element("updated", IsoText(paper.updated).substr(0, 10)) + "\n";
  return text + "<authors>" + authors + "</authors>\n" + Element("title", paper.title) + "\n" +
         Element("categories", Joined(paper.categories, " ")) + "\n" +
         Element("license", "http://creativecommons.org/licenses/by/4.0/") + "\n" +
         Element("abstract", paper.abstract) + "\n</arXiv>\n";
}

std::string RawMetadata(const ArxivPaper& paper) {
  std::string text =
      "<arXivRaw xmlns=\"http://arxiv.org/OAI/arXivRaw/\" "
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
      "xsi:schemaLocation=\"http://arxiv.org/OAI/arXivRaw/ http://arxiv.org/OAI/arXivRaw.xsd\">\n" +
      Element("id", paper.id) + Element("submitter", paper.authors.empty() ? "" : paper.authors[0]);
  for (int version = 1; version <= paper.version; ++version) {
    const auto date = version == 1 ? paper.published : paper.updated;
    text += "<version version=\"v" + std::to_string(version) + "\">" +
            Element("date", MailText(date, "GMT")) + Element("size", "401kb") + "</version>";
  }
  std::string authors;
  for (size_t i = 0; i < paper.authors.size(); ++i) {
    const bool last = i + 1 == paper.authors.size();
    authors += (i == 0 ? "" : last ? " and " : ", ") + paper.authors[i];
  }
  return text + Element("title", paper.title) + Element("authors", authors) +
         Element("categories", Joined(paper.categories, " ")) +
         Element("license", "http://creativecommons.org/licenses/by/4.0/") +
         Element("abstract", "  " + paper.abstract + "\n") + "</arXivRaw>\n";
}

}  // namespace

std::string RssFeed(const std::string& categories, std::chrono::sys_days built,
                    std::chrono::sys_days announced, const ArxivPapers& papers) {
  const std::string url = "http://rss.arxiv.org/rss/" + Escaped(categories);
  std::string names = Escaped(categories);
  for (size_t at = 0; (at = names.find('+', at)) != std::string::npos;) names.replace(at, 1, ", ");
  const std::string offset = EasternOffset(built);
  const hours midnight(offset == "-0400" ? 4 : 5);
  std::string text =
      "<?xml version='1.0' encoding='UTF-8'?>\n"
      "<rss xmlns:arxiv=\"http://arxiv.org/schemas/atom\" "
      "xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:atom=\"http://www.w3.org/2005/Atom\" "
      "xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" version=\"2.0\">\n  <channel>\n"
      "    <title>" +
      names + " updates on arXiv.org</title>\n    <link>" + url +
      "</link>\n"
      "    <description>" +
      names +
      " updates on the arXiv.org e-print archive.</description>\n"
      "    <atom:link href=\"" +
      url +
      "\" rel=\"self\" type=\"application/rss+xml\"/>\n"
      "    <docs>http://www.rssboard.org/rss-specification</docs>\n"
      "    <language>en-us</language>\n    " +
      Element("lastBuildDate", MailText(built + midnight + seconds(19), "+0000")) +
      "\n    <managingEditor>rss-help@arxiv.org</managingEditor>\n    " +
      Element("pubDate", MailText(built, offset.c_str())) +
      "\n    <skipDays>\n      <day>Sunday</day>\n      <day>Saturday</day>\n    </skipDays>\n";
  for (const ArxivPaper* paper : papers) {
    text += RssItem(*paper, MailText(announced, EasternOffset(announced)));
  }
  return text + "  </channel>\n</rss>\n";
}

std::string AtomFeed(const AtomPage& page, const ArxivPapers& papers) {
  std::string text =
      "<?xml version='1.0' encoding='UTF-8'?>\n"
      "<feed xmlns:opensearch=\"http://a9.com/-/spec/opensearch/1.1/\" "
      "xmlns:arxiv=\"http://arxiv.org/schemas/atom\" xmlns=\"http://www.w3.org/2005/Atom\">\n"
      "  <id>https://arxiv.org/api/dGhlIHNpbXVsYXRlZCBhclhpdg</id>\n  " +
      Element("title", "arXiv Query: search_query=" + page.query +
                           "&id_list=&start=" + std::to_string(page.start) +
                           "&max_results=" + std::to_string(page.per_page)) +
      "\n  " + Element("updated", IsoText(page.now)) + "\n  <opensearch:itemsPerPage>" +
      std::to_string(page.per_page) + "</opensearch:itemsPerPage>\n  <opensearch:totalResults>" +
      std::to_string(page.total) + "</opensearch:totalResults>\n  <opensearch:startIndex>" +
      std::to_string(page.start) + "</opensearch:startIndex>\n";
  for (const ArxivPaper* paper : papers) text += AtomEntry(*paper);
  return text + "</feed>\n";
}

std::string AtomError(const std::string& message, std::chrono::sys_seconds now) {
  return "<?xml version='1.0' encoding='UTF-8'?>\n"
         "<feed xmlns:opensearch=\"http://a9.com/-/spec/opensearch/1.1/\" "
         "xmlns:arxiv=\"http://arxiv.org/schemas/atom\" xmlns=\"http://www.w3.org/2005/Atom\">\n"
         "  <id>https://arxiv.org/</id>\n  <title>arXiv Search Results</title>\n  " +
         Element("updated", IsoText(now)) +
         "\n  <opensearch:itemsPerPage>1</opensearch:itemsPerPage>\n"
         "  <opensearch:totalResults>1</opensearch:totalResults>\n"
         "  <opensearch:startIndex>0</opensearch:startIndex>\n  <entry>\n"
         "    <id>https://arxiv.org/api/errors</id>\n    <title>Error</title>\n    " +
         Element("updated", IsoText(now)) + "\n    " + Element("summary", message) +
         "\n    <author>\n      <name>arXiv api core</name>\n    </author>\n  </entry>\n</feed>\n";
}

std::string OaiAnswer(const std::string& request, std::chrono::sys_seconds now,
                      const std::string& body) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" \n"
         "         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n"
         "         xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/ "
         "http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">\n    " +
         Element("responseDate", IsoText(now)) + "\n    " + Element("request", request) + "\n\n" +
         body + "</OAI-PMH>\n";
}

std::string OaiError(const std::string& code, const std::string& message) {
  return "    <error code=\"" + code + "\">" + Escaped(message) + "</error>\n";
}

std::string OaiRecord(const ArxivPaper& paper, const std::string& prefix,
                      std::chrono::sys_days datestamp) {
  std::set<std::string> sets;
  for (const std::string& category : paper.categories) sets.insert(OaiSetOf(category));
  std::string text = "<record>\n<header>\n<identifier>oai:arXiv.org:" + paper.id +
                     "</identifier>\n" + Element("datestamp", DayText(datestamp)) + "\n";
  for (const std::string& set : sets) text += Element("setSpec", set) + "\n";
  return text + "</header>\n<metadata>\n" +
         (prefix == "arXivRaw" ? RawMetadata(paper) : ArxivMetadata(paper)) +
         "</metadata>\n</record>\n";
}

}  // namespace paperboy
