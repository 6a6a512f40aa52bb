#include "aggregator/work.h"

#include "common/profile.h"
#include "common/text.h"
#include "embedded/kTitlePrompt.h"

namespace paperboy {
namespace {

constexpr std::string_view kCriteriaMarker = "[CRITERIA HERE]";

// Length first, so that no two lists of fields look the same.
void Add(std::string* bytes, std::string_view field) {
  *bytes += std::to_string(field.size());
  *bytes += ':';
  *bytes += field;
}

std::string Criteria(const wire::Profile& profile) {
  std::string text;
  for (const auto& topic : profile.topics()) text += "- " + topic + "\n";
  if (!text.empty()) return text;
  // A profile without topics states its criteria in the prompt.
  text = profile.prompt();
  if (const auto at = text.find(kPaperListMarker); at != std::string::npos) {
    text.erase(at, sizeof(kPaperListMarker) - 1);
  }
  return text;
}

}  // namespace

std::string PromptFor(const wire::Profile& profile, wire::Stage stage) {
  if (stage == wire::STAGE_ABSTRACT) return profile.prompt();
  if (!profile.title_prompt().empty()) return profile.title_prompt();
  std::string prompt(embedded::kTitlePrompt);
  if (const auto at = prompt.find(kCriteriaMarker); at != std::string::npos) {
    prompt.replace(at, kCriteriaMarker.size(), Criteria(profile));
  }
  return prompt;
}

wire::BatchPaper ModelView(const wire::Paper& paper, wire::Stage stage) {
  wire::BatchPaper view;
  view.set_id(paper.id());
  view.set_title(TexAccentsToUnicode(paper.title()));
  if (stage == wire::STAGE_TITLE) return view;
  for (int i = 0; i < paper.authors_size() && i < kAuthorsForModel; ++i) {
    view.add_authors(TexAccentsToUnicode(paper.authors(i)));
  }
  if (const int more = paper.authors_size() - kAuthorsForModel; more > 0) {
    view.add_authors("and " + std::to_string(more) + " others");
  }
  view.set_abstract(CutChars(TexAccentsToUnicode(paper.abstract()), kAbstractChars));
  return view;
}

std::string WorkKey(const Voice& voice, const wire::Profile& profile, wire::Stage stage,
                    const wire::BatchPaper& view, int sample) {
  std::string bytes;
  Add(&bytes, "paperboy work 1");
  Add(&bytes, std::to_string(stage));
  Add(&bytes, voice.backend);
  Add(&bytes, voice.model);
  Add(&bytes, voice.temperature);
  Add(&bytes, PromptFor(profile, stage));
  if (voice.backend == "lexical") {
    for (const auto& topic : profile.topics()) Add(&bytes, topic);
  }
  Add(&bytes, view.id());
  Add(&bytes, view.title());
  for (const auto& author : view.authors()) Add(&bytes, author);
  Add(&bytes, view.abstract());
  Add(&bytes, std::to_string(sample));
  return Sha256(bytes);
}

}  // namespace paperboy
