// Finds JSON in what a model wrote: between prose and code fences, cut off at
// the end, with the slips that models make. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace paperboy {

// Nesting that is followed; an answer needs three levels.
inline constexpr int kMaxJsonDepth = 16;

// Calls for every balanced {...} ('{') or [...] ('[') in `text` that reads as
// JSON, inner ones before those around them. Brackets inside strings do not
// count. Mended before reading: trailing commas, line breaks and other control
// characters inside strings, backslashes that escape nothing (TeX). A line that
// begins with `open` while a string is open starts afresh, so that a line cut
// off in the middle does not swallow those after it. What is still not JSON is
// left out; so is what is nested deeper than kMaxJsonDepth.
std::vector<nlohmann::json> FindJson(std::string_view text, char open);

}  // namespace paperboy
