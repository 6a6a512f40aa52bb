// paperboy-test-llm-server: the simulated model provider, by hand.
#include <CLI/CLI.hpp>

#include "tests/support/llm_server.h"
#include "tests/support/serve_until_signal.h"

int main(int argc, char** argv) {
  using paperboy::LlmServer;
  using paperboy::Quota;

  LlmServer::Options options;
  int latency_ms = 0;
  double window_seconds = 60;
  std::string mode = "bucket", charge = "actual", scores;
  CLI::App app{
      "A simulated OpenAI-compatible model provider. Prints \"listening PORT\"; ends on "
      "SIGTERM or SIGINT.\nGET /account/stats, /account/scored, /account/sent; POST "
      "/account/faults, /account/reset."};
  app.add_option("--port", options.port, "port on 127.0.0.1; 0: any");
  app.add_option("--key", options.keys, "accepted key; may be repeated; none: every key");
  app.add_option("--model", options.models, "known model; may be repeated; none: every model");
  app.add_option("--rpm", options.quota.requests_per_minute, "requests a minute; 0: no limit");
  app.add_option("--tpm", options.quota.tokens_per_minute, "tokens a minute; 0: no limit");
  app.add_option("--window", window_seconds, "seconds over which the quota is enforced")
      ->check(CLI::PositiveNumber);
  app.add_option("--mode", mode, "how it is enforced")->check(CLI::IsMember({"bucket", "sliding"}));
  app.add_option("--charge", charge, "tokens charged: of the answer, or max_tokens")
      ->check(CLI::IsMember({"actual", "maximum"}));
  app.add_option("--latency", latency_ms, "median time of an answer, milliseconds");
  app.add_option("--jitter", options.jitter, "sigma of the log-normal latency");
  app.add_option(
      "--capacity", options.capacity,
      "calls in flight beyond which it gets slow, and answers 503 at twice as many; 0: any");
  app.add_option(
      "--fault", options.faults,
      "KIND[@TEXT][=PROBABILITY|#COUNT],...; the kinds are in tests/support/llm_server.h");
  app.add_option("--seed", options.seed, "of faults and latencies");
  app.add_option("--scores", scores, "JSON lines: id, relevance, novelty, comment");
  app.add_option("--headers", options.headers, "1: send x-ratelimit-*");
  app.add_option("--cache", options.cache, "1: report cached prefixes");
  CLI11_PARSE(app, argc, argv);
  options.latency = std::chrono::milliseconds(latency_ms);
  options.quota.window = Quota::Seconds(window_seconds);
  options.quota.mode = mode == "sliding" ? Quota::Mode::kSliding : Quota::Mode::kBucket;
  options.charge = charge == "maximum" ? LlmServer::Charge::kMaximum : LlmServer::Charge::kActual;

  return paperboy::ServeUntilSignal<LlmServer>("paperboy-test-llm-server", [&] {
    if (!scores.empty()) options.scores = paperboy::LlmScores::FromFile(scores);
    return std::make_unique<LlmServer>(std::move(options));
  });
}
