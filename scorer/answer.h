// What is sent to a model and what it answers: the prompt with the papers, the
// form asked for, and the check of what comes back. Pure; any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// Longest comment that is kept, in characters.
inline constexpr size_t kMaxCommentChars = 2000;

// `prompt` with the papers in place of its line [PAPER LIST HERE], and nothing
// else changed. Each paper stands between <paper> and </paper>, one line for
// each of id, title, authors and (abstract stage) abstract; a delimiter or a
// line break inside a paper's own text is made harmless, so that the text can
// pose neither as another paper nor as the prompt. kInvalid without that line.
Result<std::string> RenderPrompt(const std::string& prompt, wire::Stage stage,
                                 const std::vector<wire::BatchPaper>& papers);

// The value of "response_format": a strict JSON schema, {"papers": [{ARXIVID,
// COMMENT, RELEVANCE, NOVELTY}]} or for the title stage {"drop": [id]}.
nlohmann::ordered_json ResponseFormat(wire::Stage stage);

// One result per asked id, in their order, without `key` and `call`: SCORE with
// scores and comment, or MISSING with why. Takes the answer as the schema has
// it, as JSON lines or as a list, whatever stands around it (see loose_json.h).
// Names are read in any case, ids with version or "arXiv:" too; scores are
// whole numbers from 1 to 10, also as 8.0 or "8". Names, ids and digits count in
// ASCII only: a full-width or Arabic-Indic 8 is no number, and its paper is asked
// about again; comments may be in any script. What stands between <think> and
// </think> is not part of the answer. Ids not asked for are ignored. Of several entries for a paper
// the first valid one counts, unless valid ones differ in their scores: then the paper is MISSING.
std::vector<wire::PaperResult> ParseScores(std::string_view content,
                                           const std::vector<std::string>& asked);

// The same for the title stage: DROP for the ids in the answer's list, KEEP for
// the others. Without exactly one list of ids in the answer every paper is
// MISSING: a failure of this stage must drop nothing.
std::vector<wire::PaperResult> ParseDrops(std::string_view content,
                                          const std::vector<std::string>& asked);

}  // namespace paperboy
