// The command that makes the keys of the links.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace paperboy {

// A folder of keys with one pair for the aggregator, fetchers and scorers each, and the
// allow lists (common/keys.h). Returns the files, as lines for people. kInvalid: a file
// is there already, or cannot be made; nothing is overwritten.
Result<std::vector<std::string>> MakeKeys(const std::string& folder);

// Another pair of a role (aggregator, fetcher, scorer), in ROLE-NAME.key. Of a fetcher or
// a scorer the public key is added to the allow list, with the name, which
// no other key there may have.
Result<std::vector<std::string>> AddKey(const std::string& folder, const std::string& role,
                                        const std::string& name);

}  // namespace paperboy
