#include "fetcher/gaps.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "fetcher/settings.h"

namespace paperboy {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;

date::sys_days Day(const std::string& text) { return *ParseDate(text); }

void Know(const std::string& date, const std::string& state, bool mendable, wire::Days* days) {
  wire::DayState* day = days->add_days();
  day->set_date(date);
  day->set_state(state);
  day->set_mendable(mendable);
  day->set_why("because");
}

std::vector<std::string> Told(const wire::Days& days) {
  std::vector<std::string> told;
  for (const Gap& gap : GapsIn(days, Day("2026-09-11"), Day("2026-09-18"))) {
    told.push_back(FormatDate(gap.day) + " " + gap.state + (gap.mendable ? "" : " for good"));
  }
  return told;
}

TEST(Gaps, AreDatesWithAnAnnouncementThatAreNotComplete) {
  wire::Days days;
  days.set_first("2026-09-10");
  Know("2026-09-12", "failed", false, &days);  // a Saturday
  Know("2026-09-14", "published", false, &days);
  Know("2026-09-15", "published", true, &days);
  Know("2026-09-16", "withheld", false, &days);
  Know("2026-09-17", "waiting", false, &days);
  Know("2026-09-18", "sealed", false, &days);

  EXPECT_THAT(Told(days), ElementsAre("2026-09-11 missing", "2026-09-15 published",
                                      "2026-09-16 withheld for good", "2026-09-17 waiting",
                                      "2026-09-18 sealed"));
}

TEST(Gaps, ADigestOfADayWithoutAnnouncementIsMendedToo) {
  wire::Days days;
  days.set_first("2026-09-19");
  Know("2026-09-12", "published", true, &days);  // a Saturday
  EXPECT_THAT(Told(days), IsEmpty()) << "without a digest";
  days.mutable_days(0)->set_revision("r1");
  EXPECT_THAT(Told(days), ElementsAre("2026-09-12 published"));
  days.mutable_days(0)->set_mendable(false);
  EXPECT_THAT(Told(days), IsEmpty());
}

TEST(Gaps, WhatLiesBeforeTheFirstDateIsNoGap) {
  wire::Days days;
  EXPECT_THAT(Told(days), IsEmpty());
  days.set_first("2026-09-17");
  Know("2026-09-17", "published", false, &days);
  EXPECT_THAT(Told(days), ElementsAre("2026-09-18 missing"));
  Know("2026-09-15", "open", true, &days);
  EXPECT_THAT(Told(days), ElementsAre("2026-09-15 open", "2026-09-18 missing"))
      << "but for what is known and waits, as of a redo";
}

TEST(Gaps, AreFilledByAsFewCommandsAsPossible) {
  std::vector<Gap> gaps;
  for (const char* date : {"2026-09-11", "2026-09-14", "2026-09-16"}) {
    gaps.push_back({Day(date), "missing", "", true});
  }
  gaps.push_back({Day("2026-09-17"), "withheld", "", false});

  const FillCommands commands{"paperboy-fetcher --profile profiles/ml", "paperboy-aggregator redo"};
  const std::string text = GapsText("ml", commands, gaps);

  EXPECT_THAT(text, HasSubstr("--profile profiles/ml --from 2026-09-11 --to 2026-09-14\n"));
  EXPECT_THAT(text, HasSubstr("--from 2026-09-16 --to 2026-09-16\n"));
  EXPECT_THAT(text, HasSubstr("paperboy-aggregator redo 2026-09-17\n"
                              "paperboy-fetcher --profile profiles/ml --from 2026-09-17 --to "
                              "2026-09-17\n"));
  EXPECT_EQ(GapsText("ml", commands, {}), "ml: no gaps\n");
}

TEST(Gaps, OfALongListTheFirstHundredAreShownAndAllAreFilled) {
  std::vector<Gap> gaps;
  for (const date::sys_days day : PagesBetween(Day("2025-01-02"), Day("2026-01-02"))) {
    gaps.push_back({day, "missing", "", true});
    if (gaps.size() == 137) break;
  }
  const FillCommands commands{"fetch", "redo"};
  const auto lines = [&] {
    const std::string text = GapsText("ml", commands, gaps);
    return std::count(text.begin(), text.end(), '\n');
  };
  const std::string first = FormatDate(gaps.front().day);
  const std::string last = FormatDate(gaps.back().day);
  EXPECT_THAT(GapsText("ml", commands, gaps),
              testing::AllOf(HasSubstr(FormatDate(gaps[99].day) + "  missing"),
                             testing::Not(HasSubstr(FormatDate(gaps[100].day))),
                             HasSubstr("\nand 37 more to " + last + "; --from and --to show"),
                             HasSubstr("fetch --from " + first + " --to " + last + "\n")));
  EXPECT_EQ(lines(), 1 + 100 + 1 + 1 + 1) << "heading, gaps, how many more, title, command";
  gaps.resize(100);
  EXPECT_EQ(lines(), 1 + 100 + 1 + 1);
}

TEST(Gaps, NeighboursToRedoAreFetchedTogether) {
  std::vector<Gap> gaps;
  for (const char* date : {"2026-09-10", "2026-09-11", "2026-09-14", "2026-09-16"}) {
    gaps.push_back({Day(date), "withheld", "", false});
  }
  gaps.push_back({Day("2026-09-17"), "missing", "", true});
  const std::string text = GapsText("ml", {"fetch", "redo"}, gaps);
  EXPECT_EQ(text.substr(text.find("To fill")),
            "To fill them:\n"
            "redo 2026-09-10\nredo 2026-09-11\nredo 2026-09-14\n"
            "fetch --from 2026-09-10 --to 2026-09-14\n"
            "redo 2026-09-16\n"
            "fetch --from 2026-09-16 --to 2026-09-16\n"
            "fetch --from 2026-09-17 --to 2026-09-17\n");
}

TEST(Gaps, OfManyCommandsTheFirstAreShown) {
  const std::vector<date::sys_days> pages = PagesBetween(Day("2022-01-03"), Day("2024-12-31"));
  ASSERT_GT(pages.size(), 600u);
  const auto commands = [](const std::vector<Gap>& gaps) {
    const std::string text = GapsText("ml", {"fetch", "redo"}, gaps);
    return text.substr(text.find("To fill"));
  };
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto left_out = [](const char* dates) {
    return testing::EndsWith("\n# and so on: after these, gaps has the commands for the other " +
                             std::string(dates) + "\n");
  };
  std::vector<Gap> gaps;
  for (int i = 0; i < 500; ++i) gaps.push_back({pages[i], "withheld", "", false});
  std::string text = commands(gaps);
  EXPECT_EQ(lines(text), 1 + 100 + 1 + 1) << "title, redo, fetch, what is left out";
  EXPECT_THAT(text, HasSubstr("redo " + FormatDate(pages[99]) + "\nfetch --from " +
                              FormatDate(pages[0]) + " --to " + FormatDate(pages[99]) + "\n"));
  EXPECT_THAT(text, left_out("400 dates"));

  gaps.clear();
  for (int i = 0; i < 100; ++i) {
    for (const int page : {4 * i, 4 * i + 1}) gaps.push_back({pages[page], "missing", "", true});
  }
  text = commands(gaps);
  EXPECT_EQ(lines(text), 1 + 100) << "ranges of two dates";

  for (int i = 500; i < 505; ++i) gaps.push_back({pages[i], "missing", "", true});
  gaps.push_back({pages[600], "withheld", "", false});
  text = commands(gaps);
  EXPECT_EQ(lines(text), 1 + 2 + 100 + 1);
  EXPECT_THAT(text, left_out("5 dates"));
}

FillCommands Commands(std::vector<const char*> arguments, const char* program) {
  Options options = FetcherOptions();
  arguments.insert(arguments.begin(), program);
  const auto parsed = options.Parse(static_cast<int>(arguments.size()), arguments.data(),
                                    [](const char*) { return nullptr; });
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return CommandsFor(options, program, "my profiles/ml");
}

TEST(Gaps, AreFilledByCommandsWithWhatWasGivenToThisOne) {
  const FillCommands commands =
      Commands({"gaps", "--profile", "my profiles/ml", "--profile=other", "--aggregator",
                "tcp://there:1", "--contact", "it's me", "--source=oai", "--no-wait", "--from",
                "2026-09-01", "--to", "2026-09-30", "--deadline", "5s", "--dry-run"},
               "bin/paperboy-fetcher");

  EXPECT_EQ(commands.fetch,
            "bin/paperboy-fetcher --source oai --aggregator tcp://there:1 --no-wait "
            "--contact 'it'\\''s me' --profile 'my profiles/ml'");
  EXPECT_EQ(commands.redo, "bin/paperboy-aggregator --bind-fetchers tcp://there:1 redo");
  EXPECT_THAT(commands.left_out, IsEmpty());
}

TEST(Gaps, AreFilledByPlainCommandsWhereNothingWasGiven) {
  const FillCommands commands = Commands({"gaps"}, "paperboy-fetcher");

  EXPECT_EQ(commands.fetch, "paperboy-fetcher --profile 'my profiles/ml'");
  EXPECT_EQ(commands.redo, "paperboy-aggregator redo");
  EXPECT_EQ(Commands({"gaps", "--source", "rss"}, "paperboy-fetcher").fetch,
            "paperboy-fetcher --source auto --profile 'my profiles/ml'")
      << "rss has no past";
}

TEST(Gaps, CommandsThatFillThemHoldNoPassword) {
  const FillCommands commands =
      Commands({"gaps", "--redis", "redis://:hunter2@there:6379"}, "paperboy-fetcher");

  EXPECT_EQ(commands.fetch, "paperboy-fetcher --profile 'my profiles/ml'");
  EXPECT_THAT(commands.left_out, ElementsAre("--redis"));
  const std::string text = GapsText("ml", commands, {{Day("2026-09-11"), "missing", "", true}});
  EXPECT_THAT(text, HasSubstr("with --redis as you gave it, which holds a password"));
}

TEST(Gaps, ADayOffByRuleIsNoGapAndIsNamed) {
  wire::Days days;
  days.set_first("2030-11-25");
  const auto told = [&] { return GuessesText(days, Day("2030-11-25"), Day("2030-12-02")); };
  EXPECT_EQ(told(),
            "2030-11-29 is no gap: no mailing on the evening of 2030-11-28 (Thanksgiving, by rule, "
            "not announced by arXiv yet)\n");
  Know("2030-11-29", "holiday", false, &days);
  EXPECT_THAT(told(), HasSubstr("2030-11-29"));
  days.mutable_days(0)->set_state("published");
  EXPECT_EQ(told(), "") << "it was announced";
  EXPECT_EQ(GuessesText(days, Day("2026-11-01"), Day("2026-12-31")), "") << "are listed";
}

}  // namespace
}  // namespace paperboy
