#include "fetcher/xml.h"

#include <algorithm>
#include <optional>
#include <regex>

#include "common/text.h"

namespace paperboy {
namespace {

constexpr size_t kMaxNameChars = 60;
constexpr size_t kMaxStampChars = 40;  // more is no date and time

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

// HH:MM:SS at the end of a match, from that group on.
std::optional<std::chrono::seconds> ClockOf(const std::smatch& match, size_t group) {
  const int hour = std::stoi(match[group]);
  const int minute = std::stoi(match[group + 1]);
  const int second = std::stoi(match[group + 2]);
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return std::chrono::seconds(hour * 3600 + minute * 60 + second);
}

// YYYY-MM-DD of a date as mail has it: weekday, day, month, year.
std::string DayOfMail(const std::smatch& match) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t at = kMonths.find(match[3].str());
  if (at == kMonths.npos || at % 3 != 0) return "";
  const std::string month = std::to_string(101 + at / 3).substr(1);
  const std::string day = std::to_string(100 + std::stoi(match[2])).substr(1);
  return match[4].str() + "-" + month + "-" + day;
}

bool IsWeekday(const std::string& name, date::sys_days day) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  return kDays.substr(3 * date::weekday(day).c_encoding(), 3) == name;
}

// By hand: where a time is malformed, date::parse computes with a number that it has not
// read.
std::optional<date::sys_seconds> ParseLocal(const std::string& text) {
  static const std::regex iso(R"((\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?)");
  static const std::regex mail(
      R"(([A-Z][a-z]{2}), +(\d{1,2}) +([A-Z][a-z]{2}) +(\d{4}) +(\d\d):(\d\d):(\d\d))");
  std::smatch match;
  const bool is_iso = std::regex_match(text, match, iso);
  if (!is_iso && !std::regex_match(text, match, mail)) return std::nullopt;
  const Result<date::sys_days> day = ParseDate(is_iso ? match[1].str() : DayOfMail(match));
  const std::optional<std::chrono::seconds> clock = ClockOf(match, is_iso ? 2 : 5);
  if (!day || !clock || (!is_iso && !IsWeekday(match[1], *day))) return std::nullopt;
  return *day + *clock;
}

}  // namespace

std::string_view LocalName(const char* name) {
  const std::string_view text = name;
  const size_t colon = text.find(':');
  return colon == text.npos ? text : text.substr(colon + 1);
}

std::string ShownName(pugi::xml_node node) {
  return "<" + CutChars(CleanText(node.name()), kMaxNameChars) + ">";
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
  const Error bad =
      Invalid("not a date and time: '" + CutChars(CleanText(text), kMaxStampChars) + "'");
  std::chrono::minutes offset{};
  size_t end = 0;
  if (text.size() > kMaxStampChars || !SplitOffset(text, &offset, &end)) return bad;
  const std::optional<date::sys_seconds> local =
      ParseLocal(std::string(Trim(std::string_view(text).substr(0, end))));
  if (!local) return bad;
  return Stamp{date::floor<date::days>(*local), *local - offset};
}

}  // namespace paperboy
