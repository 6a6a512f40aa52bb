// Text as it comes from outside, made fit for storing, for protobuf and for the
// model. Pure functions; any thread. All take any bytes; those that look at
// characters see an invalid byte as U+FFFD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace paperboy {

// Takes the code point at `*pos` off a text and moves `*pos` behind it; at the
// maximal part of an invalid sequence U+FFFD (and `*valid`, if given, false).
// Requires *pos < text.size().
char32_t NextChar(std::string_view text, size_t* pos, bool* valid = nullptr);
void AppendChar(char32_t c, std::string* out);

// Puts U+FFFD in place of every maximal invalid sequence, of every control
// character but tab, newline and carriage return, and of U+FFFE and U+FFFF,
// which XML 1.0 cannot carry. `replaced`, if given, is increased by their number.
std::string ValidUtf8(std::string_view text, size_t* replaced = nullptr);

// One line of clean text: ValidUtf8, HTML entities decoded once, HTML's own
// tags (<p>, <br/>, <a href="...">, <sup>, ...) taken away while "a < b",
// "a<b and c>d" and "<x>" stay, ends trimmed. White space with a line break or
// tab in it becomes one space, a run of spaces stays; a tag that HTML puts on a
// line of its own becomes a space, any other nothing. TeX stays as it is,
// accents included: the page shows what arXiv announced.
std::string CleanText(std::string_view text);

// What the model sees, and what decides whether two texts are the same: TeX
// accents (\"u, {\'e}, \v{c}, \ss, \o, ...) made Unicode and runs of spaces made
// one, in which arXiv's own services differ; otherwise as it is. Between two
// dollar signs no accent is one; a lone dollar sign is an ordinary character.
std::string TexAccentsToUnicode(std::string_view text);

// What two texts that say the same have in common: accents as above, Unicode's forms of
// a character made one (NFKC) and its case folded (ß is ss), invisible ones dropped.
// For comparing only. https://www.unicode.org/reports/tr15/
std::string Comparable(std::string_view text);

// With *** in place of user and password of every URL in it.
std::string WithoutPasswords(std::string text);

// At most `max_chars` code points, never in the middle of one.
std::string CutChars(std::string_view text, size_t max_chars);

// Lower case for ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic letters.
std::string FoldCase(std::string_view text);

// Words: maximal runs of letters and digits (beyond ASCII everything but
// punctuation, symbols and spaces counts as a letter), folded. A hyphen ends one.
std::vector<std::string> Words(std::string_view text);

// Whether the words of `phrase` follow each other in `text_words`; false for a
// phrase without a word.
bool ContainsPhrase(const std::vector<std::string>& text_words, std::string_view phrase);

// "1 call", "2 calls"; `plural` where it is not the noun with an s.
std::string Counted(uint64_t n, std::string_view noun, std::string_view plural = "");

// As one word of a command line that a shell reads: quoted where it must be.
std::string ShellWord(std::string_view text);

// White space of ASCII off both ends.
std::string_view Trim(std::string_view text);

// An arXiv id taken apart. Accepts 2504.08867, 2504.08867v2, arXiv:..., URLs
// ending in /abs/ID, oai:arXiv.org:ID, hep-th/9901001v3, math.GT/0309136.
// https://info.arxiv.org/help/arxiv_identifier.html
struct ArxivId {
  std::string id;        // without version
  unsigned version = 0;  // 0: none given
  bool ok() const { return !id.empty(); }
};
ArxivId ParseArxivId(std::string_view text);

// Lower-case hexadecimal SHA-256 and its 32 raw bytes.
std::string Sha256Hex(std::string_view bytes);
std::string Sha256(std::string_view bytes);
std::string HexOf(std::string_view bytes);

}  // namespace paperboy
