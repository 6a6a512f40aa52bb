#include "common/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ValidUtf8, LeavesValidTextAlone) {
  const std::string text = "tab\tline\nend\r\n Łukasz 学 \U0001F600 \uFFFD";
  size_t replaced = 0;
  EXPECT_EQ(ValidUtf8(text, &replaced), text);
  EXPECT_EQ(replaced, 0u);
}

TEST(ValidUtf8, ReplacesEveryMaximalInvalidSequenceOnce) {
  struct Case {
    std::string bytes, mended;
    size_t replaced;
  };
  const Case cases[] = {
      {"a\xFFz", "a\uFFFDz", 1},
      {"\xE2\x82", "\uFFFD", 1},                            // cut off
      {"\xE2\x82z", "\uFFFDz", 1},                          // broken off
      {"\xC0\xAF", "\uFFFD\uFFFD", 2},                      // overlong
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD", 3},            // a surrogate
      {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD", 4},  // above U+10FFFF
      {"\xF0\x9F\x98\xF0\x9F\x98\x80", "\uFFFD\U0001F600", 1},
      {"\x80", "\uFFFD", 1},
  };
  for (const Case& c : cases) {
    size_t replaced = 0;
    EXPECT_EQ(ValidUtf8(c.bytes, &replaced), c.mended);
    EXPECT_EQ(replaced, c.replaced);
  }
}

TEST(ValidUtf8, ReplacesControlCharactersAndWhatXmlCannotCarry) {
  size_t replaced = 5;
  EXPECT_EQ(ValidUtf8(std::string("a\0b\x1B[0m\x7F\u0085\uFFFE\uFFFF", 16), &replaced),
            "a\uFFFDb\uFFFD[0m\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replaced, 11u) << "adds to what was there";
}

TEST(CleanText, DecodesEntitiesOnce) {
  EXPECT_EQ(CleanText("R&amp;D &lt;b&gt; &quot;x&quot; &apos;&#39;&#x27;&#X27;"),
            "R&D <b> \"x\" ''''");
  EXPECT_EQ(CleanText("&amp;lt; &amp;amp;"), "&lt; &amp;");
  EXPECT_EQ(CleanText("Erd&#337;s, Caf&eacute;, &Ouml;l, &yuml;, &ndash;"),
            "Erdős, Café, Öl, ÿ, –");
  EXPECT_EQ(CleanText("a&nbsp;b"), "a b");
}

TEST(CleanText, LeavesWhatIsNoEntity) {
  for (const char* text : {"A & B", "AT&T; x", "a &unknown; b", "&#xZZ;", "&#;", "&", "x&&y",
                           "&#1114112;", "&#xD800;", "\\begin{align} a &= b; \\end{align}"}) {
    EXPECT_EQ(CleanText(text), text);
  }
}

TEST(CleanText, MakesCharactersThatNobodyMaySendHarmless) {
  EXPECT_EQ(CleanText("a&#0;b&#27;c"),
            "a\uFFFD"
            "b\uFFFD"
            "c");
}

TEST(CleanText, TakesHtmlTagsAway) {
  EXPECT_EQ(CleanText("<p>One</p><p>two<br/>three</p>"), "One two three");
  EXPECT_EQ(CleanText("H<sub>2</sub>O and <EM class=\"x\">this</EM>"), "H2O and this");
  EXPECT_EQ(CleanText("see <a href='https://example.org/?a>b' rel=nofollow>here</a >"), "see here");
  EXPECT_EQ(CleanText("<script src=x.js>alert(1)</script>"), "alert(1)");
}

TEST(CleanText, LeavesComparisonsAndAngleBracketsAlone) {
  for (const char* text :
       {"a<b and c>d", "x < y > z", "<x>", "a <b c> d", "$p<q$ and $r>s$", "<think> answers",
        "<a href=>", "<b", "< b>", "<bold>", "i<j", "<a href=\"x>", "<b=1>", "</b c=d>"}) {
    EXPECT_EQ(CleanText(text), text);
  }
}

TEST(CleanText, MakesOneLine) {
  EXPECT_EQ(CleanText("  A title\n  over two\tlines \r\n"), "A title over two lines");
  EXPECT_EQ(CleanText("One.   Two."), "One.   Two.") << "runs of spaces stay as announced";
  EXPECT_EQ(CleanText(" \n\t "), "");
}

TEST(CleanText, LeavesTexAlone) {
  const std::string text = R"(Sch\"urholt, {\L}ukasz: $\alpha<\beta$ \& 5\%)";
  EXPECT_EQ(CleanText(text), text);
}

TEST(TexAccents, BecomeUnicodeInEveryNotation) {
  EXPECT_EQ(TexAccentsToUnicode(R"(\"u \"{u} {\"u} {\"{u}})"), "ü ü ü ü");
  EXPECT_EQ(TexAccentsToUnicode(R"(Erd\H{o}s, Erd\H os, Hubi\v{c}ka, {\v S}im{\'a}k)"),
            "Erdős, Erdős, Hubička, Šimák");
  EXPECT_EQ(TexAccentsToUnicode(R"(Mart\'\i nez \'{\i} {\'{\i}} \"\i{} \^\j)"), "Martínez í í ï ĵ");
  EXPECT_EQ(TexAccentsToUnicode(R"(\`e \^o \~n \=a \.z \u{a} \c{c} \k{e} \r{a} \b{d} \d{s})"),
            "è ô ñ ā ż ă ç ę å ḏ ṣ");
  EXPECT_EQ(TexAccentsToUnicode(R"(Nguy\~{\^e}n)"), "Nguyễn");
  EXPECT_EQ(TexAccentsToUnicode(R"(\v{q})"), "q\u030C") << "no composed form";
}

TEST(TexAccents, IncludeLettersWithNamesOfTheirOwn) {
  EXPECT_EQ(TexAccentsToUnicode(R"(Stra\ss e, \O rsted, S{\o}ren, Micha\l{} K, \L{}ukasz)"),
            "Straße, Ørsted, Søren, Michał K, Łukasz");
  EXPECT_EQ(TexAccentsToUnicode(R"({\ae}{\AE}{\oe}{\OE}{\aa}{\AA}{\l}{\L}{\O}{\i}{\j})"),
            "æÆœŒåÅłŁØıȷ");
}

TEST(TexAccents, OtherTexStays) {
  for (const char* text : {R"(\upsilon \textbf{u} \item)", R"(\b{eta} and \r{ho})",
                           R"(\"{} \"1 \')", R"(a \\ "u")", R"({u} {\bf x} \v)", R"(\"{u)", "{",
                           "\\", "\\\"", "{\\\"", "\\v{", "\\'{\\", "{{{{{{\\x"}) {
    EXPECT_EQ(TexAccentsToUnicode(text), text);
  }
}

TEST(TexAccents, FormulasStay) {
  EXPECT_EQ(TexAccentsToUnicode(R"($\'e$ \'e $$\"u $ \"u$$ \"u)"), R"($\'e$ é $$\"u $ \"u$$ ü)");
  EXPECT_EQ(TexAccentsToUnicode(R"(it costs \$5 or $6 with Erd\H{o}s)"),
            R"(it costs \$5 or $6 with Erdős)");
}

TEST(TexAccents, RunsOfSpacesBecomeOne) {
  EXPECT_EQ(TexAccentsToUnicode("One.   Two."), "One. Two.");
}

TEST(WithoutPasswords, HidesUserAndPasswordOfEveryUrl) {
  EXPECT_EQ(WithoutPasswords("redis://:pw@h/0, https://me:p@w:x@h and a@b"),
            "redis://***@h/0, https://***@h and a@b");
  EXPECT_EQ(WithoutPasswords("https://h/p and me@h, tcp://"), "https://h/p and me@h, tcp://");
}

TEST(CutChars, NeverCutsACharacter) {
  EXPECT_EQ(CutChars("añ学z", 3), "añ学");
  EXPECT_EQ(CutChars("añ学z", 99), "añ学z");
  EXPECT_EQ(CutChars("añ", 0), "");
}

TEST(FoldCase, CoversTheAlphabetsOfNames) {
  EXPECT_EQ(FoldCase("ÀÖØÞ×ß ŁŹŽŸİĲŊ ΆΈΌΏΣς ЁЖЯ Az09"), "àöøþ×ß łźžÿiĳŋ άέόώσσ ёжя az09");
}

TEST(FoldCase, IsDoneOnce) {
  for (char32_t c = 1; c < 0x500; ++c) {
    std::string text;
    AppendChar(c, &text);
    EXPECT_EQ(FoldCase(FoldCase(text)), FoldCase(text)) << std::hex << static_cast<unsigned>(c);
  }
}

TEST(Words, AreRunsOfLettersAndDigits) {
  EXPECT_THAT(Words("State-of-the-art LLMs: GPT-4o's «naïve» 学习—Ω (a_b)"),
              ElementsAre("state", "of", "the", "art", "llms", "gpt", "4o", "s", "naïve", "学习",
                          "ω", "a", "b"));
  EXPECT_THAT(Words(" ,.-–…→ "), IsEmpty());
}

TEST(ContainsPhrase, FindsWholeWordsOnly) {
  const auto words = Words("Mixture-of-Experts for sparse Language Models");
  EXPECT_TRUE(ContainsPhrase(words, "mixture of experts"));
  EXPECT_TRUE(ContainsPhrase(words, "SPARSE"));
  EXPECT_TRUE(ContainsPhrase(words, "language models"));
  EXPECT_FALSE(ContainsPhrase(words, "language model"));
  EXPECT_FALSE(ContainsPhrase(words, "experts sparse"));
  EXPECT_FALSE(ContainsPhrase(words, " - "));
}

TEST(ShellWord, IsQuotedWhereItMustBe) {
  EXPECT_EQ(ShellWord("tcp://127.0.0.1:5555"), "tcp://127.0.0.1:5555");
  EXPECT_EQ(ShellWord("a b"), "'a b'");
  EXPECT_EQ(ShellWord("it's $(x)"), "'it'\\''s $(x)'");
  EXPECT_EQ(ShellWord(""), "''");
}

TEST(Trim, TakesWhiteSpaceOffTheEnds) {
  EXPECT_EQ(Trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(Trim(" \n"), "");
}

TEST(ParseArxivId, AcceptsEveryForm) {
  struct Case {
    std::string text, id;
    unsigned version;
  };
  const Case cases[] = {
      {"2504.08867", "2504.08867", 0},
      {"2504.08867v2", "2504.08867", 2},
      {"0704.0001v12", "0704.0001", 12},
      {" arXiv:2504.08867v1\n", "2504.08867", 1},
      {"http://arxiv.org/abs/2504.08867v3", "2504.08867", 3},
      {"https://export.arxiv.org/abs/hep-th/9901001", "hep-th/9901001", 0},
      {"oai:arXiv.org:2504.08867", "2504.08867", 0},
      {"hep-th/9901001v3", "hep-th/9901001", 3},
      {"math.GT/0309136", "math.GT/0309136", 0},
  };
  for (const Case& c : cases) {
    const ArxivId id = ParseArxivId(c.text);
    EXPECT_TRUE(id.ok()) << c.text;
    EXPECT_EQ(id.id, c.id);
    EXPECT_EQ(id.version, c.version);
  }
}

TEST(ParseArxivId, RejectsAnythingElse) {
  for (const char* text :
       {"", "2504", "2513.00001", "2500.00001", "2504.123", "2504.123456", "2504.08867v",
        "2504.08867v0", "2504.08867x", "hep-th/99010", "hep-th/9913001", "/9901001",
        "https://example.org/abs/2504.08867", "https://arxiv.org/pdf/2504.08867", "2504.08867 v2",
        "../2504.08867", "arXiv:arXiv:2504.08867"}) {
    EXPECT_FALSE(ParseArxivId(text).ok()) << text;
  }
  EXPECT_FALSE(ParseArxivId(std::string(1'000'000, 'a') + "/9901001").ok());
}

// FIPS 180-2, appendix B.1.
TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abc").size(), 32u);
  EXPECT_EQ(HexOf(std::string("\x00\xFF", 2)), "00ff");
}

}  // namespace
}  // namespace paperboy
