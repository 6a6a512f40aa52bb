#include "common/profile.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>

#include "common/announce_type.h"
#include "common/category.h"
#include "common/text.h"

namespace paperboy {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxListEntries = 1000;
constexpr size_t kMaxShownChars = 80;
constexpr double kMaxBudgetDollars = 1e6;  // fits int64 as picodollars

wire::Profile Defaults() {
  wire::Profile profile;
  profile.add_categories("cs.LG");
  profile.add_announce_types(wire::ANNOUNCE_TYPE_NEW);
  profile.add_announce_types(wire::ANNOUNCE_TYPE_CROSS);
  profile.set_relevance_cutoff(8);
  profile.set_novelty_cutoff(7);
  profile.set_batch_size(4);
  profile.set_batch_tokens(3'000);
  return profile;
}

// Of a message, which is one line whatever is in the file.
std::string Quoted(std::string_view text) {
  return "\"" + CutChars(CleanText(text), kMaxShownChars) + "\"";
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Invalid(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad() || std::filesystem::is_directory(path)) {
    return Invalid(path + ": cannot be read: not a file");
  }
  if (text.size() > kMaxFileBytes) {
    return Invalid(fmt::format("{}: longer than {} bytes", path, kMaxFileBytes));
  }
  for (size_t pos = 0; pos < text.size();) {
    const size_t start = pos;
    bool valid = true;
    NextChar(text, &pos, &valid);
    if (valid) continue;
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(start), '\n');
    return Invalid(fmt::format("{}:{}: not valid UTF-8", path, line));
  }
  return text;
}

// Calls `each(line, number)` for every line until it fails.
template <class Each>
Status ForEachLine(std::string_view text, Each each) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (Status done = each(text.substr(0, end), number); !done.ok()) return done;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return Ok();
}

Result<std::string> ReadPrompt(const std::string& path) {
  auto text = ReadFile(path);
  if (!text.ok()) return text;
  size_t markers = 0;
  Status checked = ForEachLine(*text, [&](std::string_view line, size_t number) -> Status {
    if (line.find(kPaperListMarker) == std::string_view::npos) return Ok();
    if (Trim(line) != kPaperListMarker) {
      return Invalid(
          fmt::format("{}:{}: {} must stand alone in its line", path, number, kPaperListMarker));
    }
    ++markers;
    return Ok();
  });
  if (!checked.ok()) return checked.error();
  if (markers != 1) {
    return Invalid(fmt::format("{}: {} lines are {}; exactly one must be, where the papers go",
                               path, markers, kPaperListMarker));
  }
  text->erase(text->find_last_not_of("\r\n") + 1);
  return text;
}

// The keys of profile.toml, read one by one; the first fault is kept and the
// rest then does nothing. Keys that nobody asked for are faults at the end.
class Keys {
 public:
  Keys(const std::string& path, const toml::table& table) : path_(path), table_(table) {}

  template <class Set>
  void Text(std::string_view key, Set set) {
    const toml::node* node = Take(key);
    if (node == nullptr) return;
    const auto text = node->value_exact<std::string>();
    if (!text) return Fail(*node, key, "must be a string");
    set(*text);
  }

  template <class Set>
  void Flag(std::string_view key, Set set) {
    const toml::node* node = Take(key);
    if (node == nullptr) return;
    const auto flag = node->value_exact<bool>();
    if (!flag) return Fail(*node, key, "must be true or false");
    set(*flag);
  }

  template <class Set>
  void Integer(std::string_view key, int64_t min, int64_t max, Set set) {
    const toml::node* node = Take(key);
    if (node == nullptr) return;
    const auto number = node->value_exact<int64_t>();
    if (!number || *number < min || *number > max) {
      return Fail(*node, key, fmt::format("must be a whole number from {} to {}", min, max));
    }
    set(static_cast<uint32_t>(*number));
  }

