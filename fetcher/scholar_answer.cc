#include "fetcher/scholar_answer.h"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

#include "common/text.h"

namespace paperboy {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxNameChars = 200;
constexpr size_t kMaxIdChars = 20;
constexpr uint64_t kMaxHIndex = 10'000;  // more is no h-index
constexpr size_t kShownChars = 160;
constexpr size_t kRefusalsShown = 5;

Json Parse(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// nullptr where there is no such member.
const Json* Member(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto it = json.find(name);
  return it == json.end() || it->is_null() ? nullptr : &*it;
}

std::string TextOf(const Json* json, size_t max_chars) {
  if (json == nullptr || !json->is_string()) return "";
  return CutChars(CleanText(json->get_ref<const std::string&>()), max_chars);
}

// Digits, as a string or as a number; "" for anything else.
std::string IdOf(const Json* json) {
  std::string id;
  if (json != nullptr && json->is_number_unsigned()) id = std::to_string(json->get<uint64_t>());
  if (json != nullptr && json->is_string()) id = json->get<std::string>();
  const bool digits = id.find_first_not_of("0123456789") == id.npos;
  return digits && id.size() <= kMaxIdChars ? id : "";
}

// Comes bare or as an address.
std::string OrcidOf(const Json& author) {
  const Json* ids = Member(author, "externalIds");
  const std::string text = ids == nullptr ? "" : TextOf(Member(*ids, "ORCID"), kMaxNameChars);
  return text.substr(text.rfind('/') + 1);
}

wire::Author AuthorOf(const Json& json) {
  wire::Author author;
  author.set_name(TextOf(Member(json, "name"), kMaxNameChars));
  author.set_id(IdOf(Member(json, "authorId")));
  author.set_orcid(OrcidOf(json));
  const Json* h_index = Member(json, "hIndex");
  if (h_index != nullptr && h_index->is_number_unsigned() &&
      h_index->get<uint64_t>() <= kMaxHIndex) {
    author.set_h_index(h_index->get<uint32_t>());
  }
  return author;
}

// What is wrong with the entry for that paper, or "".
std::string ReadEntry(const Json& entry, const std::string& id, ScholarBatch* batch) {
  if (entry.is_null()) {
    batch->unknown.push_back(id);
    return "";
  }
  if (!entry.is_object()) return "is no paper";
  const Json* ids = Member(entry, "externalIds");
  const std::string own = ids == nullptr ? "" : TextOf(Member(*ids, "ArXiv"), kMaxNameChars);
  if (!own.empty() && ParseArxivId(own).id != id) return "is arXiv's " + own;
  const Json* authors = Member(entry, "authors");
  if (authors == nullptr || !authors->is_array()) return "has no list of authors";
  wire::PaperAuthors paper;
  paper.set_id(id);
  for (const Json& author : *authors) *paper.add_authors() = AuthorOf(author);
  if (paper.authors().empty()) {
    batch->unknown.push_back(id);
  } else {
    batch->known.push_back(std::move(paper));
  }
  return "";
}

std::string Beginning(const std::string& body) {
  const std::string text = CutChars(CleanText(body), kShownChars);
  if (text.empty()) return body.empty() ? "an empty answer" : "mark-up without text";
  return "\"" + text + "\"";
}

std::string ErrorIn(const Json& json) {
  for (const char* name : {"error", "message"}) {
    if (const std::string text = TextOf(Member(json, name), kShownChars); !text.empty()) {
      return text;
    }
  }
  return "";
}

// What a body holds, counted.
struct Tally {
  size_t papers = 0, authors = 0, h_indexes = 0, unknown = 0, refused = 0;
  std::string refusals;

  void Refuse(const std::string& why) {
    if (++refused <= kRefusalsShown) refusals += "  refused: " + why + "\n";
  }
  void Add(const Json& record) {
    if (record.is_null()) {
      ++unknown;
    } else if (Member(record, "authorId") != nullptr) {
      ++authors;
      h_indexes += AuthorOf(record).has_h_index();
    } else if (Member(record, "paperId") != nullptr) {
      ++papers;
      const Json* list = Member(record, "authors");
      for (const Json& author : list != nullptr && list->is_array() ? *list : Json::array()) {
        Add(author);
      }
    } else {
      Refuse("a record that is neither a paper nor an author");
    }
  }
  void AddBody(const Json& body) {
    const Json* data = Member(body, "data");
    if (const std::string error = ErrorIn(body); !error.empty()) {
      Refuse(error);
    } else if (body.is_array() || (data != nullptr && data->is_array())) {
      for (const Json& record : body.is_array() ? body : *data) Add(record);
    } else {
      Add(body);
    }
  }
  // One of {"request", "response"}; the status is a number, or {"code": number}.
  void AddExchange(const Json& exchange) {
    const Json& response = exchange["response"];
    const Json* status = Member(response, "status");
    if (status != nullptr && status->is_object()) status = Member(*status, "code");
    const int code = status != nullptr && status->is_number_integer() ? status->get<int>() : 0;
    const Json* body = Member(response, "body");
    const std::string text =
        body == nullptr ? "" : (body->is_string() ? body->get<std::string>() : body->dump());
    const Json parsed = Parse(text);
    if (code != 200) {
      Refuse(fmt::format("HTTP {}: {}", code, ScholarErrorText(text)));
    } else if (parsed.is_discarded()) {
      Refuse("no JSON: " + Beginning(text));
    } else {
      AddBody(parsed);
    }
  }
  ScholarReport Report() const {
    return {refused == 0,
            fmt::format("answer of Semantic Scholar: {}, {}, {} with an h-index; {} not known to "
                        "it; {} refused\n",
                        Counted(papers, "paper"), Counted(authors, "author"), h_indexes, unknown,
                        refused) +
                refusals,
            papers + authors};
  }
};

bool IsExchange(const Json& json) {
  const Json* response = Member(json, "response");
  return response != nullptr && response->is_object() && Member(json, "request") != nullptr;
}

// An object that could as well be a line of JSON lines is none.
bool IsScholarObject(const Json& json) {
  if (Member(json, "id") != nullptr || Member(json, "arxiv_id") != nullptr) return false;
  for (const char* name : {"paperId", "authorId", "data", "error", "message"}) {
    if (Member(json, name) != nullptr) return true;
  }
  return IsExchange(json);
}

}  // namespace

std::string ScholarErrorText(const std::string& body) {
  const std::string error = ErrorIn(Parse(body));
  return error.empty() ? Beginning(body) : error;
}

Result<ScholarBatch> ParseScholarBatch(const std::string& body,
                                       const std::vector<std::string>& ids) {
  const Json json = Parse(body);
  if (json.is_discarded()) return Invalid("its answer is no JSON: " + Beginning(body));
  if (const std::string error = ErrorIn(json); !error.empty()) return Invalid("it says: " + error);
  if (!json.is_array()) return Invalid("its answer is no list: " + Beginning(body));
  if (json.size() != ids.size()) {
    return Invalid(
        fmt::format("its answer has {} for {} papers, so that it is not known which is whose",
                    Counted(json.size(), "entry", "entries"), ids.size()));
  }
  ScholarBatch batch;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string wrong = ReadEntry(json[i], ids[i], &batch);
    if (!wrong.empty()) batch.warnings.push_back("its entry for " + ids[i] + " " + wrong);
  }
  return batch;
}

std::optional<ScholarReport> DescribeScholarAnswer(const std::string& text) {
  if (text.empty() || (text.front() != '[' && text.front() != '{')) return std::nullopt;
  const Json json = Parse(text);
  if (json.is_discarded() || (json.is_object() && !IsScholarObject(json))) return std::nullopt;
  Tally tally;
  if (IsExchange(json)) {
    tally.AddExchange(json);
  } else if (json.is_array() && !json.empty() && IsExchange(json.front())) {
    for (const Json& each : json) {
      if (IsExchange(each)) {
        tally.AddExchange(each);
      } else {
        tally.Refuse("an entry without request and response");
      }
    }
  } else {
    tally.AddBody(json);
  }
  return tally.Report();
}

}  // namespace paperboy
