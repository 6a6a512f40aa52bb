// The two kinds of ZeroMQ socket that Paperboy uses, with the options that make
// them safe (no ROUTING_ID, bounded linger, heartbeats, MANDATORY, MAXMSGSIZE),
// as the ends of a link. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <zmq.hpp>

#include "common/epoll_loop.h"
#include "common/handshakes.h"
#include "common/keys.h"
#include "common/link.h"
#include "common/result.h"

namespace paperboy {

// A bound ROUTER. An address in use is kInvalid and says so. `endpoint` may end
// in ":*" or ":0" for any port; the bound one is in LAST_ENDPOINT. With `keys` nobody
// gets in whom the handler at inproc://zeromq.zap.01 does not let into `domain`; where
// there is no such handler, nobody.
Result<zmq::socket_t> BindRouter(zmq::context_t& context, const std::string& endpoint,
                                 const KeyPair* keys = nullptr, const std::string& domain = "");

// A connecting DEALER that queues nothing while it is not connected (IMMEDIATE).
// `handshakes` watches it from its first handshake on, which may be its last one.
Result<zmq::socket_t> ConnectDealer(zmq::context_t& context, const std::string& endpoint,
                                    const PeerKeys* keys = nullptr,
                                    std::optional<HandshakeMonitor>* handshakes = nullptr);

// Sends without waiting. False when the peer is gone or its queue is full; the
// message is then not sent.
bool SendTo(zmq::socket_t& router, const std::string& peer, const std::string& frame);
bool Send(zmq::socket_t& dealer, const std::string& frame);

// Receives without waiting. False when there is nothing.
bool ReceiveFrom(zmq::socket_t& router, Frame* frame);
bool Receive(zmq::socket_t& dealer, std::string* body);

// Watches while there is an `fn`.
void WatchOrNot(EpollLoop& loop, zmq::socket_t& socket, std::function<void()> fn);

class ZmqRouter : public Router {
 public:
  // `loop` must outlive this.
  ZmqRouter(EpollLoop& loop, zmq::socket_t socket) : loop_(loop), socket_(std::move(socket)) {}
  ~ZmqRouter() override { loop_.UnwatchZmq(socket_); }
  ZmqRouter(const ZmqRouter&) = delete;
  ZmqRouter& operator=(const ZmqRouter&) = delete;

  bool SendTo(const std::string& peer, const std::string& frame) override {
    return paperboy::SendTo(socket_, peer, frame);
  }
  bool Receive(Frame* frame) override { return ReceiveFrom(socket_, frame); }
  void OnReadable(std::function<void()> fn) override { WatchOrNot(loop_, socket_, std::move(fn)); }

 private:
  EpollLoop& loop_;
  zmq::socket_t socket_;
};

class ZmqDealer : public Dealer {
 public:
  // `loop` must outlive this.
  ZmqDealer(EpollLoop& loop, zmq::socket_t socket) : loop_(loop), socket_(std::move(socket)) {}
  ~ZmqDealer() override { loop_.UnwatchZmq(socket_); }
  ZmqDealer(const ZmqDealer&) = delete;
  ZmqDealer& operator=(const ZmqDealer&) = delete;

  bool Send(const std::string& frame) override { return paperboy::Send(socket_, frame); }
  bool Receive(std::string* body) override { return paperboy::Receive(socket_, body); }
  void OnReadable(std::function<void()> fn) override { WatchOrNot(loop_, socket_, std::move(fn)); }

 private:
  EpollLoop& loop_;
  zmq::socket_t socket_;
};

}  // namespace paperboy
