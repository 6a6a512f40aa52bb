// What the process tests share: a system with a day of invented papers, and what
// of a page must agree between two runs.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <regex>
#include <sstream>
#include <string>

#include "tests/support/system.h"
#include "tests/support/until.h"

namespace paperboy {

inline constexpr char kDate[] = "2026-09-15";

// A page without the tokens and the cost, which tell what was really spent.
inline std::string WithoutCost(const std::string& page) {
  std::istringstream lines(page);
  std::string line, kept;
  while (std::getline(lines, line)) {
    if (!line.starts_with("|")) kept += line + "\n";
  }
  return kept;
}

// Where a running process serves its status, as its log says.
inline std::string StatusUrl(const Process& process) {
  const std::string log = process.Stderr();
  std::smatch port;
  std::regex_search(log, port, std::regex("status (?:on http port |at http://[^:]+:)(\\d+)"));
  return "http://127.0.0.1:" + port[1].str();
}

struct Day {
  System::Settings settings;
  System::Arguments FromFile(System& system) const {
    return {"--date", kDate, "--source",
            "file:" + system.WritePapers("day.jsonl", settings.papers)};
  }
};

inline Day DayOf(int papers, std::chrono::milliseconds latency = {}) {
  Day day;
  day.settings.date = kDate;
  day.settings.papers = InventArxivPapers(papers, kDate);
  day.settings.llm.latency = latency;
  return day;
}

inline void ExpectFunnelAddsUp(const nlohmann::json& digest) {
  const auto& f = digest["funnel"];
  EXPECT_EQ(f["arxiv"], f["refused"].get<int>() + f["not_wanted"].get<int>() +
                            f["seen_before"].get<int>() + f["scanned"].get<int>());
  EXPECT_EQ(f["scanned"], f["author_gated"].get<int>() + f["title_dropped"].get<int>() +
                              f["below_cutoff"].get<int>() + f["selected"].get<int>() +
                              f["unscored"].get<int>());
  EXPECT_EQ(f["arxiv"], digest["rows"].size());
}

}  // namespace paperboy
