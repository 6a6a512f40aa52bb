#include "fetcher/past_days.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>

#include "common/eastern.h"

namespace paperboy {
namespace {

// A stretch of time without a paper is no surprise where no more than this are usual in it.
constexpr double kFewPapers = 3;

}  // namespace

bool PastDays::Stock::IsSparse(WallTime::duration time) const {
  const std::chrono::duration<double> covered = to - from, asked = time;
  return covered.count() > 0 &&
         static_cast<double>(papers.size()) / covered.count() * asked.count() <= kFewPapers;
}

// The search fails at times, and then it finds nothing. So nothing is never remembered,
// and where there should be something it is believed only of an answer that has papers of
// the days before.
Result<bool> PastDays::AddFromApi(const std::string& category, WallTime to, MonotonicTime deadline,
                                  Stock* stock) {
  for (;;) {
    auto read = source_.ReadWindow(category, {stock->to, to}, deadline);
    if (!read) return read.error();
    if (!read->empty()) {
      std::move(read->begin(), read->end(), std::back_inserter(stock->papers));
      stock->to = to;
      stock->source = kApiSource;
      return true;
    }
    if (stock->from == stock->to) return false;
    if (stock->IsSparse(to - stock->to)) return true;
    *stock = {stock->from, stock->from, {}};
  }
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
  const Result<bool> added = AddFromApi(category, window.to, either ? patience : deadline, &stock);
  if (added && (*added || !either)) return Ok();
  const bool in_time = settings_.now() < deadline;
  if (added) {
    spdlog::warn("arXiv's search finds no paper of {} in {} days; asking its OAI-PMH", category,
                 std::chrono::round<date::days>(window.to - window.from).count());
    // It answers, and may be asked about other categories.
  } else if (either && in_time) {
    spdlog::warn("{}; asking arXiv's OAI-PMH instead", added.error().message);
  } else {
    return added.error();
  }
  const Status instead = AddFromOai(category, page, deadline, &stock);
  // Where that fails too, the search is what is asked about the next category.
  if (instead && !added && added.error().kind == ErrorKind::kUnavailable) {
    away_until_ = settings_.now() + settings_.away;
  }
  return instead;
}

Result<Listing> PastDays::Read(const std::string& category, date::sys_days page,
                               MonotonicTime deadline) {
  Result<Listing> list = Rebuild(category, page, deadline);
  const Stock& stock = stocks_[category];
  // That a page has nothing is told by an answer that has papers of other days.
  if (list && list->rows.empty() && !stock.papers.empty() && stock.to < LookAt(page).to) {
    Forget(category);
    return Rebuild(category, page, deadline);
  }
  return list;
}

Result<Listing> PastDays::Rebuild(const std::string& category, date::sys_days page,
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
  // Of what OAI-PMH has not even all papers of the days before are there.
  taken.sparse = stock.source == kApiSource && !stock.papers.empty() &&
                 stock.IsSparse(window.to - window.from);
  return taken;
}

}  // namespace paperboy
