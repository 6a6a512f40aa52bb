#include "tests/support/arxiv_server.h"

#include <httplib.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/arxiv_xml.h"
#include "tests/support/faults.h"
#include "tests/support/http_host.h"

namespace paperboy {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
using std::chrono::sys_days;

constexpr size_t kMaxConnections = 32;
constexpr size_t kMaxRequestsKept = 100'000;
// arXiv's own limits.
constexpr size_t kMaxRssItems = 2000;
constexpr size_t kMaxApiPage = 2000;
constexpr size_t kMaxApiResults = 30'000;
constexpr size_t kDefaultApiPage = 10;

const std::vector<std::string> kFaults = {
    "lag",           "stale",      "empty",     "no_matches",    "empty_pages",
    "short_pages",   "error_feed", "bad_token", "error_element", "truncated",
    "rate_exceeded", "stall",      "drop",      "NUMBER"};

std::chrono::sys_seconds Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string DecodedTarget(const httplib::Request& request) {
  std::string target = request.path;
  for (const auto& [name, value] : request.params) {
    target += (target == request.path ? "?" : "&") + name + "=" + value;
  }
  return target;
}

void Answer(httplib::Response& response, int status, const std::string& body,
            const std::string& type) {
  response.status = status;
  response.set_content(body, type.c_str());
}

// A parameter that must be a number not below 0; throws std::invalid_argument.
size_t NumberParam(const httplib::Request& request, const std::string& name, size_t otherwise) {
  if (!request.has_param(name)) return otherwise;
  const std::string text = request.get_param_value(name);
  if (text.empty() || text.size() > 9 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    throw std::invalid_argument(name + " must be a non-negative integer");
  }
  return std::stoul(text);
}

// arXiv's list for a page date ends with what was changed that day: the later
// of the announcement and the last version.
sys_days Datestamp(const ArxivPaper& paper) {
  return std::max(ParseDay(paper.announced), std::chrono::floor<std::chrono::days>(paper.updated));
}

bool InSet(const ArxivPaper& paper, const std::string& set) {
  return set.empty() || std::any_of(paper.categories.begin(), paper.categories.end(),
                                    [&](const std::string& category) {
                                      const std::string own = OaiSetOf(category);
                                      return own == set || own.rfind(set + ":", 0) == 0;
                                    });
}

}  // namespace

struct ArxivServer::Impl {
  explicit Impl(Options given)
      : options(std::move(given)),
        faults(options.faults, options.seed, kFaults),
        date(ParseDay(options.date)),
        host(kMaxConnections) {}

  void Handle(const httplib::Request& request, httplib::Response& response);
  void HandleAccount(const httplib::Request& request, httplib::Response& response);
  void Respond(const httplib::Request& request, const std::string& fault,
               httplib::Response& response);
  bool AnswerFault(const std::string& kind, httplib::Response& response);
  void Rss(const httplib::Request& request, const std::string& fault, httplib::Response& response);
  void Api(const httplib::Request& request, const std::string& fault, httplib::Response& response);
  void Oai(const httplib::Request& request, const std::string& fault, httplib::Response& response);
  std::string ListRecords(const httplib::Request& request);
  sys_days AnnouncementBefore(sys_days day) const;
  Account Snapshot();

  const Options options;
  Faults faults;
  std::mutex mutex;  // guards what follows
  sys_days date;
  size_t concurrent = 0;
  Account account;
  HttpHost host;  // last: its threads use the rest
};

void ArxivServer::Impl::Handle(const httplib::Request& request, httplib::Response& response) {
  if (request.path.rfind("/account/", 0) == 0) return HandleAccount(request, response);
  Request record;
  record.target = DecodedTarget(request);
  record.start = Clock::now();
  record.user_agent = request.get_header_value("User-Agent");
  record.accept = request.get_header_value("Accept");
  record.fault = faults.Draw(record.target).kind;
  const std::string fault = record.fault;
  std::unique_lock lock(mutex);
  account.max_concurrent = std::max(account.max_concurrent, ++concurrent);
  const size_t index = account.requests.size();
  if (index < kMaxRequestsKept) account.requests.push_back(std::move(record));
  lock.unlock();

  Respond(request, fault, response);
  lock.lock();
  --concurrent;
  if (index >= account.requests.size()) return;
  account.requests[index].status = std::max(0, response.status);
  account.requests[index].end = Clock::now();
}

