// Tokens before anybody has counted them: of a prompt, of an answer, of a paper in
// a prompt. Scorers reserve quota by them, the aggregator money. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proto/paperboy.pb.h"

namespace paperboy {

// English, a token for every four characters, as providers estimate too.
inline constexpr double kTokensPerChar = 0.25;

// A prompt of that many bytes has as a rule no more: a token for every three of them.
// (Ids and formulas have more, words fewer.)
int64_t UpperPromptTokens(size_t bytes);

// Room for the answer, in tokens. Providers charge it against the quota when
// the call arrives, so it is tight.
int MaxAnswerTokens(wire::Stage stage, size_t papers);

// What a reasoning model may think before it answers, beside that room: it is charged
// against max_completion_tokens, unlike max_tokens of other models.
inline constexpr int kReasoningTokens = 8'192;

// What an answer is expected to take: most comments are shorter than the room.
int LikelyAnswerTokens(wire::Stage stage, size_t papers);

// Bytes that a paper takes in a prompt (scorer/answer.h, RenderPrompt).
size_t PaperChars(wire::Stage stage, const wire::BatchPaper& paper);

}  // namespace paperboy
