#include "tests/simulation/faults.h"

#include "common/wire.h"

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMostFaults = 8;
constexpr uint64_t kMostActs = 60;  // until a process dies in the middle of something

Node* OneOf(World& world, const std::vector<Node*>& nodes) {
  return nodes.empty() ? nullptr : nodes[world.Below(nodes.size())];
}

Node* AnyNode(const Targets& t) {
  switch (t.world.Below(4)) {
    case 0:
      return &t.aggregator;
    case 1:
      return OneOf(t.world, t.fetchers());
    default:
      return OneOf(t.world, t.scorers());
  }
}

void Stop(const Targets& t) {
  Node* node = AnyNode(t);
  if (node == nullptr || !node->up()) return;
  const auto time = t.world.Chance(0.5) ? t.world.Between(milliseconds(100), seconds(2))
                                        : t.world.Between(seconds(2), seconds(15));
  node->StopFor(time);
  t.witness.OnUnheard(node->name(), t.world.now(), t.world.now() + time);
}

void Cut(const Targets& t) {
  Node* node = AnyNode(t);
  if (node == nullptr) return;
  const bool from_redis = t.world.Chance(0.4);
  if (!from_redis && node == &t.aggregator) return;
  const std::string other = from_redis ? RedisHost::kName : t.aggregator.name();
  const auto until = t.world.now() + t.world.Between(milliseconds(300), seconds(12));
  t.world.Tell(node->name() + " and " + other + " are cut");
  const uint64_t way = t.world.Below(3);
  if (way != 1) t.net.Cut(node->name(), other, until);
  if (way != 2) t.net.Cut(other, node->name(), until);
  if (from_redis) {
    t.witness.OnRedisUnsure();
  } else {
    t.witness.OnUnheard(node->name(), t.world.now(), until);
  }
}

void KillRedis(const Targets& t) {
  t.redis.Kill();
  const auto data = static_cast<RedisHost::Data>(t.world.Below(3));
  t.world.After(t.world.Between(milliseconds(50), seconds(6)), [&redis = t.redis, data] {
    if (!redis.up()) redis.Restart(data);
  });
}

void FillDisk(const Targets& t) {
  t.world.Tell("the disk is full");
  t.disk.full = true;
  t.world.After(t.world.Between(milliseconds(100), seconds(6)), [t] {
    t.world.Tell("the disk has room");
    t.disk.full = false;
  });
}

void FillRedis(const Targets& t) {
  t.world.Tell("redis is full");
  t.redis.SetFull(true);
  t.world.After(t.world.Between(milliseconds(100), seconds(5)), [t] { t.redis.SetFull(false); });
}

// The ledger of before, or none, under the same Redis and the same scorers.
void ReplaceLedger(const Targets& t) {
  // A new ledger counts its starts by the clock: one that was set back would give
  // a start's number twice.
  const bool must_restore = t.world.clock_is_back();
  if (must_restore && t.disk.backup.empty()) return;
  const bool restore = !t.disk.backup.empty() && (must_restore || t.world.Chance(0.6));
  t.aggregator.Kill();
  t.world.Tell(restore ? "the ledger is restored from a backup" : "the ledger is deleted");
  t.disk.Replace(restore ? t.disk.backup : "");
  t.witness.OnLedgerReplaced();
}

