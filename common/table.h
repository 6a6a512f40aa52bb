// A table of text for people. Pure; any thread.
#pragma once

#include <string>
#include <vector>

namespace paperboy {

// Columns as wide as their widest cell, two blanks between them. A heading that starts
// with '>' has its column flush right.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);

  // As many cells as there are headings.
  void Add(std::vector<std::string> cells) { lines_.push_back(std::move(cells)); }
  size_t size() const { return lines_.size() - 1; }
  std::string Text() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> lines_;
};

}  // namespace paperboy
