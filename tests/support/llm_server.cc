#include "tests/support/llm_server.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <ctime>
#include <mutex>
#include <optional>
#include <random>
#include <set>

#include "tests/support/faults.h"
#include "tests/support/http_host.h"
#include "tests/support/llm_messages.h"
#include "tests/support/llm_refusals.h"

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr double kBytesPerToken = 4;
constexpr int kSlowFactor = 20;
constexpr std::chrono::minutes kHang{10};
constexpr size_t kBigBody = 10 << 20;
constexpr std::chrono::milliseconds kDrip{20};  // from byte to byte, from look to look
constexpr char kDeployments[] = "/openai/deployments/";
// OpenAI reports cached prefixes from 1,024 tokens on, in steps of 128.
constexpr uint64_t kCacheFrom = 1024;
constexpr uint64_t kCacheStep = 128;

uint64_t Tokens(size_t bytes) {
  return static_cast<uint64_t>(std::ceil(static_cast<double>(bytes) / kBytesPerToken));
}

// A message's content: a string, or a list of parts with text.
std::string TextOf(const Json& content) {
  if (content.is_string()) return content;
  std::string text;
  if (content.is_array()) {
    for (const Json& part : content) text += part.value("text", std::string());
  }
  return text;
}

struct ChatRequest {
  std::string model;
  std::string text;  // of all messages
  std::string user;  // of the user's
  Json response_format;
  uint64_t max_tokens = 0;  // 0: not given
  bool in_job = false;
};

// Nothing if the body is not what chat/completions takes; `error` says why.
std::optional<ChatRequest> ParseChat(const std::string& body, std::string* error) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    *error = "We could not parse the JSON body of your request.";
    return {};
  }
  ChatRequest chat;
  if (!json.contains("model") || !json["model"].is_string()) {
    *error = "you must provide a model parameter";
    return {};
  }
  chat.model = json["model"];
  if (!json.contains("messages") || !json["messages"].is_array() || json["messages"].empty()) {
    *error = "Missing required parameter: 'messages'.";
    return {};
  }
  for (const Json& message : json["messages"]) {
    const std::string text = TextOf(message.value("content", Json()));
    chat.text += text + "\n";
    if (message.value("role", std::string()) == "user") chat.user += text + "\n";
  }
  chat.response_format = json.value("response_format", Json());
  chat.max_tokens = json.value("max_completion_tokens", json.value("max_tokens", uint64_t{0}));
  *error = FormatError(chat.response_format);
  const bool json_object = chat.response_format.is_object() &&
                           chat.response_format.value("type", std::string()) == "json_object";
  std::string folded = chat.text;
  std::transform(folded.begin(), folded.end(), folded.begin(), ::tolower);
  if (json_object && folded.find("json") == std::string::npos) {
    *error =
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
        "'json_object'.";
  }
  if (!error->empty()) return {};
  return chat;
}

std::string FormatName(const ChatRequest& chat) {
  return chat.response_format.is_object() ? chat.response_format.value("type", std::string("text"))
                                          : "text";
}

// Seconds as OpenAI prints them in x-ratelimit-reset-*: 6m0s, 1.5s, 20ms.
std::string Duration(double seconds) {
  const auto ms = static_cast<int64_t>(std::ceil(seconds * 1000));
  if (ms < 1000) return std::to_string(ms) + "ms";
  if (ms < 60'000) {
    std::string text = std::to_string(ms / 1000);
    if (ms % 1000 != 0) text += "." + std::to_string(1000 + ms % 1000).substr(1);
    return text + "s";
  }
  return std::to_string(ms / 60'000) + "m" + std::to_string(ms % 60'000 / 1000) + "s";
}

bool IsAzure(const httplib::Request& request) {
  return request.path.find(kDeployments) != std::string::npos;
}
bool IsMessages(const httplib::Request& request) {
  return std::string_view(request.path).ends_with("/messages");
}

