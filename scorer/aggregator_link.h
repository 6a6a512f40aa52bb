// A scorer's side of the wire to the aggregator: says Ready, takes batches, and
// keeps every result until it is acknowledged. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/link.h"
#include "common/loop.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// A result that is not acknowledged is sent again after this long.
inline constexpr Milliseconds kResendAfter{3'000};
// An aggregator of another version is asked again after the first, doubling up
// to the second.
inline constexpr Milliseconds kFirstVersionWait{5'000};
inline constexpr Milliseconds kLastVersionWait{60'000};

class AggregatorLink {
 public:
  // `endpoint` is for people.
  AggregatorLink(Loop& loop, Dealer& dealer, std::string endpoint);
  ~AggregatorLink();
  AggregatorLink(const AggregatorLink&) = delete;
  AggregatorLink& operator=(const AggregatorLink&) = delete;

  struct Handlers {
    // What to say as Ready, but for `seen` and the results in `holding`.
    std::function<wire::Ready()> ready;
    std::function<void(wire::Batch)> on_batch;
    // A batch that it holds is not, or no longer, its own.
    std::function<void(uint64_t lease)> on_void;
    // Every result is acknowledged; called once each time.
    std::function<void()> on_all_acknowledged;
  };
  // Says Ready at once and then every kBeat.
  void Start(Handlers handlers);

  // Sends the result now and again until it is acknowledged, however long that
  // takes: it was paid for. Whoever says Ready bounds the memory that this needs
  // by asking for no work while too many results wait.
  void Deliver(const wire::Result& result);
  // Something in Ready has changed: say it when this turn ends, or after a pause that
  // grows with the number of batches held, as the cost of saying it does.
  void ReadyChanged() { ready_due_ = true; }
  // As that, and the loop ends with this turn.
  void SayLastReady() { ready_due_ = true, pause_until_ = {}; }
  // To be called at the end of every turn of the loop.
  void OnTurnEnd();

  // Results that wait to be acknowledged.
  size_t unacknowledged() const { return results_.size(); }
  // Whether the aggregator has heard of this scorer lately, so that what it holds
  // is surely still its own.
  bool heard_lately() const;
  // The number of the next Ready, and whether one with that number or a later one was
  // heard: then whoever claims something in it would know by now that it is not its own.
  uint64_t next_ready() const { return next_ready_; }
  bool heard(uint64_t ready) const { return heard_number_ >= ready; }
  // Why the aggregator cannot be worked for, for people; empty while it is
  // heard of.
  std::string trouble() const;

 private:
  struct Kept {
    std::string frame;
    MonotonicTime sent;  // epoch: not yet
  };

  void Receive();
  void OnReply(const std::string& frame);
  void OnAck(uint64_t lease);
  void OnBatch(wire::Batch batch);
  void OnBeat(uint64_t boot);
  void OnHeard(uint64_t number);
  void OnRefused(const wire::Refused& refused);
  void OnOtherVersion(const std::string& message);
  void SayReady();
  void SendKept(Kept* kept);
  void Tick();
  void Resend(bool all);

  Loop& loop_;
  Dealer& dealer_;
  std::string endpoint_;
  Handlers handlers_;
  Loop::TimerId beat_timer_ = 0;
  bool ready_due_ = false;
  MonotonicTime pause_until_{};  // of saying Ready
  Loop::TimerId pause_timer_ = 0;
  MonotonicTime started_;
  MonotonicTime heard_;  // epoch: never
  bool announced_silence_ = false;
  uint64_t boot_ = 0;  // the aggregator's; 0: not known yet
  uint64_t seen_ = 0;
  std::map<uint64_t, MonotonicTime> unheard_;  // when each Ready was said, by number
  uint64_t next_ready_ = 1;
  uint64_t heard_number_ = 0;
  std::optional<MonotonicTime> heard_of_;  // when the last one was said that was heard
  std::map<uint64_t, Kept> results_;       // by lease
  Milliseconds version_wait_{0};
  MonotonicTime quiet_until_;
  std::string version_trouble_;
  int refusals_ = 0;
};

}  // namespace paperboy
