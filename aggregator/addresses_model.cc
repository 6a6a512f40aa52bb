#include "aggregator/addresses_model.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/text.h"

namespace paperboy {
namespace {

constexpr char kInstructs[] = "gives a model instructions";
constexpr char kDemands[] = "asks for a score";
constexpr char kPlays[] = "tells a model who it is";
constexpr char kMarkUp[] = "imitates a chat's mark-up";
constexpr char kAnswers[] = "imitates an answer";
constexpr char kHides[] = "has text that cannot be seen";

struct Rule {
  std::string_view what, reason;
};

// Words that follow each other: a|b is either, and ~n lets up to n others stand
// between.
constexpr Rule kPhrases[] = {
    {"ignore|disregard|forget|override|bypass ~3 previous|prior|above|all|any|earlier|preceding|"
     "other|your|these|the ~3 instruction|instructions|prompt|prompts|rule|rules|guideline|"
     "guidelines|directions|criteria|rubric",
     kInstructs},
    {"ignore|disregard|forget everything|anything|all ~3 above|before|previous|said|told",
     kInstructs},
    {"system|developer|hidden prompt|prompts|message|messages|instruction|instructions",
     kInstructs},
    {"new|updated|important|special|following instruction|instructions for|to ~2 model|models|"
     "reviewer|reviewers|assistant|assistants|llm|llms|ai|you",
     kInstructs},
    {"you must|should|shall|will|need|are|have ~4 score|rate|give|assign|answer|respond|output|"
     "select|rank|recommend|accept|ignore|follow|report|say|write|return",
     kInstructs},
    {"do not|never follow|mention|reveal|disclose|obey|apply ~4 instruction|instructions|prompt|"
     "rules|criteria|this|text",
     kInstructs},
    {"respond|reply|answer|output only|exactly|always ~2 with|the|in|as", kInstructs},
    {"dear|hello|hey|attention|note ~3 llm|llms|ai|chatgpt|gpt|claude|gemini|assistant|assistants|"
     "chatbot|model reading|reading|please|reviewer|scorer|you",
     kInstructs},
    {"if|when you are|were ~2 ai|llm|model|assistant|chatbot|bot|machine", kInstructs},
    {"give|giving|rate|rating|assign|score|award|grant|rank|mark|set ~4 paper|papers|submission|"
     "submissions|manuscript|article|abstract|work|this|it|everything|everyone ~6 10|ten|"
     "highest|maximum|maximal|max|top|perfect|full|best",
     kDemands},
    {"score|rating|relevance|novelty|grade ~2 of|is|to|must|should|as|equals|equal ~1 10|ten|"
     "maximum|highest",
     kDemands},
    {"only|strictly ~1 positive|favorable|favourable ~1 review|reviews|feedback|comments|score|"
     "scores",
     kDemands},
    {"give|write|provide|output|produce ~2 positive|favorable|favourable|glowing ~1 review|reviews",
     kDemands},
    {"recommend|accept|select|choose|include ~1 this|our paper|submission|manuscript|article",
     kDemands},
    {"you are|re|act|acting|behave|pretend|now ~3 ai|assistant|llm|chatbot|chatgpt|gpt|reviewer|"
     "scorer|judge|language|helpful|dan",
     kPlays},
    {"as a|an|the ~2 reviewer|assistant|llm|ai|model|judge you", kPlays},
    {"your task|role|job|instructions|output|answer|response is|are|must|should", kPlays},
    {"end|start|beginning of ~2 prompt|input|instructions|conversation|context|system", kMarkUp},
};

// What stands in the text as it is, in lower case and without spaces.
constexpr Rule kSigns[] = {
    {"<|im_", kMarkUp},         {"<|system", kMarkUp},       {"<|user", kMarkUp},
    {"<|assistant", kMarkUp},   {"<|endof", kMarkUp},        {"<|eot", kMarkUp},
    {"<|start", kMarkUp},       {"<|end", kMarkUp},          {"[inst]", kMarkUp},
    {"[/inst]", kMarkUp},       {"<<sys>>", kMarkUp},        {"<system>", kMarkUp},
    {"</system>", kMarkUp},     {"</paper", kMarkUp},        {"<instruction", kMarkUp},
    {"###system", kMarkUp},     {"###instruction", kMarkUp}, {"###user", kMarkUp},
    {"###assistant", kMarkUp},  {"###human", kMarkUp},       {"```", kMarkUp},
    {"\"role\":", kMarkUp},     {"arxivid", kAnswers},       {"\"relevance\":", kAnswers},
    {"\"novelty\":", kAnswers}, {"relevance:10", kAnswers},  {"novelty:10", kAnswers},
    {"relevance=10", kAnswers}, {"novelty=10", kAnswers},    {"relevance:9", kAnswers},
    {"novelty:9", kAnswers},
};

// Characters that leave no trace on a page: zero-width ones, soft hyphens,
// direction marks, variation selectors, tags.
bool IsInvisible(char32_t c) {
  return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF || (c >= 0xFE00 && c <= 0xFE0F) ||
         (c >= 0xE0000 && c <= 0xE01EF);
}

// Direction overrides and tags have no honest use in an abstract; the others come
// with copied text now and then.
bool IsTrick(char32_t c) { return c == 0x202D || c == 0x202E || (c >= 0xE0000 && c <= 0xE007F); }
constexpr int kInvisibleByAccident = 8;

struct Twin {
  char32_t c;
  char latin;
};
// Letters of other scripts, folded, that look Latin.
constexpr std::array<Twin, 24> kTwins = {
    {{U'а', 'a'}, {U'с', 'c'}, {U'ԁ', 'd'}, {U'е', 'e'}, {U'һ', 'h'}, {U'і', 'i'},
     {U'ј', 'j'}, {U'к', 'k'}, {U'ӏ', 'l'}, {U'м', 'm'}, {U'о', 'o'}, {U'р', 'p'},
     {U'ԛ', 'q'}, {U'ѕ', 's'}, {U'т', 't'}, {U'ѵ', 'v'}, {U'ԝ', 'w'}, {U'х', 'x'},
     {U'у', 'y'}, {U'ο', 'o'}, {U'α', 'a'}, {U'ι', 'i'}, {U'ρ', 'p'}, {U'ν', 'v'}}};

// Mathematical alphanumeric symbols are runs of A-Z a-z.
constexpr char32_t kMathLetters = 0x1D400, kMathLettersEnd = 0x1D6A4;

char32_t Plain(char32_t c) {
  if (c < 0x80) return c;
  if (c >= 0xFF01 && c <= 0xFF5E) return c - 0xFEE0;  // full width
  if (c >= kMathLetters && c < kMathLettersEnd) {
    const char32_t letter = (c - kMathLetters) % 52;
    return letter < 26 ? U'a' + letter : U'a' + letter - 26;
  }
  const auto twin = std::find_if(kTwins.begin(), kTwins.end(), [c](auto t) { return t.c == c; });
  return twin == kTwins.end() ? c : static_cast<char32_t>(twin->latin);
}

// The text as it looks, in lower case. `hidden`: how many characters do not show;
// negative if one of them is a trick.
std::string AsItLooks(std::string_view text, int* hidden) {
  std::string seen;
  bool trick = false;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = NextChar(text, &pos);
    trick |= IsTrick(c);
    if (IsInvisible(c)) {
      ++*hidden;
    } else {
      AppendChar(c, &seen);
    }
  }
  if (trick) *hidden = -1;
  const std::string folded = FoldCase(seen);
  std::string plain;
  for (size_t pos = 0; pos < folded.size();) AppendChar(Plain(NextChar(folded, &pos)), &plain);
  return FoldCase(plain);
}

// One place of a phrase: any of these words, after at most `gap` others.
struct Step {
  std::vector<std::string_view> words;
  size_t gap = 0;
};
struct Phrase {
  std::vector<Step> steps;
  std::string_view reason;
};

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

// By each word that one begins with: most words of a text begin none.
using Phrases = std::unordered_multimap<std::string_view, Phrase>;

Phrases ParsePhrases() {
  Phrases phrases;
  for (const Rule& rule : kPhrases) {
    Phrase phrase{{}, rule.reason};
    size_t gap = 0;
    for (const auto part : Split(rule.what, ' ')) {
      if (part[0] == '~') {
        gap = static_cast<size_t>(part[1] - '0');
      } else {
        phrase.steps.push_back({Split(part, '|'), std::exchange(gap, 0)});
      }
    }
    for (const auto first : phrase.steps[0].words) phrases.emplace(first, phrase);
  }
  return phrases;
}

// Whether the steps from `step` on are found from word `at` on.
bool Follows(const std::vector<std::string>& words, size_t at, const Phrase& phrase, size_t step) {
  if (step == phrase.steps.size()) return true;
  const Step& next = phrase.steps[step];
  for (size_t i = at; i < words.size() && i <= at + next.gap; ++i) {
    if (std::find(next.words.begin(), next.words.end(), words[i]) != next.words.end() &&
        Follows(words, i + 1, phrase, step + 1)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string AddressesModel(std::string_view text) {
  static const Phrases phrases = ParsePhrases();
  int hidden = 0;
  const std::string seen = AsItLooks(text, &hidden);
  std::string solid = seen;
  std::erase_if(solid, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  for (const Rule& sign : kSigns) {
    if (solid.find(sign.what) != std::string::npos) return std::string(sign.reason);
  }
  const auto words = Words(seen);
  for (size_t i = 0; i < words.size(); ++i) {
    const auto [begin, end] = phrases.equal_range(words[i]);
    for (auto phrase = begin; phrase != end; ++phrase) {
      if (Follows(words, i + 1, phrase->second, 1)) return std::string(phrase->second.reason);
    }
  }
  return hidden < 0 || hidden > kInvisibleByAccident ? kHides : "";
}

}  // namespace paperboy
