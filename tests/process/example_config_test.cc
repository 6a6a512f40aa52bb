// config/paperboy.toml claims to have every option at its default.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::HasSubstr;

std::string ExampleConfig() {
  std::ifstream file(PAPERBOY_SOURCE_DIR "/config/paperboy.toml");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// What a binary makes of a configuration file.
std::string PrintedConfig(const std::string& name, const std::string& file) {
  Process process({PAPERBOY_BIN_DIR "/paperboy-" + name, "--config", file, "--print-config"});
  const auto exit = process.Wait(std::chrono::seconds(20));
  EXPECT_EQ(exit, (Process::Exit{.code = 0})) << process.Stderr();
  return process.Stdout();
}

// A number of the file is printed with all its digits: 0.20000000000000001.
const std::regex kRoundingNoise("0{8,}[0-9]$");

// "key = value" of the options, without the origins.
std::vector<std::string> OptionsIn(const std::string& printed) {
  std::vector<std::string> options;
  std::istringstream lines(printed);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.front() != '#' && line.front() != '[') {
      const std::string option = line.substr(0, line.rfind("  # "));
      options.push_back(std::regex_replace(option, kRoundingNoise, ""));
    }
  }
  return options;
}

class ExampleConfigTest : public testing::TestWithParam<const char*> {};

TEST_P(ExampleConfigTest, HasEveryOptionAtItsDefault) {
  const TempDir dir;
  const std::string bare = dir.File("bare.toml");
  const std::string full = dir.File("full.toml");
  std::ofstream(bare) << ExampleConfig();
  std::ofstream(full) << std::regex_replace(ExampleConfig(), std::regex("(^|\n)# ([a-z0-9_]+ = )"),
                                            "$1$2");

  const std::string printed = PrintedConfig(GetParam(), full);

  EXPECT_THAT(printed, HasSubstr("# file\n"));
  EXPECT_THAT(printed, testing::Not(HasSubstr("# default\n"))) << "not in the example";
  EXPECT_EQ(OptionsIn(printed), OptionsIn(PrintedConfig(GetParam(), bare)));
}

INSTANTIATE_TEST_SUITE_P(Binaries, ExampleConfigTest,
                         testing::Values("fetcher", "scorer", "aggregator"));

}  // namespace
}  // namespace paperboy