std::string KeyOf(const httplib::Request& request) {
  if (IsAzure(request)) return request.get_header_value("api-key");
  if (IsMessages(request)) return request.get_header_value("x-api-key");
  constexpr std::string_view kBearer = "Bearer ";
  const std::string given = request.get_header_value("Authorization");
  return given.starts_with(kBearer) ? given.substr(kBearer.size()) : given;
}

// "gpt" of /openai/deployments/gpt/chat/completions.
std::string DeploymentOf(const std::string& path) {
  const size_t begin = path.find(kDeployments) + std::string_view(kDeployments).size();
  return path.substr(begin, path.find('/', begin) - begin);
}

template <class Map>
Json Object(const Map& map) {
  Json object = Json::object();
  for (const auto& [key, value] : map) {
    if constexpr (std::is_same_v<typename Map::key_type, std::string>) {
      object[key] = value;
    } else {
      object[std::to_string(key)] = value;
    }
  }
  return object;
}

}  // namespace

struct LlmServer::Impl {
  explicit Impl(Options given)
      : options(std::move(given)),
        faults(options.faults, options.seed),
        latency(options.latency),
        keys(options.keys),
        random(options.seed),
        quota(options.quota),
        jobs([this](const std::string& body) { return CallInJob(body); }),
        host(options.connections, options.tls) {
    account.keys_seen.resize(options.keys.size());
  }

  void Handle(const httplib::Request& request, httplib::Response& response);
  void HandleAccount(const httplib::Request& request, httplib::Response& response);
  void HandleChat(const httplib::Request& request, httplib::Response& response,
                  bool in_job = false);
  bool HandleJobs(const httplib::Request& request, httplib::Response& response);
  std::pair<int, Json> CallInJob(const std::string& body);
  void HandleMessages(const httplib::Request& request, httplib::Response& response);
  bool KeyAccepted(const httplib::Request& request);
  std::optional<size_t> NoteCall(const std::string& key, const std::vector<LlmPaper>& papers);
  bool Admitted(const ChatRequest& chat, uint64_t tokens, const Fault& fault,
                httplib::Response& response);
  void Complete(const ChatRequest& chat, const std::vector<LlmPaper>& papers, const Fault& fault,
                std::string content, httplib::Response& response);
  void Deliver(const std::string& fault, httplib::Response& response);
  std::chrono::duration<double> DrawLatency(const std::string& fault);
  bool MayAnswer();
  bool Overloaded(httplib::Response& response);
  uint64_t CachedTokens(const ChatRequest& chat);
  Account Snapshot();
  Json Stats();

  const Options options;
  Faults faults;
  std::atomic<std::chrono::milliseconds> latency;
  std::mutex mutex;  // guards what follows
  std::vector<std::string> keys;
  std::mt19937_64 random;
  Quota quota;
  Account account;
  uint64_t answers_left = UINT64_MAX;
  std::vector<Call> calls;
  std::vector<Arrival> arrivals;
  std::optional<Clock::time_point> first_admitted, last_admitted;
  std::map<std::string, std::string> last_prompt;  // by model
  uint64_t next_id = 1;
  LlmJobs jobs;
  HttpHost host;  // last: its threads use the rest
};

void LlmServer::Impl::Handle(const httplib::Request& request, httplib::Response& response) {
  const std::string_view path = request.path;
  if (path.starts_with("/account/")) return HandleAccount(request, response);
  if (request.method == "POST" && path.ends_with("/chat/completions"))
    return HandleChat(request, response);
  if (request.method == "POST" && IsMessages(request)) return HandleMessages(request, response);
  if (request.method == "GET" && path.ends_with("/models")) {
    Json list = Json::array();
    for (const std::string& model : options.models)
      list.push_back({{"id", model}, {"object", "model"}});
    return Answer(response, 200, {{"object", "list"}, {"data", list}});
  }
  if (HandleJobs(request, response)) return;
  AnswerError(response, 404, "Invalid URL (" + request.method + " " + request.path + ")",
              "invalid_request_error");
}

