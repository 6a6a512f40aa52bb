#include "tests/support/system.h"

#include <httplib.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>

#include "tests/support/free_port.h"
#include "tests/support/read_file.h"
#include "tests/support/until.h"

namespace paperboy {
namespace {

constexpr std::chrono::seconds kStartTimeout{20};
constexpr std::chrono::seconds kKillTimeout{10};
const char* const kBin = PAPERBOY_BIN_DIR;
const std::string kBundledProfile = PAPERBOY_SOURCE_DIR "/config/profiles/default";

// A program may be reading the one before.
void ReplaceFile(const std::string& path, const std::string& content) {
  std::ofstream(path + ".new") << content;
  std::filesystem::rename(path + ".new", path);
}

ArxivServer::Options ArxivOptions(const System::Settings& settings) {
  return {.date = settings.date,
          .papers = settings.papers,
          .stall = settings.arxiv_stall,
          .faults = settings.arxiv_faults};
}

std::string Endpoint(int port) { return "tcp://127.0.0.1:" + std::to_string(port); }

System::Arguments RedisArguments(const System::Settings& settings) {
  System::Arguments arguments = settings.redis;
  if (!settings.redis_password.empty()) {
    arguments.insert(arguments.end(), {"--requirepass", settings.redis_password});
  }
  return arguments;
}

bool Names(const System::Arguments& arguments, const std::string& flag) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return argument == flag || argument.rfind(flag + "=", 0) == 0;
  });
}

}  // namespace

System::System(Settings settings)
    : own_keys_(settings.own_keys),
      env_(settings.env),
      redis_password_(settings.redis_password),
      redis_(RedisArguments(settings), settings.env),
      arxiv_(ArxivOptions(settings)),
      llm_(std::move(settings.llm)),
      scholar_(std::move(settings.scholar)),
      fetcher_port_(FreePort()),
      scorer_port_(FreePort()) {
  arxiv_.Start();
  llm_.Start();
  scholar_.Start();
}

System::~System() = default;

Process::Environment System::With(const std::string& api_key) const {
  Process::Environment env = env_;
  const std::string user = redis_password_.empty() ? "" : ":" + redis_password_ + "@";
  env.emplace_back("PAPERBOY_REDIS",
                   "redis://" + user + "127.0.0.1:" + std::to_string(redis_.port()));
  env.emplace_back("OPENAI_API_KEY", api_key);
  return env;
}

std::string System::ScorerKey(size_t i) const {
  return own_keys_ ? "key-of-scorer-" + std::to_string(i) : "test-key";
}

std::unique_ptr<Process> System::Start(const std::string& name, Arguments argv,
                                       const std::string& ready, const std::string& api_key) {
  const std::string log = dir_.File(std::to_string(logs_.size()) + "-" + name + ".log");
  logs_.push_back(log);
  auto process = std::make_unique<Process>(std::move(argv), With(api_key), log);
  if (!process->WaitForOutput(ready, kStartTimeout)) {
    throw std::runtime_error(name + " did not start:\n" + ReadFile(log));
  }
  return process;
}

void System::StartAggregator(const Arguments& more) {
  aggregator_arguments_ = more;
  Arguments argv = {std::string(kBin) + "/paperboy-aggregator",
                    "--bind-fetchers",
                    Endpoint(fetcher_port_),
                    "--bind-scorers",
                    Endpoint(scorer_port_),
                    "--http",
                    "127.0.0.1:0",
                    "--data",
                    data_dir(),
                    "--out",
                    out_dir()};
  argv.insert(argv.end(), more.begin(), more.end());
  aggregator_ = Start("aggregator", std::move(argv), "fetchers at ", "");
  aggregator_log_ = logs_.back();
}

void System::KillAggregator() {
  if (!aggregator_) return;
  aggregator_->Kill(SIGKILL);
  aggregator_->Wait(kKillTimeout);
}

void System::RestartAggregator() {
  KillAggregator();
  StartAggregator(aggregator_arguments_);
}

std::string System::aggregator_url() const {
  const std::string log = ReadFile(aggregator_log_);
  std::smatch url;
  if (!std::regex_search(log, url, std::regex("http://127\\.0\\.0\\.1:\\d+"))) {
    throw std::runtime_error("the aggregator's log names no URL:\n" + log);
  }
  return url.str();
}

System::Run System::RunCommand(const Arguments& words, std::chrono::seconds timeout) {
  Arguments argv = {std::string(kBin) + "/paperboy-aggregator",
                    "--bind-fetchers",
                    fetchers_endpoint(),
                    "--data",
                    data_dir(),
                    "--out",
                    out_dir()};
  argv.insert(argv.end(), words.begin(), words.end());
  Process command(std::move(argv));
  const auto exit = command.Wait(timeout);
  return {exit.value_or(Process::Exit{}), command.Stdout(), command.Stderr()};
}

