#include "aggregator/page_html.h"

#include <cmark.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "aggregator/outside_text.h"
#include "common/text.h"

namespace paperboy {
namespace {

constexpr std::string_view kTitle = "# Personalized Daily ArXiv Papers ";
constexpr std::string_view kContents = "**Table of contents with paper titles:**";
constexpr std::string_view kPrompt = "# Paper Selection Prompt";
constexpr std::array<std::string_view, 7> kLabels = {
    "**ArXiv ID:** ", "**Authors:** ",   "**Abstract:** ", "**Comment:** ",
    "**Caution:** ",  "**Relevance:** ", "**Novelty:** "};

// Markdown that shows what came from outside as it is: a backslash before every ASCII
// punctuation mark takes away what it could mean, and nothing else in a line means anything.
std::string Literal(std::string_view outside) {
  constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  std::string markdown;
  for (const char c : TextFromOutside(Trim(outside))) {
    if (kPunctuation.find(c) != kPunctuation.npos) markdown += '\\';
    markdown += c == '\r' ? ' ' : c;  // alone it would end the line
  }
  return markdown;
}

// Takes `prefix` and a whole number off the line.
std::optional<std::string> TakeNumber(std::string_view prefix, std::string_view* line) {
  if (!line->starts_with(prefix)) return std::nullopt;
  const size_t end = line->find_first_not_of("0123456789", prefix.size());
  if (end == prefix.size() || end == line->npos) return std::nullopt;
  const std::string number(line->substr(prefix.size(), end - prefix.size()));
  line->remove_prefix(end);
  return number;
}

// Takes both ends off the line, if it has them.
bool TakeEnds(std::string_view first, std::string_view last, std::string_view* line) {
  if (line->size() < first.size() + last.size()) return false;
  if (!line->starts_with(first) || !line->ends_with(last)) return false;
  *line = line->substr(first.size(), line->size() - first.size() - last.size());
  return true;
}

// "3. [TITLE](#user-content-link3)", of the table of contents.
std::optional<std::string> ContentsLine(std::string_view line) {
  const auto n = TakeNumber("", &line);
  if (!n || !TakeEnds(". [", "](#user-content-link" + *n + ")", &line)) return std::nullopt;
  return *n + ". [" + Literal(line) + "](#link" + *n + ")";
}

// "## 3. [TITLE](https://arxiv.org/abs/ID) <a id="link3"></a>"
std::optional<std::string> HeadingLine(std::string_view line) {
  constexpr std::string_view kUrl = "](https://arxiv.org/abs/";
  constexpr std::string_view kIdChars =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-/";
  const auto n = TakeNumber("## ", &line);
  const std::string anchor = n ? " <a id=\"link" + *n + "\"></a>" : "";
  if (!n || !TakeEnds(". [", ")" + anchor, &line)) return std::nullopt;
  const size_t url = line.rfind(kUrl);
  if (url == line.npos) return std::nullopt;
  if (line.find_first_not_of(kIdChars, url + kUrl.size()) != line.npos) return std::nullopt;
  return "## " + *n + ". [" + Literal(line.substr(0, url)) + std::string(line.substr(url)) + ")" +
         anchor;
}

// The line with what comes from outside made literal.
std::string Defused(const std::string& line) {
  if (line == "---" || line == kContents) return line;
  if (line.starts_with("> ")) return "> " + Literal(line.substr(2));
  if (line.starts_with(kTitle)) return std::string(kTitle) + Literal(line.substr(kTitle.size()));
  for (const auto label : kLabels) {
    if (line.starts_with(label)) return std::string(label) + Literal(line.substr(label.size()));
  }
  if (const auto contents = ContentsLine(line)) return *contents;
  if (const auto heading = HeadingLine(line)) return *heading;
  return Literal(line);
}

// ---- cmark ------------------------------------------------------------------

struct FreeNode {
  void operator()(cmark_node* node) const { cmark_node_free(node); }
};
using Document = std::unique_ptr<cmark_node, FreeNode>;

std::vector<cmark_node*> NodesOf(cmark_node* document, cmark_node_type type) {
  std::vector<cmark_node*> nodes;
  cmark_iter* it = cmark_iter_new(document);
  for (cmark_event_type event; (event = cmark_iter_next(it)) != CMARK_EVENT_DONE;) {
    cmark_node* node = cmark_iter_get_node(it);
    if (event == CMARK_EVENT_ENTER && cmark_node_get_type(node) == type) nodes.push_back(node);
  }
  cmark_iter_free(it);
  return nodes;
}

cmark_node* NewText(const char* literal) {
  cmark_node* text = cmark_node_new(CMARK_NODE_TEXT);
  cmark_node_set_literal(text, literal);
  return text;
}

// Written out as it is, in safe mode too: for this file's own markup alone.
cmark_node* NewMarkup(const char* before, const char* after) {
  cmark_node* markup = cmark_node_new(CMARK_NODE_CUSTOM_INLINE);
  cmark_node_set_on_enter(markup, before);
  cmark_node_set_on_exit(markup, after);
  return markup;
}

void MoveChildren(cmark_node* from, cmark_node* to) {
  while (cmark_node* child = cmark_node_first_child(from)) cmark_node_append_child(to, child);
}

// Safe mode would drop raw HTML, and with it words of a prompt.
void ShowRawHtml(cmark_node* document) {
  for (cmark_node* html : NodesOf(document, CMARK_NODE_HTML_INLINE)) {
    cmark_node_replace(html, NewText(cmark_node_get_literal(html)));
    cmark_node_free(html);
  }
  for (cmark_node* html : NodesOf(document, CMARK_NODE_HTML_BLOCK)) {
    cmark_node* paragraph = cmark_node_new(CMARK_NODE_PARAGRAPH);
    cmark_node_append_child(paragraph, NewText(cmark_node_get_literal(html)));
    cmark_node_replace(html, paragraph);
    cmark_node_free(html);
  }
}

// An image would be a request to somebody else's server.
void DropImages(cmark_node* document) {
  for (cmark_node* image : NodesOf(document, CMARK_NODE_IMAGE)) {
    cmark_node* caption = NewMarkup("", "");
    MoveChildren(image, caption);
    cmark_node_replace(image, caption);
    cmark_node_free(image);
  }
}

// The layout's anchors become markup: in what was defused no other raw HTML is left.
void KeepAnchors(cmark_node* document) {
  for (cmark_node* html : NodesOf(document, CMARK_NODE_HTML_INLINE)) {
    const std::string tag = cmark_node_get_literal(html);
    if (!tag.starts_with("<a id=\"link") && tag != "</a>") continue;
    cmark_node_replace(html, NewMarkup(tag.c_str(), ""));
    cmark_node_free(html);
  }
}

// A title may be written from right to left: the words around it are not.
void IsolateTitles(cmark_node* document) {
  for (cmark_node* link : NodesOf(document, CMARK_NODE_LINK)) {
    cmark_node* isolated = NewMarkup("<bdi>", "</bdi>");
    MoveChildren(link, isolated);
    cmark_node_append_child(link, isolated);
  }
}

Document Parsed(const std::string& markdown) {
  return Document(cmark_parse_document(markdown.data(), markdown.size(), CMARK_OPT_DEFAULT));
}

std::string Rendered(cmark_node* document, int options) {
  ShowRawHtml(document);
  DropImages(document);
  const std::unique_ptr<char, decltype(&std::free)> html(cmark_render_html(document, options),
                                                         &std::free);
  return html.get();
}

std::string LayoutHtml(const std::string& defused) {
  const Document document = Parsed(defused);
  KeepAnchors(document.get());
  IsolateTitles(document.get());
  return Rendered(document.get(), CMARK_OPT_HARDBREAKS);
}

std::string PromptHtml(const std::string& markdown) {
  return Rendered(Parsed(markdown).get(), CMARK_OPT_DEFAULT);
}

// ---- the header table, which CommonMark does not know -------------------------

// A cell without its emphasis: "**Token**" → "Token", "*[gpt-4o]*" → "[gpt-4o]".
std::string CellText(std::string_view cell) {
  cell = Trim(cell);
  for (const std::string_view mark : {"**", "*"}) {
    if (cell.size() > 2 * mark.size() && cell.starts_with(mark) && cell.ends_with(mark)) {
      cell = cell.substr(mark.size(), cell.size() - 2 * mark.size());
      break;
    }
  }
  return EscapeHtml(cell);
}

// "| a | b | c | d |" as a row. The last three cells are figures, the first may hold
// anything.
std::string TableRow(std::string_view line, bool head) {
  line = Trim(line).substr(1);
  if (line.ends_with('|')) line.remove_suffix(1);
  std::string cells;
  for (int i = 0; i < 3; ++i) {
    const size_t bar = line.rfind('|');
    if (bar == line.npos) break;
    const std::string text = CellText(line.substr(bar + 1));
    cells = (head ? "<th scope=\"col\">" + text + "</th>" : "<td>" + text + "</td>") + cells;
    line = line.substr(0, bar);
  }
  const char* scope = head ? "col" : "row";
  return "<tr><th scope=\"" + std::string(scope) + "\">" + CellText(line) + "</th>" + cells +
         "</tr>\n";
}

std::string TableHtml(const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string html =
      "<table class=\"figures\">\n<thead>\n" + TableRow(lines[0], true) + "</thead>\n<tbody>\n";
  for (size_t i = 1; i < lines.size(); ++i) {
    if (!lines[i].starts_with("|:")) html += TableRow(lines[i], false);
  }
  return html + "</tbody>\n</table>\n";
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string PageHtml(const std::string& markdown) {
  std::istringstream lines(ValidUtf8(markdown));
  std::string before, after;  // the table
  std::vector<std::string> table;
  bool in_head = true;
  for (std::string line; std::getline(lines, line);) {
    if (line == kPrompt) break;
    if (in_head && line.starts_with('|')) {
      table.push_back(line);
      continue;
    }
    in_head = in_head && table.empty();
    (table.empty() ? before : after) += Defused(line) + "\n";
  }
  std::string prompt;
  for (std::string line; std::getline(lines, line);) prompt += line + "\n";
  std::string html = LayoutHtml(before) + TableHtml(table) + LayoutHtml(after);
  if (!prompt.empty()) {
    html += "<section class=\"prompt\">\n" + PromptHtml(std::string(kPrompt) + "\n" + prompt) +
            "</section>\n";
  }
  return html;
}

}  // namespace paperboy