void ArxivServer::Impl::Respond(const httplib::Request& request, const std::string& fault,
                                httplib::Response& response) {
  if (request.get_header_value("Accept").empty()) return Answer(response, 406, "", "text/plain");
  if (AnswerFault(fault, response)) return;
  if (request.path.rfind("/rss/", 0) == 0) {
    Rss(request, fault, response);
  } else if (request.path == "/api/query") {
    Api(request, fault, response);
  } else if (request.path == "/oai") {
    Oai(request, fault, response);
  } else {
    return Answer(response, 404, "Not found", "text/plain");
  }
  if (fault == "truncated") response.body.resize(response.body.size() / 2);
}

bool ArxivServer::Impl::AnswerFault(const std::string& kind, httplib::Response& response) {
  if (kind == "drop") {
    HttpHost::ResetConnection();
  } else if (kind == "rate_exceeded") {
    Answer(response, 200, "Rate exceeded.", "text/plain");
  } else if (kind == "error_feed") {
    Answer(response, 200, AtomError("the search backend did not answer", Now()),
           "application/atom+xml");
  } else if (kind == "stall" && !host.Sleep(options.stall)) {
    HttpHost::ResetConnection();
  } else if (kind == "stall" ||
             (!kind.empty() && kind.find_first_not_of("0123456789") == std::string::npos)) {
    const int status = kind == "stall" ? 429 : std::stoi(kind);
    if (status == 429 || status == 503) {
      response.set_header("Retry-After", std::to_string(options.retry_after.count()));
    }
    Answer(response, status, "Rate exceeded.", "text/plain");
  } else {
    return false;
  }
  return true;
}

sys_days ArxivServer::Impl::AnnouncementBefore(sys_days day) const {
  sys_days before = day - std::chrono::days(1);
  bool any = false;
  for (const ArxivPaper& paper : options.papers) {
    const sys_days announced = ParseDay(paper.announced);
    if (announced < day && (!any || announced > before)) before = announced;
    any = any || announced < day;
  }
  return before;
}

void ArxivServer::Impl::Rss(const httplib::Request& request, const std::string& fault,
                            httplib::Response& response) {
  const std::string categories = request.path.substr(std::string("/rss/").size());
  std::set<std::string> wanted;
  std::istringstream parts(categories);
  for (std::string part; std::getline(parts, part, '+');) wanted.insert(part);
  sys_days today;
  {
    std::lock_guard lock(mutex);
    today = date;
  }
  const bool earlier = fault == "lag" || fault == "stale";
  const sys_days announced = earlier ? AnnouncementBefore(today) : today;
  ArxivPapers papers;
  for (const ArxivPaper& paper : options.papers) {
    if (fault == "empty" || papers.size() == kMaxRssItems) break;
    const bool listed =
        std::any_of(paper.categories.begin(), paper.categories.end(), [&](const std::string& c) {
          return wanted.contains(c) || wanted.contains(c.substr(0, c.find('.')));
        });
    if (listed && ParseDay(paper.announced) == announced) papers.push_back(&paper);
  }
  const sys_days built = fault == "lag" ? announced : today;
  const std::string body = RssFeed(categories, built, fault == "stale" ? today : announced, papers);
  const std::string etag = "\"" + std::to_string(std::hash<std::string>()(body)) + "\"";
  response.set_header("ETag", etag);
  response.set_header("Last-Modified", MailText(built, "GMT"));
  response.set_header("Cache-Control", "max-age=3600");
  if (request.get_header_value("If-None-Match") == etag) {
    response.status = 304;
    return;
  }
  Answer(response, 200, body, "text/xml; charset=UTF-8");
}

