#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/trace.h"

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

// ---- fields -------------------------------------------------------------------

// The line without time, level, process and message.
template <class Log>
nlohmann::json FieldsLogged(Log log) {
  const std::string line = Logged("info", "json", log);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  auto object = nlohmann::json::parse(line);
  for (const char* key : {"time", "level", "process", "message"}) EXPECT_EQ(object.erase(key), 1u);
  return object;
}

TEST(LogScope, FieldsAreKeysOfTheLinesInIt) {
  const auto fields = FieldsLogged([] {
    const LogScope scope{{"trace", "4bf9"},
                         {"digest", 12},
                         {"papers", std::vector<std::string>{"2504.08867", "hep-th/9901001"}}};
    spdlog::info("published");
  });
  EXPECT_EQ(fields,
            nlohmann::json::parse(
                R"({"trace":"4bf9","digest":12,"papers":["2504.08867","hep-th/9901001"]})"));
}

TEST(LogScope, ALineAfterItHasNone) {
  const auto fields = FieldsLogged([] {
    { const LogScope scope{{"digest", 12}}; }
    spdlog::info("the next one");
  });
  EXPECT_EQ(fields, nlohmann::json::object());
}

TEST(LogScope, ScopesAddUpAndTheInnerOneHolds) {
  const std::string lines = Logged("info", "json", [] {
    const LogScope outer{{"trace", "outer"}, {"digest", 12}};
    {
      const LogScope inner{{"trace", "inner"}, {"rows", uint64_t{1} << 40}};
      spdlog::info("in both");
    }
    spdlog::info("in the outer one");
  });
  EXPECT_THAT(lines, HasSubstr(R"("in both","digest":12,"trace":"inner","rows":1099511627776})"));
  EXPECT_THAT(lines, HasSubstr(R"("in the outer one","trace":"outer","digest":12})"));
}

TEST(LogScope, NumbersAreWhole) {
  const auto fields = FieldsLogged([] {
    const LogScope scope{{"least", std::numeric_limits<int64_t>::min()},
                         {"most", std::numeric_limits<uint64_t>::max()}};
    spdlog::info("x");
  });
  EXPECT_EQ(fields["least"], std::numeric_limits<int64_t>::min());
  EXPECT_EQ(fields["most"], std::numeric_limits<uint64_t>::max());
}

TEST(LogScope, TextsAreEscapedAndMended) {
  const auto fields = FieldsLogged([] {
    const LogScope scope{{"model", "a \"quoted\"\nbyte \xFF"},
                         {"papers", std::vector<std::string>{"},\"level\":\"", "\xFF"}}};
    spdlog::info("x");
  });
  EXPECT_EQ(fields["model"], "a \"quoted\"\nbyte \uFFFD");
  EXPECT_EQ(fields["papers"], nlohmann::json({"},\"level\":\"", "\uFFFD"}));
}

TEST(LogScope, WhatIsEmptyIsLeftOut) {
  const auto fields = FieldsLogged([] {
    const LogScope scope{{"trace", ""}, {"papers", std::vector<std::string>()}, {"rows", 0}};
    spdlog::info("x");
  });
  EXPECT_EQ(fields, nlohmann::json({{"rows", 0}}));
}

TEST(LogScope, OfALongListTheRestIsCounted) {
  const std::vector<std::string> most(kLoggedItems, "2504.00001");
  auto more = most;
  more.resize(kLoggedItems + 17, "2504.00002");
  const auto fields = FieldsLogged([&] {
    const LogScope scope{{"papers", more}, {"rows", most}};
    spdlog::info("x");
  });
  EXPECT_EQ(fields["papers"], nlohmann::json(most));
  EXPECT_EQ(fields["papers_more"], 17);
  EXPECT_EQ(fields["rows"], nlohmann::json(most));
  EXPECT_FALSE(fields.contains("rows_more"));
}

TEST(LogScope, AnotherThreadHasItsOwn) {
  const auto fields = FieldsLogged([] {
    const LogScope scope{{"digest", 12}};
    std::thread([] { spdlog::info("x"); }).join();
  });
  EXPECT_EQ(fields, nlohmann::json::object());
}

TEST(LogScope, TextStaysForPeople) {
  const std::string line = Logged("info", "text", [] {
    const LogScope scope{{"digest", 12}};
    spdlog::info("published");
  });
  EXPECT_THAT(line, testing::EndsWith("info fetcher: published\n"));
}

// A LogKey of one of them does not compile.
TEST(LogScope, TheKeysOfEveryLineAreReserved) {
  const std::string line = Logged("info", "json", [] { spdlog::info("x"); });
  const auto keys = nlohmann::json::parse(line);
  EXPECT_EQ(keys.size(), 4u);
  for (const auto& [key, value] : keys.items()) EXPECT_TRUE(IsReservedLogKey(key)) << key;
  EXPECT_FALSE(IsReservedLogKey("trace"));
}

// ---- traces -------------------------------------------------------------------

TEST(Trace, IsThatOfTheEditionAlone) {
  const std::string trace = TraceOf("ml", "2026-09-15", "abc");
  // printf 'ml\n2026-09-15\nabc' | sha256sum | head -c 32
  EXPECT_EQ(trace, "0728220c030dd7748d391cd8d56909d0");
  EXPECT_EQ(TraceOf("ml", "2026-09-15", "abc"), trace);
  EXPECT_NE(TraceOf("lm", "2026-09-15", "abc"), trace);
  EXPECT_NE(TraceOf("ml", "2026-09-16", "abc"), trace);
  EXPECT_NE(TraceOf("ml", "2026-09-15", "abd"), trace);
  EXPECT_NE(TraceOf("ml2", "026-09-15", "abc"), trace);
}

TEST(Trace, OfSeveralDigestsIsAList) {
  const auto fields = [](const std::set<std::string>& traces) {
    return FieldsLogged([&] {
      const LogScope scope{TraceField(traces)};
      spdlog::info("x");
    });
  };
  EXPECT_EQ(fields({}), nlohmann::json::object());
  EXPECT_EQ(fields({"a"}), nlohmann::json({{"trace", "a"}}));
  EXPECT_EQ(fields({"a", "b"}), nlohmann::json::parse(R"({"trace":["a","b"]})"));
}

// A reader that takes numbers for doubles would have one lease for several.
TEST(Trace, ALeaseIsKeptByEveryReaderOfJson) {
  wire::Batch batch;
  batch.set_digest(7);
  batch.set_trace("a");
  batch.set_lease(411200675725180929);
  batch.set_model("gpt-4o");
  const auto fields = FieldsLogged([&] {
    const LogScope scope(FieldsOf(batch));
    spdlog::info("x");
  });
  EXPECT_EQ(
      fields,
      nlohmann::json(
          {{"digest", 7}, {"trace", "a"}, {"lease", "411200675725180929"}, {"model", "gpt-4o"}}));
}

}  // namespace
}  // namespace paperboy
