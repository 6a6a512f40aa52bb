#include "aggregator/intake.h"

#include <algorithm>
#include <regex>
#include <set>

#include "aggregator/budget.h"
#include "aggregator/readings.h"
#include "aggregator/rules.h"
#include "common/announce_type.h"
#include "common/eastern.h"
#include "common/profile.h"
#include "common/text.h"
#include "common/wire.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// The name becomes a folder, beside that of the HTML site.
Status CheckName(const std::string& name) {
  if (name == "site") {
    return Invalid("profile name \"site\": that is the folder of the HTML site; take another name");
  }
  static const std::regex pattern("[a-z0-9-]{1,64}");
  if (std::regex_match(name, pattern)) return Ok();
  return Invalid("profile name \"" + CutChars(name, 80) + "\": expected 1 to 64 of a-z, 0-9 and -");
}

// What tells one edition's questions to the model from another's.
bool AsksTheSame(const wire::Profile& a, const wire::Profile& b) {
  return a.model() == b.model() && a.prompt() == b.prompt() && a.title_stage() == b.title_stage() &&
         a.title_prompt() == b.title_prompt() &&
         std::equal(a.topics().begin(), a.topics().end(), b.topics().begin(), b.topics().end());
}

bool MaySpendTheSame(const wire::Profile& a, const wire::Profile& b) {
  return a.budget_picodollars_per_day() == b.budget_picodollars_per_day() &&
         a.budget_picodollars_per_digest() == b.budget_picodollars_per_digest() &&
         a.cheaper_model() == b.cheaper_model() &&
         std::equal(a.degrade().begin(), a.degrade().end(), b.degrade().begin(), b.degrade().end());
}

Status CheckProfile(const wire::Profile& profile, const std::string& date) {
  if (auto status = CheckName(profile.name()); !status) return status;
  if (profile.revision().empty()) return Invalid("profile " + profile.name() + " has no revision");
  if (auto parsed = ParseDate(date); !parsed) return parsed.error();
  if (profile.batch_size() > kMaxBatchSize || profile.batch_tokens() > kMaxBatchTokens) {
    return Invalid(fmt::format(
        "profile {}: a batch of {} papers and {} tokens; {} and {} are the most", profile.name(),
        profile.batch_size(), profile.batch_tokens(), kMaxBatchSize, kMaxBatchTokens));
  }
  if (auto authors = ParseAuthors(profile.authors(), "authors.txt"); !authors) {
    return Invalid("profile " + profile.name() + ": " + authors.error().message);
  }
  for (const auto stage : {wire::STAGE_ABSTRACT, wire::STAGE_TITLE}) {
    if (PromptFor(profile, stage).find(kPaperListMarker) == std::string::npos) {
      return Invalid("profile " + profile.name() + ": the prompt of its " +
                     (stage == wire::STAGE_TITLE ? "title" : "abstract") + " stage has no line " +
                     kPaperListMarker);
    }
  }
  return Ok();
}

void StoreProfile(Database& db, const wire::Profile& profile) {
  db.Exec("INSERT OR IGNORE INTO profile VALUES (?, ?, ?)", profile.revision(), profile.name(),
          Blob{profile.SerializeAsString()});
}

}  // namespace

// The number carries the boot, so that none is given twice, even by a ledger that
// was deleted or restored from a backup: a fetcher that opened another digest
// under it would put its rows into this one.
Digest Intake::Begin(const wire::OpenDigest& open) {
  db_.Exec(
      "INSERT INTO digest(id, profile, date, edition, revision, source, remedial_from, "
      "remedial_to, state) SELECT max(coalesce((SELECT max(id) FROM digest), 0) + 1, "
      "CAST(value AS INTEGER) << 20), ?, ?, 1, ?, ?, ?, ?, 'open' FROM meta WHERE key = 'boot'",
      open.profile().name(), open.date(), open.profile().revision(), open.source(),
      open.remedial_from(), open.remedial_to());
  return *FindDigest(db_, open.profile().name(), open.date());
}

