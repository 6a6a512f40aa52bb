// Reading arXiv's XML. Names are matched without their namespace prefix: which
// prefix stands for what differs between arXiv's feeds and generations.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "common/eastern.h"
#include "common/result.h"

namespace paperboy {

// The part of a name after the colon.
std::string_view LocalName(const char* name);
// A node's name for people, who see what came in a feed's place.
std::string ShownName(pugi::xml_node node);

// The first child of that local name; an empty node if there is none.
pugi::xml_node Child(pugi::xml_node parent, std::string_view local_name);

// All text and CDATA directly in a node.
std::string TextOf(pugi::xml_node node);

// The text of the first child of that local name, ends trimmed; "" if there is
// no such child.
std::string ChildText(pugi::xml_node parent, std::string_view local_name);

// kUnavailable with line and column when `body` is not a complete XML document:
// the answer was cut off, or came from something in between.
Status ParseXml(const std::string& body, pugi::xml_document* document);

// The calendar date and the instant that a feed's time stamp names, as
// "Thu, 24 Sep 2026 00:00:00 -0400" or "2025-08-20T00:00:00-04:00" (or Z, with
// or without fractions). The date is that of the stamp's own offset. kInvalid
// for anything else.
struct Stamp {
  date::sys_days day;
  WallTime at;
};
Result<Stamp> ParseStamp(const std::string& text);

}  // namespace paperboy
