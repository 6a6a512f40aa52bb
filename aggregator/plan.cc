#include "aggregator/plan.h"

#include <algorithm>

#include "aggregator/readings.h"
#include "aggregator/rules.h"

namespace paperboy {

namespace {

bool IsReplacement(wire::AnnounceType type) {
  return type == wire::ANNOUNCE_TYPE_REPLACE || type == wire::ANNOUNCE_TYPE_REPLACE_CROSS;
}

constexpr char kPruned[] = "its text was pruned: the next run for this date delivers it again";
constexpr char kTextLate[] = "its text is to come with a list that is late";

}  // namespace

struct Planner::RowFacts {
  std::string paper;
  int64_t version;
  ListedRow listed;
  std::string unreadable;
  std::string state;  // as it is; "" while it is not known
};

#define ROWS_WITH_LISTS                                                                      \
  "SELECT row.paper, version, announce_type, primary_category, unreadable, category, state " \
  "FROM row LEFT JOIN listing USING (digest, paper) WHERE row.digest = ? "

std::vector<Planner::RowFacts> Planner::LoadRows(DigestId digest) {
  return ReadRows(db_.Query(ROWS_WITH_LISTS "ORDER BY row.paper, category", digest));
}

std::vector<Planner::RowFacts> Planner::LoadRow(DigestId digest, const std::string& paper) {
  return ReadRows(db_.Query(ROWS_WITH_LISTS "AND row.paper = ? ORDER BY category", digest, paper));
}

std::vector<Planner::RowFacts> Planner::ReadRows(Cursor cursor) {
  std::vector<RowFacts> rows;
  while (cursor.Next()) {
    std::string paper = cursor.Text(0);
    if (rows.empty() || rows.back().paper != paper) {
      rows.push_back({std::move(paper), cursor.Int(1),
                      ListedRow{static_cast<wire::AnnounceType>(cursor.Int(2)), cursor.Text(3), {}},
                      cursor.Text(4), cursor.Text(6)});
    }
    rows.back().listed.lists.push_back(cursor.Text(5));
  }
  return rows;
}

std::vector<std::string> Planner::MissingTexts(const Digest& digest, const wire::Profile& profile,
                                               const std::string& list, bool anew) {
  std::vector<std::string> missing;
  for (const auto& row : LoadRows(digest.id)) {
    if (!anew && !row.state.empty()) continue;
    const auto& lists = row.listed.lists;
    if (!list.empty() && std::find(lists.begin(), lists.end(), list) == lists.end()) continue;
    if (!row.unreadable.empty() || UnwantedByList(profile, row.listed)) continue;
    if (HasText(db_, row.paper, row.version)) continue;
    if (!IsInLateListsOnly(digest.id, row.paper)) missing.push_back(row.paper);
  }
  return missing;
}

bool Planner::IsInLateListsOnly(DigestId digest, const std::string& paper) {
  return !db_.Query(
                 "SELECT 1 FROM listing LEFT JOIN category USING (digest, category) "
                 "WHERE digest = ? AND paper = ? AND late IS NOT 1 LIMIT 1",
                 digest, paper)
              .Next();
}

bool Planner::LacksAuthors(const Digest& digest, const wire::Profile& profile,
                           const RowFacts& row) {
  if (!row.unreadable.empty() || UnwantedByList(profile, row.listed)) return false;
  if (FindAuthors(db_, row.paper)) return false;
  const bool replacement = IsReplacement(row.listed.announce_type);
  return OwnedBefore(digest, row.paper, row.version, replacement).empty();
}

std::vector<std::string> Planner::MissingAuthors(const Digest& digest,
                                                 const wire::Profile& profile) {
  std::vector<std::string> missing;
  if (!AuthorRules(profile).need_look_ups()) return missing;
  for (const auto& row : LoadRows(digest.id)) {
    if (LacksAuthors(digest, profile, row)) missing.push_back(row.paper);
  }
  return missing;
}

std::vector<std::string> Planner::MissingAuthors(const Digest& digest, const wire::Profile& profile,
                                                 const std::set<std::string>& papers) {
  std::vector<std::string> missing;
  if (!AuthorRules(profile).need_look_ups()) return missing;
  for (const auto& paper : papers) {
    for (const auto& row : LoadRow(digest.id, paper)) {
      if (LacksAuthors(digest, profile, row)) missing.push_back(row.paper);
    }
  }
  return missing;
}

bool Planner::ListsAreIn(const Digest& digest, const wire::Profile& profile) {
  auto sealed = [&](const std::string& category) {
    return db_
        .Query("SELECT 1 FROM category WHERE digest = ? AND category = ?", digest.id, category)
        .Next();
  };
  return (sealed("*") ||
          std::all_of(profile.categories().begin(), profile.categories().end(), sealed)) &&
         MissingTexts(digest, profile).empty();
}

// The earliest date, before the digest's own, whose list for the profile names
// the paper and wanted it; "" when this digest owns it. A replacement is a paper
// of its own: only a list that named that version or a later one counts.
std::string Planner::OwnedBefore(const Digest& digest, const std::string& paper, int64_t version,
                                 bool replacement) {
  auto cursor = db_.Query(
      "SELECT min(digest.date) FROM row CROSS JOIN digest ON digest.id = row.digest "
      "WHERE row.paper = ? AND digest.profile = ? AND digest.date < ? AND digest.state <> 'open' "
      "AND row.state IS NOT 'refused' AND row.state IS NOT 'not_wanted' AND row.version >= ?",
      paper, digest.profile, digest.date, replacement ? version : 0);
  return cursor.Next() ? cursor.Text(0) : "";
}

void Planner::SetState(DigestId digest, const std::string& paper, const std::string& state,
                       const std::string& why) {
  db_.Exec(
      "UPDATE row SET state = ?, why = ?, mendable = 0, position = NULL "
      "WHERE digest = ? AND paper = ?",
      state, why, digest, paper);
}

// Shown without a question to the model: no unit of work decides about it.
void Planner::Select(const Digest& digest, const RowFacts& row, const std::string& match) {
  SetState(digest.id, row.paper, "selected", "author match: " + match);
  db_.Exec(
      "UPDATE row SET work = NULL, relevance = NULL, novelty = NULL, shown = NULL, "
      "authors_unknown = 0 WHERE digest = ? AND paper = ?",
      digest.id, row.paper);
}

void Planner::PlanRow(const Digest& digest, const wire::Profile& profile,
                      const AuthorRules& authors, const RowFacts& row) {
  if (!row.unreadable.empty()) return SetState(digest.id, row.paper, "refused", row.unreadable);
  if (auto why = UnwantedByList(profile, row.listed)) {
    return SetState(digest.id, row.paper, "not_wanted", *why);
  }
  const bool replacement = IsReplacement(row.listed.announce_type);
  if (auto date = OwnedBefore(digest, row.paper, row.version, replacement); !date.empty()) {
    return SetState(digest.id, row.paper, "seen_before", date);
  }
  const auto paper = FindText(db_, row.paper, row.version);
  if (!paper) return KeepWithoutText(digest, row);
  if (auto why = UnwantedByCategory(profile, *paper)) {
    return SetState(digest.id, row.paper, "not_wanted", *why);
  }
  const auto verdict = authors.Judge(*paper, FindAuthors(db_, row.paper));
  if (!verdict.match.empty()) return Select(digest, row, verdict.match);
  if (auto why = UnwantedByKeyword(profile, *paper)) {
    return SetState(digest.id, row.paper, "not_wanted", *why);
  }
  db_.Exec("UPDATE row SET authors_unknown = ? WHERE digest = ? AND paper = ?", verdict.unknown,
           digest.id, row.paper);
  if (!verdict.gated.empty()) {
    return SetState(digest.id, row.paper, "author_gated", verdict.gated);
  }
  // Which unit of work comes next depends on the edition: looked up anew.
  db_.Exec(
      "UPDATE row SET state = NULL, why = '', mendable = 0, position = NULL, work = NULL, "
      "relevance = NULL, novelty = NULL, shown = NULL WHERE digest = ? AND paper = ?",
      digest.id, row.paper);
}

bool Planner::IsForModel(const Digest& digest, const wire::Profile& profile,
                         const AuthorRules& authors, const wire::Row& row) {
  const ListedRow listed{row.announce_type(), row.primary_category(), {"*"}};
  const bool replacement = IsReplacement(row.announce_type());
  if (!row.refused().empty() || !row.has_paper() || UnwantedByList(profile, listed) ||
      !OwnedBefore(digest, row.id(), row.version(), replacement).empty() ||
      UnwantedByCategory(profile, row.paper()) || UnwantedByKeyword(profile, row.paper())) {
    return false;
  }
  const auto verdict = authors.Judge(row.paper(), FindAuthors(db_, row.id()));
  return verdict.match.empty() && verdict.gated.empty();
}

// Lists are sealed with every text, so that it was pruned since: what the row is
// stays, and what another digest gives back to it waits for its text. Or a list that was
// given up had come in part: its row waits for the rest.
void Planner::KeepWithoutText(const Digest& digest, const RowFacts& row) {
  if (!row.state.empty() && row.state != "seen_before") return;
  SetState(digest.id, row.paper, "unscored",
           IsInLateListsOnly(digest.id, row.paper) ? kTextLate : kPruned);
  db_.Exec("UPDATE row SET mendable = 1 WHERE digest = ? AND paper = ?", digest.id, row.paper);
}

void Planner::PlanRows(const Digest& digest, const wire::Profile& profile) {
  db_.Exec("DELETE FROM day WHERE profile = ? AND date = ?", digest.profile, digest.date);
  const AuthorRules authors(profile);
  for (const auto& row : LoadRows(digest.id)) PlanRow(digest, profile, authors, row);
  DropReadings(db_, digest.id);
  db_.Exec("UPDATE digest SET state = 'sealed', withhold = 0, readings_forgotten = 0 WHERE id = ?",
           digest.id);
  if (digest.voice) MakeWork(digest.id);
}

void Planner::Plan(DigestId id) {
  const Digest digest = *FindDigest(db_, id);
  PlanRows(digest, ProfileAsScored(db_, digest));
}

// Papers that later digests took for their own belong to this one, and those that
// they left to it while it does not own them (any more) go back. They move when its
// page is certain, so that none is ever on no page at all.
void Planner::ReplanLater(const Digest& digest) {
  std::vector<DigestId> later;
  {
    auto cursor = db_.Query(
        "SELECT d.id, d.date FROM row mine CROSS JOIN row theirs ON theirs.paper = mine.paper "
        "CROSS JOIN digest d ON d.id = theirs.digest WHERE mine.digest = ?1 AND d.profile = ?2 "
        "AND d.date > ?3 AND d.state <> 'open' AND mine.state NOT IN ('refused', 'not_wanted') "
        "AND (theirs.state IS NULL OR theirs.state NOT IN ('refused', 'not_wanted')) "
        "AND NOT (theirs.state IS 'seen_before' AND theirs.why <= ?3) "
        "UNION SELECT d.id, d.date FROM row theirs CROSS JOIN digest d ON d.id = theirs.digest "
        "WHERE theirs.state = 'seen_before' AND theirs.why = ?3 AND d.profile = ?2 "
        "AND d.date > ?3 AND d.state <> 'open' AND NOT EXISTS (SELECT 1 FROM row mine "
        "WHERE mine.digest = ?1 AND mine.paper = theirs.paper "
        "AND mine.state NOT IN ('refused', 'not_wanted') AND (mine.version >= theirs.version "
        "OR theirs.announce_type NOT IN (?4, ?5))) ORDER BY d.date",
        digest.id, digest.profile, digest.date, static_cast<int64_t>(wire::ANNOUNCE_TYPE_REPLACE),
        static_cast<int64_t>(wire::ANNOUNCE_TYPE_REPLACE_CROSS));
    while (cursor.Next()) later.push_back(cursor.Int(0));
  }
  for (const DigestId other : later) {
    const Digest next = *FindDigest(db_, other);
    PlanRows(next, ProfileAsScored(db_, next));
  }
}

void Planner::Bind(DigestId id, const Voice& voice, const std::optional<Economy>& economy) {
  db_.Exec("UPDATE digest SET backend = ?, model = ?, temperature = ? WHERE id = ?", voice.backend,
           voice.model, voice.temperature, id);
  if (economy) {
    db_.Exec(
        "UPDATE digest SET given_up = ?, budget = ?, budget_left = ?, budget_on = ?, "
        "budget_limit = ?, forecast = ?, forecast_now = ? WHERE id = ?",
        economy->given_up, economy->budget.what, economy->budget.left, economy->day,
        economy->budget.limit, economy->forecast, economy->forecast_now, id);
  }
}

size_t Planner::MakeWork(DigestId id, size_t limit) {
  std::vector<std::pair<std::string, int64_t>> rows;
  {
    auto cursor = db_.Query(
        "SELECT paper, version FROM row WHERE digest = ? AND state IS NULL AND work IS NULL "
        "ORDER BY paper",
        id);
    while (rows.size() < limit && cursor.Next()) rows.emplace_back(cursor.Text(0), cursor.Int(1));
  }
  const Digest digest = *FindDigest(db_, id);
  const wire::Profile profile = ProfileAsScored(db_, digest);
  const bool first = !db_.Query(
                             "SELECT 1 FROM row WHERE digest = ? AND state IS NULL AND work IS NOT "
                             "NULL LIMIT 1",
                             id)
                          .Next();
  const bool titles_first = profile.title_stage() && digest.voice->backend != "lexical";
  for (const auto& [paper, version] : rows) {
    SetWork(digest, profile, paper, version,
            titles_first ? wire::STAGE_TITLE : wire::STAGE_ABSTRACT);
  }
  if (first) ReadAnchors(db_, digest, profile);
  return rows.size();
}

void Planner::SetWork(const Digest& digest, const wire::Profile& profile, const std::string& id,
                      int64_t version, wire::Stage stage) {
  const auto paper = FindText(db_, id, version);
  if (!paper) throw StorageError("paper " + id + " has no text");
  const std::string key = AddWork(db_, *digest.voice, profile, stage, *paper);
  db_.Exec("UPDATE row SET work = ? WHERE digest = ? AND paper = ?", Blob{key}, digest.id, id);
}

// What the provider failed on keeps one failure alone: the evidence that it fails on
// this paper, so that it ends again also where nothing else is left to answer.
bool Planner::Reopen(DigestId id) {
  db_.Exec(
      "UPDATE work SET state = 'open', alone_failures = 1, mendable = 0 WHERE state = 'failed' "
      "AND mendable = 1 AND key IN (SELECT work FROM row WHERE digest = ? AND mendable = 1)",
      id);
  const auto papers =
      TakeUp(id, db_.Query("SELECT paper, version FROM row WHERE digest = ? AND mendable = 1", id));
  if (papers.empty()) return false;
  Unseal(id);
  return true;
}

std::vector<std::string> Planner::TakeUp(DigestId id, Cursor cursor) {
  std::vector<std::string> papers;
  while (cursor.Next()) {
    std::string paper = cursor.Text(0);
    const bool comes = !HasText(db_, paper, cursor.Int(1)) && IsInLateListsOnly(id, paper);
    if (!comes) papers.push_back(std::move(paper));
  }
  for (const std::string& paper : papers) {
    db_.Exec("UPDATE row SET state = NULL, why = '', mendable = 0 WHERE digest = ? AND paper = ?",
             id, paper);
  }
  return papers;
}

int64_t Planner::Retry(DigestId id) {
  const Digest digest = *FindDigest(db_, id);
  db_.Exec(
      "UPDATE work SET state = 'open', misses = 0, alone_misses = 0, deaths = 0, alone_deaths = 0, "
      "failures = 0, alone_failures = min(alone_failures, 1), mendable = 0, why = '' "
      "WHERE state = 'failed' "
      "AND key IN (SELECT work FROM row WHERE digest = ? AND (state IS NULL OR "
      "state = 'unscored'))",
      id);
  const int64_t failed = db_.Changes();
  const auto unscored = static_cast<int64_t>(
      TakeUp(id, db_.Query("SELECT paper, version FROM row WHERE digest = ? AND state = 'unscored'",
                           id))
          .size());
  if (digest.state != "open" && unscored > 0) Unseal(id);
  return std::max(failed, unscored);
}

void Planner::Empty(DigestId id) {
  for (const char* sql :
       {"DELETE FROM row WHERE digest = ?", "DELETE FROM listing WHERE digest = ?",
        "DELETE FROM category WHERE digest = ?", "DELETE FROM reading WHERE digest = ?",
        "UPDATE digest SET state = 'open', withhold = 0, readings_forgotten = 0 WHERE id = ?"}) {
    db_.Exec(sql, id);
  }
}

// Back to sealed with rows that wait again; to open where a text is wanted for one.
void Planner::Unseal(DigestId id) {
  const Digest digest = *FindDigest(db_, id);
  db_.Exec("UPDATE digest SET state = 'sealed', withhold = 0 WHERE id = ?", id);
  if (const auto papers = WaitingWithoutText(id); !papers.empty()) return OpenAgain(id, papers);
  // Nothing answered yet: whoever comes next may score it, as after a mistyped model.
  const bool answered = db_.Query(
                               "SELECT 1 FROM row JOIN work ON work.key = row.work "
                               "WHERE row.digest = ? AND work.state = 'done' LIMIT 1",
                               id)
                            .Next();
  if (!answered) {
    Unbind(db_, id);
    db_.Exec("UPDATE row SET work = NULL WHERE digest = ? AND state IS NULL", id);
    DropAnchors(db_, id);
  } else if (digest.voice) {
    MakeWork(id);
  }
}

std::vector<std::string> Planner::WaitingWithoutText(DigestId id) {
  std::vector<std::string> papers;
  auto cursor = db_.Query("SELECT paper, version FROM row WHERE digest = ? AND state IS NULL", id);
  while (cursor.Next()) {
    if (!HasText(db_, cursor.Text(0), cursor.Int(1))) papers.push_back(cursor.Text(0));
  }
  return papers;
}

// Lists that lack nothing keep their seals: as announced they are not read again, and one
// that was rebuilt does not mix with them.
void Planner::OpenAgain(DigestId id, const std::vector<std::string>& papers) {
  db_.Exec("UPDATE digest SET state = 'open' WHERE id = ?", id);
  for (const std::string& paper : papers) {
    db_.Exec(
        "DELETE FROM category WHERE digest = ?1 AND late <> 1 AND category IN "
        "(SELECT category FROM listing WHERE digest = ?1 AND paper = ?2)",
        id, paper);
  }
  db_.Exec("UPDATE row SET work = NULL WHERE digest = ? AND state IS NULL", id);
}

bool Planner::Advance(DigestId id, int64_t now) {
  const auto digest = FindDigest(db_, id);
  if (!digest || digest->state != "sealed") return false;
  const wire::Profile profile = ProfileAsScored(db_, *digest);
  // Titles: dropped, or on to the abstract. A title stage that failed drops nothing.
  std::vector<std::pair<std::string, int64_t>> kept;
  std::vector<std::string> dropped;
  {
    auto cursor = db_.Query(
        "SELECT row.paper, row.version, coalesce(work.kept, 1) FROM row "
        "JOIN work ON work.key = row.work WHERE row.digest = ? AND row.state IS NULL "
        "AND work.stage = ? AND work.state <> 'open'",
        id, static_cast<int64_t>(wire::STAGE_TITLE));
    while (cursor.Next()) {
      if (cursor.Int(2)) {
        kept.emplace_back(cursor.Text(0), cursor.Int(1));
      } else {
        dropped.push_back(cursor.Text(0));
      }
    }
  }
  for (const auto& paper : dropped) SetState(id, paper, "title_dropped", "by its title");
  for (const auto& [paper, version] : kept) {
    SetWork(*digest, profile, paper, version, wire::STAGE_ABSTRACT);
  }
  const bool waiting = db_.Query(
                              "SELECT 1 FROM row LEFT JOIN work ON work.key = row.work "
                              "WHERE row.digest = ? AND row.state IS NULL "
                              "AND (work.key IS NULL OR work.state = 'open') LIMIT 1",
                              id)
                           .Next();
  ReadAgain(db_, *digest, profile);
  if (waiting || WaitsForReadings(db_, id)) return false;
  Complete(*digest, profile, "", true, now);
  return true;
}

bool Planner::GiveUp(DigestId id, const std::string& why, int64_t now, bool mendable) {
  const auto digest = FindDigest(db_, id);
  if (!digest || digest->state != "sealed") return false;
  if (digest->voice && MakeWork(id) > 0 && Advance(id, now)) return true;
  Complete(*digest, ProfileAsScored(db_, *digest), why, mendable, now);
  return true;
}

void Planner::Complete(const Digest& digest, const wire::Profile& profile,
                       const std::string& give_up, bool mendable, int64_t now) {
  const DigestId id = digest.id;
  db_.Exec("UPDATE digest SET readings_forgotten = readings_forgotten + ? WHERE id = ?",
           SettleReadings(db_, id), id);
  db_.Exec(
      "UPDATE row SET state = CASE WHEN coalesce(row.relevance, w.relevance) >= ? "
      "AND coalesce(row.novelty, w.novelty) >= ? THEN 'selected' ELSE 'below_cutoff' END, mendable "
      "= 0 FROM work w WHERE w.key = row.work "
      "AND w.state = 'done' AND w.stage = ? AND row.digest = ? AND row.state IS NULL",
      profile.relevance_cutoff(), profile.novelty_cutoff(),
      static_cast<int64_t>(wire::STAGE_ABSTRACT), id);
  db_.Exec(
      "UPDATE row SET state = 'unscored', why = w.why, mendable = w.mendable FROM work w "
      "WHERE w.key = row.work AND w.state = 'failed' AND row.digest = ? AND row.state IS NULL",
      id);
  db_.Exec(
      "UPDATE row SET state = 'unscored', why = ?, mendable = ? WHERE digest = ? AND state IS NULL",
      give_up, mendable, id);
  Number(id);
  FixTexts(id);
  const wire::Funnel funnel = CountFunnel(db_, id);
  const uint64_t meant = funnel.scanned() - funnel.author_gated() - AuthorMatches(id);
  const auto too_many = [&](uint64_t part, uint64_t whole) {
    return static_cast<double>(part) > max_unscored_share_ * static_cast<double>(whole);
  };
  const int withhold = (too_many(funnel.unscored(), meant) ? kTooManyUnscored : 0) |
                       (too_many(funnel.refused(), funnel.arxiv()) ? kTooManyUnreadable : 0);
  FixFigures(id, withhold, now);
  if (withhold == 0) ReplanLater(digest);
}

uint64_t Planner::AuthorMatches(DigestId id) {
  auto cursor = db_.Query(
      "SELECT count(*) FROM row WHERE digest = ? AND state = 'selected' AND work IS NULL", id);
  cursor.Next();
  return static_cast<uint64_t>(cursor.Int(0));
}

// The page's order: score (relevance + novelty), then relevance, both falling;
// then the arXiv id, rising, which is the order of announcement. An author match
// stands as if both were 10.
void Planner::Number(DigestId id) {
  db_.Exec("UPDATE row SET position = NULL WHERE digest = ?", id);
  db_.Exec(
      "UPDATE row SET position = ranked.n FROM (SELECT r.paper, row_number() OVER "
      "(ORDER BY coalesce(r.relevance, w.relevance, 10) + coalesce(r.novelty, w.novelty, 10) DESC, "
      "coalesce(r.relevance, w.relevance, 10) DESC, r.paper) AS n FROM row r "
      "LEFT JOIN work w ON w.key = r.work WHERE r.digest = ? AND r.state = 'selected') "
      "AS ranked WHERE row.digest = ? AND row.paper = ranked.paper",
      id, id);
}

// A text that comes later changes no page.
void Planner::FixTexts(DigestId id) {
  db_.Exec(
      "UPDATE row SET text_version = coalesce("
      "(SELECT p.version FROM paper p WHERE p.id = row.paper AND p.version = row.version), "
      "(SELECT w.version FROM work w WHERE w.key = row.work AND w.state = 'done'), "
      "(SELECT max(p.version) FROM paper p WHERE p.id = row.paper)) WHERE digest = ?",
      id);
}

void Planner::FixFigures(DigestId id, int withhold, int64_t now) {
  db_.Exec(
      "UPDATE digest SET state = 'complete', withhold = ?, completed_at = ?, "
      "calls = c.calls, prompt_tokens = c.prompt, completion_tokens = c.completion, "
      "tokens_reported = c.reported, deferred_calls = c.deferred, prompt_picodollars = "
      "c.prompt_pd, "
      "completion_picodollars = c.completion_pd FROM (SELECT count(*) AS calls, "
      "coalesce(sum(deferred AND http_status = 200), 0) AS deferred, "
      "coalesce(sum(prompt_tokens), 0) AS prompt, coalesce(sum(completion_tokens), 0) AS "
      "completion, "
      "coalesce(min(tokens_reported), 1) AS reported, "
      // One call of unknown cost makes the sum unknown.
      "CASE WHEN count(prompt_picodollars) = count(*) THEN coalesce(sum(prompt_picodollars), 0) "
      "END "
      "AS prompt_pd, CASE WHEN count(completion_picodollars) = count(*) "
      "THEN coalesce(sum(completion_picodollars), 0) END AS completion_pd "
      "FROM call WHERE digest = ?) AS c WHERE id = ?",
      withhold, now, id, id);
  db_.Exec(
      "UPDATE digest SET lost_calls = l.calls, lost_picodollars = l.pd FROM "
      "(SELECT count(*) AS calls, coalesce(sum(estimate_picodollars), 0) AS pd FROM lease "
      "WHERE digest = ?1 AND lost = 1) AS l WHERE id = ?1",
      id);
}

}  // namespace paperboy
