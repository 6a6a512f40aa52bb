// A simulated Semantic Scholar: the batch of papers of its Graph API over a set of
// papers, with the moods of the real one, and an account of every request. Thread-safe.
//
//   POST /graph/v1/paper/batch?fields=...   body: {"ids": ["ARXIV:2106.15928", ...]}
//
// Answers stand in the order of the request, null for what is not known. As the real
// one: 400 for more than 500 ids, for fields that there are not and where no id is
// known; 403 for a key that is none; 429 for requests that come too fast.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace paperboy {

struct ScholarAuthor {
  std::string name;
  std::string id = {};     // empty: null
  std::string orcid = {};  // empty: none
  std::optional<int> h_index = {};
};

class ScholarServer {
 public:
  struct Options {
    int port = 0;                                              // 0: any
    std::map<std::string, std::vector<ScholarAuthor>> papers;  // by arXiv id
    std::vector<std::string> keys;                             // none: every key is taken
    // Requests that begin sooner after the one before get 429.
    std::chrono::milliseconds spacing{0};
    std::chrono::seconds retry_after{0};  // in 429 and 503; 0: not said
    std::chrono::seconds stall{30};
    // As in faults.h; TEXT is looked for in the body of the request. Kinds:
    //   html       200 with a page for people    truncated  the first half of the answer
    //   fewer      the last entry is left out    shape      an object instead of the list
    //   entries    every entry is the number 7   shifted    each paper has the next one's entry
    //   stall      waits, then 504               drop       a reset, no answer
    //   NUMBER     that status; 429 and 503 with Retry-After
    std::string faults;
    uint64_t seed = 1;
  };

  struct Request {
    std::vector<std::string> ids;  // as asked for, ARXIV:...
    std::string fields;
    std::string key;  // of the header x-api-key
    std::chrono::steady_clock::time_point start;
    int status = 0;  // 0: none was sent
  };

  explicit ScholarServer(Options options);
  ~ScholarServer();  // stops
  ScholarServer(const ScholarServer&) = delete;
  ScholarServer& operator=(const ScholarServer&) = delete;

  // Throws std::runtime_error when the port is taken.
  void Start();
  void Stop();
  int port() const;
  std::string url() const;  // http://127.0.0.1:PORT

  void SetFaults(const std::string& faults);
  std::vector<Request> requests() const;  // in the order of their start; the first 100,000

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
