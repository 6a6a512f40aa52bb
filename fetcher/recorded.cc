#include "fetcher/recorded.h"

#include <zlib.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/text.h"

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;

// As the largest answer that is taken from arXiv.
constexpr size_t kMaxBytes = 64 << 20;

// What can be read of it; that it is cut off or damaged shows in what it holds.
std::string ReadAll(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  std::string all;
  std::string block(1 << 16, '\0');
  while (file && all.size() < kMaxBytes) {
    const int got = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    if (got <= 0) break;
    all.append(block, 0, static_cast<size_t>(got));
  }
  return all;
}

std::string TextOr(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || it->is_null()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

// A number, or an object with a number `code`.
int StatusOf(const Json& json) {
  if (json.is_object() && json.contains("code")) return StatusOf(json["code"]);
  return json.is_number_integer() ? json.get<int>() : 200;
}

bool IsRecording(const Json& json) {
  return json.is_object() &&
         ((json.contains("url") && json.contains("body")) ||
          (json.contains("request") && (json.contains("response") || json.contains("headers"))));
}

Result<RecordedAnswer> OneOf(const Json& json) {
  RecordedAnswer answer;
  if (!json.contains("request")) {
    answer.url = TextOr(json, "url");
    answer.status = StatusOf(json.value("status_code", Json()));
    answer.body = TextOr(json, "body");
    return answer;
  }
  const Json request = json["request"];
  if (request.is_object()) answer.url = TextOr(request, request.contains("uri") ? "uri" : "url");
  const Json response = json.value("response", Json());
  if (!response.is_object() || !response.contains("body")) {
    return Invalid("a recorded request of " + CleanText(answer.url) +
                   " with headers, without the answer");
  }
  answer.status = StatusOf(response.value("status", Json()));
  answer.body = TextOr(response, "body");
  return answer;
}

}  // namespace

Result<std::vector<RecordedAnswer>> ReadRecorded(const std::string& path) {
  std::string text = ReadAll(path);
  std::vector<RecordedAnswer> answers;
  const Json json = Json::parse(text, nullptr, false);
  const Json list = json.is_array() ? json : Json::array({json});
  for (const Json& one : list) {
    if (!IsRecording(one)) return std::vector{RecordedAnswer{.body = std::move(text)}};
    Result<RecordedAnswer> answer = OneOf(one);
    if (!answer) return answer.error();
    answers.push_back(std::move(*answer));
  }
  if (answers.empty()) answers.push_back({.body = std::move(text)});
  return answers;
}

}  // namespace paperboy
