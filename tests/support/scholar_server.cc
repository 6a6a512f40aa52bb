#include "tests/support/scholar_server.h"

#include <httplib.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/support/faults.h"
#include "tests/support/http_host.h"

namespace paperboy {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr size_t kMaxConnections = 32;
constexpr size_t kMaxRequestsKept = 100'000;
constexpr size_t kMaxIds = 500;  // its own limit
constexpr char kArxivPrefix[] = "ARXIV:";

void Answer(httplib::Response& response, int status, const std::string& body,
            const char* type = "application/json") {
  response.status = status;
  response.set_content(body, type);
}

Json ErrorJson(const std::string& text) { return {{"error", text}}; }

Json AuthorJson(const ScholarAuthor& author, const std::set<std::string>& fields) {
  Json json;
  json["authorId"] = author.id.empty() ? Json(nullptr) : Json(author.id);
  if (fields.contains("authors.externalIds")) {
    json["externalIds"] = author.orcid.empty() ? Json::object() : Json{{"ORCID", author.orcid}};
  }
  json["name"] = author.name;
  if (fields.contains("authors.hIndex")) {
    json["hIndex"] = author.h_index ? Json(*author.h_index) : Json(nullptr);
  }
  return json;
}

Json PaperJson(const std::string& id, const std::vector<ScholarAuthor>& authors,
               const std::set<std::string>& fields) {
  Json json = {{"paperId", std::string(40 - id.size(), '0') + id}};
  if (fields.contains("externalIds")) json["externalIds"] = {{"ArXiv", id}, {"CorpusId", 7}};
  auto& list = json["authors"] = Json::array();
  for (const ScholarAuthor& author : authors) list.push_back(AuthorJson(author, fields));
  return json;
}

std::set<std::string> Split(const std::string& text) {
  std::set<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.insert(part);
  return parts;
}

// Those of its fields that are of use here.
const std::set<std::string>& KnownFields() {
  static const std::set<std::string> known = {
      "paperId",          "externalIds",        "title",
      "authors",          "authors.name",       "authors.hIndex",
      "authors.authorId", "authors.externalIds"};
  return known;
}

}  // namespace

struct ScholarServer::Impl {
  explicit Impl(Options given)
      : options(std::move(given)), faults(options.faults, options.seed), host(kMaxConnections) {}

  void Handle(const httplib::Request& request, httplib::Response& response);
  void Respond(const Request& record, const std::string& fault, bool too_fast,
               httplib::Response& response);
  bool AnswerFault(const std::string& kind, httplib::Response& response);
  void Batch(const Request& record, const std::string& fault, httplib::Response& response);
  void Refuse(int status, httplib::Response& response);
  std::vector<Request> Snapshot();

  const Options options;
  Faults faults;
  std::mutex mutex;  // guards what follows
  std::vector<Request> requests;
  Clock::time_point last_start{};
  HttpHost host;  // last: its threads use the rest
};

void ScholarServer::Impl::Handle(const httplib::Request& request, httplib::Response& response) {
  if (request.path != "/graph/v1/paper/batch" || request.method != "POST") {
    return Answer(response, 404, Json{{"message", "Not Found"}}.dump());
  }
  Request record;
  record.start = Clock::now();
  record.fields = request.get_param_value("fields");
  record.key = request.get_header_value("x-api-key");
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  if (body.is_object() && body.contains("ids") && body["ids"].is_array()) {
    for (const auto& id : body["ids"]) {
      if (id.is_string()) record.ids.push_back(id);
    }
  }
  const std::string fault = faults.Draw(request.body).kind;
  std::unique_lock lock(mutex);
  const bool too_fast = record.start - last_start < options.spacing;
  last_start = record.start;
  const size_t index = requests.size();
  if (index < kMaxRequestsKept) requests.push_back(record);
  lock.unlock();
  Respond(record, fault, too_fast, response);
  lock.lock();
  if (index < requests.size()) requests[index].status = std::max(0, response.status);
}

