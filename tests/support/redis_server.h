// A real redis-server of a test's own: a free port on 127.0.0.1, a directory of
// its own, nothing saved, killed by the destructor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace paperboy {

class RedisServer {
 public:
  // Starts the redis-server found in PATH and waits until it answers. Later
  // arguments win, e.g. {"--requirepass", "secret"} or {"--save", "1 1"}.
  explicit RedisServer(std::vector<std::string> extra_args = {}, Process::Environment env = {});

  int port() const { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  pid_t pid() const { return process_->pid(); }
  const TempDir& dir() const { return dir_; }

  // SIGKILL, and waits for its end.
  void Kill();
  // Kills it if it runs, then starts it again on the same port; empty, unless
  // it was told to save, or its directory has a dump.rdb.
  void Restart();
  // Sends one command as redis-cli takes it ("CONFIG SET save 1") and returns the
  // first line of the reply, as in "+OK". Throws std::runtime_error when none
  // comes.
  std::string Command(const std::string& command);

 private:
  bool Start();

  TempDir dir_;
  std::vector<std::string> extra_args_;
  Process::Environment env_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace paperboy
