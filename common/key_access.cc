#include "common/key_access.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/keys.h"

namespace paperboy {
namespace {

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

// To what a link leads to; where there is nothing, whoever reads it says so.
struct Access {
  explicit Access(std::string file) : path(std::move(file)) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return;
    mode = facts.st_mode & 07777U;
    owner = facts.st_uid;
  }
  std::string Line(const std::string& what) const {
    return fmt::format("{} (mode {:04o}): {} {}", path, mode, what, path);
  }

  std::string path;
  mode_t mode = 0;
  uid_t owner = 0;
};

}  // namespace

std::vector<std::string> OpenToOthers(const std::string& folder, const std::string& role,
                                      uid_t reader) {
  std::vector<std::string> lines;
  const Access in(folder);
  // In a sticky folder nobody can take away the file of another.
  if ((in.mode & kOthersWrite) != 0 && (in.mode & S_ISVTX) == 0) {
    lines.push_back(in.Line("others can put files of their own in the keys' place; chmod go-w"));
  }
  const Access secret(KeyFile(folder, role));
  // Where the file is another's, its group may be how this process reads it.
  const mode_t others_read = secret.owner == reader ? S_IRGRP | S_IROTH : S_IROTH;
  if ((secret.mode & others_read) != 0) {
    lines.push_back(secret.Line("others can read this secret key and come as this " + role +
                                "; make another one, and chmod go-r"));
  }
  std::vector<std::string> files = {secret.path};
  if (role == "aggregator") {
    files.insert(files.end(), {AllowFile(folder, "fetcher"), AllowFile(folder, "scorer")});
  } else {
    files.push_back(PublicKeyFile(folder));
  }
  for (const std::string& path : files) {
    const Access file(path);
    if ((file.mode & kOthersWrite) == 0) continue;
    lines.push_back(file.Line("others can change it, and so who is trusted; chmod go-w"));
  }
  return lines;
}

void KeyAccess::Look() {
  std::vector<std::string> lines = OpenToOthers(folder_, role_, ::geteuid());
  for (const std::string& line : lines) {
    if (std::find(known_.begin(), known_.end(), line) == known_.end()) spdlog::warn("{}", line);
  }
  known_ = std::move(lines);
}

}  // namespace paperboy
