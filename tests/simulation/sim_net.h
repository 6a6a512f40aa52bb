// Links between processes as ZeroMQ over TCP makes them, with its moods: delay,
// connections that break and lose what is under way, links that are half open,
// peers that are gone before anybody notices. A harsher mode loses, doubles and
// reorders single frames, which TCP never does.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "common/link.h"
#include "tests/simulation/world.h"

namespace paperboy::sim {

class SimRouter;
class SimDealer;

// What has arrived at a process and waits until it gets round to it.
template <class Item>
class Inbox {
 public:
  explicit Inbox(Node& node) : node_(node) {}
  void OnReadable(std::function<void()> fn) { readable_ = std::move(fn); }
  void Put(Item item) {
    items_.push_back(std::move(item));
    Wake();
  }
  bool Take(Item* item) {
    if (items_.empty() || !node_.Act("receive")) return false;
    *item = std::move(items_.front());
    items_.pop_front();
    return true;
  }

 private:
  static constexpr Microseconds kLongestTurn{2'000};

  void Wake() {
    if (std::exchange(waking_, true)) return;
    World& world = node_.world();
    node_.Post(world.now() + world.Between(Microseconds(0), kLongestTurn), [this] {
      waking_ = false;
      if (readable_ && !items_.empty()) readable_();
      if (!items_.empty()) Wake();
    });
  }

  Node& node_;
  std::function<void()> readable_;
  std::deque<Item> items_;
  bool waking_ = false;
};

class Net {
 public:
  struct Mood {
    Microseconds least{50}, most{3'000};  // a frame's way
    double lose = 0, twice = 0;           // probabilities for each frame
    bool reorder = false;
  };

  explicit Net(World& world) : world_(world) {}

  void SetMood(const Mood& mood) { mood_ = mood; }
  // Nothing gets from one node to the other until then; connections stay up
  // until their heartbeats miss it.
  void Cut(const std::string& from, const std::string& to, MonotonicTime until);
  bool IsCut(const std::string& from, const std::string& to) const;
  void Heal() { cuts_.clear(); }
  // All connections of the node break; they come back by themselves.
  void BreakAll(const std::string& node);

  // Watches what is sent, before it is on its way. Called once a frame.
  using Tap = std::function<void(const std::string& from, const std::string& to,
                                 const std::string& service, const std::string& frame)>;
  void SetTap(Tap tap) { tap_ = std::move(tap); }

  World& world() { return world_; }

 private:
  friend class SimRouter;
  friend class SimDealer;
  struct Pipe {
    std::string id;
    std::string service;
    Node* client;
    Node* server;
    SimDealer* dealer;  // null: the client's end is gone
    SimRouter* router;  // null: the server's end is gone
    MonotonicTime last_to_server{}, last_to_client{};
  };

  std::shared_ptr<Pipe> Connect(SimDealer* dealer, Node* client, const std::string& service);
  void Break(const std::shared_ptr<Pipe>& pipe);
  void Carry(const std::shared_ptr<Pipe>& pipe, bool to_server, const std::string& frame);
  void CarryOnce(const std::shared_ptr<Pipe>& pipe, bool to_server, const std::string& frame);
  void Arrive(const std::shared_ptr<Pipe>& pipe, bool to_server, const std::string& frame);
  void WatchHeartbeats(const std::shared_ptr<Pipe>& pipe);

  World& world_;
  Mood mood_;
  Tap tap_;
  std::map<std::pair<std::string, std::string>, MonotonicTime> cuts_;
  std::map<std::string, SimRouter*> services_;
  std::set<std::shared_ptr<Pipe>> pipes_;
  uint64_t next_pipe_ = 1;
};

class SimRouter : public Router {
 public:
  SimRouter(Net& net, Node& node, const std::string& service);
  ~SimRouter() override;
  bool SendTo(const std::string& peer, const std::string& frame) override;
  bool Receive(Frame* frame) override { return inbox_.Take(frame); }
  void OnReadable(std::function<void()> fn) override { inbox_.OnReadable(std::move(fn)); }

 private:
  friend class Net;

  Net& net_;
  Node& node_;
  std::string service_;
  Inbox<Frame> inbox_;
  std::map<std::string, std::shared_ptr<Net::Pipe>> pipes_;  // by peer
};

class SimDealer : public Dealer {
 public:
  SimDealer(Net& net, Node& node, const std::string& service);
  ~SimDealer() override;
  bool Send(const std::string& frame) override;
  bool Receive(std::string* body) override { return inbox_.Take(body); }
  void OnReadable(std::function<void()> fn) override { inbox_.OnReadable(std::move(fn)); }

 private:
  friend class Net;
  void Reconnect(Microseconds delay);

  Net& net_;
  Node& node_;
  std::string service_;
  Inbox<std::string> inbox_;
  std::shared_ptr<Net::Pipe> pipe_;
};

}  // namespace paperboy::sim
