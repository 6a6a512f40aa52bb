#include "aggregator/outside_text.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

namespace paperboy {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kLettersAndDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

constexpr std::array<std::pair<char, std::string_view>, 5> kEntities = {
    {{'&', "&amp;"}, {'<', "&lt;"}, {'[', "&#91;"}, {'\\', "&#92;"}, {']', "&#93;"}}};

bool IsLetter(char c) { return kLetters.find(c) != kLetters.npos; }

std::string_view After(std::string_view text, std::string_view chars) {
  return text.substr(std::min(text.find_first_not_of(chars), text.size()));
}

// Of text that begins with `&`.
bool BeginsEntity(std::string_view text) {
  text.remove_prefix(1);
  const bool number = text.starts_with('#');
  if (number) text.remove_prefix(1);
  const std::string_view rest = After(text, kLettersAndDigits);
  return rest.size() < text.size() && rest.starts_with(';');
}

// Of text that begins with `<`: whether it could begin a tag, a comment or an address
// that becomes a link. "$a<b$" does not.
bool BeginsMarkup(std::string_view text) {
  text.remove_prefix(1);
  if (text.starts_with('!') || text.starts_with('?')) return true;
  const size_t end = text.find_first_of(" \t\r\n>");
  if (end != text.npos && text[end] == '>' && text.substr(0, end).find_first_of(":@") < end) {
    return true;
  }
  if (text.starts_with('/')) text.remove_prefix(1);
  if (text.empty() || !IsLetter(text[0])) return false;
  text = After(text, std::string(kLettersAndDigits) + "-");
  const std::string_view attribute = After(text, " \t\r\n");
  if (attribute.empty() || attribute[0] == '>' || attribute.starts_with("/>")) return true;
  return attribute.size() < text.size() &&
         (IsLetter(attribute[0]) || attribute[0] == '_' || attribute[0] == ':');
}

// Where the brackets are that have no partner, or that begin or end a link.
std::set<size_t> LooseBrackets(std::string_view text) {
  std::set<size_t> loose;
  std::vector<size_t> open;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '[') {
      open.push_back(i);
    } else if (text[i] == ']') {
      const bool link = text.substr(i + 1).starts_with('(');
      if (link || open.empty()) loose.insert(i);
      if (open.empty()) continue;
      if (link) loose.insert(open.back());
      open.pop_back();
    }
  }
  loose.insert(open.begin(), open.end());
  return loose;
}

std::string Escaped(std::string_view text, bool in_link) {
  const std::set<size_t> loose = in_link ? LooseBrackets(text) : std::set<size_t>();
  std::string markdown;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const bool escapes = rest[0] == '\\' && rest.size() > 1;  // the next character is harmless
    if (escapes) {
      markdown += rest.substr(0, 2);
      ++i;
      continue;
    }
    const bool means_something = (rest[0] == '&' && BeginsEntity(rest)) ||
                                 (rest[0] == '<' && BeginsMarkup(rest)) || rest.starts_with("](") ||
                                 (rest[0] == '\\' && in_link) || loose.contains(i);
    const auto* entity = std::find_if(kEntities.begin(), kEntities.end(),
                                      [&](const auto& e) { return e.first == rest[0]; });
    if (means_something) {
      markdown += entity->second;
    } else {
      markdown += rest[0];
    }
  }
  return markdown;
}

}  // namespace

std::string OutsideText(std::string_view text) { return Escaped(text, false); }

std::string OutsideLinkText(std::string_view text) { return Escaped(text, true); }

std::string TextFromOutside(std::string_view markdown) {
  std::string text;
  for (size_t i = 0; i < markdown.size();) {
    const std::string_view rest = markdown.substr(i);
    const auto* entity = std::find_if(kEntities.begin(), kEntities.end(),
                                      [&](const auto& e) { return rest.starts_with(e.second); });
    if (entity != kEntities.end()) {
      text += entity->first;
      i += entity->second.size();
      continue;
    }
    const size_t taken = rest[0] == '\\' && rest.size() > 1 ? 2 : 1;
    text += rest.substr(0, taken);
    i += taken;
  }
  return text;
}

}  // namespace paperboy
