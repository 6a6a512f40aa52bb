// The clock of programs started by a test, moved through libfaketime (Debian's
// faketime). Time that is only measured goes on as it is.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace paperboy {

class FakeClock {
 public:
  FakeClock() { Move("+0"); }

  // As libfaketime has it: "+2h", "-300".
  void Move(const std::string& by) {
    std::ofstream(dir_.File("new")) << by << "\n";
    std::filesystem::rename(dir_.File("new"), dir_.File("time"));
  }
  // From now on the programs believe that it is that time.
  void Set(std::chrono::system_clock::time_point time) {
    const auto ahead = time - std::chrono::system_clock::now();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(ahead).count();
    Move((seconds < 0 ? "" : "+") + std::to_string(seconds));
  }

  Process::Environment env() const {
    return {{"LD_PRELOAD", Library()},
            {"FAKETIME_TIMESTAMP_FILE", dir_.File("time")},
            {"FAKETIME_NO_CACHE", "1"},
            {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
  }

 private:
  static std::string Library() {
    for (const auto& folder : std::filesystem::directory_iterator("/usr/lib")) {
      const auto path = folder.path() / "faketime/libfaketimeMT.so.1";
      if (std::filesystem::exists(path)) return path;
    }
    throw std::runtime_error("libfaketime is missing: install the Debian package faketime");
  }

  TempDir dir_;
};

}  // namespace paperboy
