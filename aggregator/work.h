// Units of work: what the model sees of a paper, and the key under which its
// answer is kept. Pure; any thread.
#pragma once

#include <string>

#include "proto/paperboy.pb.h"

namespace paperboy {

// Abstracts are cut at this many characters (reference system's figure).
inline constexpr size_t kAbstractChars = 4000;
// Papers of large collaborations name hundreds of authors; the model needs few.
inline constexpr int kAuthorsForModel = 50;

// Who scores: a digest edition is scored by one.
struct Voice {
  std::string backend;
  std::string model;
  std::string temperature;
  bool operator==(const Voice&) const = default;
};

// The prompt of a stage, with the line [PAPER LIST HERE]. The title stage's is
// the profile's own, or the bundled one with the profile's topics in it.
std::string PromptFor(const wire::Profile& profile, wire::Stage stage);

// What the model sees: accents made Unicode, abstract and authors cut; the title
// stage sees id and title only. `key` is left empty.
wire::BatchPaper ModelView(const wire::Paper& paper, wire::Stage stage);

// SHA-256 (32 bytes) of stage, voice, prompt (for the lexical backend the topics
// too), the paper as the model sees it, and the number of the sample.
std::string WorkKey(const Voice& voice, const wire::Profile& profile, wire::Stage stage,
                    const wire::BatchPaper& view, int sample = 0);

}  // namespace paperboy
