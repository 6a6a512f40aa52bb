#include "scorer/aggregator_link.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/trace.h"
#include "common/wire.h"

namespace paperboy {
namespace {

// Frames taken per turn, so that a flood cannot starve the timers.
constexpr int kFramesPerTurn = 256;
// Of those that say Ready and are not heard the oldest are forgotten.
constexpr size_t kReadiesKept = 1'000;
// For each batch that a Ready lists, the pause before the next one. Measured: with 1,000
// of them at 150 results a second a quarter of the scorer's time went into Readies.
constexpr std::chrono::microseconds kReadyPause{25};

}  // namespace

AggregatorLink::AggregatorLink(Loop& loop, Dealer& dealer, std::string endpoint)
    : loop_(loop), dealer_(dealer), endpoint_(std::move(endpoint)) {}

AggregatorLink::~AggregatorLink() {
  loop_.Cancel(beat_timer_);
  loop_.Cancel(pause_timer_);
  dealer_.OnReadable({});
}

void AggregatorLink::Start(Handlers handlers) {
  handlers_ = std::move(handlers);
  started_ = loop_.now();
  dealer_.OnReadable([this] { Receive(); });
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
  if (now < quiet_until_ || !dealer_.Send(kept->frame)) return;  // the next beat tries again
  kept->sent = now;
}

void AggregatorLink::OnTurnEnd() {
  if (!ready_due_) return;
  const auto left = std::chrono::floor<Milliseconds>(pause_until_ - loop_.now());
  if (left < Milliseconds(1)) {
    ready_due_ = false;
    SayReady();
  } else if (pause_timer_ == 0) {
    pause_timer_ = loop_.After(left, [this] { pause_timer_ = 0; });  // ends a turn
  }
}

void AggregatorLink::SayReady() {
  if (loop_.now() < quiet_until_) return;
  wire::ScorerMessage message;
  message.set_wire_major(kWireMajor);
  *message.mutable_ready() = handlers_.ready();
  message.mutable_ready()->set_seen(seen_);
  message.mutable_ready()->set_number(next_ready_);
  for (const auto& [lease, kept] : results_) message.mutable_ready()->add_holding(lease);
  pause_until_ = loop_.now() + kReadyPause * message.ready().holding_size();
  if (!dealer_.Send(message.SerializeAsString())) return;
  unheard_[next_ready_++] = loop_.now();
  if (unheard_.size() > kReadiesKept) unheard_.erase(unheard_.begin());
}

void AggregatorLink::Tick() {
  SayReady();
  Resend(/*all=*/false);
  const bool silent = loop_.now() - std::max(heard_, started_) > kSilence;
  if (silent && !std::exchange(announced_silence_, true)) {
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
  for (int i = 0; i < kFramesPerTurn && dealer_.Receive(&frame); ++i) OnReply(frame);
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
    OnHeard(reply.beat().heard());
    OnBeat(reply.beat().boot());
  } else if (reply.has_ack()) {
    OnAck(reply.ack().lease());
  } else if (reply.has_void_leases()) {
    for (const uint64_t lease : reply.void_leases().leases()) handlers_.on_void(lease);
  } else if (reply.has_batch()) {
    OnHeard(reply.batch().heard());
    OnBatch(std::move(*reply.mutable_batch()));
  }
}

void AggregatorLink::OnAck(uint64_t lease) {
  const auto kept = results_.find(lease);
  if (kept == results_.end()) return;
  if (spdlog::should_log(spdlog::level::debug)) {
    const LogScope scope{LeaseField(lease)};
    spdlog::debug("the result of batch {} is acknowledged", lease);
  }
  results_.erase(kept);
  if (results_.empty()) handlers_.on_all_acknowledged();
}

void AggregatorLink::OnHeard(uint64_t number) {
  const auto said = unheard_.find(number);
  if (said == unheard_.end()) return;
  heard_of_ = said->second;
  heard_number_ = std::max(heard_number_, number);
  unheard_.erase(unheard_.begin(), std::next(said));
}

bool AggregatorLink::heard_lately() const {
  return heard_of_ && loop_.now() - *heard_of_ <= kHeardLately;
}

// A batch that was overtaken, that comes twice, or that an earlier start of the
// aggregator sent: Ready has said, or will, that it is not held here, and whoever
// gets its papers next must be the only one to ask about them. One that is resumed has
// an old number; before it is submitted its scorer makes sure that it holds it (deferred.h).
void AggregatorLink::OnBatch(wire::Batch batch) {
  if (!batch.resumed()) {
    if (batch.lease() <= seen_ || BootOf(batch.lease()) < boot_) return;
    seen_ = batch.lease();
  } else if (results_.contains(batch.lease())) {
    return;
  }
  handlers_.on_batch(std::move(batch));
}

void AggregatorLink::OnBeat(uint64_t boot) {
  if (boot == boot_) return;
  if (boot_ != 0) {
    spdlog::info("the aggregator has started afresh; sending it {} results", results_.size());
    if (BootOf(seen_) != boot) seen_ = 0;
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
  if (const std::string refusal = dealer_.refusal(); !refusal.empty()) return refusal;
  if (!version_trouble_.empty()) return version_trouble_;
  if (heard_ == MonotonicTime() || loop_.now() - heard_ > kSilence) {
    return "waiting for the aggregator at " + endpoint_;
  }
  return "";
}

}  // namespace paperboy
