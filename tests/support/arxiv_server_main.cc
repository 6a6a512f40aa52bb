// paperboy-test-arxiv-server: the simulated arXiv, by hand.
#include <CLI/CLI.hpp>

#include "tests/support/arxiv_server.h"
#include "tests/support/serve_until_signal.h"

int main(int argc, char** argv) {
  using paperboy::ArxivServer;

  ArxivServer::Options options;
  std::vector<std::string> papers;
  int64_t retry_after = options.retry_after.count(), stall = options.stall.count();
  CLI::App app{
      "A simulated arXiv: /rss/CATEGORY, /api/query, /oai. Prints \"listening PORT\"; ends "
      "on SIGTERM or SIGINT.\nGET /account/requests; POST /account/faults, /account/date."};
  app.add_option("--port", options.port, "port on 127.0.0.1; 0: any");
  app.add_option("--papers", papers,
                 "JSON lines as for --source file:, plus \"announced\": the page date (--date if "
                 "missing); may be repeated")
      ->required();
  app.add_option("--date", options.date, "page date of the feeds, YYYY-MM-DD")->required();
  app.add_option("--oai-page", options.oai_page, "records a page")->check(CLI::PositiveNumber);
  app.add_option(
      "--fault", options.faults,
      "KIND[@TEXT][=PROBABILITY|#COUNT],...; the kinds are in tests/support/arxiv_server.h");
  app.add_option("--retry-after", retry_after, "seconds, in answers 429 and 503");
  app.add_option("--stall", stall, "seconds before the 429 of a stall");
  app.add_option("--seed", options.seed, "of the faults");
  CLI11_PARSE(app, argc, argv);
  options.retry_after = std::chrono::seconds(retry_after);
  options.stall = std::chrono::seconds(stall);

  return paperboy::ServeUntilSignal<ArxivServer>("paperboy-test-arxiv-server", [&] {
    for (const std::string& path : papers) {
      for (auto& paper : paperboy::ReadArxivPapers(path, options.date)) {
        options.papers.push_back(std::move(paper));
      }
    }
    return std::make_unique<ArxivServer>(std::move(options));
  });
}
