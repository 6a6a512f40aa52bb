// A complete digest, read from the ledger, and what is rendered from it. The
// renderers are pure functions of the DigestPage: the same ledger gives the same
// bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aggregator/digests.h"
#include "aggregator/prices.h"

namespace paperboy {

struct PageRow {
  std::string id;
  uint32_t version = 0;
  std::string announce_type;
  std::string state, why;
  std::optional<int> position;
  std::optional<int> relevance, novelty;
  std::string comment, call;
  std::optional<wire::Paper> paper;
};

struct DigestPage {
  Digest digest;
  wire::Profile profile;
  std::string completed_on;  // Eastern date, MM/DD/YYYY
  std::string completed_at;  // ISO 8601, UTC
  int64_t calls = 0;
  int64_t prompt_tokens = 0, completion_tokens = 0;
  bool tokens_reported = true;
  std::optional<Picodollars> prompt_cost, completion_cost;  // nullopt: unknown
  wire::Funnel funnel;
  bool mendable = false;
  std::vector<PageRow> rows;                     // by id
  std::vector<const PageRow*> selected() const;  // in page order
};

// Reads a digest that is complete, published or withheld.
DigestPage LoadPage(Database& db, DigestId id);

// What stands above the page as a block quote, one note each; a note may have
// several lines. None on a complete day scored by a model.
std::vector<std::string> Notes(const DigestPage& page);

// "$0.23", or "unknown" when a price or a token count is not known.
std::string CostText(const DigestPage& page);

// The page in the classic layout: blocks joined by one blank line; notes, title,
// header table, totals, table of contents, papers, prompt.
std::string RenderMarkdown(const DigestPage& page);
// The selected papers: an object keyed by arXiv id, in page order.
std::string RenderPapersJson(const DigestPage& page);
// State, funnel, notes, cost, and every row with its end state and reason.
std::string RenderStatusJson(const DigestPage& page);
// A date without an announcement.
std::string RenderDayJson(const std::string& profile, const std::string& date,
                          const std::string& state, const std::string& why);

}  // namespace paperboy
