#include "common/text.h"

#include <openssl/evp.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <regex>

namespace paperboy {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kNoBreakSpace = 0xA0;
constexpr char32_t kLineSeparator = 0x2028;
constexpr char32_t kParagraphSeparator = 0x2029;

bool IsAsciiSpace(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsAsciiDigit(char32_t c) { return c >= '0' && c <= '9'; }
bool IsAsciiAlpha(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool IsUnwanted(char32_t c) {
  if (c < 0x20) return c != '\t' && c != '\n' && c != '\r';
  return (c >= 0x7F && c <= 0x9F) || c == 0xFFFE || c == 0xFFFF;
}

bool IsScalar(char32_t c) { return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF); }

// Length of the sequence that `lead` starts and the range of its second byte
// (Unicode 15, table 3-7); length 0 if it starts none.
struct Lead {
  int length;
  uint8_t low, high;
};
Lead LeadOf(uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// ---- HTML -------------------------------------------------------------------

struct Entity {
  std::string_view name;
  char32_t value;
};

// HTML 4's names for Latin-1, in the order of their code points from U+00A0.
constexpr std::array<std::string_view, 96> kLatin1Names = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

constexpr Entity kOtherEntities[] = {
    {"amp", '&'},      {"lt", '<'},       {"gt", '>'},        {"quot", '"'},     {"apos", '\''},
    {"OElig", 0x152},  {"oelig", 0x153},  {"Scaron", 0x160},  {"scaron", 0x161}, {"Yuml", 0x178},
    {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018},  {"rsquo", 0x2019}, {"ldquo", 0x201C},
    {"rdquo", 0x201D}, {"bull", 0x2022},  {"hellip", 0x2026}, {"prime", 0x2032}, {"euro", 0x20AC},
    {"trade", 0x2122}, {"rarr", 0x2192},  {"minus", 0x2212},  {"infin", 0x221E}, {"asymp", 0x2248},
    {"ne", 0x2260},    {"le", 0x2264},    {"ge", 0x2265},
};

// The longest name in the tables, or digits enough for U+10FFFF with some zeros.
constexpr size_t kMaxEntity = 10;

// The character that `text` ("amp", "#39", "#x27") names; 0 if none.
char32_t EntityValue(std::string_view text) {
  if (text.size() > 1 && text[0] == '#') {
    const bool hex = text[1] == 'x' || text[1] == 'X';
    const std::string_view digits = text.substr(hex ? 2 : 1);
    uint32_t value = 0;
    const auto end = std::from_chars(digits.begin(), digits.end(), value, hex ? 16 : 10);
    if (end.ec != std::errc() || end.ptr != digits.end() || !IsScalar(value)) return 0;
    return IsUnwanted(value) ? kReplacement : value;
  }
  for (const Entity& entity : kOtherEntities) {
    if (entity.name == text) return entity.value;
  }
  const auto* name = std::find(kLatin1Names.begin(), kLatin1Names.end(), text);
  return name == kLatin1Names.end() ? 0 : 0xA0 + static_cast<char32_t>(name - kLatin1Names.begin());
}

// The entity at text[pos] == '&': its character, with *length bytes to skip; 0 if it is none.
char32_t EntityAt(std::string_view text, size_t pos, size_t* length) {
  const size_t end = text.substr(pos, kMaxEntity + 2).find(';');
  if (end == std::string_view::npos) return 0;
  *length = end + 1;
  return EntityValue(text.substr(pos + 1, end - 1));
}

constexpr std::string_view kBlockTags[] = {
    "article", "blockquote", "body",    "br",    "center", "dd",    "div", "dl",
    "dt",      "figure",     "footer",  "h1",    "h2",     "h3",    "h4",  "h5",
    "h6",      "head",       "header",  "hr",    "html",   "li",    "ol",  "p",
    "pre",     "script",     "section", "style", "table",  "tbody", "td",  "tfoot",
    "th",      "thead",      "title",   "tr",    "ul"};
constexpr std::string_view kInlineTags[] = {
    "a",      "abbr", "b",      "big",    "cite", "code", "del",  "em", "font", "i",
    "iframe", "img",  "ins",    "kbd",    "link", "mark", "meta", "q",  "s",    "samp",
    "small",  "span", "strike", "strong", "sub",  "sup",  "tt",   "u",  "var",  "wbr"};

enum class Tag { kNone, kInline, kBlock };

bool IsAttributeNameChar(char c) {
  return IsAsciiAlpha(c) || IsAsciiDigit(c) || c == '-' || c == '_' || c == ':';
}

// The place behind one name=value at `pos`; npos if there is none.
size_t SkipAttribute(std::string_view text, size_t pos) {
  const size_t name = pos;
  while (pos < text.size() && IsAttributeNameChar(text[pos])) ++pos;
  if (pos == name || pos + 1 >= text.size() || text[pos] != '=') return std::string_view::npos;
  const char quote = text[++pos];
  if (quote == '"' || quote == '\'') {
    const size_t end = text.find(quote, pos + 1);
    return end == std::string_view::npos ? end : end + 1;
  }
  const size_t end = text.find_first_of(" \t\r\n\"'<>=`", pos);
  return end == pos ? std::string_view::npos : end;
}

// Whether one of HTML's own tags starts at text[pos] == '<', and its length.
Tag TagAt(std::string_view text, size_t pos, size_t* length) {
  const size_t start = pos++;
  const bool closing = pos < text.size() && text[pos] == '/';
  if (closing) ++pos;
  std::string name;
  while (pos < text.size() && (IsAsciiAlpha(text[pos]) || IsAsciiDigit(text[pos]))) {
    name += static_cast<char>(text[pos] | 0x20);
    ++pos;
  }
  const bool block = std::ranges::find(kBlockTags, name) != std::end(kBlockTags);
  if (!block && std::ranges::find(kInlineTags, name) == std::end(kInlineTags)) return Tag::kNone;
  while (pos < text.size()) {
    const size_t space = pos;
    while (pos < text.size() && IsAsciiSpace(text[pos])) ++pos;
    if (pos < text.size() && text[pos] == '/' && !closing) ++pos;
    if (pos < text.size() && text[pos] == '>') {
      *length = pos + 1 - start;
      return block ? Tag::kBlock : Tag::kInline;
    }
    if (closing || pos == space) return Tag::kNone;
    pos = SkipAttribute(text, pos);
    if (pos == std::string_view::npos) return Tag::kNone;
  }
  return Tag::kNone;
}

// ---- letters ----------------------------------------------------------------

char32_t FoldLatin(char32_t c) {
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c == 0x130) return 'i';
  if (c == 0x178) return 0xFF;
  const bool upper_is_odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
  if (upper_is_odd) return c + (c & 1);
  const bool upper_is_even = (c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177);
  if (upper_is_even && c != 0x131) return c | 1;
  return c;
}

char32_t FoldChar(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0xC0) return c;
  if (c < 0x180) return FoldLatin(c);
  if (c >= 0x391 && c <= 0x3AB && c != 0x3A2) return c + 32;
  if (c == 0x3C2) return 0x3C3;  // final sigma
  if (c == 0x386) return 0x3AC;
  if (c >= 0x388 && c <= 0x38A) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  return c;
}

// Blocks of punctuation, symbols and spaces beyond ASCII (Unicode's Blocks.txt).
constexpr std::pair<char32_t, char32_t> kNotLetters[] = {
    {0x80, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},
    {0xF7, 0xF7},     {0x2000, 0x206F}, {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x2E00, 0x2E7F},
    {0x3000, 0x3004}, {0x3007, 0x3030}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF01, 0xFF0F},
    {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF},
};

