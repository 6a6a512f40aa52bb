// A Redis client on the loop. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/epoll_loop.h"
#include "common/options.h"
#include "common/redis.h"

namespace paperboy {

// From --redis and --redis-ca. kInvalid names the option, and never repeats the URL.
Result<RedisUrl> ReadRedisUrl(const Options& options);

class RedisClient : public Redis {
 public:
  // Starts to connect. Reconnects after 50 ms, doubling up to 1 s, for ever; an
  // attempt may take 2 s for the look-up of the name and 2 s for the rest.
  // After each connect: AUTH, SELECT, INFO server (for run_id), and PING, which
  // tells whether the data is loaded; it is ready when all have been answered.
  // While idle, a PING every 5 s notices a server that hangs. The loop must
  // outlive this.
  RedisClient(EpollLoop& loop, RedisUrl url);
  ~RedisClient() override;
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  void Command(std::vector<std::string> args, Milliseconds deadline, Callback done) override;
  void Eval(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> args,
            Milliseconds deadline, Callback done) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