void SetClock(const Targets& t) {
  // Ahead of a true minute nobody can tell from time that has passed: the quota
  // of the minute that was skipped is used twice.
  const bool back = t.limited || t.world.Chance(0.5);
  const auto step = seconds(1 + t.world.Below(t.world.Chance(0.5) ? 10 : 7'200));
  t.world.Tell("the clock is set " + std::string(back ? "back " : "ahead ") +
               std::to_string(step.count()) + " s");
  t.world.SetWallBy(back ? -step : step);
}

// A peer that says what no peer of ours would.
void Intrude(const Targets& t) {
  class Intruder : public Program {
   public:
    Intruder(Net& net, Node& node, const char* service) : dealer(net, node, service) {}
    bool EndTurn() override { return false; }
    void Terminate() override {}
    SimDealer dealer;
  };
  auto made = std::make_unique<Node>(
      t.world, "intruder",
      [&net = t.net, to_scorers = t.world.Chance(0.7)](Node& n) {
        return std::make_unique<Intruder>(net, n, to_scorers ? kScorerService : kFetcherService);
      },
      [](bool) {});
  Node* node = made.get();
  t.strangers.push_back(std::move(made));
  node->Boot();
  for (int i = 0; i < 6; ++i) {
    node->Post(t.world.now() + milliseconds(100 + 200 * i), [node, i] {
      World& world = node->world();
      auto& dealer = static_cast<Intruder&>(node->program()).dealer;
      wire::ScorerMessage message;
      message.set_wire_major(kWireMajor);
      std::string frame(1 + world.Below(40), static_cast<char>(world.Below(256)));
      if (i == 1) {
        message.set_wire_major(kWireMajor + 1);
        message.mutable_ready()->set_free_calls(5);
        frame = message.SerializeAsString();
      } else if (i == 2) {
        wire::Ready* ready = message.mutable_ready();
        ready->set_pod("intruder");
        ready->set_boot(world.Below(UINT64_MAX));
        ready->set_backend("lexical");  // fits no digest: it gets no work
        for (uint64_t lease = 0; lease < 5; ++lease) ready->add_holding(world.Below(UINT64_MAX));
        ready->set_leaving(true);
        frame = message.SerializeAsString();
      } else if (i == 3) {
        wire::Result* result = message.mutable_result();
        result->set_lease(world.Below(UINT64_MAX));
        result->set_digest(static_cast<int64_t>(world.Below(5)));
        auto* paper = result->add_papers();
        paper->set_key("nobody asked");
        paper->set_kind(wire::PaperResult::SCORE);
        paper->set_relevance(10);
        frame = message.SerializeAsString();
      }
      dealer.Send(frame);
    });
  }
  t.world.After(seconds(3), [node] { node->Kill(); });
}

void Strike(const Targets& t) {
  World& world = t.world;
  const uint64_t draw = world.Below(100);
  if (draw < 30) {
    if (Node* node = AnyNode(t)) node->KillAtAct(1 + world.Below(kMostActs));
  } else if (draw < 38) {
    if (Node* node = AnyNode(t)) node->Kill();
  } else if (draw < 50) {
    Stop(t);
  } else if (draw < 57) {
    if (Node* node = AnyNode(t); node != nullptr && node->up()) node->Terminate();
  } else if (draw < 63) {
    KillRedis(t);
  } else if (draw < 68) {
    t.redis.FlushAll();
  } else if (draw < 71) {
    t.redis.StopFor(world.Between(milliseconds(100), seconds(5)));
  } else if (draw < 73) {
    t.redis.SaveFile();
  } else if (draw < 75) {
    FillRedis(t);
  } else if (draw < 83) {
    Cut(t);
  } else if (draw < 86) {
    if (Node* node = AnyNode(t)) t.net.BreakAll(node->name());
  } else if (draw < 90) {
    FillDisk(t);
  } else if (draw < 92) {
    if (!t.disk.store->db().InTransaction()) t.disk.backup = t.disk.store->db().Image();
  } else if (draw < 94) {
    ReplaceLedger(t);
  } else if (draw < 95) {
    world.Tell("OUT is deleted");
    t.disk.out.Clear();
  } else if (draw < 98) {
    SetClock(t);
  } else {
    Intrude(t);
  }
}

}  // namespace

void ScheduleFaults(Targets targets) {
  const size_t faults = targets.world.Below(kMostFaults + 1);
  for (size_t i = 0; i < faults; ++i) {
    targets.world.After(targets.world.Between(milliseconds(0), kTrouble),
                        [targets] { Strike(targets); });
  }
}

void EndFaults(const Targets& t) {
  t.world.Tell("from now on everything works");
  t.net.Heal();
  t.net.SetMood({});
  t.disk.full = false;
  t.redis.SetFull(false);
  if (!t.redis.up()) t.redis.Restart(RedisHost::Data::kKept);
}

}  // namespace paperboy::sim
