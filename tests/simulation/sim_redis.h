// A Redis server on the world's time that runs the shipped Lua scripts, and a
// client of it. The server is killed and comes back empty, with its file or with
// an old one; it is emptied, stopped, or full.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/redis.h"
#include "tests/simulation/sim_net.h"

struct lua_State;

namespace paperboy::sim {

class SimRedis;

class RedisHost {
 public:
  explicit RedisHost(World& world);
  ~RedisHost();
  RedisHost(const RedisHost&) = delete;
  RedisHost& operator=(const RedisHost&) = delete;

  static constexpr char kName[] = "redis";

  bool up() const { return up_; }
  bool stopped() const { return world_.now() < stopped_until_; }
  // Unreachable or not answering since; nothing while it serves.
  std::optional<MonotonicTime> out_since() const;

  void Kill();
  enum class Data { kEmpty, kKept, kOldFile };
  void Restart(Data data);
  void FlushAll();
  void SaveFile() { file_ = data_; }  // what kOldFile brings back
  void StopFor(Microseconds time);
  void SetFull(bool full) { full_ = full; }

  // One command or script, atomically. An error is what a server answers.
  Result<RedisReply> Execute(const std::vector<std::string>& args);
  Result<RedisReply> Eval(const RedisScript& script, const std::vector<std::string>& keys,
                          const std::vector<std::string>& args);

  // Watches writes by processes (not those of scripts), before they are done.
  using Tap = std::function<void(const std::vector<std::string>& args)>;
  void SetTap(Tap tap) { tap_ = std::move(tap); }
  // Whether anything was ever lost or refused.
  bool ever_lost() const { return ever_lost_; }

 private:
  friend class SimRedis;
  struct Value {
    std::variant<std::string, std::map<std::string, std::string>, std::set<std::string>> content;
    std::optional<int64_t> expires_us;
  };
  int64_t NowUs() const;
  Value* Find(const std::string& key);
  template <class T>
  T& Make(const std::string& key);
  void SetExpiry(const std::string& key, int64_t ms);
  static int LuaCall(lua_State* lua);
  static void Push(lua_State* lua, const RedisReply& reply);
  static RedisReply Take(lua_State* lua, int index);

  World& world_;
  bool up_ = true;
  bool full_ = false;
  bool ever_lost_ = false;
  MonotonicTime stopped_until_{};
  std::optional<MonotonicTime> down_since_;
  uint64_t run_ = 1;
  std::map<std::string, Value> data_, file_;
  std::set<SimRedis*> clients_;
  Tap tap_;
  lua_State* lua_;
  std::map<std::string, int> scripts_;  // by SHA-1: reference of the compiled function
};

class SimRedis : public Redis {
 public:
  SimRedis(RedisHost& host, Net& net, Node& node);
  ~SimRedis() override;
  void Command(std::vector<std::string> args, Milliseconds deadline, Callback done) override;
  void Eval(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> args,
            Milliseconds deadline, Callback done) override;

 private:
  friend class RedisHost;
  using Work = std::function<Result<RedisReply>()>;
  void Connect(Microseconds delay);
  void Submit(Milliseconds deadline, Work work, Callback done);
  void Answer(uint64_t number, Result<RedisReply> reply);
  void Drop(const std::string& why);

  RedisHost& host_;
  Net& net_;
  Node& node_;
  uint64_t next_ = 1;
  uint64_t connection_ = 0;
  std::map<uint64_t, Callback> pending_;
  MonotonicTime last_arrival_{}, last_answer_{};
};

}  // namespace paperboy::sim
