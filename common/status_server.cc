#include "common/status_server.h"

#include <httplib.h>
#include <prometheus/counter.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "common/text.h"

namespace paperboy {
namespace {

constexpr std::chrono::milliseconds kLoopSilence{10'000};

// A request that has come, and the answer to it.
class Exchange : public httplib::Stream {
 public:
  explicit Exchange(const std::string& request) : request_(request) {}

  ssize_t read(char* to, size_t size) override {
    const size_t n = std::min(size, request_.size() - read_);
    std::memcpy(to, request_.data() + read_, n);
    read_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* from, size_t size) override {
    answer.append(from, size);
    return static_cast<ssize_t>(size);
  }
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string answer;

 private:
  const std::string& request_;
  size_t read_ = 0;
};

// httplib's routes, files and headers. Its connections are not used: each takes a thread for
// as long as its client likes, so that a few slow readers would hold up a probe.
class Pages : public httplib::Server {
 public:
  std::string Answer(const std::string& request) {
    Exchange exchange(request);
    bool closed = false;
    // A file is served whole and as it is: a header has room for thousands of ranges, each
    // a copy of it, and to compress a megabyte can take a second, on everybody's thread.
    const auto as_it_is = [](httplib::Request& parsed) {
      parsed.ranges.clear();
      parsed.headers.erase("Range");
      parsed.headers.erase("Accept-Encoding");
    };
    process_request(exchange, /*close_connection=*/true, closed, as_it_is);
    return std::move(exchange.answer);
  }
};

struct HostPort {
  std::string host;
  int port = 0;
};

std::optional<HostPort> ParseHostPort(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort parsed{text.substr(0, colon), 0};
  if (parsed.host.front() == '[' && parsed.host.back() == ']') {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, parsed.port);
  if (error != std::errc() || stop != end || parsed.port < 0 || parsed.port > 65535) {
    return std::nullopt;
  }
  return parsed;
}

void Send(const HttpAnswer& answer, httplib::Response& response) {
  response.status = answer.status;
  response.set_content(answer.body, answer.content_type);
}

// Headers of every answer. Pages need no scripts and nothing from elsewhere: should markup
// of others ever get into one, it can do nothing. Whoever is linked to is not told from where.
void AddSafeHeaders(const httplib::Request&, httplib::Response& response) {
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_header("Content-Security-Policy",
                      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
                      "frame-ancestors 'none'");
  response.headers.erase("Accept-Ranges");  // httplib offers them to HEAD
}

// Headers of a file. A browser asks again each time, and is told when it has it.
void AddFileHeaders(const httplib::Request& request, httplib::Response& response) {
  const std::string tag = '"' + Sha256Hex(response.body) + '"';
  response.set_header("ETag", tag);
  response.set_header("Cache-Control", "no-cache");
  if (request.get_header_value("If-None-Match") != tag) return;
  response.status = 304;
  response.body.clear();
}

// A folder whose files are served below the prefix.
struct Mount {
  std::string prefix, dir;
};

bool IsBelow(const std::filesystem::path& dir, const std::filesystem::path& file) {
  const std::string relative = file.lexically_relative(dir);
  return !relative.starts_with('.') && relative.find("/.") == std::string::npos;
}

// Whether the path names a hidden file, or a file that is none of the folders', to which a
// symbolic link leads. httplib looks for files in the same order.
bool IsKeptBack(const std::vector<Mount>& mounts, const std::string& path) {
  namespace fs = std::filesystem;
  if (path.find("/.") != std::string::npos || path.find('\0') != std::string::npos) return true;
  std::error_code error;
  for (const Mount& mount : mounts) {
    if (!path.starts_with(mount.prefix)) continue;
    std::string name = mount.dir + "/" + path.substr(mount.prefix.size());
    if (name.ends_with('/')) name += "index.html";
    const fs::path file = fs::canonical(name, error);
    if (error || !fs::is_regular_file(file, error)) continue;
    return std::none_of(mounts.begin(), mounts.end(), [&](const Mount& each) {
      const fs::path dir = fs::canonical(each.dir, error);
      return !error && IsBelow(dir, file);
    });
  }
  return false;
}

}  // namespace

struct StatusServer::Impl {
  Impl(std::shared_ptr<prometheus::Registry> r, HttpLimits limits)
      : registry(std::move(r)),
        listener([this](const std::string& request) { return server.Answer(request); }, limits,
                 [&dropped = prometheus::BuildCounter()
                                 .Name("paperboy_http_dropped_connections_total")
                                 .Help("HTTP connections ended before their answer was taken, to "
                                       "make room for others")
                                 .Register(*registry)
                                 .Add({})] { dropped.Increment(); }) {
    server.set_file_extension_and_mimetype_mapping("md", "text/markdown; charset=utf-8");
    server.set_file_extension_and_mimetype_mapping("html", "text/html; charset=utf-8");
    server.set_file_extension_and_mimetype_mapping("css", "text/css; charset=utf-8");
    server.set_file_request_handler(AddFileHeaders);
    server.set_post_routing_handler(AddSafeHeaders);
    server.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          if (request.method != "GET" && request.method != "HEAD") {
            response.set_header("Allow", "GET, HEAD");
            Send({405, "text/plain", "GET and HEAD only\n"}, response);
          } else if (IsKeptBack(mounts, request.path)) {
            Send({404, "text/plain", "not found\n"}, response);
          } else {
            return httplib::Server::HandlerResponse::Unhandled;
          }
          return httplib::Server::HandlerResponse::Handled;
        });
    server.set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
          Send({500, "text/plain", "internal error\n"}, response);
        });
    server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      const std::string text = response.status == 404 ? "not found\n" : "bad request\n";
      response.set_content(text, "text/plain");
    });
    server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      Send({200, "text/plain; version=0.0.4; charset=utf-8",
            prometheus::TextSerializer().Serialize(registry->Collect())},
           response);
    });
  }

  Pages server;
  std::shared_ptr<prometheus::Registry> registry;
  std::vector<Mount> mounts;
  std::string missing_dir;
  HttpListener listener;
};

