#include "common/curl_client.h"

#include <curl/curl.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace paperboy {
namespace {

constexpr int kMaxRedirects = 3;
// All headers of one answer; real ones stay below 10 KiB.
constexpr size_t kMaxHeaderBytes = 256 << 10;
constexpr long kKeepAliveSeconds = 30;
// libcurl's own 16 and 64 KiB would be most of what a call in flight needs. The
// second is its least.
constexpr long kReadBufferBytes = 4 << 10;
constexpr long kSendBufferBytes = 16 << 10;

struct SlistDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistDeleter>;

void Append(Slist& list, const std::string& line) {
  curl_slist* const head = curl_slist_append(list.get(), line.c_str());
  if (head == nullptr) return;  // out of memory: the list is as before
  (void)list.release();
  list.reset(head);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// scheme://host:port of a URL, or what is wrong with it.
Result<std::string> Origin(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (const CURLUcode rc = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0); rc) {
    return Invalid(std::string("not a URL of an http or https server: ") + curl_url_strerror(rc));
  }
  std::array<std::string, 3> parts;
  constexpr std::array<CURLUPart, 3> kWanted = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
  for (size_t i = 0; i < parts.size(); ++i) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), kWanted[i], &text, CURLU_DEFAULT_PORT) == CURLUE_OK) {
      parts[i] = text;
    }
    curl_free(text);
  }
  if (parts[0] != "http" && parts[0] != "https") {
    return Invalid("not a URL of an http or https server: its scheme is " + parts[0]);
  }
  return parts[0] + "://" + parts[1] + ":" + parts[2];
}

// Headers that may follow a redirect to another origin.
bool IsHarmless(const std::string& name) {
  const std::string lower = Lower(name);
  return lower == "accept" || lower == "accept-language" || lower == "user-agent" ||
         lower == "if-none-match" || lower == "if-modified-since";
}

Status Check(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "POST") {
    return Invalid("HTTP method " + request.method + " is not supported");
  }
  for (const auto& [name, value] : request.headers) {
    if (name.empty() ||
        (name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return Invalid("HTTP header " + Lower(name.substr(0, name.find_first_of("\r\n"))) +
                     " has no name or holds a line break");
    }
  }
  return Ok();
}

struct Transfer {
  uint64_t id = 0;
  HttpRequest request;
  HttpClient::Callback done;
  std::string origin;
  Loop::TimerId timer = 0;  // its time-out
  int redirects = 0;
  CURL* easy = nullptr;  // null while no transfer runs
  Slist headers;
  std::array<char, CURL_ERROR_SIZE> error{};
  size_t sent = 0;  // of the request's body
  size_t header_bytes = 0;
  bool too_long = false;
  HttpResponse response;
  std::optional<Result<HttpResponse>> outcome;
};

size_t OnRead(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string& body = transfer.request.body;
  if (body.empty()) return 0;
  const size_t bytes = std::min(size * count, body.size() - transfer.sent);
  body.copy(data, bytes, transfer.sent);
  transfer.sent += bytes;
  // It cannot be rewound, so nobody needs it while the answer takes its time.
  if (transfer.sent == body.size()) std::string().swap(body);
  return bytes;
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  std::string& body = transfer.response.body;
  if (bytes > transfer.request.max_body_bytes - body.size()) {
    transfer.too_long = true;
    return CURL_WRITEFUNC_ERROR;
  }
  body.append(data, bytes);
  return bytes;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.too_long = true;
    return 0;
  }
  auto& headers = transfer.response.headers;
  if (line.starts_with("HTTP/")) {
    headers.clear();  // a status line: what came before belonged to a 1xx
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    headers.emplace_back(Lower(Trim(line.substr(0, colon))), Trim(line.substr(colon + 1)));
  }
  return line.size();
}

std::string CaBundle() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) spdlog::critical("libcurl: {}", curl_easy_strerror(initialised));
  const char* path = std::getenv("CURL_CA_BUNDLE");  // read by the curl tool, not by libcurl
  return path == nullptr ? "" : path;
}

}  // namespace

std::string HttpResponse::Header(const std::string& name) const {
  const auto it = std::find_if(headers.rbegin(), headers.rend(),
                               [&](const auto& header) { return header.first == name; });
  return it == headers.rend() ? "" : it->second;
}