bool IsWordChar(char32_t c) {
  if (c < 0x80) return IsAsciiAlpha(c) || IsAsciiDigit(c);
  return std::ranges::none_of(
      kNotLetters, [c](const auto& block) { return c >= block.first && c <= block.second; });
}

}  // namespace

char32_t NextChar(std::string_view text, size_t* pos, bool* valid) {
  const auto lead = static_cast<uint8_t>(text[(*pos)++]);
  if (lead < 0x80) return lead;
  auto [length, low, high] = LeadOf(lead);
  char32_t c = length == 0 ? 0 : lead & (0x7F >> length);
  int missing = length - 1;
  for (; missing > 0 && *pos < text.size(); --missing) {
    const auto byte = static_cast<uint8_t>(text[*pos]);
    if (byte < low || byte > high) break;
    low = 0x80, high = 0xBF;
    c = (c << 6) | (byte & 0x3F);
    ++*pos;
  }
  if (missing == 0) return c;
  if (valid != nullptr) *valid = false;
  return kReplacement;
}

void AppendChar(char32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
    return;
  }
  if (c < 0x800) {
    *out += static_cast<char>(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      *out += static_cast<char>(0xE0 | (c >> 12));
    } else {
      *out += static_cast<char>(0xF0 | (c >> 18));
      *out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    }
    *out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
  }
  *out += static_cast<char>(0x80 | (c & 0x3F));
}

std::string ValidUtf8(std::string_view text, size_t* replaced) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    bool valid = true;
    const char32_t c = NextChar(text, &pos, &valid);
    const bool keep = valid && !IsUnwanted(c);
    if (!keep && replaced != nullptr) ++*replaced;
    AppendChar(keep ? c : kReplacement, &out);
  }
  return out;
}

