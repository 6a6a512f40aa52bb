// Text from outside, a title or a comment for instance, as it stands in a page's
// Markdown: as it came, but for the marks that would make a link, an image or HTML.
// Those stand as entities, so that a reader sees the characters.
#pragma once

#include <string>
#include <string_view>

namespace paperboy {

std::string OutsideText(std::string_view text);
// The same between the brackets of a link, which the text must not end.
std::string OutsideLinkText(std::string_view text);
// What the text was, of either of them.
std::string TextFromOutside(std::string_view markdown);

}  // namespace paperboy
