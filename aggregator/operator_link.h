// How a command of the operator reaches the running aggregator: a message on the
// fetchers' endpoint.
#pragma once

#include <chrono>
#include <string>

#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// How long a command waits for an answer.
inline constexpr std::chrono::seconds kAnswerTime{10};

// Where to connect for an endpoint that is bound: tcp://*:5555 →
// tcp://127.0.0.1:5555. kInvalid when the port is not fixed.
Result<std::string> EndpointToConnect(const std::string& bound);

// Sends `message` until it is answered; blocks. kUnavailable: nobody answered in
// `patience`. kInvalid: refused.
Result<wire::Done> AskAggregator(const std::string& endpoint, wire::FetcherMessage message,
                                 std::chrono::milliseconds patience = kAnswerTime);

}  // namespace paperboy
