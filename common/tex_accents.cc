#include <algorithm>
#include <string_view>

#include "common/text.h"

namespace paperboy {
namespace {

struct Accent {
  char command;                  // as in \"u, \v{c}
  char32_t combining;            // for letters without a composed form
  std::u32string_view composed;  // pairs: letter, composed letter
};

// Unicode's canonical compositions up to U+1EFF whose last part is the mark.
constexpr Accent kAccents[] = {
    {'"', 0x308, U"AÄEËIÏOÖUÜaäeëiïoöuüyÿYŸHḦhḧÕṎõṏŪṺūṻWẄwẅXẌxẍtẗ"},
    {'\'', 0x301,
     U"AÁEÉIÍOÓUÚYÝaáeéiíoóuúyýCĆcćLĹlĺNŃnńRŔrŕSŚsśZŹzźÜǗüǘGǴgǵÅǺåǻÆǼæǽØǾøǿÇḈçḉĒḖēḗÏḮïḯKḰkḱMḾmḿ"
     U"ÕṌõṍŌṒōṓPṔpṕŨṸũṹWẂwẃÂẤâấĂẮăắÊẾêếÔỐôốƠỚơớƯỨưứ"},
    {'`', 0x300, U"AÀEÈIÌOÒUÙaàeèiìoòuùÜǛüǜNǸnǹĒḔēḕŌṐōṑWẀwẁÂẦâầĂẰăằÊỀêềÔỒôồƠỜơờƯỪưừYỲyỳ"},
    {'^', 0x302, U"AÂEÊIÎOÔUÛaâeêiîoôuûCĈcĉGĜgĝHĤhĥJĴjĵSŜsŝWŴwŵYŶyŷZẐzẑẠẬạậẸỆẹệỌỘọộ"},
    {'~', 0x303, U"AÃNÑOÕaãnñoõIĨiĩUŨuũVṼvṽÂẪâẫĂẴăẵEẼeẽÊỄêễÔỖôỗƠỠơỡƯỮưữYỸyỹ"},
    {'=', 0x304, U"AĀaāEĒeēIĪiīOŌoōUŪuūÜǕüǖÄǞäǟȦǠȧǡÆǢæǣǪǬǫǭÖȪöȫÕȬõȭȮȰȯȱYȲyȳGḠgḡḶḸḷḹṚṜṛṝ"},
    {'.', 0x307,
     U"CĊcċEĖeėGĠgġIİZŻzżAȦaȧOȮoȯBḂbḃDḊdḋFḞfḟHḢhḣMṀmṁNṄnṅPṖpṗRṘrṙSṠsṡŚṤśṥŠṦšṧṢṨṣṩTṪtṫWẆwẇXẊxẋYẎyẏ"},
    {'u', 0x306, U"AĂaăEĔeĕGĞgğIĬiĭOŎoŏUŬuŭȨḜȩḝẠẶạặ"},
    {'v', 0x30C, U"CČcčDĎdďEĚeěLĽlľNŇnňRŘrřSŠsšTŤtťZŽzžAǍaǎIǏiǐOǑoǒUǓuǔÜǙüǚGǦgǧKǨkǩjǰHȞhȟ"},
    {'H', 0x30B, U"OŐoőUŰuű"},
    {'c', 0x327, U"CÇcçGĢgģKĶkķLĻlļNŅnņRŖrŗSŞsşTŢtţEȨeȩDḐdḑHḨhḩ"},
    {'k', 0x328, U"AĄaąEĘeęIĮiįUŲuųOǪoǫ"},
    {'r', 0x30A, U"AÅaåUŮuůwẘyẙ"},
    {'b', 0x331, U"BḆbḇDḎdḏKḴkḵLḺlḻNṈnṉRṞrṟTṮtṯZẔzẕhẖ"},
    {'d', 0x323,
     U"BḄbḅDḌdḍHḤhḥKḲkḳLḶlḷMṂmṃNṆnṇRṚrṛSṢsṣTṬtṭVṾvṿWẈwẉZẒzẓAẠaạEẸeẹIỊiịOỌoọƠỢơợUỤuụƯỰưựYỴyỵ"},
};

struct Letter {
  std::string_view command;
  char32_t letter;
};
constexpr Letter kLetters[] = {
    {"ss", U'ß'}, {"o", U'ø'},  {"O", U'Ø'},  {"l", U'ł'},  {"L", U'Ł'},  {"ae", U'æ'},
    {"AE", U'Æ'}, {"oe", U'œ'}, {"OE", U'Œ'}, {"aa", U'å'}, {"AA", U'Å'}, {"i", U'ı'},
    {"j", U'ȷ'},  {"dh", U'ð'}, {"DH", U'Ð'}, {"dj", U'đ'}, {"DJ", U'Đ'}, {"th", U'þ'},
    {"TH", U'Þ'}, {"ng", U'ŋ'}, {"NG", U'Ŋ'},
};

bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// An accent over an accent over an accent is the most that any script needs.
constexpr int kMaxDepth = 3;

// A reader of one converted letter at a place of the text. Each method moves
// `pos` behind what it took and returns the letter (with combining marks where
// there is no composed form), or returns "" and leaves `pos` anywhere.
class Reader {
 public:
  Reader(std::string_view text, size_t pos) : text_(text), pos_(pos) {}
  size_t pos() const { return pos_; }

