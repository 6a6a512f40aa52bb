// Who but their owner can get at the files of keys that a process reads (common/keys.h).
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace paperboy {

// What others can do to the files that `role` reads of `folder`, as the user `reader`: one
// line for people each, with what to do. Kubernetes' mount of a Secret has no such line: its folder
// is for everybody but sticky, and its files are root's and for the pod's group to read.
std::vector<std::string> OpenToOthers(const std::string& folder, const std::string& role,
                                      uid_t reader);

// Warns of it in the log.
class KeyAccess {
 public:
  KeyAccess(std::string folder, std::string role)
      : folder_(std::move(folder)), role_(std::move(role)) {}
  // Logs what was not so at the look before.
  void Look();

 private:
  const std::string folder_, role_;
  std::vector<std::string> known_;
};

}  // namespace paperboy
