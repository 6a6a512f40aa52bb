#include "common/log.h"

#include <date/date.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace paperboy {
namespace {

std::string Escaped(spdlog::string_view_t text) {
  return nlohmann::json(std::string(text.data(), text.size()))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string TimeOf(const spdlog::details::log_msg& message) {
  return date::format("%FT%TZ", std::chrono::floor<std::chrono::milliseconds>(message.time));
}

// spdlog's level names, but for "warning", which is an option's "warn".
std::string_view LevelName(spdlog::level::level_enum level) {
  if (level == spdlog::level::warn) return "warn";
  const auto name = spdlog::level::to_string_view(level);
  return {name.data(), name.size()};
}

class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    fmt::format_to(std::back_inserter(out),
                   R"({{"time":"{}","level":"{}","process":{},"message":{}}})"
                   "\n",
                   TimeOf(message), LevelName(message.level), Escaped(message.logger_name),
                   Escaped(message.payload));
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

class TextFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    fmt::format_to(std::back_inserter(out), "{} {} {}: ", TimeOf(message), LevelName(message.level),
                   std::string_view(message.logger_name.data(), message.logger_name.size()));
    for (const char c : message.payload) {
      const bool control = (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F;
      if (control) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
      } else {
        out.push_back(c);
      }
    }
    out.push_back('\n');
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<TextFormatter>(); }
};

}  // namespace

void SetUpLogging(const std::string& process, const std::string& level, const std::string& format) {
  auto logger =
      std::make_shared<spdlog::logger>(process, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (format == "json") {
    logger->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    logger->set_formatter(std::make_unique<TextFormatter>());
  }
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace paperboy
