#include "fetcher/arxiv_source.h"

#include <date/date.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <unordered_map>
#include <unordered_set>

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
// The search complains of good questions too when it fails.
constexpr int kComplaints = 3;
// A list of OAI-PMH is read from its beginning so often.
constexpr int kOaiTries = 3;
// Should it not say how long it is: more than all of arXiv in pages of 2,500.
constexpr size_t kMaxOaiPages = 2'000;

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

// That ask for the same address again, should it have changed.
ArxivClient::Headers ConditionsOf(const HttpResponse& response) {
  ArxivClient::Headers conditions;
  const std::string tag = response.Header("etag");
  const std::string date = response.Header("last-modified");
  if (!tag.empty()) conditions.emplace_back("If-None-Match", tag);
  if (!date.empty()) conditions.emplace_back("If-Modified-Since", date);
  return conditions;
}

// The API and OAI-PMH have no announce types.
void SetType(const std::string& category, wire::Row* row) {
  row->set_announce_type(CategoryMatches(category, row->primary_category())
                             ? wire::ANNOUNCE_TYPE_NEW
                             : wire::ANNOUNCE_TYPE_CROSS);
}

// The pages of one question to OAI-PMH, over as many beginnings as it took.
class Harvest {
 public:
  explicit Harvest(std::string category) : category_(std::move(category)) {}

  void Begin() {
    received_ = deleted_ = 0;
    tokens_.clear();
  }

  void Add(OaiPage page) {
    for (OaiPage::Record& record : page.records) {
      Add(std::move(record), ++received_);
    }
    received_ += page.deleted;
    deleted_ += page.deleted;
    size_ = std::max(size_, page.complete_size.value_or(0));
  }

  // Whether a token leads on: one that came before leads in a circle, and no page
  // follows the last record.
  bool LeadsOn(const std::string& token) {
    return tokens_.insert(token).second && tokens_.size() <= kMaxOaiPages &&
           (size_ == 0 || received_ < size_);
  }

  // Whether the server has given as many records as it says it has: a token that comes
  // with the last of them leads nowhere.
  bool Full() const { return size_ > 0 && received_ >= size_ && Complete(); }

  // Tokens page by offset: a record that changes while the list is read moves to its
  // end, and the one that takes its place is not shown.
  bool Complete() const { return entries_.size() + deleted_ >= size_; }

  ArxivSource::Modified Take() {
    ArxivSource::Modified modified{std::move(entries_), {}};
    if (modified.entries.size() + deleted_ < size_) {
      modified.warnings.push_back(
          fmt::format("{}: OAI-PMH says that it has {} records and gave {}; papers may be missing",
                      category_, size_, modified.entries.size() + deleted_));
    }
    return modified;
  }

 private:
  void Add(OaiPage::Record record, uint64_t place) {
    wire::Row& row = record.entry.row;
    if (!row.refused().empty())
      row.set_id(fmt::format("{} record {}", category_, place));
    else
      SetType(category_, &row);
    const auto [it, is_new] = index_.emplace(row.id(), entries_.size());
    if (is_new) {
      entries_.push_back(std::move(record.entry));
      datestamps_.push_back(std::move(record.datestamp));
    } else if (record.datestamp >= datestamps_[it->second]) {
      entries_[it->second] = std::move(record.entry);
      datestamps_[it->second] = std::move(record.datestamp);
    }
  }

  const std::string category_;
  std::vector<Submission> entries_;
  std::vector<std::string> datestamps_;  // of the entries
  std::unordered_map<std::string, size_t> index_;
  std::unordered_set<std::string> tokens_;
  uint64_t received_ = 0;  // since the beginning, repeated and deleted ones too
  uint64_t deleted_ = 0;   // of them
  uint64_t size_ = 0;      // the most that a page said
};

// What arXiv says besides a list. Only 400 is about the question.
Error Refusal(const HttpResponse& response, const std::string& url) {
  const std::string text = "HTTP " + std::to_string(response.status) + " for " + url + ": " +
                           CutChars(CleanText(response.body), 200);
  return response.status == 400 ? Invalid("arXiv answers " + text) : Unavailable(text);
}

}  // namespace

ArxivSource::ArxivSource(ArxivClient& client, std::string rss_url, std::string api_url,
                         std::string oai_url)
    : client_(client),
      rss_url_(std::move(rss_url)),
      api_url_(std::move(api_url)),
      oai_url_(std::move(oai_url)) {}

Result<Listing> ArxivSource::ReadFeed(const std::string& category, MonotonicTime deadline) {
  const std::string url = rss_url_ + "/" + Escape(category);
  Known& known = feeds_[category];
  const auto accept = [&](const HttpResponse& response) -> Status {
    if (response.status == 304 && !known.conditions.empty()) return Ok();
    if (response.status != 200) return Refusal(response, url);
    Result<Listing> parsed = ParseFeed(response.body, category);
    if (!parsed) return Error{parsed.error().kind, url + ": " + parsed.error().message};
    known = {ConditionsOf(response), std::move(*parsed)};
    return Ok();
  };
  const ArxivClient::Headers conditions = known.conditions;
  const Status got = client_.Get(url, deadline, accept, conditions);
  if (!got) return got.error();
  return known.listing;
}

