// All of Paperboy for a test: the real programs with a real Redis, a simulated
// arXiv, Semantic Scholar and model, on free ports of 127.0.0.1, in a directory of its
// own. Whatever runs is killed by the destructor. One thread.
//
// Methods throw std::runtime_error, with the end of the log, when a program does
// not start.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/arxiv_server.h"
#include "tests/support/llm_server.h"
#include "tests/support/process.h"
#include "tests/support/redis_server.h"
#include "tests/support/scholar_server.h"
#include "tests/support/temp_dir.h"

namespace paperboy {

class System {
 public:
  using Arguments = std::vector<std::string>;

  struct Settings {
    std::string date = "2026-09-15";  // page date of arXiv's feeds
    std::vector<ArxivPaper> papers;   // what arXiv has
    LlmServer::Options llm;           // without keys: the scorers use "test-key"
    ScholarServer::Options scholar;   // what Semantic Scholar knows
    std::string arxiv_faults;
    std::chrono::seconds arxiv_stall{20};
    // Each scorer has an API key of its own, ScorerKey(i), and so a quota of its own.
    bool own_keys = false;
    Arguments redis;             // more arguments of redis-server
    std::string redis_password;  // of letters and digits; the programs have it in PAPERBOY_REDIS
    Process::Environment env;    // of every program
  };

  struct Run {
    Process::Exit exit;  // code -1 and signal 0: it did not end in time
    std::string out;
    std::string err;
  };

  // Starts Redis, arXiv, Semantic Scholar and the model.
  explicit System(Settings settings);
  ~System();

  RedisServer& redis() { return redis_; }
  ArxivServer& arxiv() { return arxiv_; }
  LlmServer& llm() { return llm_; }
  ScholarServer& scholar() { return scholar_; }

  void StartAggregator(const Arguments& more = {});
  // SIGKILL, and waits for its end.
  void KillAggregator();
  // Kills it if it runs, and starts it on the same ports and data.
  void RestartAggregator();
  Process& aggregator() { return *aggregator_; }
  // A command of the aggregator on this ledger, as {"redo", "2026-09-15"}.
  Run RunCommand(const Arguments& words, std::chrono::seconds timeout = std::chrono::seconds(60));
  std::string fetchers_endpoint() const;
  std::string scorers_endpoint() const;
  // http://127.0.0.1:PORT of the running aggregator.
  std::string aggregator_url() const;

  // What an autoscaler reads of it; without a member until it has counted.
  nlohmann::json Scaling() const;

  // Starts `n` more; backend "openai" or "lexical".
  void StartScorers(int n, const std::string& backend = "openai", const Arguments& more = {});
  // Until the aggregator knows of `n`: a forecast before that knows no model.
  void WaitForScorers(int n);
  // In the order of their start; a killed one keeps its place.
  Process& scorer(size_t i) { return *scorers_.at(i); }
  size_t scorers() const { return scorers_.size(); }
  std::string ScorerKey(size_t i) const;

  // Where the aggregator listens, for a gate in between.
  int fetcher_port() const { return fetcher_port_; }
  int scorer_port() const { return scorer_port_; }

  // A profile folder named after it: the bundled one's prompt and topics, and in
  // profile.toml its name, categories cs.LG, cs.AI and `toml`.
  std::string WriteProfile(const std::string& name, const std::string& toml = "");
  // The papers in the format of --source file:, and its path.
  std::string WritePapers(const std::string& name, const std::vector<ArxivPaper>& papers);

  // Runs the fetcher with the bundled profile, unless `more` names one.
  Run RunFetcher(const Arguments& more, std::chrono::seconds timeout = std::chrono::seconds(60));
  std::unique_ptr<Process> StartFetcher(const Arguments& more);

  // Published files, "" or null where there is none.
  std::string Page(const std::string& date, const std::string& profile = "default") const;
  nlohmann::json PapersJson(const std::string& date, const std::string& profile = "default") const;
  nlohmann::json DigestJson(const std::string& date, const std::string& profile = "default") const;
  // A path of the system's own directory.
  std::string File(const std::string& name) const { return dir_.File(name); }
  std::string data_dir() const { return dir_.File("data"); }
  std::string out_dir() const { return dir_.File("out"); }

  // Everything that aggregators and scorers have logged, for a failure's message.
  std::string Logs() const;

 private:
  std::unique_ptr<Process> Start(const std::string& name, Arguments argv, const std::string& ready,
                                 const std::string& api_key);
  Process::Environment With(const std::string& api_key) const;
  std::string Published(const std::string& kind, const std::string& date,
                        const std::string& profile, const std::string& file) const;

  const bool own_keys_;
  const Process::Environment env_;
  const std::string redis_password_;
  TempDir dir_;
  RedisServer redis_;
  ArxivServer arxiv_;
  LlmServer llm_;
  ScholarServer scholar_;
  const int fetcher_port_;
  const int scorer_port_;
  Arguments aggregator_arguments_;
  std::string aggregator_log_;
  std::vector<std::string> logs_;
  std::unique_ptr<Process> aggregator_;
  std::vector<std::unique_ptr<Process>> scorers_;
};

}  // namespace paperboy
