#include "scorer/lexical.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/profile.h"
#include "common/text.h"
#include "embedded/kDocumentFrequencies.h"

namespace paperboy {
namespace {

constexpr double kK1 = 1.2;
constexpr double kB = 0.75;
constexpr double kTitleWeight = 3;
constexpr double kLeastIdf = 0.9;  // nats: a word of two papers in five
constexpr double kLeastNats = 4;   // one paper in 55
constexpr double kMostNats = 8;    // one paper in 3,000
constexpr double kLongQueryDeviations = 8;
constexpr double kRelevanceSteps = 12;    // per unit of coverage
constexpr double kUnlistedFrequency = 2;  // the table leaves out words of fewer than 5 papers
constexpr size_t kWordsNamed = 5;         // in the comment
constexpr size_t kTopicCharsNamed = 80;

// The embedded table, taken apart.
struct Frequencies {
  double documents = 0;
  double mean_title = 0;     // words
  double mean_abstract = 0;  // words
  std::unordered_map<std::string_view, double> of;

  double Of(std::string_view word) const {
    const auto found = of.find(word);
    return found == of.end() ? kUnlistedFrequency : found->second;
  }
};

std::string_view TakeUntil(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

double ToNumber(std::string_view text) {
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Frequencies ReadTable() {
  Frequencies table;
  std::string_view rest = embedded::kDocumentFrequencies;
  std::string_view header = TakeUntil(rest, '\n');
  for (double* field : {&table.documents, &table.mean_title, &table.mean_abstract}) {
    TakeUntil(header, '\t');
    *field = ToNumber(TakeUntil(header, '\t'));
  }
  while (!rest.empty()) {
    std::string_view line = TakeUntil(rest, '\n');
    const std::string_view word = TakeUntil(line, '\t');
    table.of.emplace(word, ToNumber(line));
  }
  return table;
}

const Frequencies& Table() {
  static const Frequencies table = ReadTable();
  return table;
}

// A query's words with what they are worth, and the scores that mean coverage
// 0 and 1.
struct Query {
  std::map<std::string, double> idf;
  double average = 0;
  double full = 0;
};

Query MakeQuery(std::string_view text) {
  const Frequencies& table = Table();
  Query query;
  double nats = 0;
  double variance = 0;
  for (const std::string& word : Words(text)) {
    const double frequency = table.Of(word);
    const double idf = std::log1p((table.documents - frequency + 0.5) / (frequency + 0.5));
    if (idf < kLeastIdf || !query.idf.emplace(word, idf).second) continue;
    const double share = frequency / table.documents;
    nats += idf;
    query.average += share * idf;
    variance += share * (1 - share) * idf * idf;
  }
  query.full = std::max((kK1 + 1) * std::clamp(nats, kLeastNats, kMostNats),
                        query.average + kLongQueryDeviations * std::sqrt(variance));
  return query;
}

struct PaperWords {
  std::unordered_map<std::string, double> frequency;  // the title's weighted
  double k = 0;                                       // K: k1, adjusted for the paper's length
};

PaperWords CountWords(const wire::BatchPaper& paper) {
  PaperWords words;
  double length = 0;
  const auto count = [&](const std::string& text, double weight) {
    for (std::string& word : Words(text)) {
      words.frequency[std::move(word)] += weight;
      length += weight;
    }
  };
  count(paper.title(), kTitleWeight);
  count(paper.abstract(), 1);
  const double mean = Table().mean_abstract + kTitleWeight * Table().mean_title;
  words.k = kK1 * (1 - kB + kB * length / mean);
  return words;
}

struct Match {
  double coverage = 0;
  std::vector<std::pair<double, std::string>> words;  // with their share of the score
};

Match MatchQuery(const Query& query, const PaperWords& paper) {
  Match match;
  double score = 0;
  for (const auto& [word, idf] : query.idf) {
    const auto found = paper.frequency.find(word);
    if (found == paper.frequency.end()) continue;
    const double part = idf * found->second * (kK1 + 1) / (found->second + paper.k);
    score += part;
    match.words.emplace_back(part, word);
  }
  match.coverage = std::clamp((score - query.average) / (query.full - query.average), 0.0, 1.0);
  return match;
}

std::string WordsOf(const Match& match) {
  std::vector<std::pair<double, std::string>> words = match.words;
  std::stable_sort(words.begin(), words.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (size_t i = 0; i < words.size() && i < kWordsNamed; ++i) {
    text += (i > 0 ? ", " : "") + words[i].second;
  }
  return text + ".";
}

std::string Quoted(const std::string& topic) {
  const std::string name = CutChars(topic, kTopicCharsNamed);
  return "“" + name + (name.size() < topic.size() ? "…" : "") + "”";
}

std::string WithoutMarker(std::string prompt) {
  const size_t at = prompt.find(kPaperListMarker);
  if (at != std::string::npos) prompt.erase(at, std::string_view(kPaperListMarker).size());
  return prompt;
}

}  // namespace

LexicalScore ScoreLexically(const std::vector<std::string>& topics, const std::string& prompt,
                            const wire::BatchPaper& paper) {
  const PaperWords words = CountWords(paper);
  Match best;
  std::string comment =
      topics.empty() ? "Shares no telling word with the prompt." : "Matches none of the topics.";
  const auto consider = [&](std::string_view query, const std::string& name) {
    Match match = MatchQuery(MakeQuery(query), words);
    if (match.coverage <= best.coverage) return;
    best = std::move(match);
    comment = "Matches the " + name + ": " + WordsOf(best);
  };
  for (const std::string& topic : topics) consider(topic, "topic " + Quoted(topic));
  if (topics.empty()) consider(WithoutMarker(prompt), "prompt");

  const auto relevance = 1 + static_cast<unsigned>(kRelevanceSteps * best.coverage);
  return {std::min(relevance, 10u), kLexicalNovelty, std::move(comment)};
}

}  // namespace paperboy
