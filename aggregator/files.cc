#include "aggregator/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace paperboy {
namespace {

namespace fs = std::filesystem;

Status Sync(const fs::path& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", path);
  const int code = fsync(fd);
  const int saved = errno;
  close(fd);
  errno = saved;
  if (code != 0) return FileError("cannot sync", path);
  return Ok();
}

}  // namespace

Error FileError(const std::string& what, const fs::path& path) {
  return {ErrorKind::kStorage, what + " " + path.string() + ": " + std::strerror(errno)};
}

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

Status SyncFile(const fs::path& path) { return Sync(path, O_RDONLY); }
Status SyncFolder(const fs::path& folder) { return Sync(folder, O_RDONLY | O_DIRECTORY); }

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

}  // namespace paperboy
