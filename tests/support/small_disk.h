// A disk that can be full. For who may mount it is a tmpfs of its own; otherwise the
// program that writes there meets a limit on the size of its files instead
// (EFBIG for ENOSPC).
#pragma once

#include <sys/types.h>

#include <string>

namespace paperboy {

class SmallDisk {
 public:
  // Makes the folder, and mounts the disk there if it may. Programs that are to
  // write to it are started afterwards: they inherit that SIGXFSZ is ignored.
  // Throws std::runtime_error when that fails.
  explicit SmallDisk(const std::string& folder);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Takes the space that is left, but for `spare` bytes. `writer` is the program
  // that writes `file`; its limit is the size that the file has now, and those.
  void Fill(pid_t writer, const std::string& file, size_t spare = 0);
  // Gives the space back.
  void Free(pid_t writer);

 private:
  std::string filler() const { return folder_ + "/filler"; }

  const std::string folder_;
  bool mounted_ = false;
};

}  // namespace paperboy
