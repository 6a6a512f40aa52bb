// The two JSON files beside a page.
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "aggregator/authors.h"
#include "aggregator/page.h"

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;

// Raised when a reader of the status file must change.
constexpr int kStatusSchemaVersion = 1;

Json FunnelJson(const wire::Funnel& funnel) {
  return {{"arxiv", funnel.arxiv()},
          {"refused", funnel.refused()},
          {"not_wanted", funnel.not_wanted()},
          {"seen_before", funnel.seen_before()},
          {"scanned", funnel.scanned()},
          {"author_gated", funnel.author_gated()},
          {"title_dropped", funnel.title_dropped()},
          {"below_cutoff", funnel.below_cutoff()},
          {"selected", funnel.selected()},
          {"unscored", funnel.unscored()}};
}

Json Money(std::optional<Picodollars> amount) {
  if (!amount) return nullptr;
  return static_cast<double>(*amount) / static_cast<double>(kPicodollarsPerDollar);
}

// What a paper's score is worth, where there is something to say.
void AddJudgement(const PageRow& row, Json* json) {
  if (!row.readings.empty()) {
    auto& readings = (*json)["readings"] = Json::array();
    for (const Reading& reading : row.readings) {
      readings.push_back({{"relevance", reading.relevance}, {"novelty", reading.novelty}});
    }
  }
  if (!row.addresses_model.empty()) (*json)["addresses_model"] = row.addresses_model;
}

// Means of the anchors' scores.
Json DriftJson(const Drift& drift) {
  const auto mean = [&](int sum) { return static_cast<double>(sum) / drift.anchors; };
  return {{"anchors", drift.anchors},
          {"moved", drift.moved()},
          {"relevance_before", mean(drift.relevance_before)},
          {"relevance_now", mean(drift.relevance_now)},
          {"novelty_before", mean(drift.novelty_before)},
          {"novelty_now", mean(drift.novelty_now)}};
}

Json RowJson(const PageRow& row) {
  Json json = {{"id", row.id}, {"version", row.version}, {"announce_type", row.announce_type}};
  if (row.paper) json["title"] = row.paper->title();
  json["state"] = row.state;
  if (!row.why.empty()) json["why"] = row.why;
  if (row.position) json["position"] = *row.position;
  if (row.relevance) {
    json["relevance"] = *row.relevance;
    json["novelty"] = *row.novelty;
    json["comment"] = row.comment;
  }
  if (row.author_match) json["comment"] = row.comment;
  if (row.authors_unknown) json["authors_unknown"] = true;
  if (!row.call.empty()) json["call"] = row.call;
  AddJudgement(row, &json);
  return json;
}

Json BudgetJson(const DigestPage& page) {
  auto given_up = Json::array();
  std::istringstream steps(page.digest.given_up);
  for (std::string step; std::getline(steps, step, ',');) given_up.push_back(step);
  const auto& budget = *page.budget;
  return {{"per", budget.what},
          {"dollars", Money(budget.limit)},
          {"left_dollars", Money(budget.left)},
          {"left_on", budget.on},
          {"forecast_dollars", Money(budget.forecast)},
          {"given_up", std::move(given_up)},
          {"forecast_with_that_dollars", Money(budget.forecast_now)},
          {"spent_dollars", Money(page.spent())}};
}

// Amounts in a status file are dollars; the nearest whole amount is the exact one.
std::optional<Picodollars> Amount(const Json& json, const char* name) {
  if (!json.contains(name) || !json[name].is_number()) return std::nullopt;
  return std::llround(json[name].get<double>() * kPicodollarsPerDollar);
}

std::optional<int64_t> Count(const Json& json, const char* name) {
  if (!json.contains(name) || !json[name].is_number_integer()) return std::nullopt;
  return json[name].get<int64_t>();
}

std::vector<std::string> Texts(const Json& json, const char* name) {
  std::vector<std::string> texts;
  if (!json.contains(name) || !json[name].is_array()) return texts;
  for (const auto& text : json[name]) {
    if (text.is_string()) texts.push_back(text);
  }
  return texts;
}

wire::Funnel ReadFunnel(const Json& json) {
  wire::Funnel funnel;
  const auto count = [&](const char* name) {
    return static_cast<uint64_t>(Count(json, name).value_or(0));
  };
  funnel.set_arxiv(count("arxiv"));
  funnel.set_refused(count("refused"));
  funnel.set_not_wanted(count("not_wanted"));
  funnel.set_seen_before(count("seen_before"));
  funnel.set_scanned(count("scanned"));
  funnel.set_author_gated(count("author_gated"));
  funnel.set_title_dropped(count("title_dropped"));
  funnel.set_below_cutoff(count("below_cutoff"));
  funnel.set_selected(count("selected"));
  funnel.set_unscored(count("unscored"));
  return funnel;
}

