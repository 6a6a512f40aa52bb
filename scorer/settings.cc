#include "scorer/settings.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/redis_client.h"
#include "common/text.h"
#include "scorer/anthropic.h"

namespace paperboy {
namespace {

// Servers that take no call without a key.
bool NeedsKey(const std::string& backend, const std::string& host) {
  return backend != "openai" || host == "api.openai.com";
}
const char* KeyName(const std::string& backend) {
  return backend == "anthropic" ? "ANTHROPIC_API_KEY" : "OPENAI_API_KEY";
}
constexpr char kAbout[] =
    "Scores papers: asks the aggregator for batches, calls the model within the shared rate "
    "limits, checks the answers and returns the scores. Start as many as the quota feeds; each "
    "may be stopped or killed at any time.";
constexpr char kAfter[] =
    "Examples:\n"
    "  OPENAI_API_KEY=... paperboy-scorer --model gpt-4o-mini --rpm 500 --tpm 200000\n"
    "  paperboy-scorer --llm-url http://localhost:8000/v1 --model my-model\n"
    "  ANTHROPIC_API_KEY=... paperboy-scorer --backend anthropic --model claude-haiku-4-5\n"
    "  paperboy-scorer --backend azure --llm-url https://RESOURCE.openai.azure.com --model "
    "DEPLOYMENT\n"
    "  paperboy-scorer --backend lexical\n"
    "\n"
    "SIGTERM, SIGINT, SIGHUP: gives back what was not sent to the model, finishes what is under\n"
    "way, and exits with 0; allow it --call-timeout and 5 s more. A second one ends it at once.\n"
    "Exit codes: 0 stopped by a signal, 1 bad usage or configuration, or stopped at once.";

std::string HostOf(const std::string& url) {
  const std::string printable = PrintableUrl(url);
  const size_t begin = printable.find("://") + 3;
  return FoldCase(printable.substr(begin, printable.find_first_of(":/", begin) - begin));
}

Result<std::string> ReadKey(const Options& options) {
  const std::string& path = options.String("api-key-file");
  const bool anthropic = options.String("backend") == "anthropic";
  std::string key(Trim(options.String(anthropic ? "anthropic-api-key" : "openai-api-key")));
  if (!path.empty()) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();  // sets fail where nothing can be read: of a directory too
    key = Trim(text.str());
    if (!file || key.empty()) {
      return Invalid("--api-key-file " + path + ": cannot be read, or is empty");
    }
  }
  for (const unsigned char c : key) {
    if (c <= ' ' || c >= 0x7f) return Invalid("the API key holds a character that no key has");
  }
  return key;
}

Status CheckTemperature(const std::string& text, double most) {
  if (text.empty()) return Ok();
  const auto value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_number() && value >= 0.0 && value <= most) return Ok();
  return Invalid("--temperature \"" + text + "\": a number from 0 to " +
                 std::to_string(static_cast<int>(most)) + ", or empty to send none");
}

// What the other backends have no default for.
Status CheckBackend(const Options& options, const LlmServerSettings& server) {
  if (server.backend == "openai") return Ok();
  if (options.Origin("model") == "default") {
    return Invalid("--backend " + server.backend + " needs --model: the name of " +
                   (server.backend == "azure" ? "your deployment" : "a model of the server's"));
  }
  if (server.backend != "azure") return Ok();
  const bool has_path = PrintableUrl(server.base_url).find('/', 8) != std::string::npos;
  if (options.Origin("llm-url") != "default" && !has_path) return Ok();
  return Invalid(
      "--backend azure needs --llm-url with the resource's address alone, as "
      "https://RESOURCE.openai.azure.com (--model names the deployment); an address that ends in "
      "/openai/v1 is for --backend openai");
}

