// Counts the send times that the limiter hands out, by listening to what Redis is
// told (MONITOR): a reservation that moved the requests' `tr` was granted (see
// scorer/limiter_script.h). A thread of its own.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace paperboy::bench {

class Grants {
 public:
  // To the Redis on 127.0.0.1:`port`. Throws std::runtime_error when it is not there.
  explicit Grants(int port);
  ~Grants();
  Grants(const Grants&) = delete;
  Grants& operator=(const Grants&) = delete;

  // Those whose send time lies `before_now` seconds or more in the past.
  size_t Due(double before_now) const;

 private:
  void Listen();
  void OnLine(const std::string& line);

  int fd_ = -1;
  mutable std::mutex mutex_;
  std::string last_tr_;
  std::vector<double> send_times_;  // Redis's clock, microseconds
  std::thread thread_;
};

}  // namespace paperboy::bench