void Intake::BeginEdition(const Digest& digest, const wire::OpenDigest& open) {
  const auto& profile = open.profile();
  const auto before = LoadProfileRevision(db_, digest.revision);
  db_.Exec("UPDATE digest SET edition = edition + 1, revision = ?, source = ? WHERE id = ?",
           profile.revision(), open.source(), digest.id);
  DropAnchors(db_, digest.id);
  // Where the model is asked the same, the same one stays, so that a changed
  // cut-off costs no call.
  const bool spends_the_same = MaySpendTheSame(profile, before);
  const bool gives_up = profile.degrade_size() > 0 || !digest.given_up.empty();
  if (!AsksTheSame(profile, before) || (gives_up && !spends_the_same)) {
    Unbind(db_, digest.id);
  } else if (!spends_the_same) {
    ForgetBudget(db_, digest.id);
  }
  planner_.OpenAgain(digest.id,
                     planner_.MissingTexts(*FindDigest(db_, digest.id), profile, "", true));
}

Result<Intake::Opened> Intake::Open(const wire::OpenDigest& open) {
  if (auto status = CheckProfile(open.profile(), open.date()); !status) return status.error();
  if (auto status = CheckPrices(open.profile(), prices_); !status) return status.error();
  StoreProfile(db_, open.profile());
  auto digest = FindDigest(db_, open.profile().name(), open.date());
  if (!digest) {
    digest = Begin(open);
  } else if (digest->revision != open.profile().revision()) {
    BeginEdition(*digest, open);
  } else if (digest->state == "published" || digest->state == "withheld") {
    planner_.Reopen(digest->id);
  }
  // An attempt that brought no list says nothing about where those come from that are to come.
  db_.Exec(
      "UPDATE digest SET source = ?, remedial_from = ?, remedial_to = ? WHERE id = ? AND state = "
      "'open' AND completed_at IS NULL "
      "AND NOT EXISTS (SELECT 1 FROM category WHERE digest = digest.id AND late <> 1)",
      open.source(), open.remedial_from(), open.remedial_to(), digest->id);
  Opened opened{*FindDigest(db_, digest->id), {}, {}, CountFunnel(db_, digest->id).arxiv()};
  if (opened.digest.state == "open") {
    opened.authors = planner_.MissingAuthors(opened.digest, open.profile());
    // A new edition, about whose authors nothing is asked (any more).
    if (opened.authors.empty() && planner_.ListsAreIn(opened.digest, open.profile())) {
      planner_.Plan(digest->id);
      opened.digest = *FindDigest(db_, digest->id);
    }
  }
  if (open.source() == "file") return opened;
  auto cursor =
      db_.Query("SELECT category FROM category WHERE digest = ? AND late <> 1", digest->id);
  while (cursor.Next()) opened.sealed.push_back(cursor.Text(0));
  return opened;
}

Status Intake::Check(const wire::Forecast& forecast) {
  if (forecast.rows_size() > kMaxRowsPerForecast) {
    return Invalid("a forecast of more than " + std::to_string(kMaxRowsPerForecast) + " rows");
  }
  return CheckProfile(forecast.profile(), forecast.date());
}

Result<Digest> Intake::Current(DigestId id, uint32_t edition) {
  auto digest = FindDigest(db_, id);
  if (!digest) return Invalid("the ledger has no digest " + std::to_string(id) + ": open it first");
  if (digest->edition != edition) {
    return Error{ErrorKind::kConflict, "digest " + digest->profile + " of " + digest->date +
                                           " was opened with another revision of the profile"};
  }
  return *digest;
}