  template <class Set>
  void Number(std::string_view key, double min, double max, Set set) {
    const toml::node* node = Take(key);
    if (node == nullptr) return;
    const auto number = node->is_number() ? node->value<double>() : std::nullopt;
    if (!number || !(*number >= min && *number <= max)) {
      return Fail(*node, key, fmt::format("must be a number from {} to {}", min, max));
    }
    set(*number);
  }

  // Calls begin() and then add(text) for each entry; add returns what is wrong with it, or "".
  template <class Begin, class Add>
  void List(std::string_view key, Begin begin, Add add) {
    const toml::node* node = Take(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || array->size() > kMaxListEntries) {
      return Fail(*node, key, fmt::format("must be a list of at most {} strings", kMaxListEntries));
    }
    begin();
    std::vector<std::string> seen;
    for (const toml::node& each : *array) {
      const auto text = each.value_exact<std::string>();
      if (!text) return Fail(each, key, "must hold strings only");
      if (std::ranges::find(seen, *text) != seen.end()) {
        return Fail(each, key, fmt::format("holds {} twice", Quoted(*text)));
      }
      if (const std::string wrong = add(*text); !wrong.empty()) {
        return Fail(each, key, fmt::format("{} {}", Quoted(*text), wrong));
      }
      seen.push_back(*text);
    }
  }

  Status Done() {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known_, key.str()) != known_.end()) continue;
      Fail(node, key.str(), fmt::format("is unknown; keys are {}", fmt::join(known_, ", ")));
    }
    if (!fault_.empty()) return Invalid(fault_);
    return Ok();
  }

 private:
  const toml::node* Take(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
  }

  void Fail(const toml::node& node, std::string_view key, const std::string& what) {
    if (!fault_.empty()) return;
    fault_ = fmt::format("{}:{}: key {}: {}", path_, node.source().begin.line,
                         CutChars(CleanText(key), kMaxShownChars), what);
  }

  const std::string& path_;
  const toml::table& table_;
  std::vector<std::string_view> known_;
  std::string fault_;
};

std::string AddAnnounceType(const std::string& name, wire::Profile* profile) {
  const auto known = ParseAnnounceType(name);
  if (!known) return "is not new, cross, replace or replace-cross";
  profile->add_announce_types(*known);
  return "";
}

std::string AddCategory(const std::string& name, wire::Profile* profile) {
  const Result<std::string> category = ParseCategory(name);
  if (!category) return category.error().message;
  const auto& known = profile->categories();
  if (std::ranges::find(known, *category) != known.end()) {
    return "is " + *category + ", which is there already";
  }
  profile->add_categories(*category);
  return "";
}

std::string AddStep(const std::string& step, wire::Profile* profile) {
  if (step != kGiveUpTitles && step != kGiveUpSmallBatches && step != kGiveUpModel) {
    return "is not title_stage, larger_batches or cheaper_model";
  }
  profile->add_degrade(step);
  return "";
}

// Through whole micro-dollars: a binary fraction times 1e12 would not be what was written.
// Never down to 0, which is no limit.
int64_t Picodollars(double dollars) {
  const int64_t micro = std::max<int64_t>(std::llround(dollars * 1e6), dollars > 0);
  return micro * 1'000'000;
}

Status CheckDegrade(const std::string& path, const wire::Profile& profile) {
  const bool budget =
      profile.budget_picodollars_per_day() > 0 || profile.budget_picodollars_per_digest() > 0;
  if (profile.degrade_size() > 0 && !budget) {
    return Invalid(path +
                   ": key degrade: has no effect without budget_dollars_per_day or "
                   "budget_dollars_per_digest");
  }
  const auto& steps = profile.degrade();
  const bool cheaper = std::ranges::find(steps, kGiveUpModel) != steps.end();
  if (cheaper != !profile.cheaper_model().empty()) {
    return Invalid(path +
                   ": key cheaper_model: names the model of the step \"cheaper_model\" in "
                   "degrade; give both or neither");
  }
  if (profile.cheaper_model() == "lexical") {
    return Invalid(path + ": key cheaper_model: must be a model; \"lexical\" is none");
  }
  return Ok();
}