void LlmServer::Impl::HandleAccount(const httplib::Request& request, httplib::Response& response) {
  const std::string what = request.path.substr(std::string("/account/").size());
  if (what == "stats") return Answer(response, 200, Stats());
  if (what == "scored") return Answer(response, 200, Object(Snapshot().scored));
  if (what == "sent") return Answer(response, 200, Object(Snapshot().sent));
  if (what == "faults" && request.method == "POST") {
    try {
      faults.Set(request.body);
    } catch (const std::invalid_argument& error) {
      return AnswerError(response, 400, error.what(), "invalid_request_error");
    }
    return Answer(response, 200, Json::object());
  }
  if (what == "reset" && request.method == "POST") {
    std::lock_guard lock(mutex);
    const uint64_t in_flight = account.in_flight;
    account = Account{.in_flight = in_flight, .keys_seen = std::vector<bool>(keys.size())};
    first_admitted.reset();
    return Answer(response, 200, Json::object());
  }
  AnswerError(response, 404, "no such account page", "invalid_request_error");
}

bool LlmServer::Impl::KeyAccepted(const httplib::Request& request) {
  const std::string given = KeyOf(request);
  std::lock_guard lock(mutex);
  if (keys.empty()) return true;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (given != keys[i]) continue;
    account.keys_seen[i] = true;
    return true;
  }
  ++account.bad_key;
  return false;
}

bool LlmServer::Impl::Admitted(const ChatRequest& chat, uint64_t tokens, const Fault& fault,
                               httplib::Response& response) {
  std::lock_guard lock(mutex);
  const auto now = Clock::now();
  const double wait = quota.Take(static_cast<double>(tokens), now).count();
  const Quota::Limits& limits = quota.limits();
  arrivals.push_back({now, static_cast<double>(tokens), wait == 0, fault.kind});
  if (options.headers && quota.window_requests() > 0) {
    const double left = std::max(0.0, quota.remaining_requests());
    response.set_header("x-ratelimit-limit-requests",
                        std::to_string(std::llround(limits.requests_per_minute)));
    response.set_header("x-ratelimit-remaining-requests",
                        std::to_string(std::llround(std::floor(left))));
    response.set_header("x-ratelimit-reset-requests",
                        Duration((1 - left / quota.window_requests()) * limits.window.count()));
  }
  if (options.headers && quota.window_tokens() > 0) {
    const double left = std::max(0.0, quota.remaining_tokens());
    response.set_header("x-ratelimit-limit-tokens",
                        std::to_string(std::llround(limits.tokens_per_minute)));
    response.set_header("x-ratelimit-remaining-tokens",
                        std::to_string(std::llround(std::floor(left))));
    response.set_header("x-ratelimit-reset-tokens",
                        Duration((1 - left / quota.window_tokens()) * limits.window.count()));
  }
  if (wait > 0) {
    ++account.rejected_429;
    SetRetryAfter(response, wait);
    AnswerError(
        response, 429,
        "Rate limit reached for " + chat.model + ". Please try again in " + Duration(wait) + ".",
        "requests", "rate_limit_exceeded");
    return false;
  }
  if (!first_admitted) first_admitted = now;
  last_admitted = now;
  return true;
}

void LlmServer::Impl::HandleMessages(const httplib::Request& request, httplib::Response& response) {
  if (const std::string error = MessagesError(request); !error.empty()) {
    AnswerError(response, 400, error, "invalid_request_error");
  } else {
    httplib::Request chat = request;
    chat.body = ChatFromMessages(request.body);
    HandleChat(chat, response);
  }
  ToMessages(&response, std::time(nullptr));
}

bool LlmServer::Impl::HandleJobs(const httplib::Request& request, httplib::Response& response) {
  const std::string line = request.method + " " + request.path;
  if (line.find("/files") == std::string::npos && line.find("/batches") == std::string::npos) {
    return false;
  }
  if (!KeyAccepted(request)) {
    AnswerError(response, 401, "Incorrect API key provided.", "invalid_request_error",
                "invalid_api_key");
    return true;
  }
  const Fault fault = faults.Draw(line);
  if (!fault.kind.empty() && AnswerFault(fault.kind, /*json_schema=*/false, response)) return true;
  return jobs.Handle(request, response, fault);
}