// True when the ledger learnt something.
bool Intake::StoreRow(const Digest& digest, const std::string& category, const wire::Row& row) {
  db_.Exec("INSERT OR IGNORE INTO listing VALUES (?, ?, ?)", digest.id, category, row.id());
  bool changed = db_.Changes() > 0;
  auto known = db_.Query(
      "SELECT version, announce_type, primary_category FROM row WHERE digest = ? AND paper = ?",
      digest.id, row.id());
  if (!known.Next()) {
    db_.Exec(
        "INSERT INTO row(digest, paper, version, announce_type, primary_category, unreadable) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        digest.id, row.id(), row.version(), static_cast<int64_t>(row.announce_type()),
        row.primary_category(), row.refused());
    return true;
  }
  const auto type = static_cast<int64_t>(
      MergeAnnounceTypes(static_cast<wire::AnnounceType>(known.Int(1)), row.announce_type()));
  const int64_t version = std::max<int64_t>(known.Int(0), row.version());
  const std::string primary = known.Text(2).empty() ? row.primary_category() : known.Text(2);
  if (type == known.Int(1) && version == known.Int(0) && primary == known.Text(2)) return changed;
  // Another version, or one that is wanted only now, may need a text that it does not have.
  db_.Exec(
      "UPDATE row SET version = ?, announce_type = ?, primary_category = ?, state = NULL "
      "WHERE digest = ? AND paper = ?",
      version, type, primary, digest.id, row.id());
  return true;
}

bool Intake::WantsText(const Digest& digest, const wire::Profile& profile,
                       const std::string& paper) {
  auto cursor = db_.Query(
      "SELECT version, announce_type, primary_category, unreadable, category FROM row "
      "JOIN listing USING (digest, paper) WHERE row.digest = ? AND row.paper = ?",
      digest.id, paper);
  ListedRow listed;
  int64_t version = 0;
  while (cursor.Next()) {
    if (!cursor.Text(3).empty()) return false;
    version = cursor.Int(0);
    listed.announce_type = static_cast<wire::AnnounceType>(cursor.Int(1));
    listed.primary_category = cursor.Text(2);
    listed.lists.push_back(cursor.Text(4));
  }
  return !UnwantedByList(profile, listed) && !HasText(db_, paper, version);
}

Result<Intake::Wanted> Intake::Rows(const wire::Rows& message) {
  auto digest = Current(message.digest(), message.edition());
  if (!digest) return digest.error();
  for (const auto& row : message.rows()) {
    const bool named =
        row.refused().empty() ? ParseArxivId(row.id()).id == row.id() : !row.id().empty();
    if (!named || (row.has_paper() && row.paper().id() != row.id())) {
      return Invalid("\"" + CutChars(row.id(), 80) + "\" in the list " + message.category() +
                     " is not an arXiv id without version");
    }
  }
  const wire::Profile profile = LoadProfileRevision(db_, digest->revision);
  Wanted wanted;
  std::set<std::string> ids;
  if (IsSettled(*digest, message.category(), message.source())) return wanted;
  bool changed = false;
  for (const auto& row : message.rows()) {
    changed |= StoreRow(*digest, message.category(), row);
    if (row.has_paper()) StorePaper(db_, row.paper());
    if (WantsText(*digest, profile, row.id())) wanted.texts.push_back(row.id());
    ids.insert(row.id());
  }
  if (changed && digest->state != "open") {
    db_.Exec("UPDATE digest SET state = 'open' WHERE id = ?", digest->id);
    db_.Exec("DELETE FROM category WHERE digest = ? AND category = ? AND late <> 1", digest->id,
             message.category());
  }
  if (changed || digest->state == "open") {
    wanted.authors = planner_.MissingAuthors(*digest, profile, ids);
  }
  return wanted;
}

Status Intake::Papers(const wire::Papers& message) {
  auto digest = Current(message.digest(), message.edition());
  if (!digest) return digest.error();
  for (const auto& paper : message.papers()) {
    const bool listed =
        db_.Query("SELECT 1 FROM row WHERE digest = ? AND paper = ?", digest->id, paper.id())
            .Next();
    if (!listed)
      return Invalid("paper " + CutChars(paper.id(), 80) + " is in no list of the digest");
    StorePaper(db_, paper);
  }
  return Ok();
}

