#include "tests/support/tls_server.h"

#include <httplib.h>

#include <stdexcept>
#include <vector>

#include "tests/support/process.h"

namespace paperboy {
namespace {

void OpenSsl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  Process openssl(arguments);
  if (openssl.Wait(std::chrono::seconds(30)) == Process::Exit{0, 0}) return;
  throw std::runtime_error("openssl: " + openssl.Stderr());
}

}  // namespace

TlsServer::TlsServer(Certificate kind) {
  const bool other = kind == Certificate::kOtherHost;
  const std::string key = dir_.File("key.pem"), request = dir_.File("request.pem");
  const std::string name =
      std::string("subjectAltName=") + (other ? "DNS:elsewhere.example" : "IP:127.0.0.1");
  OpenSsl({"req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext",
           name, "-keyout", key, "-out", request});
  OpenSsl({"x509", "-req", "-in", request, "-signkey", key, "-copy_extensions", "copy", "-days",
           kind == Certificate::kExpired ? "-1" : "2", "-out", certificate()});
  server_ = std::make_unique<httplib::SSLServer>(certificate().c_str(), key.c_str());
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
