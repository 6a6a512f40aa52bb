// Who is let in at the aggregator's endpoints, over real sockets: ends as the programs
// have them on one loop.
#include "aggregator/gatekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "aggregator/make_keys.h"
#include "common/aggregator_socket.h"
#include "common/log.h"
#include "common/socket.h"
#include "common/wire.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/until.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Milliseconds kPatience{60'000};

// As Kubernetes changes a mounted Secret: a folder of symbolic links through one that
// is exchanged for another.
void SwapFile(const std::string& path, const std::string& text) {
  static int version = 0;
  const std::string real = path + ".v" + std::to_string(++version);
  std::ofstream(real) << text;
  std::filesystem::create_symlink(real, path + ".next");
  std::filesystem::rename(path + ".next", path);
}

class GatekeeperTest : public testing::Test {
 protected:
  GatekeeperTest() {
    EXPECT_TRUE(MakeKeys(keys_).ok());
    Result<std::unique_ptr<Gatekeeper>> gate = Gatekeeper::Start(loop_, context_, keys_, *metrics_);
    if (!gate) throw std::runtime_error(gate.error().message);
    gate_ = std::move(*gate);
    Bind("fetcher", &fetchers_);
    Bind("scorer", &scorers_);
  }

  struct End {
    std::string endpoint;
    std::optional<ZmqRouter> router;
    std::vector<std::string> came;
  };
  void Bind(const std::string& role, End* end) {
    Result<zmq::socket_t> socket = gate_->Bind(role, "tcp://127.0.0.1:*");
    if (!socket) throw std::runtime_error(socket.error().message);
    end->endpoint = socket->get(zmq::sockopt::last_endpoint);
    end->router.emplace(loop_, std::move(*socket));
    end->router->OnReadable([end] {
      Frame frame;
      while (end->router->Receive(&frame)) {
        end->came.push_back(frame.body);
        end->router->SendTo(frame.peer, "re: " + frame.body);
      }
    });
  }
  std::unique_ptr<AggregatorSocket> Connect(const End& end, const std::string& keys,
                                            const std::string& role) {
    auto socket = AggregatorSocket::Connect(loop_, context_, {end.endpoint, keys, role});
    if (!socket) throw std::runtime_error(socket.error().message);
    return std::move(*socket);
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done, kPatience); }
  // Says hello and has the answer.
  testing::AssertionResult IsServed(AggregatorSocket& socket) {
    std::string body;
    if (!Until([&] { return socket.Send("hello"); })) {
      return testing::AssertionFailure() << "no connection: " << socket.refusal();
    }
    if (!Until([&] { return socket.Receive(&body); })) {
      return testing::AssertionFailure() << "no answer";
    }
    return testing::AssertionSuccess() << body;
  }
  // The peer is told why, its frames never leave, and it is counted, more than once, since
  // it comes again.
  void ExpectRefused(AggregatorSocket& socket, const std::string& endpoint,
                     const std::string& reason, const std::string& says) {
    bool sent = false;
    EXPECT_TRUE(Until([&] {
      sent = sent || socket.Send("hello");
      return Counted(endpoint, reason) >= 2 && !socket.refusal().empty();
    })) << Metrics();
    EXPECT_FALSE(sent);
    EXPECT_THAT(socket.refusal(), HasSubstr(says));
    EXPECT_THAT(fetchers_.came, ElementsAre());
    EXPECT_THAT(scorers_.came, ElementsAre());
  }
  std::string Metrics() const {
    return prometheus::TextSerializer().Serialize(metrics_->Collect());
  }
  double Counted(const std::string& endpoint, const std::string& reason) const {
    const std::string text = Metrics();
    const std::string line = "paperboy_refused_connections_total{endpoint=\"" + endpoint +
                             "\",reason=\"" + reason + "\"} ";
    const size_t at = text.find(line);
    if (at == std::string::npos) throw std::runtime_error("no metric " + line);
    return std::stod(text.substr(at + line.size()));
  }
  // A folder with keys that the aggregator has never seen, and its public key.
  std::string StrangersKeys() {
    const std::string folder = dir_.File("strangers");
    EXPECT_TRUE(MakeKeys(folder).ok());
    std::filesystem::copy_file(PublicKeyFile(keys_), PublicKeyFile(folder),
                               std::filesystem::copy_options::overwrite_existing);
    return folder;
  }

  TempDir dir_;
  const std::string keys_ = dir_.File("keys");
  EpollLoop loop_;
  zmq::context_t context_;
  std::shared_ptr<prometheus::Registry> metrics_ = std::make_shared<prometheus::Registry>();
  End fetchers_, scorers_;
  std::unique_ptr<Gatekeeper> gate_;
};

