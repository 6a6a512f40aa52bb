#include "common/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<Option> Table() {
  std::vector<Option> table = {
      {.name = "rpm",
       .type = OptionType::kInteger,
       .default_value = "60",
       .placeholder = "N",
       .help = "Requests a minute.",
       .min = 0,
       .max = 1000},
      {.name = "arxiv-interval",
       .type = OptionType::kNumber,
       .default_value = "3",
       .placeholder = "SECONDS",
       .help = "Seconds between two requests.",
       .min = 0.5,
       .max = 60},
      {.name = "wait", .type = OptionType::kFlag, .default_value = "false", .help = "Whether."},
      {.name = "profile", .type = OptionType::kList, .placeholder = "DIR", .help = "Folders."},
      {.name = "backend",
       .default_value = "openai",
       .placeholder = "NAME",
       .help = "Who scores.",
       .choices = {"openai", "lexical"}},
      {.name = "api-key", .help = "The key.", .secret = true, .env = "OPENAI_API_KEY"},
  };
  for (Option& option : CommonOptions("127.0.0.1:9101")) table.push_back(std::move(option));
  return table;
}

class OptionsTest : public testing::Test {
 protected:
  void Set(const std::string& name, const std::string& value) { environment_[name] = value; }

  std::string WriteFile(const std::string& text) {
    std::ofstream(dir_.File("paperboy.toml")) << text;
    return dir_.File("paperboy.toml");
  }

  Options::Environment Environment() const {
    return [this](const char* name) -> const char* {
      const auto set = environment_.find(name);
      return set == environment_.end() ? nullptr : set->second.c_str();
    };
  }
  Result<Options::Parsed> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "paperboy-scorer");
    return options_.Parse(static_cast<int>(arguments.size()), arguments.data(), Environment());
  }
  // After a Parse of the same that fails.
  std::string LogFormat(std::vector<const char*> arguments) {
    EXPECT_FALSE(Parse(arguments).ok());
    arguments.insert(arguments.begin(), "paperboy-scorer");
    return options_.LogFormat(static_cast<int>(arguments.size()), arguments.data(), Environment());
  }

  void ParseOk(std::vector<const char*> arguments) {
    const auto parsed = Parse(std::move(arguments));
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_FALSE(parsed->done);
  }

  // What is printed before the process ends, or what is wrong.
  std::string Output(std::vector<const char*> arguments) {
    const auto parsed = Parse(std::move(arguments));
    if (!parsed.ok()) return parsed.error().message;
    EXPECT_TRUE(parsed->done);
    return parsed->output;
  }

  std::string Fault(std::vector<const char*> arguments) {
    const auto parsed = Parse(std::move(arguments));
    if (parsed.ok()) return "no error";
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
    return parsed.error().message;
  }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
  Options options_{"scorer", "Scores papers.", "Examples: none.", Table()};
};

TEST_F(OptionsTest, DefaultsHold) {
  ParseOk({});
  EXPECT_EQ(options_.Integer("rpm"), 60);
  EXPECT_EQ(options_.Number("arxiv-interval"), 3.0);
  EXPECT_FALSE(options_.Flag("wait"));
  EXPECT_THAT(options_.List("profile"), IsEmpty());
  EXPECT_EQ(options_.String("redis"), "redis://127.0.0.1:6379/0");
  EXPECT_EQ(options_.String("http"), "127.0.0.1:9101");
  EXPECT_EQ(options_.String("api-key"), "");
  EXPECT_EQ(options_.Origin("rpm"), "default");
}

