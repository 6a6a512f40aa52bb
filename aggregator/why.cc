#include "aggregator/why.h"

#include "aggregator/digests.h"
#include "aggregator/readings.h"
#include "aggregator/rules.h"
#include "common/announce_type.h"
#include "common/text.h"
#include "common/trace.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// What a row's state means, in a sentence.
std::string Sentence(const std::string& state, const std::string& why,
                     const wire::Profile& profile) {
  if (state.empty()) return "waits for its score";
  if (state == "refused") return "refused: " + why;
  if (state == "not_wanted") return "not wanted by the profile (" + why + ")";
  if (state == "seen_before") return "seen before: it belongs to the announcement of " + why;
  if (state == "author_gated") return "author gated: " + why;
  if (state == "title_dropped") return "dropped by its title";
  if (state == "unscored") return "unscored: " + why;
  if (state == "selected" && !why.empty()) return "selected: " + why;
  const std::string cutoffs = fmt::format("cut-offs: relevance {}, novelty {}",
                                          profile.relevance_cutoff(), profile.novelty_cutoff());
  return (state == "selected" ? "selected (" : "below the cut-off (") + cutoffs + ")";
}

// "  3 readings, relevance/novelty: 7/8, 6/8, 8/8", or "" for a paper that was read once.
std::string ReadingsText(const std::map<std::string, std::vector<Reading>>& of_papers,
                         const std::string& paper) {
  const auto readings = of_papers.find(paper);
  if (readings == of_papers.end()) return "";
  std::string text;
  for (const Reading& reading : readings->second) {
    text += fmt::format("{}{}/{}", text.empty() ? "" : ", ", reading.relevance, reading.novelty);
  }
  return fmt::format("  {} readings, relevance/novelty: {}\n", readings->second.size(), text);
}

}  // namespace

Result<std::string> Why(Database& db, const std::string& text) {
  const ArxivId id = ParseArxivId(text);
  if (!id.ok()) {
    return Invalid("\"" + CutChars(text, 80) + "\" is not an arXiv id; expected one as 2504.08867");
  }
  std::string answer;
  if (auto paper = FindPaper(db, id.id, id.version)) {
    answer += fmt::format("{} {}\n", id.id, paper->title());
  }
  bool met = false;
  auto cursor = db.Query(
      "SELECT d.profile, d.date, d.state, d.revision, r.announce_type, r.state, r.why, "
      "coalesce(r.relevance, w.relevance), coalesce(r.novelty, w.novelty), w.comment, w.call, "
      "d.model, d.id, coalesce(first.addresses_model, ''), r.authors_unknown FROM row r "
      "JOIN digest d ON d.id = r.digest LEFT JOIN work first ON first.key = r.work "
      "LEFT JOIN work w ON w.key = coalesce(r.shown, r.work) AND w.state = 'done' "
      "WHERE r.paper = ? ORDER BY d.profile, d.date",
      id.id);
  while (cursor.Next()) {
    met = true;
    const auto profile = LoadProfileRevision(db, cursor.Text(3));
    answer += fmt::format("\n{} {} (digest {}), announced as {}\n  {}\n  trace {}\n",
                          cursor.Text(0), cursor.Text(1), cursor.Text(2),
                          AnnounceTypeName(static_cast<wire::AnnounceType>(cursor.Int(4))),
                          Sentence(cursor.Text(5), cursor.Text(6), profile),
                          TraceOf(cursor.Text(0), cursor.Text(1), cursor.Text(3)));
    if (!cursor.Text(13).empty()) {
      answer += fmt::format("  its text {}: it is scored alone\n", cursor.Text(13));
    }
    if (cursor.Int(14) != 0) answer += "  its authors are not known to Semantic Scholar (all)\n";
    if (cursor.Null(7)) continue;
    answer +=
        fmt::format("  relevance {}, novelty {} by {}{}\n  comment: {}\n", cursor.Int(7),
                    cursor.Int(8), cursor.Text(11),
                    cursor.Text(10).empty() ? "" : ", call " + cursor.Text(10), cursor.Text(9));
    answer += ReadingsText(ReadingsOf(db, cursor.Int(12)), id.id);
  }
  if (!met) {
    return Invalid("no digest in this ledger met " + id.id +
                   ": none of the lists that were read names it");
  }
  return answer;
}

}  // namespace paperboy
