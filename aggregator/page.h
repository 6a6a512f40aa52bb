// A complete digest, read from the ledger, and what is rendered from it. The
// renderers are pure functions of the DigestPage: the same ledger gives the same
// bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aggregator/digests.h"
#include "aggregator/prices.h"
#include "aggregator/readings.h"

namespace paperboy {

struct PageRow {
  std::string id;
  uint32_t version = 0;
  std::string announce_type;
  std::string state, why;
  std::optional<int> position;
  std::optional<int> relevance, novelty;  // none of a row that the model did not judge
  bool author_match = false;              // of a followed author: shown without a question
  bool authors_unknown = false;           // the rules about authors passed it without them
  std::string comment, call;
  std::vector<Reading> readings;  // the first one first; none: it was read once
  std::string addresses_model;    // what its text says to a model (addresses_model.h), or ""
  std::optional<wire::Paper> paper;
};

struct DigestPage {
  Digest digest;
  wire::Profile profile;
  std::string completed_on;  // Eastern date, MM/DD/YYYY
  std::string completed_at;  // ISO 8601, UTC
  int64_t calls = 0;
  int64_t deferred_calls = 0;  // of them, through the provider's batch API
  int64_t prompt_tokens = 0, completion_tokens = 0;
  bool tokens_reported = true;
  std::optional<Picodollars> prompt_cost, completion_cost;  // nullopt: unknown
  int64_t lost_calls = 0;     // whose cost is not known, and not in these figures
  Picodollars lost_cost = 0;  // what they cost at most; 0: no price
  struct BudgetLine {
    std::string what, on;                             // day, digest; an Eastern date
    Picodollars limit, left, forecast, forecast_now;  // as in budget.h
  };
  std::optional<BudgetLine> budget;  // when the edition was bound; nullopt: none decided
  wire::Funnel funnel;
  int64_t readings_forgotten = 0;  // further readings near a cut-off that were not had
  std::optional<Drift> drift;
  std::vector<std::string> late;     // categories that were not announced in time
  std::vector<std::string> amended;  // those of them whose lists came later
  std::vector<std::string> empty;    // categories of the profile with a list of arXiv's and no row
  bool scorable = false;             // a later run can score papers
  bool mendable() const { return scorable || !late.empty(); }
  int64_t authors_unknown = 0;                   // rows
  std::optional<Picodollars> spent() const;      // nullopt: unknown
  std::vector<PageRow> rows;                     // by id
  std::vector<const PageRow*> selected() const;  // in page order
};

// Reads a digest that is complete, published or withheld.
DigestPage LoadPage(Database& db, DigestId id);

// What stands above the page as a block quote, one note each; a note may have
// several lines. None on a complete day scored by a model.
std::vector<std::string> Notes(const DigestPage& page);

// Why the digest is withheld: those of the notes that say so. "": it is not.
std::string WhyWithheld(const DigestPage& page);

// Whether and how far the anchors' scores have moved, in a sentence.
std::string DriftText(const Drift& drift);

// "at most $0.0312": what the calls whose cost is not known (their scorer died, or the
// provider's answer never came) may have cost.
std::string LostText(const DigestPage& page);

// The page in the classic layout: blocks joined by one blank line; notes, title,
// header table, totals, table of contents, papers, prompt.
std::string RenderMarkdown(const DigestPage& page);
// The selected papers: an object keyed by arXiv id, in page order.
std::string RenderPapersJson(const DigestPage& page);
// State, funnel, notes, cost, and every row with its end state and reason.
std::string RenderStatusJson(const DigestPage& page);
// The beginning of a status file, before its rows: of a digest, or of a date without
// an announcement, which has a state and a reason and nothing else.
struct StatusHead {
  std::string state = "failed";  // published, withheld; of a date: holiday, quiet, waiting, failed
  std::string why;               // of a date, of a withheld digest
  bool of_digest = false;
  bool mendable = false;
  std::vector<std::string> late;  // categories that were not announced in time
  std::vector<std::string> notes;
  wire::Funnel funnel;
  std::optional<int64_t> prompt_tokens, completion_tokens;  // nullopt: not reported
  std::optional<Picodollars> prompt_cost, completion_cost;  // nullopt: unknown
  int64_t lost_calls = 0;
  std::optional<Picodollars> lost_cost;  // at most; nullopt: unknown
};
// Reads what RenderStatusJson and RenderDayJson write, or an earlier version wrote. A
// damaged file is a failed date, and says so.
StatusHead ReadStatusHead(const std::string& json);
// A date without an announcement.
std::string RenderDayJson(const std::string& profile, const std::string& date,
                          const std::string& state, const std::string& why);

}  // namespace paperboy
