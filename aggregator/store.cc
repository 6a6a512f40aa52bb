#include "aggregator/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
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

-- Batches handed out and not settled. lost: its worker never reported; the
-- estimate stays spent.
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
)sql"};
  return migrations;
}

int64_t Version(Database& db) {
  auto cursor = db.Query("PRAGMA user_version");
  cursor.Next();
  return cursor.Int(0);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::OpenForWriting(const std::string& data_dir) try {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) return Invalid("cannot make the data folder " + data_dir + ": " + error.message());
  std::unique_ptr<Store> store(new Store);
  const std::string lock = data_dir + "/ledger.lock";
  store->lock_fd_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (store->lock_fd_ < 0) return Invalid("cannot open " + lock + ": " + std::strerror(errno));
  if (flock(store->lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorKind::kConflict,
                 "another aggregator has the ledger in " + data_dir +
                     " (lock on ledger.lock); stop it, or give this one another --data"};
  }
  store->db_ = std::make_unique<Database>(data_dir + "/ledger.db", false);
  store->db_->Script(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  if (auto status = store->Migrate(); !status) return status.error();
  return store;
} catch (const StorageError& e) {
  return Invalid("the ledger in " + data_dir + " cannot be used: " + e.what() +
                 "; restore it from a backup, or move it away to begin a new one");
}

Result<std::unique_ptr<Store>> Store::OpenForReading(const std::string& data_dir) try {
  const std::string path = data_dir + "/ledger.db";
  if (!std::filesystem::exists(path)) {
    return Invalid("there is no ledger at " + path + "; is --data right?");
  }
  std::unique_ptr<Store> store(new Store);
  store->db_ = std::make_unique<Database>(path, true);
  if (const int64_t have = Version(*store->db_), want = Migrations().size(); have != want) {
    return Invalid(path + " has schema version " + std::to_string(have) + ", this program reads " +
                   std::to_string(want) + "; use the program that writes it");
  }
  return store;
} catch (const StorageError& e) {
  return Invalid("the ledger in " + data_dir + " cannot be read: " + e.what());
}

std::unique_ptr<Store> Store::InMemory(const std::string& image) {
  std::unique_ptr<Store> store(new Store);
  store->db_ = std::make_unique<Database>(":memory:", false);
  if (!image.empty()) store->db_->Load(image);
  if (auto status = store->Migrate(); !status) throw StorageError(status.error().message);
  return store;
}

Store::~Store() {
  db_.reset();
  if (lock_fd_ >= 0) close(lock_fd_);
}

Status Store::Migrate() {
  const int64_t have = Version(*db_);
  const int64_t want = Migrations().size();
  if (have > want) {
    return Invalid("the ledger was written by a newer version of Paperboy (schema " +
                   std::to_string(have) + ", this program knows " + std::to_string(want) +
                   "); run that version");
  }
  for (int64_t version = have; version < want; ++version) {
    db_->Script("BEGIN IMMEDIATE;" + Migrations()[version] +
                "PRAGMA user_version = " + std::to_string(version + 1) + "; COMMIT;");
  }
  auto cursor = db_->Query("SELECT value FROM meta WHERE key = 'ledger_id'");
  if (!cursor.Next())
    return Invalid("the ledger has no id: it is damaged; restore it from a backup");
  id_ = cursor.Text(0);
  return Ok();
}

// Seconds since 2023-11-14: rising also over a ledger that was deleted or restored
// from a backup, so that no two leases ever have one number.
int64_t Store::NextBoot(int64_t unix_seconds) {
  db_->Exec(
      "UPDATE meta SET value = max(CAST(value AS INTEGER) + 1, "
      "? - 1700000000) WHERE key = 'boot'",
      unix_seconds);
  auto cursor = db_->Query("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'boot'");
  cursor.Next();
  return cursor.Int(0);
}

}  // namespace paperboy
