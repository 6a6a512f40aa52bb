#include "aggregator/digests.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "aggregator/addresses_model.h"
#include "common/profile.h"
#include "common/trace.h"

namespace paperboy {
namespace {

#define DIGEST_COLUMNS                                                                \
  "SELECT id, profile, date, edition, revision, source, remedial_from, remedial_to, " \
  "state, backend, model, temperature, withhold, given_up, budget FROM digest "

std::optional<Digest> Read(Cursor cursor) {
  if (!cursor.Next()) return std::nullopt;
  Digest d;
  d.id = cursor.Int(0);
  d.profile = cursor.Text(1);
  d.date = cursor.Text(2);
  d.edition = static_cast<uint32_t>(cursor.Int(3));
  d.revision = cursor.Text(4);
  d.source = cursor.Text(5);
  d.remedial_from = cursor.Text(6);
  d.remedial_to = cursor.Text(7);
  d.state = cursor.Text(8);
  if (!cursor.Null(9)) d.voice = Voice{cursor.Text(9), cursor.Text(10), cursor.Text(11)};
  d.withhold = static_cast<int>(cursor.Int(12));
  d.given_up = cursor.Text(13);
  d.budget = cursor.Text(14);
  return d;
}

#define PAPER_COLUMNS                                                                       \
  "SELECT id, version, title, abstract, authors, categories, primary_category, published, " \
  "updated FROM paper "
#define TEXT_OF_VERSION "WHERE id = ?1 AND (?2 = 0 OR version IN (?2, 0)) AND pruned = 0 "

std::optional<wire::Paper> ReadPaper(Cursor cursor) {
  if (!cursor.Next()) return std::nullopt;
  wire::Paper paper;
  paper.set_id(cursor.Text(0));
  paper.set_version(static_cast<uint32_t>(cursor.Int(1)));
  paper.set_title(cursor.Text(2));
  paper.set_abstract(cursor.Text(3));
  for (const auto& name : nlohmann::json::parse(cursor.Text(4))) paper.add_authors(name);
  for (const auto& name : nlohmann::json::parse(cursor.Text(5))) paper.add_categories(name);
  paper.set_primary_category(cursor.Text(6));
  paper.set_published(cursor.Text(7));
  paper.set_updated(cursor.Text(8));
  return paper;
}

nlohmann::json List(const auto& items) {
  auto list = nlohmann::json::array();
  for (const auto& item : items) list.push_back(item);
  return list;
}

}  // namespace

bool IsDone(const Digest& digest) {
  return digest.state == "published" || digest.state == "withheld";
}

std::string TraceOf(const Digest& digest) {
  return TraceOf(digest.profile, digest.date, digest.revision);
}

LogFields FieldsOf(const Digest& digest) {
  return {{"profile", digest.profile},
          {"date", digest.date},
          {"digest", digest.id},
          {"trace", TraceOf(digest)}};
}

std::optional<Digest> FindDigest(Database& db, DigestId id) {
  return Read(db.Query(DIGEST_COLUMNS "WHERE id = ?", id));
}

std::optional<Digest> FindDigest(Database& db, const std::string& profile,
                                 const std::string& date) {
  return Read(db.Query(DIGEST_COLUMNS "WHERE profile = ? AND date = ?", profile, date));
}

std::vector<DigestId> DigestsInState(Database& db, const std::string& state) {
  std::vector<DigestId> ids;
  auto cursor = db.Query("SELECT id FROM digest WHERE state = ? ORDER BY date, id", state);
  while (cursor.Next()) ids.push_back(cursor.Int(0));
  return ids;
}

wire::Profile LoadProfileRevision(Database& db, const std::string& revision) {
  auto cursor = db.Query("SELECT content FROM profile WHERE revision = ?", revision);
  wire::Profile profile;
  if (!cursor.Next() || !profile.ParseFromString(cursor.Text(0))) {
    throw StorageError("the ledger lacks revision " + revision + " of a profile");
  }
  return profile;
}

wire::Profile AsScored(wire::Profile profile, const std::string& given_up) {
  constexpr uint32_t kLarger = 4;
  const auto has = [&](const char* step) { return given_up.find(step) != std::string::npos; };
  if (has(kGiveUpTitles)) profile.set_title_stage(true);
  if (has(kGiveUpSmallBatches)) {
    profile.set_batch_size(std::min(kMaxBatchSize, kLarger * profile.batch_size()));
    profile.set_batch_tokens(kLarger * profile.batch_tokens());
  }
  if (has(kGiveUpModel)) profile.set_model(profile.cheaper_model());
  return profile;
}

wire::Profile ProfileAsScored(Database& db, const Digest& digest) {
  return AsScored(LoadProfileRevision(db, digest.revision), digest.given_up);
}

void Unbind(Database& db, DigestId digest) {
  db.Exec(
      "UPDATE digest SET backend = NULL, model = NULL, temperature = NULL, given_up = '' "
      "WHERE id = ?",
      digest);
  ForgetBudget(db, digest);
}

void ForgetBudget(Database& db, DigestId digest) {
  db.Exec(
      "UPDATE digest SET budget = '', budget_left = NULL, budget_on = NULL, budget_limit = NULL, "
      "forecast = NULL, forecast_now = NULL WHERE id = ?",
      digest);
}

wire::Funnel CountFunnel(Database& db, DigestId digest) {
  wire::Funnel funnel;
  auto cursor = db.Query("SELECT state, count(*) FROM row WHERE digest = ? GROUP BY state", digest);
  while (cursor.Next()) {
    const std::string state = cursor.Text(0);
    const uint64_t count = cursor.Int(1);
    funnel.set_arxiv(funnel.arxiv() + count);
    if (state == "refused") funnel.set_refused(count);
    if (state == "not_wanted") funnel.set_not_wanted(count);
    if (state == "seen_before") funnel.set_seen_before(count);
    if (state == "author_gated") funnel.set_author_gated(count);
    if (state == "title_dropped") funnel.set_title_dropped(count);
    if (state == "below_cutoff") funnel.set_below_cutoff(count);
    if (state == "selected") funnel.set_selected(count);
    if (state == "unscored") funnel.set_unscored(count);
  }
  funnel.set_scanned(funnel.author_gated() + funnel.title_dropped() + funnel.below_cutoff() +
                     funnel.selected() + funnel.unscored());
  return funnel;
}

bool IsMendable(Database& db, DigestId digest) {
  return db.Query("SELECT 1 FROM row WHERE digest = ? AND mendable = 1 LIMIT 1", digest).Next();
}

std::vector<std::string> LateLists(Database& db, DigestId digest) {
  std::vector<std::string> lists;
  auto cursor = db.Query(
      "SELECT category FROM category WHERE digest = ? AND late = 1 ORDER BY category", digest);
  while (cursor.Next()) lists.push_back(cursor.Text(0));
  return lists;
}

std::map<DigestId, std::string> Unwritten(Database& db) {
  std::map<DigestId, std::string> unwritten;
  auto cursor = db.Query(
      "SELECT CAST(substr(key, 11) AS INTEGER), value FROM meta WHERE key LIKE 'unwritten %'");
  while (cursor.Next()) unwritten.emplace(cursor.Int(0), cursor.Text(1));
  return unwritten;
}

void SetUnwritten(Database& db, DigestId digest, const std::string& why) {
  const std::string key = "unwritten " + std::to_string(digest);
  if (!why.empty()) {
    db.Exec("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, why);
  } else {
    db.Exec("DELETE FROM meta WHERE key = ?", key);
  }
}

std::optional<wire::Paper> FindPaper(Database& db, const std::string& id, int64_t version) {
  return ReadPaper(db.Query(
      PAPER_COLUMNS "WHERE id = ? ORDER BY version = ? DESC, version DESC LIMIT 1", id, version));
}

std::optional<wire::Paper> FindText(Database& db, const std::string& id, int64_t version) {
  return ReadPaper(db.Query(PAPER_COLUMNS TEXT_OF_VERSION
                            "ORDER BY version = ?2 DESC, version DESC LIMIT 1",
                            id, version));
}

bool HasText(Database& db, const std::string& id, int64_t version) {
  return db.Query("SELECT 1 FROM paper " TEXT_OF_VERSION, id, version).Next();
}

std::optional<wire::PaperAuthors> FindAuthors(Database& db, const std::string& paper) {
  auto cursor = db.Query("SELECT content FROM authors WHERE paper = ?", paper);
  if (!cursor.Next()) return std::nullopt;
  wire::PaperAuthors authors;
  if (!authors.ParseFromString(cursor.Text(0))) {
    throw StorageError("the ledger's authors of " + paper + " cannot be read");
  }
  return authors;
}

void StoreAuthors(Database& db, const wire::PaperAuthors& authors) {
  db.Exec("INSERT OR REPLACE INTO authors VALUES (?, ?)", authors.id(),
          Blob{authors.SerializeAsString()});
}

std::string AddWork(Database& db, const Voice& voice, const wire::Profile& profile,
                    wire::Stage stage, const wire::Paper& paper, int sample) {
  const std::string key = WorkKey(voice, profile, stage, ModelView(paper, stage), sample);
  if (db.Query("SELECT 1 FROM work WHERE key = ?", Blob{key}).Next()) return key;
  const wire::BatchPaper seen = ModelView(paper, wire::STAGE_ABSTRACT);
  std::string text = seen.title() + "\n" + seen.abstract();
  for (const auto& name : seen.authors()) text += "\n" + name;
  db.Exec("INSERT INTO work(key, stage, paper, version, addresses_model) VALUES (?, ?, ?, ?, ?)",
          Blob{key}, static_cast<int64_t>(stage), paper.id(), static_cast<int64_t>(paper.version()),
          AddressesModel(text));
  return key;
}

void StorePaper(Database& db, const wire::Paper& paper) {
  db.Exec(
      "INSERT INTO paper(id, version, title, abstract, authors, categories, primary_category, "
      "published, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id, version) "
      "DO UPDATE SET abstract = excluded.abstract, pruned = 0 WHERE pruned = 1",
      paper.id(), paper.version(), paper.title(), paper.abstract(), List(paper.authors()).dump(),
      List(paper.categories()).dump(), paper.primary_category(), paper.published(),
      paper.updated());
}

}  // namespace paperboy
