// Anthropic's messages API. https://docs.claude.com/en/api/messages
#pragma once

#include "scorer/provider.h"

namespace paperboy {

// POST BASE/messages with x-api-key and anthropic-version. Its usage counts
// cached tokens apart; here prompt tokens include them, as everywhere. Nothing is
// asked to be cached, so that no writing to a cache is charged for.
const Provider& Anthropic();

inline constexpr char kAnthropicUrl[] = "https://api.anthropic.com/v1";

}  // namespace paperboy
