#include "aggregator/readings.h"

#include <algorithm>
#include <cstdlib>

#include "common/profile.h"

namespace paperboy {
namespace {

// A paper that has an answer, and the text that was asked about.
struct Answered {
  std::string key, paper;
  int64_t version = 0;
  int64_t relevance = 0, novelty = 0;
};

std::vector<Answered> ReadAnswered(Cursor cursor) {
  std::vector<Answered> all;
  while (cursor.Next()) {
    all.push_back({cursor.Text(0), cursor.Text(1), cursor.Int(2), cursor.Int(3), cursor.Int(4)});
  }
  return all;
}

bool CanBeAsked(const Digest& digest) { return digest.voice && digest.voice->backend != "lexical"; }

void AddReading(Database& db, const Digest& digest, const wire::Profile& profile,
                const Answered& first, const wire::Paper& text, int sample, bool anchor) {
  const std::string key = AddWork(db, *digest.voice, profile, wire::STAGE_ABSTRACT, text, sample);
  db.Exec("INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?, ?)", digest.id, Blob{first.key},
          sample, Blob{key}, anchor);
}

// 2026-09-15 → 20260915
int DateNumber(const std::string& date) {
  return std::atoi((date.substr(0, 4) + date.substr(5, 2) + date.substr(8, 2)).c_str());
}

int LowerMedian(std::vector<int> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

std::optional<DigestId> FirstOfItsKind(Database& db, const Digest& digest) {
  auto cursor = db.Query(
      "SELECT id FROM digest WHERE profile = ? AND revision = ? AND backend = ? AND model = ? "
      "AND temperature = ? AND date < ? AND state = 'published' ORDER BY date LIMIT 1",
      digest.profile, digest.revision, digest.voice->backend, digest.voice->model,
      digest.voice->temperature, digest.date);
  if (!cursor.Next()) return std::nullopt;
  return cursor.Int(0);
}

// Whether the model is asked about papers of the digest anyway, and about anchors not yet.
bool NeedsAnchors(Database& db, DigestId id) {
  return db
      .Query(
          "SELECT 1 FROM row JOIN work ON work.key = row.work WHERE row.digest = ?1 "
          "AND row.state IS NULL AND work.state = 'open' AND NOT EXISTS "
          "(SELECT 1 FROM reading WHERE digest = ?1 AND anchor = 1) LIMIT 1",
          id)
      .Next();
}

}  // namespace

int ReadingsEach(const wire::Profile& profile) {
  return std::clamp<int>(static_cast<int>(profile.rescore_samples()), 1, kMaxRescoreSamples);
}

bool IsNearCutoff(const wire::Profile& profile, int64_t relevance, int64_t novelty) {
  const int64_t margin = std::max(1U, profile.rescore_margin());
  const int64_t relevance_cutoff = profile.relevance_cutoff();
  const int64_t novelty_cutoff = profile.novelty_cutoff();
  const bool could_get_in =
      relevance + margin >= relevance_cutoff && novelty + margin >= novelty_cutoff;
  const bool could_fall_out = std::max<int64_t>(1, relevance - margin) < relevance_cutoff ||
                              std::max<int64_t>(1, novelty - margin) < novelty_cutoff;
  return could_get_in && could_fall_out;
}

void ReadAgain(Database& db, const Digest& digest, const wire::Profile& profile) {
  const int samples = ReadingsEach(profile);
  if (samples < 2 || !CanBeAsked(digest)) return;
  auto near = ReadAnswered(
      db.Query("SELECT w.key, w.paper, w.version, w.relevance, w.novelty FROM row "
               "JOIN work w ON w.key = row.work WHERE row.digest = ?1 AND row.state IS NULL "
               "AND w.state = 'done' AND w.stage = ?2 AND NOT EXISTS "
               "(SELECT 1 FROM reading WHERE digest = ?1 AND first = w.key AND anchor = 0)",
               digest.id, static_cast<int64_t>(wire::STAGE_ABSTRACT)));
  std::erase_if(near, [&](const Answered& first) {
    return !IsNearCutoff(profile, first.relevance, first.novelty);
  });
  for (const auto& first : near) {
    const auto text = FindText(db, first.paper, first.version);
    if (!text) continue;
    for (int sample = 1; sample < samples; ++sample) {
      AddReading(db, digest, profile, first, *text, sample, false);
    }
  }
}

void ReadAnchors(Database& db, const Digest& digest, const wire::Profile& profile) {
  const size_t wanted = std::min<size_t>(profile.drift_anchors(), kMaxDriftAnchors);
  if (wanted == 0 || !CanBeAsked(digest) || !NeedsAnchors(db, digest.id)) return;
  const auto source = FirstOfItsKind(db, digest);
  if (!source) return;
  const auto scored = ReadAnswered(db.Query(
      "SELECT w.key, w.paper, w.version, w.relevance, w.novelty FROM row "
      "JOIN work w ON w.key = row.work JOIN paper p ON p.id = w.paper AND p.version = w.version "
      "WHERE row.digest = ? "
      "AND row.state IN ('selected', 'below_cutoff') AND w.state = 'done' AND p.pruned = 0 "
      "AND w.addresses_model = '' ORDER BY w.relevance + w.novelty, w.relevance, w.paper",
      *source));
  const size_t count = std::min(wanted, scored.size());
  for (size_t i = 0; i < count; ++i) {
    const auto& first =
        scored[count == 1 ? scored.size() / 2 : i * (scored.size() - 1) / (count - 1)];
    const auto text = FindText(db, first.paper, first.version);
    // A row whose text was pruned for a while may have kept the answer to an older question.
    if (!text || WorkKey(*digest.voice, profile, wire::STAGE_ABSTRACT,
                         ModelView(*text, wire::STAGE_ABSTRACT)) != first.key) {
      continue;
    }
    AddReading(db, digest, profile, first, *text, DateNumber(digest.date), true);
  }
}

void DropAnchors(Database& db, DigestId id) {
  db.Exec("DELETE FROM reading WHERE digest = ? AND anchor = 1", id);
}

void DropReadings(Database& db, DigestId id) {
  db.Exec(
      "DELETE FROM reading WHERE digest = ?1 AND anchor = 0 AND first NOT IN (SELECT work FROM row "
      "WHERE digest = ?1 AND state IN ('selected', 'below_cutoff') AND work IS NOT NULL)",
      id);
}

bool WaitsForReadings(Database& db, DigestId id) {
  return db
      .Query(
          "SELECT 1 FROM reading JOIN work ON work.key = reading.work WHERE reading.digest = ? "
          "AND work.state = 'open' AND (anchor = 0 OR work.lease IS NOT NULL) LIMIT 1",
          id)
      .Next();
}

std::map<std::string, std::vector<Reading>> ReadingsOf(Database& db, DigestId id) {
  std::map<std::string, std::vector<Reading>> readings;
  auto cursor = db.Query(
      "SELECT row.paper, 0 AS sample, w.key, w.relevance, w.novelty FROM row "
      "JOIN work w ON w.key = row.work WHERE row.digest = ?1 AND w.state = 'done' AND row.work IN "
      "(SELECT first FROM reading WHERE digest = ?1 AND anchor = 0) UNION ALL "
      "SELECT row.paper, reading.sample, w.key, w.relevance, w.novelty FROM reading "
      "JOIN row ON row.work = reading.first AND row.digest = reading.digest "
      "JOIN work w ON w.key = reading.work WHERE reading.digest = ?1 AND reading.anchor = 0 "
      "AND w.state = 'done' ORDER BY row.paper, sample",
      id);
  while (cursor.Next()) {
    readings[cursor.Text(0)].push_back(
        {cursor.Text(2), static_cast<int>(cursor.Int(3)), static_cast<int>(cursor.Int(4))});
  }
  return readings;
}

int64_t SettleReadings(Database& db, DigestId id) {
  int64_t forgotten = 0;
  for (const int64_t anchor : {1, 0}) {
    db.Exec(
        "DELETE FROM reading WHERE digest = ? AND anchor = ? AND work NOT IN "
        "(SELECT key FROM work WHERE key = reading.work AND state = 'done')",
        id, anchor);
    forgotten = db.Changes();  // of the anchors nobody misses one
  }
  for (const auto& [paper, readings] : ReadingsOf(db, id)) {
    std::vector<int> relevances, novelties;
    for (const auto& reading : readings) {
      relevances.push_back(reading.relevance);
      novelties.push_back(reading.novelty);
    }
    const int relevance = LowerMedian(relevances), novelty = LowerMedian(novelties);
    const auto distance = [&](const Reading& reading) {
      return std::abs(reading.relevance - relevance) + std::abs(reading.novelty - novelty);
    };
    const auto nearest = std::min_element(
        readings.begin(), readings.end(),
        [&](const Reading& a, const Reading& b) { return distance(a) < distance(b); });
    db.Exec(
        "UPDATE row SET relevance = ?, novelty = ?, shown = ? WHERE digest = ? AND paper = ? "
        "AND state IS NULL",
        relevance, novelty, Blob{nearest->key}, id, paper);
  }
  return forgotten;
}

bool Drift::moved() const {
  return std::abs(relevance_now - relevance_before) > kDriftPoints * anchors ||
         std::abs(novelty_now - novelty_before) > kDriftPoints * anchors;
}

std::optional<Drift> DriftOf(Database& db, DigestId id) {
  auto cursor = db.Query(
      "SELECT count(*), sum(before.relevance), sum(now.relevance), sum(before.novelty), "
      "sum(now.novelty) FROM reading JOIN work before ON before.key = reading.first "
      "JOIN work now ON now.key = reading.work WHERE reading.digest = ? AND reading.anchor = 1 "
      "AND now.state = 'done'",
      id);
  if (!cursor.Next() || cursor.Int(0) == 0) return std::nullopt;
  const auto number = [&](int column) { return static_cast<int>(cursor.Int(column)); };
  return Drift{number(0), number(1), number(2), number(3), number(4)};
}

}  // namespace paperboy