// A keyword or topic without a letter or digit could never be found.
template <class Add>
auto IfItHasWords(Add add) {
  return [add](const std::string& text) -> std::string {
    if (Words(text).empty()) return "has no letter or digit";
    add(text);
    return "";
  };
}

void ReadKeys(Keys* keys, wire::Profile* profile) {
  keys->Text("name", [&](const std::string& text) { profile->set_name(text); });
  keys->List(
      "categories", [&] { profile->clear_categories(); },
      [&](const std::string& name) { return AddCategory(name, profile); });
  keys->List(
      "announce_types", [&] { profile->clear_announce_types(); },
      [&](const std::string& name) { return AddAnnounceType(name, profile); });
  keys->Flag("primary_only", [&](bool flag) { profile->set_primary_only(flag); });
  keys->Integer("relevance_cutoff", 1, 10, [&](uint32_t n) { profile->set_relevance_cutoff(n); });
  keys->Integer("novelty_cutoff", 1, 10, [&](uint32_t n) { profile->set_novelty_cutoff(n); });
  keys->Text("model", [&](const std::string& text) { profile->set_model(text); });
  keys->Flag("title_stage", [&](bool flag) { profile->set_title_stage(flag); });
  keys->Integer("batch_size", 1, kMaxBatchSize, [&](uint32_t n) { profile->set_batch_size(n); });
  keys->Integer("batch_tokens", 0, kMaxBatchTokens,
                [&](uint32_t n) { profile->set_batch_tokens(n); });
  keys->Integer("h_index_cutoff", 0, 1000, [&](uint32_t n) { profile->set_h_index_cutoff(n); });
  const auto nothing = [] {};
  keys->List("include_keywords", nothing,
             IfItHasWords([profile](const auto& text) { profile->add_include_keywords(text); }));
  keys->List("exclude_keywords", nothing,
             IfItHasWords([profile](const auto& text) { profile->add_exclude_keywords(text); }));
  keys->List("topics", nothing,
             IfItHasWords([profile](const auto& text) { profile->add_topics(text); }));
  keys->Number("budget_dollars_per_day", 0, kMaxBudgetDollars, [&](double dollars) {
    profile->set_budget_picodollars_per_day(Picodollars(dollars));
  });
  keys->Integer("rescore_samples", 0, kMaxRescoreSamples,
                [&](uint32_t n) { profile->set_rescore_samples(n); });
  // The default is not stored, so that profiles from before it was there keep their revision.
  keys->Integer("rescore_margin", 1, 9,
                [&](uint32_t n) { profile->set_rescore_margin(n == 1 ? 0 : n); });
  keys->Integer("drift_anchors", 0, kMaxDriftAnchors,
                [&](uint32_t n) { profile->set_drift_anchors(n); });
  keys->Number("budget_dollars_per_digest", 0, kMaxBudgetDollars, [&](double dollars) {
    profile->set_budget_picodollars_per_digest(Picodollars(dollars));
  });
  keys->List("degrade", nothing, [&](const std::string& step) { return AddStep(step, profile); });
  keys->Flag("batch_api", [&](bool flag) { profile->set_batch_api(flag); });
  keys->Text("cheaper_model", [&](const std::string& text) { profile->set_cheaper_model(text); });
}

Status ReadSettings(const std::string& path, wire::Profile* profile) {
  auto text = ReadFile(path);
  if (!text.ok()) return text.error();
  toml::table table;
  try {
    table = toml::parse(*text);
  } catch (const toml::parse_error& error) {
    return Invalid(
        fmt::format("{}:{}: {}", path, error.source().begin.line, CleanText(error.description())));
  }
  Keys keys(path, table);
  ReadKeys(&keys, profile);
  if (Status done = keys.Done(); !done.ok()) return done;
  static const std::regex name("[a-z0-9-]{1,64}");
  if (!std::regex_match(profile->name(), name)) {
    return Invalid(fmt::format("{}: key name: {} must be 1 to 64 characters of a-z, 0-9 and -",
                               path, Quoted(profile->name())));
  }
  if (profile->name() == "site") {
    return Invalid(path + ": key name: \"site\" is the folder of the HTML site; take another name");
  }
  if (profile->categories().empty() || profile->announce_types().empty()) {
    return Invalid(path + ": keys categories and announce_types: each must name at least one");
  }
  if (Status degrade = CheckDegrade(path, *profile); !degrade.ok()) return degrade;
  std::sort(profile->mutable_announce_types()->begin(), profile->mutable_announce_types()->end());
  return Ok();
}

