#include "tests/support/llm_refusals.h"

#include <cmath>

#include "tests/support/http_host.h"

namespace paperboy {
namespace {

using Json = nlohmann::ordered_json;

void AnswerHtml(httplib::Response& response, int status, const std::string& title) {
  response.status = status;
  response.set_content("<html>\r\n<head><title>" + title +
                           "</title></head>\r\n<body>\r\n<center><h1>" + title +
                           "</h1></center>\r\n</body>\r\n</html>\r\n",
                       "text/html");
}

// NUMBER or NUMBER-SECONDS, as in llm_server.h.
bool AnswerStatus(const std::string& kind, httplib::Response& response) {
  const size_t dash = kind.find('-');
  const std::string number = kind.substr(0, dash);
  if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos) return false;
  const int status = std::stoi(number);
  if (dash != std::string::npos) {
    SetRetryAfter(response, std::stod(kind.substr(dash + 1)));
  } else if (status == 429) {
    SetRetryAfter(response, 1);
  }
  if (status == 429) {
    AnswerError(response, status, "Rate limit reached.", "tokens", "rate_limit_exceeded");
  } else {
    AnswerError(response, status, "The server had an error while processing your request.",
                status < 500 ? "invalid_request_error" : "server_error");
  }
  return true;
}

}  // namespace

void Answer(httplib::Response& response, int status, const Json& body) {
  response.status = status;
  response.set_content(body.dump(-1, ' ', false, Json::error_handler_t::replace),
                       "application/json");
}

void AnswerError(httplib::Response& response, int status, const std::string& message,
                 const std::string& type, const Json& code) {
  Answer(response, status,
         {{"error", {{"message", message}, {"type", type}, {"param", nullptr}, {"code", code}}}});
}

void SetRetryAfter(httplib::Response& response, double seconds) {
  response.set_header("retry-after", std::to_string(static_cast<int64_t>(std::ceil(seconds))));
  response.set_header("retry-after-ms",
                      std::to_string(static_cast<int64_t>(std::ceil(seconds * 1000))));
}

bool AnswerFault(const std::string& kind, bool json_schema, httplib::Response& response) {
  if (kind == "drop") {
    HttpHost::ResetConnection();
  } else if (kind == "html") {
    AnswerHtml(response, 403, "403 Forbidden");
  } else if (kind == "html502") {
    AnswerHtml(response, 502, "502 Bad Gateway");
  } else if (kind == "html200") {
    AnswerHtml(response, 200, "Sign in to the network");
  } else if (kind == "insufficient_quota") {
    AnswerError(response, 429,
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota", "insufficient_quota");
  } else if (kind == "content_filter") {
    AnswerError(response, 400,
                "The response was filtered due to the prompt triggering a content "
                "management policy.",
                "invalid_request_error", "content_filter");
  } else if (kind == "refuse_schema" && json_schema) {
    AnswerError(response, 400,
                "Invalid parameter: 'response_format' of type 'json_schema' is not "
                "supported with this model.",
                "invalid_request_error");
  } else if (kind == "401") {
    AnswerError(response, 401, "Incorrect API key provided.", "invalid_request_error",
                "invalid_api_key");
  } else {
    return AnswerStatus(kind, response);
  }
  return true;
}

}  // namespace paperboy