StatusServer::StatusServer(std::shared_ptr<prometheus::Registry> registry, Clock now,
                           HttpLimits limits)
    : impl_(std::make_unique<Impl>(std::move(registry), limits)), now_(std::move(now)) {
  impl_->server.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
    const bool turned = now_() - last_turn_.load() < kLoopSilence;
    Send({turned ? 200 : 503, "text/plain", turned ? "ok\n" : "the event loop stands still\n"},
         response);
  });
  impl_->server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    const std::lock_guard lock(mutex_);
    Send({trouble_.empty() ? 200 : 503, "text/plain; charset=utf-8",
          trouble_.empty() ? "ok\n" : trouble_ + "\n"},
         response);
  });
}

StatusServer::~StatusServer() { impl_.reset(); }  // before what its handlers read

void StatusServer::Handle(const std::string& path,
                          std::function<HttpAnswer(const std::string&)> handler) {
  impl_->server.Get(path, [handler = std::move(handler)](const httplib::Request& request,
                                                         httplib::Response& response) {
    Send(handler(request.path), response);
  });
}

void StatusServer::ServeFiles(const std::string& prefix, const std::string& dir) {
  if (!impl_->server.set_mount_point(prefix, dir)) impl_->missing_dir = dir;
  impl_->mounts.push_back({prefix, dir});
}

Status StatusServer::Start(const std::string& host_port) {
  if (!impl_->missing_dir.empty()) {
    return Invalid("cannot serve " + impl_->missing_dir + ": there is no such directory");
  }
  const std::optional<HostPort> address = ParseHostPort(host_port);
  if (!address) {
    return Invalid("cannot listen on '" + host_port +
                   "': expected HOST:PORT such as 127.0.0.1:8080");
  }
  LoopTurned();
  if (const Status started = impl_->listener.Start(address->host, address->port); !started) {
    return Invalid("cannot listen on " + host_port + ": " + started.error().message +
                   "; is the port in use? Port 0 takes any");
  }
  port_ = impl_->listener.port();
  return Ok();
}

void StatusServer::LoopTurned() { last_turn_ = now_(); }

void StatusServer::SetTrouble(std::string trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

}  // namespace paperboy