std::string CleanText(std::string_view raw) {
  const std::string text = ValidUtf8(raw);
  std::string out;
  out.reserve(text.size());
  size_t spaces = 0;  // that stand before the next character
  bool one_space = false;
  const auto put = [&](char32_t c) {
    if (IsAsciiSpace(c) || c == kLineSeparator || c == kParagraphSeparator) {
      ++spaces;
      one_space = one_space || c != ' ';
      return;
    }
    if (!out.empty()) out.append(one_space ? 1 : spaces, ' ');
    spaces = 0, one_space = false;
    AppendChar(c, &out);
  };
  for (size_t pos = 0; pos < text.size();) {
    size_t length = 0;
    if (text[pos] == '<') {
      const Tag tag = TagAt(text, pos, &length);
      if (tag == Tag::kBlock) put('\n');
      if (tag != Tag::kNone) {
        pos += length;
        continue;
      }
    } else if (text[pos] == '&') {
      if (const char32_t c = EntityAt(text, pos, &length); c != 0) {
        put(c == kNoBreakSpace ? ' ' : c);
        pos += length;
        continue;
      }
    }
    put(NextChar(text, &pos));
  }
  return out;
}

std::string Comparable(std::string_view raw) {
  const std::string text = ValidUtf8(TexAccentsToUnicode(raw));
  constexpr auto kOptions = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &mapped, kOptions);
  if (size < 0) throw std::bad_alloc();  // what else fails for valid text
  std::string out(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
  std::free(mapped);
  return out;
}

std::string WithoutPasswords(std::string text) {
  constexpr std::string_view kScheme = "://", kHidden = "***";
  for (size_t at = text.find(kScheme); at != std::string::npos; at = text.find(kScheme, at)) {
    at += kScheme.size();
    const std::string_view url =
        std::string_view(text).substr(at, text.find_first_of(" \t\r\n", at) - at);
    // The last one: an unescaped one in the password is no end of it.
    const size_t end = url.rfind('@');
    if (end != std::string_view::npos) text.replace(at, end, kHidden);
  }
  return text;
}

std::string CutChars(std::string_view text, size_t max_chars) {
  size_t pos = 0;
  for (size_t chars = 0; chars < max_chars && pos < text.size(); ++chars) NextChar(text, &pos);
  return std::string(text.substr(0, pos));
}

std::string FoldCase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) AppendChar(FoldChar(NextChar(text, &pos)), &out);
  return out;
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = NextChar(text, &pos);
    if (IsWordChar(c)) {
      AppendChar(FoldChar(c), &word);
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

bool ContainsPhrase(const std::vector<std::string>& text_words, std::string_view phrase) {
  const std::vector<std::string> wanted = Words(phrase);
  return !wanted.empty() && std::search(text_words.begin(), text_words.end(), wanted.begin(),
                                        wanted.end()) != text_words.end();
}

std::string Counted(uint64_t n, std::string_view noun, std::string_view plural) {
  std::string text = std::to_string(n) + " ";
  if (n == 1) return text.append(noun);
  if (!plural.empty()) return text.append(plural);
  return text.append(noun).append("s");
}

std::string ShellWord(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsAsciiSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsAsciiSpace(text.back())) text.remove_suffix(1);
  return text;
}

ArxivId ParseArxivId(std::string_view text) {
  static const std::regex form(
      "(?:https?://(?:[a-z]+\\.)*arxiv\\.org/abs/|oai:ar[Xx]iv\\.org:|[Aa]r[Xx]iv:)?"
      "(\\d\\d(?:0[1-9]|1[0-2])\\.\\d{4,5}|"
      "[a-z]+(?:-[a-z]+)*(?:\\.[A-Z]{2})?/\\d\\d(?:0[1-9]|1[0-2])\\d{3})"
      "(?:v([1-9]\\d{0,3}))?",
      std::regex::optimize);
  // Longer than any id: the regular expression's recursion stays shallow.
  constexpr size_t kMaxLength = 100;
  text = Trim(text);
  std::cmatch match;
  if (text.size() > kMaxLength || !std::regex_match(text.begin(), text.end(), match, form)) {
    return {};
  }
  ArxivId id{match[1].str(), 0};
  if (match[2].matched) std::from_chars(match[2].first, match[2].second, id.version);
  return id;
}

std::string Sha256(std::string_view bytes) {
  std::string digest(EVP_MD_size(EVP_sha256()), '\0');
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

std::string HexOf(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

std::string Sha256Hex(std::string_view bytes) { return HexOf(Sha256(bytes)); }

}  // namespace paperboy