// Whether the ledger has the category's list as it was announced, to which one that was
// rebuilt adds nothing.
bool Intake::IsSettled(const Digest& digest, const std::string& category,
                       const std::string& source) {
  if (source != "api" && source != "oai") return false;
  return db_
      .Query(
          "SELECT 1 FROM category WHERE digest = ? AND category = ? AND late <> 1 "
          "AND source IN ('rss', 'file')",
          digest.id, category)
      .Next();
}

// True when the list is one that the digest had gone on without.
bool Intake::RecordSeal(const Digest& digest, const wire::Seal& seal) {
  if (!seal.late()) {
    db_.Exec(
        "UPDATE category SET late = 2, source = ? WHERE digest = ? AND category = ? AND late = 1",
        seal.source(), digest.id, seal.category());
    if (db_.Changes() > 0) return true;
  }
  db_.Exec("INSERT OR IGNORE INTO category VALUES (?, ?, ?, ?)", digest.id, seal.category(),
           seal.source(), seal.late() ? 1 : 0);
  return false;
}

Result<bool> Intake::Authors(const wire::Authors& message) {
  auto digest = Current(message.digest(), message.edition());
  if (!digest) return digest.error();
  for (const auto& authors : message.papers()) {
    if (ParseArxivId(authors.id()).id != authors.id()) {
      return Invalid("authors of \"" + CutChars(authors.id(), 80) +
                     "\", which is not an arXiv id without version");
    }
    StoreAuthors(db_, authors);
  }
  if (message.more() || digest->state != "open") return false;
  return PlanIfListsAreIn(*digest, LoadProfileRevision(db_, digest->revision));
}

bool Intake::PlanIfListsAreIn(const Digest& digest, const wire::Profile& profile) {
  if (!planner_.ListsAreIn(digest, profile)) return false;
  planner_.Plan(digest.id);
  return true;
}

Result<bool> Intake::Seal(const wire::Seal& seal) {
  auto digest = Current(seal.digest(), seal.edition());
  if (!digest) return digest.error();
  if (IsSettled(*digest, seal.category(), seal.source())) return false;
  // What is planned was planned without it, and says so.
  if (seal.late() && digest->state != "open") return false;
  int64_t rows = 0;
  {
    auto cursor = db_.Query("SELECT count(*) FROM listing WHERE digest = ? AND category = ?",
                            digest->id, seal.category());
    if (cursor.Next()) rows = cursor.Int(0);
  }
  if (rows < static_cast<int64_t>(seal.rows())) {
    return Invalid("list " + seal.category() + ": the fetcher counted " +
                   std::to_string(seal.rows()) + " ids, the ledger has " + std::to_string(rows));
  }
  const bool amended = RecordSeal(*digest, seal);
  if (digest->state != "open" && !amended) return false;
  const wire::Profile profile = LoadProfileRevision(db_, digest->revision);
  // A list is sealed only with the text of every paper in it that is wanted; one that is
  // late, as far as it has come.
  if (const auto missing = planner_.MissingTexts(*digest, profile, seal.category());
      !seal.late() && !missing.empty()) {
    db_.Exec("DELETE FROM category WHERE digest = ? AND category = ?", digest->id, seal.category());
    return Invalid("list " + seal.category() + ": the text of " + Counted(missing.size(), "paper") +
                   " is missing, " + missing.front() + " first");
  }
  return PlanIfListsAreIn(*digest, profile);
}

Status Intake::Day(const wire::Day& day) {
  if (auto status = CheckName(day.profile()); !status) return status;
  if (auto date = ParseDate(day.date()); !date) return date.error();
  static const std::set<std::string> states = {"holiday", "quiet", "waiting", "failed"};
  if (!states.contains(day.state())) {
    return Invalid("a day's state is holiday, quiet, waiting or failed, not \"" +
                   CutChars(day.state(), 80) + "\"");
  }
  // A digest whose lists are in says more than a day.
  const auto digest = FindDigest(db_, day.profile(), day.date());
  if (digest && digest->state != "open") return Ok();
  db_.Exec("INSERT OR REPLACE INTO day VALUES (?, ?, ?, ?)", day.profile(), day.date(), day.state(),
           day.why());
  return Ok();
}

}  // namespace paperboy
