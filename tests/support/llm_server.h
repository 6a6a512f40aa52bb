// A simulated model provider: a server of OpenAI's, Azure's or Anthropic's kind
// that enforces its quota as providers do, misbehaves on request, answers the same every time, and
// keeps an account of its clients. Thread-safe.
//
//   POST .../chat/completions   GET .../models   (any prefix, as /v1)
//   POST .../openai/deployments/MODEL/chat/completions?api-version=...
//   POST .../messages           (llm_messages.h)
//   .../files and .../batches   jobs of many calls (llm_jobs.h); faults are drawn for
//                               "METHOD PATH", and for each call of a job as for others
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
#include <optional>
#include <string>
#include <vector>

#include "tests/support/http_host.h"
#include "tests/support/llm_answer.h"
#include "tests/support/llm_jobs.h"
#include "tests/support/quota.h"

namespace paperboy {

class LlmServer {
 public:
  enum class Charge {
    kActual,   // prompt and completion
    kMaximum,  // prompt and the request's max_tokens, as OpenAI does
  };
  struct Options {
    int port = 0;              // 0: any
    size_t connections = 256;  // served at once
    std::optional<HttpHost::Tls> tls;
    std::vector<std::string> keys;    // accepted; none: every key, and no key
    std::vector<std::string> models;  // known; none: every model
    Quota::Limits quota;
    Charge charge = Charge::kActual;
    std::chrono::milliseconds latency{0};  // the median
    double jitter = 0;                     // sigma of the log-normal latency
    size_t capacity = 0;                   // calls in flight beyond which latency grows in
                                           // proportion, and 503 beyond twice as many; 0: any
    bool headers = true;                   // x-ratelimit-*
    bool cache = false;                    // report a prefix shared with the call before as cached
    LlmScores scores;
    uint64_t seed = 1;
    // As in faults.h; TEXT is looked for in the user's message. Kinds: those of
    // AnswerContent, and
    //   NUMBER          that status with OpenAI's error body (429: with retry-after 1)
    //   NUMBER-SECONDS  the same with that retry-after
    //   insufficient_quota  429 that no waiting mends
    //   content_filter  400, as Azure refuses a prompt    refuse_schema  400 for json_schema
    //   html, html502, html200  a gateway's page, 403, 502 or 200
    //   redirect        307 to `elsewhere`                drop           reset, no answer
    //   slow            20 times the latency              hang           no answer at all
    //   length          cut off, finish_reason length     refusal        the model declines
    //   filtered        cut off, finish_reason content_filter
    //   no_usage        tokens not reported
    //   bare            as small servers answer: no tokens, no model, no finish_reason
    //   text            the right JSON as text/html       big            10 MB of it
    //   drip            a byte now and then               reset_body     reset in the middle of it
    //   cut_body        its first half as if it were all  close          kept, then closed
    std::string faults;
    std::string elsewhere;  // the URL that the fault "redirect" names
  };

  struct Account {
    uint64_t calls = 0;         // everything that was posted to chat/completions
    uint64_t ok = 0;            // answered with 200
    uint64_t rejected_429 = 0;  // by the quota, not by a fault
    uint64_t overloaded = 0;    // answered with 503 for want of capacity
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

  // A call with a key and a body that were accepted, as the quota met it.
  struct Arrival {
    Quota::Time at;
    double tokens = 0;     // charged, or they would have been
    bool admitted = true;  // by the quota
    std::string fault;     // that followed; "" for none
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
  std::string url() const;  // http://127.0.0.1:PORT/v1, or https

  void SetFaults(const std::string& faults);
  void SetLatency(std::chrono::milliseconds median);   // of the calls to come
  void AllowAnswers(uint64_t n);                       // then calls wait, after their latency
  void SetKeys(const std::vector<std::string>& keys);  // accepted from now on
  // What the quota is from now on. x-ratelimit-* name it.
  void SetQuota(const Quota::Limits& limits);
  Account account() const;
  // All since the start, or from the `first` on, in their order.
  std::vector<Arrival> arrivals(size_t first = 0) const;
  // All of them since the start, in the order in which they were admitted.
  std::vector<Call> calls() const;
  // What it makes of files and batches. Their calls are in the account, but not in
  // `arrivals`: no quota and no latency holds for them.
  LlmJobs& jobs();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
