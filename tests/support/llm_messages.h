// The simulated provider's other language: Anthropic's messages API, as a
// translation of chat completions there and back. Written from its documentation:
// https://docs.claude.com/en/api/messages, .../errors and .../rate-limits. Pure.
#pragma once

#include <httplib.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <string>

namespace paperboy {

// What is wrong with a request for messages, as the API would say it; "" if
// nothing is.
std::string MessagesError(const httplib::Request& request);

// The body of the same request for chat/completions.
std::string ChatFromMessages(const std::string& body);

// Turns a chat server's response into one of the messages API: body, errors and
// the limits' headers, whose resets become instants after `now`.
void ToMessages(httplib::Response* response, std::time_t now);

}  // namespace paperboy
