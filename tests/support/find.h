// What a test looks for in a page.
#pragma once

#include <regex>
#include <string>
#include <vector>

namespace paperboy {

// What the pattern's first group matched, everywhere.
inline std::vector<std::string> FindAll(const std::string& text, const std::string& pattern) {
  std::vector<std::string> found;
  const std::regex regex(pattern);
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

// The first of them; "" if there is none.
inline std::string First(const std::string& text, const std::string& pattern) {
  const auto found = FindAll(text, pattern);
  return found.empty() ? "" : found[0];
}

}  // namespace paperboy
