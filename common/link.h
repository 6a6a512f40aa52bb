// The two ends of a link as the processes see them: frames to and from peers that
// come and go, sent without waiting. Over ZeroMQ in the programs (socket.h). One
// thread.
#pragma once

#include <functional>
#include <string>

namespace paperboy {

struct Frame {
  std::string peer;  // a name for the connection that it came by
  std::string body;
};

// The aggregator's end of a link: many peers. Nothing waits.
class Router {
 public:
  virtual ~Router() = default;
  // False when the peer is gone or its queue is full; the frame is then not sent.
  virtual bool SendTo(const std::string& peer, const std::string& frame) = 0;
  virtual bool Receive(Frame* frame) = 0;  // false when there is nothing
  // Calls `fn`, once a turn of the loop, while there is a frame to receive;
  // an empty `fn` ends that.
  virtual void OnReadable(std::function<void()> fn) = 0;
};

// The other end: one peer. The same, but a frame is also not sent while there is
// no connection.
class Dealer {
 public:
  virtual ~Dealer() = default;
  virtual bool Send(const std::string& frame) = 0;
  virtual bool Receive(std::string* body) = 0;
  virtual void OnReadable(std::function<void()> fn) = 0;
  // Why the other end takes no connection from here, for people; empty while none is known.
  virtual std::string refusal() const { return ""; }
};

}  // namespace paperboy
