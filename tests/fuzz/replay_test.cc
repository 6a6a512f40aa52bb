// Every fuzz target over its seeds and over what once made it fail, in the ordinary
// build: a fault ends the process, which is how a target says so.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/read_file.h"

namespace paperboy::fuzz {
namespace {

namespace fs = std::filesystem;

const fs::path kHere = PAPERBOY_SOURCE_DIR "/tests/fuzz";

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, target] : Targets()) names.push_back(name);
  return names;
}

class FuzzReplay : public testing::TestWithParam<std::string> {
 protected:
  // Returns how many files there were.
  static int Run(const std::string& kind) {
    int files = 0;
    const fs::path folder = kHere / kind / GetParam();
    if (!fs::exists(folder)) return 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::fprintf(stderr, "%s\n", entry.path().c_str());
      Targets().at(GetParam())(ReadFile(entry.path()));
      ++files;
    }
    return files;
  }
};

TEST_P(FuzzReplay, HoldsForItsSeeds) { EXPECT_GE(Run("seeds"), 2); }
TEST_P(FuzzReplay, HoldsForWhatOnceFailed) { Run("regressions"); }

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplay, testing::ValuesIn(Names()),
                         [](const auto& name) { return name.param; });

// A folder that no target runs over would be forgotten.
TEST(FuzzReplay, EveryFolderIsATargets) {
  for (const char* kind : {"seeds", "regressions"}) {
    if (!fs::exists(kHere / kind)) continue;
    for (const auto& entry : fs::directory_iterator(kHere / kind)) {
      EXPECT_TRUE(Targets().contains(entry.path().filename())) << entry.path();
    }
  }
}

}  // namespace
}  // namespace paperboy::fuzz
