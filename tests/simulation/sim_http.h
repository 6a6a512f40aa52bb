// HTTP on the world's time: hosts that answer after a while, or never, and a
// client of them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "common/http_client.h"
#include "tests/simulation/world.h"

namespace paperboy::sim {

// Whoever answers at http://NAME/.
class WebHost {
 public:
  struct Answer {
    Microseconds after{0};
    Result<HttpResponse> response = Unavailable("connection reset");
    bool never = false;
  };
  virtual ~WebHost() = default;
  // `client` has asked, in its present life.
  virtual Answer OnRequest(Node& client, const HttpRequest& request) = 0;
};

class SimHttp : public HttpClient {
 public:
  using Hosts = std::map<std::string, WebHost*>;  // by the URL's host

  SimHttp(Node& node, const Hosts& hosts) : node_(node), hosts_(hosts) {}
  uint64_t Start(HttpRequest request, Callback done) override;
  void Cancel(uint64_t id) override { pending_.erase(id); }
  size_t in_flight() const override { return pending_.size(); }

 private:
  void Finish(uint64_t id, const Result<HttpResponse>& response);

  Node& node_;
  const Hosts& hosts_;
  uint64_t next_ = 1;
  std::map<uint64_t, Callback> pending_;
};

}  // namespace paperboy::sim
