// The real programs with keys: who has one works as ever, who has none is refused and
// knows why, keys are changed while a digest is under way, and nothing secret is written
// anywhere.
#include "common/keys.h"

#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "tests/process/digest_test.h"
#include "tests/support/read_file.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

std::string MetricsOf(const std::string& url) {
  httplib::Client client(url);
  const auto answer = client.Get("/metrics");
  return answer ? answer->body : "";
}

// Folders of keys, made by the program.
class Folders {
 public:
  Folders() { Make({keys()}); }
  void Make(const std::vector<std::string>& words) {
    std::vector<std::string> argv = {PAPERBOY_BIN_DIR "/paperboy-aggregator", "keys"};
    argv.insert(argv.end(), words.begin(), words.end());
    Process process(argv);
    EXPECT_EQ(process.Wait(20s), (Process::Exit{.code = 0})) << process.Stderr();
    written_ += process.Stdout() + process.Stderr();
  }
  std::string keys() const { return dir_.File("keys"); }
  // A peer's own folder: one key, as the name that `role` looks for.
  std::string For(const std::string& role, const std::string& key_file) {
    const std::string folder = dir_.File("of-" + std::to_string(++folders_));
    std::filesystem::create_directory(folder);
    std::filesystem::copy_file(keys() + "/" + key_file, KeyFile(folder, role));
    std::filesystem::copy_file(PublicKeyFile(keys()), PublicKeyFile(folder));
    return folder;
  }
  // What is as secret as can be in any of them.
  std::vector<std::string> Secrets() const {
    std::vector<std::string> secrets;
    for (const auto& file : std::filesystem::recursive_directory_iterator(dir_.path())) {
      if (file.path().extension() == ".key") {
        secrets.push_back(ReadKeyPair(file.path().string())->secret_key);
      }
    }
    return secrets;
  }
  const std::string& written() const { return written_; }

 private:
  TempDir dir_;
  int folders_ = 0;
  std::string written_;
};

class KeysTest : public testing::Test {
 protected:
  static Day MakeDay(const Folders& folders) {
    Day day = DayOf(60, 100ms);
    day.settings.env = {{"PAPERBOY_KEYS", folders.keys()}};
    return day;
  }
  Folders folders_;
  const Day day_ = MakeDay(folders_);
  System system_{day_.settings};
};

TEST_F(KeysTest, ADigestIsPublishedAndCommandsReachTheAggregator) {
  system_.StartAggregator();
  system_.StartScorers(2);
  const auto run = system_.RunFetcher(day_.FromFile(system_));
  EXPECT_EQ(run.exit.code, 0) << run.err << system_.Logs();
  EXPECT_EQ(system_.DigestJson(kDate)["funnel"]["unscored"], 0);
  const auto redo = system_.RunCommand({"--keys", folders_.keys(), "redo", kDate});
  EXPECT_EQ(redo.exit.code, 0) << redo.err;
  const auto keyless = system_.RunCommand({"redo", kDate});
  EXPECT_EQ(keyless.exit.code, 2);
  EXPECT_THAT(keyless.err, HasSubstr("does not take connections without a key"));
  const auto gaps = system_.RunFetcher({"gaps", "--from", kDate, "--to", kDate});
  EXPECT_EQ(gaps.exit.code, 3) << gaps.err;
}

TEST_F(KeysTest, AFetcherThatIsRefusedSaysWhyAndEndsAtItsDeadline) {
  system_.StartAggregator();
  auto arguments = day_.FromFile(system_);
  arguments.insert(arguments.end(), {"--deadline", "5s", "--keys", ""});
  const size_t keys_at = arguments.size() - 1;
  struct Case {
    std::string keys, log, says;
  };
  for (const Case& refused :
       {Case{folders_.For("fetcher", "scorer.key"), "refused the key in", "refused the key in"},
        Case{"", "does not take connections without a key", "--keys"}}) {
    arguments[keys_at] = refused.keys;
    const auto run = system_.RunFetcher(arguments);
    EXPECT_EQ(run.exit.code, 2) << run.err;
    EXPECT_THAT(run.err, AllOf(HasSubstr("error fetcher: the aggregator at"),
                               HasSubstr(refused.log), HasSubstr(refused.says)));
    EXPECT_THAT(run.out, HasSubstr(refused.log)) << "the summary says it too";
  }
  const std::string metrics = MetricsOf(system_.aggregator_url());
  for (const char* reason : {"other_role", "no_key"}) {
    EXPECT_THAT(metrics, Not(HasSubstr("connections_total{endpoint=\"fetchers\",reason=\"" +
                                       std::string(reason) + "\"} 0")));
  }
  EXPECT_THAT(system_.Logs(), HasSubstr("refused a connection to the fetchers' endpoint"));
}