TEST_F(OptionsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const std::string file = WriteFile("log_level = \"debug\"\n[scorer]\nrpm = 1\n");
  ParseOk({"--config", file.c_str()});
  EXPECT_EQ(options_.Integer("rpm"), 1);
  EXPECT_EQ(options_.Origin("rpm"), "file");
  EXPECT_EQ(options_.String("log-level"), "debug");

  Set("PAPERBOY_RPM", "2");
  ParseOk({"--config", file.c_str()});
  EXPECT_EQ(options_.Integer("rpm"), 2);
  EXPECT_EQ(options_.Origin("rpm"), "environment");

  ParseOk({"--config", file.c_str(), "--rpm=3"});
  EXPECT_EQ(options_.Integer("rpm"), 3);
  EXPECT_EQ(options_.Origin("rpm"), "flag");

  Set("PAPERBOY_RPM", "");
  ParseOk({"--config", file.c_str()});
  EXPECT_EQ(options_.Integer("rpm"), 1) << "set but empty counts as not set";
}

TEST_F(OptionsTest, TheFileMayBeNamedInTheEnvironment) {
  Set("PAPERBOY_CONFIG", WriteFile("[scorer]\narxiv_interval = 0.75\nwait = true\n"));
  ParseOk({});
  EXPECT_EQ(options_.Number("arxiv-interval"), 0.75);
  EXPECT_TRUE(options_.Flag("wait"));
}

TEST_F(OptionsTest, TheTableOfTheProcessBeatsTheTopAndOthersAreNotLookedAt) {
  const std::string file = WriteFile(
      "redis = \"redis://top:1/0\"\nhttp = \"top:1\"\n"
      "[fetcher]\nwhatever = 1\n[scorer]\nhttp = \"own:2\"\n[aggregator]\nhttp = \"other:3\"\n");
  ParseOk({"--config", file.c_str()});
  EXPECT_EQ(options_.String("redis"), "redis://top:1/0");
  EXPECT_EQ(options_.String("http"), "own:2");
}

TEST_F(OptionsTest, ListsComeFromEverySource) {
  const std::string file = WriteFile("[scorer]\nprofile = [\"a,b\", \"c\"]\n");
  ParseOk({"--config", file.c_str()});
  EXPECT_THAT(options_.List("profile"), ElementsAre("a,b", "c"));
  Set("PAPERBOY_PROFILE", "d,e");
  ParseOk({});
  EXPECT_THAT(options_.List("profile"), ElementsAre("d", "e"));
  ParseOk({"--profile", "f", "--profile", "g,h"});
  EXPECT_THAT(options_.List("profile"), ElementsAre("f", "g,h"));
}

TEST_F(OptionsTest, FlagsKnowYesAndNo) {
  for (const char* yes : {"1", "true", "YES", "on"}) {
    Set("PAPERBOY_WAIT", yes);
    ParseOk({});
    EXPECT_TRUE(options_.Flag("wait")) << yes;
  }
  for (const char* no : {"0", "false", "no", "Off"}) {
    Set("PAPERBOY_WAIT", no);
    ParseOk({});
    EXPECT_FALSE(options_.Flag("wait")) << no;
  }
  ParseOk({"--wait"});
  EXPECT_TRUE(options_.Flag("wait"));
  Set("PAPERBOY_WAIT", "perhaps");
  EXPECT_EQ(Fault({}), "option wait (from PAPERBOY_WAIT): \"perhaps\" is not true or false");
}

TEST_F(OptionsTest, ABadValueIsNamedWithItsOriginAndWhatIsAllowed) {
  EXPECT_EQ(Fault({"--rpm", "2000"}),
            "option rpm (from --rpm): \"2000\" is not a whole number from 0 to 1000");
  EXPECT_THAT(Fault({"--rpm", "1.5"}), HasSubstr("\"1.5\" is not a whole number"));
  EXPECT_THAT(Fault({"--rpm", ""}), HasSubstr("\"\" is not a whole number"));
  EXPECT_THAT(Fault({"--rpm", "99999999999999999999"}), HasSubstr("is not a whole number"));
  Set("PAPERBOY_ARXIV_INTERVAL", "0.1");
  EXPECT_EQ(Fault({}),
            "option arxiv-interval (from PAPERBOY_ARXIV_INTERVAL): \"0.1\" is not a number from "
            "0.5 to 60");
  Set("PAPERBOY_ARXIV_INTERVAL", "nan");
  EXPECT_THAT(Fault({}), HasSubstr("\"nan\" is not a number"));
  Set("PAPERBOY_ARXIV_INTERVAL", "3");
  const std::string file = WriteFile("\n[scorer]\nbackend = \"magic\"\n");
  EXPECT_EQ(Fault({"--config", file.c_str()}),
            "option backend (from " + file + ":3): \"magic\" is not one of openai, lexical");
}

