#include "scorer/rows.h"

#include <algorithm>

#include "scorer/answer.h"
#include "scorer/lexical.h"

namespace paperboy {
namespace {

using wire::PaperResult;

std::vector<PaperResult> Parse(const ChatOutcome& outcome, wire::Stage stage,
                               const std::vector<wire::BatchPaper>& asked) {
  std::vector<std::string> ids;
  for (const wire::BatchPaper& paper : asked) ids.push_back(paper.id());
  std::vector<PaperResult> rows = stage == wire::STAGE_TITLE ? ParseDrops(outcome.content, ids)
                                                             : ParseScores(outcome.content, ids);
  for (PaperResult& row : rows) {
    if (row.kind() != PaperResult::MISSING || outcome.why.empty()) continue;
    row.set_why(outcome.why);
    if (outcome.declined && asked.size() == 1) row.set_kind(PaperResult::REFUSED);
  }
  return rows;
}

}  // namespace

std::vector<PaperResult> RowsOf(const ChatOutcome& outcome, wire::Stage stage,
                                const std::vector<wire::BatchPaper>& asked,
                                const std::string& call_id) {
  std::vector<PaperResult> rows;
  if (outcome.kind == ChatOutcome::Kind::kFailed) return rows;
  if (outcome.kind == ChatOutcome::Kind::kAnswered) {
    rows = Parse(outcome, stage, asked);
  } else {
    PaperResult refused;
    refused.set_kind(asked.size() == 1 ? PaperResult::REFUSED : PaperResult::MISSING);
    refused.set_why(outcome.why);
    rows.assign(asked.size(), refused);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].set_key(asked[i].key());
    rows[i].set_call(call_id);
  }
  return rows;
}

size_t AnsweredIn(const wire::Result& result) {
  return static_cast<size_t>(
      std::count_if(result.papers().begin(), result.papers().end(), [](const PaperResult& row) {
        return row.kind() != PaperResult::MISSING && row.kind() != PaperResult::REFUSED;
      }));
}

std::vector<PaperResult> RowsByWords(const wire::Batch& batch) {
  const std::vector<std::string> topics(batch.topics().begin(), batch.topics().end());
  std::vector<PaperResult> rows;
  for (const wire::BatchPaper& paper : batch.papers()) {
    PaperResult& row = rows.emplace_back();
    row.set_key(paper.key());
    if (batch.stage() == wire::STAGE_TITLE) {
      row.set_kind(PaperResult::KEEP);
      continue;
    }
    const LexicalScore score = ScoreLexically(topics, batch.prompt(), paper);
    row.set_kind(PaperResult::SCORE);
    row.set_relevance(score.relevance);
    row.set_novelty(score.novelty);
    row.set_comment(score.comment);
  }
  return rows;
}

}  // namespace paperboy
