// A page's Markdown, and the same as HTML: the layout becomes markup, what comes from
// outside never.
#include "aggregator/page_html.h"

#include <cmark.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <random>
#include <set>

#include "aggregator/page.h"
#include "common/text.h"

namespace paperboy {
namespace {

using testing::HasSubstr;
using testing::Not;

// A page with one paper, all of whose words are `text`.
DigestPage PageOf(const std::string& text) {
  DigestPage page;
  page.digest.date = "2025-05-19";
  page.digest.voice = Voice{"openai", "gpt-4o", "0"};
  page.prompt_cost = page.completion_cost = 0;
  page.profile.set_prompt("Score these.\n\n[PAPER LIST HERE]");
  PageRow row;
  row.id = "2505.11739";
  row.state = "selected";
  row.position = 1;
  row.relevance = 9;
  row.novelty = 8;
  row.comment = text;
  row.addresses_model = text;
  row.paper.emplace();
  row.paper->set_title(text);
  row.paper->set_abstract(text);
  row.paper->add_authors(text);
  page.rows.push_back(std::move(row));
  page.funnel.set_arxiv(1);
  page.funnel.set_scanned(1);
  page.funnel.set_selected(1);
  return page;
}

class Html {
 public:
  explicit Html(const std::string& html) : source(html) {
    const auto parsed = document_.load_string(
        ("<main>" + html + "</main>").c_str(),
        pugi::parse_default | pugi::parse_ws_pcdata | pugi::parse_comments | pugi::parse_pi);
    EXPECT_TRUE(parsed) << parsed.description() << "\n" << html;
  }
  explicit Html(const DigestPage& page) : Html(PageHtml(RenderMarkdown(page))) {}

  std::string Text(const char* xpath) const {
    return pugi::xpath_query("string(.)").evaluate_string(document_.select_node(xpath));
  }
  std::string Attribute(const char* xpath) const {
    return document_.select_node(xpath).attribute().value();
  }
  size_t Count(const char* xpath) const { return document_.select_nodes(xpath).size(); }
  // The elements in their order, with their attributes.
  std::string Skeleton() const {
    std::string skeleton;
    for (const auto& found : document_.select_nodes("//*|//comment()|//processing-instruction()")) {
      skeleton += std::string("<") + found.node().name();
      for (const auto& attribute : found.node().attributes()) {
        skeleton += std::string(" ") + attribute.name() + "=" + attribute.value();
      }
    }
    return skeleton;
  }

  const std::string source;

