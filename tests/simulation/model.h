// The model's provider: enforces its quota on the world's time, fails as told, and
// keeps an account of who sent what, from which the bound on repeats follows.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/prices.h"
#include "tests/simulation/sim_http.h"
#include "tests/support/llm_answer.h"
#include "tests/support/quota.h"

namespace paperboy::sim {

class Model : public WebHost {
 public:
  static constexpr char kName[] = "model";

  struct Settings {
    Microseconds least{200'000}, most{2'000'000};  // latency
    Quota::Limits quota;
    bool charges_answers = false;  // counts all that an answer may take against the tokens
    // Probabilities, each for a call.
    double lacks = 0;           // the answer lacks a paper
    double fails = 0;           // 500
    double resets = 0;          // no answer, the connection is reset
    double refuses = 0;         // 429 with Retry-After
    double hangs = 0;           // no answer at all
    bool names_limits = false;  // in x-ratelimit-limit-requests
    std::string poison;         // whoever gets an answer about this paper's abstract dies of it
  };

  Model(World& world, Settings settings)
      : world_(world), settings_(settings), quota_(settings.quota) {}

  Answer OnRequest(Node& client, const HttpRequest& request) override;
  // From now on every call is answered well.
  void Behave() {
    settings_.lacks = settings_.fails = settings_.resets = settings_.refuses = settings_.hangs = 0;
  }

  // An outage: every call is answered with 500.
  void SetOut(bool out) { settings_.fails = out ? 1 : 0; }

  // What the model was asked about one paper.
  struct Unit {
    std::string name;      // "question/stage/id"
    bool lacking = false;  // the answer left it out, or there was none
    // Since when its answer is in the ledger; in the cache, or there was none.
    std::optional<MonotonicTime> recorded, cached;
  };
  // One call of a scorer in one of its lives.
  struct Call {
    std::string scorer;
    uint64_t life = 0;
    MonotonicTime sent;
    std::vector<Unit> units;
    bool answered = false;      // with 200
    bool told_to_wait = false;  // 429 with Retry-After
  };
  const std::vector<Call>& calls() const { return calls_; }
  // Told of every call, by whom.
  void SetTap(std::function<void(const std::string& scorer)> tap) { tap_ = std::move(tap); }
  // An answer about the unit is in the ledger; in the cache.
  void Recorded(const std::string& unit);
  void Cached(const std::string& unit);
  static constexpr std::chrono::seconds kRetryAfter{2};
  // From now on only that many requests a minute are admitted.
  void LowerQuota(double requests_per_minute);
  void SetQuota(const Quota::Limits& quota) { quota_.SetLimits(quota); }
  bool lowered() const { return lowered_; }
  const Quota::Limits& quota() const { return quota_.limits(); }
  // When calls were refused for the quota; before it was lowered, and after.
  const std::vector<MonotonicTime>& rejected() const { return rejected_; }
  const std::vector<MonotonicTime>& rejected_when_lowered() const { return rejected_when_lowered_; }
  // Calls that the quota let pass, and what they counted against its tokens.
  uint64_t admitted() const { return admitted_; }
  uint64_t admitted_tokens() const { return admitted_tokens_; }
  uint64_t tokens_answered() const { return tokens_answered_; }
  Picodollars charged() const { return charged_; }

 private:
  Answer Respond(Node& client, const HttpRequest& request);
  void Mark(const std::string& unit, std::optional<MonotonicTime> Unit::*place);

  World& world_;
  Settings settings_;
  Quota quota_;
  std::function<void(const std::string&)> tap_ = [](const std::string&) {};
  LlmScores scores_;
  std::map<std::string, int> lacked_;  // by paper
  std::vector<Call> calls_;
  bool lowered_ = false;
  std::vector<MonotonicTime> rejected_, rejected_when_lowered_;
  uint64_t admitted_ = 0, admitted_tokens_ = 0;
  uint64_t tokens_answered_ = 0;
  Picodollars charged_ = 0;
};

}  // namespace paperboy::sim
