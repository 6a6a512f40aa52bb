// Polite requests to arXiv: one at a time over all fetchers and at least the
// interval after the end of the one before, both by Redis, whose clock counts.
// Overload is answered with patience. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/eastern.h"
#include "common/http_client.h"
#include "common/redis.h"
#include "common/result.h"
#include "fetcher/progress.h"
#include "fetcher/pump.h"

namespace paperboy {

class ArxivClient {
 public:
  struct Config {
    std::chrono::duration<double> interval{3};  // arXiv asks for 3 s
    std::string contact = "paperboy";           // for the User-Agent
    std::string owner;                          // of the lock: random, this process's own
  };
  using Clock = std::function<WallTime()>;
  // Told the outcome of every request that went out: an HTTP status or
  // "no answer".
  using OnRequest = std::function<void(const std::string& outcome)>;

  ArxivClient(Pump& pump, Redis& redis, HttpClient& http, Progress& progress, Clock clock,
              Config config);
  void SetOnRequest(OnRequest fn) { on_request_ = std::move(fn); }

  // Judges an answer: Ok takes it, kUnavailable asks for another (cut off, or
  // not what was asked for), kInvalid gives up. Called for 200, 304 and for 4xx that
  // do not ask to wait (400, 404, ...).
  using Accept = std::function<Status(const HttpResponse&)>;

  // GETs `url` until `accept` is content. Asked to wait (406, 429, 503, the
  // body "Rate exceeded.") or not answered well (5xx, no answer), it tries
  // again after 1 minute, doubling to 15 (scaled, at least 20 ms), or after Retry-After if that is
  // longer; nobody else asks arXiv meanwhile. Without Redis nothing is sent.
  //
  // kUnavailable: the deadline passed, or the process stops; the message says
  // what was waited for. The lock is free in every case. `headers` go along with the
  // client's own.
  using Headers = std::vector<std::pair<std::string, std::string>>;
  Status Get(const std::string& url, MonotonicTime deadline, const Accept& accept,
             const Headers& headers = {});

  // Where the time went so far: waiting until arXiv may be asked (its pace, other
  // fetchers, back-off), and for its answers.
  struct Spent {
    MonotonicTime::duration pace{}, answers{};
  };
  const Spent& spent() const { return spent_; }

  // The configured interval as a multiple of arXiv's: waits that a simulated
  // arXiv does not need scale with it.
  double scale() const { return config_.interval.count() / 3; }
  Milliseconds Scaled(Milliseconds time) const;

 private:
  struct Verdict {
    Status status;
    bool again = false;
    std::string asked_to_wait;  // how arXiv put it
    std::chrono::seconds retry_after{0};
  };

  Status Acquire(MonotonicTime deadline);
  void Release(Milliseconds pause);
  Result<HttpResponse> Send(const std::string& url, const Headers& headers, MonotonicTime deadline);
  Verdict Judge(const Result<HttpResponse>& response, const Accept& accept) const;
  std::chrono::seconds RetryAfter(const HttpResponse& response) const;
  Result<int64_t> Eval(const RedisScript& script, std::vector<std::string> keys,
                       std::vector<std::string> args);
  Error GaveUp() const;

  Pump& pump_;
  Redis& redis_;
  HttpClient& http_;
  Progress& progress_;
  const Clock clock_;
  const Config config_;
  OnRequest on_request_;
  Spent spent_;
  MonotonicTime last_end_{};  // should Redis not have heard of it
};

}  // namespace paperboy