TEST_F(OptionsTest, TheFileIsReadStrictly) {
  const auto fault = [&](const std::string& text) {
    const std::string file = WriteFile(text);
    std::string message = Fault({"--config", file.c_str()});
    if (message.starts_with(file)) message.erase(0, file.size());
    return message;
  };
  EXPECT_EQ(fault("[scorer]\nrpm = 1\nrmp = 2\n"), ":3: unknown key scorer.rmp");
  EXPECT_EQ(fault("rdis = 1\n"), ":1: unknown key rdis");
  EXPECT_EQ(fault("[scorers]\n"), ":1: unknown key scorers");
  EXPECT_EQ(fault("rpm = 1\n"), ":1: rpm belongs in the table [scorer]");
  EXPECT_EQ(fault("config = \"x\"\n"), ":1: unknown key config");
  EXPECT_EQ(fault("[scorer]\napi_key = \"sk-1\"\n"),
            ":2: api_key is a secret and is read from the environment only: set OPENAI_API_KEY");
  EXPECT_EQ(fault("[scorer]\nrpm = [1]\n"), ":2: rpm takes one value, not a list");
  EXPECT_EQ(fault("[scorer]\nprofile = [[\"a\"]]\n"), ":2: profile must be a plain value");
  EXPECT_THAT(fault("a = \nb"), HasSubstr(":1: "));
  EXPECT_THAT(Fault({"--config", "/nonexistent/paperboy.toml"}),
              HasSubstr("/nonexistent/paperboy.toml"));
  EXPECT_THAT(Fault({"--config", "/"}), HasSubstr("is a folder"));
}

TEST_F(OptionsTest, TheCommandLineIsReadStrictly) {
  EXPECT_THAT(Fault({"--rmp", "3"}), AllOf(HasSubstr("--rmp"), HasSubstr("--help")));
  EXPECT_THAT(Fault({"--rpm"}), HasSubstr("--rpm"));
  EXPECT_THAT(Fault({"stray"}), HasSubstr("stray"));
  EXPECT_EQ(Fault({"--api-key", "sk-1"}),
            "command line: --api-key is not expected; see paperboy-scorer --help")
      << "a secret is no flag, and is not shown";
  EXPECT_THAT(Fault({"--api-key=sk-1"}), Not(HasSubstr("sk-1")));
}

TEST_F(OptionsTest, WordsAreTakenWhenAllowed) {
  options_.AllowWords("backup FILE: copy the ledger.");
  ParseOk({"--rpm", "3", "backup", "--profile", "a", "copy.db"});
  EXPECT_THAT(options_.words(), ElementsAre("backup", "copy.db"));
  EXPECT_THAT(options_.List("profile"), ElementsAre("a"));
  EXPECT_THAT(Output({"--help"}), HasSubstr("backup FILE: copy the ledger."));
  EXPECT_THAT(Fault({"--rmp", "3"}), HasSubstr("--rmp"));
}

TEST_F(OptionsTest, HelpTeaches) {
  const std::string help = Output({"--help", "--rpm", "bad"});
  EXPECT_THAT(
      help, AllOf(HasSubstr("Scores papers."), HasSubstr("Examples: none."), HasSubstr("--rpm N\n"),
                  HasSubstr("Requests a minute."), HasSubstr("from 0 to 1000"),
                  HasSubstr("Default: 60."), HasSubstr("[PAPERBOY_RPM]")));
  EXPECT_THAT(help, AllOf(HasSubstr("OPENAI_API_KEY"), HasSubstr("openai, lexical"),
                          HasSubstr("--print-config"), HasSubstr("May be repeated.")));
  EXPECT_THAT(help, Not(HasSubstr("--api-key")));
  EXPECT_EQ(Output({"-h"}), help);
}

