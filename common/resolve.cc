#include "common/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace paperboy {
namespace {

using Addresses = std::vector<std::string>;

bool IsNumeric(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

Result<Addresses> LookUpBlocking(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int rc = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); rc != 0) {
    return Unavailable("cannot find the host " + host + ": " + ::gai_strerror(rc));
  }
  Addresses v4;
  Addresses v6;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> text;
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      (entry->ai_family == AF_INET ? v4 : v6).emplace_back(text.data());
    }
  }
  ::freeaddrinfo(list);
  v4.insert(v4.end(), v6.begin(), v6.end());
  if (v4.empty()) return Unavailable("cannot find the host " + host + ": it has no address");
  return v4;
}

}  // namespace

// Shared by the loop's thread and the one that looks up.
struct Resolver::LookUp {
  explicit LookUp(std::string h)
      : host(std::move(h)), fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~LookUp() {
    if (fd >= 0) ::close(fd);
  }
  LookUp(const LookUp&) = delete;
  LookUp& operator=(const LookUp&) = delete;

  void Run() {
    Result<Addresses> found = LookUpBlocking(host);
    const std::lock_guard lock(mutex);
    result.emplace(std::move(found));
    ::eventfd_write(fd, 1);
  }

  const std::string host;
  const int fd;  // readable when there is a result
  std::mutex mutex;
  std::optional<Result<Addresses>> result;
};

Resolver::~Resolver() { Forget(); }

void Resolver::Resolve(const std::string& host, Milliseconds timeout, Callback done) {
  Forget();
  done_ = std::move(done);
  if (IsNumeric(host)) {
    timer_ = loop_.After(Milliseconds{0}, [this, host] { Finish(Addresses{host}); });
    return;
  }
  timer_ = loop_.After(timeout, [this, host, timeout] {
    Finish(Unavailable("cannot find the host " + host + ": no answer within " +
                       std::to_string(timeout.count()) + " ms"));
  });
  if (look_up_ == nullptr || look_up_->host != host) {
    look_up_ = std::make_shared<LookUp>(host);
    try {
      std::thread([look_up = look_up_] { look_up->Run(); }).detach();
    } catch (const std::system_error&) {
      look_up_.reset();  // no thread to be had: the time-out answers
      return;
    }
  }
  loop_.Watch(look_up_->fd, EPOLLIN, [this](uint32_t) { Finish(TakeResult()); });
}

Result<std::vector<std::string>> Resolver::TakeResult() {
  loop_.Unwatch(look_up_->fd);
  const std::shared_ptr<LookUp> ended = std::move(look_up_);
  const std::lock_guard lock(ended->mutex);
  return *std::move(ended->result);
}

void Resolver::Finish(Result<Addresses> result) {
  Forget();
  const Callback done = std::move(done_);
  done(std::move(result));
}

void Resolver::Forget() {
  loop_.Cancel(timer_);
  timer_ = 0;
  if (look_up_ != nullptr) loop_.Unwatch(look_up_->fd);
}

}  // namespace paperboy
