#include "common/text.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {

// What everything from outside goes through.
FUZZ_TARGET(text, bytes) {
  size_t replaced = 0;
  const std::string valid = ValidUtf8(bytes, &replaced);
  FUZZ_CHECK(ValidUtf8(valid) == valid);
  FUZZ_CHECK(replaced > 0 || valid == bytes);
  const std::string clean = CleanText(bytes);
  CheckLine(clean);
  FUZZ_CHECK(Trim(clean) == clean);
  CheckLine(TexAccentsToUnicode(clean));
  CheckLine(FoldCase(clean));
  FUZZ_CHECK(ValidUtf8(Comparable(bytes)) == Comparable(bytes));
  for (const std::string& word : Words(bytes)) FUZZ_CHECK(!word.empty());
  CheckLine(CutChars(clean, 7));
  FUZZ_CHECK(clean.starts_with(CutChars(clean, 7)));
  if (const ArxivId id = ParseArxivId(bytes); id.ok()) {
    FUZZ_CHECK(ParseArxivId(id.id).id == id.id && ParseArxivId(id.id).version == 0);
  }
}

}  // namespace paperboy::fuzz