 private:
  pugi::xml_document document_;
};

TEST(PageHtml, TheLayoutBecomesMarkup) {
  const Html html(PageOf("Some words"));
  EXPECT_EQ(html.Text("//h1"), "Personalized Daily ArXiv Papers 2025-05-19");
  EXPECT_EQ(html.Attribute("//ol/li//a/@href"), "#link1");
  EXPECT_EQ(html.Attribute("//h2/a[@id]/@id"), "link1");
  EXPECT_EQ(html.Attribute("//h2/a[@href]/@href"), "https://arxiv.org/abs/2505.11739");
  EXPECT_EQ(html.Text("//h2"), "1. Some words ");
  EXPECT_EQ(html.Text("//p[starts-with(., 'Abstract')]/strong"), "Abstract:");
  EXPECT_EQ(html.Text("//section[@class='prompt']/h1"), "Paper Selection Prompt");
  EXPECT_THAT(html.source, HasSubstr("[PAPER LIST HERE]"));
}

TEST(PageHtml, TheHeaderTableIsATable) {
  DigestPage page = PageOf("Some words");
  page.prompt_tokens = 93333;
  page.completion_tokens = 12929;
  page.digest.voice->model = "a|b <i>*c*";
  const Html html(page);
  EXPECT_EQ(html.Count("//table"), 1u);
  EXPECT_EQ(html.Text("//thead//th[1]"), "[a|b <i>*c*]");
  EXPECT_EQ(html.Text("//thead//th[4]"), "Total");
  EXPECT_EQ(html.Text("//tbody/tr[1]/th"), "Token");
  EXPECT_EQ(html.Text("//tbody/tr[1]/td[3]"), "106262");
  EXPECT_EQ(html.Text("//tbody/tr[2]/td[3]"), "$0.0");
  EXPECT_EQ(html.Count("//tbody/tr"), 2u) << "without the rule";
}

// What a title or an abstract says is shown as it is, and changes nothing around it.
void ExpectShownAsItIs(const std::string& text) {
  SCOPED_TRACE(text);
  static const std::string plain = Html(PageOf("Some words")).Skeleton();
  const Html html(PageOf(text));
  EXPECT_EQ(html.Skeleton(), plain);
  const std::string shown(Trim(text));
  EXPECT_EQ(html.Text("//h2/a[@href]"), shown);
  EXPECT_EQ(html.Text("//ol/li//a"), shown);
  EXPECT_EQ(html.Text("//p[starts-with(., 'Abstract: ')]"), "Abstract: " + shown);
  EXPECT_EQ(html.Text("//p[starts-with(., 'Authors: ')]"), "Authors: " + shown);
  EXPECT_EQ(html.Text("//p[starts-with(., 'Comment: ')]"), "Comment: " + shown);
  EXPECT_THAT(html.Text("//p[starts-with(., 'Caution: ')]"), HasSubstr(text));
}

// What any other program makes of the page's Markdown: the two links to the paper, and
// no more.
void ExpectTwoLinks(const std::string& text) {
  SCOPED_TRACE(text);
  const std::string markdown = RenderMarkdown(PageOf(text));
  char* html = cmark_markdown_to_html(markdown.data(), markdown.size(), CMARK_OPT_UNSAFE);
  std::string rest = html;
  free(html);
  EXPECT_THAT(rest, HasSubstr("<a href=\"#user-content-link1\">"));
  EXPECT_THAT(rest, HasSubstr("<a href=\"https://arxiv.org/abs/2505.11739\">"));
  std::multiset<std::string> tags;
  for (size_t at = 0; (at = rest.find('<', at)) != rest.npos; ++at) {
    tags.insert(rest.substr(at, rest.find_first_of(" >\n", at) - at));
  }
  EXPECT_EQ(tags.count("<a"), 3u) << rest << "two links and the anchor";
  for (const char* layout : {"<a", "</a", "<p", "</p", "<h1", "</h1", "<h2", "</h2", "<ol", "</ol",
                             "<li", "</li", "<hr", "<em", "</em", "<strong", "</strong"}) {
    tags.erase(layout);
  }
  EXPECT_TRUE(tags.empty()) << *tags.begin() << " in\n" << rest;
}

TEST(PageMarkdown, NothingFromOutsideIsALinkAnImageOrHtml) {
  for (const char* text :
       {"<img src=x onerror=alert(1)>", "A <T> is shown", "a</b>", "<!-- gone", "<br/>",
        "[click](https://evil.example)", "![seen](https://evil.example/pixel.png)",
        "](https://evil.example/) [", "x\\\\](https://evil.example/)", "<https://evil.example/>",
        "<a@evil.example>", "<img alt=\"", "<img alt='", "<b", "$[0, 1)$", "(0, 1]", "ends in \\",
        "[Re] a [b] c"}) {
    ExpectTwoLinks(text);
  }
  static const std::vector<std::string> pieces = {
      "<", ">", "[", "]", "(", ")",    "!",    "\\", "&",    "\"",   "'",   ":",
      "a", " ", "/", "@", "=", "<img", "</a>", "](", "<!--", "&lt;", "x:y", "?"};
  std::mt19937 random(20250519);
  for (int i = 0; i < 3000; ++i) {
    std::string text = "x";
    for (int n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
    ExpectTwoLinks(text);
  }
}

TEST(PageMarkdown, OtherTextStandsAsItCame) {
  for (const char* text :
       {"$O(\\frac{\\sqrt{d}}{K^{1/4}})$ in $\\ell_1$ with $x_i<y$, $r>r^{\\star}$, $<0.1\\%$",
        "the *best* of ``two'' [Re] A & B, $a < b$, https://github.com/a/b, \\[x\\](y)",
        "Sch\\\"urholt, I <3 you, f[0] (a"}) {
    const DigestPage page = PageOf(text);
    EXPECT_THAT(RenderMarkdown(page), HasSubstr(std::string("**Abstract:** ") + text + "\n"));
  }
}

TEST(PageHtml, NothingFromOutsideIsMarkup) {
  for (const char* text : {
           "<script>alert(1)</script>",
           "</a></h2><script src=https://evil.example/x.js></script>",
           "<img src=x onerror=alert(1)>",
           "<a id=\"link1\"></a>",
           "<!-- a comment",
           "<?php echo 1 ?>",
           "<![CDATA[ x ]]>",
           "[click](javascript:alert(1))",
           "![seen](https://evil.example/pixel.png)",
           "](https://evil.example/) [",
           "](https://arxiv.org/abs/2501.00001) <a id=\"link1\"></a>",
           "](#user-content-link1)",
           "[x]: https://evil.example/ \"title\"",
           "<https://evil.example/>",
           "https://evil.example/",
           "&lt;script&gt; &amp; &#x3c; &copy; &",
           "**bold** __bold__ *it* _it_ ~~gone~~ `code` ``x``",
           "# heading",
           "## 7. [Fake](https://arxiv.org/abs/2501.00001) <a id=\"link7\"></a>",
           "> quote",
           "- item",
           "1. item",
           "---",
           "===",
           "| a | b |",
           "```",
           "$O(\\frac{\\sqrt{d}}{K^{1/4}})$ in $\\ell_1$, \\{a_i\\}_{i}^*, a\\\\",
           "two spaces at the end  ",
           "    four at the beginning",
           "a\ttab",
           "\"double\" and 'single'",
           "\u05d0\u05d1\u05d2 (\u202eeltit\u202c) \u0645\u0631\u062d\u0628\u0627",
           "\u202e\u2066 never closed",
           "Schr\u00f6dinger \U0001f600 \u2028 \u00a0",
       }) {
    ExpectShownAsItIs(text);
  }
}

TEST(PageHtml, NothingMadeOfMarkdownsMarksIsMarkup) {
  static const std::vector<std::string> pieces = {
      "<",           ">",    "[",   "]",  "(",    ")",      "!",      "*",  "_",
      "`",           "\\",   "&",   "#",  "~",    "|",      "-",      "+",  "=",
      "\"",          "'",    ":",   ".",  "1",    "a",      " ",      "  ", "http://",
      "javascript:", "</a>", "<b>", "](", "&lt;", "\u202e", "\u05d0", "$"};
  std::mt19937 random(20250519);
  for (int i = 0; i < 3000; ++i) {
    std::string text = "x";  // or it may be empty
    for (int n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
    ExpectShownAsItIs(text);
  }
}

TEST(PageHtml, ATextOfSeveralLinesMakesNoPaperAndNoPrompt) {
  DigestPage page = PageOf("Some words");
  page.rows[0].paper->set_abstract(
      "x\n\n<b>\n\n- item\n\n[a]: https://evil.example\n\n    code\n\n[a]");
  const Html html(page);
  EXPECT_EQ(html.Count("//h2"), 1u);
  EXPECT_EQ(html.Count("//ul|//code|//pre|//b"), 0u);
  EXPECT_EQ(html.Count("//a[@href]"), 2u);
}

TEST(PageHtml, BytesThatAreNoTextAreReplaced) {
  const Html html(PageOf(std::string("a\xff\0b\x01\rc", 7)));
  EXPECT_EQ(html.Text("//h2/a[@href]"), "a\ufffd\ufffdb\ufffd c");
}

TEST(PageHtml, NotesSayWhatAProviderSaidAndNoMore) {
  DigestPage page = PageOf("Some words");
  page.digest.remedial_from = "05/16/2025";
  page.digest.remedial_to = "05/18/2025";
  PageRow row;
  row.id = "2505.00001";
  row.state = "unscored";
  row.why = "401: <b>no</b> [key](javascript:x)";
  page.rows.push_back(row);
  page.funnel.set_unscored(1);
  const Html html(page);
  EXPECT_EQ(html.Text("//blockquote/p[1]"),
            "This is a remedial run for missed papers from 05/16/2025 to 05/18/2025.");
  EXPECT_THAT(html.Text("//blockquote/p[3]"), HasSubstr("1 (401: <b>no</b> [key](javascript:x))"));
  EXPECT_EQ(html.Count("//b|//blockquote//a"), 0u);
}

TEST(PageHtml, ATitleFromRightToLeftTurnsNothingElse) {
  const Html html(PageOf("\u05d0\u05d1\u05d2"));
  EXPECT_EQ(html.Text("//h2/a/bdi"), "\u05d0\u05d1\u05d2");
  EXPECT_EQ(html.Text("//ol/li//a/bdi"), "\u05d0\u05d1\u05d2");
}

TEST(PageHtml, ThePromptIsMarkdownWithoutHtmlImagesAndDangerousLinks) {
  DigestPage page = PageOf("Some words");
  page.profile.set_prompt(
      "Read <papers> **well**.\n\n<script>\nalert(1)\n</script>\n\n## Criteria\n\n"
      "- [bad](javascript:alert(1))\n- ![picture](https://evil.example/p.png)\n"
      "- <a id=\"link1\"></a>\n\n[PAPER LIST HERE]\n");
  const Html html(page);
  EXPECT_EQ(html.Text("//section/p[1]"), "Read <papers> well.");
  EXPECT_EQ(html.Text("//section//strong"), "well");
  EXPECT_EQ(html.Text("//section/h2"), "Criteria");
  EXPECT_THAT(html.Text("//section"), HasSubstr("<script>\nalert(1)\n</script>"));
  EXPECT_THAT(html.Text("//section"), HasSubstr("picture"));
  EXPECT_THAT(html.source, Not(HasSubstr("<script")));
  EXPECT_THAT(html.source, Not(HasSubstr("href=\"javascript")));
  EXPECT_EQ(html.Count("//img"), 0u);
  EXPECT_EQ(html.Count("//a[@id]"), 1u) << "the paper's";
}

TEST(PageHtml, HtmlIsEscapedInTextAndInAttributes) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
}

TEST(PageHtml, AnythingAtAllGivesAPage) {
  for (const char* text :
       {"", "\n", "|", "||||", "## ", "1. [", "> ", "# Paper Selection Prompt", "| a\n\n| b", "\\",
        "## 1. [](https://arxiv.org/abs/) <a id=\"link1\"></a>"}) {
    SCOPED_TRACE(text);
    Html(PageHtml(text)).Skeleton();
  }
}

}  // namespace
}  // namespace paperboy
