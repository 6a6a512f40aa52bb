// A child process that cannot outlive its test: killed and reaped by the
// destructor, and by the kernel when the thread that started it ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace paperboy {

class Process {
 public:
  struct Exit {
    int code = -1;   // exit status; -1 when a signal ended it
    int signal = 0;  // 0 when it exited by itself
    bool operator==(const Exit&) const = default;
  };
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // Starts argv[0], looked up in PATH, with this process's environment and
  // `env` added to it (an empty value removes the name). Its standard output
  // and error are captured, or appended to `output_file` if one is named. A
  // program that cannot be started ends with code 127 and says why.
  explicit Process(std::vector<std::string> argv, const Environment& env = {},
                   const std::string& output_file = "");
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;

  pid_t pid() const { return pid_; }
  bool running();

  // Sends `signal`; harmless once it has ended.
  void Kill(int signal);
  // How it ended, or nothing if it still runs after `timeout`.
  std::optional<Exit> Wait(std::chrono::milliseconds timeout);

  // What it wrote so far. With an output file both are that file's text.
  std::string Stdout() const;
  std::string Stderr() const;
  // Waits until Stdout() or Stderr() contains `text`. False when it has ended
  // without that, or `timeout` has passed.
  bool WaitForOutput(const std::string& text, std::chrono::milliseconds timeout);

 private:
  void Reap(int options);

  pid_t pid_ = -1;
  int stdout_fd_ = -1;
  int stderr_fd_ = -1;
  std::optional<Exit> exit_;
};

}  // namespace paperboy
