// What the simulated provider answers instead of a model's answer. Pure.
#pragma once

#include <httplib.h>

#include <nlohmann/json.hpp>
#include <string>

namespace paperboy {

void Answer(httplib::Response& response, int status, const nlohmann::ordered_json& body);
// With OpenAI's error body.
void AnswerError(httplib::Response& response, int status, const std::string& message,
                 const std::string& type, const nlohmann::ordered_json& code = nullptr);
void SetRetryAfter(httplib::Response& response, double seconds);

// Answers for the kinds of fault (llm_server.h) that replace the model's answer. False for
// any other. `json_schema`: the request asks for one.
bool AnswerFault(const std::string& kind, bool json_schema, httplib::Response& response);

}  // namespace paperboy
