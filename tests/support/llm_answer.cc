#include "tests/support/llm_answer.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <functional>
#include <regex>
#include <set>
#include <stdexcept>
#include <string_view>

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDropUpTo = 2;  // relevance at which the title stage drops a paper
constexpr std::string_view kLabel = "ArXiv ID:";
const std::regex kId(R"(\b([a-z-]+(?:\.[A-Z]{2})?/\d{7}|\d{4}\.\d{4,5})\b)");

struct Row {
  std::string id;
  LlmScore score;
};

// FNV-1a with a final mix, so that neighbouring ids get unlike scores.
uint64_t HashOf(const std::string& text) {
  uint64_t h = 1469598103934665603ULL;
  for (const unsigned char c : text) h = (h ^ c) * 1099511628211ULL;
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  return h ^ (h >> 33);
}

std::string Bare(const std::string& name) {
  std::string bare;
  for (const unsigned char c : name) {
    if (std::isalpha(c)) bare += static_cast<char>(std::toupper(c));
  }
  return bare;
}
bool StartsWith(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }
bool IsId(const std::string& bare) {
  return bare == "ID" || bare == "ARXIVID" || bare == "PAPERID" || bare == "IDS";
}

Json Number(int value, bool as_string) {
  return as_string ? Json(std::to_string(value)) : Json(value);
}

// One property of a schema's object for one paper.
Json Value(const std::string& name, const Json& schema, const Row& row, bool strings) {
  const std::string bare = Bare(name);
  const bool drop = row.score.relevance <= kDropUpTo;
  if (IsId(bare)) return row.id;
  if (StartsWith(bare, "RELEVANCE")) return Number(row.score.relevance, strings);
  if (StartsWith(bare, "NOVELTY")) return Number(row.score.novelty, strings);
  if (StartsWith(bare, "COMMENT") || bare == "REASON") return row.score.comment;
  const Json type = schema.value("type", Json("string"));
  if (type == "boolean") return bare == "DROP" ? drop : !drop;
  if (type == "integer" || type == "number") return 5;
  if (type == "array") return Json::array();
  return "";
}

Json Shaped(const Json& schema, const std::vector<Row>& rows, bool strings) {
  const std::string type = schema.value("type", std::string("object"));
  if (type == "array") {
    Json list = Json::array();
    const Json items = schema.value("items", Json::object());
    const Json properties = items.value("properties", Json::object());
    for (const Row& row : rows) {
      if (items.value("type", std::string()) != "object") {
        if (row.score.relevance <= kDropUpTo) list.push_back(row.id);
        continue;
      }
      Json object = Json::object();
      for (const auto& [name, property] : properties.items()) {
        object[name] = Value(name, property, row, strings);
      }
      list.push_back(std::move(object));
    }
    return list;
  }
  Json object = Json::object();
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, property] : properties.items()) {
    const std::string inner = property.value("type", std::string());
    object[name] =
        inner == "array" || inner == "object" ? Shaped(property, rows, strings) : Json("");
  }
  return object;
}

Json Plain(const Row& row, bool strings) {
  return {{"ARXIVID", row.id},
          {"COMMENT", row.score.comment},
          {"RELEVANCE", Number(row.score.relevance, strings)},
          {"NOVELTY", Number(row.score.novelty, strings)}};
}

std::vector<LlmPaper> Answered(std::vector<LlmPaper> papers, const Fault& fault) {
  if (fault.kind == "omit") {
    std::erase_if(papers, [&](const LlmPaper& paper) {
      return paper.text.find(fault.text) != std::string::npos;
    });
  }
  if (fault.kind == "partial") papers.resize((papers.size() + 1) / 2);
  return papers;
}

std::vector<Row> RowsFor(const std::vector<LlmPaper>& papers, const LlmScores& scores,
                         const Fault& fault) {
  std::vector<Row> rows;
  for (const LlmPaper& paper : Answered(papers, fault)) {
    rows.push_back({paper.id, scores.Of(paper.id)});
    if (fault.kind == "range") rows.back().score = {57, -3, rows.back().score.comment};
    if (fault.kind == "obey") rows.back().score = {10, 10, "As I was told."};
  }
  if (fault.kind == "alien")
    rows.push_back({"9999.99999", {10, 10, "Nobody asked about this one."}});
  if (fault.kind == "double" && !rows.empty()) {
    LlmScore other = rows.front().score;
    other.relevance = other.relevance % 10 + 1;
    rows.push_back({rows.front().id, other});
  }
  return rows;
}

std::string Lines(const std::vector<Row>& rows, LlmStage stage, const std::string& fault) {
  if (stage == LlmStage::kTitle) return Shaped({{"type", "array"}}, rows, false).dump();
  std::string text;
  for (const Row& row : rows) {
    if (!text.empty()) text += '\n';
    text += Plain(row, fault == "strings").dump();
    if (fault == "fence") text += ',';
  }
  return text;
}

