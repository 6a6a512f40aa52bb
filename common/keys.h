// The keys of the links: CURVE, as Z85 text in the files of a folder that
// `paperboy-aggregator keys` makes. Each process reads what is its own:
//
//   aggregator.key, fetcher.key, scorer.key   a secret key: one line
//   aggregator.pub                            the aggregator's public key, for its peers
//   fetchers.allowed, scorers.allowed         a line for each peer: public key, blank, any name
//
// No error and no log line repeats what stands in a file.
#pragma once

#include <map>
#include <string>

#include "common/result.h"

namespace paperboy {

struct KeyPair {
  std::string public_key;  // 40 characters each
  std::string secret_key;
};

// What a fetcher or a scorer connects with.
struct PeerKeys {
  KeyPair own;
  std::string aggregator;  // its public key
};

// From the public key to the name that its line gives it.
using AllowList = std::map<std::string, std::string>;

// kInvalid names the file and what it should hold.
Result<KeyPair> ReadKeyPair(const std::string& path);
Result<std::string> ReadPublicKey(const std::string& path);
// `role` is fetcher or scorer; or aggregator, whose commands connect to itself.
Result<PeerKeys> ReadPeerKeys(const std::string& folder, const std::string& role);
Result<AllowList> ReadAllowList(const std::string& path);

std::string KeyFile(const std::string& folder, const std::string& role);
std::string PublicKeyFile(const std::string& folder);
std::string AllowFile(const std::string& folder, const std::string& role);

}  // namespace paperboy
