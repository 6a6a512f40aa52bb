#include "common/table.h"

#include <algorithm>

namespace paperboy {
namespace {

size_t Chars(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<std::string> headings) {
  for (auto& heading : headings) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
  lines_.push_back(std::move(headings));
}

std::string Table::Text() const {
  std::vector<size_t> widths(right_.size());
  for (const auto& line : lines_) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Chars(line[i]));
  }
  std::string text;
  for (const auto& line : lines_) {
    std::string row;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - Chars(line[i]), ' ');
      row += (i == 0 ? "" : "  ") + (right_[i] ? padding + line[i] : line[i] + padding);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

}  // namespace paperboy
