// Reading fields of JSON that others wrote: what is absent or of another type
// reads as not there. Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace paperboy {

// A string, or a whole number as text; else "".
inline std::string TextOf(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? found->dump() : "";
}

inline std::optional<uint64_t> CountOf(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

// The texts of a list of parts, each {"text": ...}, joined.
inline std::string TextOfParts(const nlohmann::json& parts) {
  std::string text;
  for (const nlohmann::json& part : parts) {
    if (part.is_object()) text += TextOf(part, "text");
  }
  return text;
}

}  // namespace paperboy
