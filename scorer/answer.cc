#include "scorer/answer.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <unordered_map>

#include "common/profile.h"
#include "common/text.h"
#include "scorer/loose_json.h"

namespace paperboy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using wire::PaperResult;

// Where the marker's line begins and ends (without its line break).
std::optional<std::pair<size_t, size_t>> MarkerLine(std::string_view prompt) {
  for (size_t begin = 0; begin < prompt.size();) {
    const size_t end = std::min(prompt.find('\n', begin), prompt.size());
    const std::string_view line = prompt.substr(begin, end - begin);
    if (Trim(line) == kPaperListMarker) {
      return std::pair(begin, end);
    }
    begin = end + 1;
  }
  return std::nullopt;
}

bool StartsWithNoCase(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

// One line in which no delimiter of ours stands.
std::string AsData(std::string_view text) {
  std::string data;
  data.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' && (StartsWithNoCase(text.substr(i + 1), "paper") ||
                     StartsWithNoCase(text.substr(i + 1), "/paper"))) {
      data += "&lt;";
    } else {
      data += c == '\n' || c == '\r' ? ' ' : c;
    }
  }
  return data;
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

ordered_json ObjectSchema(ordered_json properties) {
  ordered_json required = ordered_json::array();
  for (const auto& item : properties.items()) required.push_back(item.key());
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

ordered_json ListSchema(ordered_json items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}

// Letters only, in upper case: "ArXiv ID" and "arxiv_id" are ARXIVID.
std::string PlainName(std::string_view name) {
  std::string plain;
  for (const unsigned char c : name) {
    if (std::isalpha(c)) plain += static_cast<char>(std::toupper(c));
  }
  return plain;
}

// The first member of that name; `twice` is set when another one differs.
const json* Member(const json& object, std::string_view name, bool* twice = nullptr) {
  const json* first = nullptr;
  for (const auto& item : object.items()) {
    if (PlainName(item.key()) != name) continue;
    if (first != nullptr && twice != nullptr && *first != item.value()) *twice = true;
    if (first == nullptr) first = &item.value();
  }
  return first;
}

// Finds asked papers by whatever an answer calls them.
class Asked {
 public:
  explicit Asked(const std::vector<std::string>& ids) {
    for (size_t i = 0; i < ids.size(); ++i) {
      places_.emplace(ids[i], i);
      if (const ArxivId id = ParseArxivId(ids[i]); id.ok()) places_.emplace(id.id, i);
    }
  }

  std::optional<size_t> Find(std::string_view name) const {
    const std::string trimmed(Trim(name));
    auto found = places_.find(trimmed);
    if (found == places_.end()) found = places_.find(ParseArxivId(trimmed).id);
    if (found == places_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::unordered_map<std::string, size_t> places_;
};

// What is said after thinking aloud, as small servers hand it on: from <think> to
// </think>, or with a template that swallows the first, up to a line </think>. Of
// thoughts that never end nothing is an answer.
std::string_view WithoutThoughts(std::string_view content) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  if (Trim(content).starts_with(kOpen)) {
    const size_t end = content.find(kClose);
    return end == std::string_view::npos ? "" : content.substr(end + kClose.size());
  }
  for (size_t at = content.find(kClose); at != std::string_view::npos;
       at = content.find(kClose, at + 1)) {
    const size_t after = at + kClose.size();
    const bool begins = at == 0 || content[at - 1] == '\n';
    const bool ends = after == content.size() || content[after] == '\n' || content[after] == '\r';
    if (begins && ends) return content.substr(after);
  }
  return content;
}

Result<unsigned> InRange(const std::string& name, double value) {
  if (value != std::floor(value)) return Invalid(name + " is not a whole number");
  if (value < 1 || value > 10) return Invalid(name + " is not between 1 and 10");
  return static_cast<unsigned>(value);
}

Result<unsigned> ReadScore(const json& entry, const std::string& name) {
  bool twice = false;
  const json* value = Member(entry, name, &twice);
  if (value == nullptr) return Invalid(name + " is missing");
  if (twice) return Invalid(name + " stands there twice with different values");
  if (value->is_number()) return InRange(name, value->get<double>());
  if (!value->is_string()) return Invalid(name + " is not a number");
  const std::string_view text = Trim(value->get_ref<const std::string&>());
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Invalid(name + " is not a whole number");
  }
  return InRange(name, number);
}

void SetMissing(PaperResult* result, const std::string& why) {
  result->Clear();
  result->set_kind(PaperResult::MISSING);
  result->set_why(why);
}

// What `entry` says about its paper.
PaperResult ReadEntry(const json& entry) {
  PaperResult result;
  const Result<unsigned> relevance = ReadScore(entry, "RELEVANCE");
  const Result<unsigned> novelty = ReadScore(entry, "NOVELTY");
  if (!relevance || !novelty) {
    SetMissing(&result, (relevance ? novelty : relevance).error().message);
    return result;
  }
  result.set_kind(PaperResult::SCORE);
  result.set_relevance(*relevance);
  result.set_novelty(*novelty);
  const json* comment = Member(entry, "COMMENT");
  if (comment != nullptr && comment->is_string()) {
    result.set_comment(
        CutChars(CleanText(comment->get_ref<const std::string&>()), kMaxCommentChars));
  }
  return result;
}

std::vector<PaperResult> AllMissing(size_t count, const std::string& why) {
  PaperResult missing;
  SetMissing(&missing, why);
  return std::vector<PaperResult>(count, missing);
}

using IdList = std::vector<std::string>;

std::optional<IdList> AsIdList(const json& value) {
  if (!value.is_array()) return std::nullopt;
  IdList ids;
  for (const json& item : value) {
    if (!item.is_string()) return std::nullopt;
    ids.push_back(item.get<std::string>());
  }
  return ids;
}

// The lists of ids in an answer: those named "drop" if there are any, else all
// but those named as the papers to keep.
std::set<IdList> DropLists(std::string_view content) {
  std::set<IdList> named;
  std::set<IdList> to_keep;
  for (const json& object : FindJson(content, '{')) {
    for (const auto& item : object.items()) {
      const std::optional<IdList> ids = AsIdList(item.value());
      if (!ids) continue;
      const std::string name = PlainName(item.key());
      if (name == "DROP") named.insert(*ids);
      if (name.find("KEEP") != std::string::npos) to_keep.insert(*ids);
    }
  }
  if (!named.empty()) return named;
  std::set<IdList> lists;
  for (const json& value : FindJson(content, '[')) {
    const std::optional<IdList> ids = AsIdList(value);
    if (ids && !to_keep.contains(*ids)) lists.insert(*ids);
  }
  return lists;
}

}  // namespace

