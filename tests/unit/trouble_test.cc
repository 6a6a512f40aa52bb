// What cannot be done for now is said seldom.
#include "aggregator/trouble.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace paperboy {
namespace {

using namespace std::chrono_literals;

TEST(Trouble, IsSaidWhenItBeginsEveryMinuteAndWhenItIsOver) {
  testing::internal::CaptureStdout();
  Trouble trouble("it is written again");
  trouble.Over();
  const MonotonicTime begin{};
  for (auto time = 0s; time < 150s; time += 1s) {
    trouble.Note(time < 90s ? "no room" : "no disk", begin + time, "COMMIT");
    EXPECT_EQ(trouble.why(), time < 90s ? "no room" : "no disk");
  }
  trouble.Over();
  trouble.Over();
  EXPECT_EQ(trouble.why(), "");
  const std::string logged = testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(logged.begin(), logged.end(), '\n'), 4) << logged;
  size_t at = 0;
  for (const char* line :
       {"] no room (COMMIT)\n", "] still: no room (COMMIT)\n", "] still: no disk (COMMIT)\n",
        "] the trouble is over: it is written again\n"}) {
    at = logged.find(line, at);
    EXPECT_NE(at, logged.npos) << line << logged;
  }
}

TEST(Trouble, ThatComesAndGoesIsSaidEveryMinute) {
  testing::internal::CaptureStdout();
  Trouble trouble("it is written again");
  const MonotonicTime begin{};
  for (auto time = 0s; time < 90s; time += 1s) {
    trouble.Note("no room", begin + time);
    trouble.Over();
  }
  trouble.Note("no disk", begin + 90s);
  const std::string logged = testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(logged.begin(), logged.end(), '\n'), 5) << logged;
  EXPECT_NE(logged.find("] no disk\n"), logged.npos) << "another one is said at once" << logged;
}

}  // namespace
}  // namespace paperboy
