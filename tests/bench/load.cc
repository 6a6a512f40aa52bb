#include "tests/bench/load.h"

#include <cmath>

#include "scorer/answer.h"
#include "scorer/openai.h"
#include "tests/bench/feed.h"

namespace paperboy::bench {

const char kPrompt[] =
    "You read the day's papers for a small group that builds and studies machine learning\n"
    "systems. Its members read few papers, and read those well. For each paper below judge two\n"
    "things, each as a whole number from 1 to 10.\n"
    "\n"
    "RELEVANCE: how near the paper is to what the group works on, which is the cost of training\n"
    "and of inference: memory, arithmetic, communication, and what can be left out without harm.\n"
    "10: its main result is about that. 5: it touches on it. 1: it has nothing to do with it.\n"
    "\n"
    "NOVELTY: how new the main idea is against what the group can be expected to know. 10: it\n"
    "changes how one thinks about a question. 5: a solid step beyond what was known. 1: a known\n"
    "method applied once more.\n"
    "\n"
    "Judge from title and abstract alone, and each paper for itself. Do not reward large claims.\n"
    "Say in one sentence why, in plain words, without repeating the title.\n"
    "\n"
    "[PAPER LIST HERE]\n";

namespace {

constexpr size_t kShortChars = 200;
constexpr size_t kLongChars = 3'900;

std::string AbstractOf(size_t number, size_t chars) {
  static constexpr std::array<const char*, 12> kWords = {
      "we",    "measure", "how",     "a",      "layer",    "of",
      "small", "experts", "changes", "memory", "accuracy", "and"};
  std::string text = "Matter " + std::to_string(number) + ":";
  for (size_t i = number; text.size() < chars; ++i) {
    text += std::string(" ") + kWords[i * 7 % kWords.size()];
  }
  text.resize(chars);
  return text;
}

ChatCall CallOf(const ArxivPaper& paper) {
  wire::BatchPaper view;
  view.set_id(paper.id);
  view.set_title(paper.title);
  for (const std::string& author : paper.authors) view.add_authors(author);
  view.set_abstract(paper.abstract);
  return {.model = kModel,
          .stage = wire::STAGE_ABSTRACT,
          .prompt = RenderPrompt(kPrompt, wire::STAGE_ABSTRACT, {view}).value(),
          .papers = 1};
}

std::array<ArxivPaper, 2> Samples() {
  std::vector<ArxivPaper> papers = InventPapers(2);
  papers[0].abstract = AbstractOf(1, kShortChars);
  papers[1].abstract = AbstractOf(2, kLongChars);
  return {papers[0], papers[1]};
}

double TokensOf(const ArxivPaper& paper) {
  const ChatCall call = CallOf(paper);
  return std::ceil(static_cast<double>(call.prompt.size() + 1) / 4) +
         static_cast<double>(MaxTokensSent({}, call));
}

}  // namespace

std::string NameOf(Mode mode) {
  if (mode == Mode::kBucket) return "bucket";
  return mode == Mode::kSliding10 ? "sliding-10" : "sliding-60";
}

std::string NameOf(Bound bound) {
  if (bound == Bound::kFlipping) return "flipping";
  return bound == Bound::kRequests ? "requests" : "tokens";
}

Load LoadOf(Mode mode, Bound bound, double bucket_window) {
  Load load;
  load.bound = bound;
  load.window = mode == Mode::kBucket ? bucket_window : mode == Mode::kSliding60 ? 60 : 10;
  load.calls_per_second = mode == Mode::kSliding60 ? 20 : 50;
  const auto papers = Samples();
  const double shorter = TokensOf(papers[0]), longer = TokensOf(papers[1]);
  const double rpm = load.calls_per_second * 60;
  LimiterSettings& limits = load.limits;
  limits.rpm = std::llround(bound == Bound::kTokens ? 2 * rpm : rpm);
  limits.tpm = std::llround(rpm * (bound == Bound::kRequests ? 2 * shorter
                                   : bound == Bound::kTokens ? longer
                                                             : (shorter + longer) / 2));
  limits.window = std::chrono::seconds(mode == Mode::kBucket ? 0 : std::lround(load.window));
  load.provider = {.requests_per_minute = static_cast<double>(limits.rpm),
                   .tokens_per_minute = static_cast<double>(limits.tpm),
                   .window = Quota::Seconds(mode == Mode::kBucket ? 1 : load.window),
                   .mode = mode == Mode::kBucket ? Quota::Mode::kBucket : Quota::Mode::kSliding};
  load.papers_per_phase = static_cast<size_t>(load.calls_per_second * load.window / 2);
  return load;
}

bool IsLong(const Load& load, size_t place) {
  if (load.bound == Bound::kFlipping) return place / load.papers_per_phase % 2 == 1;
  return load.bound == Bound::kTokens;
}

std::vector<ArxivPaper> PapersFor(const Load& load, double seconds) {
  // The first window, and scorers that work before the last one has started.
  const double calls = load.calls_per_second * (seconds + 2 * load.window + 30);
  auto papers = InventPapers(static_cast<size_t>(calls));
  for (size_t i = 0; i < papers.size(); ++i) {
    papers[i].abstract = AbstractOf(i, IsLong(load, i) ? kLongChars : kShortChars);
  }
  return papers;
}

std::array<std::string, 2> Bodies() {
  const auto papers = Samples();
  return {BuildChatRequest({.base_url = "http://x"}, {}, CallOf(papers[0])).body,
          BuildChatRequest({.base_url = "http://x"}, {}, CallOf(papers[1])).body};
}

}  // namespace paperboy::bench
