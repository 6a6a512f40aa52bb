// One connection to a Redis server on the loop, in clear or by TLS: bytes out, replies
// in. hiredis makes and reads them; Debian's has no TLS of its own. One thread.
#pragma once

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/epoll_loop.h"
#include "common/redis.h"
#include "common/result.h"

namespace paperboy {

// Whether authorities can be read from the file; "" stands for the system's own.
Status CheckAuthorities(const std::string& ca_file);

class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  struct Handlers {
    std::function<void(const redisReply&)> on_reply;  // must not destroy this
    // After each event, when replies came or the connection broke; may destroy this.
    std::function<void()> on_event;
  };
  // Begins to connect to `address`, a numeric one of url.host, by whose name a
  // certificate is checked. Calls back later, from the loop, which must outlive it.
  static Result<std::shared_ptr<RedisConnection>> Open(EpollLoop& loop, const RedisUrl& url,
                                                       const std::string& address,
                                                       Handlers handlers);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Sent as soon as it can be. Nothing once it is broken.
  void Write(std::string_view bytes);
  // Why it is of no use any more, for people; empty while it is.
  const std::string& broken() const { return broken_; }
  // Calls back no more, and ends.
  void Close();

 private:
  template <class T, auto Free>
  struct Freer {
    void operator()(T* what) const { Free(what); }
  };
  using Ssl = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;
  using Reader = std::unique_ptr<redisReader, Freer<redisReader, redisReaderFree>>;

  RedisConnection(EpollLoop& loop, int fd, Ssl ssl, Handlers handlers);
  void OnReady();
  void Connected();
  void Handshake();
  void Flush();
  void Receive();
  // What a read or write that returned `result` means: true when it can go on later.
  bool GoesOnLater(ssize_t result);
  std::string TlsTrouble(int result) const;
  void Break(const std::string& why);
  void Watch();

  enum class State { kConnecting, kHandshaking, kOpen };

  EpollLoop& loop_;
  int fd_;
  const Ssl ssl_;  // null: in clear
  Handlers handlers_;
  const Reader reader_;
  State state_ = State::kConnecting;
  std::string out_;
  bool wants_write_ = true;
  bool heard_ = false;  // bytes came
  uint32_t watched_ = 0;
  std::string broken_;
};

}  // namespace paperboy
