#include "common/handshakes.h"

#include <atomic>
#include <cstring>
#include <string>

namespace paperboy {
namespace {

constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                        ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

Handshake Meaning(uint16_t event, uint32_t value) {
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      return Handshake::kDone;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      return value == kOtherRoleStatus ? Handshake::kOtherRole : Handshake::kRefused;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? Handshake::kUnlike
                                                                 : Handshake::kUnreadable;
    default:
      return Handshake::kBrokenOff;
  }
}

}  // namespace

HandshakeMonitor::HandshakeMonitor(zmq::context_t& context, zmq::socket_ref socket)
    : watched_(socket), events_(context, zmq::socket_type::pair) {
  static std::atomic<int> number = 0;
  const std::string address = "inproc://handshakes-" + std::to_string(++number);
  if (zmq_socket_monitor(socket.handle(), address.c_str(), kEvents) != 0) throw zmq::error_t();
  events_.set(zmq::sockopt::linger, 0);
  events_.connect(address);
}

HandshakeMonitor::~HandshakeMonitor() { zmq_socket_monitor(watched_.handle(), nullptr, 0); }

std::optional<Handshake> HandshakeMonitor::Next() try {
  zmq::message_t event;
  if (!events_.recv(event, zmq::recv_flags::dontwait)) return std::nullopt;
  zmq::message_t endpoint;
  if (event.more()) (void)events_.recv(endpoint, zmq::recv_flags::dontwait);
  uint16_t number = 0;
  uint32_t value = 0;
  std::memcpy(&number, event.data(), sizeof number);
  std::memcpy(&value, event.data<char>() + sizeof number, sizeof value);
  return Meaning(number, value);
} catch (const zmq::error_t&) {
  return std::nullopt;  // interrupted by a signal
}

}  // namespace paperboy