Result<ApiPage> ArxivSource::AskForPage(const std::string& query, uint64_t start,
                                        MonotonicTime deadline, bool* complains) {
  const std::string url = fmt::format(
      "{}?search_query={}&start={}&max_results={}&sortBy=submittedDate&sortOrder=ascending",
      api_url_, query, start, kPageSize);
  std::optional<ApiPage> page;
  const Status got = client_.Get(url, deadline, [&](const HttpResponse& response) -> Status {
    Result<ApiPage> parsed = ParseApiPage(response.body);  // errors come as 400 with a feed
    *complains = response.status == 200 && !parsed;
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

Result<ApiPage> ArxivSource::ReadPage(const std::string& query, uint64_t start,
                                      MonotonicTime deadline) {
  for (int complaints = 1;; ++complaints) {
    bool complains = false;
    Result<ApiPage> page = AskForPage(query, start, deadline, &complains);
    if (page || page.error().kind != ErrorKind::kInvalid) return page;
    if (complaints < kComplaints) continue;
    if (complains) return Unavailable(page.error().message);
    return page;
  }
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

Result<std::vector<Submission>> ArxivSource::ReadWindow(const std::string& category,
                                                        const SubmissionWindow& window,
                                                        MonotonicTime deadline) {
  // The upper bound is asked for too and filtered out: whether the API means
  // the minute's beginning or its end is not said.
  const std::string query = fmt::format("cat:{}+AND+submittedDate:%5B{}+TO+{}%5D",
                                        Escape(category) + (IsArchive(category) ? ".*" : ""),
                                        Minute(window.from), Minute(window.to));
  std::vector<Submission> papers;
  WallTime at = window.from;  // of the last entry that could be read
  std::string last = "none";
  uint64_t total = 0, unreadable = 0;
  for (uint64_t start = 0;;) {
    Result<ApiPage> page = ReadFilledPage(query, start, &total, deadline);
    if (!page) return page.error();
    if (total > kMaxResults) {
      return Invalid(fmt::format(
          "the arXiv API finds {} papers of {} submitted from {} to {}, more than the "
          "{} that it pages through",
          total, category, FormatIsoUtc(window.from), FormatIsoUtc(window.to), kMaxResults));
    }
    for (Submission& entry : page->entries) {
      if (!entry.row.refused().empty()) {
        // Entries come by time. Its neighbours tell where it is, whatever was asked for.
        entry.submitted = at;
        entry.row.set_id(fmt::format("{} entry {} after {}", category, ++unreadable, last));
      } else {
        at = entry.submitted;
        last = entry.row.id();
        unreadable = 0;
        SetType(category, &entry.row);
      }
      if (entry.submitted >= window.from && entry.submitted < window.to) {
        papers.push_back(std::move(entry));
      }
    }
    start += page->entries.size();
    if (start >= total) return papers;
  }
}

Result<OaiPage> ArxivSource::ReadOaiPage(const std::string& query, MonotonicTime deadline) {
  const std::string url = oai_url_ + "?verb=ListRecords&" + query;
  OaiPage page;
  const Status got = client_.Get(url, deadline, [&](const HttpResponse& response) -> Status {
    if (response.status != 200) return Refusal(response, url);
    Result<OaiPage> parsed = ParseOaiPage(response.body);
    if (!parsed) return Error{parsed.error().kind, url + ": " + parsed.error().message};
    page = std::move(*parsed);
    return Ok();
  });
  if (!got) return got.error();
  return page;
}

Result<ArxivSource::Modified> ArxivSource::ReadModified(const std::string& category,
                                                        date::sys_days from_day,
                                                        MonotonicTime deadline) {
  // A day more: what changes while the datestamps' day ends is in neither day's list
  // for sure.
  const std::string first = "metadataPrefix=arXivRaw&set=" + Escape(OaiSet(category)) +
                            "&from=" + FormatDate(from_day - date::days(1));
  Harvest harvest(category);
  bool ended = false;
  for (int i = 0; i < kOaiTries && !(ended && harvest.Complete()); ++i) {
    harvest.Begin();
    for (std::string query = first;;) {
      Result<OaiPage> page = ReadOaiPage(query, deadline);
      if (!page) return page.error();
      if (page->bad_token) break;
      const std::string token = page->token;
      harvest.Add(std::move(*page));
      const bool last = token.empty() || harvest.Full();
      ended = ended || last;
      if (last || !harvest.LeadsOn(token)) break;
      query = "resumptionToken=" + Escape(token);
    }
  }
  if (!ended) {
    return Unavailable(fmt::format(
        "arXiv's OAI-PMH did not come to the end of what changed in {} since {}, {} times: its "
        "tokens were refused or led in a circle",
        category, FormatDate(from_day), kOaiTries));
  }
  return harvest.Take();
}

}  // namespace paperboy