std::string Dump(const Json& json) {
  return json.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string RenderPapersJson(const DigestPage& page) {
  Json papers = Json::object();
  for (const PageRow* row : page.selected()) {
    const wire::Paper& paper = *row->paper;
    const auto number = [](const std::optional<int>& n) { return n ? Json(*n) : Json(nullptr); };
    papers[row->id] = {
        {"SCORE", row->author_match ? kAuthorMatchScore : *row->relevance + *row->novelty},
        {"ARXIVID", row->id},
        {"COMMENT", row->comment},
        {"RELEVANCE", number(row->relevance)},
        {"NOVELTY", number(row->novelty)},
        {"authors", std::vector<std::string>(paper.authors().begin(), paper.authors().end())},
        {"title", paper.title()},
        {"abstract", paper.abstract()},
        {"arxiv_id", row->id}};
    AddJudgement(*row, &papers[row->id]);
  }
  return Dump(papers);
}

std::string RenderStatusJson(const DigestPage& page) {
  const Digest& digest = page.digest;
  Json json = {{"schema_version", kStatusSchemaVersion},
               {"profile", digest.profile},
               {"date", digest.date},
               {"edition", digest.edition},
               {"state", digest.withhold ? "withheld" : "published"},
               {"mendable", page.mendable()},
               {"source", digest.source},
               {"completed_at", page.completed_at},
               {"backend", digest.voice ? Json(digest.voice->backend) : Json(nullptr)},
               {"model", digest.voice ? Json(digest.voice->model) : Json(nullptr)},
               {"notes", Notes(page)},
               {"funnel", FunnelJson(page.funnel)}};
  if (page.digest.withhold) json["why"] = WhyWithheld(page);
  if (!page.empty.empty()) json["no_paper_listed"] = page.empty;
  if (!page.late.empty()) json["not_announced_in_time"] = page.late;
  if (!page.amended.empty()) json["announced_late"] = page.amended;
  json["calls"] = page.calls;
  json["prompt_tokens"] = page.tokens_reported ? Json(page.prompt_tokens) : Json(nullptr);
  json["completion_tokens"] = page.tokens_reported ? Json(page.completion_tokens) : Json(nullptr);
  json["prompt_dollars"] = Money(page.prompt_cost);
  json["completion_dollars"] = Money(page.completion_cost);
  if (page.deferred_calls > 0) json["batch_api_calls"] = page.deferred_calls;
  if (page.readings_forgotten > 0) json["readings_forgotten"] = page.readings_forgotten;
  if (page.authors_unknown > 0) json["authors_unknown"] = page.authors_unknown;
  if (page.drift) json["drift"] = DriftJson(*page.drift);
  if (page.lost_calls > 0) {
    json["lost_calls"] = page.lost_calls;
    json["lost_dollars_at_most"] = page.lost_cost > 0 ? Money(page.lost_cost) : Json(nullptr);
  }
  if (page.budget) json["budget"] = BudgetJson(page);
  auto& rows = json["rows"] = Json::array();
  for (const auto& row : page.rows) rows.push_back(RowJson(row));
  return Dump(json);
}

StatusHead ReadStatusHead(const std::string& text) {
  // The rows are the last member, and most of the file: without them a month is read in
  // milliseconds. A line break in a string is written as an escape, so that no string
  // holds what is looked for.
  const size_t rows = text.find(",\n    \"rows\": [");
  const Json json = Json::parse(rows == text.npos ? text : text.substr(0, rows) + "}", nullptr,
                                /*allow_exceptions=*/false);
  StatusHead head;
  if (!json.is_object() || !json.contains("state") || !json["state"].is_string()) {
    head.why = "what was recorded of it is damaged";
    return head;
  }
  head.state = json["state"];
  if (json.contains("why") && json["why"].is_string()) head.why = json["why"];
  head.late = Texts(json, "not_announced_in_time");
  head.notes = Texts(json, "notes");
  head.mendable = json.contains("mendable") && json["mendable"] == true;
  head.of_digest = json.contains("funnel");
  if (head.of_digest) head.funnel = ReadFunnel(json["funnel"]);
  head.prompt_tokens = Count(json, "prompt_tokens");
  head.completion_tokens = Count(json, "completion_tokens");
  head.prompt_cost = Amount(json, "prompt_dollars");
  head.completion_cost = Amount(json, "completion_dollars");
  head.lost_calls = Count(json, "lost_calls").value_or(0);
  head.lost_cost = Amount(json, "lost_dollars_at_most");
  return head;
}

std::string RenderDayJson(const std::string& profile, const std::string& date,
                          const std::string& state, const std::string& why) {
  return Dump({{"schema_version", kStatusSchemaVersion},
               {"profile", profile},
               {"date", date},
               {"state", state},
               {"why", why}});
}

}  // namespace paperboy