TEST_F(KeysTest, AScorerThatIsRefusedIsNotReadyAndWorksOnceItIsLetIn) {
  system_.StartAggregator();
  folders_.Make({folders_.keys(), "scorer", "second"});
  const std::string list = AllowFile(folders_.keys(), "scorer");
  const std::string both = ReadFile(list);
  std::ofstream(list) << both.substr(0, both.find('\n') + 1);
  system_.StartScorers(1, "openai", {"--keys", folders_.For("scorer", "scorer-second.key")});
  ASSERT_TRUE(system_.scorer(0).WaitForOutput("refused the key in", 20s)) << system_.Logs();
  httplib::Client http(StatusUrl(system_.scorer(0)));
  const auto readiness = http.Get("/readyz");
  ASSERT_TRUE(readiness);
  EXPECT_EQ(readiness->status, 503);
  EXPECT_THAT(readiness->body, HasSubstr("refused the key in"));
  std::ofstream(list) << both;
  const auto run = system_.RunFetcher(day_.FromFile(system_));
  EXPECT_EQ(run.exit.code, 0) << run.err << system_.Logs();
}

// The steps of deploy/README.md, with files in place of a Secret.
TEST_F(KeysTest, EveryKeyIsChangedWhileADigestIsUnderWay) {
  const std::string keys = folders_.keys();
  system_.StartAggregator();
  system_.StartScorers(1);
  auto fetcher = system_.StartFetcher(day_.FromFile(system_));
  const auto scored = [&](uint64_t n) {
    return WaitUntil([&] { return system_.llm().account().ok >= n; }, 60s);
  };
  ASSERT_TRUE(scored(2)) << system_.Logs();

  folders_.Make({keys, "scorer", "next"});
  std::filesystem::rename(keys + "/scorer-next.key", keys + "/scorer.key");
  system_.StartScorers(1);
  system_.scorer(0).Kill(SIGTERM);
  EXPECT_TRUE(system_.scorer(0).Wait(20s).has_value());
  const std::string list = AllowFile(keys, "scorer");
  const std::string both = ReadFile(list);
  std::ofstream(list) << both.substr(both.find('\n') + 1);

  folders_.Make({keys, "aggregator", "next"});
  std::filesystem::rename(keys + "/aggregator-next.key", keys + "/aggregator.key");
  std::filesystem::rename(keys + "/aggregator-next.pub", keys + "/aggregator.pub");
  system_.RestartAggregator();

  const auto exit = fetcher->Wait(60s);
  ASSERT_TRUE(exit.has_value()) << fetcher->Stderr() << system_.Logs();
  EXPECT_EQ(exit->code, 0) << fetcher->Stderr() << system_.Logs();
  EXPECT_EQ(system_.DigestJson(kDate)["funnel"]["unscored"], 0);
}

// ---- the commands of deploy/README.md ------------------------------------------------

// Those from `first` to the next blank line.
std::string CommandsFrom(const std::string& first) {
  const std::string readme = ReadFile(PAPERBOY_SOURCE_DIR "/deploy/README.md");
  const size_t at = readme.find("    " + first + "\n");
  EXPECT_NE(at, std::string::npos) << first;
  return readme.substr(at, readme.find("\n\n", at) - at);
}

