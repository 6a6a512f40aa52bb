#include "tests/simulation/sim_redis.h"

#include <cstdlib>
#include <cstring>
#include <lua5.1/lua.hpp>

namespace paperboy::sim {
namespace {

using std::chrono::milliseconds;

constexpr Microseconds kLeast{50}, kMost{1'500};  // one way

RedisReply Integer(int64_t value) {
  RedisReply reply;
  reply.kind = RedisReply::Kind::kInteger;
  reply.integer = value;
  return reply;
}

RedisReply String(std::string text) {
  RedisReply reply;
  reply.kind = RedisReply::Kind::kString;
  reply.string = std::move(text);
  return reply;
}

bool Writes(const std::string& name) {
  static const std::set<std::string> names = {"SET", "SADD", "HSET"};
  return names.contains(name);
}

Error Full() { return Unavailable("OOM command not allowed when used memory > 'maxmemory'."); }

}  // namespace

// ---- server -----------------------------------------------------------------

RedisHost::RedisHost(World& world) : world_(world), lua_(luaL_newstate()) {
  luaL_openlibs(lua_);
  lua_newtable(lua_);
  lua_pushlightuserdata(lua_, this);
  lua_pushcclosure(lua_, &RedisHost::LuaCall, 1);
  lua_setfield(lua_, -2, "call");
  lua_setglobal(lua_, "redis");
}

RedisHost::~RedisHost() { lua_close(lua_); }

int64_t RedisHost::NowUs() const {
  return std::chrono::duration_cast<Microseconds>(world_.wall().time_since_epoch()).count();
}

std::optional<MonotonicTime> RedisHost::out_since() const { return down_since_; }

void RedisHost::Kill() {
  if (!up_) return;
  world_.Tell("redis is killed");
  up_ = false;
  down_since_ = world_.now();
  ever_lost_ = true;
  const auto clients = clients_;
  for (SimRedis* client : clients) {
    client->node_.Post(world_.now() + milliseconds(2),
                       [client] { client->Drop("connection lost"); });
  }
}

void RedisHost::Restart(Data data) {
  world_.Tell(std::string("redis starts ") + (data == Data::kEmpty  ? "empty"
                                              : data == Data::kKept ? "with its data"
                                                                    : "with an old file"));
  if (data == Data::kEmpty) data_.clear();
  if (data == Data::kOldFile) data_ = file_;
  ++run_;
  up_ = true;
  down_since_.reset();
}

void RedisHost::FlushAll() {
  world_.Tell("redis is flushed");
  data_.clear();
  ever_lost_ = true;
}

void RedisHost::StopFor(Microseconds time) {
  if (!up_ || stopped()) return;
  world_.Tell("redis is stopped for " + std::to_string(time.count() / 1000) + " ms");
  stopped_until_ = world_.now() + time;
  down_since_ = world_.now();
  ever_lost_ = true;
  world_.At(stopped_until_, [this] {
    if (up_) down_since_.reset();
  });
}

RedisHost::Value* RedisHost::Find(const std::string& key) {
  const auto found = data_.find(key);
  if (found == data_.end()) return nullptr;
  if (found->second.expires_us && *found->second.expires_us <= NowUs()) {
    data_.erase(found);
    return nullptr;
  }
  return &found->second;
}

template <class T>
T& RedisHost::Make(const std::string& key) {
  Value* value = Find(key);
  if (value == nullptr || !std::holds_alternative<T>(value->content)) {
    data_[key] = Value{T{}, std::nullopt};
    value = &data_[key];
  }
  return std::get<T>(value->content);
}

void RedisHost::SetExpiry(const std::string& key, int64_t ms) {
  if (Value* value = Find(key)) value->expires_us = NowUs() + ms * 1000;
}

Result<RedisReply> RedisHost::Execute(const std::vector<std::string>& a) {
  using Hash = std::map<std::string, std::string>;
  using Set = std::set<std::string>;
  const std::string& name = a.at(0);
  if (full_ && Writes(name)) {
    ever_lost_ = true;
    return Full();
  }
  RedisReply list;
  list.kind = RedisReply::Kind::kArray;
  const auto text_of = [&](const std::string& key) {
    Value* value = Find(key);
    return value == nullptr ? RedisReply{} : String(std::get<std::string>(value->content));
  };
  const auto field_of = [&](const std::string& key, const std::string& field) {
    Value* value = Find(key);
    if (value == nullptr) return RedisReply{};
    const auto& hash = std::get<Hash>(value->content);
    const auto found = hash.find(field);
    return found == hash.end() ? RedisReply{} : String(found->second);
  };
  if (name == "TIME") {
    list.array = {String(std::to_string(NowUs() / 1'000'000)),
                  String(std::to_string(NowUs() % 1'000'000))};
    return list;
  }
  if (name == "GET") return text_of(a.at(1));
  if (name == "SET") {
    Make<std::string>(a.at(1)) = a.at(2);
    Find(a[1])->expires_us.reset();
    if (a.size() == 5) SetExpiry(a[1], std::stoll(a[4]) * (a[3] == "EX" ? 1000 : 1));
    return String("OK");
  }
  if (name == "MGET") {
    for (size_t i = 1; i < a.size(); ++i) list.array.push_back(text_of(a[i]));
    return list;
  }
  if (name == "DEL") return Integer(static_cast<int64_t>(data_.erase(a.at(1))));
  if (name == "SADD") {
    int64_t added = 0;
    for (size_t i = 2; i < a.size(); ++i) added += Make<Set>(a.at(1)).insert(a[i]).second;
    return Integer(added);
  }
  if (name == "SMISMEMBER") {
    Value* value = Find(a.at(1));
    for (size_t i = 2; i < a.size(); ++i) {
      list.array.push_back(
          Integer(value != nullptr && std::get<Set>(value->content).contains(a[i])));
    }
    return list;
  }
  if (name == "HGET") return field_of(a.at(1), a.at(2));
  if (name == "HMGET") {
    for (size_t i = 2; i < a.size(); ++i) list.array.push_back(field_of(a.at(1), a[i]));
    return list;
  }
  if (name == "HGETALL") {
    Value* value = Find(a.at(1));
    if (value == nullptr) return list;
    for (const auto& [field, content] : std::get<Hash>(value->content)) {
      list.array.push_back(String(field));
      list.array.push_back(String(content));
    }
    return list;
  }
  if (name == "HSET") {
    for (size_t i = 2; i + 1 < a.size(); i += 2) Make<Hash>(a.at(1))[a[i]] = a[i + 1];
    return Integer(static_cast<int64_t>(a.size() / 2 - 1));
  }
  if (name == "EXPIRE" || name == "PEXPIRE") {
    SetExpiry(a.at(1), std::stoll(a.at(2)) * (name == "EXPIRE" ? 1000 : 1));
    return Integer(Find(a[1]) != nullptr);
  }
  if (name == "PTTL") {
    const Value* value = Find(a.at(1));
    if (value == nullptr) return Integer(-2);
    return Integer(value->expires_us ? (*value->expires_us - NowUs()) / 1000 : -1);
  }
  return Invalid("ERR unknown command '" + name + "'");
}

// ---- scripts ----------------------------------------------------------------

void RedisHost::Push(lua_State* lua, const RedisReply& reply) {
  switch (reply.kind) {
    case RedisReply::Kind::kNil:
      return lua_pushboolean(lua, 0);
    case RedisReply::Kind::kInteger:
      return lua_pushnumber(lua, static_cast<double>(reply.integer));
    case RedisReply::Kind::kString:
      lua_pushlstring(lua, reply.string.data(), reply.string.size());
      return;
    case RedisReply::Kind::kArray:
      lua_newtable(lua);
      for (size_t i = 0; i < reply.array.size(); ++i) {
        Push(lua, reply.array[i]);
        lua_rawseti(lua, -2, static_cast<int>(i + 1));
      }
  }
}

RedisReply RedisHost::Take(lua_State* lua, int index) {
  switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
      return Integer(static_cast<int64_t>(lua_tonumber(lua, index)));
    case LUA_TSTRING: {
      size_t size = 0;
      const char* bytes = lua_tolstring(lua, index, &size);
      return String({bytes, size});
    }
    case LUA_TBOOLEAN:
      return lua_toboolean(lua, index) != 0 ? Integer(1) : RedisReply{};
    case LUA_TTABLE: {
      RedisReply list;
      list.kind = RedisReply::Kind::kArray;
      for (int i = 1;; ++i) {
        lua_rawgeti(lua, index, i);
        const bool end = lua_isnil(lua, -1);
        if (!end) list.array.push_back(Take(lua, lua_gettop(lua)));
        lua_pop(lua, 1);
        if (end) return list;
      }
    }
    default:
      return {};
  }
}

int RedisHost::LuaCall(lua_State* lua) {
  auto* host = static_cast<RedisHost*>(lua_touserdata(lua, lua_upvalueindex(1)));
  bool failed = false;
  {
    std::vector<std::string> args;
    for (int i = 1; i <= lua_gettop(lua); ++i) {
      size_t size = 0;
      const char* bytes = lua_tolstring(lua, i, &size);
      args.emplace_back(bytes, size);
    }
    const Result<RedisReply> reply = host->Execute(args);
    failed = !reply;
    if (reply) {
      Push(lua, *reply);
    } else {
      lua_pushlstring(lua, reply.error().message.data(), reply.error().message.size());
    }
  }  // nothing is left to destroy: lua_error does not unwind
  return failed ? lua_error(lua) : 1;
}

Result<RedisReply> RedisHost::Eval(const RedisScript& script, const std::vector<std::string>& keys,
                                   const std::vector<std::string>& args) {
  // A server over its limit refuses scripts that write before they run.
  const bool reads_only = script.source()->find("HSET") == std::string::npos &&
                          script.source()->find("'SET'") == std::string::npos;
  if (full_ && !reads_only) {
    ever_lost_ = true;
    return Full();
  }
  const auto set = [&](const char* name, const std::vector<std::string>& values) {
    lua_newtable(lua_);
    for (size_t i = 0; i < values.size(); ++i) {
      lua_pushlstring(lua_, values[i].data(), values[i].size());
      lua_rawseti(lua_, -2, static_cast<int>(i + 1));
    }
    lua_setglobal(lua_, name);
  };
  set("KEYS", keys);
  set("ARGV", args);
  auto compiled = scripts_.find(script.sha1());
  if (compiled == scripts_.end()) {
    if (luaL_loadstring(lua_, script.source()->c_str()) != 0) {
      const std::string why = lua_tostring(lua_, -1);
      lua_pop(lua_, 1);
      return Invalid("ERR " + why);
    }
    compiled = scripts_.emplace(script.sha1(), luaL_ref(lua_, LUA_REGISTRYINDEX)).first;
  }
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, compiled->second);
  const bool failed = lua_pcall(lua_, 0, 1, 0) != 0;
  RedisReply reply = Take(lua_, lua_gettop(lua_));
  lua_pop(lua_, 1);
  if (failed) return Invalid("ERR " + reply.string);
  return reply;
}

