#include "common/socket.h"

#include "common/wire.h"

namespace paperboy {
namespace {

// Frames queued per peer. Credit keeps far fewer in flight (a scorer holds at most its
// --concurrency and the batches of its jobs, of which few are handed out in a turn); this
// only bounds what a broken peer can pile up.
constexpr int kHighWaterMark = 10'000;

void SetCommon(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, kHighWaterMark);
  socket.set(zmq::sockopt::rcvhwm, kHighWaterMark);
  socket.set(zmq::sockopt::maxmsgsize, kMaxFrameBytes);
  socket.set(zmq::sockopt::handshake_ivl, 5'000);
  socket.set(zmq::sockopt::heartbeat_ivl, kZmqHeartbeatIvlMs);
  socket.set(zmq::sockopt::heartbeat_timeout, kZmqHeartbeatTimeoutMs);
  socket.set(zmq::sockopt::heartbeat_ttl, kZmqHeartbeatTimeoutMs);
}

// ZMQ_ZAP_ENFORCE_DOMAIN: Debian's library has it, its header counts it among the drafts.
constexpr int kZapEnforceDomain = 93;

void TakeOnly(zmq::socket_t& socket, const KeyPair& keys, const std::string& domain) {
  socket.set(zmq::sockopt::curve_server, true);
  socket.set(zmq::sockopt::curve_secretkey, keys.secret_key);
  socket.set(zmq::sockopt::zap_domain, domain);
  const int yes = 1;
  if (zmq_setsockopt(socket.handle(), kZapEnforceDomain, &yes, sizeof yes) != 0) {
    throw zmq::error_t();
  }
}

std::string Text(const zmq::message_t& message) {
  return {static_cast<const char*>(message.data()), message.size()};
}

}  // namespace

Result<zmq::socket_t> BindRouter(zmq::context_t& context, const std::string& endpoint,
                                 const KeyPair* keys, const std::string& domain) try {
  zmq::socket_t socket(context, zmq::socket_type::router);
  SetCommon(socket);
  socket.set(zmq::sockopt::router_mandatory, 1);
  if (keys != nullptr) TakeOnly(socket, *keys, domain);
  socket.bind(endpoint);
  return socket;
} catch (const zmq::error_t& e) {
  return Invalid("cannot bind " + endpoint + ": " + e.what() +
                 (e.num() == EADDRINUSE
                      ? "; another process has this port (is an aggregator running already?)"
                      : "; expected an endpoint such as tcp://*:5555"));
}

Result<zmq::socket_t> ConnectDealer(zmq::context_t& context, const std::string& endpoint,
                                    const PeerKeys* keys,
                                    std::optional<HandshakeMonitor>* handshakes) try {
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  SetCommon(socket);
  socket.set(zmq::sockopt::immediate, 1);
  socket.set(zmq::sockopt::reconnect_ivl, 100);
  socket.set(zmq::sockopt::reconnect_ivl_max, 500);
  if (keys != nullptr) {
    socket.set(zmq::sockopt::curve_serverkey, keys->aggregator);
    socket.set(zmq::sockopt::curve_publickey, keys->own.public_key);
    socket.set(zmq::sockopt::curve_secretkey, keys->own.secret_key);
  }
  if (handshakes != nullptr) handshakes->emplace(context, socket);
  try {
    socket.connect(endpoint);
  } catch (const zmq::error_t&) {
    if (handshakes != nullptr) handshakes->reset();  // before the socket goes
    throw;
  }
  return socket;
} catch (const zmq::error_t& e) {
  return Invalid("cannot connect to " + endpoint + ": " + e.what() +
                 "; expected an endpoint such as tcp://localhost:5555");
}

bool SendTo(zmq::socket_t& router, const std::string& peer, const std::string& frame) try {
  if (!router.send(zmq::buffer(peer), zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
    return false;
  }
  return router.send(zmq::buffer(frame), zmq::send_flags::dontwait).has_value();
} catch (const zmq::error_t&) {
  return false;  // EHOSTUNREACH: the peer is gone
}

bool Send(zmq::socket_t& dealer, const std::string& frame) try {
  return dealer.send(zmq::buffer(frame), zmq::send_flags::dontwait).has_value();
} catch (const zmq::error_t&) {
  return false;  // interrupted by a signal
}

bool ReceiveFrom(zmq::socket_t& router, Frame* frame) try {
  zmq::message_t part;
  if (!router.recv(part, zmq::recv_flags::dontwait)) return false;
  frame->peer = Text(part);
  frame->body.clear();
  // A well-behaved peer sends one part; of a longer message the last one counts.
  while (part.more()) {
    if (!router.recv(part, zmq::recv_flags::dontwait)) return false;
    frame->body = Text(part);
  }
  return true;
} catch (const zmq::error_t&) {
  return false;
}

bool Receive(zmq::socket_t& dealer, std::string* body) try {
  zmq::message_t part;
  if (!dealer.recv(part, zmq::recv_flags::dontwait)) return false;
  *body = Text(part);
  while (part.more()) {
    if (!dealer.recv(part, zmq::recv_flags::dontwait)) return false;
    *body = Text(part);
  }
  return true;
} catch (const zmq::error_t&) {
  return false;
}

void WatchOrNot(EpollLoop& loop, zmq::socket_t& socket, std::function<void()> fn) {
  if (fn) {
    loop.WatchZmq(socket, std::move(fn));
  } else {
    loop.UnwatchZmq(socket);
  }
}

}  // namespace paperboy
