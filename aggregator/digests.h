// Digests as the ledger has them, and the little that several parts of the
// aggregator ask about them. All functions throw StorageError.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/sqlite.h"
#include "aggregator/work.h"
#include "common/log.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

using DigestId = int64_t;

// Why a digest is withheld, as bits: too many papers could not be scored, too many
// entries could not be read. (A ledger of an earlier version has the first for either.)
inline constexpr int kTooManyUnscored = 1, kTooManyUnreadable = 2;

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
  int withhold = 0;      // 0: it is not
  std::string given_up;  // steps of `degrade`, see budget.h
  std::string budget;    // that it was measured by; "": none, or not yet
};

// Published or withheld.
bool IsDone(const Digest& digest);

std::string TraceOf(const Digest& digest);
// Of log lines about it.
LogFields FieldsOf(const Digest& digest);

std::optional<Digest> FindDigest(Database& db, DigestId id);
std::optional<Digest> FindDigest(Database& db, const std::string& profile, const std::string& date);
// Those in `state`, oldest date first.
std::vector<DigestId> DigestsInState(Database& db, const std::string& state);

wire::Profile LoadProfileRevision(Database& db, const std::string& revision);
// The profile with what is given up, as the digest's batches are made and its papers
// scored: `title_stage` on, `larger_batches` four times as large, `cheaper_model` for
// the model.
wire::Profile AsScored(wire::Profile profile, const std::string& given_up);
wire::Profile ProfileAsScored(Database& db, const Digest& digest);
// Whoever comes next may score the digest; what it gives up is decided anew.
void Unbind(Database& db, DigestId digest);
// Its figures are taken anew before its next batch.
void ForgetBudget(Database& db, DigestId digest);
wire::Funnel CountFunnel(Database& db, DigestId digest);
// Whether a later run could score papers of it.
bool IsMendable(Database& db, DigestId digest);
// Categories that it went on without: their lists were not announced in time, and a
// later run adds them.
std::vector<std::string> LateLists(Database& db, DigestId digest);

// Digests (0: dates without one) of which what was recorded is not all below OUT yet, and why.
std::map<DigestId, std::string> Unwritten(Database& db);
// `why` is empty when all is.
void SetUnwritten(Database& db, DigestId digest, const std::string& why);

// What the ledger knows of a paper, for people: preferably of that version, and
// with an empty abstract if that was pruned; nullopt if it knows nothing.
std::optional<wire::Paper> FindPaper(Database& db, const std::string& id, int64_t version);
// The text of that very version (0: of any; stored under 0: of all), for the model
// and the rules. A pruned text is none.
std::optional<wire::Paper> FindText(Database& db, const std::string& id, int64_t version);
bool HasText(Database& db, const std::string& id, int64_t version);
// What Semantic Scholar says of the paper's authors; nullopt if the ledger has nothing.
std::optional<wire::PaperAuthors> FindAuthors(Database& db, const std::string& paper);
void StoreAuthors(Database& db, const wire::PaperAuthors& authors);
// Makes the unit of work for that question about the paper, unless it is there, and
// says its key.
std::string AddWork(Database& db, const Voice& voice, const wire::Profile& profile,
                    wire::Stage stage, const wire::Paper& paper, int sample = 0);
// The first text of a version stays; one that was pruned gets its abstract back.
void StorePaper(Database& db, const wire::Paper& paper);

}  // namespace paperboy
