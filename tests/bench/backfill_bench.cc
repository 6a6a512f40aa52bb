// paperboy-backfill-bench: what holds a backfill up. The real programs rebuild a range of
// days from a simulated arXiv that answers at once, with a model that answers at once;
// the table says where the fetcher's time went.
#include <CLI/CLI.hpp>

#include "common/calendar.h"
#include "tests/support/mailings.h"
#include "tests/support/system.h"

namespace paperboy {
namespace {

struct Arguments {
  int days = 30;
  int papers = 800;
  double interval = 3;
  int scorers = 2;
};

// "arXiv's pace 12.3 s" in the fetcher's line "time: ..." as seconds; below 0: it is not
// there.
double SecondsOf(const std::string& line, const std::string& stage) {
  const size_t at = line.find(stage + " ");
  return at == line.npos ? -1 : std::atof(line.c_str() + at + stage.size() + 1);
}

int Run(const Arguments& arguments) {
  const date::sys_days first = *ParseDate("2025-05-01");
  const date::sys_days last = first + date::days(arguments.days - 1);
  System::Settings settings;
  settings.papers = Mailings{.papers = arguments.papers, .one_held_in = 50}.Between(
      first - date::days(24), last + date::days(5));
  System system(std::move(settings));
  system.StartAggregator();
  system.StartScorers(arguments.scorers, "openai");
  const std::string profile = system.WriteProfile("bench");  // cs.LG and cs.AI
  const auto begin = std::chrono::steady_clock::now();
  const System::Run run =
      system.RunFetcher({"--profile", profile, "--from", FormatDate(first), "--to",
                         FormatDate(last), "--arxiv-interval", std::to_string(arguments.interval),
                         "--progress", "plain", "--deadline", "1h"},
                        std::chrono::hours(1));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const size_t at = run.err.find("time: ");
  if (run.exit.code != 0 || at == run.err.npos) {
    std::fprintf(stderr, "%s%s", run.out.c_str(), run.err.c_str());
    return 1;
  }
  const std::string line = run.err.substr(at, run.err.find('\n', at) - at);
  const size_t requests = system.arxiv().account().requests.size();
  std::printf("%d days of %d papers, an interval of %.1f s, %zu requests to arXiv\n\n",
              arguments.days, arguments.papers, arguments.interval, requests);
  std::printf("| stage | seconds | share |\n|---|---:|---:|\n");
  double sum = 0, arxiv = 0;
  for (const char* stage :
       {"arXiv's pace", "its answers", "delivery", "scoring and publishing after the last list"}) {
    const double seconds = SecondsOf(line, stage);
    if (seconds < 0) return 1;
    sum += seconds;
    if (std::string(stage) == "arXiv's pace" || std::string(stage) == "its answers")
      arxiv += seconds;
    std::printf("| %s | %.1f | %.1f %% |\n", stage, seconds, 100 * seconds / took.count());
  }
  std::printf("| all | %.1f | |\n\n", took.count());
  std::printf("arXiv's pace alone, an interval for each request: %.1f s, %.1f %% of it all\n",
              static_cast<double>(requests) * arguments.interval,
              100 * static_cast<double>(requests) * arguments.interval / took.count());
  // Bound by arXiv: more of the time went there than everywhere else together.
  return arxiv > took.count() / 2 ? 0 : 1;
}

}  // namespace
}  // namespace paperboy

int main(int argc, char** argv) {
  paperboy::Arguments arguments;
  CLI::App app{
      "What holds a backfill up: rebuilds days from a simulated arXiv with a model that answers at "
      "once.\nPrints a table of the time; exit code 1 when less than half of it was arXiv's."};
  app.add_option("--days", arguments.days, "dates, from 2025-05-01 on")->check(CLI::Range(1, 200));
  app.add_option("--papers", arguments.papers, "submitted for each page")
      ->check(CLI::Range(1, 5000));
  app.add_option("--interval", arguments.interval, "seconds between requests to arXiv")
      ->check(CLI::Range(0.001, 3600.0));
  app.add_option("--scorers", arguments.scorers)->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);
  return paperboy::Run(arguments);
}
