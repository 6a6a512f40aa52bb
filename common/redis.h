// What Paperboy asks of Redis: commands that never block and each have a deadline,
// on a connection that comes back by itself (redis_client.h). One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/loop.h"
#include "common/result.h"

namespace paperboy {

// redis://[:password@]host[:port][/db], or rediss:// by TLS; characters of the password
// that have a meaning in a URL are written as %XX, an IPv6 address stands in brackets.
struct RedisUrl {
  std::string host = "127.0.0.1";
  int port = 6379;
  int db = 0;
  std::string password;
  bool tls = false;
  std::string ca_file;  // whom to trust for TLS; empty: whom the system trusts
};
// kInvalid says what is wrong and never repeats the text, which may hold a
// password.
Result<RedisUrl> ParseRedisUrl(std::string_view text);
std::string Redacted(const RedisUrl& url);  // without the password

struct RedisReply {
  enum class Kind { kNil, kInteger, kString, kArray };
  Kind kind = Kind::kNil;
  int64_t integer = 0;
  std::string string;  // strings and statuses
  std::vector<RedisReply> array;
};

// A Lua script; its SHA-1 is computed once. Sent by EVALSHA, loaded again when
// the server says NOSCRIPT (after a restart or a failover).
class RedisScript {
 public:
  explicit RedisScript(std::string source);
  const std::shared_ptr<const std::string>& source() const { return source_; }
  const std::string& sha1() const { return sha1_; }

 private:
  std::shared_ptr<const std::string> source_;  // shared with the commands that wait
  std::string sha1_;
};

class Redis {
 public:
  using Callback = std::function<void(Result<RedisReply>)>;

  virtual ~Redis() = default;  // pending callbacks are dropped, not called

  // Connected, and the server answers.
  bool ready() const { return ready_; }
  // Why it is not ready, for people, e.g. "cannot connect to 127.0.0.1:6379:
  // Connection refused"; empty when it is. Never holds the password.
  const std::string& trouble() const { return trouble_; }
  // The server's run_id as read at the last connect.
  const std::string& run_id() const { return run_id_; }
  // Called from the loop when ready() has changed.
  void OnReadyChange(std::function<void(bool)> fn) { on_ready_change_ = std::move(fn); }

  // Calls `done` exactly once (unless this is destroyed first), never from
  // within this call, in the order of the commands (an Eval that has to load
  // its script comes later): with the reply; with kInvalid when the server
  // answers with an error; with kUnavailable when not ready, when the
  // connection breaks, when `deadline` passes, or when the server answers that
  // it cannot serve now (LOADING, BUSY, OOM, MISCONF, MASTERDOWN, READONLY,
  // TRYAGAIN, CLUSTERDOWN). A passed deadline drops the connection and with it
  // all commands under way. After kUnavailable the command may have been
  // carried out or not. At most 10,000 commands wait; one more is kUnavailable.
  // `done` may give further commands and destroy this. Not for SUBSCRIBE,
  // MONITOR and commands that block.
  virtual void Command(std::vector<std::string> args, Milliseconds deadline, Callback done) = 0;
  virtual void Eval(const RedisScript& script, std::vector<std::string> keys,
                    std::vector<std::string> args, Milliseconds deadline, Callback done) = 0;

 protected:
  // True when ready() has changed: then call TellReady from the loop.
  bool SetReady(bool ready, const std::string& trouble) {
    trouble_ = trouble;
    return std::exchange(ready_, ready) != ready;
  }
  void TellReady() {
    const std::function<void(bool)> fn = on_ready_change_;  // it may replace itself
    if (fn) fn(ready_);
  }

  std::string run_id_;

 private:
  bool ready_ = false;
  std::string trouble_ = "connecting";
  std::function<void(bool)> on_ready_change_;
};

}  // namespace paperboy
