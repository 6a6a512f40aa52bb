// Programs that cannot start say why in one way, and as the log is told to be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/status_server.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

using Words = std::vector<std::string>;

class CannotStart : public testing::TestWithParam<std::string> {
 protected:
  CannotStart() {
    EXPECT_TRUE(taken_.Start("127.0.0.1:0").ok());
    std::ofstream(dir_.File("unknown.toml")) << "frobnicate = 1\n";
    std::ofstream(dir_.File("unknown_json.toml")) << "frobnicate = 1\nlog_format = \"json\"\n";
  }
  // With what makes it start, so that `more` alone keeps it from that.
  std::string ErrorOf(Words more, const Process::Environment& environment = {}) {
    Words words = {std::string(PAPERBOY_BIN_DIR "/paperboy-") + GetParam(), "--redis",
                   "redis://127.0.0.1:1/0", "--http", "127.0.0.1:0"};
    const Words own =
        GetParam() == "aggregator"
            ? Words{"--data",          dir_.File("data"),   "--out",          dir_.File("out"),
                    "--bind-fetchers", "tcp://127.0.0.1:*", "--bind-scorers", "tcp://127.0.0.1:*"}
        : GetParam() == "scorer"
            ? Words{"--llm-url", "http://127.0.0.1:1/v1"}
            : Words{"--profile", PAPERBOY_SOURCE_DIR "/config/profiles/default"};
    words.insert(words.end(), own.begin(), own.end());
    words.insert(words.end(), more.begin(), more.end());
    Process process(words, environment);
    EXPECT_EQ(process.Wait(30s), (Process::Exit{.code = 1})) << process.Stderr();
    return process.Stderr();
  }
  // All is JSON, and the last line is the error.
  static void ExpectJson(const std::string& error, const std::string& says) {
    std::istringstream lines(error);
    nlohmann::json last;
    for (std::string line; std::getline(lines, line);) {
      last = nlohmann::json::parse(line, nullptr, false);
      ASSERT_TRUE(last.is_object()) << line;
    }
    ASSERT_TRUE(last.is_object()) << "nothing is said";
    EXPECT_EQ(last["level"], "error");
    EXPECT_EQ(last["process"], GetParam());
    EXPECT_THAT(last["message"].get<std::string>(), HasSubstr(says));
  }

  StatusServer taken_{std::make_shared<prometheus::Registry>()};
  TempDir dir_;
};

TEST_P(CannotStart, SaysSoAsTheLogIsToBe) {
  const std::vector<std::pair<Words, std::string>> mistakes = {
      {{"--frobnicate"}, "--frobnicate is not expected"},
      {{"--log-level", "loud"}, "\"loud\" is not one of"},
      {{"--config", dir_.File("none.toml")}, "none.toml"},
      {{"--config", dir_.File("unknown.toml")}, "unknown key frobnicate"},
      {{"--redis", "http://here"}, "redis"},
      {{"redis://:hunter2@here"}, "redis://***@here"},
      {{"--keys", dir_.File("none")}, dir_.File("none")},
      {{"--http", "127.0.0.1:" + std::to_string(taken_.port())}, "is the port in use?"}};
  for (const auto& [mistake, says] : mistakes) {
    SCOPED_TRACE(says);
    Words json = mistake;
    json.insert(json.end(), {"--log-format", "json"});
    ExpectJson(ErrorOf(json), says);
    ExpectJson(ErrorOf(mistake, {{"PAPERBOY_LOG_FORMAT", "json"}}), says);
    const std::string plain = ErrorOf(mistake);
    EXPECT_THAT(plain, HasSubstr("paperboy-" + GetParam() + ": "));
    EXPECT_THAT(plain, HasSubstr(says));
  }
  ExpectJson(ErrorOf({"--config", dir_.File("unknown_json.toml")}), "unknown key frobnicate");
}

INSTANTIATE_TEST_SUITE_P(Programs, CannotStart, testing::Values("fetcher", "scorer", "aggregator"),
                         [](const auto& info) { return info.param; });

// What the options cannot know is told in the same way.
TEST(CannotStartWith, AFileOfItsOwn) {
  const TempDir dir;
  std::ofstream(dir.File("file")) << "no folder";
  const std::string bin = PAPERBOY_BIN_DIR "/paperboy-";
  for (const Words& words : std::vector<Words>{
           {bin + "fetcher", "--profile", dir.File("none")},
           {bin + "fetcher", "frobnicate"},
           {bin + "aggregator", "--data", dir.File("file"), "--out", dir.File("out")},
           {bin + "aggregator", "--prices", dir.File("none"), "--data", dir.File("data")},
           {bin + "aggregator", "--data", dir.File("none"), "status"},
       }) {
    Words json = words;
    json.insert(json.begin() + 1, {"--log-format", "json"});
    Process process(json);
    EXPECT_EQ(process.Wait(30s), (Process::Exit{.code = 1})) << process.Stderr();
    EXPECT_THAT(process.Stderr(), StartsWith("{\"time\":")) << words.back();
    EXPECT_THAT(process.Stderr(), HasSubstr("\"level\":\"error\"")) << words.back();
  }
}

}  // namespace
}  // namespace paperboy
