#include "common/status_server.h"

#include <httplib.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <optional>
#include <system_error>
#include <thread>

#include "common/text.h"

namespace paperboy {
namespace {

// A browser opens connections in advance and says nothing on them; with fewer
// threads than these it would hold up a probe.
constexpr size_t kThreads = 4;
// Accepted connections that wait for a thread. Beyond it no more are accepted.
constexpr size_t kMaxWaiting = 64;
constexpr time_t kTimeoutSeconds = 2;
constexpr size_t kMaxRequestBody = 1024;  // a GET has none
constexpr std::chrono::milliseconds kLoopSilence{10'000};
constexpr std::chrono::seconds kStartTimeout{5};

// httplib's own pool has no limit.
class BoundedPool : public httplib::TaskQueue {
 public:
  BoundedPool() {
    for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return tasks_.size() < kMaxWaiting; });
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      changed_.notify_all();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
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

// Headers of a file. A browser asks again each time, and is told when it has it. Pages
// need no scripts and nothing from elsewhere: should markup of others ever get into one,
// it can do nothing.
void AddFileHeaders(const httplib::Request& request, httplib::Response& response) {
  const std::string tag = '"' + Sha256Hex(response.body) + '"';
  response.set_header("ETag", tag);
  response.set_header("Cache-Control", "no-cache");
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Content-Security-Policy",
                      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'");
  if (request.get_header_value("If-None-Match") != tag) return;
  response.status = 304;
  response.body.clear();
}

// httplib sets SO_REUSEPORT, with which a second process would share the port
// in silence.
void SetSocketOptions(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

struct StatusServer::Impl {
  explicit Impl(std::shared_ptr<prometheus::Registry> r) : registry(std::move(r)) {
    server.new_task_queue = [] { return new BoundedPool; };  // httplib deletes it
    server.set_socket_options(SetSocketOptions);
    server.set_keep_alive_max_count(1);
    server.set_keep_alive_timeout(kTimeoutSeconds);
    server.set_read_timeout(kTimeoutSeconds);
    server.set_write_timeout(kTimeoutSeconds);
    server.set_payload_max_length(kMaxRequestBody);
    server.set_file_extension_and_mimetype_mapping("md", "text/markdown; charset=utf-8");
    server.set_file_extension_and_mimetype_mapping("html", "text/html; charset=utf-8");
    server.set_file_extension_and_mimetype_mapping("css", "text/css; charset=utf-8");
    server.set_file_request_handler(AddFileHeaders);
    server.set_pre_routing_handler(
        [](const httplib::Request& request, httplib::Response& response) {
          if (request.method == "GET" || request.method == "HEAD") {
            return httplib::Server::HandlerResponse::Unhandled;
          }
          response.set_header("Allow", "GET, HEAD");
          Send({405, "text/plain", "GET and HEAD only\n"}, response);
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

  httplib::Server server;
  std::shared_ptr<prometheus::Registry> registry;
  std::mutex one_at_a_time;
  std::string missing_dir;
  std::thread thread;
};

StatusServer::StatusServer(std::shared_ptr<prometheus::Registry> registry, Clock now)
    : impl_(std::make_unique<Impl>(std::move(registry))), now_(std::move(now)) {
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

StatusServer::~StatusServer() {
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
}

void StatusServer::Handle(const std::string& path,
                          std::function<HttpAnswer(const std::string&)> handler) {
  impl_->server.Get(path, [impl = impl_.get(), handler = std::move(handler)](
                              const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(impl->one_at_a_time);
    Send(handler(request.path), response);
  });
}

void StatusServer::ServeFiles(const std::string& prefix, const std::string& dir) {
  if (!impl_->server.set_mount_point(prefix, dir)) impl_->missing_dir = dir;
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
  errno = 0;
  port_ = address->port;
  const bool bound = address->port == 0
                         ? (port_ = impl_->server.bind_to_any_port(address->host)) > 0
                         : impl_->server.bind_to_port(address->host, address->port);
  if (!bound) {
    return Invalid("cannot listen on " + host_port + ": " +
                   (errno != 0 ? std::strerror(errno) : "the host has no address here") +
                   "; is the port in use? Port 0 takes any");
  }
  LoopTurned();
  impl_->thread = std::thread([this] { impl_->server.listen_after_bind(); });
  // stop() does nothing before it runs.
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (!impl_->server.is_running()) {
    if (std::chrono::steady_clock::now() > deadline) std::terminate();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Ok();
}

void StatusServer::LoopTurned() { last_turn_ = now_(); }

void StatusServer::SetTrouble(std::string trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

}  // namespace paperboy
