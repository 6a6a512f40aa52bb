// OpenAI's chat completions, as many servers speak them, and Azure's variant.
#pragma once

#include "scorer/provider.h"

namespace paperboy {

// POST BASE/chat/completions with a bearer token; the query of the base URL is
// kept. Local servers (llama.cpp, vLLM, Ollama) leave out what they like: usage,
// model, finish_reason and headers may be absent.
// https://platform.openai.com/docs/api-reference/chat
const Provider& OpenAi();

// POST BASE/openai/deployments/MODEL/chat/completions?api-version=... with the
// header api-key; the model's name is the deployment's. The version is that of
// the base URL's query, else kAzureApiVersion.
// https://learn.microsoft.com/azure/ai-services/openai/reference
const Provider& Azure();
// The oldest stable version that takes a JSON schema.
inline constexpr char kAzureApiVersion[] = "2024-10-21";

}  // namespace paperboy
