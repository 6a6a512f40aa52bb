#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "tests/support/environment.h"
#include "tests/support/http_host.h"
#include "tests/support/tls_server.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{30};

// A server whose handler a test gives, and a client on a loop.
class HttpClientTest : public testing::Test {
 protected:
  using Outcome = std::optional<Result<HttpResponse>>;

  void Serve(HttpHost::Handler handler) { server_.Start(0, std::move(handler)); }
  std::string Url(const std::string& path = "/", const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(server_.port()) + path;
  }

  bool Until(const std::function<bool()>& done) {
    return loop_.RunUntil(done, loop_.now() + kPatience);
  }
  uint64_t Start(HttpRequest request, Outcome* outcome) {
    const uint64_t id =
        client_->Start(std::move(request), [outcome](Result<HttpResponse> response) {
          EXPECT_FALSE(outcome->has_value()) << "called twice";
          outcome->emplace(std::move(response));
        });
    EXPECT_FALSE(outcome->has_value()) << "called from within Start";
    return id;
  }
  Result<HttpResponse> Do(HttpRequest request) {
    Outcome outcome;
    Start(std::move(request), &outcome);
    EXPECT_TRUE(Until([&] { return outcome.has_value(); }));
    return *outcome;
  }
  Result<HttpResponse> Get(const std::string& url) { return Do({.url = url}); }
  void ExpectUnavailable(const Result<HttpResponse>& outcome, const std::string& part) {
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kUnavailable);
    EXPECT_THAT(outcome.error().message, HasSubstr(part));
  }
  void ExpectTimedOut(const Result<HttpResponse>& outcome) {
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kTimedOut);
    EXPECT_THAT(outcome.error().message, HasSubstr("timed out after 100 ms"));
  }
  void ExpectUntrusted(const Result<HttpResponse>& outcome, const std::string& cause) {
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind, ErrorKind::kUntrusted);
    EXPECT_THAT(outcome.error().message,
                AllOf(HasSubstr("https://127.0.0.1:"), HasSubstr(cause), HasSubstr("certificate"),
                      HasSubstr("CURL_CA_BUNDLE")));
  }

  EpollLoop loop_;
  HttpHost server_{220};
  std::optional<CurlClient> client_{std::in_place, loop_, 200};
};

TEST_F(HttpClientTest, GivesStatusHeadersAndBodyOfAnyAnswer) {
  Serve([](const httplib::Request&, httplib::Response& response) {
    response.status = 429;
    response.set_header("Retry-After", "7");
    response.set_content("slow down", "text/plain");
  });
  const Result<HttpResponse> response = Get(Url());
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->status, 429);
  EXPECT_EQ(response->body, "slow down");
  EXPECT_EQ(response->Header("retry-after"), "7");
  EXPECT_EQ(response->Header("none"), "");
}

TEST_F(HttpClientTest, PostSendsHeadersAndBody) {
  Serve([](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.method + " " + request.get_header_value("Authorization") + " " +
                             request.get_header_value("Content-Type") + " " +
                             (request.has_header("Expect") ? "expect " : "") +
                             std::to_string(request.body.size()),
                         "text/plain");
  });
  const Result<HttpResponse> response =
      Do({.method = "POST",
          .url = Url("/v1"),
          .headers = {{"Authorization", "Bearer k"}, {"Content-Type", "application/json"}},
          .body = std::string(2'000'000, 'x')});
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->body, "POST Bearer k application/json 2000000");
}

