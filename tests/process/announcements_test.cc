// A week of announcements as a daily run meets them: on time, stale, late, away, none.
#include "tests/process/digest_test.h"
#include "tests/support/fake_clock.h"
#include "tests/support/mailings.h"

namespace paperboy {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr int kPapersADay = 8;
// From the day after Labor Day, which has no page.
const char* const kDates[] = {"2026-09-09", "2026-09-10", "2026-09-11", "2026-09-14", "2026-09-15"};

std::vector<ArxivPaper> PapersOfAllDates() {
  // None is held: what is rebuilt is what was announced.
  return Mailings{.papers = kPapersADay, .one_held_in = 1 << 30}.Between(*ParseDate(kDates[0]),
                                                                         *ParseDate(kDates[4]));
}

class Announcements : public testing::Test {
 protected:
  Announcements() : system_(Settings()), profile_(system_.WriteProfile("ml")) {
    At(kDates[0]);
    system_.StartAggregator();
    system_.StartScorers(1, "lexical");
  }
  System::Settings Settings() const {
    System::Settings settings;
    settings.date = kDates[0];
    settings.papers = PapersOfAllDates();
    settings.env = clock_.env();
    return settings;
  }
  // 00:40 Eastern of that date, with arXiv's feeds built.
  void At(const std::string& date, const std::string& faults = "") {
    clock_.Set(EasternTime(*ParseDate(date), std::chrono::minutes(40)));
    system_.arxiv().SetDate(date);
    system_.arxiv().SetFaults(faults);
  }
  System::Run Fetch(const System::Arguments& more = {}) {
    System::Arguments arguments = {"--arxiv-interval", "0.01", "--profile", profile_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return system_.RunFetcher(arguments);
  }
  // That the files say so; they are written a moment after the fetcher was answered.
  void ExpectState(const std::string& date, const std::string& state) {
    nlohmann::json digest;
    EXPECT_TRUE(WaitUntil([&] { return !(digest = system_.DigestJson(date, "ml")).is_null(); },
                          seconds(10)))
        << date;
    if (!digest.is_null()) EXPECT_EQ(digest["state"], state) << date;
  }
  // In how many digests papers are that no earlier one has; by id.
  std::map<std::string, int> Owned() const {
    std::map<std::string, int> owned;
    for (const char* date : kDates) {
      const auto digest = system_.DigestJson(date, "ml");
      if (!digest.contains("rows")) continue;
      for (const auto& row : digest["rows"]) {
        if (row["state"] != "seen_before") ++owned[row["id"]];
      }
    }
    return owned;
  }
  void ExpectRun(const System::Run& run, int code, const std::string& says) {
    EXPECT_EQ(run.exit.code, code) << run.out << run.err << system_.Logs();
    EXPECT_THAT(run.out, HasSubstr(says));
    std::printf("exit %d: %s", run.exit.code, run.out.substr(0, run.out.find('\n') + 1).c_str());
  }

  FakeClock clock_;
  System system_;
  std::string profile_;
};

TEST_F(Announcements, AStaleFeedPublishesNothingTwiceAndCompletesLater) {
  ExpectRun(Fetch(), 0, "2026-09-09  published");
  At("2026-09-10", "stale");

  ExpectRun(Fetch({"--no-wait"}), 5, "2026-09-10  not announced");

  EXPECT_EQ(system_.Page("2026-09-10", "ml"), "");
  ExpectState("2026-09-10", "waiting");
  At("2026-09-10");
  ExpectRun(Fetch(), 0, "2026-09-10  published");
  EXPECT_EQ(Owned().size(), 2u * kPapersADay);
  for (const auto& [id, times] : Owned()) EXPECT_EQ(times, 1) << id;
}

TEST_F(Announcements, ACategoryThatIsLateAmendsTheDigest) {
  ExpectRun(Fetch(), 0, "2026-09-09  published");
  At("2026-09-10", "stale@/rss/cs.AI");

  ExpectRun(Fetch({"--no-wait"}), 5, "cs.AI not announced in time");

  EXPECT_THAT(system_.Page("2026-09-10", "ml"), HasSubstr("> Not announced in time: cs.AI."));
  EXPECT_LT(Owned().size(), 2u * kPapersADay);
  At("2026-09-11");
  const System::Run next = Fetch();
  EXPECT_EQ(next.exit.code, 0) << next.out << next.err;
  EXPECT_THAT(next.out, HasSubstr("2026-09-10  published"));
  EXPECT_THAT(next.out, HasSubstr("2026-09-11  published"));
  EXPECT_THAT(system_.Page("2026-09-10", "ml"), HasSubstr("with cs.AI, announced late."));
  EXPECT_EQ(Owned().size(), 3u * kPapersADay);
  for (const auto& [id, times] : Owned()) EXPECT_EQ(times, 1) << id;
}

TEST_F(Announcements, WhatFailedIsMendedByTheNextRun) {
  ExpectRun(Fetch(), 0, "2026-09-09  published");
  At("2026-09-10", "503");
  ExpectRun(Fetch({"--deadline", "2s"}), 2, "2026-09-10  failed");
  ExpectState("2026-09-10", "failed");

  // Friday's run was never started.
  At("2026-09-14");
  const System::Run mended = Fetch();

  EXPECT_EQ(mended.exit.code, 0) << mended.out << mended.err << system_.Logs();
  for (const char* date : {"2026-09-10", "2026-09-11", "2026-09-14"}) {
    ExpectState(date, "published");
  }
  EXPECT_THAT(system_.Page("2026-09-11", "ml"), HasSubstr("> This is a remedial run"));
  EXPECT_EQ(Owned().size(), 4u * kPapersADay);
  for (const auto& [id, times] : Owned()) EXPECT_EQ(times, 1) << id;
}

// At once, not after the week was mended and the feeds were read.
TEST_F(Announcements, OnADayWithoutOneTheDailyRunSaysSoFirst) {
  ExpectRun(Fetch(), 0, "2026-09-09  published");
  At("2026-09-12", "empty@/rss");

  const System::Run saturday = Fetch();

  ExpectRun(saturday, 0, "2026-09-12  holiday: a Saturday");
  const size_t said = saturday.err.find(
      "arXiv announces nothing on Saturday 2026-09-12, next on Monday 2026-09-14\n");
  EXPECT_LT(said, saturday.err.find("2026-09-10 was left unfinished")) << saturday.err;
}

// What a person, a scheduler and the site see of them.
TEST_F(Announcements, HolidayQuietDayOutageAndLagDiffer) {
  profile_ = system_.WriteProfile("ml", "relevance_cutoff = 10\nnovelty_cutoff = 10\n");
  At("2026-09-08", "empty");
  ExpectRun(Fetch({"--date", "2026-09-08"}), 0,
            "2026-09-08  holiday: no mailing on the evening of 2026-09-07 (Labor Day)");
  At("2026-09-09");
  ExpectRun(Fetch(), 0, "2026-09-09  published: a quiet day: nothing was selected");
  At("2026-09-10", "503");
  ExpectRun(Fetch({"--deadline", "2s"}), 2, "2026-09-10  failed");
  At("2026-09-11", "lag");
  ExpectRun(Fetch({"--no-wait", "--date", "2026-09-11"}), 5,
            "2026-09-11  not announced: not out yet: cs.AI, its feed is at 2026-09-10");
  ExpectState("2026-09-08", "holiday");
  ExpectState("2026-09-09", "published");
  ExpectState("2026-09-10", "failed");
  ExpectState("2026-09-11", "waiting");

  const System::Run gaps = Fetch({"gaps"});
  EXPECT_EQ(gaps.exit.code, 3) << gaps.out << gaps.err;
  EXPECT_THAT(gaps.out, HasSubstr("2026-09-10  failed"));
  EXPECT_THAT(gaps.out, HasSubstr("--from 2026-09-10 --to 2026-09-11"));
  EXPECT_THAT(gaps.out, testing::Not(HasSubstr("2026-09-03"))) << "before all that it knows";
  EXPECT_THAT(Fetch({"gaps", "--from", "2026-09-03", "--to", "2026-09-11"}).out,
              HasSubstr("2026-09-03  missing"));
}

}  // namespace
}  // namespace paperboy
