// A fetcher's or scorer's connection to the aggregator. Where it is refused it says
// why, and tries again with the keys that its files have then. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/key_access.h"
#include "common/socket.h"

namespace paperboy {

struct AggregatorAddress {
  std::string endpoint;
  std::string keys;  // their folder; empty: in clear
  std::string role;  // whose key: fetcher, scorer, or aggregator for its own commands
};

// Why a handshake with the aggregator failed, and what to do, for people.
std::string WhyRefused(Handshake handshake, const AggregatorAddress& address);

// With the keys, if there are any; `handshakes` watches it. kInvalid: no keys, or no
// endpoint.
Result<zmq::socket_t> ConnectToAggregator(zmq::context_t& context, const AggregatorAddress& address,
                                          std::optional<HandshakeMonitor>* handshakes);

class AggregatorSocket : public Dealer {
 public:
  // kInvalid: no keys, or no endpoint. An aggregator that is not there yet is waited
  // for. `loop` and `context` must outlive it.
  static Result<std::unique_ptr<AggregatorSocket>> Connect(EpollLoop& loop, zmq::context_t& context,
                                                           AggregatorAddress address);
  ~AggregatorSocket() override;
  AggregatorSocket(const AggregatorSocket&) = delete;
  AggregatorSocket& operator=(const AggregatorSocket&) = delete;

  bool Send(const std::string& frame) override;
  bool Receive(std::string* body) override;
  void OnReadable(std::function<void()> fn) override;
  std::string refusal() const override { return refusal_; }
  // A last frame may take that long to leave when the process ends.
  void SetLinger(int milliseconds);

 private:
  AggregatorSocket(EpollLoop& loop, zmq::context_t& context, AggregatorAddress address)
      : loop_(loop),
        context_(context),
        address_(std::move(address)),
        access_(address_.keys, address_.role) {}
  Status Open();
  void Close();
  void OnHandshakes();
  void OnRefused(const std::string& why);
  void TryAgainLater();
  void TryAgain();

  EpollLoop& loop_;
  zmq::context_t& context_;
  const AggregatorAddress address_;
  KeyAccess access_;
  zmq::socket_t socket_;  // none between two tries
  std::optional<HandshakeMonitor> handshakes_;
  std::function<void()> on_readable_;
  int linger_ms_ = 0;
  Loop::TimerId timer_ = 0;
  std::string refusal_;
  uint64_t refusals_ = 0;  // in a row
};

}  // namespace paperboy