std::string System::fetchers_endpoint() const { return Endpoint(fetcher_port_); }
std::string System::scorers_endpoint() const { return Endpoint(scorer_port_); }

nlohmann::json System::Scaling() const {
  const auto answer = httplib::Client(aggregator_url()).Get("/scaling");
  return answer && answer->status == 200 ? nlohmann::json::parse(answer->body)
                                         : nlohmann::json::object();
}

void System::StartScorers(int n, const std::string& backend, const Arguments& more) {
  for (int i = 0; i < n; ++i) {
    const std::string name = "scorer-" + std::to_string(scorers_.size());
    Arguments argv = {std::string(kBin) + "/paperboy-scorer",
                      "--aggregator",
                      Endpoint(scorer_port_),
                      "--http",
                      "127.0.0.1:0",
                      "--backend",
                      backend,
                      "--llm-url",
                      llm_.url(),
                      "--pod",
                      name};
    argv.insert(argv.end(), more.begin(), more.end());
    scorers_.push_back(Start(name, std::move(argv), "status at ", ScorerKey(scorers_.size())));
  }
}

void System::WaitForScorers(int n) {
  if (!WaitUntil([&] { return Scaling().value("scorers", -1) == n; }, kStartTimeout)) {
    throw std::runtime_error("the aggregator does not know " + std::to_string(n) + " scorers:\n" +
                             Logs());
  }
}

std::string System::WriteProfile(const std::string& name, const std::string& toml) {
  const std::string folder = dir_.File("profile-" + name);
  std::filesystem::create_directories(folder);
  for (const char* file : {"prompt.md", "authors.txt"}) {
    ReplaceFile(folder + "/" + file, ReadFile(kBundledProfile + "/" + file));
  }
  std::string text = "name = \"" + name + "\"\n";
  if (toml.find("categories") == std::string::npos) text += "categories = [\"cs.LG\", \"cs.AI\"]\n";
  if (toml.find("topics") == std::string::npos) text += "topics = [\"mixture of experts\"]\n";
  ReplaceFile(folder + "/profile.toml", text + toml + "\n");
  return folder;
}

std::string System::WritePapers(const std::string& name, const std::vector<ArxivPaper>& papers) {
  const std::string path = dir_.File(name);
  ReplaceFile(path, ArxivPaperLines(papers));
  return path;
}

std::unique_ptr<Process> System::StartFetcher(const Arguments& more) {
  Arguments argv = {std::string(kBin) + "/paperboy-fetcher",
                    "--aggregator",
                    Endpoint(fetcher_port_),
                    "--http",
                    "127.0.0.1:0",
                    "--arxiv-rss-url",
                    arxiv_.rss_url(),
                    "--arxiv-api-url",
                    arxiv_.api_url(),
                    "--arxiv-oai-url",
                    arxiv_.oai_url(),
                    "--s2-url",
                    scholar_.url()};
  const std::vector<std::pair<std::string, std::string>> defaults = {{"--profile", kBundledProfile},
                                                                     {"--arxiv-interval", "0"},
                                                                     {"--progress", "plain"},
                                                                     {"--deadline", "60s"}};
  for (const auto& [flag, value] : defaults) {
    if (Names(more, flag)) continue;
    argv.push_back(flag);
    argv.push_back(value);
  }
  argv.insert(argv.end(), more.begin(), more.end());
  return std::make_unique<Process>(std::move(argv), With(""));
}

System::Run System::RunFetcher(const Arguments& more, std::chrono::seconds timeout) {
  const std::unique_ptr<Process> fetcher = StartFetcher(more);
  const auto exit = fetcher->Wait(timeout);
  return {exit.value_or(Process::Exit{}), fetcher->Stdout(), fetcher->Stderr()};
}

std::string System::Published(const std::string& kind, const std::string& date,
                              const std::string& profile, const std::string& file) const {
  return ReadFile(out_dir() + "/" + profile + "/" + kind + "/" + date.substr(0, 7) + "/" + date +
                  "-" + file);
}

std::string System::Page(const std::string& date, const std::string& profile) const {
  return Published("md", date, profile, "output.md");
}

nlohmann::json System::PapersJson(const std::string& date, const std::string& profile) const {
  const std::string text = Published("json", date, profile, "output.json");
  return text.empty() ? nlohmann::json() : nlohmann::json::parse(text);
}

nlohmann::json System::DigestJson(const std::string& date, const std::string& profile) const {
  const std::string text = Published("json", date, profile, "digest.json");
  return text.empty() ? nlohmann::json() : nlohmann::json::parse(text);
}

std::string System::Logs() const {
  std::string text;
  for (const std::string& log : logs_) {
    text += "==> " + std::filesystem::path(log).filename().string() + " <==\n" + ReadFile(log);
  }
  return text;
}

}  // namespace paperboy
