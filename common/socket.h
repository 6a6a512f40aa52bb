// The two kinds of ZeroMQ socket that Paperboy uses, with the options that make
// them safe (no ROUTING_ID, bounded linger, heartbeats, MANDATORY, MAXMSGSIZE).
#pragma once

#include <string>
#include <zmq.hpp>

#include "common/result.h"

namespace paperboy {

// A bound ROUTER. An address in use is kInvalid and says so. `endpoint` may end
// in ":*" or ":0" for any port; the bound one is in LAST_ENDPOINT.
Result<zmq::socket_t> BindRouter(zmq::context_t& context, const std::string& endpoint);

// A connecting DEALER that queues nothing while it is not connected (IMMEDIATE).
Result<zmq::socket_t> ConnectDealer(zmq::context_t& context, const std::string& endpoint);

// Sends without waiting. False when the peer is gone or its queue is full; the
// message is then not sent.
bool SendTo(zmq::socket_t& router, const std::string& peer, const std::string& frame);
bool Send(zmq::socket_t& dealer, const std::string& frame);

// Receives without waiting. False when there is nothing.
struct Frame {
  std::string peer;  // routing id, for a ROUTER
  std::string body;
};
bool ReceiveFrom(zmq::socket_t& router, Frame* frame);
bool Receive(zmq::socket_t& dealer, std::string* body);

}  // namespace paperboy
