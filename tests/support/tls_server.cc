#include "tests/support/tls_server.h"

#include <httplib.h>

#include "tests/support/certificate.h"

namespace paperboy {
TlsServer::TlsServer(Certificate kind) {
  MakeCertificate(dir_.path().string(),
                  kind == Certificate::kOtherHost ? "DNS:elsewhere.example" : "IP:127.0.0.1",
                  kind == Certificate::kExpired ? -1 : 2);
  server_ =
      std::make_unique<httplib::SSLServer>(certificate().c_str(), dir_.File("key.pem").c_str());
  const auto answer = [this](const httplib::Request&, httplib::Response& response) {
    ++requests_;
    response.set_content("secret", "text/plain");
  };
  server_->Get(".*", answer);
  server_->Post(".*", answer);
  server_->set_keep_alive_timeout(1);  // how long its end takes
  port_ = server_->bind_to_any_port("127.0.0.1");
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  while (!server_->is_running()) std::this_thread::yield();
}

TlsServer::~TlsServer() {
  server_->stop();
  thread_.join();
}

}  // namespace paperboy
