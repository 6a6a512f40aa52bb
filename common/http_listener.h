// The connections of an HTTP server, all on one thread that waits for none of them: a
// client that says nothing, says it slowly, or does not take its answer holds up nobody,
// and all that it does has an end. One request a connection. cpp-httplib's own pool gives a
// thread to each client for as long as it likes, so that as many slow ones as there are
// threads hold up every probe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/loop.h"
#include "common/result.h"

namespace paperboy {

struct HttpLimits {
  // From its first byte to its last, whatever the client does.
  Milliseconds request{5'000};
  Milliseconds answer{30'000};
  // Then, for the client's end: a connection that is closed while something unread waits is
  // reset, and the answer with it.
  Milliseconds goodbye{2'000};
  // Between two lines of the log about connections that were ended for others.
  Milliseconds report{60'000};
  // Of answers that are being taken. With more there is 503 for a request whose answer is
  // larger than 64 KiB, which no probe's is. A sixteenth of what the chart gives the
  // aggregator; a day's largest file is some megabytes.
  size_t answer_bytes = 64 << 20;
};

class HttpListener {
 public:
  // The whole answer to a request; nothing: the connection is closed. Of a request its
  // head is given, or what of it came in time or fits. Called on the listener's thread,
  // on which everybody waits meanwhile.
  using Answer = std::function<std::string(const std::string& request)>;
  // Told of each connection that is ended before its answer was taken, for there are too
  // many; the log has how many. On the listener's thread.
  using Dropped = std::function<void()>;

  explicit HttpListener(
      Answer answer, HttpLimits limits = {}, Dropped dropped = [] {});
  ~HttpListener();  // ends all connections, and joins
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // Once. Port 0: any. kInvalid says why it cannot listen there.
  Status Start(const std::string& host, int port);
  int port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
