// Redis by TLS: a real redis-server with certificates of every kind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "tests/support/certificate.h"
#include "tests/support/free_port.h"
#include "tests/support/redis_server.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{20};
constexpr milliseconds kDeadline{10'000};
constexpr char kPassword[] = "correct-horse";

class RedisTlsTest : public testing::Test {
 protected:
  void StartServer(const std::string& name, int days = 2,
                   const std::vector<std::string>& more = {"--tls-auth-clients", "no"}) {
    MakeCertificate(dir_.path().string(), name, days);
    std::vector<std::string> arguments = {"--tls-port",         std::to_string(tls_port_),
                                          "--tls-cert-file",    certificate(),
                                          "--tls-key-file",     dir_.File("key.pem"),
                                          "--tls-ca-cert-file", certificate(),
                                          "--requirepass",      kPassword};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_.emplace(arguments);
  }
  void Connect(const std::string& host, const std::string& ca_file) {
    redis_.emplace(loop_, RedisUrl{.host = host,
                                   .port = tls_port_,
                                   .password = kPassword,
                                   .tls = true,
                                   .ca_file = ca_file});
  }
  std::string certificate() const { return dir_.File("certificate.pem"); }
  bool Until(const std::function<bool()>& done) {
    return loop_.RunUntil(done, loop_.now() + kPatience);
  }
  testing::AssertionResult BecomesReady() {
    if (Until([&] { return redis_->ready(); })) return testing::AssertionSuccess();
    return testing::AssertionFailure() << redis_->trouble();
  }
  // Says that, without the password, and is never ready.
  void ExpectTrouble(const std::string& part) {
    EXPECT_TRUE(Until([&] { return redis_->trouble().find(part) != std::string::npos; }))
        << redis_->trouble();
    EXPECT_THAT(redis_->trouble(), Not(HasSubstr(kPassword)));
    EXPECT_FALSE(redis_->ready());
  }
  Result<RedisReply> Command(std::vector<std::string> args) {
    std::optional<Result<RedisReply>> answer;
    redis_->Command(std::move(args), kDeadline,
                    [&](Result<RedisReply> reply) { answer = std::move(reply); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return *answer;
  }

  TempDir dir_;
  EpollLoop loop_;
  const int tls_port_ = FreePort();
  std::optional<RedisServer> server_;
  std::optional<RedisClient> redis_;
};

TEST_F(RedisTlsTest, WorksAsInClearForAnAddressAndForAName) {
  StartServer("DNS:localhost,IP:127.0.0.1");
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Connect(host, certificate());
    ASSERT_TRUE(BecomesReady());
    EXPECT_EQ(redis_->run_id().size(), 40u);
    EXPECT_EQ(redis_->trouble(), "");
  }
  // More than a socket takes at once, in both directions and in many records.
  const std::string large(8 << 20, 'x');
  EXPECT_EQ(Command({"SET", "large", large})->string, "OK");
  EXPECT_EQ(Command({"GET", "large"})->string, large);
  std::vector<int64_t> replies;
  for (int i = 0; i < 2'000; ++i) {
    redis_->Command({"INCR", "n"}, kDeadline, [&](const Result<RedisReply>& reply) {
      replies.push_back(reply.ok() ? reply->integer : -1);
    });
  }
  ASSERT_TRUE(Until([&] { return replies.size() == 2'000; }));
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(replies[i], i + 1);
}

TEST_F(RedisTlsTest, ComesBackAfterARestart) {
  StartServer("IP:127.0.0.1");
  Connect("127.0.0.1", certificate());
  ASSERT_TRUE(BecomesReady());
  const std::string first_run = redis_->run_id();
  server_->Kill();
  ASSERT_TRUE(Until([&] { return !redis_->ready(); }));
  server_->Restart();
  ASSERT_TRUE(BecomesReady());
  EXPECT_NE(redis_->run_id(), first_run);
}

TEST_F(RedisTlsTest, AnAuthorityThatNobodyTrustsIsRefused) {
  StartServer("IP:127.0.0.1");
  Connect("127.0.0.1", "");
  ExpectTrouble("not to be trusted: self-signed certificate");
  EXPECT_THAT(redis_->trouble(), HasSubstr("--redis-ca"));
}

TEST_F(RedisTlsTest, ACertificateForAnotherAddressIsRefused) {
  StartServer("DNS:elsewhere.example");
  Connect("127.0.0.1", certificate());
  ExpectTrouble("IP address mismatch");
}

TEST_F(RedisTlsTest, ACertificateForAnotherNameIsRefused) {
  StartServer("DNS:elsewhere.example,IP:127.0.0.1");
  Connect("localhost", certificate());
  ExpectTrouble("hostname mismatch");
}

TEST_F(RedisTlsTest, AnExpiredCertificateIsRefused) {
  StartServer("IP:127.0.0.1", -1);
  Connect("127.0.0.1", certificate());
  ExpectTrouble("certificate has expired");
}

TEST_F(RedisTlsTest, APortInClearIsNamed) {
  StartServer("IP:127.0.0.1");
  redis_.emplace(
      loop_,
      RedisUrl{
          .port = server_->port(), .password = kPassword, .tls = true, .ca_file = certificate()});
  ExpectTrouble("is it TLS that is spoken at this port?");
}

TEST_F(RedisTlsTest, APortByTlsIsNamedToWhoComesInClear) {
  StartServer("IP:127.0.0.1");
  redis_.emplace(loop_, RedisUrl{.port = tls_port_, .password = kPassword});
  ExpectTrouble("rediss://");
}

TEST_F(RedisTlsTest, AServerThatAsksForACertificateSaysSo) {
  StartServer("IP:127.0.0.1", 2, {"--tls-auth-clients", "yes"});
  Connect("127.0.0.1", certificate());
  ExpectTrouble("certificate required");
}

class RedisOptionsTest : public testing::Test {
 protected:
  Result<RedisUrl> Read(std::vector<std::string> words) {
    Options options("scorer", "", "", CommonOptions("127.0.0.1:0"));
    std::vector<const char*> argv = {"paperboy-scorer"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    EXPECT_TRUE(
        options
            .Parse(static_cast<int>(argv.size()), argv.data(), [](const char*) { return nullptr; })
            .ok());
    return ReadRedisUrl(options);
  }
  TempDir dir_;
};

TEST_F(RedisOptionsTest, TakeAFileOfAuthorities) {
  MakeCertificate(dir_.path().string(), "IP:127.0.0.1");
  const auto url = Read({"--redis", "rediss://h", "--redis-ca", dir_.File("certificate.pem")});
  ASSERT_TRUE(url.ok()) << url.error().message;
  EXPECT_EQ(url->ca_file, dir_.File("certificate.pem"));
  EXPECT_TRUE(Read({"--redis", "rediss://h"}).ok());
}

TEST_F(RedisOptionsTest, SayWhatIsWrongWithIt) {
  const std::string secret = "rediss://:hunter2@h";
  for (const std::string& file : {dir_.File("none"), dir_.path().string()}) {
    const auto url = Read({"--redis", secret, "--redis-ca", file});
    ASSERT_FALSE(url.ok()) << file;
    EXPECT_THAT(url.error().message,
                AllOf(HasSubstr("--redis-ca"), HasSubstr(file), Not(HasSubstr("hunter2"))));
  }
  EXPECT_THAT(Read({"--redis", "redis://:hunter2@h", "--redis-ca", "ca.pem"}).error().message,
              AllOf(HasSubstr("does not begin with rediss://"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(Read({"--redis", "rediss://:hunter2@h:x"}).error().message,
              AllOf(HasSubstr("--redis:"), Not(HasSubstr("hunter2"))));
}

}  // namespace
}  // namespace paperboy
