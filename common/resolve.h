// A name look-up that does not block the loop. hiredis looks names up with a
// blocking getaddrinfo, which takes up to half a minute while DNS is away.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/epoll_loop.h"
#include "common/result.h"

namespace paperboy {

// One look-up at a time, on a thread of its own. Used from the loop's thread.
class Resolver {
 public:
  // Numeric addresses, at least one, IPv4 first.
  using Callback = std::function<void(Result<std::vector<std::string>>)>;

  explicit Resolver(EpollLoop& loop) : loop_(loop) {}
  ~Resolver();  // the callback is not called any more
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `done` once, never from within this call; with kUnavailable when the
  // name is unknown or `timeout` passes. Replaces a look-up that is under way;
  // one that outlasted its time is joined if it is for the same host, so that
  // an outage does not pile up threads.
  void Resolve(const std::string& host, Milliseconds timeout, Callback done);

 private:
  struct LookUp;
  Result<std::vector<std::string>> TakeResult();
  void Finish(Result<std::vector<std::string>> result);
  void Forget();

  EpollLoop& loop_;
  Callback done_;
  Loop::TimerId timer_ = 0;
  std::shared_ptr<LookUp> look_up_;
};

}  // namespace paperboy
