#include "common/wire.h"
#include "fetcher/aggregator_client.h"
#include "fetcher/outcome.h"
#include "tests/fuzz/conversation.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

constexpr Milliseconds kPatience{60'000};

}  // namespace

// What an aggregator answers to one question of a fetcher's, or tells it meanwhile. A
// reply without a number answers it; of peer 1 it is told unasked.
FUZZ_TARGET(fetcher, bytes) {
  Quiet();
  PlayedLoop loop;
  PlayedDealer dealer;
  Pump pump(loop);
  Progress progress(loop, Progress::Mode::kNone, stderr);
  AggregatorClient client(dealer, "aggregator", pump, progress);
  client.SetOnPush([](const wire::FetcherReply& reply) {
    if (!reply.has_published()) return;
    const Outcome outcome = PublishedOutcome("p", "2026-09-15", reply.published());
    FUZZ_CHECK(!Summary({outcome}).empty());
  });
  Milliseconds at{0};
  for (Turn turn : TurnsOf(bytes)) {
    wire::FetcherReply* reply = turn.mutable_to_fetcher();
    if (reply->wire_major() == 0) reply->set_wire_major(kWireMajor);
    if (reply->request() == 0 && turn.peer() != 1) reply->set_request(1);
    at += std::min(Milliseconds(turn.wait_ms()), kPatience);
    loop.After(at, [&dealer, frame = turn.has_raw() ? turn.raw() : reply->SerializeAsString()] {
      dealer.Deliver(frame);
    });
  }
  const MonotonicTime deadline = loop.now() + kPatience;
  const auto reply = client.Call({}, deadline);
  FUZZ_CHECK(loop.now() <= deadline);
  if (!reply) return FUZZ_CHECK(!reply.error().message.empty());
  FUZZ_CHECK(reply->wire_major() == kWireMajor && !reply->has_refused());
}

}  // namespace paperboy::fuzz