void ArxivServer::Impl::Api(const httplib::Request& request, const std::string& fault,
                            httplib::Response& response) {
  AtomPage page;
  page.now = Now();
  ArxivPapers found;
  try {
    page.query = request.get_param_value("search_query");
    page.start = NumberParam(request, "start", 0);
    page.per_page = NumberParam(request, "max_results", kDefaultApiPage);
    if (page.per_page > kMaxApiPage) {
      throw std::invalid_argument("max_results must be at most " + std::to_string(kMaxApiPage));
    }
    if (page.start + page.per_page > kMaxApiResults) {
      throw std::invalid_argument("start and max_results reach beyond " +
                                  std::to_string(kMaxApiResults) + " results");
    }
    const auto matches = ParseArxivQuery(page.query);
    for (const ArxivPaper& paper : options.papers) {
      if (fault != "no_matches" && matches(paper)) found.push_back(&paper);
    }
  } catch (const std::invalid_argument& error) {
    return Answer(response, 400, AtomError(error.what(), page.now), "application/atom+xml");
  }
  const bool by_update = request.get_param_value("sortBy") == "lastUpdatedDate";
  std::stable_sort(found.begin(), found.end(), [&](const ArxivPaper* a, const ArxivPaper* b) {
    return by_update ? a->updated < b->updated : a->published < b->published;
  });
  if (request.get_param_value("sortOrder") != "ascending") std::reverse(found.begin(), found.end());
  page.total = found.size();
  const size_t first = std::min(page.start, found.size());
  size_t count = std::min(page.per_page, found.size() - first);
  if (fault == "empty_pages") count = 0;
  if (fault == "short_pages") count /= 2;
  const auto begin = found.begin() + static_cast<ptrdiff_t>(first);
  Answer(response, 200, AtomFeed(page, {begin, begin + static_cast<ptrdiff_t>(count)}),
         "application/atom+xml; charset=utf-8");
}

void ArxivServer::Impl::Oai(const httplib::Request& request, const std::string& fault,
                            httplib::Response& response) {
  const std::string verb = request.get_param_value("verb");
  std::string body = verb == "ListRecords" ? ListRecords(request)
                                           : OaiError("badVerb", "verb must be ListRecords here");
  if (fault == "error_element") body = OaiError("badArgument", "invalid set");
  if (fault == "bad_token") body = OaiError("badResumptionToken", "the token has expired");
  // Without a charset, as arXiv sends it.
  Answer(response, 200, OaiAnswer("http://oaipmh.arxiv.org/oai", Now(), body), "text/xml");
}

