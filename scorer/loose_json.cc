#include "scorer/loose_json.h"

#include <string>

namespace paperboy {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Whether the backslash at `at` begins one of JSON's escapes.
bool IsEscape(std::string_view text, size_t at) {
  if (at + 1 >= text.size()) return false;
  const char c = text[at + 1];
  if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
  if (at + 6 > text.size()) return false;
  for (size_t i = at + 2; i < at + 6; ++i) {
    if (!IsHex(text[i])) return false;
  }
  return true;
}

// Whether the next thing after `at`, past white space, is a closing bracket.
bool ClosesNext(std::string_view text, size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at < text.size() && (text[at] == '}' || text[at] == ']');
}

// `text` with its slips mended; empty when it is nested too deeply.
std::string Mend(std::string_view text) {
  std::string mended;
  mended.reserve(text.size());
  bool in_string = false;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        mended += IsEscape(text, i) ? "\\" : "\\\\";
        if (IsEscape(text, i)) mended += text[++i];
      } else {
        mended += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        in_string = c != '"';
      }
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxJsonDepth) return "";
    if (c == ',' && ClosesNext(text, i + 1)) continue;
    mended += c;
  }
  return mended;
}

class Scanner {
 public:
  Scanner(std::string_view text, char open)
      : text_(text), open_(open), close_(open == '{' ? '}' : ']') {}

  std::vector<nlohmann::json> Run() {
    for (size_t i = 0; i < text_.size(); ++i) {
      if (in_string_) {
        InString(&i);
      } else {
        Outside(i);
      }
    }
    return std::move(found_);
  }

 private:
  void InString(size_t* i) {
    const char c = text_[*i];
    if (c == '\\') {
      ++*i;
    } else if (c == '"') {
      in_string_ = false;
    } else if (c == '\n' && BeginsLine(*i + 1)) {
      in_string_ = false;
      starts_.clear();
    }
  }

  void Outside(size_t i) {
    const char c = text_[i];
    if (c == '"' && !starts_.empty()) {
      in_string_ = true;  // a quotation mark in prose is just that
    } else if (c == open_) {
      if (starts_.size() == kMaxJsonDepth) starts_.erase(starts_.begin());
      starts_.push_back(i);
    } else if (c == close_ && !starts_.empty()) {
      Read(text_.substr(starts_.back(), i + 1 - starts_.back()));
      starts_.pop_back();
    }
  }

  bool BeginsLine(size_t at) const {
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    return at < text_.size() && text_[at] == open_;
  }

  void Read(std::string_view block) {
    nlohmann::json json = nlohmann::json::parse(Mend(block), nullptr, /*allow_exceptions=*/false);
    if (!json.is_discarded()) found_.push_back(std::move(json));
  }

  std::string_view text_;
  char open_;
  char close_;
  bool in_string_ = false;
  std::vector<size_t> starts_;
  std::vector<nlohmann::json> found_;
};

}  // namespace

std::vector<nlohmann::json> FindJson(std::string_view text, char open) {
  return Scanner(text, open).Run();
}

}  // namespace paperboy
