#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

Process Shell(const std::string& script, const Process::Environment& env = {},
              const std::string& output_file = "") {
  return Process({"sh", "-c", script}, env, output_file);
}

TEST(ChildProcessTest, TellsExitStatusAndOutput) {
  Process process = Shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(process.Wait(kPatience), (Process::Exit{3, 0}));
  EXPECT_EQ(process.Stdout(), "out\n");
  EXPECT_EQ(process.Stderr(), "err\n");
  EXPECT_FALSE(process.running());
}

TEST(ChildProcessTest, TellsTheSignalThatEndedIt) {
  Process process = Shell("echo up; exec sleep 1000");
  ASSERT_TRUE(process.WaitForOutput("up", kPatience));
  EXPECT_EQ(process.Wait(std::chrono::milliseconds(1)), std::nullopt);
  EXPECT_FALSE(process.WaitForOutput("down", std::chrono::milliseconds(1)));
  process.Kill(SIGTERM);
  EXPECT_EQ(process.Wait(kPatience), (Process::Exit{-1, SIGTERM}));
}

TEST(ChildProcessTest, DoesNotInheritBlockedSignals) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, nullptr);
  Process process = Shell("exec sleep 1000");
  ::pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
  process.Kill(SIGTERM);
  EXPECT_EQ(process.Wait(kPatience), (Process::Exit{-1, SIGTERM}));
}

TEST(ChildProcessTest, AddsToTheEnvironmentAndTakesAway) {
  Process process =
      Shell("echo \"$PAPERBOY_ADDED-${HOME-none}\"", {{"PAPERBOY_ADDED", "yes"}, {"HOME", ""}});
  EXPECT_EQ(process.Wait(kPatience), (Process::Exit{0, 0}));
  EXPECT_EQ(process.Stdout(), "yes-none\n");
}

TEST(ChildProcessTest, AppendsToAFile) {
  const TempDir dir;
  const std::string file = dir.File("log");
  for (int i = 0; i < 2; ++i) {
    Process process = Shell("echo out; echo err >&2", {}, file);
    EXPECT_EQ(process.Wait(kPatience), (Process::Exit{0, 0}));
  }
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_EQ(text.str(), "out\nerr\nout\nerr\n");
}

TEST(ChildProcessTest, ProgramThatIsMissingEndsWith127) {
  Process process({"/no/such/program"});
  EXPECT_EQ(process.Wait(kPatience), (Process::Exit{127, 0}));
  EXPECT_THAT(process.Stderr(), HasSubstr("cannot start /no/such/program"));
}

TEST(ChildProcessTest, DestructorKillsAndReaps) {
  pid_t pid = 0;
  {
    const Process process = Shell("trap '' TERM; while :; do sleep 1000; done");
    pid = process.pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(TempDirTest, IsRemovedWithItsContents) {
  std::filesystem::path path;
  {
    const TempDir dir;
    path = dir.path();
    std::ofstream(dir.File("file")) << "x";
    EXPECT_TRUE(std::filesystem::exists(path / "file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace paperboy
