#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace paperboy {
namespace {

constexpr std::chrono::milliseconds kPoll{5};

std::vector<std::string> MergedEnvironment(const Process::Environment& additions) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) merged[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : additions) {
    if (value.empty()) {
      merged.erase(name);
    } else {
      merged[name] = value;
    }
  }
  std::vector<std::string> lines;
  for (const auto& [name, value] : merged) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

int Open(const std::string& output_file, const char* name) {
  const int fd = output_file.empty()
                     ? ::memfd_create(name, MFD_CLOEXEC)
                     : ::open(output_file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) throw std::runtime_error("cannot open the output of a process: " + output_file);
  return fd;
}

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void Exec(pid_t parent, int out, int err, char** argv, char** env) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGHUP, SIG_DFL);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  // A listening socket of the test must not stay open in its children.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execvpe(argv[0], argv, env);
  const char* why = ::strerrordesc_np(errno);
  for (const char* part : {"cannot start ", static_cast<const char*>(argv[0]), ": ", why, "\n"}) {
    if (::write(STDERR_FILENO, part, ::strlen(part)) < 0) break;
  }
  ::_exit(127);
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t n;
  while ((n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  return text;
}

}  // namespace

Process::Process(std::vector<std::string> argv, const Environment& env,
                 const std::string& output_file) {
  stdout_fd_ = Open(output_file, "stdout");
  stderr_fd_ = Open(output_file, "stderr");
  std::vector<std::string> env_lines = MergedEnvironment(env);
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> env_pointers = Pointers(env_lines);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    Exec(parent, stdout_fd_, stderr_fd_, const_cast<char**>(argv_pointers.data()),
         const_cast<char**>(env_pointers.data()));
  }
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      stdout_fd_(std::exchange(other.stdout_fd_, -1)),
      stderr_fd_(std::exchange(other.stderr_fd_, -1)),
      exit_(std::exchange(other.exit_, Exit{})) {}

Process::~Process() {
  if (pid_ > 0 && !exit_) {
    Kill(SIGKILL);
    Reap(0);
  }
  if (stdout_fd_ >= 0) ::close(stdout_fd_);
  if (stderr_fd_ >= 0) ::close(stderr_fd_);
}

bool Process::running() {
  Reap(WNOHANG);
  return !exit_;
}

void Process::Kill(int signal) {
  Reap(WNOHANG);
  if (!exit_) ::kill(pid_, signal);
}

std::optional<Process::Exit> Process::Wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (running() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPoll);
  }
  return exit_;
}

std::string Process::Stdout() const { return ReadAll(stdout_fd_); }
std::string Process::Stderr() const { return ReadAll(stderr_fd_); }

bool Process::WaitForOutput(const std::string& text, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const bool last = !running() || std::chrono::steady_clock::now() >= deadline;
    if (Stdout().find(text) != std::string::npos || Stderr().find(text) != std::string::npos) {
      return true;
    }
    if (last) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

void Process::Reap(int options) {
  if (exit_) return;
  int status = 0;
  pid_t reaped;
  do {
    reaped = ::waitpid(pid_, &status, options);
  } while (reaped < 0 && errno == EINTR);
  if (reaped != pid_) return;
  exit_ = WIFSIGNALED(status) ? Exit{-1, WTERMSIG(status)} : Exit{WEXITSTATUS(status), 0};
}

}  // namespace paperboy
