#include "fetcher/aggregator_client.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "common/wire.h"

namespace paperboy {
namespace {

// A socket that is not connected takes no message; how often to try.
constexpr Milliseconds kConnectPoll{50};
// A start-up, or an answer that takes its time, is not worth a word.
constexpr Milliseconds kQuiet{2'000};
constexpr Milliseconds kBusyWait{1'000};
constexpr Milliseconds kMaxVersionWait{60'000};

}  // namespace

AggregatorClient::AggregatorClient(Dealer& dealer, std::string endpoint, Pump& pump,
                                   Progress& progress)
    : dealer_(dealer), endpoint_(std::move(endpoint)), pump_(pump), progress_(progress) {
  dealer_.OnReadable([this] { Receive(); });
}

void AggregatorClient::Receive() {
  std::string body;
  if (!dealer_.Receive(&body)) return;
  wire::FetcherReply reply;
  if (!reply.ParseFromString(body)) {
    spdlog::warn("an unreadable message came from the aggregator at {}; ignored", endpoint_);
    return;
  }
  if (reply.request() == 0) {
    if (on_push_ && reply.wire_major() == kWireMajor) on_push_(reply);
  } else if (reply.request() == in_flight_) {
    reply_ = std::move(reply);
  }  // else the second answer to a request that was sent twice
}

std::optional<wire::FetcherReply> AggregatorClient::SendOnce(const std::string& frame,
                                                             MonotonicTime deadline) {
  const bool sent = dealer_.Send(frame);
  const MonotonicTime until =
      std::min(deadline, pump_.now() + (sent ? Milliseconds(kReplyTimeout) : kConnectPoll));
  pump_.Until([&] { return reply_.has_value(); }, until);
  return std::exchange(reply_, std::nullopt);
}

std::optional<AggregatorClient::Again> AggregatorClient::MustAskAgain(
    const wire::FetcherReply& reply, int tries) const {
  const bool refused = reply.has_refused();
  if (reply.wire_major() != kWireMajor ||
      (refused && reply.refused().kind() == wire::REFUSAL_VERSION)) {
    const auto wait =
        std::min<Milliseconds>(Milliseconds(1'000) * (1 << std::min(tries, 6)), kMaxVersionWait);
    return Again{"the aggregator at " + endpoint_ + " to be of the same version (it speaks " +
                     std::to_string(reply.wire_major()) + ", this fetcher " +
                     std::to_string(kWireMajor) + "; upgrade the older one)",
                 wait};
  }
  if (refused && reply.refused().kind() == wire::REFUSAL_BUSY) {
    return Again{"the aggregator (" + reply.refused().message() + ")", kBusyWait};
  }
  return std::nullopt;
}

Result<wire::FetcherReply> AggregatorClient::Call(wire::FetcherMessage message,
                                                  MonotonicTime deadline) {
  message.set_wire_major(kWireMajor);
  message.set_request(next_request_);
  in_flight_ = next_request_++;
  reply_.reset();
  const std::string frame = message.SerializeAsString();
  const MonotonicTime begin = pump_.now();
  bool waited = false;
  for (int tries = 0; !pump_.stopped() && pump_.now() < deadline;) {
    std::optional<wire::FetcherReply> reply = SendOnce(frame, deadline);
    if (!reply) {
      if (pump_.stopped() || pump_.now() - begin < kQuiet) continue;
      waited = true;
      const std::string refusal = dealer_.refusal();
      progress_.Waiting("the aggregator at " + endpoint_ +
                        (refusal.empty() ? "" : " (" + refusal + ")"));
      continue;
    }
    if (const auto again = MustAskAgain(*reply, tries++); again) {
      waited = true;
      progress_.Waiting(again->why, spdlog::level::warn);
      pump_.Sleep(again->wait, deadline);
      continue;
    }
    in_flight_ = 0;
    if (waited) progress_.Waiting("");
    if (!reply->has_refused()) return std::move(*reply);
    const bool replaced = reply->refused().kind() == wire::REFUSAL_REPLACED;
    return Error{replaced ? ErrorKind::kConflict : ErrorKind::kInvalid,
                 "the aggregator refuses: " + reply->refused().message()};
  }
  in_flight_ = 0;
  if (pump_.stopped()) return Unavailable("stopped");
  return Unavailable("the deadline passed waiting for " +
                     (waited ? progress_.waiting() : "the aggregator at " + endpoint_));
}

Result<wire::Days> AskForDays(AggregatorClient& client, const std::string& profile,
                              date::sys_days from, date::sys_days to, MonotonicTime deadline) {
  wire::FetcherMessage message;
  wire::ListDays* list = message.mutable_list_days();
  list->set_profile(profile);
  list->set_from(FormatDate(from));
  list->set_to(FormatDate(to));
  Result<wire::FetcherReply> reply = client.Call(std::move(message), deadline);
  if (!reply) return reply.error();
  return std::move(*reply->mutable_days());
}

}  // namespace paperboy
