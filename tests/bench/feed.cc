#include "tests/bench/feed.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <stdexcept>

namespace paperboy::bench {
namespace {

constexpr size_t kPapersPerDate = 1'500;
constexpr int kFirstYear = 2020;
constexpr std::chrono::minutes kDelivery{2};

// One in each month, because a paper's id begins with its month.
std::string DateOf(size_t place) {
  return fmt::format("{}-{:02}-16", kFirstYear + static_cast<int>(place / 12), place % 12 + 1);
}

void Deliver(System& system, const std::string& profile, const std::string& date,
             const std::vector<ArxivPaper>& papers) {
  const auto fetcher = system.StartFetcher({"--profile", profile, "--date", date, "--source",
                                            "file:" + system.WritePapers(date + ".jsonl", papers),
                                            "--deadline", "1h"});
  // It says so once the list is sealed; the aggregator goes on without it.
  if (!fetcher->WaitForOutput("no scorer is connected", kDelivery)) {
    throw std::runtime_error("the papers of " + date + " were not delivered: " + fetcher->Stdout() +
                             fetcher->Stderr());
  }
  fetcher->Kill(SIGTERM);
  fetcher->Wait(kDelivery);
}

}  // namespace

std::vector<ArxivPaper> InventPapers(size_t count) {
  std::vector<ArxivPaper> papers;
  for (size_t place = 0; papers.size() < count; ++place) {
    const size_t some = std::min(kPapersPerDate, count - papers.size());
    for (auto& paper : InventArxivPapers(static_cast<int>(some), DateOf(place))) {
      papers.push_back(std::move(paper));
    }
  }
  return papers;
}

void Feed(System& system, const std::string& toml, const std::string& prompt,
          const std::vector<ArxivPaper>& papers) {
  const std::string profile = system.WriteProfile(kProfile, toml);
  if (!prompt.empty()) std::ofstream(profile + "/prompt.md") << prompt;
  for (auto first = papers.begin(); first != papers.end();) {
    const auto last = std::find_if(first, papers.end(), [&](const ArxivPaper& paper) {
      return paper.announced != first->announced;
    });
    Deliver(system, profile, first->announced, {first, last});
    first = last;
  }
}

}  // namespace paperboy::bench
