#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace paperboy {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

template <class Log>
std::string Logged(const std::string& level, const std::string& format, Log log) {
  testing::internal::CaptureStderr();
  SetUpLogging("fetcher", level, format);
  log();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, TextHasTimeLevelAndProcess) {
  const std::string line = Logged("info", "text", [] { spdlog::warn("{} papers", 3); });
  EXPECT_THAT(line,
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                           "warn fetcher: 3 papers\n"));
}

TEST(Log, AMessageIsOneLine) {
  const std::string line = Logged("info", "text", [] { spdlog::info("a\nfake line\x1b[0m ü"); });
  EXPECT_THAT(line, HasSubstr("a\\x0afake line\\x1b[0m ü\n"));
}

TEST(Log, JsonIsOneObjectALine) {
  const std::string line = Logged("info", "json", [] { spdlog::error("a \"quoted\"\nbyte \xFF"); });
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["level"], "error");
  EXPECT_EQ(object["process"], "fetcher");
  EXPECT_EQ(object["message"], "a \"quoted\"\nbyte \uFFFD");
  EXPECT_EQ(object["time"].get<std::string>().size(),
            std::string("2025-04-15T13:30:00.123Z").size());
}

TEST(Log, TheLevelLetsOnlySeriousMessagesThrough) {
  const auto log = [] {
    spdlog::debug("too much detail");
    spdlog::warn("of interest");
  };
  EXPECT_THAT(Logged("warn", "text", log), Not(HasSubstr("detail")));
  EXPECT_THAT(Logged("debug", "text", log), HasSubstr("detail"));
}

}  // namespace
}  // namespace paperboy
