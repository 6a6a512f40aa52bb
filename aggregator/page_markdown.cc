// The classic layout: the format of the pages that readers know, byte for byte.
#include <algorithm>
#include <array>

#include "aggregator/outside_text.h"
#include "aggregator/page.h"
#include "common/text.h"

namespace paperboy {
namespace {

size_t Chars(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// Left-justified to `width` characters.
std::string Pad(std::string text, size_t width) {
  const size_t chars = Chars(text);
  if (chars < width) text.append(width - chars, ' ');
  return text;
}

std::string HeaderTable(const DigestPage& page) {
  auto tokens = [&](int64_t count) {
    return page.tokens_reported ? std::to_string(count) : std::string("not reported");
  };
  auto cost = [](std::optional<Picodollars> amount) {
    return amount ? FormatDollars(*amount) : std::string("unknown");
  };
  const std::string model = page.digest.voice ? page.digest.voice->model : "no model";
  using Line = std::array<std::string, 4>;
  const Line head = {"*[" + model + "]*", "Prompt", "Completion", "Total"};
  const Line token = {"**Token**", tokens(page.prompt_tokens), tokens(page.completion_tokens),
                      tokens(page.prompt_tokens + page.completion_tokens)};
  const Line money = {"**Cost**", cost(page.prompt_cost), cost(page.completion_cost),
                      cost(page.spent())};
  const Line lost = {"**Cost not known of**", Counted(page.lost_calls, "call"), "estimated",
                     LostText(page)};
  const bool any_lost = page.lost_calls > 0;
  std::array<size_t, 4> width;
  for (size_t i = 0; i < 4; ++i) {
    width[i] = std::max({Chars(head[i]) + 2, Chars(token[i]), Chars(money[i]),
                         any_lost ? Chars(lost[i]) : size_t{0}});
  }
  auto row = [&](const Line& cells) {
    std::string line = "|";
    for (size_t i = 0; i < 4; ++i) line += " " + Pad(cells[i], width[i]) + " |";
    return line;
  };
  std::string rule = "|";
  for (const size_t w : width) rule += ":" + std::string(w, '-') + ":|";
  return row(head) + "\n" + rule + "\n" + row(token) + "\n" + row(money) +
         (any_lost ? "\n" + row(lost) : "");
}

std::string Authors(const wire::Paper& paper) {
  std::string names;
  for (const auto& name : paper.authors()) names += (names.empty() ? "" : ", ") + name;
  return OutsideText(names);
}

std::string NotesBlock(const std::vector<std::string>& notes) {
  std::string block;
  for (const auto& note : notes) block += (block.empty() ? "> " : "\n> \n> ") + OutsideText(note);
  return block;
}

// "7", or "7 (6-8 in 3 readings)".
std::string Score(const PageRow& row, int score, int Reading::*kind) {
  std::string text = std::to_string(score);
  if (row.readings.empty()) return text;
  const auto [low, high] =
      std::minmax_element(row.readings.begin(), row.readings.end(),
                          [kind](const Reading& a, const Reading& b) { return a.*kind < b.*kind; });
  const int from = (*low).*kind, to = (*high).*kind;
  return text + " (" + (from == to ? "" : std::to_string(from) + "-") + std::to_string(to) +
         " in " + std::to_string(row.readings.size()) + " readings)";
}

std::string Section(const PageRow& row) {
  const wire::Paper& paper = *row.paper;
  const std::string n = std::to_string(*row.position);
  std::string text = "## " + n + ". [" + OutsideLinkText(paper.title()) +
                     "](https://arxiv.org/abs/" + row.id + ") <a id=\"link" + n +
                     "\"></a>\n\n**ArXiv ID:** " + row.id + "\n\n**Authors:** " + Authors(paper) +
                     "\n\n**Abstract:** " + OutsideText(paper.abstract());
  if (!row.comment.empty()) text += "\n\n**Comment:** " + OutsideText(row.comment);
  if (!row.addresses_model.empty()) {
    text += "\n\n**Caution:** Its text " + OutsideText(row.addresses_model) +
            ". It was scored alone, and its score may be its own doing.";
  }
  if (row.author_match) return text;
  return text + "\n\n**Relevance:** " + Score(row, *row.relevance, &Reading::relevance) +
         "\n**Novelty:** " + Score(row, *row.novelty, &Reading::novelty);
}

}  // namespace

std::string RenderMarkdown(const DigestPage& page) {
  const auto selected = page.selected();
  std::vector<std::string> blocks;
  if (const auto notes = Notes(page); !notes.empty()) blocks.push_back(NotesBlock(notes));
  blocks.push_back("# Personalized Daily ArXiv Papers " + page.digest.date);
  blocks.push_back(HeaderTable(page));
  blocks.push_back("Total arXiv papers: " + std::to_string(page.funnel.arxiv()));
  blocks.push_back("Total scanned papers: " + std::to_string(page.funnel.scanned()));
  blocks.push_back("Total relevant papers: " + std::to_string(page.funnel.selected()));
  blocks.push_back("**Table of contents with paper titles:**");
  for (const PageRow* row : selected) {
    const std::string n = std::to_string(*row->position);
    blocks.push_back(n + ". [" + OutsideLinkText(row->paper->title()) + "](#user-content-link" + n +
                     ")\n**Authors:** " + Authors(*row->paper));
  }
  for (const PageRow* row : selected) {
    blocks.push_back("---");
    blocks.push_back(Section(*row));
  }
  blocks.push_back("---");
  blocks.push_back("# Paper Selection Prompt");
  blocks.push_back(page.profile.prompt());
  std::string text;
  for (const auto& block : blocks) text += (text.empty() ? "" : "\n\n") + block;
  return text + "\n";
}

}  // namespace paperboy
