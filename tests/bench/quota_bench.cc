// paperboy-quota-bench: how much of a provider's quota the scorers use, and how
// many calls it refuses. See --help.
#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>

#include "tests/bench/run.h"

namespace paperboy::bench {
namespace {

constexpr char kAbout[] =
    "Runs the real programs against a provider that enforces its quota, and prints how much of\n"
    "the usable quota they used over ten of its windows after the first, and how many calls it\n"
    "refused. Every row is a run of its own: a Redis, an aggregator, a fetcher that delivers one\n"
    "long digest, scorers in processes of their own, and the provider, all on this machine.\n";

constexpr char kAfter[] =
    "The usable quota is what scorer/limiter_rate.h makes of a limit L: L(W - C)/(W + J) for\n"
    "windows of W seconds, L for a bucket. \"of usable\" is the time in which the limiter's rule\n"
    "sends the measured calls when nothing is in its way, by the time that they took; \"of "
    "limit\"\n"
    "is what was used of L itself, of requests or tokens, whichever is more. \"refused\" are 429s\n"
    "of the quota over the whole run.\n"
    "\n"
    "  mode     sliding-10, sliding-60: no window of that many seconds may ever see more\n"
    "           bucket: refilled continuously, one second's quota large\n"
    "  bound    requests, tokens: that dimension binds. flipping: they take turns\n"
    "  trouble  none             99 % of the usable quota\n"
    "           kills            scorers killed and started again until 5 % of the send times\n"
    "                            are lost: 94 %\n"
    "           flushes          Redis emptied ten times: at most 4 s of quota each\n"
    "           old-redis        killed three times and started with an old file: the same,\n"
    "                            beside the time in which it was not there\n"
    "           halved           the provider halves its quota, and its headers say so: no\n"
    "                            refusal after two windows, and 90 % of what is left\n"
    "           halved-silently  the same without headers\n"
    "           pauses           a 429 with Retry-After, twice: no call meanwhile, no stampede\n"
    "  In all of them but halved* no call may be refused.\n"
    "\n"
    "Exit codes: 0 everything held, 1 something did not (the row says what), 2 a run failed.\n"
    "\n"
    "Examples:\n"
    "  paperboy-quota-bench                               requests, tokens, flipping; 6 minutes\n"
    "  paperboy-quota-bench --mode bucket --scorers 1,8,32\n"
    "  paperboy-quota-bench --trouble kills,flushes --bound requests\n"
    "  tests/bench/run --peer                             with BullMQ side by side";

const std::map<std::string, Mode> kModes = {{NameOf(Mode::kSliding10), Mode::kSliding10},
                                            {NameOf(Mode::kSliding60), Mode::kSliding60},
                                            {NameOf(Mode::kBucket), Mode::kBucket}};
const std::map<std::string, Bound> kBounds = {{NameOf(Bound::kRequests), Bound::kRequests},
                                              {NameOf(Bound::kTokens), Bound::kTokens},
                                              {NameOf(Bound::kFlipping), Bound::kFlipping}};

std::map<std::string, Trouble> Troubles() {
  std::map<std::string, Trouble> troubles;
  for (const Trouble trouble :
       {Trouble::kNone, Trouble::kKills, Trouble::kFlushes, Trouble::kOldRedis, Trouble::kHalved,
        Trouble::kHalvedSilently, Trouble::kPauses}) {
    troubles[NameOf(trouble)] = trouble;
  }
  return troubles;
}

struct Arguments {
  std::vector<Mode> modes = {Mode::kSliding10};
  std::vector<Bound> bounds = {Bound::kRequests, Bound::kTokens, Bound::kFlipping};
  std::vector<Trouble> troubles = {Trouble::kNone};
  std::vector<int> scorers = {8};
  int windows = 10;
  double bucket_window = 10;
  bool peer = false;
  bool no_bars = false;
  std::string log;