std::pair<int, Json> LlmServer::Impl::CallInJob(const std::string& body) {
  httplib::Request request;
  request.path = "/v1/chat/completions";
  request.body = body;
  {
    std::lock_guard lock(mutex);
    if (!keys.empty()) request.set_header("Authorization", "Bearer " + keys.front());
  }
  httplib::Response response;
  HandleChat(request, response, /*in_job=*/true);
  return {response.status, Json::parse(response.body, nullptr, /*allow_exceptions=*/false)};
}

void LlmServer::Impl::HandleChat(const httplib::Request& request, httplib::Response& response,
                                 bool in_job) {
  {
    std::lock_guard lock(mutex);
    ++account.calls;
  }
  if (!KeyAccepted(request)) {
    return AnswerError(response, 401,
                       "Incorrect API key provided: " + KeyOf(request) +
                           ". You can find your API key in your account settings.",
                       "invalid_request_error", "invalid_api_key");
  }
  if (IsAzure(request) && !request.has_param("api-version")) {
    return AnswerError(response, 404, "Resource not found", "", "404");
  }
  std::string error;
  std::optional<ChatRequest> chat = ParseChat(request.body, &error);
  if (chat && IsAzure(request)) chat->model = DeploymentOf(request.path);
  const bool known_model =
      !chat || options.models.empty() ||
      std::find(options.models.begin(), options.models.end(), chat->model) != options.models.end();
  if (!chat || !known_model) {
    std::lock_guard lock(mutex);
    ++account.bad_request;
    if (!chat) return AnswerError(response, 400, error, "invalid_request_error");
    return AnswerError(
        response, 404,
        "The model `" + chat->model + "` does not exist or you do not have access to it.",
        "invalid_request_error", "model_not_found");
  }
  chat->in_job = in_job;
  const std::vector<LlmPaper> papers = PapersIn(chat->user);
  const Fault fault = faults.Draw(chat->user);
  std::string content = AnswerContent(papers, options.scores, chat->response_format, fault);
  const uint64_t answer_tokens = options.charge == Charge::kMaximum && chat->max_tokens > 0
                                     ? chat->max_tokens
                                     : Tokens(content.size());
  if (!in_job && !Admitted(*chat, Tokens(chat->text.size()) + answer_tokens, fault, response))
    return;
  const std::optional<size_t> call = NoteCall(KeyOf(request), papers);
  if (fault.kind == "redirect") {
    response.set_redirect(options.elsewhere, 307);
  } else if (!Overloaded(response) &&
             !AnswerFault(fault.kind, FormatName(*chat) == "json_schema", response)) {
    Complete(*chat, papers, fault, std::move(content), response);
  }
  std::lock_guard lock(mutex);
  if (call) calls[*call].over = true;
}

// The place in `calls` of an abstract stage's call.
std::optional<size_t> LlmServer::Impl::NoteCall(const std::string& key,
                                                const std::vector<LlmPaper>& papers) {
  if (StageOf(papers) != LlmStage::kAbstract) return {};
  std::lock_guard lock(mutex);
  Call call{key, {}, false};
  for (const LlmPaper& paper : papers) {
    ++account.sent[paper.id];
    call.papers.push_back(paper.id);
  }
  calls.push_back(std::move(call));
  return calls.size() - 1;
}

std::chrono::duration<double> LlmServer::Impl::DrawLatency(const std::string& fault) {
  if (fault == "hang") return kHang;
  std::lock_guard lock(mutex);
  const auto load = static_cast<double>(account.in_flight) / static_cast<double>(options.capacity);
  const double queue = options.capacity > 0 ? std::max(1.0, load) : 1;
  const double factor =
      queue * std::exp(options.jitter * std::normal_distribution<double>()(random));
  return std::chrono::duration<double>(latency.load()) * factor *
         (fault == "slow" ? kSlowFactor : 1);
}

bool LlmServer::Impl::MayAnswer() {
  std::lock_guard lock(mutex);
  return answers_left > 0 && answers_left-- > 0;
}

