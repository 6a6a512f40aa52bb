// HTTP on the loop by libcurl's multi socket interface. http_proxy, HTTPS_PROXY,
// NO_PROXY (as libcurl reads them) and CURL_CA_BUNDLE are honoured. Connections
// are kept warm and reused. One thread.
#pragma once

#include <cstdint>
#include <memory>

#include "common/epoll_loop.h"
#include "common/http_client.h"

namespace paperboy {

class CurlClient : public HttpClient {
 public:
  // At most `max_connections` at once; further requests wait for a free one.
  // The loop must outlive this.
  CurlClient(EpollLoop& loop, size_t max_connections);
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  uint64_t Start(HttpRequest request, Callback done) override;
  void Cancel(uint64_t id) override;
  size_t in_flight() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paperboy
