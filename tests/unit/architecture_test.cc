// Every row of ARCHITECTURE.md's table of crashes names tests that there are.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/read_file.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;

// The names in TEST(..., NAME), and the simulation, which is a program of its own.
std::set<std::string> TestNames() {
  std::set<std::string> names = {"Simulation"};
  const std::regex test(R"(TEST(_F|_P)?\(\w+,\s*(\w+)\))");
  for (const auto& entry : fs::recursive_directory_iterator(PAPERBOY_SOURCE_DIR "/tests")) {
    if (entry.path().extension() != ".cc") continue;
    const std::string text = ReadFile(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), test), end; it != end; ++it) {
      names.insert((*it)[2]);
    }
  }
  return names;
}

std::vector<std::string> RowsOfTheCrashTable() {
  std::istringstream lines(ReadFile(PAPERBOY_SOURCE_DIR "/ARCHITECTURE.md"));
  std::vector<std::string> rows;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) inside = line == "## What survives what";
    if (inside && line.starts_with("| ") && !line.starts_with("| who ")) rows.push_back(line);
  }
  return rows;
}

TEST(Architecture, EveryRowOfTheCrashTableNamesTestsThatThereAre) {
  const auto names = TestNames();
  const auto rows = RowsOfTheCrashTable();
  EXPECT_GE(rows.size(), 30u);
  const std::regex quoted("`(\\w+)`");
  for (const std::string& row : rows) {
    const std::string last = row.substr(row.rfind('|', row.size() - 2));
    std::sregex_iterator it(last.begin(), last.end(), quoted), end;
    EXPECT_NE(it, end) << "no test in: " << row;
    for (; it != end; ++it) {
      EXPECT_TRUE(names.contains((*it)[1])) << "there is no test " << (*it)[1] << ": " << row;
    }
  }
}

}  // namespace
}  // namespace paperboy