TEST_F(HttpClientTest, DecompressesAndLimitsTheDecompressedBody) {
  Serve([](const httplib::Request& request, httplib::Response& response) {
    EXPECT_THAT(request.get_header_value("Accept-Encoding"), HasSubstr("gzip"));
    response.set_content(std::string(1'000'000, 'x'), "text/plain");  // the host compresses
  });
  const Result<HttpResponse> whole = Get(Url());
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  EXPECT_NE(whole->Header("content-encoding"), "");
  EXPECT_EQ(whole->body, std::string(1'000'000, 'x'));
  EXPECT_TRUE(Do({.url = Url(), .max_body_bytes = 1'000'000}).ok());
  ExpectUnavailable(Do({.url = Url(), .max_body_bytes = 999'999}),
                    "answer longer than 999999 bytes");
}

TEST_F(HttpClientTest, EndlessHeadersAreAnError) {
  Serve([](const httplib::Request&, httplib::Response& response) {
    for (int i = 0; i < 100; ++i) response.set_header("X-Long", std::string(4'000, 'x'));
  });
  ExpectUnavailable(Get(Url()), "headers longer than");
}

TEST_F(HttpClientTest, SlowAnswerTimesOut) {
  Serve([this](const httplib::Request&, httplib::Response&) { server_.Sleep(kPatience * 10); });
  const MonotonicTime start = loop_.now();
  ExpectTimedOut(Do({.url = Url(), .timeout = milliseconds(100)}));
  EXPECT_GE(loop_.now() - start, milliseconds(100));
  EXPECT_LT(loop_.now() - start, milliseconds(10'000));
}

TEST_F(HttpClientTest, TimeoutCountsWhileWaitingForAConnection) {
  client_.emplace(loop_, 1);
  Serve([this](const httplib::Request&, httplib::Response&) { server_.Sleep(kPatience * 10); });
  Outcome first;
  Start({.url = Url()}, &first);
  ExpectTimedOut(Do({.url = Url(), .timeout = milliseconds(100)}));
  EXPECT_FALSE(first.has_value());
}

TEST_F(HttpClientTest, ResetIsUnavailable) {
  Serve([](const httplib::Request&, httplib::Response&) { HttpHost::ResetConnection(); });
  ExpectUnavailable(Get(Url()), "http://127.0.0.1:" + std::to_string(server_.port()));
}

TEST_F(HttpClientTest, AnswerCutShortIsUnavailable) {
  Serve([](const httplib::Request&, httplib::Response& response) {
    response.set_content_provider(1'000, "text/html; x",
                                  [](size_t offset, size_t, httplib::DataSink& sink) {
                                    if (offset > 0) return false;
                                    return sink.write("half", 4);
                                  });
  });
  ExpectUnavailable(Get(Url()), "http://127.0.0.1:");
}

TEST_F(HttpClientTest, RefusedConnectionNamesTheServerAndNoSecret) {
  Serve([](const httplib::Request&, httplib::Response&) {});
  const std::string port = std::to_string(server_.port());
  server_.Stop();
  const Result<HttpResponse> outcome =
      Do({.url = "http://user:hunter2@127.0.0.1:" + port + "/path?key=hunter2",
          .headers = {{"Authorization", "Bearer hunter2"}}});
  ExpectUnavailable(outcome, "http://127.0.0.1:" + port + ": ");
  EXPECT_THAT(outcome.error().message, AllOf(Not(HasSubstr("hunter2")), Not(HasSubstr("path"))));
}

TEST_F(HttpClientTest, UnknownHostIsUnavailable) {
  ExpectUnavailable(Get("http://no-such-host.invalid/"), "http://no-such-host.invalid:80: ");
}

TEST_F(HttpClientTest, WhatCannotBeSentIsInvalid) {
  for (const HttpRequest& request :
       {HttpRequest{.method = "DELETE", .url = "http://127.0.0.1/"}, HttpRequest{.url = ""},
        HttpRequest{.url = "ftp://127.0.0.1/"}, HttpRequest{.url = "file:///etc/passwd"},
        HttpRequest{.url = "http://127.0.0.1:99999999/"},
        HttpRequest{.url = "http://127.0.0.1/", .headers = {{"X-Key", "hunter2\r\nX-Other: 1"}}},
        HttpRequest{.url = "http://127.0.0.1/", .headers = {{"", "hunter2"}}}}) {
    const Result<HttpResponse> outcome = Do(request);
    ASSERT_FALSE(outcome.ok()) << request.url;
    EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalid) << outcome.error().message;
    EXPECT_THAT(outcome.error().message, Not(HasSubstr("hunter2")));
  }
}

// The handlers wait for each other, so that nobody passes unless all are there.
TEST_F(HttpClientTest, TwoHundredRequestsRunAtOnce) {
  constexpr int kRequests = 200;
  std::mutex mutex;
  std::condition_variable all_there;
  int there = 0;
  Serve([&](const httplib::Request& request, httplib::Response& response) {
    std::unique_lock lock(mutex);
    ++there;
    all_there.notify_all();
    const bool met = all_there.wait_for(lock, kPatience, [&] { return there == kRequests; });
    response.set_content(met ? request.path : "alone", "text/plain");
  });
  std::vector<Outcome> outcomes(kRequests);
  for (int i = 0; i < kRequests; ++i) Start({.url = Url("/" + std::to_string(i))}, &outcomes[i]);
  EXPECT_EQ(client_->in_flight(), size_t{kRequests});
  ASSERT_TRUE(Until([&] { return client_->in_flight() == 0; }));
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(outcomes[i].has_value() && outcomes[i]->ok());
    EXPECT_EQ((*outcomes[i])->body, "/" + std::to_string(i));
  }
}

TEST_F(HttpClientTest, OpensNoMoreConnectionsThanAllowedAndReusesThem) {
  client_.emplace(loop_, 3);
  std::mutex mutex;
  std::set<int> ports;
  Serve([&](const httplib::Request& request, httplib::Response&) {
    const std::lock_guard lock(mutex);
    ports.insert(request.remote_port);
  });
  std::vector<Outcome> outcomes(60);
  for (Outcome& outcome : outcomes) Start({.url = Url()}, &outcome);
  ASSERT_TRUE(Until([&] { return client_->in_flight() == 0; }));
  for (const Outcome& outcome : outcomes) EXPECT_TRUE(outcome->ok());
  const std::lock_guard lock(mutex);
  EXPECT_LE(ports.size(), 3U);
}

TEST_F(HttpClientTest, RedirectIsAnAnswerUnlessAskedToFollow) {
  Serve([](const httplib::Request& request, httplib::Response& response) {
    if (request.path == "/old") return response.set_redirect("/new", 302);
    response.set_content("new", "text/plain");
  });
  EXPECT_EQ(Get(Url("/old"))->status, 302);
  const Result<HttpResponse> followed = Do({.url = Url("/old"), .follow_redirects = true});
  ASSERT_TRUE(followed.ok()) << followed.error().message;
  EXPECT_EQ(followed->status, 200);
  EXPECT_EQ(followed->body, "new");
  EXPECT_EQ(Do({.method = "POST", .url = Url("/old"), .follow_redirects = true})->status, 302);
}

TEST_F(HttpClientTest, RedirectsAreLimitedToThreeAndToHttp) {
  Serve([](const httplib::Request& request, httplib::Response& response) {
    const int left = std::stoi(request.path.substr(1));
    if (left < 0) return response.set_redirect("ftp://127.0.0.1/", 302);
    if (left > 0) response.set_redirect("/" + std::to_string(left - 1), 302);
  });
  EXPECT_EQ(Do({.url = Url("/3"), .follow_redirects = true})->status, 200);
  ExpectUnavailable(Do({.url = Url("/4"), .follow_redirects = true}), "more than 3 redirects");
  ExpectUnavailable(Do({.url = Url("/-1"), .follow_redirects = true}), "redirects to");
}

TEST_F(HttpClientTest, RedirectToAnotherServerTakesNoKeyAlong) {
  const auto echo = [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.get_header_value("X-Api-Key") + "|" +
                             request.get_header_value("Authorization") + "|" +
                             request.get_header_value("Accept"),
                         "text/plain");
  };
  HttpHost other(4);
  other.Start(0, echo);
  Serve([&](const httplib::Request& request, httplib::Response& response) {
    if (request.path == "/here") return response.set_redirect("/echo");
    if (request.path == "/there") {
      return response.set_redirect("http://127.0.0.1:" + std::to_string(other.port()));
    }
    echo(request, response);
  });
  HttpRequest request{
      .headers = {{"X-Api-Key", "k"}, {"Authorization", "Bearer k"}, {"Accept", "a/b"}},
      .follow_redirects = true};
  request.url = Url("/here");
  EXPECT_EQ(Do(request)->body, "k|Bearer k|a/b");
  request.url = Url("/there");
  EXPECT_EQ(Do(request)->body, "||a/b");
}

TEST_F(HttpClientTest, CancelledRequestIsNotAnswered) {
  std::atomic<int> arrived = 0;
  Serve([&](const httplib::Request& request, httplib::Response&) {
    ++arrived;
    if (request.path == "/slow") server_.Sleep(kPatience * 10);
  });
  Outcome running;
  const uint64_t id = Start({.url = Url("/slow")}, &running);
  ASSERT_TRUE(Until([&] { return arrived == 1; }));
  Outcome invalid;
  const uint64_t settled = Start({.url = "ftp://x/"}, &invalid);
  client_->Cancel(id);
  client_->Cancel(settled);
  client_->Cancel(0);
  EXPECT_EQ(client_->in_flight(), 0U);
  EXPECT_TRUE(Get(Url()).ok());
  EXPECT_FALSE(running.has_value());
  EXPECT_FALSE(invalid.has_value());
}

TEST_F(HttpClientTest, CallbackMayStartTheNextAndDestroyTheClient) {
  Serve([](const httplib::Request&, httplib::Response&) {});
  client_->Start({.url = Url()}, [this](const Result<HttpResponse>& first) {
    EXPECT_TRUE(first.ok());
    client_->Start({.url = Url()}, [this](const Result<HttpResponse>& second) {
      EXPECT_TRUE(second.ok());
      client_->Start({.url = Url()}, [](const Result<HttpResponse>&) { FAIL(); });
      client_.reset();
    });
  });
  EXPECT_TRUE(Until([&] { return !client_.has_value(); }));
  EXPECT_FALSE(loop_.RunUntil([] { return false; }, loop_.now() + milliseconds(50)));
}

TEST_F(HttpClientTest, APostThatDiesOnAReusedConnectionIsNotSentAgain) {
  std::atomic<int> received{0};
  Serve([&](const httplib::Request&, httplib::Response& response) {
    // The first keeps the connection, the second breaks it without a word.
    if (++received % 2 == 0) HttpHost::ResetConnection();
    response.set_content("ok", "text/plain");
  });
  const HttpRequest post{.method = "POST", .url = Url(), .body = "paid for"};
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(Do(post).ok());
    EXPECT_FALSE(Do(post).ok());
  }
  EXPECT_EQ(received, 2 * kRounds);
}

TEST_F(HttpClientTest, HttpsProxyIsForHttpsOnly) {
  std::mutex mutex;
  std::vector<std::string> seen;
  Serve([&](const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    seen.push_back(request.method + " " + request.get_header_value("Authorization"));
    response.status = request.method == "CONNECT" ? 403 : 200;
  });
  const Environment proxy("HTTPS_PROXY", Url());
  EXPECT_TRUE(Get(Url()).ok());
  const Result<HttpResponse> outcome =
      Do({.url = "https://model.invalid/v1", .headers = {{"Authorization", "Bearer k"}}});
  ExpectUnavailable(outcome, "https://model.invalid:443: ");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen.front(), "GET ");
}

TEST_F(HttpClientTest, CertificatesAreCheckedAgainstCurlCaBundle) {
  const TlsServer server;
  ExpectUntrusted(Get(server.url()), "self");  // self-signed, as OpenSSL spells it
  const Environment bundle("CURL_CA_BUNDLE", server.certificate());
  client_.emplace(loop_, 4);
  const Result<HttpResponse> response = Get(server.url());
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->body, "secret");
}

