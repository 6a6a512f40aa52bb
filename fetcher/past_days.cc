#include "fetcher/past_days.h"

#include <spdlog/spdlog.h>

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

Status PastDays::AddFromApi(const std::string& category, WallTime to, MonotonicTime deadline,
                            Stock* stock) {
  for (int looks = 1; stock->to < to; ++looks) {
    auto read = source_.ReadWindow(category, {stock->to, to}, deadline);
    if (!read) return read.error();
    // The search fails at times, and then it finds nothing.
    if (read->empty() && !stock->IsSparse(to) && looks < kEmptyLooks) continue;
    std::move(read->begin(), read->end(), std::back_inserter(stock->papers));
    stock->to = to;
    stock->source = kApiSource;
  }
  return Ok();
}

Status PastDays::AddFromOai(const std::string& category, date::sys_days page,
                            MonotonicTime deadline, Stock* stock) {
  // What the page before announced shows where its mailing ends.
  const Announcement before = AnnouncementFor(PreviousPage(page)).value();
  const auto since = date::floor<date::days>(before.announced);
  auto read = source_.ReadModified(category, since, deadline);
  if (!read) return read.error();
  for (const std::string& warning : read->warnings) spdlog::warn("{}", warning);
  stock->papers.clear();
  stock->source = kOaiSource;
  stock->to = LookAt(std::max(page, settings_.last)).to;
  for (Submission& paper : read->entries) {
    // Nothing tells when a record that could not be read was submitted.
    if (!paper.row.refused().empty()) paper.submitted = AnnouncementFor(page)->submitted.from;
    if (paper.submitted < stock->from || paper.submitted >= stock->to) continue;
    stock->papers.push_back(std::move(paper));
  }
  return Ok();
}

Status PastDays::Cover(const std::string& category, date::sys_days page, MonotonicTime deadline) {
  const SubmissionWindow window = LookAt(page);
  Stock& stock = stocks_[category];
  if (window.from < stock.from || window.from >= stock.to) stock = {window.from, window.from, {}};
  std::erase_if(stock.papers,
                [&](const Submission& paper) { return paper.submitted < window.from; });
  stock.from = window.from;
  if (stock.to >= window.to) return Ok();
  const MonotonicTime now = settings_.now();
  const bool either = settings_.source == PastSource::kEither;
  if (settings_.source == PastSource::kOai || (either && now < away_until_)) {
    return AddFromOai(category, page, deadline, &stock);
  }
  const MonotonicTime patience =
      now + std::min<MonotonicTime::duration>(settings_.patience, (deadline - now) / 2);
  const Status added = AddFromApi(category, window.to, either ? patience : deadline, &stock);
  const bool away = !added && added.error().kind == ErrorKind::kUnavailable;
  if (!either || !away || settings_.now() >= deadline) return added;
  spdlog::warn("{}; asking arXiv's OAI-PMH instead", added.error().message);
  away_until_ = settings_.now() + settings_.away;
  return AddFromOai(category, page, deadline, &stock);
}

Result<Listing> PastDays::Read(const std::string& category, date::sys_days page,
                               MonotonicTime deadline) {
  if (const Status covered = Cover(category, page, deadline); !covered) {
    return covered.error();
  }
  const SubmissionWindow window = AnnouncementFor(page).value().submitted;
  std::vector<const Submission*> papers;
  ListingBuilder list(category, FormatDate(page));
  const Stock& stock = stocks_[category];
  for (const Submission& entry : stock.papers) {
    if (entry.row.refused().empty()) {
      papers.push_back(&entry);
    } else if (entry.submitted >= window.from && entry.submitted < window.to) {
      list.Refuse(entry.row.id(), entry.row.refused());
    }
  }
  for (const Submission* paper : MailingOf(page, papers)) list.Add(paper->row);
  Listing taken = list.Take();
  taken.source = stock.source;
  return taken;
}

void PastDays::Forget(const std::string& category, date::sys_days page) {
  Stock& stock = stocks_[category];
  const WallTime from = AnnouncementFor(PreviousPage(page)).value().submitted.from;
  std::erase_if(stock.papers, [&](const Submission& paper) { return paper.submitted >= from; });
  stock.to = std::min(stock.to, from);
}

}  // namespace paperboy