// With nothing in kubectl's place.
void RunCommands(const std::string& folder, const std::string& commands) {
  Process shell({"bash", "-c",
                 "set -e\nkubectl() { :; }\nPATH=" PAPERBOY_BIN_DIR ":$PATH\ncd '" + folder +
                     "'\n" + commands});
  EXPECT_EQ(shell.Wait(60s), (Process::Exit{.code = 0})) << shell.Stdout() << shell.Stderr();
}

TEST(Readme, ARotationCanBeRepeatedAndRevokesTheOldKeyOnly) {
  for (const std::string role : {"scorer", "fetcher"}) {
    TempDir dir;
    const std::string keys = dir.File("keys");
    RunCommands(dir.path(),
                "paperboy-aggregator keys keys\npaperboy-aggregator keys keys " + role + " lab-2");
    const std::string other = ReadKeyPair(keys + "/" + role + "-lab-2.key")->public_key;
    const std::string commands = std::regex_replace(
        CommandsFrom("paperboy-aggregator keys keys scorer next"), std::regex("scorer"), role);
    std::set<std::string> had = {ReadKeyPair(KeyFile(keys, role))->public_key};
    for (int rotation = 1; rotation <= 3; ++rotation) {
      RunCommands(dir.path(), commands);
      const std::string now = ReadKeyPair(KeyFile(keys, role))->public_key;
      EXPECT_TRUE(had.insert(now).second) << "it is a new one";
      EXPECT_THAT(*ReadAllowList(AllowFile(keys, role)),
                  UnorderedElementsAre(Pair(now, "first"), Pair(other, "lab-2")))
          << role << rotation;
    }
  }
}

TEST(Readme, TheAggregatorsKeyCanBeChangedAgainAndAgain) {
  TempDir dir;
  const std::string keys = dir.File("keys");
  RunCommands(dir.path(), "paperboy-aggregator keys keys");
  std::set<std::string> had = {*ReadPublicKey(PublicKeyFile(keys))};
  for (int rotation = 1; rotation <= 2; ++rotation) {
    RunCommands(dir.path(), CommandsFrom("paperboy-aggregator keys keys aggregator next"));
    const std::string now = *ReadPublicKey(PublicKeyFile(keys));
    EXPECT_TRUE(had.insert(now).second);
    EXPECT_EQ(ReadKeyPair(KeyFile(keys, "aggregator"))->public_key, now);
  }
}

// ---- nothing secret is written -----------------------------------------------------

struct Planted {
  std::string name, secret;
};

void ExpectNone(const std::vector<Planted>& planted, const std::string& where,
                const std::string& text) {
  for (const auto& [name, secret] : planted) {
    EXPECT_EQ(text.find(secret), std::string::npos) << name << " in " << where;
  }
}

void ExpectNoneInFilesOf(const std::vector<Planted>& planted, const std::string& folder) {
  size_t files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (!file.is_regular_file()) continue;
    ++files;
    ExpectNone(planted, file.path().string(), ReadFile(file.path()));
  }
  EXPECT_GT(files, 0u) << folder;
}

