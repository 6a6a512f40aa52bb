// Digests as the ledger has them, and the little that several parts of the
// aggregator ask about them. All functions throw StorageError.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/sqlite.h"
#include "aggregator/work.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

using DigestId = int64_t;

struct Digest {
  DigestId id = 0;
  std::string profile;  // name
  std::string date;
  uint32_t edition = 1;
  std::string revision;
  std::string source;
  std::string remedial_from, remedial_to;
  std::string state;  // open, sealed, complete, published, withheld
  std::optional<Voice> voice;
  bool withhold = false;
};

std::optional<Digest> FindDigest(Database& db, DigestId id);
std::optional<Digest> FindDigest(Database& db, const std::string& profile, const std::string& date);
// Those in `state`, oldest date first.
std::vector<DigestId> DigestsInState(Database& db, const std::string& state);

wire::Profile LoadProfileRevision(Database& db, const std::string& revision);
wire::Funnel CountFunnel(Database& db, DigestId digest);
// Whether a later run could score papers of it.
bool IsMendable(Database& db, DigestId digest);

// What the ledger knows of a paper, for people: preferably of that version, and
// with an empty abstract if that was pruned; nullopt if it knows nothing.
std::optional<wire::Paper> FindPaper(Database& db, const std::string& id, int64_t version);
// The text of that very version (0: of any; stored under 0: of all), for the model
// and the rules. A pruned text is none.
std::optional<wire::Paper> FindText(Database& db, const std::string& id, int64_t version);
bool HasText(Database& db, const std::string& id, int64_t version);
// The first text of a version stays; one that was pruned gets its abstract back.
void StorePaper(Database& db, const wire::Paper& paper);

}  // namespace paperboy
