// A published page as HTML, made from the bytes of its Markdown.
#pragma once

#include <string>
#include <string_view>

namespace paperboy {

// Text as it may stand between tags and in a quoted attribute.
std::string EscapeHtml(std::string_view text);

// What stands in the <main> of a day's page. `markdown` is a page in the classic
// layout (RenderMarkdown), as it was recorded by this version or an earlier one.
// Only the words of the layout become markup. What comes from outside (titles,
// abstracts, names, comments, messages) is shown as it is, also a line that is
// none of the layout's. The prompt is the profile's own Markdown: its raw HTML is
// shown as text, its images are their captions, its dangerous links lead nowhere.
// Pure; any bytes give valid HTML.
std::string PageHtml(const std::string& markdown);

}  // namespace paperboy
