#include "fetcher/mailing.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

namespace paperboy {
namespace {

using std::chrono::hours, std::chrono::minutes, std::chrono::seconds;
using testing::ElementsAre, testing::IsEmpty, testing::SizeIs;

date::sys_days Day(const std::string& text) { return *ParseDate(text); }

// Pages of a week without a day off: Wednesday and Thursday, 16 and 17 September 2026.
const date::sys_days kWednesday = Day("2026-09-16");
const date::sys_days kThursday = Day("2026-09-17");
WallTime Freeze(date::sys_days page) { return AnnouncementFor(page)->submitted.to; }

class MailingTest : public testing::Test {
 protected:
  void Add(const std::string& id, WallTime submitted) {
    Submission paper;
    paper.row.set_id(id);
    paper.submitted = submitted;
    papers_.push_back(paper);
  }
  std::vector<std::string> Of(date::sys_days page) const {
    std::vector<const Submission*> papers;
    for (const Submission& paper : papers_) papers.push_back(&paper);
    std::vector<std::string> ids;
    for (const Submission* paper : MailingOf(page, papers)) ids.push_back(paper->row.id());
    return ids;
  }

  std::vector<Submission> papers_;
};

TEST_F(MailingTest, WithoutHeldPapersTheFreezeCuts) {
  Add("2609.00001", Freeze(kWednesday) - minutes(2));
  Add("2609.00002", Freeze(kWednesday) - seconds(1));
  Add("2609.00003", Freeze(kWednesday));
  Add("2609.00004", Freeze(kThursday) - seconds(1));
  Add("2609.00005", Freeze(kThursday));

  EXPECT_THAT(Of(kWednesday), ElementsAre("2609.00001", "2609.00002"));
  EXPECT_THAT(Of(kThursday), ElementsAre("2609.00003", "2609.00004"));
}

// What is held stands first in the mailing that it comes out with.
TEST_F(MailingTest, AHeldPaperBelongsToTheMailingOfItsId) {
  Add("2609.00001", Freeze(kWednesday) - hours(3));
  Add("2609.00002", Freeze(kWednesday) - minutes(1));
  Add("2609.00003", Freeze(kWednesday) - hours(24 * 9));
  Add("2609.00004", Freeze(kWednesday) - hours(20));
  Add("2609.00005", Freeze(kWednesday) + minutes(1));
  Add("2609.00006", Freeze(kThursday) - minutes(1));
  Add("2609.00007", Freeze(kThursday) - hours(40));

  EXPECT_THAT(Of(kWednesday), ElementsAre("2609.00001", "2609.00002"));
  EXPECT_THAT(Of(kThursday), ElementsAre("2609.00003", "2609.00004", "2609.00005", "2609.00006"));
}

TEST_F(MailingTest, TheLastPaperBeforeTheFreezeMayBeAHeldOne) {
  Add("2609.00001", Freeze(kWednesday) - hours(3));
  Add("2609.00002", Freeze(kWednesday) - minutes(2));
  Add("2609.00003", Freeze(kWednesday) - hours(30));
  Add("2609.00004", Freeze(kWednesday) - minutes(1));
  Add("2609.00005", Freeze(kWednesday) + minutes(1));

  EXPECT_THAT(Of(kWednesday), ElementsAre("2609.00001", "2609.00002"));
}

TEST_F(MailingTest, APaperHeldPastSeveralMailingsMovesNoBoundary) {
  Add("2609.00001", Freeze(kWednesday) - hours(2));
  Add("2609.00002", Freeze(kWednesday) - minutes(30));
  Add("2609.00003", Freeze(kWednesday) + hours(2));
  Add("2609.00004", Freeze(kThursday) - hours(2));
  Add("2609.00005", Freeze(kWednesday) - seconds(1));  // with Friday's page
  Add("2609.00006", Freeze(kThursday) + hours(2));

  EXPECT_THAT(Of(kWednesday), ElementsAre("2609.00001", "2609.00002"));
  EXPECT_THAT(Of(kThursday), ElementsAre("2609.00003", "2609.00004"));
}

TEST_F(MailingTest, NoMailingHoldsWhatWasSubmittedAfterItsFreeze) {
  Add("2609.00001", Freeze(kWednesday) + minutes(5));
  Add("2609.00002", Freeze(kWednesday) - minutes(5));
  EXPECT_THAT(Of(kWednesday), ElementsAre("2609.00002"));
}

TEST_F(MailingTest, PapersOutsideTheWindowChangeNothing) {
  Add("2609.00001", Freeze(kWednesday) - hours(1));
  Add("2608.20000", LookAt(kWednesday).from - seconds(1));
  Add("2609.09999", LookAt(kWednesday).to);
  EXPECT_THAT(Of(kWednesday), ElementsAre("2609.00001"));
}

TEST_F(MailingTest, NothingIsNothing) {
  EXPECT_THAT(Of(kWednesday), IsEmpty());
  Add("hep-th/9901001", Freeze(kWednesday) - hours(1));
  EXPECT_THAT(Of(kWednesday), IsEmpty());
}

// A made-up archive of some weeks, in which a share of the papers is held for up to
// nine mailings: every paper is in a mailing, none in two, and next to all are in that
// in which they came out.
TEST_F(MailingTest, EveryPaperIsInOneMailing) {
  std::mt19937 random(7);
  const std::vector<date::sys_days> pages = PagesBetween(Day("2026-08-17"), Day("2026-09-30"));
  std::map<size_t, std::vector<WallTime>> held;  // by the mailing that they come out with
  std::map<std::string, date::sys_days> truth;
  unsigned number = 0;
  for (size_t i = 0; i < pages.size(); ++i) {
    const SubmissionWindow window = AnnouncementFor(pages[i])->submitted;
    std::vector<WallTime> regular;
    for (int n = 0; n < 120; ++n) {
      const auto length = std::chrono::duration_cast<seconds>(window.to - window.from).count();
      const WallTime at = window.from + seconds(random() % length);
      if (random() % 25 == 0) {
        held[i + 1 + random() % 9].push_back(at);
      } else {
        regular.push_back(at);
      }
    }
    std::sort(held[i].begin(), held[i].end());
    std::sort(regular.begin(), regular.end());
    for (const auto* part : {&held[i], &regular}) {
      for (const WallTime at : *part) {
        char id[16];
        std::snprintf(id, sizeof id, "26%02u.%05u", 8 + number / 2'000, number % 2'000);
        ++number;
        Add(id, at);
        truth[id] = pages[i];
      }
    }
  }

  std::map<std::string, int> found;
  size_t right = 0, all = 0;
  for (size_t i = 10; i + 1 < pages.size(); ++i) {
    for (const std::string& id : Of(pages[i])) {
      ++found[id];
      right += truth[id] == pages[i] ? 1 : 0;
    }
  }
  for (const auto& [id, page] : truth) {
    if (page < pages[11] || page >= pages[pages.size() - 2]) continue;
    ++all;
    EXPECT_EQ(found[id], 1) << id;
  }
  EXPECT_GE(right, all * 99 / 100);
}

}  // namespace
}  // namespace paperboy