TEST_F(HttpClientTest, AnExpiredCertificateIsNotTrusted) {
  const TlsServer server(TlsServer::Certificate::kExpired);
  const Environment bundle("CURL_CA_BUNDLE", server.certificate());
  client_.emplace(loop_, 4);
  ExpectUntrusted(Get(server.url()), "certificate has expired");
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(HttpClientTest, ACertificateOfAnotherHostIsNotTrusted) {
  const TlsServer server(TlsServer::Certificate::kOtherHost);
  const Environment bundle("CURL_CA_BUNDLE", server.certificate());
  client_.emplace(loop_, 4);
  ExpectUntrusted(Get(server.url()), "127.0.0.1");
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(HttpClientTest, ACaBundleThatCannotBeReadIsInvalid) {
  const TlsServer server;
  const Environment bundle("CURL_CA_BUNDLE", "/no/such/file.pem");
  client_.emplace(loop_, 4);
  const Result<HttpResponse> outcome = Get(server.url());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(outcome.error().message, HasSubstr("/no/such/file.pem"));
}

TEST_F(HttpClientTest, APostSaysWhetherAnythingOfItWasSent) {
  Serve([](const httplib::Request&, httplib::Response&) { HttpHost::ResetConnection(); });
  HttpRequest post{.method = "POST", .url = Url(), .body = "paid for"};
  EXPECT_EQ(Do(post).error().kind, ErrorKind::kUnavailable);
  server_.Stop();
  EXPECT_EQ(Do(post).error().kind, ErrorKind::kUnreached);
  post.url = "http://no-such-host.invalid/";
  EXPECT_EQ(Do(post).error().kind, ErrorKind::kUnreached);
}

TEST_F(HttpClientTest, AConnectionThatTheServerClosedWhileIdleIsNotUsedAgain) {
  std::atomic<int> received{0};
  Serve([&](const httplib::Request&, httplib::Response& response) {
    ++received;
    response.set_content("ok", "text/plain");
    HttpHost::CloseAfterAnswer();
  });
  const HttpRequest post{.method = "POST", .url = Url(), .body = "paid for"};
  constexpr int kPosts = 20;
  for (int i = 0; i < kPosts; ++i) {
    ASSERT_TRUE(Do(post).ok()) << i;
    // Until the end of the connection has come: a post that crosses it on its way
    // fails, and is not sent again.
    while (server_.connections() > 0) std::this_thread::yield();
  }
  EXPECT_EQ(received, kPosts);
}

}  // namespace
}  // namespace paperboy
