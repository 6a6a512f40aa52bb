#include "tests/support/certificate.h"

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

void MakeCertificate(const std::string& folder, const std::string& name, int days) {
  const std::string key = folder + "/key.pem", request = folder + "/request.pem";
  OpenSsl({"req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext",
           "subjectAltName=" + name, "-keyout", key, "-out", request});
  OpenSsl({"x509", "-req", "-in", request, "-signkey", key, "-copy_extensions", "copy", "-days",
           std::to_string(days), "-out", folder + "/certificate.pem"});
}

}  // namespace paperboy
