// paperboy-aggregator: parses, constructs, runs.
#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>

#include "aggregator/aggregator.h"
#include "aggregator/commands.h"
#include "common/log.h"
#include "common/options.h"
#include "common/redis_client.h"
#include "common/socket.h"
#include "common/status_server.h"

namespace paperboy {
namespace {

constexpr char kAbout[] =
    "paperboy-aggregator keeps the ledger: it takes digests from fetchers, hands papers to\n"
    "scorers, and publishes a page a day for each profile. One runs for each data folder.";
constexpr char kAfter[] =
    "Examples:\n"
    "  paperboy-aggregator --data /var/lib/paperboy --out /srv/papers\n"
    "  paperboy-aggregator --data /var/lib/paperboy why 2504.08867\n"
    "  paperboy-aggregator --data /var/lib/paperboy papers 2025-04-15 unscored\n"
    "  paperboy-aggregator retry 2025-04-15\n"
    "\n"
    "Exit codes: 0 stopped by a signal, or the command did what it says; 1 bad usage or\n"
    "configuration, or a ledger that cannot be used; 2 verify found something that does not\n"
    "match, or the running aggregator did not answer.";

std::vector<Option> Table() {
  auto table = CommonOptions("127.0.0.1:8080");
  table.insert(
      table.end(),
      {{"bind-fetchers", OptionType::kString, "tcp://*:5555", "ENDPOINT",
        "Where fetchers connect to."},
       {"bind-scorers", OptionType::kString, "tcp://*:5556", "ENDPOINT",
        "Where scorers connect to."},
       {"data", OptionType::kString, "data", "DIR", "The ledger's folder."},
       {"out", OptionType::kString, "out", "DIR",
        "Where pages and JSON are written, below DIR/PROFILE/, and the site, DIR/site/. Everything "
        "there is derived from the ledger."},
       {"prices", OptionType::kString, "", "FILE",
        "Prices of models per million tokens (TOML); empty: the bundled table."},
       {"max-unscored-share", OptionType::kNumber, "0.2", "SHARE",
        "A digest with a larger share of unscored papers, of those meant for the model, or of "
        "unreadable entries, is withheld.",
        0, 1}});
  return table;
}

int Fail(const std::string& message) {
  std::cerr << "paperboy-aggregator: " << message << "\n";
  return 1;
}

Result<Prices> ReadPrices(const std::string& path) {
  if (path.empty()) return Prices::Bundled();
  std::ifstream file(path);
  if (!file) return Invalid("cannot read the price table " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return Prices::Parse(text.str(), path);
}

int Serve(const Options& options) {
  SetUpLogging("aggregator", options.String("log-level"), options.String("log-format"));
  // It would log a line for each frame that is no message; those are counted.
  google::protobuf::SetLogHandler(nullptr);
  auto redis_url = ParseRedisUrl(options.String("redis"));
  if (!redis_url) return Fail(redis_url.error().message);
  auto prices = ReadPrices(options.String("prices"));
  if (!prices) return Fail(prices.error().message);
  auto store = Store::OpenForWriting(options.String("data"));
  if (!store) return Fail(store.error().message);

  EpollLoop loop;
  loop.OnStopSignal([&](int) { loop.Stop(); });
  zmq::context_t context;
  auto fetchers = BindRouter(context, options.String("bind-fetchers"));
  if (!fetchers) return Fail(fetchers.error().message);
  auto scorers = BindRouter(context, options.String("bind-scorers"));
  if (!scorers) return Fail(scorers.error().message);

  auto metrics = std::make_shared<prometheus::Registry>();
  std::mutex scaling_mutex;
  std::optional<Aggregator::ScalingView> scaling;
  StatusServer status(metrics);
  std::error_code error;
  const std::string site = options.String("out") + "/site";
  std::filesystem::create_directories(site, error);
  if (error) return Fail("cannot make the folder " + site + ": " + error.message());
  status.Handle("/scaling", [&](const std::string&) {
    const std::lock_guard lock(scaling_mutex);
    if (!scaling) return HttpAnswer{503, "text/plain; charset=utf-8", "nothing is counted yet\n"};
    return HttpAnswer{
        200, "application/json",
        fmt::format("{{\"desired_scorers\": {}, \"scorers\": {}, "
                    "\"papers_waiting\": {}}}\n",
                    scaling->desired_scorers, scaling->scorers, scaling->papers_waiting)};
  });
  status.ServeFiles("/", site);
  status.ServeFiles("/", options.String("out"));
  if (auto started = status.Start(options.String("http")); !started) {
    return Fail(started.error().message);
  }
  const std::string addresses =
      fmt::format("fetchers at {}, scorers at {}, pages and status at http://127.0.0.1:{}/",
                  fetchers->get(zmq::sockopt::last_endpoint),
                  scorers->get(zmq::sockopt::last_endpoint), status.port());

  RedisClient redis(loop, *redis_url);
  ZmqRouter fetcher_link(loop, std::move(*fetchers));
  ZmqRouter scorer_link(loop, std::move(*scorers));
  DiskFolder out(options.String("out"));
  Aggregator aggregator({.loop = loop,
                         .store = **store,
                         .out = out,
                         .redis = redis,
                         .fetchers = fetcher_link,
                         .scorers = scorer_link,
                         .prices = *prices,
                         .metrics = *metrics,
                         .wall_clock = [] { return std::chrono::system_clock::now(); }},
                        options.Number("max-unscored-share"));
  spdlog::info("{}", addresses);
  loop.Every(std::chrono::seconds(1), [&] {
    status.LoopTurned();
    status.SetTrouble(aggregator.trouble());
    const std::lock_guard lock(scaling_mutex);
    scaling = aggregator.scaling();
  });
  loop.Run();
  spdlog::info("stopped");
  return 0;
}

int Main(int argc, char** argv) try {
  Options options("aggregator", kAbout, CommandsHelp() + "\n" + kAfter, Table());
  options.AllowWords("A command, see below; without one it serves.");
  const auto arguments = WithoutBefore(argc, argv);
  auto parsed = options.Parse(static_cast<int>(arguments.size()), arguments.data());
  if (!parsed) return Fail(parsed.error().message);
  if (parsed->done) {
    std::cout << parsed->output;
    return 0;
  }
  return options.words().empty() ? Serve(options) : RunCommand(options);
} catch (const std::exception& e) {
  return Fail(e.what());
}

}  // namespace
}  // namespace paperboy

int main(int argc, char** argv) { return paperboy::Main(argc, argv); }
