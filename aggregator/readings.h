// Further readings of papers that have a score: of those near a cut-off, whose
// medians then decide, and of anchors, by which a drift of the model shows. A
// reading is a unit of work like any other, with a sample number of its own in its
// key; table `reading` says which digest waits for it and which unit it repeats.
//
// Samples 1, 2, ... are a paper's own; an anchor's sample is the digest's date as a
// number (20260915), so that each digest asks once. A reading that cannot be had is
// forgotten at completion: those that were had decide.
//
// All functions work inside the caller's transaction and throw StorageError.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/digests.h"

namespace paperboy {

// A drift is said when the mean relevance or the mean novelty of the anchors has
// moved by more than this many points of ten. One sample of four papers that
// waver by a point each moves by half a point.
inline constexpr int kDriftPoints = 1;

struct Reading {
  std::string key;
  int relevance = 0, novelty = 0;
};

// How often in all the profile has papers near a cut-off read: at least 1.
int ReadingsEach(const wire::Profile& profile);
// Whether a reading that differs by at most profile.rescore_margin in relevance and in
// novelty could end on the other side of the cut-offs.
bool IsNearCutoff(const wire::Profile& profile, int64_t relevance, int64_t novelty);
// Asks again, profile.rescore_samples in all, about each paper for which a reading
// that differs from the first by at most profile.rescore_margin in relevance and
// in novelty could end on the other side of the cut-offs. What was asked for
// already is left alone.
void ReadAgain(Database& db, const Digest& digest, const wire::Profile& profile);

// Asks again about profile.drift_anchors papers of the earliest published digest
// with this revision and voice, evenly spread over its scores, whose first scores
// are those that are known. Not for a digest that needs nothing else from the
// model, and once.
void ReadAnchors(Database& db, const Digest& digest, const wire::Profile& profile);
// The digest's questions changed, or who answers them.
void DropAnchors(Database& db, DigestId digest);
// Forgets the readings of rows that are planned anew; ReadAgain finds them again.
void DropReadings(Database& db, DigestId digest);

// Whether completion has to wait: for every open reading of a paper, and for an
// anchor only while a batch with it is out, which is one call at most.
bool WaitsForReadings(Database& db, DigestId digest);

// For completion, before rows get their end states: forgets what was not had, and
// writes into each row that was read again the medians (of an even number of
// readings the lower of the two in the middle) and the reading nearest to them,
// the earliest of equally near ones. Returns how many further readings were not had.
int64_t SettleReadings(Database& db, DigestId digest);

// By paper, the readings of rows that were read again, the first one first.
std::map<std::string, std::vector<Reading>> ReadingsOf(Database& db, DigestId digest);

// Sums over the anchors that were answered, of the known scores and of today's.
struct Drift {
  int anchors = 0;
  int relevance_before = 0, relevance_now = 0;
  int novelty_before = 0, novelty_now = 0;
  bool moved() const;
};
// nullopt without an anchor.
std::optional<Drift> DriftOf(Database& db, DigestId digest);

}  // namespace paperboy