TEST_F(OptionsTest, VersionIsPrinted) {
  EXPECT_EQ(Output({"--version"}), "paperboy-scorer " PAPERBOY_VERSION "\n");
}

TEST_F(OptionsTest, PrintedConfigurationReadsBackToTheSame) {
  Set("PAPERBOY_PROFILE", "a \"quoted\" \\ name,b");
  const std::string config =
      Output({"--rpm", "7", "--wait", "--arxiv-interval", "2.5", "--print-config"});
  EXPECT_THAT(config, AllOf(HasSubstr("rpm = 7  # flag\n"), HasSubstr("wait = true  # flag\n"),
                            HasSubstr("backend = \"openai\"  # default\n"),
                            HasSubstr("  # environment\n")));
  environment_.clear();
  const std::string file = WriteFile(config);
  ParseOk({"--config", file.c_str()});
  EXPECT_EQ(options_.Integer("rpm"), 7);
  EXPECT_EQ(options_.Number("arxiv-interval"), 2.5);
  EXPECT_TRUE(options_.Flag("wait"));
  EXPECT_THAT(options_.List("profile"), ElementsAre("a \"quoted\" \\ name", "b"));
}

TEST_F(OptionsTest, SecretsAreNeverPrinted) {
  EXPECT_THAT(Output({"--print-config"}), HasSubstr("# OPENAI_API_KEY: (not set)\n"));
  Set("OPENAI_API_KEY", "sk-very-secret");
  Set("PAPERBOY_REDIS", "redis://:hun/t@er2@redis:6379/1");
  const std::string config = Output({"--print-config"});
  EXPECT_THAT(config, HasSubstr("# OPENAI_API_KEY: (set)\n"));
  EXPECT_THAT(config, HasSubstr("\"redis://:***@redis:6379/1\"  # environment"));
  EXPECT_THAT(config, AllOf(Not(HasSubstr("sk-very")), Not(HasSubstr("er2"))));
  ParseOk({});
  EXPECT_EQ(options_.String("api-key"), "sk-very-secret");
  EXPECT_EQ(options_.String("redis"), "redis://:hun/t@er2@redis:6379/1");
}

TEST(MaskPassword, HidesOnlyThePassword) {
  EXPECT_EQ(MaskPassword("redis://user:secret@host:1/0"), "redis://user:***@host:1/0");
  EXPECT_EQ(MaskPassword("redis://127.0.0.1:6379/0"), "redis://127.0.0.1:6379/0");
  EXPECT_EQ(MaskPassword("somebody@example.org"), "somebody@example.org");
  EXPECT_EQ(MaskPassword(""), "");
}

// As it was meant, for the words in which the error is told.
TEST_F(OptionsTest, TheFormatOfTheLogIsKnownWhateverElseIsWrong) {
  EXPECT_EQ(LogFormat({"--frobnicate"}), "text");
  EXPECT_EQ(LogFormat({"--log-format", "json", "--frobnicate"}), "json");
  EXPECT_EQ(LogFormat({"--rpm", "many", "--log-format=json"}), "json");
  EXPECT_EQ(LogFormat({"--frobnicate", "--log-format"}), "text");
  for (const char* wrong : {"a_key = 1\nlog_format = \"json\"\n",
                            "log_format = \"text\"\n[scorer]\nfoo = 1\nlog_format = \"json\"\n"}) {
    const std::string file = WriteFile(wrong);
    EXPECT_EQ(LogFormat({"--config", file.c_str()}), "json") << wrong;
    EXPECT_EQ(LogFormat({"--config", file.c_str(), "--log-format", "text"}), "text") << wrong;
  }
  Set("PAPERBOY_LOG_FORMAT", "json");
  EXPECT_EQ(LogFormat({"--frobnicate"}), "json");
  EXPECT_EQ(LogFormat({"--frobnicate", "--log-format", "text"}), "text");
}

}  // namespace
}  // namespace paperboy
