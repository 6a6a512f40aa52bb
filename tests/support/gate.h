// A gate in a TCP link: a port of 127.0.0.1 behind which another one lies, and
// what passes between them can be held up, as on a link that is half open. One
// thread of its own; everything public may be called from any thread.
//
// While a direction is shut, nothing of it is read: not its bytes, not its end.
// Connections stay, new ones are taken, and what was sent meanwhile arrives when
// the gate opens, as TCP would repeat it.
#pragma once

#include <atomic>
#include <list>
#include <string>
#include <thread>

namespace paperboy {

class Gate {
 public:
  // To 127.0.0.1:`target`, whether or not anybody listens there. Throws
  // std::runtime_error when there is no port to listen on.
  explicit Gate(int target);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  int port() const { return port_; }

  enum class Way { kBoth, kToTarget, kFromTarget };
  void Shut(Way way);
  void Open();
  // Breaks every connection, with a reset.
  void Cut();

 private:
  struct Side {
    int fd = -1;
    std::string waiting;  // read from the other side, to be written here
  };
  struct Link {
    Side client, target;
  };

  void Serve();
  void Accept();
  // Each false when the link is over.
  bool Read(Side* from, Side* to);
  bool Write(Side* to);
  bool Pass(Side* from, Side* to, short from_ready, short to_ready);
  void Wake();
  static void Close(Link* link, bool reset);

  const int target_;
  int listen_fd_ = -1;
  int wake_fd_ = -1;
  int port_ = 0;
  std::atomic<bool> to_target_{true}, from_target_{true};  // open
  std::atomic<bool> cut_{false}, stop_{false};
  std::list<Link> links_;  // the thread's own
  std::thread thread_;
};

}  // namespace paperboy
