// The connections of an HTTP server, all on one thread that waits for none of them: a
// client that says nothing, says it slowly, or does not take its answer holds up nobody,
// and all that it does has an end. One request a connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/result.h"

namespace paperboy {

class HttpListener {
 public:
  // The whole answer to a request; nothing: the connection is closed. Of a request its
  // head is given, or what of it came in time or fits. Called on the listener's thread,
  // on which everybody waits meanwhile.
  using Answer = std::function<std::string(const std::string& request)>;

  explicit HttpListener(Answer answer);
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