TEST_F(GatekeeperTest, RightKeysAreServedAndHeartbeatsGoThrough) {
  auto fetcher = Connect(fetchers_, keys_, "fetcher");
  auto scorer = Connect(scorers_, keys_, "scorer");
  EXPECT_TRUE(IsServed(*fetcher));
  EXPECT_TRUE(IsServed(*scorer));
  // Longer than a peer that is not heard of is borne with: nobody is cut off.
  const auto silent = loop_.now() + Milliseconds(kZmqHeartbeatTimeoutMs + 2 * kZmqHeartbeatIvlMs);
  loop_.RunUntil([] { return false; }, silent);
  EXPECT_TRUE(scorer->Send("still there"));
  EXPECT_TRUE(Until([&] { return scorers_.came.size() == 2; }));
  EXPECT_EQ(scorer->refusal(), "");
  EXPECT_THAT(Metrics(), Not(HasSubstr("\"} 1")));
}

TEST_F(GatekeeperTest, TheAggregatorsOwnCommandsComeToTheFetchersEndpointOnly) {
  auto command = Connect(fetchers_, keys_, "aggregator");
  EXPECT_TRUE(IsServed(*command));
  fetchers_.came.clear();
  auto scorer = Connect(scorers_, keys_, "aggregator");
  ExpectRefused(*scorer, "scorers", "other_role", "refused the key");
}

TEST_F(GatekeeperTest, AnUnknownKeyIsRefusedToldAndCounted) {
  const std::string strangers = StrangersKeys();
  auto stranger = Connect(scorers_, strangers, "scorer");
  ExpectRefused(*stranger, "scorers", "unknown_key", "refused the key in " + strangers);
  const Result<KeyPair> key = ReadKeyPair(KeyFile(strangers, "scorer"));
  EXPECT_THAT(stranger->refusal(),
              AllOf(HasSubstr("scorers.allowed"), HasSubstr(key->public_key),
                    Not(HasSubstr(key->secret_key)), Not(HasSubstr("another role"))));
}

TEST_F(GatekeeperTest, AScorersKeyOpensNoDigests) {
  auto scorer = Connect(fetchers_, keys_, "scorer");
  ExpectRefused(*scorer, "fetchers", "other_role", "refused the key");
}

// The usual slip: a scorer's key in the place of a fetcher's. On the list it would open both.
TEST_F(GatekeeperTest, AKeyOfAnotherRoleIsNotToldToBeListed) {
  const std::string folder = StrangersKeys();
  SwapFile(KeyFile(folder, "fetcher"), ReadFile(KeyFile(keys_, "scorer")));
  testing::internal::CaptureStderr();
  SetUpLogging("aggregator", "info", "text");
  auto fetcher = Connect(fetchers_, folder, "fetcher");
  ExpectRefused(*fetcher, "fetchers", "other_role", "is of another role");
  const std::string key = ReadKeyPair(KeyFile(keys_, "scorer"))->public_key;
  EXPECT_THAT(fetcher->refusal(), AllOf(HasSubstr("keys DIR fetcher NAME"), Not(HasSubstr(key)),
                                        Not(HasSubstr("let it in"))));
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      AllOf(HasSubstr("its key " + key + " is of another role"), Not(HasSubstr("lets it in"))));
}

TEST_F(GatekeeperTest, AFetchersKeyGetsNoWork) {
  auto fetcher = Connect(scorers_, keys_, "fetcher");
  ExpectRefused(*fetcher, "scorers", "other_role", "refused the key");
}

TEST_F(GatekeeperTest, WithoutAKeyNobodyIsLetIn) {
  auto plain = Connect(fetchers_, "", "fetcher");
  ExpectRefused(*plain, "fetchers", "no_key", "does not take connections without a key");
  auto other = Connect(scorers_, "", "scorer");
  ExpectRefused(*other, "scorers", "no_key", "--keys");
}

TEST_F(GatekeeperTest, WhoTakesAnotherForTheAggregatorSaysNothingToIt) {
  const std::string strangers = StrangersKeys();
  SwapFile(PublicKeyFile(strangers),
           ReadKeyPair(KeyFile(strangers, "aggregator"))->public_key + "\n");
  SwapFile(KeyFile(strangers, "scorer"), ReadFile(KeyFile(keys_, "scorer")));
  auto scorer = Connect(scorers_, strangers, "scorer");
  ExpectRefused(*scorer, "scorers", "wrong_server_key", "aggregator.pub is not its key");
}

TEST_F(GatekeeperTest, AKeyThatIsNeededNowhereSaysSo) {
  Result<zmq::socket_t> open = BindRouter(context_, "tcp://127.0.0.1:*");
  End end{open->get(zmq::sockopt::last_endpoint)};
  auto scorer = Connect(end, keys_, "scorer");
  EXPECT_TRUE(Until([&] { return !scorer->refusal().empty(); }));
  EXPECT_THAT(scorer->refusal(), HasSubstr("has no keys"));
}

