#include "common/keys.h"

#include <zmq.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace paperboy {
namespace {

constexpr size_t kKeyChars = 40;
constexpr size_t kKeyBytes = 32;
constexpr char kMaker[] = "`paperboy-aggregator keys DIR` makes these files";

Result<std::string> ReadAll(const std::string& path) {
  std::error_code error;  // a folder can be opened, too
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path, error)) {
    return Invalid(path + " cannot be read; " + kMaker);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool IsKey(const std::string& text) {
  std::array<uint8_t, kKeyBytes> bytes;
  return text.size() == kKeyChars && zmq_z85_decode(bytes.data(), text.c_str()) != nullptr;
}

Error NoKey(const std::string& path, const std::string& what) {
  return Invalid(path + " holds no " + what +
                 ": expected one line with the 40 characters of a key in Z85; " + kMaker);
}

// The only word of the file.
Result<std::string> ReadKey(const std::string& path, const std::string& what) {
  const Result<std::string> text = ReadAll(path);
  if (!text) return text.error();
  const std::vector<std::string> words = Words(*text);
  if (words.size() != 1 || !IsKey(words[0])) return NoKey(path, what);
  return words[0];
}

}  // namespace

Result<KeyPair> ReadKeyPair(const std::string& path) {
  Result<std::string> secret = ReadKey(path, "secret key");
  if (!secret) return secret.error();
  std::array<char, kKeyChars + 1> derived;
  if (zmq_curve_public(derived.data(), secret->c_str()) != 0) return NoKey(path, "secret key");
  return KeyPair{derived.data(), std::move(*secret)};
}

Result<std::string> ReadPublicKey(const std::string& path) { return ReadKey(path, "public key"); }

Result<PeerKeys> ReadPeerKeys(const std::string& folder, const std::string& role) {
  Result<KeyPair> own = ReadKeyPair(KeyFile(folder, role));
  if (!own) return own.error();
  if (role == "aggregator") return PeerKeys{*own, own->public_key};
  Result<std::string> aggregator = ReadPublicKey(PublicKeyFile(folder));
  if (!aggregator) return aggregator.error();
  return PeerKeys{std::move(*own), std::move(*aggregator)};
}

Result<AllowList> ReadAllowList(const std::string& path) {
  const Result<std::string> text = ReadAll(path);
  if (!text) return text.error();
  AllowList allowed;
  std::istringstream lines(*text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::vector<std::string> words = Words(line);
    if (words.empty() || words[0] == "#") continue;  // a key may begin with #, and is longer
    if (!IsKey(words[0])) {
      return Invalid(path + ":" + std::to_string(number) +
                     ": expected a public key of 40 characters in Z85, a blank and a name, or a "
                     "remark after \"# \"");
    }
    allowed[words[0]] = words.size() > 1 ? words[1] : "";
  }
  return allowed;
}

std::string KeyFile(const std::string& folder, const std::string& role) {
  return folder + "/" + role + ".key";
}
std::string PublicKeyFile(const std::string& folder) { return folder + "/aggregator.pub"; }
std::string AllowFile(const std::string& folder, const std::string& role) {
  return folder + "/" + role + "s.allowed";
}

}  // namespace paperboy
