#include "aggregator/operator_link.h"

#include <array>
#include <random>

#include "common/wire.h"

namespace paperboy {
namespace {

using Clock = std::chrono::steady_clock;

// Between two looks at the socket.
constexpr std::chrono::milliseconds kLook{20};

bool Retryable(const wire::FetcherReply& reply) {
  return reply.has_refused() && reply.refused().kind() == wire::REFUSAL_BUSY;
}

}  // namespace

Result<std::string> EndpointToConnect(const std::string& bound) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kAnywhere = {
      {{"tcp://*:", "tcp://127.0.0.1:"},
       {"tcp://0.0.0.0:", "tcp://127.0.0.1:"},
       {"tcp://[::]:", "tcp://[::1]:"}}};
  std::string endpoint = bound;
  for (const auto& [any, local] : kAnywhere) {
    if (bound.starts_with(any)) endpoint = std::string(local) + bound.substr(any.size());
  }
  if (endpoint.ends_with(":*") || endpoint.ends_with(":0")) {
    return Invalid("the running aggregator cannot be found at " + bound +
                   ": give --bind-fetchers with the port that its log names");
  }
  return endpoint;
}

Result<std::unique_ptr<OperatorLink>> OperatorLink::Connect(const std::string& endpoint,
                                                            const std::string& keys) {
  std::unique_ptr<OperatorLink> link(new OperatorLink({endpoint, keys, "aggregator"}));
  auto socket = ConnectToAggregator(link->context_, link->address_, &link->handshakes_);
  if (!socket) return socket.error();
  link->socket_ = std::move(socket).value();
  return link;
}

Result<wire::Done> OperatorLink::Ask(wire::FetcherMessage message,
                                     std::chrono::milliseconds patience) {
  message.set_wire_major(kWireMajor);
  message.set_request(std::random_device()() | 1U);
  const std::string frame = message.SerializeAsString();
  const auto deadline = Clock::now() + patience;
  const std::string in_time = " within " + std::to_string(patience.count() / 1000) + " s: ";
  std::string busy;
  for (auto send_at = Clock::now(); Clock::now() < deadline;) {
    if (Clock::now() >= send_at && Send(socket_, frame)) send_at = Clock::now() + kReplyTimeout;
    zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
    zmq::poll(&item, 1, kLook);
    const std::optional<Handshake> handshake = handshakes_->Next();
    const bool broken_off = handshake == Handshake::kBrokenOff;
    if (handshake && handshake != Handshake::kDone && (!broken_off || broken_off_++ > 0)) {
      return Unavailable(WhyRefused(*handshake, address_));
    }
    std::string body;
    wire::FetcherReply reply;
    if (!Receive(socket_, &body) || !reply.ParseFromString(body)) continue;
    if (reply.request() != message.request()) continue;
    if (Retryable(reply)) {
      busy = reply.refused().message();
      continue;
    }
    if (reply.has_done()) return reply.done();
    return Invalid(reply.has_refused() ? reply.refused().message()
                                       : "the aggregator answered with something else");
  }
  if (!busy.empty()) {
    return Unavailable("the aggregator at " + address_.endpoint + " could not do it" + in_time +
                       busy);
  }
  return Unavailable("nobody answered at " + address_.endpoint + in_time +
                     "this command goes to the running aggregator. If none runs, start one (with "
                     "the same --bind-fetchers and --keys)");
}

}  // namespace paperboy