// ---- client -----------------------------------------------------------------

SimRedis::SimRedis(RedisHost& host, Net& net, Node& node) : host_(host), net_(net), node_(node) {
  host_.clients_.insert(this);
  Connect(milliseconds(1));
}

SimRedis::~SimRedis() { host_.clients_.erase(this); }

void SimRedis::Connect(Microseconds delay) {
  node_.Post(net_.world().now() + delay, [this, delay] {
    if (ready()) return;
    const bool cut =
        net_.IsCut(node_.name(), RedisHost::kName) || net_.IsCut(RedisHost::kName, node_.name());
    if (!host_.up_ || host_.stopped() || cut) {
      return Connect(std::min<Microseconds>(2 * delay + milliseconds(48), milliseconds(1'000)));
    }
    ++connection_;
    run_id_ = "run" + std::to_string(host_.run_);
    if (SetReady(true, "")) TellReady();
  });
}

void SimRedis::Drop(const std::string& why) {
  ++connection_;
  const auto failed = std::exchange(pending_, {});
  const bool changed = SetReady(false, why);
  for (const auto& [number, done] : failed) done(Unavailable(why));
  if (changed) TellReady();
  Connect(milliseconds(50));
}

void SimRedis::Submit(Milliseconds deadline, Work work, Callback done) {
  World& world = net_.world();
  if (!ready()) {
    node_.Post(world.now(), [done = std::move(done), why = trouble()] { done(Unavailable(why)); });
    return;
  }
  if (!node_.Act("a Redis command")) return;
  const uint64_t number = next_++;
  pending_.emplace(number, std::move(done));
  last_arrival_ = std::max(last_arrival_, world.now() + world.Between(kLeast, kMost));
  // What was sent is carried out even if the sender is gone by then.
  world.At(last_arrival_, [this, host = &host_, net = &net_, node = &node_, life = node_.life(),
                           number, run = host_.run_, work = std::move(work)] {
    const auto at_server = [=, this](const auto& self) -> void {
      if (!host->up_ || host->run_ != run) return;
      if (host->stopped() || net->IsCut(node->name(), RedisHost::kName)) {
        if (node->life() == life && node->up()) {
          net->world().After(milliseconds(20), [self] { self(self); });
        }
        return;
      }
      Result<RedisReply> reply = work();
      if (node->life() == life && node->up()) Answer(number, std::move(reply));
    };
    at_server(at_server);
  });
  node_.Post(world.now() + deadline, [this, number] {
    if (pending_.contains(number)) Drop("no answer in time");
  });
}

void SimRedis::Answer(uint64_t number, Result<RedisReply> reply) {
  World& world = net_.world();
  if (net_.IsCut(RedisHost::kName, node_.name())) return;  // the deadline will tell
  last_answer_ = std::max(last_answer_, world.now() + world.Between(kLeast, kMost));
  node_.Post(last_answer_, [this, number, reply = std::move(reply)] {
    auto found = pending_.extract(number);
    if (!found.empty()) found.mapped()(reply);
  });
}

void SimRedis::Command(std::vector<std::string> args, Milliseconds deadline, Callback done) {
  Submit(
      deadline,
      [host = &host_, args = std::move(args)] {
        if (host->tap_) host->tap_(args);
        return host->Execute(args);
      },
      std::move(done));
}

void SimRedis::Eval(const RedisScript& script, std::vector<std::string> keys,
                    std::vector<std::string> args, Milliseconds deadline, Callback done) {
  Submit(
      deadline,
      [host = &host_, script, keys = std::move(keys), args = std::move(args)] {
        return host->Eval(script, keys, args);
      },
      std::move(done));
}

}  // namespace paperboy::sim
