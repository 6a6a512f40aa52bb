#include "fetcher/arxiv_source.h"

#include <date/date.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "common/category.h"
#include "common/text.h"
#include "fetcher/rss.h"

namespace paperboy {
namespace {

// arXiv allows 2,000; smaller pages come short less often.
constexpr uint64_t kPageSize = 500;
// The API refuses to page further (its user manual).
constexpr uint64_t kMaxResults = 30'000;
constexpr int kEmptyPageTries = 5;

std::string Escape(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

std::string Minute(WallTime t) {
  return date::format("%Y%m%d%H%M", date::floor<std::chrono::minutes>(t));
}

// What arXiv says besides a list. Only 400 is about the question.
Error Refusal(const HttpResponse& response, const std::string& url) {
  const std::string text = "HTTP " + std::to_string(response.status) + " for " + url + ": " +
                           CutChars(CleanText(response.body), 200);
  return response.status == 400 ? Invalid("arXiv answers " + text) : Unavailable(text);
}

}  // namespace

ArxivSource::ArxivSource(ArxivClient& client, std::string rss_url, std::string api_url)
    : client_(client), rss_url_(std::move(rss_url)), api_url_(std::move(api_url)) {}

Result<Listing> ArxivSource::ReadFeed(const std::string& category, MonotonicTime deadline) {
  const std::string url = rss_url_ + "/" + Escape(category);
  std::optional<Listing> listing;
  const Status got = client_.Get(url, deadline, [&](const HttpResponse& response) -> Status {
    if (response.status != 200) return Refusal(response, url);
    Result<Listing> parsed = ParseFeed(response.body, category);
    if (!parsed) return Error{parsed.error().kind, url + ": " + parsed.error().message};
    listing = std::move(*parsed);
    return Ok();
  });
  if (!got) return got.error();
  return std::move(*listing);
}

Result<ApiPage> ArxivSource::ReadPage(const std::string& query, uint64_t start,
                                      MonotonicTime deadline) {
  const std::string url = fmt::format(
      "{}?search_query={}&start={}&max_results={}&sortBy=submittedDate&sortOrder=ascending",
      api_url_, query, start, kPageSize);
  std::optional<ApiPage> page;
  const Status got = client_.Get(url, deadline, [&](const HttpResponse& response) -> Status {
    Result<ApiPage> parsed = ParseApiPage(response.body);  // errors come as 400 with a feed
    if (response.status != 200) {
      const bool told = !parsed && parsed.error().kind == ErrorKind::kInvalid;
      return told ? parsed.error() : Refusal(response, url);
    }
    if (!parsed) return parsed.error();
    page = std::move(*parsed);
    return Ok();
  });
  if (!got) return got.error();
  return std::move(*page);
}

Result<ApiPage> ArxivSource::ReadFilledPage(const std::string& query, uint64_t start,
                                            uint64_t* total, MonotonicTime deadline) {
  for (int i = 0; i < kEmptyPageTries; ++i) {
    Result<ApiPage> page = ReadPage(query, start, deadline);
    if (!page) return page;
    *total = std::max(*total, page->total);
    const bool whole = page->total == *total && !page->entries.empty();
    if (whole || *total <= start) return page;
  }
  return Unavailable(
      fmt::format("the arXiv API says that it has {} papers and answered {} times with none after "
                  "the first {}, or as if it had fewer",
                  *total, kEmptyPageTries, start));
}

Result<Listing> ArxivSource::ReadWindow(const std::string& category, const std::string& date,
                                        const SubmissionWindow& window, MonotonicTime deadline) {
  // The upper bound is asked for too and filtered out: whether the API means
  // the minute's beginning or its end is not said.
  const std::string query = fmt::format("cat:{}+AND+submittedDate:%5B{}+TO+{}%5D",
                                        Escape(category) + (IsArchive(category) ? ".*" : ""),
                                        Minute(window.from), Minute(window.to));
  ListingBuilder list(category, date);
  uint64_t total = 0;
  for (uint64_t start = 0;;) {
    Result<ApiPage> page = ReadFilledPage(query, start, &total, deadline);
    if (!page) return page.error();
    if (total > kMaxResults) {
      return Invalid(
          fmt::format("the arXiv API finds {} papers of {} for {}, more than the {} "
                      "that it pages through",
                      total, category, date, kMaxResults));
    }
    for (size_t i = 0; i < page->entries.size(); ++i) {
      ApiPage::Entry& entry = page->entries[i];
      if (!entry.row.refused().empty()) {
        list.Refuse(fmt::format("{} entry {}", category, start + i + 1), entry.row.refused());
      } else if (entry.published >= window.from && entry.published < window.to) {
        entry.row.set_announce_type(CategoryMatches(category, entry.row.primary_category())
                                        ? wire::ANNOUNCE_TYPE_NEW
                                        : wire::ANNOUNCE_TYPE_CROSS);
        list.Add(std::move(entry.row));
      }
    }
    start += page->entries.size();
    if (start >= total) return list.Take();
  }
}

}  // namespace paperboy
