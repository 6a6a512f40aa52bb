// arXiv's categories: what a profile may name, and which of them lie in which archive.
// Pure; any thread. https://arxiv.org/category_taxonomy
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace paperboy {

// A category ("cs.LG", "hep-th") or a whole archive ("cs", also written "cs.*") as
// arXiv's feeds and sets name it: "cs.LG", "hep-th", "cs". kInvalid for anything else;
// the message follows the name, as in "is no arXiv category; did you mean cs.LG?".
Result<std::string> ParseCategory(std::string_view name);

// Whether `category` has categories below it: "cs", not "hep-th" or "cs.LG".
bool IsArchive(std::string_view category);

// Whether `category` is `wanted` ("cs.LG") or lies in that archive ("cs", "cs.*").
bool CategoryMatches(std::string_view wanted, std::string_view category);

}  // namespace paperboy
