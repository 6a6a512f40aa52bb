#include "common/announce_type.h"

#include <algorithm>

namespace paperboy {
namespace {

struct Named {
  wire::AnnounceType type;
  std::string_view name;
};
constexpr Named kNames[] = {{wire::ANNOUNCE_TYPE_NEW, "new"},
                            {wire::ANNOUNCE_TYPE_CROSS, "cross"},
                            {wire::ANNOUNCE_TYPE_REPLACE, "replace"},
                            {wire::ANNOUNCE_TYPE_REPLACE_CROSS, "replace-cross"}};

}  // namespace

std::string_view AnnounceTypeName(wire::AnnounceType type) {
  for (const Named& named : kNames) {
    if (named.type == type) return named.name;
  }
  return "unknown";
}

std::optional<wire::AnnounceType> ParseAnnounceType(std::string_view name) {
  for (const Named& named : kNames) {
    if (named.name == name) return named.type;
  }
  return std::nullopt;
}

wire::AnnounceType MergeAnnounceTypes(wire::AnnounceType a, wire::AnnounceType b) {
  if (a == wire::ANNOUNCE_TYPE_UNKNOWN) return b;
  if (b == wire::ANNOUNCE_TYPE_UNKNOWN) return a;
  return std::min(a, b);
}

}  // namespace paperboy
