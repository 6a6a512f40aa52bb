#include "aggregator/commands.h"

#include <charconv>
#include <chrono>
#include <functional>
#include <iostream>
#include <thread>

#include "aggregator/backup.h"
#include "aggregator/inspect.h"
#include "aggregator/make_keys.h"
#include "aggregator/operator_link.h"
#include "aggregator/store.h"
#include "aggregator/verify.h"
#include "aggregator/why.h"
#include "common/eastern.h"
#include "common/log.h"
#include "common/text.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

using Arguments = std::vector<std::string>;

constexpr int kOk = 0, kUsage = 1, kFound = 2;

// Progress is shown at most that often.
constexpr std::chrono::seconds kProgress{2};
// How long files that differ are given to be written by the running aggregator.
constexpr std::chrono::seconds kSettle{3};

struct Command {
  const char* name;
  const char* arguments;
  size_t least, most;  // number of arguments
  const char* help;
  std::function<int(const Options&, const Arguments&)> run;
};

int Fail(const Error& error) {
  SayError(error.message);
  return error.kind == ErrorKind::kUnavailable ? kFound : kUsage;
}

int Print(const Result<std::string>& text) {
  if (!text) return Fail(text.error());
  std::cout << *text;
  return kOk;
}

int WithLedger(const Options& options, const std::function<int(Database&)>& read) {
  auto store = Store::OpenForReading(options.String("data"));
  if (!store) return Fail(store.error());
  return read((*store)->db());
}

int RunStatus(const Options& options, const Arguments& words) {
  int limit = kStatusDigests;
  if (!words.empty()) {
    const char* end = words[0].data() + words[0].size();
    const auto parsed = std::from_chars(words[0].data(), end, limit);
    if (parsed.ec != std::errc() || parsed.ptr != end || limit < 1) {
      return Fail(Invalid("status takes a number of digests, as in: status 50"));
    }
  }
  return WithLedger(options, [&](Database& db) {
    return Print(StatusText(db, options.String("data") + "/ledger.db", limit));
  });
}

int RunPapers(const Options& options, const Arguments& words) {
  return WithLedger(options, [&](Database& db) {
    return Print(PapersText(db, words[0], words.size() > 1 ? words[1] : ""));
  });
}

int RunWhy(const Options& options, const Arguments& words) {
  return WithLedger(options, [&](Database& db) { return Print(Why(db, words[0])); });
}

int RunVerify(const Options& options, const Arguments&) {
  auto shown = std::chrono::steady_clock::now();
  const VerifyHooks hooks{.progress =
                              [&](const std::string& what, size_t done, size_t total) {
                                const auto now = std::chrono::steady_clock::now();
                                if (now - shown < kProgress) return;
                                shown = now;
                                std::cerr << fmt::format("{}: {} of {}\n", what, done, total);
                              },
                          .settle = [] { std::this_thread::sleep_for(kSettle); }};
  return WithLedger(options, [&](Database& db) {
    const auto report = Verify(db, options.String("out"), hooks);
    for (const auto& line : report.said) std::cout << "note: " << line << "\n";
    for (const auto& line : report.problems) std::cout << "problem: " << line << "\n";
    std::cout << fmt::format("{} rendered anew, {} compared: {}\n",
                             Counted(report.digests, "digest"), Counted(report.files, "file"),
                             report.problems.empty() ? "everything matches"
                                                     : Counted(report.problems.size(), "problem"));
    return report.problems.empty() ? kOk : kFound;
  });
}

int RunBackup(const Options& options, const Arguments& words) {
  return WithLedger(options, [&](Database& db) {
    auto bytes = BackUpLedger(db, words[0]);
    if (!bytes) return Fail(bytes.error());
    std::cout << fmt::format("{}: {:.1f} MB, checked\n", words[0],
                             static_cast<double>(*bytes) / 1e6);
    return kOk;
  });
}

int RunRestore(const Options& options, const Arguments& words) {
  auto replaced = RestoreLedger(options.String("data"), words[0], std::chrono::system_clock::now());
  if (!replaced) return Fail(replaced.error());
  std::cout << words[0] << " is the ledger now"
            << (replaced->empty() ? "" : "; the one before is in " + *replaced) << "\n";
  return kOk;
}

Result<std::unique_ptr<OperatorLink>> Connect(const Options& options) {
  auto endpoint = EndpointToConnect(options.String("bind-fetchers"));
  if (!endpoint) return endpoint.error();
  return OperatorLink::Connect(*endpoint, options.String("keys"));
}

int AskAndPrint(const Options& options, const wire::FetcherMessage& message) {
  auto link = Connect(options);
  if (!link) return Fail(link.error());
  const auto done = (*link)->Ask(message);
  if (!done) return Fail(done.error());
  for (const auto& line : (*done).lines()) std::cout << line << "\n";
  return kOk;
}

