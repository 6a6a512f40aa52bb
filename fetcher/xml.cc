#include "fetcher/xml.h"

#include <algorithm>
#include <sstream>

namespace paperboy {
namespace {

// The offset at the end of `text` ("-0400", "+01:00", "Z", "GMT") and where it begins.
bool SplitOffset(const std::string& text, std::chrono::minutes* offset, size_t* begin) {
  for (const std::string_view utc : {"Z", " GMT", " UTC"}) {
    if (text.size() > utc.size() && text.compare(text.size() - utc.size(), utc.npos, utc) == 0) {
      *offset = std::chrono::minutes(0);
      *begin = text.size() - utc.size();
      return true;
    }
  }
  const size_t sign = text.find_last_of("+-");
  if (sign == text.npos) return false;
  std::string digits = text.substr(sign + 1);
  digits.erase(std::remove(digits.begin(), digits.end(), ':'), digits.end());
  if (digits.size() != 4 || digits.find_first_not_of("0123456789") != digits.npos) return false;
  const int value = std::stoi(digits);
  const std::chrono::minutes minutes(value / 100 * 60 + value % 100);
  *offset = text[sign] == '-' ? -minutes : minutes;
  *begin = sign;
  return true;
}

bool ParseLocal(const std::string& text, const char* format, date::sys_seconds* local) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  in >> date::parse(format, *local);
  return !in.fail();
}

}  // namespace

std::string_view LocalName(const char* name) {
  const std::string_view text = name;
  const size_t colon = text.find(':');
  return colon == text.npos ? text : text.substr(colon + 1);
}

pugi::xml_node Child(pugi::xml_node parent, std::string_view local_name) {
  return parent.find_child(
      [&](pugi::xml_node node) { return LocalName(node.name()) == local_name; });
}

std::string TextOf(pugi::xml_node node) {
  std::string text;
  for (const pugi::xml_node child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      text += child.value();
    }
  }
  return text;
}

std::string ChildText(pugi::xml_node parent, std::string_view local_name) {
  constexpr char kSpace[] = " \t\r\n";
  const std::string text = TextOf(Child(parent, local_name));
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Status ParseXml(const std::string& body, pugi::xml_document* document) {
  const pugi::xml_parse_result parsed = document->load_buffer(body.data(), body.size());
  if (parsed) return Ok();
  const size_t offset =
      std::min(static_cast<size_t>(std::max<ptrdiff_t>(parsed.offset, 0)), body.size());
  const auto line = 1 + std::count(body.begin(), body.begin() + offset, '\n');
  const size_t newline = offset == 0 ? body.npos : body.rfind('\n', offset - 1);
  const size_t column = offset - (newline == body.npos ? 0 : newline + 1) + 1;
  return Unavailable("not a complete XML document (line " + std::to_string(line) + ", column " +
                     std::to_string(column) + " of " + std::to_string(body.size()) +
                     " bytes): " + parsed.description());
}

Result<Stamp> ParseStamp(const std::string& text) {
  const Error bad = Invalid("not a date and time: '" + text.substr(0, 40) + "'");
  std::chrono::minutes offset{};
  size_t end = 0;
  if (!SplitOffset(text, &offset, &end)) return bad;
  date::sys_seconds local;
  if (!ParseLocal(text.substr(0, end), "%FT%T", &local) &&
      !ParseLocal(text.substr(0, end), "%a, %d %b %Y %T", &local)) {
    return bad;
  }
  return Stamp{date::floor<date::days>(local), local - offset};
}

}  // namespace paperboy
