#include "tests/bench/grants.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

namespace paperboy::bench {
namespace {

// The value of a hash field in a line such as ... "HSET" "key" "tr" "1.5" "tt" "2"
std::string Field(const std::string& line, const std::string& name) {
  const std::string before = "\"" + name + "\" \"";
  const size_t at = line.find(before);
  if (at == std::string::npos) return "";
  const size_t begin = at + before.size();
  return line.substr(begin, line.find('"', begin) - begin);
}

}  // namespace

Grants::Grants(int port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  constexpr std::string_view kMonitor = "MONITOR\r\n";
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(fd_, kMonitor.data(), kMonitor.size(), MSG_NOSIGNAL) < 0) {
    ::close(fd_);
    throw std::runtime_error("no Redis to listen to");
  }
  thread_ = std::thread([this] { Listen(); });
}

Grants::~Grants() {
  ::shutdown(fd_, SHUT_RDWR);
  thread_.join();
  ::close(fd_);
}

void Grants::Listen() {
  std::string text;
  std::array<char, 65536> part;
  ssize_t n = 0;
  while ((n = ::recv(fd_, part.data(), part.size(), 0)) > 0) {
    text.append(part.data(), static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end; (end = text.find("\r\n", begin)) != std::string::npos; begin = end + 2) {
      OnLine(text.substr(begin, end - begin));
    }
    text.erase(0, begin);
  }
}

void Grants::OnLine(const std::string& line) {
  if (line.find(" lua] \"HSET\" \"paperboy:limit:") == std::string::npos) return;
  const std::string tr = Field(line, "tr"), at = Field(line, "at");
  std::lock_guard lock(mutex_);
  if (tr.empty() || at.empty() || tr == last_tr_) return;
  last_tr_ = tr;
  send_times_.push_back(std::stod(at));
}

size_t Grants::Due(double before_now) const {
  const double now =
      std::chrono::duration<double, std::micro>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(send_times_.begin(), send_times_.end(), [&](double at) {
    return at <= now - before_now * 1e6;
  }));
}

}  // namespace paperboy::bench