  std::vector<Case> Cases() const {
    std::vector<Case> cases;
    for (const Trouble trouble : troubles) {
      for (const Mode mode : modes) {
        for (const Bound bound : bounds) {
          for (const int processes : scorers) {
            cases.push_back({mode, bound, trouble, processes, windows, bucket_window});
          }
        }
      }
    }
    return cases;
  }
};

bool PeerRuns(const Case& run, bool peer) { return peer && run.trouble == Trouble::kNone; }

double SecondsOf(const Case& run, bool peer) {
  constexpr double kStart = 5;
  return ((run.windows + 1) * run.load().window + kStart) * (PeerRuns(run, peer) ? 2 : 1);
}

void PrintHeader() {
  std::printf(
      "| who      | mode       | bound    | trouble         | processes | windows | calls | of "
      "usable "
      "| of limit | refused | held |\n"
      "|----------|------------|----------|-----------------|----------:|--------:|------:|--------"
      "--:"
      "|---------:|--------:|------|\n");
  std::fflush(stdout);
}

void PrintRow(const char* who, const Case& run, const Verdict& verdict, const char* held) {
  fmt::print(
      "| {:8} | {:10} | {:8} | {:15} | {:9} | {:7} | {:5} | {:7.2f} % | {:6.2f} % | {:7} | {:4} "
      "|\n",
      who, NameOf(run.mode), NameOf(run.bound), NameOf(run.trouble), run.processes, run.windows,
      verdict.use.calls, verdict.use.of_usable() * 100, verdict.use.of_limit * 100, verdict.refused,
      held);
  if (!verdict.remark.empty()) fmt::print("  {}\n", verdict.remark);
  if (!verdict.failed.empty()) fmt::print("  does not hold: {}\n", verdict.failed);
  std::fflush(stdout);
}

int RunAll(const Arguments& arguments) {
  const std::string folder = PAPERBOY_SOURCE_DIR "/tests/bench/peer";
  if (arguments.peer && !std::filesystem::exists(folder + "/node_modules")) {
    std::fprintf(stderr,
                 "the peer is not installed: use tests/bench/run --peer, which does that\n");
    return 2;
  }
  const std::vector<Case> cases = arguments.Cases();
  double left = 0;
  for (const Case& run : cases) left += SecondsOf(run, arguments.peer);
  bool all_held = true;
  PrintHeader();
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& run = cases[i];
    fmt::print(stderr, "{} of {}: {}; all will take about {:.0f} more minutes\n", i + 1,
               cases.size(), run.Title(), left / 60);
    const Verdict verdict = RunPaperboy(run, arguments.log);
    const bool held = verdict.failed.empty();
    PrintRow("paperboy", run, verdict, arguments.no_bars ? "-" : held ? "yes" : "NO");
    all_held = all_held && (held || arguments.no_bars);
    if (PeerRuns(run, arguments.peer)) PrintRow("bullmq", run, RunPeer(run, folder), "-");
    left -= SecondsOf(run, arguments.peer);
  }
  return all_held ? 0 : 1;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(kAbout);
  app.footer(kAfter);
  const auto list = [&](const char* name, auto& values, const auto& names, const char* help) {
    app.add_option(name, values, help)
        ->delimiter(',')
        ->transform(CLI::CheckedTransformer(names).description(""));
  };
  list("--mode", arguments.modes, kModes, "How the quota is enforced [sliding-10]");
  list("--bound", arguments.bounds, kBounds, "What binds [requests,tokens,flipping]");
  list("--trouble", arguments.troubles, Troubles(), "What goes wrong meanwhile [none]");
  app.add_option("--scorers", arguments.scorers, "How many processes [8]")
      ->delimiter(',')
      ->check(CLI::Range(1, 256));
  app.add_option("--windows", arguments.windows, "How many windows are measured [10]")
      ->check(CLI::Range(1, 1000));
  app.add_option("--bucket-window", arguments.bucket_window,
                 "Seconds of a window where the provider has none [10]")
      ->check(CLI::Range(1.0, 3600.0));
  app.add_flag("--peer", arguments.peer,
               "The undisturbed ones by BullMQ too; tests/bench/run installs it");
  app.add_flag("--no-bars", arguments.no_bars, "Only measure; nothing has to hold");
  app.add_option("--log", arguments.log, "Append the programs' logs to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    return RunAll(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace paperboy::bench

int main(int argc, char** argv) { return paperboy::bench::Main(argc, argv); }
