#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "tests/support/redis_server.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{20};
constexpr milliseconds kDeadline{5'000};

TEST(RedisUrlTest, TakesEveryPart) {
  const Result<RedisUrl> url = ParseRedisUrl("redis://:p%40ss%2Fword@cache.example:6380/3");
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_EQ(url->host, "cache.example");
  EXPECT_EQ(url->port, 6380);
  EXPECT_EQ(url->db, 3);
  EXPECT_EQ(url->password, "p@ss/word");
  EXPECT_EQ(Redacted(*url), "redis://cache.example:6380/3");
}

TEST(RedisUrlTest, HasDefaults) {
  for (const char* text : {"redis://localhost", "redis://localhost/", "redis://localhost:6379/0"}) {
    const Result<RedisUrl> url = ParseRedisUrl(text);
    ASSERT_TRUE(url.ok()) << url.error().message;
    EXPECT_EQ(Redacted(*url), "redis://localhost:6379/0") << text;
    EXPECT_EQ(url->password, "");
  }
}

TEST(RedisUrlTest, TakesAnIpv6AddressInBrackets) {
  const Result<RedisUrl> url = ParseRedisUrl("redis://:pw@[::1]:7000/1");
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(Redacted(*url), "redis://[::1]:7000/1");
}

TEST(RedisUrlTest, AsksForTlsWithAnS) {
  const Result<RedisUrl> url = ParseRedisUrl("rediss://:pw@cache.example");
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_TRUE(url->tls);
  EXPECT_FALSE(ParseRedisUrl("redis://cache.example")->tls);
  EXPECT_EQ(Redacted(*url), "rediss://cache.example:6379/0");
}

TEST(RedisUrlTest, RefusesTheRestWithoutRepeatingThePassword) {
  for (const char* text :
       {"", "localhost:6379", "http://:hunter2@h", "redisss://:hunter2@h", "redis://:hunter2@",
        "redis://user:hunter2@h", "redis://:hunter2@h:0", "redis://:hunter2@h:65536",
        "redis://:hunter2@h:12x", "redis://:hunter2@h:", "redis://:hunter2@h/x",
        "redis://:hunter2@h/-1", "redis://:hunter2%4@h", "redis://:hunter2%@h",
        "redis://:hunter2%zz@h", "redis://:hunter2@[::1", "redis://:hunter2@[::1]6379"}) {
    const Result<RedisUrl> url = ParseRedisUrl(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(url.error().message, AllOf(HasSubstr("redis://"), Not(HasSubstr("hunter2"))));
  }
}

TEST(RedisScriptTest, KnowsItsSha1) {
  EXPECT_EQ(RedisScript("return 1").sha1(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
}

// A client and a server; verbs that run the loop until something holds.
class RedisTest : public testing::Test {
 protected:
  void StartServer(std::vector<std::string> args = {}) { server_.emplace(std::move(args)); }
  void Connect(const std::string& password = "", int db = 0) {
    RedisUrl url;
    url.port = server_->port();
    url.password = password;
    url.db = db;
    redis_.emplace(loop_, url);
  }
  void StartAndConnect() {
    StartServer();
    Connect();
    ASSERT_TRUE(BecomesReady());
  }

  bool Until(const std::function<bool()>& done) {
    return loop_.RunUntil(done, loop_.now() + kPatience);
  }
  bool BecomesReady() {
    return Until([&] { return redis_->ready(); });
  }
  bool BecomesUnready() {
    return Until([&] { return !redis_->ready(); });
  }
  bool TroubleIs(const std::string& part) {
    return Until([&] { return redis_->trouble().find(part) != std::string::npos; });
  }

  using Answer = std::optional<Result<RedisReply>>;
  // The answer arrives in what is returned, while the loop runs.
  std::shared_ptr<Answer> Ask(std::vector<std::string> args, milliseconds deadline = kDeadline) {
    auto answer = std::make_shared<Answer>();
    redis_->Command(std::move(args), deadline, [answer](Result<RedisReply> reply) {
      EXPECT_FALSE(answer->has_value()) << "called twice";
      answer->emplace(std::move(reply));
    });
    EXPECT_FALSE(answer->has_value()) << "called from within Command";
    return answer;
  }
  Result<RedisReply> Command(std::vector<std::string> args, milliseconds deadline = kDeadline) {
    const auto answer = Ask(std::move(args), deadline);
    EXPECT_TRUE(Until([&] { return answer->has_value(); }));
    return **answer;
  }
  Result<RedisReply> Eval(const RedisScript& script, std::vector<std::string> keys,
                          std::vector<std::string> args) {
    Answer answer;
    redis_->Eval(script, std::move(keys), std::move(args), kDeadline,
                 [&](Result<RedisReply> reply) { answer.emplace(std::move(reply)); });
    EXPECT_FALSE(answer.has_value()) << "called from within Eval";
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return *answer;
  }

  EpollLoop loop_;
  std::optional<RedisServer> server_;
  std::optional<RedisClient> redis_;
};

TEST_F(RedisTest, ConnectsAndAnswersEveryKindOfReply) {
  StartAndConnect();
  EXPECT_EQ(redis_->trouble(), "");
  EXPECT_EQ(redis_->run_id().size(), 40U);
  const std::string binary("a\0b\r\n\xff", 6);
  EXPECT_EQ(Command({"SET", "key", binary})->string, "OK");
  EXPECT_EQ(Command({"GET", "key"})->string, binary);
  EXPECT_EQ(Command({"GET", "none"})->kind, RedisReply::Kind::kNil);
  EXPECT_EQ(Command({"INCRBY", "n", "7"})->integer, 7);
  const Result<RedisReply> list = Command({"MGET", "n", "none"});
  ASSERT_EQ(list->kind, RedisReply::Kind::kArray);
  EXPECT_EQ(list->array.at(0).string, "7");
  EXPECT_EQ(list->array.at(1).kind, RedisReply::Kind::kNil);
}

TEST_F(RedisTest, RepliesComeInOrder) {
  StartAndConnect();
  std::vector<int64_t> replies;
  for (int i = 0; i < 2'000; ++i) {
    redis_->Command({"INCR", "n"}, kDeadline, [&](const Result<RedisReply>& reply) {
      replies.push_back(reply.ok() ? reply->integer : -1);
    });
  }
  ASSERT_TRUE(Until([&] { return replies.size() == 2'000; }));
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(replies[i], i + 1);
}

TEST_F(RedisTest, ErrorReplyIsInvalidAndKeepsTheConnection) {
  StartAndConnect();
  ASSERT_TRUE(Command({"SET", "text", "x"}).ok());
  const Result<RedisReply> reply = Command({"INCR", "text"});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(reply.error().message, HasSubstr("not an integer"));
  EXPECT_TRUE(redis_->ready());
}

TEST_F(RedisTest, ErrorInsideAnArrayIsAnError) {
  StartAndConnect();
  ASSERT_TRUE(Command({"SET", "text", "x"}).ok());
  Ask({"MULTI"});
  Ask({"SET", "other", "1"});
  Ask({"INCR", "text"});
  EXPECT_FALSE(Command({"EXEC"}).ok());
}

TEST_F(RedisTest, ServerThatIsFullIsUnavailable) {
  StartAndConnect();
  ASSERT_TRUE(Command({"CONFIG", "SET", "maxmemory", "1"}).ok());
  const Result<RedisReply> reply = Command({"SET", "key", "x"});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(reply.error().message, HasSubstr("OOM"));
  ASSERT_TRUE(Command({"CONFIG", "SET", "maxmemory", "0"}).ok());
  EXPECT_TRUE(Command({"SET", "key", "x"}).ok());
}

TEST_F(RedisTest, ScriptIsLoadedOnceAndAgainAfterARestart) {
  StartAndConnect();
  const RedisScript script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}");
  for (int i = 1; i <= 2; ++i) {
    const Result<RedisReply> reply = Eval(script, {"k"}, {"v"});
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->array.at(0).string, "k");
    EXPECT_EQ(reply->array.at(1).string, "v");
    EXPECT_EQ(reply->array.at(2).integer, i);
  }
  EXPECT_THAT(Command({"INFO", "commandstats"})->string, HasSubstr("cmdstat_eval:calls=1,"));

  server_->Restart();
  ASSERT_TRUE(BecomesUnready());
  ASSERT_TRUE(BecomesReady());
  const Result<RedisReply> reply = Eval(script, {"k"}, {"v"});
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->array.at(2).integer, 1);
}

TEST_F(RedisTest, ErrorInAScriptIsInvalid) {
  StartAndConnect();
  const RedisScript script("return redis.error_reply('BAD state of ' .. KEYS[1])");
  const Result<RedisReply> reply = Eval(script, {"k"}, {});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(reply.error().message, HasSubstr("BAD state of k"));
}

TEST_F(RedisTest, SelectsItsDatabase) {
  StartServer();
  Connect("", 3);
  ASSERT_TRUE(BecomesReady());
  ASSERT_TRUE(Command({"SET", "key", "x"}).ok());
  EXPECT_THAT(Command({"INFO", "keyspace"})->string, HasSubstr("db3:keys=1"));
}

TEST_F(RedisTest, SaysWhyItCannotConnectAndConnectsOnceTheServerIsThere) {
  StartServer();
  server_->Kill();
  Connect();
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  EXPECT_TRUE(TroubleIs("cannot connect to " + address + ": Connection refused"))
      << redis_->trouble();
  const Result<RedisReply> reply = Command({"PING"});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(reply.error().message, HasSubstr(address));
  server_->Restart();
  ASSERT_TRUE(BecomesReady()) << redis_->trouble();
  EXPECT_EQ(Command({"PING"})->string, "PONG");
}

TEST_F(RedisTest, SaysThatTheHostIsUnknown) {
  RedisUrl url;
  url.host = "no-such-host.invalid";
  redis_.emplace(loop_, url);
  EXPECT_TRUE(TroubleIs("cannot find the host no-such-host.invalid")) << redis_->trouble();
}

TEST_F(RedisTest, FindsAHostByName) {
  StartServer();
  RedisUrl url;
  url.host = "localhost";
  url.port = server_->port();
  redis_.emplace(loop_, url);
  EXPECT_TRUE(BecomesReady()) << redis_->trouble();
}

TEST_F(RedisTest, SurvivesKillAndRestart) {
  StartAndConnect();
  const std::string first_run = redis_->run_id();
  std::vector<bool> changes;
  redis_->OnReadyChange([&](bool ready) { changes.push_back(ready); });
  server_->Kill();
  const auto answer = Ask({"PING"});
  ASSERT_TRUE(Until([&] { return answer->has_value(); }));
  ASSERT_FALSE((*answer)->ok());
  EXPECT_EQ((*answer)->error().kind, ErrorKind::kUnavailable);
  EXPECT_FALSE(redis_->ready());
  EXPECT_THAT(redis_->trouble(), HasSubstr("127.0.0.1"));

  server_->Restart();
  ASSERT_TRUE(Until([&] { return changes.size() == 2; })) << redis_->trouble();
  EXPECT_THAT(changes, ElementsAre(false, true));
  EXPECT_NE(redis_->run_id(), first_run);
  EXPECT_EQ(Command({"PING"})->string, "PONG");
}

TEST_F(RedisTest, DeadlineFailsTheCommandAndDropsTheConnection) {
  StartAndConnect();
  ::kill(server_->pid(), SIGSTOP);
  const MonotonicTime start = loop_.now();
  const auto patient = Ask({"INCR", "n"}, milliseconds(60'000));
  const auto hasty = Ask({"INCR", "n"}, milliseconds(100));
  ASSERT_TRUE(Until([&] { return hasty->has_value() && patient->has_value(); }));
  EXPECT_GE(loop_.now() - start, milliseconds(100));
  EXPECT_LT(loop_.now() - start, milliseconds(10'000));
  for (const auto& answer : {patient, hasty}) {
    ASSERT_FALSE((*answer)->ok());
    EXPECT_EQ((*answer)->error().kind, ErrorKind::kUnavailable);
    EXPECT_THAT((*answer)->error().message, HasSubstr("no answer"));
  }
  EXPECT_FALSE(redis_->ready());

  ::kill(server_->pid(), SIGCONT);
  ASSERT_TRUE(BecomesReady()) << redis_->trouble();
  // No reply of the dropped connection is taken for this one's.
  EXPECT_EQ(Command({"ECHO", "mine"})->string, "mine");
}

TEST_F(RedisTest, HungServerIsNoticedWhileIdleAndByAGreeting) {
  StartAndConnect();
  ::kill(server_->pid(), SIGSTOP);
  ASSERT_TRUE(BecomesUnready()) << "the idle PING should have noticed";
  // The kernel still accepts for the stopped server; the greeting's time runs out.
  ASSERT_TRUE(TroubleIs("cannot connect to")) << redis_->trouble();
  ::kill(server_->pid(), SIGCONT);
  EXPECT_TRUE(BecomesReady()) << redis_->trouble();
}

TEST_F(RedisTest, WrongPasswordIsSaidAndNotRepeated) {
  StartServer({"--requirepass", "correct-horse"});
  Connect("battery-staple");
  ASSERT_TRUE(TroubleIs("password refused")) << redis_->trouble();
  EXPECT_THAT(redis_->trouble(), Not(HasSubstr("battery-staple")));
  EXPECT_FALSE(redis_->ready());
  Connect("");
  EXPECT_TRUE(TroubleIs("NOAUTH")) << redis_->trouble();
  Connect("correct-horse");
  ASSERT_TRUE(BecomesReady()) << redis_->trouble();
  EXPECT_EQ(Command({"PING"})->string, "PONG");
}

TEST_F(RedisTest, LoadingServerIsNotReadyAndSaysSo) {
  StartServer({"--appendonly", "yes", "--appendfsync", "no"});
  Connect();
  ASSERT_TRUE(BecomesReady());
  const RedisScript fill("for i = 1, 8000 do redis.call('SET', 'k' .. i, i) end return 1");
  ASSERT_TRUE(Eval(fill, {}, {}).ok());
  // Stretches loading to some seconds; the server answers after every 1,024 keys.
  const std::string config = server_->dir().File("loading.conf");
  std::ofstream(config) << "appendonly yes\nkey-load-delay 400\n";
  const int port = server_->port();
  server_->Kill();
  Process loading({"redis-server", config, "--port", std::to_string(port), "--bind", "127.0.0.1",
                   "--save", "", "--dir", server_->dir().path().string()});
  EXPECT_TRUE(TroubleIs("LOADING")) << redis_->trouble() << loading.Stdout();
  EXPECT_FALSE(redis_->ready());
  EXPECT_TRUE(BecomesReady()) << redis_->trouble();
  EXPECT_EQ(Command({"GET", "k8000"})->string, "8000");
}

TEST_F(RedisTest, NoMoreThanTenThousandCommandsWait) {
  StartAndConnect();
  ::kill(server_->pid(), SIGSTOP);
  std::deque<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 10'001; ++i) answers.push_back(Ask({"PING"}));
  ASSERT_TRUE(Until([&] { return answers.back()->has_value(); }));
  ASSERT_FALSE((*answers.back())->ok());
  EXPECT_EQ((*answers.back())->error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT((*answers.back())->error().message, HasSubstr("10000"));
  EXPECT_FALSE(answers.front()->has_value());
  ::kill(server_->pid(), SIGCONT);
  ASSERT_TRUE(Until([&] { return answers[9'999]->has_value(); }));
  EXPECT_TRUE((*answers[9'999])->ok());
}

TEST_F(RedisTest, CallbackMayGiveCommandsAndDestroyTheConnection) {
  StartAndConnect();
  bool destroyed = false;
  redis_->Command({"PING"}, kDeadline, [&](const Result<RedisReply>&) {
    redis_->Command({"PING"}, kDeadline, [&](const Result<RedisReply>&) {
      redis_->Command({"PING"}, kDeadline, [](const Result<RedisReply>&) { FAIL(); });
      redis_.reset();
      destroyed = true;
    });
  });
  EXPECT_TRUE(Until([&] { return destroyed; }));
  EXPECT_FALSE(loop_.RunUntil([] { return false; }, loop_.now() + milliseconds(20)));
}

TEST_F(RedisTest, ReadyChangeMayDestroyTheConnection) {
  StartServer();
  Connect();
  redis_->OnReadyChange([&](bool) { redis_.reset(); });
  EXPECT_TRUE(Until([&] { return !redis_.has_value(); }));
}

}  // namespace
}  // namespace paperboy
