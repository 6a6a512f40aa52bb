#include "aggregator/schema.h"

#include <vector>

namespace paperboy {
namespace {

// Migrations: element i takes a ledger of version i to i + 1. Never edited
// after a release, only appended to.
const std::vector<std::string>& Migrations() {
  static const std::vector<std::string> migrations = {R"sql(
-- ledger_id (random, hex), boot (of the aggregator)
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('ledger_id', lower(hex(randomblob(8)))), ('boot', '0');

-- A profile as it was at one revision: wire.Profile, serialised.
CREATE TABLE profile(revision TEXT PRIMARY KEY, name TEXT NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;

-- One profile's page for one announcement date.
-- backend, model, temperature: who scores this edition; NULL until known.
-- The figures from completed_at on are fixed at completion and printed.
CREATE TABLE digest(
  id INTEGER PRIMARY KEY,
  profile TEXT NOT NULL,
  date TEXT NOT NULL,
  edition INTEGER NOT NULL,
  revision TEXT NOT NULL REFERENCES profile,
  source TEXT NOT NULL,
  remedial_from TEXT NOT NULL,
  remedial_to TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'complete', 'published', 'withheld')),
  backend TEXT, model TEXT, temperature TEXT,
  completed_at INTEGER,            -- Unix seconds
  withhold INTEGER NOT NULL DEFAULT 0,
  calls INTEGER NOT NULL DEFAULT 0,
  prompt_tokens INTEGER NOT NULL DEFAULT 0,
  completion_tokens INTEGER NOT NULL DEFAULT 0,
  tokens_reported INTEGER NOT NULL DEFAULT 1,
  prompt_picodollars INTEGER,      -- NULL: unknown
  completion_picodollars INTEGER,
  UNIQUE (profile, date));
CREATE INDEX digest_by_state ON digest(state) WHERE state IN ('open', 'sealed', 'complete');

-- A category whose list is in the ledger in full.
CREATE TABLE category(
  digest INTEGER NOT NULL REFERENCES digest, category TEXT NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY (digest, category)) WITHOUT ROWID;

-- Which category lists named a paper.
CREATE TABLE listing(
  digest INTEGER NOT NULL REFERENCES digest, category TEXT NOT NULL, paper TEXT NOT NULL,
  PRIMARY KEY (digest, category, paper)) WITHOUT ROWID;

-- Every id that arXiv sent for a digest. state is NULL while it is not known.
CREATE TABLE row(
  digest INTEGER NOT NULL REFERENCES digest,
  paper TEXT NOT NULL,
  version INTEGER NOT NULL,        -- 0: unknown
  announce_type INTEGER NOT NULL,  -- wire.AnnounceType
  primary_category TEXT NOT NULL,
  unreadable TEXT NOT NULL,        -- why the entry could not be read, or ''
  state TEXT CHECK (state IN ('refused', 'not_wanted', 'seen_before', 'author_gated',
                              'title_dropped', 'below_cutoff', 'selected', 'unscored')),
  why TEXT NOT NULL DEFAULT '',
  mendable INTEGER NOT NULL DEFAULT 0,  -- unscored, and a later run could score it
  work BLOB,                       -- the unit of work that decides next, or decided
  position INTEGER,                -- on the page, from 1
  PRIMARY KEY (digest, paper)) WITHOUT ROWID;
CREATE INDEX row_by_paper ON row(paper);
CREATE INDEX row_by_work ON row(work) WHERE work IS NOT NULL;

-- The text of one version of a paper; authors and categories are JSON lists.
CREATE TABLE paper(
  id TEXT NOT NULL, version INTEGER NOT NULL,
  title TEXT NOT NULL, abstract TEXT NOT NULL, authors TEXT NOT NULL, categories TEXT NOT NULL,
  primary_category TEXT NOT NULL, published TEXT NOT NULL, updated TEXT NOT NULL,
  PRIMARY KEY (id, version)) WITHOUT ROWID;

-- A unit of work: whatever decides the model's answer about one paper, hashed
-- (work.h). Done once, whoever waits for it.
CREATE TABLE work(
  key BLOB PRIMARY KEY,
  stage INTEGER NOT NULL,          -- wire.Stage
  paper TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed')),
  lease INTEGER,                   -- who has it; NULL: nobody
  misses INTEGER NOT NULL DEFAULT 0,        -- answers that lacked it
  alone_misses INTEGER NOT NULL DEFAULT 0,  -- of those, when it was asked for alone
  deaths INTEGER NOT NULL DEFAULT 0,        -- workers that died holding it
  alone_deaths INTEGER NOT NULL DEFAULT 0,
  kept INTEGER,                    -- title stage
  relevance INTEGER, novelty INTEGER, comment TEXT,
  call TEXT,                       -- which answered; '' without a call
  why TEXT NOT NULL DEFAULT '');
CREATE INDEX work_by_lease ON work(lease) WHERE lease IS NOT NULL;

-- Batches handed out and not settled. lost: nobody holds it any more and what it cost is
-- not known (yet); the estimate stays spent.
CREATE TABLE lease(
  id INTEGER PRIMARY KEY,
  digest INTEGER NOT NULL REFERENCES digest,
  day TEXT NOT NULL,               -- Eastern date on which it was handed out
  estimate_picodollars INTEGER NOT NULL,
  lost INTEGER NOT NULL DEFAULT 0);
CREATE INDEX lease_by_day ON lease(day);

-- Every model call that was reported, once, whatever became of it.
CREATE TABLE call(
  id TEXT PRIMARY KEY,
  digest INTEGER NOT NULL REFERENCES digest,
  day TEXT NOT NULL,
  at INTEGER NOT NULL,             -- Unix seconds, when it was booked
  model TEXT NOT NULL, outcome TEXT NOT NULL, http_status INTEGER NOT NULL,
  tokens_reported INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
  prompt_picodollars INTEGER, completion_picodollars INTEGER,  -- NULL: unknown
  latency_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX call_by_digest ON call(digest);
CREATE INDEX call_by_day ON call(day);

-- What was published: the bytes of each file below OUT. digest is NULL for a
-- date without an announcement.
CREATE TABLE file(
  path TEXT PRIMARY KEY, digest INTEGER REFERENCES digest,
  sha256 TEXT NOT NULL, content BLOB NOT NULL);
CREATE INDEX file_by_digest ON file(digest);

-- Dates without an announcement, or not announced yet.
CREATE TABLE day(
  profile TEXT NOT NULL, date TEXT NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (profile, date)) WITHOUT ROWID;
)sql",
                                                      R"sql(
-- The abstract was dropped to save space; the rest stays. It counts as no text.
ALTER TABLE paper ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;

-- Calls that failed for it while the provider answered others, and of those the
-- ones in which it was alone. mendable: failed, and a later run may try again.
ALTER TABLE work ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN alone_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN mendable INTEGER NOT NULL DEFAULT 0;

-- The version whose text the page shows, fixed at completion, so that a text that
-- comes later changes no page; NULL: the ledger had none.
ALTER TABLE row ADD COLUMN text_version INTEGER;
UPDATE row SET text_version = coalesce(
  (SELECT p.version FROM paper p WHERE p.id = row.paper AND p.version = row.version),
  (SELECT max(p.version) FROM paper p WHERE p.id = row.paper))
WHERE digest IN (SELECT id FROM digest WHERE state IN ('complete', 'published', 'withheld'));

CREATE INDEX row_by_owner ON row(why, digest) WHERE state = 'seen_before';
)sql",
                                                      R"sql(
-- What the paper's text says to the model that reads it (addresses_model.h); such a
-- paper is asked about alone. Found when the unit is made and kept, so that a page
-- stays what it was. '': nothing.
ALTER TABLE work ADD COLUMN addresses_model TEXT NOT NULL DEFAULT '';

-- Further readings that a digest waits for, or had: `work` asks again what the
-- answered unit `first` asked. anchor: of a paper of an earlier digest, whose known
-- score tells a drift of the model.
CREATE TABLE reading(
  digest INTEGER NOT NULL REFERENCES digest,
  first BLOB NOT NULL,
  sample INTEGER NOT NULL,
  work BLOB NOT NULL,
  anchor INTEGER NOT NULL,
  PRIMARY KEY (digest, first, sample)) WITHOUT ROWID;
CREATE INDEX reading_by_work ON reading(work);

-- Of a row that was read several times, fixed at completion: the medians, and the
-- unit of work nearest to them, whose comment the page shows. NULL: read once.
ALTER TABLE row ADD COLUMN relevance INTEGER;
ALTER TABLE row ADD COLUMN novelty INTEGER;
ALTER TABLE row ADD COLUMN shown BLOB;

-- Decided when the edition was bound (budget.h): the steps of `degrade` that were
-- taken, the budget that decided ('day', 'digest', or '' without any), what was left of
-- it on which Eastern day, the whole of it, and the forecasts as configured and with what
-- was given up; in picodollars.
ALTER TABLE digest ADD COLUMN given_up TEXT NOT NULL DEFAULT '';
ALTER TABLE digest ADD COLUMN budget TEXT NOT NULL DEFAULT '';
ALTER TABLE digest ADD COLUMN budget_left INTEGER;
ALTER TABLE digest ADD COLUMN budget_on TEXT;
ALTER TABLE digest ADD COLUMN budget_limit INTEGER;
ALTER TABLE digest ADD COLUMN forecast INTEGER;
ALTER TABLE digest ADD COLUMN forecast_now INTEGER;
-- Fixed at completion: further readings that could not be had, calls whose cost is not
-- known, and what they cost at most.
ALTER TABLE digest ADD COLUMN readings_forgotten INTEGER NOT NULL DEFAULT 0;
ALTER TABLE digest ADD COLUMN lost_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE digest ADD COLUMN lost_picodollars INTEGER NOT NULL DEFAULT 0;

-- Models that think before they answer, as scorers have found: more is reserved for a call.
CREATE TABLE reasoning_model(name TEXT PRIMARY KEY) WITHOUT ROWID;

-- What a batch asks: bytes of the prompt with its papers, and how many they are.
ALTER TABLE lease ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN papers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN prompt_chars INTEGER NOT NULL DEFAULT 0;
CREATE INDEX lease_by_digest ON lease(digest);
-- Of a batch for the provider's batch API the message itself (wire.Batch): it may take
-- a day, and is sent again, the same, when its scorer is gone. NULL: an ordinary one.
ALTER TABLE lease ADD COLUMN deferred BLOB;
-- Answered by that API, at its price; of a digest, how many of its calls.
ALTER TABLE call ADD COLUMN deferred INTEGER NOT NULL DEFAULT 0;
ALTER TABLE digest ADD COLUMN deferred_calls INTEGER NOT NULL DEFAULT 0;

-- The same of a call that was the only one of its batch; prompt_chars is 0 otherwise.
-- What forecasts learn from.
ALTER TABLE call ADD COLUMN asked_model TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN papers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN prompt_chars INTEGER NOT NULL DEFAULT 0;
-- What was spent on a day is summed before every batch, from this alone.
DROP INDEX call_by_day;
CREATE INDEX call_by_day ON call(day, digest, prompt_picodollars, completion_picodollars);
CREATE INDEX call_by_model ON call(asked_model, stage, at) WHERE prompt_chars > 0;

-- Whether a row is wanted depends on all lists that name it.
CREATE INDEX listing_by_paper ON listing(digest, paper);
)sql",
                                                      R"sql(
-- 0: announced in time. 1: its list was not, and the digest goes on without it. 2: the
-- list came later.
ALTER TABLE category ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
-- What Semantic Scholar says of the authors of a paper: wire.PaperAuthors, serialised.
-- No row: it was not asked, or knows nothing.
CREATE TABLE authors(paper TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;

-- The profile's rules about authors passed the row without knowing them (all).
ALTER TABLE row ADD COLUMN authors_unknown INTEGER NOT NULL DEFAULT 0;

-- What scorers said last of a model's quota and latency, for when none is there (scaling.h).
CREATE TABLE scorer_pace(
  model TEXT PRIMARY KEY, rpm INTEGER NOT NULL, tpm INTEGER NOT NULL, calls INTEGER NOT NULL,
  latency_ms INTEGER NOT NULL);
)sql"};
  return migrations;
}

}  // namespace

int SchemaVersion() { return static_cast<int>(Migrations().size()); }

int SchemaVersionOf(Database& db) {
  auto cursor = db.Query("PRAGMA user_version");
  cursor.Next();
  return static_cast<int>(cursor.Int(0));
}

Status Migrate(Database& db) {
  const int have = SchemaVersionOf(db);
  if (have > SchemaVersion()) {
    return Invalid("it was written by a newer version of Paperboy (schema " + std::to_string(have) +
                   ", this program knows " + std::to_string(SchemaVersion()) +
                   "); run that version");
  }
  for (int version = have; version < SchemaVersion(); ++version) {
    db.Script("BEGIN IMMEDIATE;" + Migrations()[version] +
              "PRAGMA user_version = " + std::to_string(version + 1) + "; COMMIT;");
  }
  return Ok();
}

}  // namespace paperboy
