// The small HTTP server of every process: /healthz, /readyz, /metrics, and what
// else a process adds. GET and HEAD only. It runs beside the loop, on a thread of its
// own that only reads and that no client can hold up (http_listener.h): handlers run one
// at a time, never on the loop's thread, must not take long, and must touch nothing but
// atomics, their own read-only connections, and what is guarded by a mutex.
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/http_listener.h"
#include "common/result.h"

namespace paperboy {

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class StatusServer {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // Serves `registry` under /metrics. Handlers are added before Start. `now` is
  // called on any thread.
  explicit StatusServer(std::shared_ptr<prometheus::Registry> registry,
                        Clock now = std::chrono::steady_clock::now, HttpLimits limits = {});
  ~StatusServer();  // stops and joins
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // `path` is a regular expression as in cpp-httplib, which the whole path has
  // to match; the handler gets the path, decoded and without the query. An
  // exception in it becomes a 500 that tells nothing.
  void Handle(const std::string& path, std::function<HttpAnswer(const std::string&)> handler);
  // Serves the files of `dir` under `prefix`, an index.html for a folder's path that
  // ends in a slash; of several with one prefix, the first that has the file. Hidden files
  // (of a name with a dot in front) are not served, nor what a symbolic link leads to outside
  // of all these folders. Answers carry an ETag, the hash of the bytes. Start fails if `dir`
  // is missing.
  void ServeFiles(const std::string& prefix, const std::string& dir);

  // Binds HOST:PORT (port 0: any; an IPv6 host in brackets) and starts to
  // serve. Once. A port in use is kInvalid and says so.
  Status Start(const std::string& host_port);
  int port() const { return port_; }

  // /healthz answers 200 while the loop has turned, or Start was called, within
  // the last 10 s, else 503. Any thread.
  void LoopTurned();
  // /readyz answers 200 while `trouble` is empty, else 503 with it. Any thread.
  void SetTrouble(std::string trouble);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int port_ = 0;
  const Clock now_;
  std::atomic<std::chrono::steady_clock::time_point> last_turn_{};
  std::mutex mutex_;  // guards trouble_
  std::string trouble_ = "starting";
};

}  // namespace paperboy
