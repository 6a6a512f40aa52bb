// paperboy-aggregator: parses, constructs, runs.
#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "aggregator/aggregator.h"
#include "aggregator/commands.h"
#include "aggregator/gatekeeper.h"
#include "common/log.h"
#include "common/options.h"
#include "common/redis_client.h"
#include "common/socket.h"
#include "common/start.h"
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
  SayError(message);
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

// The two links, and who watches over them, if there are keys.
struct Links {
  std::optional<ZmqRouter> fetchers, scorers;
  std::string addresses;
  std::unique_ptr<Gatekeeper> gate;
};

Status Open(const Options& options, EpollLoop& loop, zmq::context_t& context,
            prometheus::Registry& metrics, Links* links) {
  const std::string& keys = options.String("keys");
  if (!keys.empty()) {
    auto gate = Gatekeeper::Start(loop, context, keys, metrics);
    if (!gate) return gate.error();
    links->gate = std::move(*gate);
  }
  const auto bind = [&](const std::string& role, std::optional<ZmqRouter>* link) -> Status {
    const std::string& endpoint = options.String("bind-" + role + "s");
    auto socket = links->gate ? links->gate->Bind(role, endpoint) : BindRouter(context, endpoint);
    if (!socket) return socket.error();
    links->addresses += fmt::format("{}s at {}, ", role, socket->get(zmq::sockopt::last_endpoint));
    link->emplace(loop, std::move(*socket));
    return Ok();
  };
  if (const Status bound = bind("fetcher", &links->fetchers); !bound) return bound;
  if (const Status bound = bind("scorer", &links->scorers); !bound) return bound;
  if (links->gate) links->addresses += "with the keys in " + keys + ", ";
  return Ok();
}

int Serve(const Options& options) {
  // It would log a line for each frame that is no message; those are counted.
  google::protobuf::SetLogHandler(nullptr);
  auto redis_url = ReadRedisUrl(options);
  if (!redis_url) return Fail(redis_url.error().message);
  auto prices = ReadPrices(options.String("prices"));
  if (!prices) return Fail(prices.error().message);
  auto store = Store::OpenForWriting(options.String("data"));
  if (!store) return Fail(store.error().message);

  EpollLoop loop;
  loop.OnStopSignal([&](int) { loop.Stop(); });
  zmq::context_t context;
  auto metrics = std::make_shared<prometheus::Registry>();
  Links links;
  if (const Status open = Open(options, loop, context, *metrics, &links); !open) {
    return Fail(open.error().message);
  }
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

  RedisClient redis(loop, *redis_url);
  DiskFolder out(options.String("out"));
  Aggregator aggregator({.loop = loop,
                         .store = **store,
                         .out = out,
                         .redis = redis,
                         .fetchers = *links.fetchers,
                         .scorers = *links.scorers,
                         .prices = *prices,
                         .metrics = *metrics,
                         .wall_clock = [] { return std::chrono::system_clock::now(); }},
                        options.Number("max-unscored-share"));
  spdlog::info("{}pages and status at http://127.0.0.1:{}/", links.addresses, status.port());
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
  const auto count = static_cast<int>(arguments.size());
  if (const auto code = Start("aggregator", count, arguments.data(), &options)) return *code;
  return options.words().empty() ? Serve(options) : RunCommand(options);
} catch (const std::exception& e) {
  return Fail(e.what());
}

}  // namespace
}  // namespace paperboy

int main(int argc, char** argv) { return paperboy::Main(argc, argv); }