// 0000-0002-1825-0097, its last digit the check of the others (ISO 7064, mod 11-2; X is 10).
// https://support.orcid.org/hc/en-us/articles/360006897674
bool IsOrcid(std::string_view text) {
  static const std::regex form("(\\d{4}-){3}\\d{3}[\\dX]");
  if (text.size() > 19 || !std::regex_match(text.begin(), text.end(), form)) return false;
  int sum = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c != '-') sum = (sum + c - '0') * 2 % 11;
  }
  return "0123456789X"[(12 - sum) % 11] == text.back();
}

// What is wrong with it, or "".
std::string SetIdentity(std::string_view text, FollowedAuthor* author) {
  if (!text.empty() && text.find_first_not_of("0123456789") == text.npos) {
    author->id = text;
  } else if (IsOrcid(text)) {
    author->orcid = text;
  } else if (std::count(text.begin(), text.end(), '-') == 3) {
    return Quoted(text) + " is no ORCID: a digit of it is wrong";
  } else {
    return "must be \"name, id\", the id being Semantic Scholar's number or an ORCID, or a name "
           "alone, without a comma";
  }
  return "";
}

}  // namespace

Result<std::vector<FollowedAuthor>> ParseAuthors(std::string_view text, const std::string& file) {
  std::vector<FollowedAuthor> authors;
  Status parsed = ForEachLine(text, [&](std::string_view line, size_t number) -> Status {
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) return Ok();
    const size_t comma = line.rfind(',');
    FollowedAuthor author{std::string(Trim(line.substr(0, std::min(comma, line.size()))))};
    std::string wrong;
    if (comma != line.npos) wrong = SetIdentity(Trim(line.substr(comma + 1)), &author);
    if (Words(author.name).empty()) wrong = "must be \"name, id\" or a name; it has no name";
    if (!wrong.empty()) return Invalid(fmt::format("{}:{}: {}", file, number, wrong));
    authors.push_back(std::move(author));
    return Ok();
  });
  if (!parsed.ok()) return parsed.error();
  return authors;
}

Result<wire::Profile> LoadProfile(const std::string& dir) {
  std::error_code error;
  if (!std::filesystem::is_directory(dir, error)) {
    return Invalid(dir + ": no such folder; a profile is one with profile.toml and prompt.md");
  }
  wire::Profile profile = Defaults();
  if (Status read = ReadSettings(dir + "/profile.toml", &profile); !read.ok()) return read.error();

  auto prompt = ReadPrompt(dir + "/prompt.md");
  if (!prompt.ok()) return prompt.error();
  profile.set_prompt(std::move(*prompt));

  if (const std::string path = dir + "/title_prompt.md"; std::filesystem::exists(path, error)) {
    auto title_prompt = ReadPrompt(path);
    if (!title_prompt.ok()) return title_prompt.error();
    profile.set_title_prompt(std::move(*title_prompt));
  }
  if (const std::string path = dir + "/authors.txt"; std::filesystem::exists(path, error)) {
    auto text = ReadFile(path);
    if (!text.ok()) return text.error();
    if (auto authors = ParseAuthors(*text, path); !authors.ok()) return authors.error();
    profile.set_authors(std::move(*text));
  }
  // No maps in the message: its serialisation is the same everywhere for one protobuf version.
  profile.set_revision(Sha256Hex(profile.SerializeAsString()));
  return profile;
}

}  // namespace paperboy