TEST_F(GatekeeperTest, ANewKeyIsLetInAndTheOldOneLeavesWhenItsLineGoes) {
  ASSERT_TRUE(AddKey(keys_, "scorer", "next").ok());
  const std::string list = AllowFile(keys_, "scorer");
  const std::string old_line = ReadFile(list).substr(0, ReadFile(list).find('\n') + 1);
  const std::string new_line = ReadFile(list).substr(old_line.size());
  auto old_scorer = Connect(scorers_, keys_, "scorer");
  auto new_scorer = Connect(scorers_, keys_, "scorer-next");
  EXPECT_TRUE(IsServed(*old_scorer)) << "the old one goes on while the new one comes";
  EXPECT_TRUE(IsServed(*new_scorer));

  SwapFile(list, new_line);
  EXPECT_TRUE(IsServed(*old_scorer)) << "a connection that stands is not cut";
  scorers_.came.clear();
  old_scorer = Connect(scorers_, keys_, "scorer");
  ExpectRefused(*old_scorer, "scorers", "unknown_key", "refused the key");
  EXPECT_TRUE(IsServed(*new_scorer));

  // Whoever is refused reads its own key again, so that it needs no restart.
  SwapFile(KeyFile(keys_, "scorer"), ReadFile(KeyFile(keys_, "scorer-next")));
  EXPECT_TRUE(IsServed(*old_scorer));
  EXPECT_EQ(old_scorer->refusal(), "");
}

// Without anybody coming, too.
TEST_F(GatekeeperTest, TheLogTellsWhichListIsInForce) {
  const std::string list = AllowFile(keys_, "scorer");
  const std::string text = ReadFile(list);
  std::string log;
  const auto says = [&](const std::string& words) {
    return Until([&] {
      log += testing::internal::GetCapturedStderr();
      testing::internal::CaptureStderr();
      SetUpLogging("aggregator", "info", "text");
      return log.find(words) != std::string::npos;
    });
  };
  testing::internal::CaptureStderr();
  SetUpLogging("aggregator", "info", "text");
  std::filesystem::remove(list);
  EXPECT_TRUE(says("in force is what was last read from it (keys: 1)")) << log;
  EXPECT_THAT(log, HasSubstr("warn aggregator: " + list + " cannot be read"));
  auto scorer = Connect(scorers_, keys_, "scorer");
  EXPECT_TRUE(IsServed(*scorer));
  log.clear();
  std::ofstream(list) << text;
  ::chmod(list.c_str(), 0666);
  EXPECT_TRUE(says(list + " is read again (keys: 1)")) << log;
  EXPECT_TRUE(says(list + " (mode 0666)")) << log;
  EXPECT_THAT(log, Not(HasSubstr("in force"))) << "once is enough";
  (void)testing::internal::GetCapturedStderr();
}

TEST_F(GatekeeperTest, AListThatCannotBeReadLeavesTheOneBefore) {
  SwapFile(AllowFile(keys_, "scorer"), "no key at all\n");
  auto scorer = Connect(scorers_, keys_, "scorer");
  EXPECT_TRUE(IsServed(*scorer));
  std::filesystem::remove(AllowFile(keys_, "scorer"));
  scorer = Connect(scorers_, keys_, "scorer");
  EXPECT_TRUE(IsServed(*scorer));
}

TEST_F(GatekeeperTest, AFloodOfPlainClientsHarmsNobody) {
  std::vector<zmq::socket_t> flood;
  for (int i = 0; i < 200; ++i) flood.push_back(ConnectDealer(context_, scorers_.endpoint).value());
  auto scorer = Connect(scorers_, keys_, "scorer");
  EXPECT_TRUE(IsServed(*scorer));
  EXPECT_TRUE(Until([&] { return Counted("scorers", "no_key") >= 200; })) << Metrics();
}

TEST(GatekeeperStart, NeedsItsFilesAndNeverRepeatsThem) {
  EpollLoop loop;
  TempDir dir;
  prometheus::Registry metrics;
  const std::string keys = dir.File("keys");
  // What it says against them; "" when it starts.
  const auto start = [&]() -> std::string {
    zmq::context_t context;
    const auto gate = Gatekeeper::Start(loop, context, keys, metrics);
    return gate ? "" : gate.error().message;
  };
  EXPECT_THAT(start(), AllOf(HasSubstr("--keys: " + keys + "/aggregator.key cannot be read"),
                             HasSubstr("paperboy-aggregator keys")));
  ASSERT_TRUE(MakeKeys(keys).ok());
  for (const std::string wrong : {"hunter2", "hunter2 hunter2", ""}) {
    for (const char* file : {"aggregator.key", "scorers.allowed"}) {
      const std::string before = ReadFile(keys + "/" + file);
      std::ofstream(keys + "/" + file) << wrong << "\n";
      testing::internal::CaptureStderr();
      SetUpLogging("aggregator", "info", "text");
      const std::string said = start();
      EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "nothing was in force before";
      std::ofstream(keys + "/" + file) << before;
      if (wrong.empty() && std::string(file) == "scorers.allowed") continue;  // nobody may
      ASSERT_NE(said, "") << file << wrong;
      EXPECT_THAT(said, AllOf(HasSubstr(file), Not(HasSubstr("hunter2"))));
    }
  }
  EXPECT_EQ(start(), "");
}

}  // namespace
}  // namespace paperboy
