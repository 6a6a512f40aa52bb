#include "aggregator/folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace paperboy {
namespace {

namespace fs = std::filesystem;

Error FileError(const std::string& what, const fs::path& path) {
  return {ErrorKind::kStorage, what + " " + path.string() + ": " + std::strerror(errno)};
}

Status SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", folder);
  const int code = fsync(fd);
  close(fd);
  if (code != 0) return FileError("cannot sync", folder);
  return Ok();
}

Status WriteAndSync(const fs::path& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("cannot write", path);
  size_t written = 0;
  while (written < content.size()) {
    const ssize_t n = write(fd, content.data() + written, content.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    written += static_cast<size_t>(n);
  }
  const bool ok = written == content.size() && fsync(fd) == 0;
  const int saved = errno;
  close(fd);
  errno = saved;
  if (!ok) return FileError("cannot write", path);
  return Ok();
}

}  // namespace

std::optional<std::string> DiskFolder::Read(const std::string& path) {
  std::ifstream file(fs::path(path_) / path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

Status DiskFolder::Write(const std::string& path, const std::string& content) {
  const fs::path target = fs::path(path_) / path;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) {
    return Error{ErrorKind::kStorage,
                 "cannot make " + target.parent_path().string() + ": " + error.message()};
  }
  const fs::path aside = target.string() + ".new";
  if (auto status = WriteAndSync(aside, content); !status) return status;
  if (rename(aside.c_str(), target.c_str()) != 0) return FileError("cannot rename", aside);
  return SyncFolder(target.parent_path());
}

}  // namespace paperboy
