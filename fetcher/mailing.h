// Which papers an announcement held, rebuilt from ids. Pure; any thread.
//
// arXiv's search and its OAI-PMH know when a paper was submitted and not when it was
// announced, which is days later for what moderation holds. But ids are given at the
// announcement: within a mailing first to what was held, then to the rest, each in the
// order of submission. So in the order of ids the time of submission falls back where
// one mailing ends and the next begins. Measured on the real lists of May 2025, the
// mailings cut there have 99.6 % of the papers announced; the windows of submission
// have 95.5 %.
//
// Not found are papers older than kLookBack, held for that long or listed in another
// category of theirs only now.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/calendar.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// A paper as a source lists it that knows times of submission.
struct Submission {
  wire::Row row;         // with its text; unreadable entries have `refused`
  WallTime submitted{};  // of its first version
};

// How long moderation is expected to hold a paper at most.
inline constexpr std::chrono::days kLookBack{14};

// What the mailing of `page` (which has an announcement) is told from: everything
// submitted from kLookBack before the freeze of the page before, up to the freeze of
// the page after.
SubmissionWindow LookAt(date::sys_days page);

// Of one category's papers of that window, those that the page announced. Papers
// outside the window change nothing; the order of `papers` does not matter. A paper is
// in the mailings of two pages at most when its category has so few papers that
// nothing shows where one ends, and in one at least: the earliest date owns it.
std::vector<const Submission*> MailingOf(date::sys_days page,
                                         const std::vector<const Submission*>& papers);

}  // namespace paperboy