bool LlmServer::Impl::Overloaded(httplib::Response& response) {
  std::lock_guard lock(mutex);
  if (options.capacity == 0 || account.in_flight < 2 * options.capacity) return false;
  ++account.overloaded;
  AnswerError(response, 503, "The server is overloaded.", "server_error");
  return true;
}

uint64_t LlmServer::Impl::CachedTokens(const ChatRequest& chat) {
  if (!options.cache) return 0;
  std::string& last = last_prompt[chat.model];
  const auto [a, b] = std::mismatch(last.begin(), last.end(), chat.text.begin(), chat.text.end());
  const uint64_t shared = Tokens(static_cast<size_t>(a - last.begin()));
  last = chat.text;
  return shared < kCacheFrom ? 0 : shared / kCacheStep * kCacheStep;
}

void LlmServer::Impl::Complete(const ChatRequest& chat, const std::vector<LlmPaper>& papers,
                               const Fault& fault, std::string content,
                               httplib::Response& response) {
  {
    std::lock_guard lock(mutex);
    account.max_in_flight = std::max(account.max_in_flight, ++account.in_flight);
  }
  bool waited = chat.in_job ||
                host.Sleep(std::chrono::duration_cast<Clock::duration>(DrawLatency(fault.kind)));
  while (waited && !MayAnswer()) waited = host.Sleep(kDrip);
  std::lock_guard lock(mutex);
  --account.in_flight;
  if (!waited || fault.kind == "hang") {
    ++account.abandoned;
    return HttpHost::ResetConnection();
  }
  std::string finish = "stop";
  Json refusal = nullptr;
  if (fault.kind == "length" || fault.kind == "filtered") {
    content.resize(content.size() * 3 / 5);
    finish = fault.kind == "length" ? "length" : "content_filter";
  }
  Json text = content;
  if (fault.kind == "refusal") {
    refusal = "I'm sorry, but I can't help with that.";
    text = nullptr;
  }
  const uint64_t prompt = Tokens(chat.text.size());
  const uint64_t cached = std::min(prompt, CachedTokens(chat));
  const uint64_t completion = Tokens(content.size());
  Json body = {
      {"id", "chatcmpl-" + std::to_string(next_id++)},
      {"object", "chat.completion"},
      {"created", static_cast<int64_t>(std::time(nullptr))},
      {"model", chat.model},
      {"choices",
       Json::array({{{"index", 0},
                     {"message", {{"role", "assistant"}, {"content", text}, {"refusal", refusal}}},
                     {"logprobs", nullptr},
                     {"finish_reason", finish}}})}};
  if (fault.kind == "bare") {
    body.erase("model");
    body["choices"][0].erase("finish_reason");
  } else if (fault.kind != "no_usage") {
    body["usage"] = {{"prompt_tokens", prompt},
                     {"completion_tokens", completion},
                     {"total_tokens", prompt + completion},
                     {"prompt_tokens_details", {{"cached_tokens", cached}}}};
  }
  ++account.ok;
  account.prompt_tokens += prompt;
  account.cached_tokens += cached;
  account.completion_tokens += completion;
  ++account.models[chat.model];
  ++account.formats[FormatName(chat)];
  ++account.batch_sizes[papers.size()];
  if (StageOf(papers) == LlmStage::kTitle) {
    ++account.title_calls;
  } else {
    for (const std::string& id : ScoredIn(papers, fault)) ++account.scored[id];
  }
  if (fault.kind == "big") body["padding"] = std::string(kBigBody, 'x');
  Answer(response, 200, body);
  Deliver(fault.kind, response);
}

// For the kinds that spoil an answer on its way.
void LlmServer::Impl::Deliver(const std::string& fault, httplib::Response& response) {
  if (fault == "close") return HttpHost::CloseAfterAnswer();
  const std::string body = response.body;
  if (fault == "text") response.set_content(body, "text/html");
  if (fault == "cut_body") response.body.resize(body.size() / 2);
  if (fault != "drip" && fault != "reset_body") return;
  response.body.clear();
  response.set_content_provider(
      body.size(), "application/json",
      [this, body, fault](size_t offset, size_t, httplib::DataSink& sink) {
        if (fault == "drip") return host.Sleep(kDrip) && sink.write(&body[offset], 1);
        if (offset == 0) return sink.write(body.data(), body.size() / 2);
        HttpHost::ResetConnection();
        return false;
      });
}

