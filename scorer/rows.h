// From what a call brought to what the aggregator is told about each paper.
// Pure; any thread.
#pragma once

#include <vector>

#include "proto/paperboy.pb.h"
#include "scorer/provider.h"

namespace paperboy {

// One result per paper asked about, with key and `call_id`; none if the
// provider failed, which is no paper's fault. A paper that the model declined
// to judge, or whose request the server refused, is REFUSED if it was asked
// about alone. In company it is MISSING, because nobody knows which paper it was:
// what is missing is asked about again in smaller batches.
std::vector<wire::PaperResult> RowsOf(const ChatOutcome& outcome, wire::Stage stage,
                                      const std::vector<wire::BatchPaper>& asked,
                                      const std::string& call_id);

// Papers that a result has an answer to.
size_t AnsweredIn(const wire::Result& result);

// The same without a model: by words alone. The title stage keeps everything.
std::vector<wire::PaperResult> RowsByWords(const wire::Batch& batch);

}  // namespace paperboy