TEST(Secrets, AreInNothingThatTheProcessesWrite) {
  const std::string llm_key = "planted-llm-key-1f2e", redis_password = "plantedredispassword3d4c",
                    scholar_key = "planted-scholar-key-5b6a";
  Folders folders;
  std::vector<Planted> planted = {{"the LLM key", llm_key},
                                  {"Redis's password", redis_password},
                                  {"Semantic Scholar's key", scholar_key}};
  for (const std::string& secret : folders.Secrets()) planted.push_back({"a link's key", secret});
  ASSERT_EQ(planted.size(), 6u);
  Day day = DayOf(20, 200ms);
  day.settings.redis = {"--rdbcompression", "no"};
  day.settings.redis_password = redis_password;
  day.settings.env = {{"PAPERBOY_KEYS", folders.keys()},
                      {"S2_API_KEY", scholar_key},
                      {"PAPERBOY_LOG_LEVEL", "trace"}};
  System system(day.settings);
  const std::string key_file = system.File("llm.key");
  std::ofstream(key_file) << llm_key;
  const std::string profile = system.WriteProfile("reader", "h_index_cutoff = 1");

  system.StartAggregator();
  system.StartScorers(1, "openai", {"--api-key-file", key_file});
  auto arguments = day.FromFile(system);
  arguments.insert(arguments.end(), {"--profile", profile});
  auto fetcher = system.StartFetcher(arguments);
  ASSERT_TRUE(WaitUntil([&] { return system.llm().account().calls > 0; }, 60s)) << system.Logs();
  for (const pid_t pid : {system.aggregator().pid(), system.scorer(0).pid(), fetcher->pid()}) {
    const std::string line = ReadFile("/proc/" + std::to_string(pid) + "/cmdline");
    EXPECT_THAT(line, HasSubstr("paperboy-"));
    ExpectNone(planted, "arguments", line);
  }
  EXPECT_EQ(fetcher->Wait(60s), (Process::Exit{.code = 0})) << fetcher->Stderr() << system.Logs();
  ExpectNone(planted, "the fetcher's output", fetcher->Stdout() + fetcher->Stderr());

  // Everything that can be refused is: a key of each kind, and Redis's password.
  system.llm().SetKeys({"another"});
  const std::string wrong = folders.For("fetcher", "scorer.key");
  const auto refused = system.RunFetcher({"--keys", wrong, "--deadline", "3s", "--date", kDate});
  EXPECT_EQ(refused.exit.code, 2);
  ExpectNone(planted, "a refused fetcher's output", refused.out + refused.err);
  std::ofstream(PublicKeyFile(wrong))
      << ReadFile(KeyFile(folders.keys(), "aggregator")) << " twice";
  const auto malformed = system.RunFetcher({"--keys", wrong, "--date", kDate});
  EXPECT_EQ(malformed.exit.code, 1);
  EXPECT_THAT(malformed.err, HasSubstr("aggregator.pub holds no public key"));
  ExpectNone(planted, "the complaint about a key", malformed.out + malformed.err);
  const auto again = system.RunFetcher({"--date", "2026-09-14", "--source",
                                        "file:" + system.File("day.jsonl"), "--profile", profile});
  ExpectNone(planted, "output of a run without model", again.out + again.err);
  system.redis().Command("AUTH " + redis_password + "\r\nCONFIG SET requirepass other\r\nSAVE");
  const auto locked = system.RunFetcher({"--date", kDate, "--deadline", "3s"});
  EXPECT_THAT(locked.out + locked.err, HasSubstr("Redis"));
  ExpectNone(planted, "output of a run without Redis", locked.out + locked.err);
  for (const char* program : {"aggregator", "scorer", "fetcher"}) {
    Process print({std::string(PAPERBOY_BIN_DIR "/paperboy-") + program, "--print-config"},
                  {{"PAPERBOY_REDIS", "redis://:" + redis_password + "@127.0.0.1"},
                   {"OPENAI_API_KEY", llm_key},
                   {"ANTHROPIC_API_KEY", llm_key},
                   {"S2_API_KEY", scholar_key},
                   {"PAPERBOY_KEYS", folders.keys()}});
    EXPECT_EQ(print.Wait(20s), (Process::Exit{.code = 0}));
    ExpectNone(planted, "--print-config", print.Stdout() + print.Stderr());
  }

  httplib::Client http(system.aggregator_url());
  for (const char* path : {"/metrics", "/readyz", "/healthz", "/scaling", "/", "/ledger.db"}) {
    const auto answer = http.Get(path);
    ASSERT_TRUE(answer) << path;
    ExpectNone(planted, path, answer->body);
  }
  ExpectNone(planted, "status", system.RunCommand({"status"}).out);
  ExpectNone(planted, "the logs", system.Logs());
  ExpectNone(planted, "what `keys` prints", folders.written());
  EXPECT_THAT(system.Logs(), HasSubstr("refused"));
  ExpectNoneInFilesOf(planted, system.out_dir());
  ExpectNoneInFilesOf(planted, system.data_dir());
  ExpectNoneInFilesOf(planted, system.redis().dir().path().string());
}

}  // namespace
}  // namespace paperboy
