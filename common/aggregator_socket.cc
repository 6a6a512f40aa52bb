#include "common/aggregator_socket.h"

#include <spdlog/spdlog.h>

namespace paperboy {
namespace {

// ZeroMQ does not try again where it is refused.
constexpr Milliseconds kTryAgain{1'000};

std::string WithKeys(Handshake handshake, const AggregatorAddress& address,
                     const std::string& there) {
  const std::string key = KeyFile(address.keys, address.role);
  switch (handshake) {
    case Handshake::kRefused: {
      const Result<KeyPair> own = ReadKeyPair(key);
      return there + " refused the key in " + key +
             (own ? ": let it in by a line with its public key, " + own->public_key +
                        ", a blank and a name in "
                  : ": let it in by ") +
             "the aggregator's " + address.role + "s.allowed, or take a key that is there";
    }
    case Handshake::kOtherRole:
      return there + " refused the key in " + key + ": it is of another role, and a line in " +
             address.role + "s.allowed would open both roles to it; put a " + address.role +
             "'s key there (`paperboy-aggregator keys DIR " + address.role + " NAME` makes one)";
    case Handshake::kUnlike:
      return there + " has no keys: start it with --keys, or this process without";
    default:
      return there + " ended the connection before it was established: if that goes on, " +
             PublicKeyFile(address.keys) +
             " is not its key; take the one from the aggregator's "
             "folder";
  }
}

std::string WithoutKeys(Handshake handshake, const std::string& there) {
  const std::string keyless = "does not take connections without a key";
  const std::string give =
      "give this process --keys with a folder of keys, as `paperboy-aggregator keys` makes them";
  switch (handshake) {
    case Handshake::kUnlike:
      return there + " " + keyless + ": " + give;
    case Handshake::kBrokenOff:  // as above, if its end came first
      return there + " ended the connection before it was established: if it " + keyless + ", " +
             give;
    default:
      return there + " does not speak as an aggregator does: is the port right?";
  }
}

}  // namespace

std::string WhyRefused(Handshake handshake, const AggregatorAddress& address) {
  const std::string there = "the aggregator at " + address.endpoint;
  return address.keys.empty() ? WithoutKeys(handshake, there) : WithKeys(handshake, address, there);
}

Result<zmq::socket_t> ConnectToAggregator(zmq::context_t& context, const AggregatorAddress& address,
                                          std::optional<HandshakeMonitor>* handshakes) {
  std::optional<PeerKeys> keys;
  if (!address.keys.empty()) {
    Result<PeerKeys> read = ReadPeerKeys(address.keys, address.role);
    if (!read) return Invalid("--keys: " + read.error().message);
    keys = std::move(*read);
  }
  Result<zmq::socket_t> socket =
      ConnectDealer(context, address.endpoint, keys ? &*keys : nullptr, handshakes);
  if (!socket) return Invalid("--aggregator: " + socket.error().message);
  return socket;
}

Result<std::unique_ptr<AggregatorSocket>> AggregatorSocket::Connect(EpollLoop& loop,
                                                                    zmq::context_t& context,
                                                                    AggregatorAddress address) {
  std::unique_ptr<AggregatorSocket> socket(new AggregatorSocket(loop, context, std::move(address)));
  if (const Status opened = socket->Open(); !opened) return opened.error();
  return socket;
}

AggregatorSocket::~AggregatorSocket() {
  loop_.Cancel(timer_);
  Close();
}

Status AggregatorSocket::Open() {
  if (!address_.keys.empty()) access_.Look();
  Result<zmq::socket_t> socket = ConnectToAggregator(context_, address_, &handshakes_);
  if (!socket) return socket.error();
  socket_ = std::move(*socket);
  socket_.set(zmq::sockopt::linger, linger_ms_);
  loop_.WatchZmq(handshakes_->events(), [this] { OnHandshakes(); });
  WatchOrNot(loop_, socket_, on_readable_);
  return Ok();
}

void AggregatorSocket::Close() {
  if (!socket_) return;
  loop_.UnwatchZmq(handshakes_->events());
  loop_.UnwatchZmq(socket_);
  handshakes_.reset();
  socket_.close();
}

void AggregatorSocket::OnHandshakes() {
  while (const std::optional<Handshake> handshake = handshakes_->Next()) {
    if (*handshake == Handshake::kDone) {
      if (!std::exchange(refusal_, "").empty()) {
        spdlog::info("the aggregator at {} takes this process's connection", address_.endpoint);
      }
      refusals_ = 0;
      continue;
    }
    // In clear ZeroMQ goes on by itself, and once it is an aggregator that starts or stops.
    const bool goes_on = *handshake == Handshake::kBrokenOff && address_.keys.empty();
    if (goes_on && refusals_ == 0) {
      refusals_ = 1;
      continue;
    }
    OnRefused(WhyRefused(*handshake, address_));
    if (!goes_on) TryAgainLater();
  }
}

void AggregatorSocket::OnRefused(const std::string& why) {
  refusal_ = why;
  ++refusals_;
  if ((refusals_ & (refusals_ - 1)) == 0) spdlog::error("{} ({} times in a row)", why, refusals_);
}

void AggregatorSocket::TryAgainLater() {
  loop_.Cancel(timer_);
  timer_ = loop_.After(Milliseconds(0), [this] {  // not while its events are read
    Close();
    timer_ = loop_.After(kTryAgain, [this] { TryAgain(); });
  });
}

void AggregatorSocket::TryAgain() {
  timer_ = 0;
  const Status opened = Open();
  if (opened) return;
  OnRefused("cannot connect to the aggregator at " + address_.endpoint + ": " +
            opened.error().message);
  TryAgainLater();
}

bool AggregatorSocket::Send(const std::string& frame) {
  return socket_ && paperboy::Send(socket_, frame);
}

bool AggregatorSocket::Receive(std::string* body) {
  return socket_ && paperboy::Receive(socket_, body);
}

void AggregatorSocket::OnReadable(std::function<void()> fn) {
  on_readable_ = std::move(fn);
  if (socket_) WatchOrNot(loop_, socket_, on_readable_);
}

void AggregatorSocket::SetLinger(int milliseconds) {
  linger_ms_ = milliseconds;
  if (socket_) socket_.set(zmq::sockopt::linger, milliseconds);
}

}  // namespace paperboy
