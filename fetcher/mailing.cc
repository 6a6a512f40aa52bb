#include "fetcher/mailing.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <tuple>

namespace paperboy {
namespace {

struct Numbered {
  uint64_t number = 0;  // in the order of ids; 0: an id of the old form
  WallTime at;
  const Submission* paper = nullptr;
};

// 2505.00123 as 250500123. Ids of the old form (hep-th/9901001) come before all
// others: 0.
uint64_t NumberOf(const std::string& id) {
  uint64_t month = 0, number = 0;
  const char* end = id.data() + id.size();
  const auto dot = std::from_chars(id.data(), end, month);
  if (dot.ptr == end || *dot.ptr != '.') return 0;
  std::from_chars(dot.ptr + 1, end, number);
  return month * 100'000 + number;
}

WallTime FreezeOf(date::sys_days page) { return AnnouncementFor(page).value().submitted.to; }

// The papers from which the end of the page's mailing is told, by number.
std::vector<Numbered> Around(date::sys_days page, const std::vector<Numbered>& papers) {
  const WallTime from = FreezeOf(page) - kLookBack;
  const WallTime to = FreezeOf(NextPage(page));
  std::vector<Numbered> around;
  for (const Numbered& paper : papers) {
    if (paper.at >= from && paper.at < to) around.push_back(paper);
  }
  return around;
}

// The number of the last paper of the page's mailing: the one around which the fewest
// papers are out of place. Out of place is a paper before it that was submitted later,
// and one behind it that was submitted between it and the freeze. That the time falls
// back right behind it makes up for one, as the very last paper before a freeze may be
// one that was held. Of equals the later submission. 0: there is none.
uint64_t LastOf(date::sys_days page, const std::vector<Numbered>& all) {
  const std::vector<Numbered> papers = Around(page, all);
  const WallTime freeze = FreezeOf(page);
  std::vector<WallTime> in_time;  // those before the freeze, by time
  for (const Numbered& paper : papers) {
    if (paper.at < freeze) in_time.push_back(paper.at);
  }
  std::sort(in_time.begin(), in_time.end());
  std::vector<WallTime> before;  // as far as the loop has come, by time
  uint64_t last = 0;
  std::optional<std::tuple<int64_t, bool, WallTime>> best;  // -out of place, falls, time
  for (size_t i = 0; i < papers.size(); ++i) {
    const WallTime at = papers[i].at;
    const auto later = std::upper_bound(before.begin(), before.end(), at);
    if (at < freeze) {
      const auto since = [&](const std::vector<WallTime>& times) {
        return std::lower_bound(times.begin(), times.end(), freeze) -
               std::lower_bound(times.begin(), times.end(), at);
      };
      const bool falls = i + 1 < papers.size() && papers[i + 1].at < at;
      const int64_t behind = since(in_time) - since(before) - 1;
      const int64_t misplaced = (before.end() - later) + behind - (falls ? 1 : 0);
      const auto rank = std::make_tuple(-misplaced, falls, at);
      if (!best || rank > *best) {
        best = rank;
        last = papers[i].number;
      }
    }
    before.insert(later, at);
  }
  return last;
}

}  // namespace

SubmissionWindow LookAt(date::sys_days page) {
  return {FreezeOf(PreviousPage(page)) - kLookBack, FreezeOf(NextPage(page))};
}

std::vector<const Submission*> MailingOf(date::sys_days page,
                                         const std::vector<const Submission*>& papers) {
  std::vector<Numbered> numbered;
  for (const Submission* paper : papers) {
    numbered.push_back({NumberOf(paper->row.id()), paper->submitted, paper});
  }
  std::sort(numbered.begin(), numbered.end(), [](const Numbered& a, const Numbered& b) {
    return std::tie(a.number, a.paper->row.id()) < std::tie(b.number, b.paper->row.id());
  });
  const date::sys_days previous = PreviousPage(page);
  const uint64_t last = LastOf(page, numbered);
  const uint64_t last_before = LastOf(previous, numbered);
  const SubmissionWindow window = LookAt(page);
  std::vector<const Submission*> mailing;
  for (const Numbered& paper : numbered) {
    const bool frozen = paper.at >= window.from && paper.at < FreezeOf(page);
    const bool earlier = paper.at < FreezeOf(previous) && paper.number <= last_before;
    const bool out = paper.number > 0 && paper.number <= last;
    if (frozen && out && !earlier) mailing.push_back(paper.paper);
  }
  return mailing;
}

}  // namespace paperboy
