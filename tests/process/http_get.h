// What a running program answers over HTTP.
#pragma once

#include <httplib.h>

#include <string>

namespace paperboy {

// Status and body, as "200 ok"; "" without an answer.
inline std::string HttpGet(const std::string& url, const std::string& path) {
  const auto answer = httplib::Client(url).Get(path);
  return answer ? std::to_string(answer->status) + " " + answer->body : "";
}

}  // namespace paperboy
