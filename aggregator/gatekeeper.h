// Who may connect to the aggregator's endpoints: answers ZeroMQ's questions (ZAP) by
// the allow list of each endpoint, and counts whoever is refused. On the loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "common/epoll_loop.h"
#include "common/handshakes.h"
#include "common/key_access.h"
#include "common/keys.h"
#include "common/result.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/registry.h"

namespace paperboy {

class Gatekeeper {
 public:
  // Reads the folder of keys. To be made before an endpoint is bound: ZeroMQ asks the
  // one that is there when a peer comes, and lets nobody in without.
  static Result<std::unique_ptr<Gatekeeper>> Start(EpollLoop& loop, zmq::context_t& context,
                                                   const std::string& folder,
                                                   prometheus::Registry& metrics);
  ~Gatekeeper();
  Gatekeeper(const Gatekeeper&) = delete;
  Gatekeeper& operator=(const Gatekeeper&) = delete;

  // Binds the endpoint of a role, fetcher or scorer, with the aggregator's key. What it
  // returns may be closed when this is gone.
  Result<zmq::socket_t> Bind(const std::string& role, const std::string& endpoint);

 private:
  // The list of a role. Its file is read again for each peer that comes, which is seldom,
  // and whichever way it was replaced; and now and then, so that the log tells its state.
  class List {
   public:
    explicit List(std::string path) : path_(std::move(path)) {}
    Status Read();
    // The last one that could be read stays in force; what is wrong is logged once.
    void ReadAgain();
    bool Has(const std::string& key) const { return allowed_.contains(key); }

   private:
    const std::string path_;
    AllowList allowed_;
    std::string trouble_;
  };

  Gatekeeper(EpollLoop& loop, zmq::context_t& context, std::string folder,
             prometheus::Registry& metrics);
  void Answer();
  void ReadLists();
  // Why `key` is not let in; empty: it is.
  std::string Objection(const std::string& role, const std::string& key);
  void OnHandshakes(const std::string& role);
  void Count(const std::string& role, const std::string& reason, const std::string& what);

  EpollLoop& loop_;
  zmq::context_t& context_;
  const std::string folder_;
  KeyAccess access_;
  prometheus::Family<prometheus::Counter>& refused_;
  std::map<std::string, uint64_t> counted_;  // by role and reason
  KeyPair own_;
  Loop::TimerId timer_ = 0;
  std::map<std::string, List> lists_;  // by role
  zmq::socket_t questions_;
  std::map<std::string, HandshakeMonitor> handshakes_;  // by role
};

}  // namespace paperboy
