// The fetcher's end of the wire: requests that are sent until they are
// answered, and what the aggregator tells unasked. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/eastern.h"
#include "common/link.h"
#include "common/result.h"
#include "fetcher/progress.h"
#include "fetcher/pump.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

class AggregatorClient {
 public:
  // Progress and Published, in the order in which they come, during any wait.
  using OnPush = std::function<void(const wire::FetcherReply&)>;

  // An aggregator that is not there yet is waited for. `endpoint` is for people.
  AggregatorClient(Dealer& dealer, std::string endpoint, Pump& pump, Progress& progress);
  ~AggregatorClient() { dealer_.OnReadable({}); }
  AggregatorClient(const AggregatorClient&) = delete;
  AggregatorClient& operator=(const AggregatorClient&) = delete;

  void SetOnPush(OnPush fn) { on_push_ = std::move(fn); }

  // Sends `message` and again after each kReplyTimeout, and waits when the
  // aggregator is busy or of another version.
  //
  // kInvalid: refused and would be again. kConflict: a newer edition of the
  // digest exists. kUnavailable: the deadline passed, or the process stops.
  Result<wire::FetcherReply> Call(wire::FetcherMessage message, MonotonicTime deadline);

 private:
  void Receive();
  // The answer to the request in flight, or nothing when it is time to send again.
  std::optional<wire::FetcherReply> SendOnce(const std::string& frame, MonotonicTime deadline);
  // Why an answer means to ask again, and how long to wait; nothing: it is final.
  struct Again {
    std::string why;
    Milliseconds wait;
  };
  std::optional<Again> MustAskAgain(const wire::FetcherReply& reply, int tries) const;

  Dealer& dealer_;
  const std::string endpoint_;
  Pump& pump_;
  Progress& progress_;
  OnPush on_push_;
  uint64_t next_request_ = 1;
  uint64_t in_flight_ = 0;  // request whose answer is waited for; 0: none
  std::optional<wire::FetcherReply> reply_;
};

// What the ledger knows of a profile's dates. Errors are those of Call.
Result<wire::Days> AskForDays(AggregatorClient& client, const std::string& profile,
                              date::sys_days from, date::sys_days to, MonotonicTime deadline);

}  // namespace paperboy
