// HTTP/1.1 requests, many at once from one thread (curl_client.h). One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/loop.h"
#include "common/result.h"

namespace paperboy {

struct HttpRequest {
  std::string method = "GET";  // GET or POST
  std::string url;             // http or https
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;              // of a POST
  Milliseconds timeout{60'000};  // whole request, redirects and waiting for a connection too
  Milliseconds connect_timeout{10'000};  // name look-up, TCP and TLS
  size_t max_body_bytes = 64 << 20;      // decompressed; a longer answer is an error
  // Follows at most 3 redirects of a GET. To another scheme, host or port only
  // the headers that describe the answer wanted go along, never a key.
  bool follow_redirects = false;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // decompressed

  // The last header of that (lower-case) name, or "".
  std::string Header(const std::string& name) const;
};

class HttpClient {
 public:
  using Callback = std::function<void(Result<HttpResponse>)>;

  virtual ~HttpClient() = default;  // requests in flight are dropped, their callbacks not called

  // Calls `done` exactly once, never from within this call: with any answer
  // that HTTP gave, whatever its status; with kUnavailable when there was none
  // (refused, reset) or it was too long, with kTimedOut when it did not come in
  // time, with kUnreached when moreover nothing of a POST's body was sent; with
  // kUntrusted when the server's certificate cannot be verified; with kInvalid when
  // the request cannot be sent at all (another method or scheme, a malformed URL, a
  // line break in a header, CURL_CA_BUNDLE unreadable). The message names scheme,
  // host and port and never a header, a path or a password. `done` may start and
  // cancel requests and destroy this. libcurl repeats a request by itself in one
  // case: a kept connection that the server had closed before a byte of the answer.
  virtual uint64_t Start(HttpRequest request, Callback done) = 0;
  virtual void Cancel(uint64_t id) = 0;  // its callback is not called
  virtual size_t in_flight() const = 0;
};

}  // namespace paperboy
