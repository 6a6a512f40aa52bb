// Polite requests to a service that many processes share: one at a time over all
// fetchers and at least the interval after the end of the one before, both by Redis,
// whose clock counts. Overload is answered with patience. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "common/eastern.h"
#include "common/http_client.h"
#include "common/redis.h"
#include "common/result.h"
#include "fetcher/progress.h"
#include "fetcher/pump.h"

namespace paperboy {

// How a service wants to be treated. All waits but the interval are scaled.
struct Manners {
  std::string who;        // for people: "arXiv"
  std::string lock, end;  // keys in Redis (redis_keys.h)
  std::string owner;      // of the lock: random, this process's own
  std::chrono::duration<double> interval{1};
  double scale = 1;  // below 1 for a simulated service
  std::chrono::seconds request_timeout{0};
  std::chrono::seconds hold_off{0};  // where Redis knows of no request before
  std::chrono::seconds first_back_off{0};
  std::chrono::seconds max_back_off{0};
  std::function<bool(const HttpResponse&)> asks_to_wait;
};

class PoliteClient {
 public:
  using Clock = std::function<WallTime()>;
  // Told the outcome of every request that went out: an HTTP status or
  // "no answer".
  using OnRequest = std::function<void(const std::string& outcome)>;

  PoliteClient(Pump& pump, Redis& redis, HttpClient& http, Progress& progress, Clock clock,
               Manners manners);
  void SetOnRequest(OnRequest fn) { on_request_ = std::move(fn); }

  // Judges an answer: Ok takes it, kUnavailable asks for another (cut off, or
  // not what was asked for), kInvalid gives up. Called for 200 and for what else does
  // not ask to wait and is no failure of the server (400, 404, ...).
  using Accept = std::function<Status(const HttpResponse&)>;

  // Sends `request` (its timeout is set here) until `accept` is content. Asked to wait,
  // or not answered well (5xx, no answer), it tries again after the first back-off,
  // doubling to the last (scaled, at least 20 ms), or after Retry-After if that is
  // longer; nobody else asks the service meanwhile. The next call goes on from there,
  // until one is answered well. Without Redis nothing is sent.
  //
  // kUnavailable: the deadline passed, or the process stops; the message says
  // what was waited for, and what the service's trouble was. The lock is free in every case.
  Status Ask(const HttpRequest& request, MonotonicTime deadline, const Accept& accept);

  // Where the time went so far: waiting until the service may be asked (its pace, other
  // fetchers, back-off), and for its answers.
  struct Spent {
    MonotonicTime::duration pace{}, answers{};
  };
  const Spent& spent() const { return spent_; }

  Milliseconds Scaled(Milliseconds time) const;

 private:
  struct Verdict {
    Status status;
    bool again = false;
    std::string asked_to_wait;  // how the service put it
    std::chrono::seconds retry_after{0};
  };

  Status Acquire(MonotonicTime deadline);
  // Says that the service is not asked for so long, and why. In the same words until there
  // is another end of it.
  void SayPause(Milliseconds pause);
  void Release(Milliseconds pause);
  Result<HttpResponse> Send(HttpRequest request, MonotonicTime deadline);
  Verdict Judge(const Result<HttpResponse>& response, const Accept& accept) const;
  std::chrono::seconds RetryAfter(const HttpResponse& response) const;
  Result<int64_t> Eval(const RedisScript& script, std::vector<std::string> keys,
                       std::vector<std::string> args);
  std::string Trouble() const;
  Error GaveUp() const;
  Milliseconds LockTtl() const;
  Milliseconds BackOff(std::chrono::seconds unscaled) const;

  Pump& pump_;
  Redis& redis_;
  HttpClient& http_;
  Progress& progress_;
  const Clock clock_;
  const Manners manners_;
  OnRequest on_request_;
  Spent spent_;
  Milliseconds back_off_;     // next
  MonotonicTime last_end_{};  // should Redis not have heard of it
  std::string trouble_;       // as the last answer told, until one is good
  MonotonicTime pause_ends_{};
  std::string pause_;  // as it was said
};

}  // namespace paperboy
