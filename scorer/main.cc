// paperboy-scorer: parses, constructs, runs.
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <random>
#include <zmq.hpp>

#include "common/aggregator_socket.h"
#include "common/curl_client.h"
#include "common/log.h"
#include "common/redis_client.h"
#include "common/start.h"
#include "common/status_server.h"
#include "scorer/scorer.h"
#include "scorer/settings.h"

namespace paperboy {
namespace {

constexpr int kBadConfiguration = 1;
constexpr int kStoppedTwice = 1;
// A goodbye may take that long to leave.
constexpr int kGoodbyeMs = 1'000;

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "scorer";
}

uint64_t RandomNumber() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

int Fail(const Error& error) {
  SayError(error.message);
  return kBadConfiguration;
}

std::string Limit(int64_t limit, const std::string& unit) {
  return (limit == 0 ? "unlimited" : std::to_string(limit)) + " " + unit + "/min";
}

void LogStart(const ScorerSettings& settings, const std::string& http) {
  if (settings.lexical) {
    spdlog::info("scoring by words alone, for the aggregator at {}", settings.aggregator.endpoint);
  } else {
    spdlog::info("scoring with {} at {} ({}): {}, {}, {} calls at a time; aggregator {}, Redis {}",
                 settings.model, PrintableUrl(settings.server.base_url), settings.server.backend,
                 Limit(settings.limits.rpm, "requests"), Limit(settings.limits.tpm, "tokens"),
                 settings.concurrency, settings.aggregator.endpoint, Redacted(settings.redis));
  }
  spdlog::info("status at {}", http);
}

int Run(const ScorerSettings& settings, const std::string& http_address) {
  EpollLoop loop;
  int signals = 0;
  std::function<void()> leave, quit;
  loop.OnStopSignal([&](int) { ++signals > 1 ? quit() : leave(); });

  zmq::context_t context;
  auto dealer = AggregatorSocket::Connect(loop, context, settings.aggregator);
  if (!dealer) return Fail(dealer.error());
  auto registry = std::make_shared<prometheus::Registry>();
  StatusServer status(registry);
  if (const Status started = status.Start(http_address); !started) return Fail(started.error());

  std::unique_ptr<Redis> redis;
  if (!settings.lexical) redis = std::make_unique<RedisClient>(loop, settings.redis);
  CurlClient http(loop, settings.concurrency + kDeferredRequests);
  ScorerMetrics metrics(*registry);
  (*dealer)->SetLinger(kGoodbyeMs);
  AggregatorLink link(loop, **dealer, settings.aggregator.endpoint);
  Scorer scorer({.loop = loop,
                 .link = link,
                 .redis = redis.get(),
                 .http = http,
                 .metrics = metrics,
                 .wall_clock = [] { return std::chrono::system_clock::now(); }},
                settings, RandomNumber());
  leave = [&scorer] { scorer.Leave(); };
  quit = [&scorer] { scorer.Quit("a second signal"); };
  loop.OnTurnEnd([&] {
    link.OnTurnEnd();
    status.LoopTurned();
    status.SetTrouble(scorer.trouble());
  });
  const std::string host = http_address.substr(0, http_address.rfind(':'));
  LogStart(settings, "http://" + host + ":" + std::to_string(status.port()));
  scorer.Start();
  loop.Run();
  spdlog::info("stopped after {} calls, {} papers, {}", metrics.calls(), metrics.papers(),
               metrics.TokensForPeople());
  return signals > 1 ? kStoppedTwice : 0;
}

int Main(int argc, char** argv) {
  Options options = ScorerOptions();
  if (const auto code = Start("scorer", argc, argv, &options)) return *code;
  const Result<ScorerSettings> settings = ReadScorerSettings(options, HostName());
  if (!settings) return Fail(settings.error());
  return Run(*settings, options.String("http"));
}

}  // namespace
}  // namespace paperboy

int main(int argc, char** argv) { return paperboy::Main(argc, argv); }