  // \"u, \v{c}, \ss, or one of them in braces.
  std::u32string Converted(int depth = 0) {
    if (depth > kMaxDepth) return {};
    if (Take('{')) {
      std::u32string inner = Converted(depth + 1);
      return Take('}') ? inner : std::u32string();
    }
    if (!Take('\\') || pos_ == text_.size()) return {};
    const size_t start = pos_;
    if (std::u32string letter = NamedLetter(); !letter.empty()) return letter;
    pos_ = start;
    return Accented(depth);
  }

 private:
  bool Take(char c) {
    if (pos_ == text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }

  void SkipSpaces() {
    while (pos_ < text_.size() && text_[pos_] == ' ') ++pos_;
  }

  // A control word ends at the first character that is no letter, and takes the
  // spaces behind it along; so does TeX.
  std::u32string NamedLetter() {
    const size_t start = pos_;
    while (pos_ < text_.size() && IsAlpha(text_[pos_])) ++pos_;
    const std::string_view name = text_.substr(start, pos_ - start);
    const auto* letter = std::ranges::find(kLetters, name, &Letter::command);
    if (letter == std::end(kLetters)) return {};
    if (text_.substr(pos_, 2) == "{}") {
      pos_ += 2;
    } else if (pos_ < text_.size()) {
      const size_t before = pos_;
      SkipSpaces();
      if (pos_ == text_.size()) pos_ = before;
    }
    return {letter->letter};
  }

  std::u32string Accented(int depth) {
    const char command = text_[pos_++];
    const auto* accent = std::ranges::find(kAccents, command, &Accent::command);
    if (accent == std::end(kAccents)) return {};
    if (IsAlpha(command)) {
      if (pos_ < text_.size() && IsAlpha(text_[pos_])) return {};  // \upsilon
      SkipSpaces();
    }
    std::u32string base = Base(depth);
    return base.empty() ? base : Compose(*accent, std::move(base));
  }

  // What stands under the accent: a letter, bare or in braces, or another
  // converted letter. More in the braces is no accent: arXiv's own conversion
  // once left \b{eta} of \beta and \r{ho} of \rho.
  std::u32string Base(int depth) {
    if (pos_ == text_.size()) return {};
    if (text_[pos_] == '\\' || text_.substr(pos_, 2) == "{\\") return Converted(depth + 1);
    const bool braced = Take('{');
    if (pos_ == text_.size()) return {};
    const char32_t c = NextChar(text_, &pos_);
    const bool letter = c < 0x80 ? IsAlpha(static_cast<char>(c)) : c >= 0xC0 && c < 0x250;
    if (!letter || (braced && !Take('}'))) return {};
    return {c};
  }

  static std::u32string Compose(const Accent& accent, std::u32string base) {
    if (base[0] == U'ı') base[0] = U'i';
    if (base[0] == U'ȷ') base[0] = U'j';
    for (size_t i = 0; i < accent.composed.size(); i += 2) {
      if (accent.composed[i] == base[0]) {
        base[0] = accent.composed[i + 1];
        return base;
      }
    }
    base.insert(1, 1, accent.combining);
    return base;
  }

  std::string_view text_;
  size_t pos_;
};

// The place behind the formula whose dollar sign stands at `pos`; npos if no
// other dollar sign closes it.
size_t EndOfFormula(std::string_view text, size_t pos) {
  const std::string_view sign = text.substr(pos, 2) == "$$" ? "$$" : "$";
  for (pos += sign.size(); pos < text.size(); ++pos) {
    if (text[pos] == '\\') {
      ++pos;
    } else if (text.substr(pos, sign.size()) == sign) {
      return pos + sign.size();
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string TexAccentsToUnicode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    size_t end = pos + 1;
    if (text[pos] == '$') {
      if (const size_t formula = EndOfFormula(text, pos); formula != std::string_view::npos) {
        end = formula;
      }
    } else if (text[pos] == '\\' || text[pos] == '{') {
      Reader reader(text, pos);
      if (const std::u32string letters = reader.Converted(); !letters.empty()) {
        for (const char32_t c : letters) AppendChar(c, &out);
        pos = reader.pos();
        continue;
      }
      if (text[pos] == '\\' && end < text.size()) ++end;  // \$ opens no formula
    }
    out += text.substr(pos, end - pos);
    pos = end;
  }
  const auto two_spaces = [](char a, char b) { return a == ' ' && b == ' '; };
  out.erase(std::unique(out.begin(), out.end(), two_spaces), out.end());
  return out;
}

}  // namespace paperboy
