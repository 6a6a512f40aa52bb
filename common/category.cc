#include "common/category.h"

#include <algorithm>
#include <array>

#include "common/text.h"

namespace paperboy {
namespace {

struct Archive {
  std::string_view name;
  std::string_view parts;  // between single spaces; empty: the archive is a category itself
};

constexpr std::array<Archive, 20> kArchives = {{
    {"astro-ph", "CO EP GA HE IM SR"},
    {"cond-mat", "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con"},
    {"cs",
     "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH "
     "OS PF PL RO SC SD SE SI SY"},
    {"econ", "EM GN TH"},
    {"eess", "AS IV SP SY"},
    {"gr-qc", ""},
    {"hep-ex", ""},
    {"hep-lat", ""},
    {"hep-ph", ""},
    {"hep-th", ""},
    {"math",
     "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP "
     "ST"},
    {"math-ph", ""},
    {"nlin", "AO CD CG PS SI"},
    {"nucl-ex", ""},
    {"nucl-th", ""},
    {"physics",
     "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn "
     "gen-ph geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph"},
    {"q-bio", "BM CB GN MN NC OT PE QM SC TO"},
    {"q-fin", "CP EC GN MF PM PR RM ST TR"},
    {"quant-ph", ""},
    {"stat", "AP CO ME ML OT TH"},
}};

// The part as arXiv writes it, whatever its case; "" if the archive has none such.
std::string_view PartOf(const Archive& archive, std::string_view part) {
  std::string_view rest = archive.parts;
  while (!rest.empty()) {
    const std::string_view next = rest.substr(0, rest.find(' '));
    if (FoldCase(next) == FoldCase(part)) return next;
    rest.remove_prefix(std::min(rest.size(), next.size() + 1));
  }
  return "";
}

Error NoCategory(const std::string& hint) { return Invalid("is no arXiv category; " + hint); }

std::string Archives() {
  std::string names;
  for (const Archive& archive : kArchives) {
    names += (names.empty() ? "" : ", ") + std::string(archive.name);
  }
  return names;
}

std::string WithCommas(std::string_view parts) {
  std::string text;
  for (const char c : parts) text += c == ' ' ? ", " : std::string(1, c);
  return text;
}

}  // namespace

Result<std::string> ParseCategory(std::string_view name) {
  const size_t dot = std::min(name.find('.'), name.size());
  const std::string archive_name = FoldCase(name.substr(0, dot));
  const auto* archive = std::ranges::find(kArchives, archive_name, &Archive::name);
  if (archive == kArchives.end()) {
    return NoCategory("write cs.LG, hep-th, or cs for all of cs; archives are " + Archives());
  }
  const std::string_view part = dot == name.size() ? "*" : name.substr(dot + 1);
  const std::string_view known = PartOf(*archive, part);
  std::string meant = archive_name;
  if (part != "*") {
    if (archive->parts.empty()) return NoCategory(archive_name + " has none below it");
    if (known.empty()) return NoCategory(archive_name + " has " + WithCommas(archive->parts));
    meant += "." + std::string(known);
  }
  if (name != meant && name != meant + ".*") return NoCategory("did you mean " + meant + "?");
  return meant;
}

bool IsArchive(std::string_view category) {
  const auto* archive = std::ranges::find(kArchives, category, &Archive::name);
  return archive != kArchives.end() && !archive->parts.empty();
}

bool CategoryMatches(std::string_view wanted, std::string_view category) {
  if (wanted == category) return true;
  if (wanted.ends_with(".*")) wanted.remove_suffix(2);
  return wanted.find('.') == wanted.npos && category.size() > wanted.size() &&
         category.starts_with(wanted) && category[wanted.size()] == '.';
}

}  // namespace paperboy