struct CurlClient::Impl {
  Impl(EpollLoop& l, size_t max)
      : loop(l), max_connections(std::max<size_t>(max, 1)), ca_bundle(CaBundle()) {
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::OnSocket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::OnTimer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(max_connections));
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(max_connections));
  }

  ~Impl() {
    *alive = false;
    for (auto& [id, transfer] : transfers) {
      Detach(*transfer);
      loop.Cancel(transfer->timer);
    }
    for (CURL* easy : idle) curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    loop.Cancel(curl_timer);
    loop.Cancel(deliver_timer);
  }

  static int OnSocket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto& self = *static_cast<Impl*>(user);
    if (what == CURL_POLL_REMOVE) {
      self.loop.Unwatch(fd);
      return 0;
    }
    const uint32_t events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
    self.loop.Watch(fd, events, [&self, fd](uint32_t ready) {
      const int mask = ((ready & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                       ((ready & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                       ((ready & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
      self.Drive(fd, mask);
    });
    return 0;
  }

  static int OnTimer(CURLM*, long timeout_ms, void* user) {
    auto& self = *static_cast<Impl*>(user);
    self.loop.Cancel(self.curl_timer);
    self.curl_timer = 0;
    if (timeout_ms >= 0) {
      self.curl_timer = self.loop.After(Milliseconds(timeout_ms), [&self] {
        self.curl_timer = 0;
        self.Drive(CURL_SOCKET_TIMEOUT, 0);
      });
    }
    return 0;
  }

  void Drive(curl_socket_t fd, int mask) {
    int running = 0;
    curl_multi_socket_action(multi, fd, mask, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* user = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      Finish(*reinterpret_cast<Transfer*>(user), message->data.result);
    }
    Deliver();
  }

  uint64_t Start(HttpRequest request, Callback done) {
    const uint64_t id = next_id++;
    auto owned = std::make_unique<Transfer>();
    Transfer& transfer = *owned;
    transfers.emplace(id, std::move(owned));
    transfer.id = id;
    transfer.request = std::move(request);
    transfer.done = std::move(done);
    // libcurl's own time-out does not count while a request waits for a
    // connection.
    transfer.timer = loop.After(transfer.request.timeout, [this, &transfer] { TimeOut(transfer); });
    if (const Status checked = Check(transfer.request); !checked.ok()) {
      Settle(transfer, checked.error());
    } else {
      Begin(transfer);
    }
    return id;
  }

  // Sends the request, the first time or after a redirect.
  void Begin(Transfer& transfer) {
    Result<std::string> origin = Origin(transfer.request.url);
    if (!origin.ok()) return Settle(transfer, origin.error());
    transfer.origin = *origin;
    if (idle.empty()) {
      transfer.easy = curl_easy_init();
    } else {
      transfer.easy = idle.back();
      idle.pop_back();
    }
    SetOptions(transfer);
    const CURLMcode rc = curl_multi_add_handle(multi, transfer.easy);
    if (rc != CURLM_OK) {
      Detach(transfer);
      Settle(transfer, Unavailable(transfer.origin + ": " + curl_multi_strerror(rc)));
    }
  }

  void SetOptions(Transfer& transfer) {
    const HttpRequest& request = transfer.request;
    CURL* const easy = transfer.easy;
    SetHeaders(transfer);
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PRIVATE, reinterpret_cast<char*>(&transfer));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // A name look-up that outlasts its time is left behind on its own thread;
    // without this libcurl would wait for it, and the loop with it.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReadBufferBytes);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kSendBufferBytes);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "paperboy/" PAPERBOY_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     std::max(1L, long{request.connect_timeout.count()}));  // 0: no limit
    // Without a folder of certificates libcurl reads the bundle once and keeps it;
    // with one, as Debian's default has it, it does so for every connection.
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    if (!ca_bundle.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, ca_bundle.c_str());
    if (request.method == "POST") {
      // Handed over by a function that cannot rewind. A request on a reused
      // connection that dies before the answer would otherwise be sent again by
      // libcurl itself: a call that no limiter and no ledger knows of.
      curl_easy_setopt(easy, CURLOPT_POST, 1L);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      transfer.sent = 0;
      curl_easy_setopt(easy, CURLOPT_READFUNCTION, OnRead);
      curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
    }
  }

  static void SetHeaders(Transfer& transfer) {
    transfer.headers.reset();
    for (const auto& [name, value] : transfer.request.headers) {
      Append(transfer.headers, value.empty() ? name + ";" : name + ": " + value);
    }
    Append(transfer.headers, "Expect:");  // no round trip before a long body
    curl_easy_setopt(transfer.easy, CURLOPT_HTTPHEADER, transfer.headers.get());
  }

  // Takes the transfer's handle back from libcurl, into the pool.
  void Detach(Transfer& transfer) {
    if (transfer.easy == nullptr) return;
    curl_multi_remove_handle(multi, transfer.easy);
    if (idle.size() < max_connections) {
      curl_easy_reset(transfer.easy);
      idle.push_back(transfer.easy);
    } else {
      curl_easy_cleanup(transfer.easy);
    }
    transfer.easy = nullptr;
  }

  void TimeOut(Transfer& transfer) {
    Detach(transfer);
    Settle(transfer,
           Failed(transfer, ErrorKind::kTimedOut,
                  "timed out after " + std::to_string(transfer.request.timeout.count()) + " ms"));
  }

  static Error Failed(const Transfer& transfer, ErrorKind kind, const std::string& why) {
    const bool unreached = transfer.request.method == "POST" && transfer.sent == 0;
    return {unreached ? ErrorKind::kUnreached : kind, transfer.origin + ": " + why};
  }

  static Error NotTrusted(const Transfer& transfer, const std::string& why) {
    return {ErrorKind::kUntrusted,
            transfer.origin + ": " + why +
                "; nothing was sent. Check the URL's host name and this machine's clock; a "
                "certificate of your own, or a proxy's, is trusted when CURL_CA_BUNDLE names a "
                "file with it"};
  }

  void Finish(Transfer& transfer, CURLcode rc) {
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    char* redirect = nullptr;
    curl_easy_getinfo(transfer.easy, CURLINFO_REDIRECT_URL, &redirect);
    const std::string target = redirect == nullptr ? "" : redirect;
    Detach(transfer);
    transfer.response.status = static_cast<int>(status);
    if (rc == CURLE_PEER_FAILED_VERIFICATION) {
      Settle(transfer, NotTrusted(transfer, Reason(transfer, rc)));
    } else if (rc == CURLE_SSL_CACERT_BADFILE) {
      Settle(transfer, Invalid(transfer.origin + ": CURL_CA_BUNDLE: " + Reason(transfer, rc)));
    } else if (rc != CURLE_OK) {
      Settle(transfer, Failed(transfer, ErrorKind::kUnavailable, Reason(transfer, rc)));
    } else if (transfer.request.follow_redirects && transfer.request.method == "GET" &&
               !target.empty()) {
      Redirect(transfer, target);
    } else {
      Settle(transfer, std::move(transfer.response));
    }
  }

  static std::string Reason(const Transfer& transfer, CURLcode rc) {
    if (transfer.too_long) {
      return transfer.header_bytes > kMaxHeaderBytes
                 ? "headers longer than " + std::to_string(kMaxHeaderBytes) + " bytes"
                 : "answer longer than " + std::to_string(transfer.request.max_body_bytes) +
                       " bytes";
    }
    return transfer.error[0] != '\0' ? transfer.error.data() : curl_easy_strerror(rc);
  }

  void Redirect(Transfer& transfer, const std::string& target) {
    if (++transfer.redirects > kMaxRedirects) {
      return Settle(transfer, Unavailable(transfer.origin + ": more than " +
                                          std::to_string(kMaxRedirects) + " redirects"));
    }
    const Result<std::string> origin = Origin(target);
    if (!origin.ok()) {
      return Settle(transfer, Unavailable(transfer.origin + ": redirects to " + "what is " +
                                          origin.error().message));
    }
    if (*origin != transfer.origin) {
      std::erase_if(transfer.request.headers,
                    [](const auto& header) { return !IsHarmless(header.first); });
    }
    transfer.request.url = target;
    transfer.response = {};
    transfer.header_bytes = 0;
    Begin(transfer);
  }

  void Settle(Transfer& transfer, Result<HttpResponse> outcome) {
    loop.Cancel(transfer.timer);
    transfer.outcome.emplace(std::move(outcome));
    settled.push_back(transfer.id);
    if (deliver_timer == 0) {
      deliver_timer = loop.After(Milliseconds{0}, [this] { Deliver(); });
    }
  }

  // Calls back for all that has settled. Callbacks may start, cancel, and
  // destroy this.
  void Deliver() {
    loop.Cancel(deliver_timer);
    deliver_timer = 0;
    const std::shared_ptr<bool> still_alive = alive;
    for (size_t left = settled.size(); left > 0; --left) {
      const auto it = transfers.find(settled.front());
      settled.pop_front();
      if (it == transfers.end()) continue;  // cancelled
      const std::unique_ptr<Transfer> transfer = std::move(it->second);
      transfers.erase(it);
      transfer->done(*std::move(transfer->outcome));
      if (!*still_alive) return;
    }
  }

  void Cancel(uint64_t id) {
    const auto it = transfers.find(id);
    if (it == transfers.end()) return;
    Detach(*it->second);
    loop.Cancel(it->second->timer);
    transfers.erase(it);
  }

  EpollLoop& loop;
  const size_t max_connections;
  const std::string ca_bundle;
  CURLM* multi = nullptr;
  Loop::TimerId curl_timer = 0;
  Loop::TimerId deliver_timer = 0;
  uint64_t next_id = 1;
  std::unordered_map<uint64_t, std::unique_ptr<Transfer>> transfers;
  std::deque<uint64_t> settled;
  std::vector<CURL*> idle;  // at most max_connections
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

CurlClient::CurlClient(EpollLoop& loop, size_t max_connections)
    : impl_(std::make_unique<Impl>(loop, max_connections)) {}
CurlClient::~CurlClient() = default;

uint64_t CurlClient::Start(HttpRequest request, Callback done) {
  return impl_->Start(std::move(request), std::move(done));
}
void CurlClient::Cancel(uint64_t id) { impl_->Cancel(id); }
size_t CurlClient::in_flight() const { return impl_->transfers.size(); }

}  // namespace paperboy
