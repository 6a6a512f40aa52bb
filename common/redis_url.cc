#include <algorithm>
#include <charconv>
#include <optional>

#include "common/redis.h"

namespace paperboy {
namespace {

constexpr int kMaxDb = 65'535;  // far above what a server is configured for (16)

Error BadUrl(const std::string& what) {
  return Invalid(
      "the Redis URL " + what +
      "; expected redis://[:password@]host[:port][/db], e.g. redis://127.0.0.1:6379/0, or "
      "rediss:// for TLS");
}

std::optional<int> Number(std::string_view text, int min, int max) {
  int number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < min || number > max) return std::nullopt;
  return number;
}

std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    int byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, byte, 16);
    if (digits.size() != 2 || error != std::errc() || stop != end || byte < 0) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

// host, host:port, [address] or [address]:port into `url`; what is wrong, or "".
std::string ParseHostPort(std::string_view text, RedisUrl* url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return "has a '[' without ']'";
    url->host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && port.front() != ':') return "has text after ']'";
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    url->host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (url->host.empty()) return "names no host";
  constexpr std::string_view kInNames =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";
  if (url->host.find_first_not_of(kInNames) != std::string::npos) {
    return "has a host with characters that stand in no host's name";
  }
  if (!port.empty()) {
    const std::optional<int> number = Number(port.substr(1), 1, 65'535);
    if (!number) return "has a port that is not a number from 1 to 65535";
    url->port = *number;
  }
  return "";
}

}  // namespace

Result<RedisUrl> ParseRedisUrl(std::string_view text) {
  constexpr std::string_view kClear = "redis://", kTls = "rediss://";
  RedisUrl url;
  url.tls = text.starts_with(kTls);
  if (!url.tls && !text.starts_with(kClear)) return BadUrl("does not begin with redis://");
  std::string_view rest = text.substr((url.tls ? kTls : kClear).size());
  // The last '@': an unescaped one in the password is forgiven.
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    if (!user.starts_with(':')) return BadUrl("names a user, which is not supported");
    const std::optional<std::string> password = PercentDecoded(user.substr(1));
    if (!password) return BadUrl("has a '%' in its password that no two hex digits follow");
    url.password = *password;
    rest.remove_prefix(at + 1);
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view db = rest.substr(slash + 1);
    const std::optional<int> number = db.empty() ? 0 : Number(db, 0, kMaxDb);
    if (!number) return BadUrl("has a database that is not a number");
    url.db = *number;
    rest = rest.substr(0, slash);
  }
  if (const std::string wrong = ParseHostPort(rest, &url); !wrong.empty()) return BadUrl(wrong);
  return url;
}

std::string Redacted(const RedisUrl& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  return (url.tls ? "rediss://" : "redis://") + (v6 ? "[" + url.host + "]" : url.host) + ":" +
         std::to_string(url.port) + "/" + std::to_string(url.db);
}

}  // namespace paperboy
