#include "common/redis_client.h"

#include <hiredis/hiredis.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <deque>

#include "common/redis_connection.h"
#include "common/resolve.h"

namespace paperboy {
namespace {

constexpr size_t kMaxPending = 10'000;
constexpr Milliseconds kResolveTimeout{2'000};
constexpr Milliseconds kGreetingTimeout{2'000};  // TCP and the greeting
constexpr Milliseconds kIdlePing{5'000};
constexpr Milliseconds kFirstRetry{50};
constexpr Milliseconds kLastRetry{1'000};
// What stands before the server's own words in an error.
constexpr std::string_view kAnswered = "Redis answered: ";

// The first words of errors that pass without anybody changing the command.
constexpr std::array<std::string_view, 8> kPassing = {
    "LOADING", "BUSY", "OOM", "MISCONF", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN"};

Error ServerError(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  const bool passes = std::find(kPassing.begin(), kPassing.end(), word) != kPassing.end();
  std::string message = std::string(kAnswered).append(text);
  return passes ? Unavailable(std::move(message)) : Invalid(std::move(message));
}

bool StartsWithWord(const Error& error, std::string_view word) {
  return std::string_view(error.message).substr(kAnswered.size()).starts_with(word) &&
         error.message.starts_with(kAnswered);
}

// An error anywhere in an array (of EXEC) makes the whole an error.
Result<RedisReply> Convert(const redisReply& reply) {
  RedisReply converted;
  switch (reply.type) {
    case REDIS_REPLY_ERROR:
      return ServerError({reply.str, reply.len});
    case REDIS_REPLY_INTEGER:
      converted.kind = RedisReply::Kind::kInteger;
      converted.integer = reply.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      converted.kind = RedisReply::Kind::kString;
      converted.string.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_ARRAY:
      converted.kind = RedisReply::Kind::kArray;
      for (size_t i = 0; i < reply.elements; ++i) {
        Result<RedisReply> element = Convert(*reply.element[i]);
        if (!element.ok()) return element;
        converted.array.push_back(std::move(element).value());
      }
      break;
    default:
      break;  // nil
  }
  return converted;
}

std::string HexDigest(const std::string& text) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  ::SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace

RedisScript::RedisScript(std::string source)
    : source_(std::make_shared<const std::string>(std::move(source))), sha1_(HexDigest(*source_)) {}

// All user callbacks run from Deliver, never inside the connection, so that they may
// drop the connection or destroy this.
struct RedisClient::Impl {
  Impl(RedisClient& o, EpollLoop& l, RedisUrl u)
      : owner(o), loop(l), url(std::move(u)), resolver(l) {
    ping_timer = loop.Every(kIdlePing, [this] {
      if (owner.ready() && pending.empty()) {
        Send({"PING"}, loop.now() + kGreetingTimeout, [](const Result<RedisReply>&) {});
      }
    });
    Resolve();
  }

  ~Impl() {
    *alive = false;
    Close();
    for (const Loop::TimerId timer : {ping_timer, retry_timer, deadline_timer, deliver_timer}) {
      loop.Cancel(timer);
    }
  }

  std::string Address() const { return url.host + ":" + std::to_string(url.port); }

  void Resolve() {
    resolver.Resolve(url.host, kResolveTimeout, [this](Result<std::vector<std::string>> found) {
      if (!found.ok()) {
        Drop(found.error().message);
      } else {
        Connect((*found)[attempts++ % found->size()]);
      }
      Deliver();
    });
  }

  void Connect(const std::string& address) {
    const auto opened =
        RedisConnection::Open(loop, url, address,
                              {.on_reply = [this](const redisReply& reply) { Take(reply); },
                               .on_event =
                                   [this] {
                                     if (const std::string why = link->broken(); !why.empty()) {
                                       Drop((greeted ? "connection to " + Address() + " lost: "
                                                     : "cannot connect to " + Address() + ": ") +
                                            why);
                                     }
                                     Deliver();
                                   }});
    if (!opened) return Drop("cannot connect to " + Address() + ": " + opened.error().message);
    link = *opened;
    Greet();
  }

  // Sent at once; the deadline covers the connect, and TLS's handshake, too.
  void Greet() {
    if (!url.password.empty()) GreetWith({"AUTH", url.password}, "password refused");
    GreetWith({"SELECT", std::to_string(url.db)}, "database " + std::to_string(url.db));
    GreetWith({"INFO", "server"}, "INFO", [this](const RedisReply& reply) {
      constexpr std::string_view kField = "run_id:";
      const size_t at = reply.string.find(kField);
      if (at == std::string::npos) return;
      const size_t begin = at + kField.size();
      owner.run_id_ = reply.string.substr(begin, reply.string.find('\r', begin) - begin);
    });
    GreetWith({"PING"}, "not ready", [this](const RedisReply&) {
      retry_after = kFirstRetry;
      SetReady(true, "");
    });
  }

  void GreetWith(std::vector<std::string> args, std::string trouble,
                 std::function<void(const RedisReply&)> then = {}) {
    Send(std::move(args), loop.now() + kGreetingTimeout,
         [this, connection = connection, trouble = std::move(trouble),
          then = std::move(then)](const Result<RedisReply>& reply) {
           if (connection != this->connection) return;  // dropped meanwhile
           greeted = true;
           if (!reply.ok()) {
             Drop(Address() + ": " + trouble + ": " + reply.error().message);
           } else if (then) {
             then(*reply);
           }
         });
  }

  void Send(std::vector<std::string> args, MonotonicTime deadline, Callback done) {
    if (link == nullptr) return Fail(std::move(done), owner.trouble());
    if (pending.size() >= kMaxPending) {
      return Fail(std::move(done), std::to_string(kMaxPending) + " commands to " + Address() +
                                       " are waiting already");
    }
    std::vector<const char*> texts;
    std::vector<size_t> sizes;
    for (const std::string& arg : args) {
      texts.push_back(arg.data());
      sizes.push_back(arg.size());
    }
    char* bytes = nullptr;
    const auto size =
        redisFormatCommandArgv(&bytes, static_cast<int>(args.size()), texts.data(), sizes.data());
    if (size < 0) return Fail(std::move(done), "out of memory");
    link->Write({bytes, static_cast<size_t>(size)});
    redisFreeCommand(bytes);
    pending.push_back(std::move(done));
    const uint64_t number = answered + pending.size();
    while (!deadlines.empty() && deadlines.back().at >= deadline) deadlines.pop_back();
    deadlines.push_back({number, deadline});
    if (deadline_timer == 0 || deadline < deadline_timer_at) ArmDeadline();
  }

  // Later, so that no callback runs within Command.
  void Fail(Callback done, const std::string& why) {
    Later([done = std::move(done), why] { done(Unavailable(why)); });
  }

  void Take(const redisReply& reply) {
    if (pending.empty()) return;  // nobody asked
    Callback done = std::move(pending.front());
    pending.pop_front();
    ++answered;
    if (!deadlines.empty() && deadlines.front().number == answered) deadlines.pop_front();
    Later([done = std::move(done), result = Convert(reply)]() mutable { done(std::move(result)); });
  }

  void ArmDeadline() {
    loop.Cancel(deadline_timer);
    deadline_timer_at = deadlines.front().at;
    const auto left = std::chrono::ceil<Milliseconds>(deadline_timer_at - loop.now());
    deadline_timer = loop.After(left, [this] {
      deadline_timer = 0;
      if (deadlines.empty()) return;
      if (loop.now() < deadlines.front().at) return ArmDeadline();
      Drop(std::string(greeted ? "no answer from " : "cannot connect to ") + Address() +
           (greeted   ? " within the deadline"
            : url.tls ? ": no answer (is it TLS that is spoken at this port?)"
                      : ": no answer"));
      Deliver();
    });
  }

  // Gives the connection up, fails what waits for it, and tries again later.
  void Drop(const std::string& why) {
    Close();
    ++connection;
    greeted = false;
    deadlines.clear();
    answered += pending.size();
    for (Callback& done : pending) Fail(std::move(done), why);
    pending.clear();
    SetReady(false, why);
    loop.Cancel(retry_timer);
    retry_timer = loop.After(retry_after, [this] {
      retry_timer = 0;
      Resolve();
    });
    retry_after = std::min(retry_after * 2, kLastRetry);
  }

  void Close() {
    if (link == nullptr) return;
    std::exchange(link, nullptr)->Close();
  }

  void SetReady(bool ready, const std::string& trouble) {
    if (owner.SetReady(ready, trouble)) Later([this] { owner.TellReady(); });
  }

  void Later(std::function<void()> fn) {
    due.push_back(std::move(fn));
    if (deliver_timer == 0) {
      deliver_timer = loop.After(Milliseconds{0}, [this] {
        deliver_timer = 0;
        Deliver();
      });
    }
  }

  // Calls back what was due when it began; what that adds is for the timer.
  void Deliver() {
    const std::shared_ptr<bool> still_alive = alive;
    for (size_t left = due.size(); left > 0; --left) {
      const std::function<void()> fn = std::move(due.front());
      due.pop_front();
      fn();
      if (!*still_alive) return;
    }
    if (due.empty()) {
      loop.Cancel(deliver_timer);
      deliver_timer = 0;
    }
  }

  struct Deadline {
    uint64_t number;  // of the command, counted from 1
    MonotonicTime at;
  };

  RedisClient& owner;
  EpollLoop& loop;
  const RedisUrl url;
  Resolver resolver;
  std::shared_ptr<RedisConnection> link;  // null while there is no connection
  uint64_t connection = 0;                // number of the connection
  uint64_t attempts = 0;
  bool greeted = false;  // the server has answered on this connection
  Milliseconds retry_after = kFirstRetry;
  std::deque<Callback> pending;  // in the order of the replies; at most kMaxPending
  uint64_t answered = 0;         // commands that have left `pending`
  // Rising: those of the pending commands that are earlier than all later ones.
  std::deque<Deadline> deadlines;
  MonotonicTime deadline_timer_at;
  std::deque<std::function<void()>> due;
  Loop::TimerId ping_timer = 0;
  Loop::TimerId retry_timer = 0;
  Loop::TimerId deadline_timer = 0;
  Loop::TimerId deliver_timer = 0;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

Result<RedisUrl> ReadRedisUrl(const Options& options) {
  Result<RedisUrl> url = ParseRedisUrl(options.String("redis"));
  if (!url) return Invalid("--redis: " + url.error().message);
  url->ca_file = options.String("redis-ca");
  if (!url->tls && !url->ca_file.empty()) {
    return Invalid("--redis-ca is for a Redis by TLS, and the URL does not begin with rediss://");
  }
  if (!url->tls) return url;
  const Status readable = CheckAuthorities(url->ca_file);
  if (!readable) return readable.error();
  return url;
}

RedisClient::RedisClient(EpollLoop& loop, RedisUrl url)
    : impl_(std::make_unique<Impl>(*this, loop, std::move(url))) {}
RedisClient::~RedisClient() = default;

void RedisClient::Command(std::vector<std::string> args, Milliseconds deadline, Callback done) {
  if (!ready()) return impl_->Fail(std::move(done), trouble());
  impl_->Send(std::move(args), impl_->loop.now() + deadline, std::move(done));
}

void RedisClient::Eval(const RedisScript& script, std::vector<std::string> keys,
                       std::vector<std::string> args, Milliseconds deadline, Callback done) {
  if (!ready()) return impl_->Fail(std::move(done), trouble());
  std::vector<std::string> call = {"EVALSHA", script.sha1(), std::to_string(keys.size())};
  std::move(keys.begin(), keys.end(), std::back_inserter(call));
  std::move(args.begin(), args.end(), std::back_inserter(call));
  const MonotonicTime at = impl_->loop.now() + deadline;
  std::vector<std::string> again = call;
  impl_->Send(std::move(call), at,
              [this, at, source = script.source(), again = std::move(again),
               done = std::move(done)](Result<RedisReply> reply) mutable {
                if (reply.ok() || !StartsWithWord(reply.error(), "NOSCRIPT")) {
                  return done(std::move(reply));
                }
                again[0] = "EVAL";
                again[1] = *source;
                impl_->Send(std::move(again), at, std::move(done));
              });
}

}  // namespace paperboy
