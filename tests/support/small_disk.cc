#include "tests/support/small_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <stdexcept>

namespace paperboy {
namespace {

constexpr char kSize[] = "size=16m";

void LimitFiles(pid_t writer, rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  // One that has ended has no limit any more.
  if (::prlimit(writer, RLIMIT_FSIZE, &limit, nullptr) != 0 && errno != ESRCH) {
    throw std::runtime_error("cannot limit the files of process " + std::to_string(writer));
  }
}

}  // namespace

SmallDisk::SmallDisk(const std::string& folder) : folder_(folder) {
  std::filesystem::create_directories(folder_);
  ::signal(SIGXFSZ, SIG_IGN);
  mounted_ = ::mount("paperboy-test", folder_.c_str(), "tmpfs", 0, kSize) == 0;
  if (!mounted_ && errno != EPERM) throw std::runtime_error("cannot mount a tmpfs at " + folder_);
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
}

void SmallDisk::Fill(pid_t writer, const std::string& file, size_t spare) {
  if (!mounted_) return LimitFiles(writer, std::filesystem::file_size(file) + spare);
  const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::array<char, 4096> page{};
  while (::write(fd, page.data(), page.size()) > 0) {
  }
  ::close(fd);
  std::filesystem::resize_file(filler(), std::filesystem::file_size(filler()) - spare);
}

void SmallDisk::Free(pid_t writer) {
  if (!mounted_) return LimitFiles(writer, RLIM_INFINITY);
  std::filesystem::remove(filler());
}

}  // namespace paperboy
