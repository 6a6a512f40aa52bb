// The HTTP host below the simulated servers: cpp-httplib with what a server that
// misbehaves on request needs beside it. One thread per connection, up to a
// limit; everything but Start and Stop may be called from any handler.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace httplib {
struct Request;
struct Response;
}  // namespace httplib

namespace paperboy {

class HttpHost {
 public:
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

  // PEM files of the certificate that the server shows, and of its key.
  struct Tls {
    std::string certificate;
    std::string key;
  };

  // At most `max_connections` are served at once; more wait. With `tls` it speaks
  // HTTPS; throws std::runtime_error when the files cannot be used.
  explicit HttpHost(size_t max_connections, const std::optional<Tls>& tls = {});
  ~HttpHost();  // stops
  HttpHost(const HttpHost&) = delete;
  HttpHost& operator=(const HttpHost&) = delete;

  // Calls `handler` for every request, whatever its method and path.
  // Binds 127.0.0.1:`port` (0: any free one). Throws std::runtime_error when
  // the port is taken.
  void Start(int port, Handler handler);
  // Breaks every connection, waits for the handlers, and frees the port.
  void Stop();
  int port() const;
  size_t connections() const;  // open now

  // Waits, but no longer than until Stop or until the client is gone; false in
  // both cases.
  bool Sleep(std::chrono::steady_clock::duration time);

  // Breaks the connection of the handler that runs on this thread, with a reset:
  // nothing that it answers is sent.
  static void ResetConnection();
  // Closes it once the answer of the handler that runs on this thread is sent,
  // although the answer promises to keep it.
  static void CloseAfterAnswer();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
