#include "scorer/aggregator_link.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/socket.h"
#include "common/wire.h"

namespace paperboy {
namespace {

// Frames taken per turn, so that a flood cannot starve the timers.
constexpr int kFramesPerTurn = 256;
// A goodbye may take that long to leave when the process ends.
constexpr int kLingerMs = 1'000;

}  // namespace

AggregatorLink::AggregatorLink(Loop& loop, zmq::socket_t socket, std::string endpoint)
    : loop_(loop), socket_(std::move(socket)), endpoint_(std::move(endpoint)) {
  socket_.set(zmq::sockopt::linger, kLingerMs);
}

AggregatorLink::~AggregatorLink() {
  loop_.Cancel(beat_timer_);
  loop_.UnwatchZmq(socket_);
}

void AggregatorLink::Start(Handlers handlers) {
  handlers_ = std::move(handlers);
  started_ = loop_.now();
  loop_.WatchZmq(socket_, [this] { Receive(); });
  beat_timer_ = loop_.Every(kBeat, [this] { Tick(); });
  ready_due_ = true;
}

void AggregatorLink::Deliver(const wire::Result& result) {
  wire::ScorerMessage message;
  message.set_wire_major(kWireMajor);
  *message.mutable_result() = result;
  Kept& kept = results_[result.lease()];
  kept.frame = message.SerializeAsString();
  SendKept(&kept);
  ready_due_ = true;
}

void AggregatorLink::SendKept(Kept* kept) {
  const MonotonicTime now = loop_.now();
  if (now < quiet_until_ || !Send(socket_, kept->frame)) return;  // the next beat tries again
  kept->sent = now;
}

void AggregatorLink::OnTurnEnd() {
  if (!std::exchange(ready_due_, false)) return;
  SayReady();
}

void AggregatorLink::SayReady() {
  if (loop_.now() < quiet_until_) return;
  wire::ScorerMessage message;
  message.set_wire_major(kWireMajor);
  *message.mutable_ready() = handlers_.ready();
  message.mutable_ready()->set_seen(seen_);
  for (const auto& [lease, kept] : results_) message.mutable_ready()->add_holding(lease);
  Send(socket_, message.SerializeAsString());
}

void AggregatorLink::Tick() {
  SayReady();
  Resend(/*all=*/false);
  if (silence() > kSilence && !std::exchange(announced_silence_, true)) {
    spdlog::warn("waiting for the aggregator at {}", endpoint_);
  }
}

void AggregatorLink::Resend(bool all) {
  const MonotonicTime now = loop_.now();
  for (auto& [lease, kept] : results_) {
    if (all || now - kept.sent >= kResendAfter) SendKept(&kept);
  }
}

void AggregatorLink::Receive() {
  std::string frame;
  for (int i = 0; i < kFramesPerTurn && paperboy::Receive(socket_, &frame); ++i) OnReply(frame);
}

void AggregatorLink::OnReply(const std::string& frame) {
  wire::ScorerReply reply;
  if (!reply.ParseFromString(frame)) {
    spdlog::error("the aggregator at {} sent a frame that does not parse; ignored", endpoint_);
    return;
  }
  if (reply.has_refused()) return OnRefused(reply.refused());
  if (reply.wire_major() != kWireMajor) {
    return OnOtherVersion("it speaks version " + std::to_string(reply.wire_major()) +
                          " of the wire, this scorer " + std::to_string(kWireMajor));
  }
  if (heard_ == MonotonicTime() || announced_silence_ || !version_trouble_.empty()) {
    spdlog::info("the aggregator at {} is there", endpoint_);
  }
  heard_ = loop_.now();
  announced_silence_ = false;
  version_wait_ = Milliseconds(0);
  version_trouble_.clear();
  if (reply.has_beat()) {
    OnBeat(reply.beat().boot());
  } else if (reply.has_ack()) {
    if (results_.erase(reply.ack().lease()) > 0 && results_.empty()) {
      handlers_.on_all_acknowledged();
    }
  } else if (reply.has_batch()) {
    seen_ = std::max(seen_, reply.batch().lease());
    handlers_.on_batch(std::move(*reply.mutable_batch()));
  }
}

void AggregatorLink::OnBeat(uint64_t boot) {
  if (boot == boot_) return;
  if (boot_ != 0) {
    spdlog::info("the aggregator has started afresh; sending it {} results", results_.size());
    // The upper half of a lease's number is the boot that gave it.
    if (seen_ >> 32 != boot) seen_ = 0;
    Resend(/*all=*/true);
    ready_due_ = true;
  }
  boot_ = boot;
}

void AggregatorLink::OnRefused(const wire::Refused& refused) {
  if (refused.kind() == wire::REFUSAL_VERSION) return OnOtherVersion(refused.message());
  heard_ = loop_.now();
  // A peer may refuse at any rate: the 1st, 2nd, 4th, ... is logged.
  if ((refusals_ & (refusals_ + 1)) == 0) {
    spdlog::warn("the aggregator refused a message: {} ({} so far)", refused.message(),
                 refusals_ + 1);
  }
  ++refusals_;
}

void AggregatorLink::OnOtherVersion(const std::string& message) {
  if (loop_.now() < quiet_until_) return;
  version_wait_ = std::clamp(2 * version_wait_, kFirstVersionWait, kLastVersionWait);
  quiet_until_ = loop_.now() + version_wait_;
  version_trouble_ = "the aggregator at " + endpoint_ +
                     " and this scorer do not understand each other: " + message +
                     "; install the same version of both";
  spdlog::error("{}. Asking again in {} s", version_trouble_, version_wait_.count() / 1'000);
}

std::string AggregatorLink::trouble() const {
  if (!version_trouble_.empty()) return version_trouble_;
  if (heard_ == MonotonicTime() || loop_.now() - heard_ > kSilence) {
    return "waiting for the aggregator at " + endpoint_;
  }
  return "";
}

}  // namespace paperboy
