// Logging to standard error through spdlog: set up once per process, before its
// second thread starts; spdlog::info and the like may then be called anywhere.
#pragma once

#include <spdlog/spdlog.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace paperboy {

// level: trace, debug, info, warn, error. format: text or json.
// text: "2025-04-15T13:30:00.123Z info fetcher: message", times in UTC.
// json: one object a line with the keys time, level, process, message, and those of
// the LogScopes around it.
// Control characters in a message (a line break in a server's answer) are
// escaped in both, so that a line is always one message.
void SetUpLogging(const std::string& process, const std::string& level, const std::string& format);

// Says why the process ends: by a line of the log if that is JSON, else for a person, as
// "paperboy-fetcher: text". What stands before an '@' in an address is left out: somebody may
// have put a URL with a password in a wrong place.
void SayError(const std::string& text);

// Whether a line has the key without any field.
constexpr bool IsReservedLogKey(std::string_view key) {
  return key == "time" || key == "level" || key == "process" || key == "message";
}

// Items of a list that are written; of a longer one "KEY_more" says how many are not.
inline constexpr size_t kLoggedItems = 200;

// The name of a field; a reserved one does not compile.
class LogKey {
 public:
  consteval LogKey(const char* name) : name_(name) {  // NOLINT(google-explicit-constructor)
    if (IsReservedLogKey(name_)) throw "the key is one of every line";
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

// A number, a text or a list; an empty text or list is not written.
struct LogField {
  using Value = std::variant<int64_t, uint64_t, std::string, std::vector<std::string>>;
  template <std::signed_integral Number>
  LogField(LogKey named, Number number) : key(named), value(static_cast<int64_t>(number)) {}
  template <std::unsigned_integral Number>
  LogField(LogKey named, Number number) : key(named), value(static_cast<uint64_t>(number)) {}
  LogField(LogKey named, std::string text) : key(named), value(std::move(text)) {}
  LogField(LogKey named, std::vector<std::string> list) : key(named), value(std::move(list)) {}

  LogKey key;
  Value value;
};
using LogFields = std::vector<LogField>;

// Gives the JSON lines that this thread writes during its life these fields, beside those
// of the scopes around it; of two with one key the inner one holds. Text is for people, and
// stays as it is. A scope of five fields takes less than a microsecond to make; a list is
// worth a look at spdlog::should_log before.
class LogScope {
 public:
  LogScope(std::initializer_list<LogField> fields) : LogScope(LogFields(fields)) {}
  explicit LogScope(LogFields fields);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  const LogFields& fields() const { return fields_; }
  const LogScope* around() const { return around_; }  // null: none

 private:
  LogFields fields_;
  const LogScope* const around_;
};

}  // namespace paperboy
