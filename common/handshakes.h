// What becomes of the handshakes of a socket: ZeroMQ's monitor. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <zmq.hpp>

namespace paperboy {

enum class Handshake {
  kDone,
  kRefused,     // the key, by the other end
  kOtherRole,   // so, since it is a key of another role
  kUnlike,      // one end has a key, the other has none
  kUnreadable,  // encrypted for another key, or no ZeroMQ at all
  kBrokenOff,   // the connection ended before it was over
};

// By which number the aggregator refuses a key, all that ZeroMQ lets it tell the peer: a
// peer hears of these two only, and one of an earlier version takes them alike.
inline constexpr uint32_t kUnknownKeyStatus = 400, kOtherRoleStatus = 500;

class HandshakeMonitor {
 public:
  // From now on. `socket` may be moved, and must be closed after this is gone: it would
  // wait for ever for somebody to take what it tells.
  HandshakeMonitor(zmq::context_t& context, zmq::socket_ref socket);
  ~HandshakeMonitor();
  HandshakeMonitor(const HandshakeMonitor&) = delete;
  HandshakeMonitor& operator=(const HandshakeMonitor&) = delete;

  // The next one, without waiting.
  std::optional<Handshake> Next();
  zmq::socket_ref events() { return events_; }

 private:
  zmq::socket_ref watched_;
  zmq::socket_t events_;
};

}  // namespace paperboy
