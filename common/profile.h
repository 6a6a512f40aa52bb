// A profile folder: profile.toml, prompt.md, authors.txt, and optionally
// title_prompt.md. Pure but for reading the folder; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// The line of prompt.md that the papers replace.
inline constexpr char kPaperListMarker[] = "[PAPER LIST HERE]";

inline constexpr uint32_t kMaxRescoreSamples = 9;
inline constexpr uint32_t kMaxDriftAnchors = 20;
inline constexpr uint32_t kMaxBatchSize = 64;
inline constexpr uint32_t kMaxBatchTokens = 100'000;

// What a profile may list under `degrade`.
inline constexpr char kGiveUpTitles[] = "title_stage";
inline constexpr char kGiveUpSmallBatches[] = "larger_batches";
inline constexpr char kGiveUpModel[] = "cheaper_model";

// The whole profile, with its revision and with defaults for keys that
// profile.toml leaves out; every key but `name` has one (profile.cc).
//
//   name                    [a-z0-9-], at most 64 characters: identity and folder of its pages
//   categories              arXiv categories: cs.LG, hep-th, cs (a whole archive; also cs.*,
//                           kept as cs)
//   announce_types          of new, cross, replace, replace-cross
//   primary_only            only papers whose primary category is one of categories
//   relevance_cutoff, novelty_cutoff   1 to 10: a paper must reach both
//   model                   "": that of the first scorer that takes a batch
//   title_stage             whether the model drops papers by title first
//   batch_size              1 to 64 papers per call at most
//   batch_tokens            0 to 100,000 tokens of papers per call at most, a token for
//                           every four characters; 0: only batch_size counts
//   h_index_cutoff          0 to 1000; 0: no gate. A paper passes whose best author reaches
//                           it, or one of whose authors is not known
//   include_keywords        if any, a paper with none of them is not wanted
//   exclude_keywords        a paper with one of them is not wanted; neither concerns the
//                           papers of followed authors
//   topics                  what the lexical backend ranks by
//   budget_dollars_per_day, budget_dollars_per_digest   0: no budget; kept to the micro-dollar
//   degrade                 what is given up, in this order, for a digest that would not
//                           fit its budget otherwise: of title_stage, larger_batches,
//                           cheaper_model; needs a budget
//   cheaper_model           the model of that step
//   rescore_samples         0 to 9: how often a paper near a cut-off is scored; 0 and 1: once
//   rescore_margin          1 to 9: how far from a cut-off that is
//   batch_api               whether rebuilt days go through the provider's batch API
//   drift_anchors           0 to 20 papers with known scores, asked about again; 0: none
//
// The texts are kept as they are, but for newlines at the end of the two
// prompts. authors.txt and title_prompt.md may be absent: empty.
// Errors (all kInvalid) name the file, the line or key and what is allowed: a
// missing folder or prompt, a prompt that does not hold the marker exactly once,
// alone in its line, an unknown key, a value out of range, text that is not
// UTF-8, a file above 1 MiB.
Result<wire::Profile> LoadProfile(const std::string& dir);

// One of the authors whose papers are always on the page. With neither id nor ORCID
// the name alone says who it is (aggregator/authors.h tells how they are compared).
struct FollowedAuthor {
  std::string name;
  std::string id;     // Semantic Scholar's, digits
  std::string orcid;  // as 0000-0002-1825-0097, its check digit right
};

// authors.txt: lines "name, id", "name, ORCID" or "name"; # starts a comment. What
// stands behind the last comma is the id, so a name alone has none. Errors (kInvalid)
// name `file` and the line.
Result<std::vector<FollowedAuthor>> ParseAuthors(std::string_view text, const std::string& file);

}  // namespace paperboy
