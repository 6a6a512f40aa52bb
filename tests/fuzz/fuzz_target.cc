#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/text.h"

namespace paperboy::fuzz {

void Fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what.c_str());
  std::abort();
}

void CheckLine(const std::string& text) {
  const bool one_line = text.find_first_of("\t\r\n") == std::string::npos;
  if (one_line && ValidUtf8(text) == text) return;
  Fail(__FILE__, __LINE__, "one line of clean text: \"" + text + "\"");
}

void CheckError(const Error& error) {
  FUZZ_CHECK(!error.message.empty());
  CheckLine(error.message);
}

void CheckLines(const google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->type() == FieldDescriptor::TYPE_STRING) {
        CheckLine(field->is_repeated() ? reflection->GetRepeatedString(message, field, i)
                                       : reflection->GetString(message, field));
      } else if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
        CheckLines(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                        : reflection->GetMessage(message, field));
      }
    }
  }
}

std::string_view TakePart(std::string_view* bytes, std::string_view mark) {
  const std::string line = std::string(mark) + "\n";
  for (size_t at = bytes->find(line); at != bytes->npos; at = bytes->find(line, at + 1)) {
    if (at != 0 && (*bytes)[at - 1] != '\n') continue;
    const std::string_view part = bytes->substr(0, at);
    bytes->remove_prefix(at + line.size());
    return part;
  }
  return std::exchange(*bytes, {});
}

std::map<std::string, Target>& Targets() {
  static std::map<std::string, Target> targets;
  return targets;
}

}  // namespace paperboy::fuzz
