#include "tests/simulation/sim_http.h"

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;

// Well within the arrival jitter that the limiter allows for (120 ms).
constexpr milliseconds kLeastWay{1}, kLongestWay{60};

std::string HostOf(const std::string& url) {
  const size_t begin = url.find("//") + 2;
  return url.substr(begin, url.find('/', begin) - begin);
}

}  // namespace

uint64_t SimHttp::Start(HttpRequest request, Callback done) {
  const uint64_t id = next_++;
  if (!node_.Act("an HTTP request")) return id;
  World& world = node_.world();
  WebHost* host = hosts_.at(HostOf(request.url));
  pending_.emplace(id, std::move(done));
  node_.Post(world.now() + request.timeout, [this, id] {
    Finish(id, Error{ErrorKind::kTimedOut, "no answer in time"});
  });
  world.After(world.Between(kLeastWay, kLongestWay),
              [this, id, host, node = &node_, life = node_.life(), request = std::move(request)] {
                World& w = node->world();
                WebHost::Answer answer = host->OnRequest(*node, request);
                if (answer.never) return;
                if (node->life() != life) return;
                node->Post(w.now() + answer.after,
                           [this, id, response = answer.response] { Finish(id, response); });
              });
  return id;
}

void SimHttp::Finish(uint64_t id, const Result<HttpResponse>& response) {
  auto found = pending_.extract(id);
  if (!found.empty()) found.mapped()(response);
}

}  // namespace paperboy::sim
