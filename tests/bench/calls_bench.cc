// paperboy-calls-bench: what a scorer needs while it holds 1,000 calls in
// flight. See --help.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/bench/feed.h"
#include "tests/support/system.h"

namespace paperboy::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kAbout[] =
    "One scorer process holds 1,000 calls in flight "
    "against a provider that takes its time, 150\n"
    "calls a second, with the bundled profile's prompt "
    "and four papers a call. Prints the memory\n"
    "and the processor time that the scorer takes for "
    "it, in clear and over TLS. Exit codes: 0 it\n"
    "is within its bounds (64 MiB, over TLS 160; a fifth "
    "of a core), 1 it is not, 2 a run failed.";

constexpr char kModel[] = "bench-model";
constexpr char kTrusted[] = "/etc/ssl/certs/ca-certificates.crt";  // Debian's
constexpr int kCalls = 1'000;
constexpr double kCallsPerSecond = 150;
constexpr int kPapersPerCall = 4;
constexpr size_t kAbstractChars = 1'400;  // as arXiv's are
constexpr double kAllHeld = 0.99;         // of the calls, in flight before it is measured
constexpr double kLeastHeld = 0.95;       // of the calls in flight, and of those a second
constexpr double kMostMib = 64, kMostMibTls = 160, kMostCore = 0.2;
// All of them must be in flight within this time.
constexpr std::chrono::seconds kRampUp{90};

// A line of /proc/PID/status in MiB.
double Mib(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  }
  throw std::runtime_error("the scorer is gone");
}

double ProcessorSeconds(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text(std::istreambuf_iterator<char>(stat), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

HttpHost::Tls MakeCertificate(const TempDir& files) {
  const HttpHost::Tls tls{files.File("certificate.pem"), files.File("key.pem")};
  Process openssl({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-out", tls.certificate, "-keyout",
                   tls.key});
  const auto exit = openssl.Wait(std::chrono::seconds(30));
  if (!exit || exit->code != 0) throw std::runtime_error("no certificate: " + openssl.Stderr());
  return tls;
}

// That certificate, and all that this machine trusts, as in earnest.
std::string WriteBundle(const TempDir& files, const std::string& certificate) {
  const std::string path = files.File("bundle.pem");
  std::ofstream bundle(path);
  for (const std::string& part : {certificate, std::string(kTrusted)}) {
    std::ifstream file(part);
    if (!file) throw std::runtime_error("cannot read " + part);
    bundle << file.rdbuf();
  }
  return path;
}

std::vector<ArxivPaper> Papers(size_t count) {
  auto papers = InventPapers(count);
  for (auto& paper : papers) {
    while (paper.abstract.size() < kAbstractChars) paper.abstract += " " + paper.abstract;
    paper.abstract.resize(kAbstractChars);
  }
  return papers;
}

bool Run(bool tls, int seconds) {
  const TempDir files;
  LlmServer::Options provider;
  provider.connections = kCalls + 8;
  // A little longer than 1,000 calls take to go, so that all of them are under
  // way.
  provider.latency = std::chrono::milliseconds(std::lround(1'020 * kCalls / kCallsPerSecond));
  System::Settings settings;
  if (tls) {
    provider.tls = MakeCertificate(files);
    settings.env = {{"CURL_CA_BUNDLE", WriteBundle(files, provider.tls->certificate)}};
  }
  settings.llm = std::move(provider);
  System system(std::move(settings));
  const int calls = static_cast<int>(kCallsPerSecond * (seconds + 40)) + 2 * kCalls;
  system.StartAggregator();
  Feed(system, "batch_size = " + std::to_string(kPapersPerCall), "",
       Papers(static_cast<size_t>(calls * kPapersPerCall)));
  // The quota spreads the calls.
  system.StartScorers(
      1, "openai",
      {"--model", kModel, "--rpm", std::to_string(std::lround(60 * kCallsPerSecond)), "--tpm",
       "900000000", "--quota-window", "0", "--concurrency", std::to_string(kCalls)});
  const pid_t pid = system.scorer(0).pid();
  const double bare = Mib(pid, "VmRSS");
  const auto deadline = Clock::now() + kRampUp;
  while (system.llm().account().in_flight < kAllHeld * kCalls) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (Clock::now() > deadline) {
      throw std::runtime_error("only " + std::to_string(system.llm().account().max_in_flight) +
                               " calls were in flight at once\n" + system.Logs());
    }
  }
  std::fprintf(stderr, "%s: all calls are in flight; measuring for %d s\n",
               tls ? "over TLS" : "in clear", seconds);
  const size_t first = system.llm().arrivals().size();
  const double before = ProcessorSeconds(pid);
  const auto start = Clock::now();
  double most = 0;
  uint64_t fewest = kCalls;
  while (Clock::now() < start + std::chrono::seconds(seconds)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    most = std::max(most, Mib(pid, "VmRSS"));
    fewest = std::min(fewest, system.llm().account().in_flight);
  }
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  const double core = (ProcessorSeconds(pid) - before) / took;
  const double rate = static_cast<double>(system.llm().arrivals(first).size()) / took;
  const double peak = Mib(pid, "VmHWM"), allowed = tls ? kMostMibTls : kMostMib;
  const bool held = peak < allowed && core < kMostCore &&
                    static_cast<double>(fewest) >= kLeastHeld * kCalls &&
                    rate >= kLeastHeld * kCallsPerSecond;
  std::printf(
      "| %-8s | %4lu to %d | %7.1f | %8.1f MiB | %7.1f MiB | %7.1f MiB "
      "| %6.1f %% | %-4s |\n",
      tls ? "over TLS" : "in clear", fewest, kCalls, rate, bare, most, peak, core * 100,
      held ? "yes" : "NO");
  std::fflush(stdout);
  return held;
}

int Main(int argc, char** argv) {
  CLI::App app(kAbout);
  int seconds = 20;
  std::string link = "both";
  app.add_option("--seconds", seconds, "How long it is measured [20]")->check(CLI::Range(1, 600));
  app.add_option("--link", link, "clear, tls or both [both]")
      ->check(CLI::IsMember({"clear", "tls", "both"}));
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf(
        "| link     | in flight    | calls/s | at start     | resident "
        "   | its peak    | of a "
        "core | held |\n"
        "|----------|-------------:|--------:|-------------:|----------"
        "--:|------------:|"
        "---------:|------|\n");
    bool held = true;
    if (link != "tls") held = Run(/*tls=*/false, seconds) && held;
    if (link != "clear") held = Run(/*tls=*/true, seconds) && held;
    return held ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace paperboy::bench

int main(int argc, char** argv) { return paperboy::bench::Main(argc, argv); }
