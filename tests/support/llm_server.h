// A simulated model provider: an OpenAI-compatible server that enforces its
// quota as providers do, misbehaves on request, answers the same every time, and
// keeps an account of its clients. Thread-safe.
//
//   POST .../chat/completions   GET .../models   (any prefix, as /v1)
//   GET  /account/stats         counters, as JSON
//   GET  /account/scored        {id: how often in a successful answer}
//   GET  /account/sent          {id: how often in an admitted call}
//   POST /account/faults        body: a list of faults, as in Options
//   POST /account/reset         starts the account afresh; the quota goes on
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/llm_answer.h"
#include "tests/support/quota.h"

namespace paperboy {

class LlmServer {
 public:
  enum class Charge {
    kActual,   // prompt and completion
    kMaximum,  // prompt and the request's max_tokens, as OpenAI does
  };
  struct Options {
    int port = 0;                     // 0: any
    std::vector<std::string> keys;    // accepted; none: every key, and no key
    std::vector<std::string> models;  // known; none: every model
    Quota::Limits quota;
    Charge charge = Charge::kActual;
    std::chrono::milliseconds latency{0};  // the median
    double jitter = 0;                     // sigma of the log-normal latency
    bool headers = true;                   // x-ratelimit-*
    bool cache = false;                    // report a prefix shared with the call before as cached
    LlmScores scores;
    uint64_t seed = 1;
    // As in faults.h; TEXT is looked for in the user's message. Kinds: those of
    // AnswerContent, and
    //   NUMBER          that status with OpenAI's error body (429: with retry-after 1)
    //   insufficient_quota  429 that no waiting mends
    //   content_filter  400, as Azure refuses a prompt    refuse_schema  400 for json_schema
    //   html, html502   a gateway's page, 403 or 502      drop           reset, no answer
    //   slow            20 times the latency              hang           no answer at all
    //   length          cut off, finish_reason length     filtered       finish_reason
    //   content_filter refusal         the model declines                no_usage       tokens not
    //   reported
    std::string faults;
  };

  struct Account {
    uint64_t calls = 0;         // everything that was posted to chat/completions
    uint64_t ok = 0;            // answered with 200
    uint64_t rejected_429 = 0;  // by the quota, not by a fault
    uint64_t bad_key = 0;
    uint64_t bad_request = 0;                  // 400 and 404 that were the client's fault
    uint64_t abandoned = 0;                    // the client was gone before its answer was ready
    std::map<std::string, uint64_t> injected;  // faults by kind
    uint64_t in_flight = 0;
    uint64_t max_in_flight = 0;
    uint64_t prompt_tokens = 0;  // of answers with 200; includes cached
    uint64_t cached_tokens = 0;
    uint64_t completion_tokens = 0;
    std::map<std::string, uint64_t> models;    // calls with 200 by model,
    std::map<std::string, uint64_t> formats;   // by response_format,
    std::map<uint64_t, uint64_t> batch_sizes;  // by number of papers
    uint64_t title_calls = 0;                  // of `ok`, those of the title stage
    // By arXiv id, the abstract stage's only. A paper is sent when key and quota
    // admitted the call, and scored when the call was answered with 200 and no
    // fault took the score.
    std::map<std::string, uint64_t> sent;
    std::map<std::string, uint64_t> scored;
    std::vector<bool> keys_seen;  // in the order of Options::keys
    uint64_t max_window_requests = 0;
    double max_window_tokens = 0;
    double span_seconds = 0;  // from the first to the last admitted call
  };

  // A call of the abstract stage that key and quota admitted.
  struct Call {
    std::string key;                  // that came with it; "" for none
    std::vector<std::string> papers;  // their ids
    bool over = false;                // answered, or its client is gone
  };

  explicit LlmServer(Options options);
  ~LlmServer();  // stops
  LlmServer(const LlmServer&) = delete;
  LlmServer& operator=(const LlmServer&) = delete;

  // Throws std::runtime_error when the port is taken.
  void Start();
  // Breaks all connections. A later Start takes the same port again.
  void Stop();
  int port() const;
  std::string url() const;  // http://127.0.0.1:PORT/v1

  void SetFaults(const std::string& faults);
  void SetLatency(std::chrono::milliseconds median);  // of the calls to come
  Account account() const;
  // All of them since the start, in the order in which they were admitted.
  std::vector<Call> calls() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
