// A file in memory alone, for parsers that take a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {

class PlayedFile {
 public:
  explicit PlayedFile(std::string_view bytes) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
    FUZZ_CHECK(::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~PlayedFile() { ::close(fd_); }
  PlayedFile(const PlayedFile&) = delete;
  PlayedFile& operator=(const PlayedFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace paperboy::fuzz
