// Certificates of a test's own making, which nobody vouches for but the files
// themselves. Needs the openssl tool.
#pragma once

#include <string>

namespace paperboy {

// Makes FOLDER/certificate.pem and FOLDER/key.pem for `name`, as IP:127.0.0.1 or
// DNS:localhost. Negative days: it has expired.
void MakeCertificate(const std::string& folder, const std::string& name, int days = 2);

}  // namespace paperboy
