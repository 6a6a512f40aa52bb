// How a command of the operator reaches the running aggregator: a message on the
// fetchers' endpoint.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "common/aggregator_socket.h"
#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// How long a command waits for an answer.
inline constexpr std::chrono::seconds kAnswerTime{10};

// Where to connect for an endpoint that is bound: tcp://*:5555 →
// tcp://127.0.0.1:5555. kInvalid when the port is not fixed.
Result<std::string> EndpointToConnect(const std::string& bound);

class OperatorLink {
 public:
  // With the aggregator's own key, if `keys`, the folder, is not empty. kInvalid: no
  // endpoint, or no key. Whether anybody is there shows when it is asked.
  static Result<std::unique_ptr<OperatorLink>> Connect(const std::string& endpoint,
                                                       const std::string& keys = "");

  // Sends `message` until it is answered; blocks. kUnavailable: nobody answered in
  // `patience`, or takes the key, or the aggregator could not do it, and why. kInvalid: refused.
  Result<wire::Done> Ask(wire::FetcherMessage message,
                         std::chrono::milliseconds patience = kAnswerTime);

 private:
  explicit OperatorLink(AggregatorAddress address) : address_(std::move(address)) {}

  const AggregatorAddress address_;
  zmq::context_t context_;
  zmq::socket_t socket_;
  std::optional<HandshakeMonitor> handshakes_;
  int broken_off_ = 0;  // once it is an aggregator that starts or stops
};

}  // namespace paperboy
