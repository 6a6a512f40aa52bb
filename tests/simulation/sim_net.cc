#include "tests/simulation/sim_net.h"

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A peer's death is noticed by a reset, in milliseconds (field figure: 5 ms after
// a kill); a silent one by ZeroMQ's heartbeats.
constexpr milliseconds kReset{5};
constexpr seconds kHeartbeatTimeout{6};
constexpr milliseconds kLook{250};
// A frame on a link that is cut waits in the kernel's buffers.
constexpr milliseconds kStuck{20};

}  // namespace

void Net::Cut(const std::string& from, const std::string& to, MonotonicTime until) {
  cuts_[{from, to}] = until;
  for (const auto& pipe : pipes_) {
    if (pipe->client->name() == from || pipe->client->name() == to) WatchHeartbeats(pipe);
  }
}

bool Net::IsCut(const std::string& from, const std::string& to) const {
  const auto cut = cuts_.find({from, to});
  return cut != cuts_.end() && world_.now() < cut->second;
}

void Net::BreakAll(const std::string& node) {
  const auto pipes = pipes_;
  for (const auto& pipe : pipes) {
    if (pipe->client->name() == node || pipe->server->name() == node) Break(pipe);
  }
}

std::shared_ptr<Net::Pipe> Net::Connect(SimDealer* dealer, Node* client,
                                        const std::string& service) {
  const auto found = services_.find(service);
  if (found == services_.end()) return nullptr;
  SimRouter* router = found->second;
  Node* server = &router->node_;
  if (IsCut(client->name(), server->name()) || IsCut(server->name(), client->name())) {
    return nullptr;
  }
  auto pipe = std::make_shared<Pipe>(
      Pipe{"peer" + std::to_string(next_pipe_++), service, client, server, dealer, router});
  router->pipes_[pipe->id] = pipe;
  pipes_.insert(pipe);
  WatchHeartbeats(pipe);
  return pipe;
}

// Both ends learn of it; what is under way may still arrive, or be lost.
void Net::Break(const std::shared_ptr<Pipe>& pipe) {
  if (SimRouter* router = std::exchange(pipe->router, nullptr)) router->pipes_.erase(pipe->id);
  if (SimDealer* dealer = std::exchange(pipe->dealer, nullptr)) {
    dealer->pipe_.reset();
    dealer->Reconnect(world_.Between(milliseconds(100), milliseconds(600)));
  }
  pipes_.erase(pipe);
}

// A connection breaks when one end has not been heard for the heartbeats' time:
// it is stopped, or the link is cut.
void Net::WatchHeartbeats(const std::shared_ptr<Pipe>& pipe) {
  const auto bad = [this, pipe] {
    return IsCut(pipe->client->name(), pipe->server->name()) ||
           IsCut(pipe->server->name(), pipe->client->name()) || pipe->client->stopped() ||
           pipe->server->stopped();
  };
  if (pipe->router == nullptr || !bad()) return;
  const auto since = world_.now();
  const auto look = std::make_shared<std::function<void()>>();
  *look = [this, pipe, bad, since, again = std::weak_ptr(look)] {
    if (pipe->router == nullptr || !bad()) return;
    if (world_.now() - since >= kHeartbeatTimeout) return Break(pipe);
    if (const auto next = again.lock()) {
      world_.After(kLook, [next] { (*next)(); });
    }
  };
  world_.After(kLook, [look] { (*look)(); });
}

void Net::Carry(const std::shared_ptr<Pipe>& pipe, bool to_server, const std::string& frame) {
  if (tap_) {
    tap_(to_server ? pipe->client->name() : pipe->server->name(),
         to_server ? pipe->server->name() : pipe->client->name(), pipe->service, frame);
  }
  if (pipe->client->stopped() || pipe->server->stopped()) WatchHeartbeats(pipe);
  if (world_.Chance(mood_.lose)) return;
  if (world_.Chance(mood_.twice)) CarryOnce(pipe, to_server, frame);
  CarryOnce(pipe, to_server, frame);
}

void Net::CarryOnce(const std::shared_ptr<Pipe>& pipe, bool to_server, const std::string& frame) {
  MonotonicTime at = world_.now() + world_.Between(mood_.least, mood_.most);
  if (!mood_.reorder) {
    MonotonicTime& last = to_server ? pipe->last_to_server : pipe->last_to_client;
    last = at = std::max(at, last);
  }
  world_.At(at, [this, pipe, to_server, frame] { Arrive(pipe, to_server, frame); });
}

void Net::Arrive(const std::shared_ptr<Pipe>& pipe, bool to_server, const std::string& frame) {
  const std::string& from = to_server ? pipe->client->name() : pipe->server->name();
  const std::string& to = to_server ? pipe->server->name() : pipe->client->name();
  const bool broken = pipe->router == nullptr || pipe->dealer == nullptr;
  if (IsCut(from, to)) {
    if (broken) return;
    MonotonicTime& last = to_server ? pipe->last_to_server : pipe->last_to_client;
    last = std::max(last, world_.now() + kStuck);
    world_.At(world_.now() + kStuck,
              [this, pipe, to_server, frame] { Arrive(pipe, to_server, frame); });
    return;
  }
  if (to_server && pipe->router != nullptr) {
    pipe->router->inbox_.Put({pipe->id, frame});
  } else if (!to_server && pipe->dealer != nullptr) {
    pipe->dealer->inbox_.Put(frame);
  }
}

// ---- router -----------------------------------------------------------------

SimRouter::SimRouter(Net& net, Node& node, const std::string& service)
    : net_(net), node_(node), service_(service), inbox_(node) {
  net_.services_[service_] = this;
}

SimRouter::~SimRouter() {
  net_.services_.erase(service_);
  for (const auto& [peer, pipe] : pipes_) {
    pipe->router = nullptr;
    net_.world().After(kReset, [net = &net_, pipe = pipe] { net->Break(pipe); });
  }
}

bool SimRouter::SendTo(const std::string& peer, const std::string& frame) {
  if (!node_.Act("send")) return true;
  const auto found = pipes_.find(peer);
  if (found == pipes_.end()) return false;
  net_.Carry(found->second, /*to_server=*/false, frame);
  return true;
}

// ---- dealer -----------------------------------------------------------------

SimDealer::SimDealer(Net& net, Node& node, const std::string& service)
    : net_(net), node_(node), service_(service), inbox_(node) {
  Reconnect(net_.world().Between(milliseconds(1), milliseconds(20)));
}

SimDealer::~SimDealer() {
  if (!pipe_) return;
  pipe_->dealer = nullptr;
  net_.world().After(kReset, [net = &net_, pipe = pipe_] { net->Break(pipe); });
}

// The kernel's business: also while the process is stopped.
void SimDealer::Reconnect(Microseconds delay) {
  node_.Post(net_.world().now() + delay, [this] {
    if (pipe_) return;
    pipe_ = net_.Connect(this, &node_, service_);
    if (!pipe_) Reconnect(net_.world().Between(milliseconds(100), milliseconds(500)));
  });
}

bool SimDealer::Send(const std::string& frame) {
  if (!node_.Act("send")) return true;
  if (!pipe_) return false;
  net_.Carry(pipe_, /*to_server=*/true, frame);
  return true;
}

}  // namespace paperboy::sim
