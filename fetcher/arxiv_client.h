// Requests to arXiv as it asks for them: one at a time, 3 s apart, over all machines
// and services, with patience when it is overloaded (polite_client.h). One thread.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "fetcher/polite_client.h"

namespace paperboy {

class ArxivClient {
 public:
  struct Config {
    std::chrono::duration<double> interval{3};  // arXiv asks for 3 s
    std::string contact = "paperboy";           // for the User-Agent
    std::string owner;                          // of the lock: random, this process's own
  };
  using Clock = PoliteClient::Clock;
  using Accept = PoliteClient::Accept;

  ArxivClient(Pump& pump, Redis& redis, HttpClient& http, Progress& progress, Clock clock,
              Config config);
  void SetOnRequest(PoliteClient::OnRequest fn) { client_.SetOnRequest(std::move(fn)); }

  // GETs `url` until `accept` is content, as PoliteClient::Ask; 304 is for it to judge
  // too. Asks to wait: 406, 429, 503, the body "Rate exceeded."; back-off from 1 minute
  // to 15. `headers` go along with the client's own.
  using Headers = std::vector<std::pair<std::string, std::string>>;
  Status Get(const std::string& url, MonotonicTime deadline, const Accept& accept,
             const Headers& headers = {});

  using Spent = PoliteClient::Spent;
  const Spent& spent() const { return client_.spent(); }

  // The configured interval as a multiple of arXiv's: waits that a simulated
  // arXiv does not need scale with it.
  double scale() const { return config_.interval.count() / 3; }
  Milliseconds Scaled(Milliseconds time) const { return client_.Scaled(time); }

 private:
  const Config config_;
  PoliteClient client_;
};

}  // namespace paperboy