Result<std::string> RenderPrompt(const std::string& prompt, wire::Stage stage,
                                 const std::vector<wire::BatchPaper>& papers) {
  const auto marker = MarkerLine(prompt);
  if (!marker) return Invalid(std::string("the prompt has no line ") + kPaperListMarker);
  std::string list;
  for (const wire::BatchPaper& paper : papers) {
    if (!list.empty()) list += '\n';
    list += "<paper>\nArXiv ID: " + AsData(paper.id()) + "\nTitle: " + AsData(paper.title());
    if (stage == wire::STAGE_ABSTRACT) {
      list +=
          "\nAuthors: " + AsData(Join(paper.authors())) + "\nAbstract: " + AsData(paper.abstract());
    }
    list += "\n</paper>";
  }
  return prompt.substr(0, marker->first) + list + prompt.substr(marker->second);
}

ordered_json ResponseFormat(wire::Stage stage) {
  const ordered_json text = {{"type", "string"}};
  const ordered_json integer = {{"type", "integer"}};
  ordered_json schema;
  if (stage == wire::STAGE_TITLE) {
    schema = ObjectSchema({{"drop", ListSchema(text)}});
  } else {
    schema = ObjectSchema({{"papers", ListSchema(ObjectSchema({{"ARXIVID", text},
                                                               {"COMMENT", text},
                                                               {"RELEVANCE", integer},
                                                               {"NOVELTY", integer}}))}});
  }
  const char* name = stage == wire::STAGE_TITLE ? "papers_to_drop" : "paper_scores";
  return {{"type", "json_schema"},
          {"json_schema", {{"name", name}, {"strict", true}, {"schema", std::move(schema)}}}};
}

std::vector<PaperResult> ParseScores(std::string_view content,
                                     const std::vector<std::string>& asked) {
  std::vector<PaperResult> results = AllMissing(asked.size(), "not in the answer");
  std::vector<bool> conflicting(asked.size(), false);
  const Asked places(asked);
  for (const json& entry : FindJson(WithoutThoughts(content), '{')) {
    const json* id = Member(entry, "ARXIVID");
    if (id == nullptr || !id->is_string()) continue;
    const std::optional<size_t> place = places.Find(id->get_ref<const std::string&>());
    if (!place) continue;
    PaperResult read = ReadEntry(entry);
    PaperResult& known = results[*place];
    if (known.kind() != PaperResult::SCORE) {
      known = std::move(read);
    } else if (read.kind() == PaperResult::SCORE &&
               (read.relevance() != known.relevance() || read.novelty() != known.novelty())) {
      conflicting[*place] = true;
    }
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (conflicting[i]) SetMissing(&results[i], "scored twice with different scores");
  }
  return results;
}

std::vector<PaperResult> ParseDrops(std::string_view content,
                                    const std::vector<std::string>& asked) {
  const std::set<IdList> lists = DropLists(WithoutThoughts(content));
  if (lists.size() != 1) {
    return AllMissing(asked.size(), lists.empty() ? "the answer has no list of ids"
                                                  : "the answer has several lists of ids");
  }
  PaperResult keep;
  keep.set_kind(PaperResult::KEEP);
  std::vector<PaperResult> results(asked.size(), keep);
  const Asked places(asked);
  for (const std::string& id : *lists.begin()) {
    if (const std::optional<size_t> place = places.Find(id)) {
      results[*place].set_kind(PaperResult::DROP);
    }
  }
  return results;
}

}  // namespace paperboy
