// An HTTPS server with a certificate of its own making, which nobody vouches for
// but the file that it names. Needs the openssl tool.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/temp_dir.h"

namespace httplib {
class SSLServer;
}

namespace paperboy {

class TlsServer {
 public:
  enum class Certificate {
    kGood,       // for 127.0.0.1, for two days
    kExpired,    // since yesterday
    kOtherHost,  // for elsewhere.example
  };

  // Answers every GET and POST with "secret".
  explicit TlsServer(Certificate kind = Certificate::kGood);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::string certificate() const { return dir_.File("certificate.pem"); }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }
  int requests() const { return requests_; }

 private:
  TempDir dir_;
  std::atomic<int> requests_ = 0;
  std::unique_ptr<httplib::SSLServer> server_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace paperboy
