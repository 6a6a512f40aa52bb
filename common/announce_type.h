// The names that arXiv gives its announce types. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "proto/paperboy.pb.h"

namespace paperboy {

// "new", "cross", "replace", "replace-cross"; "unknown" for anything else.
std::string_view AnnounceTypeName(wire::AnnounceType type);
// The reverse; nullopt for any other word.
std::optional<wire::AnnounceType> ParseAnnounceType(std::string_view name);

// What an id in several categories is announced as: the first of new, cross,
// replace, replace-cross; a known type wins over an unknown one.
wire::AnnounceType MergeAnnounceTypes(wire::AnnounceType a, wire::AnnounceType b);

}  // namespace paperboy
