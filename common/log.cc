#include "common/log.h"

#include <date/date.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/text.h"

namespace paperboy {
namespace {

thread_local const LogScope* innermost = nullptr;
bool json_lines = false;

std::string Escaped(spdlog::string_view_t text) {
  return nlohmann::json(std::string(text.data(), text.size()))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void AddMember(std::string_view key, std::string_view json, spdlog::memory_buf_t* out) {
  fmt::format_to(std::back_inserter(*out), R"(,"{}":{})", key, json);
}

void AddList(std::string_view key, const std::vector<std::string>& list,
             spdlog::memory_buf_t* out) {
  if (list.empty()) return;
  const size_t written = std::min(list.size(), kLoggedItems);
  std::string json = "[";
  for (size_t i = 0; i < written; ++i) json += (i == 0 ? "" : ",") + Escaped(list[i]);
  AddMember(key, json + "]", out);
  if (written == list.size()) return;
  AddMember(std::string(key) + "_more", std::to_string(list.size() - written), out);
}

void AddField(const LogField& field, spdlog::memory_buf_t* out) {
  const std::string_view key = field.key.name();
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    if (!text->empty()) AddMember(key, Escaped(*text), out);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&field.value)) {
    AddList(key, *list, out);
  } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
    AddMember(key, std::to_string(*number), out);
  } else {
    AddMember(key, std::to_string(std::get<uint64_t>(field.value)), out);
  }
}

// Of this thread, the outermost scope's first.
void AddFields(spdlog::memory_buf_t* out) {
  std::vector<const LogField*> fields;
  for (const LogScope* scope = innermost; scope != nullptr; scope = scope->around()) {
    for (auto field = scope->fields().rbegin(); field != scope->fields().rend(); ++field) {
      const bool hidden = std::any_of(fields.begin(), fields.end(), [&](const LogField* inner) {
        return inner->key.name() == field->key.name();
      });
      if (!hidden) fields.push_back(&*field);
    }
  }
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) AddField(**field, out);
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
                   R"({{"time":"{}","level":"{}","process":{},"message":{})", TimeOf(message),
                   LevelName(message.level), Escaped(message.logger_name),
                   Escaped(message.payload));
    AddFields(&out);
    fmt::format_to(std::back_inserter(out), "}}\n");
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
  json_lines = format == "json";
  if (json_lines) {
    logger->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    logger->set_formatter(std::make_unique<TextFormatter>());
  }
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

void SayError(const std::string& text) {
  const std::string message = WithoutPasswords(text);
  if (json_lines) return spdlog::error("{}", message);
  fmt::print(stderr, "paperboy-{}: {}\n", spdlog::default_logger()->name(), message);
}

LogScope::LogScope(LogFields fields) : fields_(std::move(fields)), around_(innermost) {
  innermost = this;
}

LogScope::~LogScope() { innermost = around_; }

}  // namespace paperboy