std::string ArxivServer::Impl::ListRecords(const httplib::Request& request) {
  // A token carries the arguments of the first request and how far it got.
  httplib::Params arguments = request.params;
  const bool resumed = request.has_param("resumptionToken");
  if (resumed) {
    arguments.clear();
    std::istringstream parts(request.get_param_value("resumptionToken"));
    for (std::string part; std::getline(parts, part, '|');) {
      const size_t equals = part.find('=');
      if (equals == std::string::npos) return OaiError("badResumptionToken", "unreadable token");
      arguments.emplace(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  const auto argument = [&](const std::string& name) {
    const auto it = arguments.find(name);
    return it == arguments.end() ? std::string() : it->second;
  };
  const std::string prefix = argument("metadataPrefix");
  if (prefix.empty()) return OaiError("badArgument", "metadataPrefix is required");
  if (prefix != "arXiv" && prefix != "arXivRaw") {
    return OaiError("cannotDisseminateFormat", "unknown metadataPrefix " + prefix);
  }
  ArxivPapers found;
  size_t skip = 0;
  try {
    const std::string from = argument("from"), until = argument("until");
    const sys_days first = from.empty() ? sys_days::min() : ParseDay(from);
    const sys_days last = until.empty() ? sys_days::max() : ParseDay(until);
    if (first > last) return OaiError("badArgument", "from is later than until");
    if (resumed) skip = std::stoul(argument("skip"));
    for (const ArxivPaper& paper : options.papers) {
      const sys_days stamp = Datestamp(paper);
      if (first <= stamp && stamp <= last && InSet(paper, argument("set"))) found.push_back(&paper);
    }
  } catch (const std::invalid_argument& error) {
    return OaiError(resumed ? "badResumptionToken" : "badArgument", error.what());
  }
  if (found.empty()) return OaiError("noRecordsMatch", "no records match the request");
  if (skip >= found.size())
    return OaiError("badResumptionToken", "the token points beyond the list");

  const size_t end = std::min(found.size(), skip + options.oai_page);
  std::string body = "    <ListRecords>\n";
  for (size_t i = skip; i < end; ++i) body += OaiRecord(*found[i], prefix, Datestamp(*found[i]));
  if (end < found.size()) {
    std::string token = "skip=" + std::to_string(end);
    for (const char* name : {"metadataPrefix", "set", "from", "until"}) {
      if (!argument(name).empty()) token += std::string("|") + name + "=" + argument(name);
    }
    body += "<resumptionToken completeListSize=\"" + std::to_string(found.size()) + "\" cursor=\"" +
            std::to_string(skip) + "\">" + token + "</resumptionToken>\n";
  } else if (resumed) {
    body += "<resumptionToken completeListSize=\"" + std::to_string(found.size()) + "\" cursor=\"" +
            std::to_string(skip) + "\"/>\n";
  }
  return body + "    </ListRecords>\n";
}

ArxivServer::Account ArxivServer::Impl::Snapshot() {
  std::lock_guard lock(mutex);
  Account copy = account;
  std::sort(copy.requests.begin(), copy.requests.end(),
            [](const Request& a, const Request& b) { return a.start < b.start; });
  for (size_t i = 1; i < copy.requests.size(); ++i) {
    const Request& before = copy.requests[i - 1];
    const auto end = before.end == Clock::time_point() ? Clock::now() : before.end;
    copy.smallest_gap = std::min(copy.smallest_gap, copy.requests[i].start - end);
  }
  return copy;
}

void ArxivServer::Impl::HandleAccount(const httplib::Request& request,
                                      httplib::Response& response) {
  const std::string what = request.path.substr(std::string("/account/").size());
  if (request.method == "POST" && (what == "faults" || what == "date")) {
    try {
      if (what == "faults") {
        faults.Set(request.body);
      } else {
        const sys_days day = ParseDay(request.body);
        std::lock_guard lock(mutex);
        date = day;
      }
    } catch (const std::invalid_argument& error) {
      return Answer(response, 400, error.what(), "text/plain");
    }
    return Answer(response, 200, "ok\n", "text/plain");
  }
  if (what != "requests") return Answer(response, 404, "no such account page\n", "text/plain");
  const Account a = Snapshot();
  const auto ms = [](Clock::duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
  };
  Json list = Json::array();
  for (const Request& r : a.requests) {
    list.push_back({{"target", r.target},
                    {"start_ms", ms(r.start - a.requests.front().start)},
                    {"end_ms", ms(r.end - a.requests.front().start)},
                    {"status", r.status},
                    {"fault", r.fault},
                    {"user_agent", r.user_agent},
                    {"accept", r.accept}});
  }
  const Json gap = a.requests.size() < 2 ? Json(nullptr) : Json(ms(a.smallest_gap));
  Answer(
      response, 200,
      Json{{"max_concurrent", a.max_concurrent}, {"smallest_gap_ms", gap}, {"requests", list}}.dump(
          -1, ' ', false, Json::error_handler_t::replace),
      "application/json");
}

ArxivServer::ArxivServer(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
ArxivServer::~ArxivServer() { Stop(); }

void ArxivServer::Start() {
  const int port = impl_->host.port() != 0 ? impl_->host.port() : impl_->options.port;
  impl_->host.Start(
      port, [impl = impl_.get()](const httplib::Request& request, httplib::Response& response) {
        impl->Handle(request, response);
      });
}
void ArxivServer::Stop() { impl_->host.Stop(); }
int ArxivServer::port() const { return impl_->host.port(); }
std::string ArxivServer::rss_url() const {
  return "http://127.0.0.1:" + std::to_string(port()) + "/rss";
}
std::string ArxivServer::api_url() const {
  return "http://127.0.0.1:" + std::to_string(port()) + "/api/query";
}
std::string ArxivServer::oai_url() const {
  return "http://127.0.0.1:" + std::to_string(port()) + "/oai";
}
void ArxivServer::SetFaults(const std::string& faults) { impl_->faults.Set(faults); }
void ArxivServer::SetDate(const std::string& date) {
  const sys_days day = ParseDay(date);
  std::lock_guard lock(impl_->mutex);
  impl_->date = day;
}
ArxivServer::Account ArxivServer::account() const { return impl_->Snapshot(); }

}  // namespace paperboy
