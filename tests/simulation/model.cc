#include "tests/simulation/model.h"

#include <algorithm>
#include <cmath>

namespace paperboy::sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kCharsPerToken = 4;
// Answers that lack a paper: one more, and the paper would be given up.
constexpr int kMostLacks = 2;

// The prompt's first line names the question: "Question TAG."
std::string TagOf(const std::string& prompt) { return prompt.substr(0, prompt.find('\n')); }

HttpResponse JsonResponse(int status, const Json& body) {
  return {status, {{"content-type", "application/json"}}, body.dump()};
}

HttpResponse ErrorResponse(int status, const std::string& code) {
  return JsonResponse(status, {{"error", {{"message", code}, {"code", code}}}});
}

}  // namespace

Model::Answer Model::OnRequest(Node& client, const HttpRequest& request) {
  Answer answer = Respond(client, request);
  if (settings_.names_limits && answer.response.ok()) {
    const auto limit = std::llround(quota_.limits().requests_per_minute);
    answer.response->headers.emplace_back("x-ratelimit-limit-requests", std::to_string(limit));
  }
  return answer;
}

void Model::LowerQuota(double requests_per_minute) {
  lowered_ = true;
  Quota::Limits limits = quota_.limits();
  limits.requests_per_minute = requests_per_minute;
  quota_.SetLimits(limits);
  world_.Tell("model: the quota is lowered to " + std::to_string(requests_per_minute));
}

Model::Answer Model::Respond(Node& client, const HttpRequest& request) {
  tap_(client.name());
  const Json body = Json::parse(request.body);
  const std::string prompt = body["messages"][0]["content"];
  const auto papers = PapersIn(prompt);
  const bool titles = StageOf(papers) == LlmStage::kTitle;
  Call& call = calls_.emplace_back();
  call.scorer = client.name();
  call.life = client.life();
  call.sent = world_.now();
  for (const auto& paper : papers) {
    call.units.push_back({TagOf(prompt) + (titles ? "/title/" : "/abstract/") + paper.id});
  }
  if (world_.telling()) {
    std::string line = "model: " + client.name() + " asks about";
    for (const Unit& unit : call.units) line += " " + unit.name;
    world_.Tell(line);
  }
  const uint64_t asked = prompt.size() / kCharsPerToken;
  Answer answer;
  answer.after = world_.Between(settings_.least, settings_.most);
  const auto failed = [&](const char* how) {
    for (Unit& unit : call.units) {
      unit.lacking = true;
      unit.recorded = unit.cached = world_.now();
    }
    world_.Tell(std::string("model: ") + how + " for " + client.name());
  };
  uint64_t charge = asked;
  if (settings_.charges_answers) charge += body.at("max_tokens").get<uint64_t>();
  if (const auto wait = quota_.Take(static_cast<double>(charge), world_.now()); wait.count() > 0) {
    (lowered_ ? rejected_when_lowered_ : rejected_).push_back(world_.now());
    failed("429, the quota is used up");
    answer.response = ErrorResponse(429, "rate_limit_exceeded");
    answer.after = std::chrono::milliseconds(5);
    return answer;
  }
  ++admitted_;
  admitted_tokens_ += charge;
  const bool kills = !titles && std::any_of(papers.begin(), papers.end(), [&](const auto& paper) {
    return paper.id == settings_.poison;
  });
  if (kills) {
    answer.never = true;
    client.Post(world_.now() + answer.after, [this, &client] {
      world_.Tell("the answer kills " + client.name());
      client.Kill();
    });
    return answer;
  }
  const double draw = static_cast<double>(world_.Below(1'000'000)) / 1e6;
  double bound = settings_.fails;
  if (draw < bound) {
    failed("500");
    answer.response = ErrorResponse(500, "server_error");
    return answer;
  }
  if (draw < (bound += settings_.resets)) {
    failed("a reset");
    return answer;
  }
  if (draw < (bound += settings_.hangs)) {
    failed("no answer");
    answer.never = true;
    return answer;
  }
  if (draw < (bound += settings_.refuses)) {
    failed("429 with Retry-After");
    HttpResponse response = ErrorResponse(429, "rate_limit_exceeded");
    call.told_to_wait = true;
    response.headers.emplace_back("retry-after", std::to_string(kRetryAfter.count()));
    answer.after = std::chrono::milliseconds(5);
    answer.response = response;
    return answer;
  }
  Fault fault;
  if (!papers.empty() && !titles && world_.Chance(settings_.lacks)) {
    const auto& paper = papers[world_.Below(papers.size())];
    if (++lacked_[paper.id] <= kMostLacks) {
      fault = {"omit", paper.id};
      for (Unit& unit : call.units) {
        if (unit.name.ends_with("/" + paper.id)) {
          unit.lacking = true;
          unit.recorded = unit.cached = world_.now();
        }
      }
    }
  }
  call.answered = true;
  const Json format = body.contains("response_format") ? body["response_format"] : Json();
  const std::string content = AnswerContent(papers, scores_, format, fault);
  const uint64_t written = content.size() / kCharsPerToken;
  tokens_answered_ += asked + written;
  static const Prices prices = Prices::Bundled();
  const Price price = prices.Of(body["model"]).value_or(Price{});
  charged_ += static_cast<Picodollars>(asked) * price.prompt +
              static_cast<Picodollars>(written) * price.completion;
  answer.response = JsonResponse(
      200,
      {{"model", body["model"]},
       {"choices",
        {{{"message", {{"role", "assistant"}, {"content", content}}}, {"finish_reason", "stop"}}}},
       {"usage",
        {{"prompt_tokens", asked},
         {"completion_tokens", written},
         {"total_tokens", asked + written}}}});
  return answer;
}

void Model::Mark(const std::string& unit, std::optional<MonotonicTime> Unit::*place) {
  for (Call& call : calls_) {
    for (Unit& asked : call.units) {
      if (asked.name == unit && !(asked.*place)) asked.*place = world_.now();
    }
  }
}

void Model::Recorded(const std::string& unit) { Mark(unit, &Unit::recorded); }

void Model::Cached(const std::string& unit) { Mark(unit, &Unit::cached); }

}  // namespace paperboy::sim