LlmServer::Account LlmServer::Impl::Snapshot() {
  std::lock_guard lock(mutex);
  Account copy = account;
  copy.injected = faults.drawn();
  copy.max_window_requests = quota.max_window_requests();
  copy.max_window_tokens = quota.max_window_tokens();
  if (first_admitted) {
    copy.span_seconds = std::chrono::duration<double>(*last_admitted - *first_admitted).count();
  }
  return copy;
}

Json LlmServer::Impl::Stats() {
  const Account a = Snapshot();
  uint64_t twice = 0;
  for (const auto& [id, times] : a.scored) twice += times > 1;
  return {{"calls", a.calls},
          {"ok", a.ok},
          {"rejected_429", a.rejected_429},
          {"overloaded", a.overloaded},
          {"bad_key", a.bad_key},
          {"bad_request", a.bad_request},
          {"abandoned", a.abandoned},
          {"injected", Object(a.injected)},
          {"in_flight", a.in_flight},
          {"max_in_flight", a.max_in_flight},
          {"prompt_tokens", a.prompt_tokens},
          {"cached_tokens", a.cached_tokens},
          {"completion_tokens", a.completion_tokens},
          {"models", Object(a.models)},
          {"formats", Object(a.formats)},
          {"batch_sizes", Object(a.batch_sizes)},
          {"title_calls", a.title_calls},
          {"papers_sent", a.sent.size()},
          {"papers_scored", a.scored.size()},
          {"papers_scored_twice", twice},
          {"keys_seen", a.keys_seen},
          {"max_window_requests", a.max_window_requests},
          {"window_requests", quota.window_requests()},
          {"max_window_tokens", a.max_window_tokens},
          {"window_tokens", quota.window_tokens()},
          {"span_seconds", a.span_seconds}};
}

LlmServer::LlmServer(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
LlmServer::~LlmServer() { Stop(); }

void LlmServer::Start() {
  const int port = impl_->host.port() != 0 ? impl_->host.port() : impl_->options.port;
  impl_->host.Start(
      port, [impl = impl_.get()](const httplib::Request& request, httplib::Response& response) {
        impl->Handle(request, response);
      });
}
void LlmServer::Stop() { impl_->host.Stop(); }
int LlmServer::port() const { return impl_->host.port(); }
std::string LlmServer::url() const {
  return (impl_->options.tls ? "https" : "http") + ("://127.0.0.1:" + std::to_string(port())) +
         "/v1";
}
void LlmServer::SetFaults(const std::string& faults) { impl_->faults.Set(faults); }
void LlmServer::SetLatency(std::chrono::milliseconds median) { impl_->latency = median; }
void LlmServer::AllowAnswers(uint64_t n) {
  std::lock_guard lock(impl_->mutex);
  impl_->answers_left = n;
}
void LlmServer::SetKeys(const std::vector<std::string>& keys) {
  std::lock_guard lock(impl_->mutex);
  impl_->keys = keys;
  impl_->account.keys_seen.resize(keys.size());
}
void LlmServer::SetQuota(const Quota::Limits& limits) {
  std::lock_guard lock(impl_->mutex);
  impl_->quota.SetLimits(limits);
}
LlmServer::Account LlmServer::account() const { return impl_->Snapshot(); }
std::vector<LlmServer::Arrival> LlmServer::arrivals(size_t first) const {
  std::lock_guard lock(impl_->mutex);
  const size_t from = std::min(first, impl_->arrivals.size());
  return {impl_->arrivals.begin() + static_cast<std::ptrdiff_t>(from), impl_->arrivals.end()};
}
LlmJobs& LlmServer::jobs() { return impl_->jobs; }
std::vector<LlmServer::Call> LlmServer::calls() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->calls;
}

}  // namespace paperboy