// The first object anywhere in a schema that OpenAI's strict mode would refuse.
std::string StrictnessError(const Json& schema, const std::string& context) {
  if (!schema.is_object()) return "";
  const Json properties = schema.value("properties", Json::object());
  if (schema.value("type", Json()) == "object") {
    if (schema.value("additionalProperties", Json(true)) != Json(false)) {
      return "In context=(" + context +
             "), 'additionalProperties' is required to be supplied and to be false.";
    }
    const Json required = schema.value("required", Json::array());
    for (const auto& [name, property] : properties.items()) {
      if (std::find(required.begin(), required.end(), name) == required.end()) {
        return "In context=(" + context + "), 'required' is required to be supplied and to be an " +
               "array including every key in properties. Missing '" + name + "'.";
      }
    }
  }
  for (const auto& [name, property] : properties.items()) {
    if (auto error = StrictnessError(property, context + "'properties', '" + name + "'");
        !error.empty()) {
      return error;
    }
  }
  return StrictnessError(schema.value("items", Json()), context + "'items'");
}

}  // namespace

LlmScores LlmScores::FromFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read the scores file " + path);
  std::map<std::string, LlmScore> list;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const Json row = Json::parse(line);
    list[row.at("id")] = {row.value("relevance", 3), row.value("novelty", 3),
                          row.value("comment", std::string("Scored."))};
  }
  return LlmScores(std::move(list));
}

LlmScore LlmScores::Of(const std::string& id) const {
  if (const auto it = list_.find(id); it != list_.end()) return it->second;
  if (!list_.empty()) return {2, 3, "Matches no criterion."};
  const uint64_t h = HashOf(id);
  return {static_cast<int>(1 + h % 10), static_cast<int>(1 + (h >> 16) % 10),
          "Scored from the hash of " + id + "."};
}

std::vector<LlmPaper> PapersIn(const std::string& prompt) {
  std::vector<std::pair<size_t, std::string>> found;
  for (size_t at = prompt.find(kLabel); at != std::string::npos; at = prompt.find(kLabel, at + 1)) {
    const std::string line = prompt.substr(at + kLabel.size(), prompt.find('\n', at) - at);
    std::smatch id;
    if (std::regex_search(line, id, kId)) found.emplace_back(at, id[1]);
  }
  if (found.empty()) {
    for (std::sregex_iterator it(prompt.begin(), prompt.end(), kId), end; it != end; ++it) {
      found.emplace_back(static_cast<size_t>(it->position()), (*it)[1]);
    }
  }
  std::vector<LlmPaper> papers;
  std::set<std::string> known;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& [start, id] = found[i];
    const size_t end = i + 1 < found.size() ? found[i + 1].first : prompt.size();
    if (known.insert(id).second) papers.push_back({id, prompt.substr(start, end - start)});
  }
  return papers;
}

LlmStage StageOf(const std::vector<LlmPaper>& papers) {
  const bool abstracts = std::any_of(papers.begin(), papers.end(), [](const LlmPaper& paper) {
    return paper.text.find("Abstract:") != std::string::npos;
  });
  return abstracts || papers.empty() ? LlmStage::kAbstract : LlmStage::kTitle;
}

std::string AnswerContent(const std::vector<LlmPaper>& papers, const LlmScores& scores,
                          const Json& response_format, const Fault& fault) {
  if (fault.kind == "garbage") return "I am sorry, I lost my train of thought: {\"ARXIVID\": ";
  const std::vector<Row> rows = RowsFor(papers, scores, fault);
  const LlmStage stage = StageOf(papers);
  const std::string type =
      response_format.is_object() ? response_format.value("type", std::string("text")) : "text";
  std::string content;
  if (type == "json_schema") {
    content = Shaped(response_format.at("json_schema").at("schema"), rows, fault.kind == "strings")
                  .dump();
  } else if (type == "json_object") {
    Json list =
        stage == LlmStage::kTitle ? Shaped({{"type", "array"}}, rows, false) : Json::array();
    if (stage == LlmStage::kAbstract) {
      for (const Row& row : rows) list.push_back(Plain(row, fault.kind == "strings"));
    }
    content = Json{{stage == LlmStage::kTitle ? "drop" : "papers", list}}.dump();
  } else {
    content = Lines(rows, stage, fault.kind);
  }
  if (fault.kind == "fence") return "```json\n" + content + "\n```";
  if (fault.kind == "prose")
    return "Here are the scores:\n\n" + content + "\n\nLet me know if you need more.";
  return content;
}

std::vector<std::string> ScoredIn(const std::vector<LlmPaper>& papers, const Fault& fault) {
  static const std::set<std::string> kNothing = {
      "garbage", "range", "length", "refusal", "filtered", "big", "drip", "reset_body", "cut_body"};
  std::vector<std::string> ids;
  if (kNothing.contains(fault.kind)) return ids;
  for (const LlmPaper& paper : Answered(papers, fault)) ids.push_back(paper.id);
  return ids;
}

std::string FormatError(const Json& response_format) {
  if (!response_format.is_object()) return "";
  const std::string type = response_format.value("type", std::string());
  if (type == "text" || type == "json_object") return "";
  if (type != "json_schema") return "Invalid value: '" + type + "' for 'response_format.type'.";
  const Json json_schema = response_format.value("json_schema", Json::object());
  const std::string name = json_schema.value("name", std::string());
  if (name.empty()) return "Missing required parameter: 'response_format.json_schema.name'.";
  const Json schema = json_schema.value("schema", Json());
  if (!schema.is_object() || schema.value("type", Json()) != "object") {
    return "Invalid schema for response_format '" + name + "': schema must be a JSON Schema of " +
           "'type: \"object\"'.";
  }
  if (!json_schema.value("strict", false)) return "";
  const std::string error = StrictnessError(schema, "");
  return error.empty() ? "" : "Invalid schema for response_format '" + name + "': " + error;
}

}  // namespace paperboy
