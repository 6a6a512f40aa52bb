// Which listed papers a profile wants. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proto/paperboy.pb.h"

namespace paperboy {

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
// The same by the paper's own categories.
std::optional<std::string> UnwantedByCategory(const wire::Profile& profile,
                                              const wire::Paper& paper);
// The same by the keywords: whole words or phrases in the title or in the abstract, as
// Comparable (text.h) makes them.
std::optional<std::string> UnwantedByKeyword(const wire::Profile& profile,
                                             const wire::Paper& paper);

}  // namespace paperboy
