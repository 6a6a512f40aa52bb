// Which listed papers a profile wants. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proto/paperboy.pb.h"

namespace paperboy {

// Whether `category` is `wanted` ("cs.LG") or belongs to its archive ("cs", "cs.*").
bool CategoryMatches(const std::string& wanted, const std::string& category);

// A row as the lists gave it.
struct ListedRow {
  wire::AnnounceType announce_type = wire::ANNOUNCE_TYPE_UNKNOWN;
  std::string primary_category;
  std::vector<std::string> lists;  // categories whose lists name it; "*" for a list of its own
};

// Why the profile does not want the row ("announce_type: replace", "category:
// ..."), by what the lists say; nullopt when nothing speaks against it. Unknown
// values pass.
std::optional<std::string> UnwantedByList(const wire::Profile& profile, const ListedRow& row);
// The same by the paper's own categories and text.
std::optional<std::string> UnwantedByText(const wire::Profile& profile, const wire::Paper& paper);

}  // namespace paperboy