Result<LlmServerSettings> ReadServer(const Options& options) {
  LlmServerSettings server;
  server.backend = options.String("backend");
  const bool anthropic = server.backend == "anthropic";
  const bool own_url = anthropic && options.Origin("llm-url") == "default";
  server.base_url = own_url ? kAnthropicUrl : options.String("llm-url");
  while (server.base_url.ends_with('/')) server.base_url.pop_back();
  if (!server.base_url.starts_with("http://") && !server.base_url.starts_with("https://")) {
    return Invalid("--llm-url \"" + PrintableUrl(server.base_url) +
                   "\": a URL such as https://api.openai.com/v1");
  }
  if (PrintableUrl(server.base_url) !=
      server.base_url.substr(0, server.base_url.find_first_of("?#"))) {
    return Invalid(
        "--llm-url: no user or password may stand in it, because a server that quotes what it "
        "was sent would put them on the page; give the server's key by " +
        std::string(KeyName(server.backend)) + " or --api-key-file");
  }
  if (const Status status = CheckBackend(options, server); !status) return status.error();
  server.temperature = Trim(options.String("temperature"));
  if (const Status status = CheckTemperature(server.temperature, anthropic ? 1 : 2); !status) {
    return status.error();
  }
  const Result<std::string> key = ReadKey(options);
  if (!key) return key.error();
  server.key = *key;
  const std::string host = HostOf(server.base_url);
  if (server.key.empty() && NeedsKey(server.backend, host)) {
    return Invalid("no API key for " + host + ": set " + KeyName(server.backend) +
                   " or --api-key-file, name a server that needs none with --backend openai and "
                   "--llm-url, or score by words alone with --backend lexical");
  }
  server.timeout = Milliseconds(std::llround(options.Number("call-timeout") * 1'000));
  return server;
}

std::vector<Option> Table() {
  std::vector<Option> table = CommonOptions("127.0.0.1:0");
  const std::vector<Option> own = {
      {.name = "aggregator",
       .default_value = "tcp://127.0.0.1:5556",
       .placeholder = "ENDPOINT",
       .help = "The aggregator's endpoint for scorers."},
      {.name = "backend",
       .default_value = "openai",
       .placeholder = "NAME",
       .help =
           "What the model's server speaks. openai: chat completions, as many servers do. azure: "
           "Azure OpenAI's deployments. anthropic: messages. lexical: no server: by words "
           "alone, without network or key.",
       .choices = {"openai", "azure", "anthropic", "lexical"}},
      {.name = "llm-url",
       .default_value = "https://api.openai.com/v1",
       .placeholder = "URL",
       .help = "Base URL of the model's server. azure: https://RESOURCE.openai.azure.com, with "
               "?api-version=... if need be. anthropic: by default https://api.anthropic.com/v1."},
      {.name = "model",
       .default_value = "gpt-4o-mini",
       .placeholder = "NAME",
       .help = "The model, or Azure's deployment, for profiles that name none."},
      {.name = "temperature",
       .default_value = "0",
       .placeholder = "NUMBER",
       .help = "Sent with each call; empty: not sent, for models that take none."},
      {.name = "openai-api-key",
       .help = "The key of the model's server, for openai and azure.",
       .secret = true,
       .env = "OPENAI_API_KEY"},
      {.name = "anthropic-api-key",
       .help = "The same for anthropic.",
       .secret = true,
       .env = "ANTHROPIC_API_KEY"},
      {.name = "api-key-file",
       .placeholder = "FILE",
       .help = "A file with the key; wins over OPENAI_API_KEY and ANTHROPIC_API_KEY."},
      {.name = "rpm",
       .type = OptionType::kInteger,
       .default_value = "0",
       .placeholder = "N",
       .help = "The quota in requests per minute, per model and key, shared by all scorers. 0: "
               "unlimited.",
       .min = 0,
       .max = 10'000'000},
      {.name = "tpm",
       .type = OptionType::kInteger,
       .default_value = "0",
       .placeholder = "N",
       .help = "The quota in tokens per minute, likewise. 0: unlimited.",
       .min = 0,
       .max = 1'000'000'000},
      {.name = "token-charge",
       .default_value = "maximum",
       .placeholder = "NAME",
       .help = "What the provider counts against --tpm. maximum: the prompt and all that the "
               "answer may take, as OpenAI and Azure do. used: what a call used in the end.",
       .choices = {"maximum", "used"}},
      {.name = "concurrency",
       .type = OptionType::kInteger,
       .default_value = "8",
       .placeholder = "N",
       .help = "Calls in flight at most; fewer while the server is slow or fails.",
       .min = 1,
       .max = 1'000},
      {.name = "call-timeout",
       .type = OptionType::kNumber,
       .default_value = "120",
       .placeholder = "SECONDS",
       .help = "How long one call may take.",
       .min = 1,
       .max = 3'600},
      {.name = "quota-window",
       .type = OptionType::kNumber,
       .default_value = "60",
       .placeholder = "SECONDS",
       .help = "The length of the windows over which the provider counts. 0: it refills a bucket "
               "continuously.",
       .min = 0,
       .max = 3'600},
      {.name = "arrival-jitter",
       .type = OptionType::kInteger,
       .default_value = "120",
       .placeholder = "MILLISECONDS",
       .help = "How much later than planned a request may reach the provider.",
       .min = 1,
       .max = 10'000},
      {.name = "pod", .placeholder = "NAME", .help = "This scorer's name; empty: the host's."},
  };
  table.insert(table.end(), own.begin(), own.end());
  return table;
}

}  // namespace

Options ScorerOptions() { return Options("scorer", kAbout, kAfter, Table()); }

Result<ScorerSettings> ReadScorerSettings(const Options& options, const std::string& host) {
  ScorerSettings settings;
  settings.lexical = options.String("backend") == "lexical";
  settings.model = settings.lexical ? "lexical" : Trim(options.String("model"));
  if (settings.model.empty()) return Invalid("--model is empty");
  if (!settings.lexical) {
    const Result<LlmServerSettings> server = ReadServer(options);
    if (!server) return server.error();
    settings.server = *server;
  }
  settings.limits.rpm = options.Integer("rpm");
  settings.limits.tpm = options.Integer("tpm");
  settings.charge =
      options.String("token-charge") == "used" ? TokenCharge::kUsed : TokenCharge::kMaximum;
  settings.limits.window = Milliseconds(std::llround(options.Number("quota-window") * 1'000));
  settings.limits.jitter = Milliseconds(options.Integer("arrival-jitter"));
  settings.concurrency = static_cast<size_t>(options.Integer("concurrency"));
  settings.aggregator = {options.String("aggregator"), options.String("keys"), "scorer"};
  const Result<RedisUrl> redis = ReadRedisUrl(options);
  if (!redis) return redis.error();
  settings.redis = *redis;
  settings.pod = ValidUtf8(options.String("pod").empty() ? host : options.String("pod"));
  return settings;
}

}  // namespace paperboy