void ScholarServer::Impl::Respond(const Request& record, const std::string& fault, bool too_fast,
                                  httplib::Response& response) {
  const auto& keys = options.keys;
  const bool known_key = std::find(keys.begin(), keys.end(), record.key) != keys.end();
  if (!record.key.empty() && !keys.empty() && !known_key) {
    return Answer(response, 403, Json{{"message", "Forbidden"}}.dump());
  }
  if (AnswerFault(fault, response)) return;
  if (too_fast) return Refuse(429, response);
  for (const std::string& field : Split(record.fields)) {
    if (KnownFields().contains(field)) continue;
    return Answer(response, 400,
                  ErrorJson("Unrecognized or unsupported fields: [" + field + "]").dump());
  }
  if (record.ids.size() > kMaxIds) {
    return Answer(response, 400, ErrorJson("Too many paper ids in request. Maximum is 500").dump());
  }
  Batch(record, fault, response);
}

void ScholarServer::Impl::Refuse(int status, httplib::Response& response) {
  if (options.retry_after.count() > 0 && (status == 429 || status == 503)) {
    response.set_header("Retry-After", std::to_string(options.retry_after.count()));
  }
  const std::string text = status == 429   ? "Too Many Requests"
                           : status == 504 ? "Endpoint request timed out"
                                           : "Internal Server Error";
  Answer(response, status, Json{{"message", text}, {"code", std::to_string(status)}}.dump());
}

bool ScholarServer::Impl::AnswerFault(const std::string& kind, httplib::Response& response) {
  if (kind == "drop") {
    HttpHost::ResetConnection();
  } else if (kind == "stall") {
    if (host.Sleep(options.stall)) {
      Refuse(504, response);
    } else {
      HttpHost::ResetConnection();
    }
  } else if (kind == "html") {
    Answer(response, 200, "<html><body><h1>We will be back soon</h1></body></html>", "text/html");
  } else if (kind == "shape") {
    Answer(response, 200, Json{{"papers", Json::array()}}.dump());
  } else if (!kind.empty() && kind.find_first_not_of("0123456789") == std::string::npos) {
    Refuse(std::stoi(kind), response);
  } else {
    return false;
  }
  return true;
}

void ScholarServer::Impl::Batch(const Request& record, const std::string& fault,
                                httplib::Response& response) {
  const std::set<std::string> fields = Split(record.fields);
  Json list = Json::array();
  bool any = false;
  for (const std::string& id : record.ids) {
    const bool of_arxiv = id.rfind(kArxivPrefix, 0) == 0;
    const auto paper = options.papers.find(of_arxiv ? id.substr(sizeof kArxivPrefix - 1) : "");
    const bool known = paper != options.papers.end();
    any |= known;
    list.push_back(known ? PaperJson(paper->first, paper->second, fields) : Json(nullptr));
    if (fault == "entries") list.back() = 7;
  }
  if (!any) return Answer(response, 400, ErrorJson("No valid paper ids given").dump());
  if (fault == "fewer") list.erase(list.size() - 1);
  if (fault == "shifted") std::rotate(list.begin(), list.begin() + 1, list.end());
  std::string body = list.dump() + "\n";
  if (fault == "truncated") body.resize(body.size() / 2);
  Answer(response, 200, body);
}

std::vector<ScholarServer::Request> ScholarServer::Impl::Snapshot() {
  const std::lock_guard lock(mutex);
  return requests;
}

ScholarServer::ScholarServer(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
ScholarServer::~ScholarServer() { Stop(); }

void ScholarServer::Start() {
  impl_->host.Start(impl_->options.port,
                    [this](const httplib::Request& request, httplib::Response& response) {
                      impl_->Handle(request, response);
                    });
}
void ScholarServer::Stop() { impl_->host.Stop(); }
int ScholarServer::port() const { return impl_->host.port(); }
std::string ScholarServer::url() const { return "http://127.0.0.1:" + std::to_string(port()); }
void ScholarServer::SetFaults(const std::string& faults) { impl_->faults.Set(faults); }
std::vector<ScholarServer::Request> ScholarServer::requests() const { return impl_->Snapshot(); }

}  // namespace paperboy
