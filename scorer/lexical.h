// The embedded ranker: how well a paper's words cover a profile's topics. It
// needs no model, no key and no network, and it is a pure function of topics,
// prompt and paper. How rare a word is comes from a table in the binary
// (config/document_frequencies.tsv), never from the other papers of a batch.
// Any thread.
#pragma once

#include <string>
#include <vector>

#include "proto/paperboy.pb.h"

namespace paperboy {

// Words cannot tell whether a paper is new. Every paper gets the novelty that
// passes the default cutoff of profile.toml, so that relevance alone decides;
// the page says that novelty is not judged.
inline constexpr unsigned kLexicalNovelty = 7;

struct LexicalScore {
  unsigned relevance;   // 1-10
  unsigned novelty;     // kLexicalNovelty
  std::string comment;  // the topic covered best, and by which words
};

// Each topic is one query, and the best one decides. Without topics the prompt,
// its marker line taken out, is the only query; short topics rank much better.
//
// A query is scored by BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75):
// the sum over its words of idf · tf · (k1 + 1) / (tf + K), where a word in the
// title counts as three in the abstract, and a word's idf is in nats: the
// logarithm of how many papers there are for one that has it. Words of more
// than two papers in five have no weight.
//
// Coverage is the score between that of an average paper, 0, and that of a
// paper that is all about the query, 1: one that has, as often as one likes,
// words of the query worth all its nats, but no fewer than 4 (so that common
// words alone do not suffice) and no more than 8 (so that one of several things
// named does); for a query as long as a prompt, 8 standard deviations above the
// average. Relevance is 1 + ⌊12 · coverage⌋, at most 10: seven twelfths give 8,
// less than a third gives 4 at most.
//
// Measured on 13,000 papers of one month and 542 that a language model had
// selected for a reader much like the default profile's: with its topics 4 % of
// the others reach 8, 78 % stay at 4 or below, and a selected paper ranks above
// another one in 77-80 % of pairs; with its prompt alone in 67-69 %.
LexicalScore ScoreLexically(const std::vector<std::string>& topics, const std::string& prompt,
                            const wire::BatchPaper& paper);

}  // namespace paperboy
