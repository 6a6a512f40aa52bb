#include "fetcher/past_days.h"

#include <algorithm>
#include <iterator>

#include "common/eastern.h"

namespace paperboy {
namespace {

// A day without a paper is believed at once where no more than this are usual.
constexpr double kFewPapersADay = 3;
constexpr int kEmptyLooks = 3;

}  // namespace

bool PastDays::Stock::IsSparse(WallTime end) const {
  const std::chrono::duration<double, std::ratio<86'400>> covered = to - from, asked = end - to;
  if (covered.count() <= 0) return true;
  return static_cast<double>(papers.size()) / covered.count() * asked.count() <= kFewPapersADay;
}

Status PastDays::Cover(const std::string& category, const SubmissionWindow& window,
                       MonotonicTime deadline) {
  Stock& stock = stocks_[category];
  if (window.from < stock.from || window.from >= stock.to) stock = {window.from, window.from, {}};
  std::erase_if(stock.papers,
                [&](const Submission& paper) { return paper.submitted < window.from; });
  stock.from = window.from;
  for (int looks = 1; stock.to < window.to; ++looks) {
    auto read = source_.ReadWindow(category, {stock.to, window.to}, deadline);
    if (!read) return read.error();
    // The search fails at times, and then it finds nothing.
    if (read->empty() && !stock.IsSparse(window.to) && looks < kEmptyLooks) continue;
    std::move(read->begin(), read->end(), std::back_inserter(stock.papers));
    stock.to = window.to;
  }
  return Ok();
}

Result<Listing> PastDays::Read(const std::string& category, date::sys_days page,
                               MonotonicTime deadline) {
  if (const Status covered = Cover(category, LookAt(page), deadline); !covered) {
    return covered.error();
  }
  const SubmissionWindow window = AnnouncementFor(page).value().submitted;
  std::vector<const Submission*> papers;
  ListingBuilder list(category, FormatDate(page));
  for (const Submission& entry : stocks_[category].papers) {
    if (entry.row.refused().empty()) {
      papers.push_back(&entry);
    } else if (entry.submitted >= window.from && entry.submitted < window.to) {
      list.Refuse(entry.row.id(), entry.row.refused());
    }
  }
  for (const Submission* paper : MailingOf(page, papers)) list.Add(paper->row);
  return list.Take();
}

void PastDays::Forget(const std::string& category, date::sys_days page) {
  Stock& stock = stocks_[category];
  const WallTime from = AnnouncementFor(PreviousPage(page)).value().submitted.from;
  std::erase_if(stock.papers, [&](const Submission& paper) { return paper.submitted >= from; });
  stock.to = std::min(stock.to, from);
}

}  // namespace paperboy