int RunRetry(const Options& options, const Arguments& words) {
  wire::FetcherMessage message;
  message.mutable_retry()->set_date(words[0]);
  return AskAndPrint(options, message);
}

int RunRedo(const Options& options, const Arguments& words) {
  wire::FetcherMessage message;
  message.mutable_redo()->set_date(words[0]);
  return AskAndPrint(options, message);
}

int RunPrune(const Options& options, const Arguments& words) {
  auto link = Connect(options);
  if (!link) return Fail(link.error());
  wire::FetcherMessage message;
  message.mutable_prune()->set_before(words[0]);
  uint64_t papers = 0;
  for (;;) {
    const auto done = (*link)->Ask(message);
    if (!done) return Fail(done.error());
    papers += (*done).papers();
    if ((*done).next().empty()) break;
    message.mutable_prune()->set_after((*done).next());
  }
  std::cout << fmt::format(
      "{} abstracts were dropped; pages, scores and titles stay. The file does not shrink: the "
      "space is used again, and a backup is compact\n",
      papers);
  return kOk;
}

int RunKeys(const Options&, const Arguments& words) {
  if (words.size() == 2) return Fail(Invalid("a further key needs a name: keys DIR ROLE NAME"));
  const auto made = words.size() == 1 ? MakeKeys(words[0]) : AddKey(words[0], words[1], words[2]);
  if (!made) return Fail(made.error());
  for (const auto& line : *made) std::cout << line << "\n";
  return kOk;
}

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = {
      {"status", "[N]", 0, 1,
       "the ledger's size, and its newest N digests (20): state, funnel, cost", RunStatus},
      {"papers", "DATE [STATE]", 1, 2,
       "every paper of that date's digests, or those in one end state", RunPapers},
      {"why", "ID", 1, 1, "where a paper ended in each digest, and why", RunWhy},
      {"verify", "", 0, 0,
       "renders every page anew and compares it with what was published and with --out", RunVerify},
      {"backup", "FILE", 1, 1, "a consistent copy of the ledger, checked", RunBackup},
      {"retry", "DATE", 1, 1, "tries every unscored paper of that date's digests again", RunRetry},
      {"redo", "DATE", 1, 1,
       "drops that date's rows (not its scores); the next fetcher's run delivers it anew", RunRedo},
      {"prune", "--before DATE", 1, 1,
       "drops abstracts that are only in older digests; keeps pages, scores, titles", RunPrune},
      {"restore", "FILE", 1, 1, "puts a backup in the ledger's place, and moves the ledger aside",
       RunRestore},
      {"keys", "DIR [ROLE NAME]", 1, 3,
       "makes the keys of the links, for --keys; or another one of a role: fetcher, scorer, "
       "aggregator",
       RunKeys},
  };
  return commands;
}

std::string Synopsis(const Command& command) {
  return std::string(command.name) + (*command.arguments ? " " : "") + command.arguments;
}

}  // namespace

std::string CommandsHelp() {
  std::string text = "Commands (without one it serves):\n";
  for (const auto& command : Commands()) {
    text += fmt::format("  {:<20}  {}\n", Synopsis(command), command.help);
  }
  return text +
         "  status, papers, why, verify and backup only read --data, beside the running process;\n"
         "  retry, redo and prune are messages to it, at --bind-fetchers; restore needs it "
         "stopped;\n  keys needs nothing.\n";
}

std::vector<const char*> WithoutBefore(int argc, const char* const* argv) {
  constexpr std::string_view kBefore = "--before";
  std::vector<const char*> arguments;
  bool prune = false;
  for (int i = 0; i < argc; ++i) {
    const std::string_view argument = argv[i];
    prune |= argument == "prune";
    if (prune && argument == kBefore) continue;
    const bool joined = prune && argument.starts_with(std::string(kBefore) + "=");
    arguments.push_back(joined ? argv[i] + kBefore.size() + 1 : argv[i]);
  }
  return arguments;
}

int RunCommand(const Options& options) try {
  Arguments words = options.words();
  const std::string name = words.front();
  words.erase(words.begin());
  std::string names;
  for (const auto& command : Commands()) {
    names += (names.empty() ? "" : ", ") + std::string(command.name);
    if (name != command.name) continue;
    if (words.size() >= command.least && words.size() <= command.most) {
      return command.run(options, words);
    }
    return Fail(
        Invalid("expected: paperboy-aggregator " + Synopsis(command) + " (" + command.help + ")"));
  }
  return Fail(Invalid("unknown command \"" + name + "\"; there are: " + names + " (see --help)"));
} catch (const StorageError& e) {
  return Fail(Invalid("the ledger in " + options.String("data") + " cannot be read: " + e.what()));
}

}  // namespace paperboy
