#include "common/status_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <prometheus/counter.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/http_listener.h"
#include "common/log.h"
#include "tests/support/loopback.h"
#include "tests/support/temp_dir.h"
#include "tests/support/until.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// A connection on which nothing happens but what a test says.
class RawClient {
 public:
  explicit RawClient(int port, const std::string& bytes = "")
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = Loopback(port);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    Send(bytes);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(const std::string& bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void SayNoMore() { ::shutdown(fd_, SHUT_WR); }
  // Whether the server has ended the connection, without an answer or with `answer`.
  bool Ended() {
    char buffer[4096];
    ssize_t got;
    while ((got = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
      answer.append(buffer, static_cast<size_t>(got));
    }
    return got == 0 || errno != EAGAIN;
  }
  std::string answer;

 private:
  const int fd_;
};

class StatusServerTest : public testing::Test {
 protected:
  explicit StatusServerTest(HttpLimits limits = {})
      : server_(
            registry_, [this] { return now_.load(); }, limits) {}
  void Start() {
    const Status started = server_.Start("127.0.0.1:0");
    ASSERT_TRUE(started.ok()) << started.error().message;
    ASSERT_GT(server_.port(), 0);
  }
  httplib::Client Client() const { return httplib::Client("127.0.0.1", server_.port()); }
  httplib::Response Get(const std::string& path) const {
    const httplib::Result result = Client().Get(path);
    EXPECT_TRUE(result) << to_string(result.error());
    return result ? *result : httplib::Response{};
  }

  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  std::atomic<std::chrono::steady_clock::time_point> now_{};
  StatusServer server_;
};

TEST_F(StatusServerTest, IsHealthyWhileTheLoopTurns) {
  Start();
  EXPECT_EQ(Get("/healthz").status, 200) << "it has 10 s to begin";
  now_ = now_.load() + std::chrono::milliseconds(9'999);
  EXPECT_EQ(Get("/healthz").status, 200);
  now_ = now_.load() + std::chrono::milliseconds(1);
  EXPECT_EQ(Get("/healthz").status, 503);
  server_.LoopTurned();
  EXPECT_EQ(Get("/healthz").status, 200);
}

TEST_F(StatusServerTest, IsReadyWhenThereIsNoTrouble) {
  Start();
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/readyz").body, "starting\n");
  server_.SetTrouble("");
  EXPECT_EQ(Get("/readyz").status, 200);
  server_.SetTrouble("cannot connect to 127.0.0.1:6379");
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/readyz").body, "cannot connect to 127.0.0.1:6379\n");
}

TEST_F(StatusServerTest, ServesTheRegistry) {
  Start();
  prometheus::Counter& papers =
      prometheus::BuildCounter().Name("papers_total").Help("h").Register(*registry_).Add({});
  papers.Increment(3);
  const httplib::Response response = Get("/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(response.body, HasSubstr("papers_total 3"));
}

TEST_F(StatusServerTest, CallsTheHandlerOfAMatchingPath) {
  server_.Handle("/feed/([a-z]+)\\.xml", [](const std::string& path) {
    return HttpAnswer{path == "/feed/gone.xml" ? 410 : 200, "application/xml", path};
  });
  Start();
  const httplib::Response response = Get("/feed/vision.xml?since=1");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "/feed/vision.xml");
  EXPECT_EQ(response.get_header_value("Content-Type"), "application/xml");
  EXPECT_EQ(Get("/feed/gone.xml").status, 410);
  EXPECT_EQ(Get("/feed/VISION.xml").status, 404);
  EXPECT_EQ(Get("/feed/vision.xml/more").status, 404);
}

TEST_F(StatusServerTest, HandlersRunOneAtATime) {
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  server_.Handle("/slow", [&](const std::string&) {
    most = std::max(most.load(), ++inside);
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
    --inside;
    return HttpAnswer{};
  });
  Start();
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([this] {
      for (int k = 0; k < 5; ++k) EXPECT_EQ(Get("/slow").status, 200);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(most, 1);
}

TEST_F(StatusServerTest, ExceptionInAHandlerTellsNothing) {
  server_.Handle("/broken", [](const std::string&) -> HttpAnswer {
    throw std::runtime_error("password is hunter2");
  });
  Start();
  const httplib::Response response = Get("/broken");
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, Not(HasSubstr("hunter2")));
  for (const auto& [name, value] : response.headers) EXPECT_THAT(value, Not(HasSubstr("hunter2")));
  EXPECT_EQ(Get("/healthz").status, 200) << "and the server goes on";
}

TEST_F(StatusServerTest, TakesGetAndHeadOnly) {
  int called = 0;
  server_.Handle("/page", [&](const std::string&) {
    ++called;
    return HttpAnswer{.body = "text"};
  });
  Start();
  EXPECT_EQ(Client().Head("/page")->status, 200);
  EXPECT_EQ(Client().Post("/page", "body", "text/plain")->status, 405);
  EXPECT_EQ(Client().Post("/page", std::string(100'000, 'x'), "text/plain")->status, 405);
  EXPECT_EQ(Client().Delete("/page")->status, 405);
  EXPECT_EQ(called, 1);
}

TEST_F(StatusServerTest, ServesFilesAndNothingOutsideTheirDirectory) {
  const TempDir dir;
  std::filesystem::create_directories(dir.path() / "site/2025-04");
  std::ofstream(dir.path() / "site/2025-04/page.md") << "# Page";
  std::ofstream(dir.path() / "secret.txt") << "secret";
  server_.ServeFiles("/site", dir.File("site"));
  Start();
  const httplib::Response page = Get("/site/2025-04/page.md");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "# Page");
  EXPECT_EQ(page.get_header_value("Content-Type"), "text/markdown; charset=utf-8");
  EXPECT_EQ(Get("/site/none.md").status, 404);
  EXPECT_EQ(Get("/site/../secret.txt").status, 404);
  EXPECT_EQ(Get("/site/%2e%2e/secret.txt").status, 404);
}

TEST_F(StatusServerTest, ServesNoHiddenFileAndNothingToWhichALinkLeadsOutside) {
  const TempDir dir;
  std::filesystem::create_directories(dir.path() / "out/site/.git");
  std::filesystem::create_directories(dir.path() / "out/ml");
  std::filesystem::create_directories(dir.path() / "private");
  for (const char* file : {"out/site/page.md", "out/ml/output.md"}) {
    std::ofstream(dir.path() / file) << "# Page";
  }
  for (const char* file :
       {"private/index.html", "out/site/.env", "out/site/.git/config", "out/site/.index.html"}) {
    std::ofstream(dir.path() / file) << "secret";
  }
  const std::vector<std::pair<std::string, std::string>> links = {
      {"out", "shown"},
      {"../../private", "out/site/folder"},
      {"../../private/index.html", "out/site/secret.html"},
      {dir.File("private/index.html"), "out/site/absolute.html"},
      {".env", "out/site/env"},
      {"../ml/output.md", "out/site/newest.md"},
      {"page.md", "out/site/.page.md"}};
  for (const auto& [to, link] : links) {
    std::filesystem::create_symlink(to, dir.path() / link);
  }
  server_.ServeFiles("/", dir.File("shown/site"));
  server_.ServeFiles("/", dir.File("shown"));
  Start();
  for (const char* path : {"/page.md", "/newest.md", "/ml/output.md", "/site/page.md"}) {
    EXPECT_EQ(Get(path).body, "# Page") << path;
  }
  for (const char* path : {"/.env", "/.git/config", "/site/.env", "/.page.md", "/%2eenv", "/env",
                           "/folder/", "/folder/index.html", "/page.md%00.html", "/secret.html",
                           "/site/secret.html", "/absolute.html"}) {
    const httplib::Response answer = Get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.body, "not found\n") << path;
  }
}

TEST_F(StatusServerTest, EveryAnswerKeepsABrowserFromHarm) {
  const TempDir dir;
  std::ofstream(dir.File("page.md")) << "# Page";
  server_.ServeFiles("/", dir.path());
  server_.Handle("/broken",
                 [](const std::string&) -> HttpAnswer { throw std::runtime_error("no"); });
  Start();
  const std::string tag = Get("/page.md").get_header_value("ETag");
  const std::vector<std::pair<std::string, std::string>> requests = {
      {"GET /page.md HTTP/1.1\r\n", "200 OK"},
      {"HEAD /page.md HTTP/1.1\r\n", "200 OK"},
      {"HEAD /healthz HTTP/1.1\r\n", "200 OK"},
      {"GET /page.md HTTP/1.1\r\nIf-None-Match: " + tag + "\r\n", "304 "},
      {"GET /metrics HTTP/1.1\r\n", "200 OK"},
      {"GET /readyz HTTP/1.1\r\n", "503 "},
      {"GET /none HTTP/1.1\r\n", "404 "},
      {"GET /.hidden HTTP/1.1\r\n", "404 "},
      {"GET /broken HTTP/1.1\r\n", "500 "},
      {"POST /page.md HTTP/1.1\r\n", "405 "},
      {"nonsense\r\n", "400 "},
      {"GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\n", "414 "}};
  for (const auto& [request, status] : requests) {
    RawClient client(server_.port(), request + "\r\n");
    ASSERT_TRUE(WaitUntil([&] { return client.Ended(); }, 20s));
    EXPECT_THAT(client.answer, testing::StartsWith("HTTP/1.1 " + status)) << request;
    EXPECT_THAT(client.answer, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n")) << request;
    EXPECT_THAT(client.answer, HasSubstr("\r\nReferrer-Policy: no-referrer\r\n")) << request;
    EXPECT_THAT(client.answer, HasSubstr("\r\nContent-Security-Policy: default-src 'none'; "))
        << request;
    EXPECT_THAT(client.answer, HasSubstr("frame-ancestors 'none'\r\n")) << request;
    EXPECT_THAT(client.answer, Not(HasSubstr("Accept-Ranges"))) << "there are none: " << request;
  }
}

TEST_F(StatusServerTest, AFolderIsItsIndexAndTheFirstDirectoryThatHasAFileServesIt) {
  const TempDir dir;
  std::filesystem::create_directories(dir.path() / "site/default");
  std::filesystem::create_directories(dir.path() / "default");
  std::ofstream(dir.path() / "site/index.html") << "front";
  std::ofstream(dir.path() / "site/default/index.html") << "newest";
  std::ofstream(dir.path() / "site/style.css") << "a {}";
  std::ofstream(dir.path() / "default/output.md") << "# Page";
  server_.ServeFiles("/", dir.File("site"));
  server_.ServeFiles("/", dir.path());
  Start();
  EXPECT_EQ(Get("/").body, "front");
  EXPECT_EQ(Get("/").get_header_value("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(Get("/default/").body, "newest");
  EXPECT_EQ(Get("/default/output.md").body, "# Page");
  EXPECT_EQ(Get("/style.css").get_header_value("Content-Type"), "text/css; charset=utf-8");
  EXPECT_EQ(Get("/healthz").body, "ok\n");
  EXPECT_EQ(Get("/none/").status, 404);
}

TEST_F(StatusServerTest, AFileThatABrowserHasIsNotSentAgain) {
  const TempDir dir;
  std::ofstream(dir.path() / "index.html") << "first";
  server_.ServeFiles("/", dir.path());
  Start();
  const httplib::Response first = Get("/");
  const std::string tag = first.get_header_value("ETag");
  EXPECT_THAT(tag, testing::MatchesRegex("\"[0-9a-f]{64}\""));
  EXPECT_THAT(first.get_header_value("Content-Security-Policy"), HasSubstr("default-src 'none'"));
  const auto again = Client().Get("/", {{"If-None-Match", tag}});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status, 304);
  EXPECT_EQ(again->body, "");
  std::ofstream(dir.path() / "index.html") << "second";
  const auto changed = Client().Get("/", {{"If-None-Match", tag}});
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->status, 200);
  EXPECT_EQ(changed->body, "second");
}

constexpr size_t kLarge = 8 << 20;  // more than the sockets' own buffers take
constexpr char kAskForLarge[] = "GET /large HTTP/1.1\r\n\r\n";
constexpr char kHalf[] = "GET /readyz HTTP/1.1\r\nHost: here\r\n";

// No client is ended because its time is over.
class StatusServerHeldTest : public StatusServerTest {
 protected:
  explicit StatusServerHeldTest(HttpLimits limits = {.request = 1h, .answer = 1h, .goodbye = 1h})
      : StatusServerTest(limits) {
    server_.Handle("/large",
                   [](const std::string&) { return HttpAnswer{.body = std::string(kLarge, 'x')}; });
  }
  // As a kubelet asks: it takes no answer that comes later than the chart's timeoutSeconds.
  void ExpectProbesAnswered() {
    httplib::Client kubelet = Client();
    kubelet.set_read_timeout(5s);
    for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
      const auto probe = kubelet.Get(path);
      ASSERT_TRUE(probe) << path << ": " << to_string(probe.error());
      EXPECT_THAT(probe->body, Not(HasSubstr("busy"))) << path;
    }
  }
  std::vector<std::unique_ptr<RawClient>> Hold(size_t clients, const std::string& bytes) {
    std::vector<std::unique_ptr<RawClient>> held;
    for (size_t i = 0; i < clients; ++i) {
      held.push_back(std::make_unique<RawClient>(server_.port(), bytes));
    }
    return held;
  }
};

// As browsers do: they connect in advance.
TEST_F(StatusServerHeldTest, ClientsThatSayNothingHoldUpNoProbe) {
  Start();
  const auto held = Hold(100, "");
  ExpectProbesAnswered();
  EXPECT_TRUE(held.front()->Ended()) << "of too many the oldest goes";
}

TEST_F(StatusServerHeldTest, HalfRequestsHoldUpNoProbe) {
  Start();
  const auto held = Hold(60, kHalf);
  ExpectProbesAnswered();
  EXPECT_FALSE(held.front()->Ended()) << "there is room for it, and it has time";
  held.front()->Send("\r\n");
  ASSERT_TRUE(WaitUntil([&] { return held.front()->Ended(); }, 20s));
  EXPECT_THAT(held.front()->answer, HasSubstr("503"));
}

TEST_F(StatusServerHeldTest, ClientsThatTakeNoAnswerHoldUpNoProbe) {
  Start();
  const auto held = Hold(20, kAskForLarge);
  ExpectProbesAnswered();
}

TEST_F(StatusServerHeldTest, OfTooManyTheOneThatLosesTheLeastGoes) {
  Start();
  RawClient taking(server_.port(), kAskForLarge);
  const auto half = Hold(62, kHalf);
  RawClient answered(server_.port(), "GET /healthz HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(WaitUntil([&] { return answered.Ended(); }, 20s));
  ExpectProbesAnswered();  // each in the place of the one before
  EXPECT_FALSE(half.front()->Ended()) << "who has an answer goes first";
  const auto more = Hold(10, kHalf);
  ASSERT_TRUE(WaitUntil([&] { return half.front()->Ended(); }, 20s)) << "then the oldest half";
  EXPECT_THAT(half.front()->answer, testing::StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(half.front()->answer, HasSubstr("Connection: close"));
  EXPECT_FALSE(half.back()->Ended());
  ASSERT_TRUE(WaitUntil([&] { return taking.Ended(); }, 20s));
  EXPECT_GT(taking.answer.size(), kLarge) << "and an answer last";
}

TEST_F(StatusServerHeldTest, AnswersThatAreNotTakenLeaveRoomForSmallOnesOnly) {
  Start();
  auto held = Hold(HttpLimits().answer_bytes / kLarge, kAskForLarge);
  ExpectProbesAnswered();
  const httplib::Response refused = Get("/large");
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.has_header("Retry-After"));
  held.pop_back();
  ASSERT_TRUE(WaitUntil([&] { return Get("/large").status == 200; }, 20s)) << "one has gone";
  ASSERT_TRUE(WaitUntil([&] { return held.front()->Ended(); }, 20s));
  EXPECT_GT(held.front()->answer.size(), kLarge) << "what has begun is whole";
}

// How many of them went, and once a minute a line of it.
TEST_F(StatusServerHeldTest, WhoGoesUnansweredIsCountedAndLogged) {
  testing::internal::CaptureStderr();
  SetUpLogging("aggregator", "info", "text");
  Start();
  const auto dropped = [&] {
    const std::string text = Get("/metrics").body;
    const std::string name = "\npaperboy_http_dropped_connections_total ";
    const size_t at = text.find(name);
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size()));
  };
  for (int i = 0; i < 70; ++i) EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(dropped(), 0) << "who has an answer loses nothing";
  const auto held = Hold(80, kHalf);
  ASSERT_TRUE(WaitUntil([&] { return held[15]->Ended(); }, 20s));
  EXPECT_GE(dropped(), 16);
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_EQ(logged.find("http port " + std::to_string(server_.port()) + ": 1 connection ended"),
            logged.find("http port"))
      << logged;
  EXPECT_EQ(logged.find("http port"), logged.rfind("http port")) << logged;
}

class StatusServerHastyTest : public StatusServerHeldTest {
 protected:
  StatusServerHastyTest()
      : StatusServerHeldTest(
            {.request = 200ms, .answer = 200ms, .goodbye = 200ms, .report = 200ms}) {}
};

TEST_F(StatusServerHastyTest, AnAnswerThatIsNotTakenHasAnEnd) {
  Start();
  const auto held = Hold(HttpLimits().answer_bytes / kLarge, kAskForLarge);
  EXPECT_TRUE(WaitUntil([&] { return Get("/large").status == 200; }, 30s));
}

TEST_F(StatusServerHastyTest, OfThoseWhoGoUnansweredALaterLineTellsTheNumber) {
  testing::internal::CaptureStderr();
  SetUpLogging("aggregator", "info", "text");
  Start();
  std::string logged;
  const auto told = [&] {
    Hold(80, "");
    logged += testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    return logged.find(" connections ended before") != std::string::npos;
  };
  EXPECT_TRUE(WaitUntil(told, 30s)) << logged;
  testing::internal::GetCapturedStderr();
}

TEST_F(StatusServerHastyTest, ARequestThatComesByteByByteHasAnEnd) {
  Start();
  RawClient client(server_.port(), "GET /readyz HTTP/1.1\r\nX: ");
  const auto ended = [&] {
    client.Send("x");
    return client.Ended();
  };
  ASSERT_TRUE(WaitUntil(ended, 30s));
  EXPECT_THAT(client.answer, HasSubstr("400 Bad Request"));
}

TEST_F(StatusServerTest, ARequestThatIsNotWholeIsToldSo) {
  Start();
  const std::string too_long = "GET /readyz HTTP/1.1\r\nX: " + std::string(20'000, 'x');
  for (const std::string& half : {std::string("GET /readyz HTTP/1.1\r\n"), too_long}) {
    RawClient client(server_.port(), half);
    client.SayNoMore();
    ASSERT_TRUE(WaitUntil([&] { return client.Ended(); }, 20s));
    EXPECT_THAT(client.answer, HasSubstr("400 Bad Request"));
  }
  RawClient silent(server_.port());
  silent.SayNoMore();
  ASSERT_TRUE(WaitUntil([&] { return silent.Ended(); }, 20s));
  EXPECT_EQ(silent.answer, "");
}

TEST_F(StatusServerTest, AFileIsServedWholeWhateverRangesAreAskedFor) {
  const TempDir dir;
  std::ofstream(dir.File("page.md")) << std::string(50'000, 'x');
  server_.ServeFiles("/", dir.path());
  Start();
  std::string ranges = "bytes=0-";
  for (int i = 0; i < 1'000; ++i) ranges += ",0-";
  const auto page = Client().Get("/page.md", {{"Range", ranges}});
  ASSERT_TRUE(page) << to_string(page.error());
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->body.size(), 50'000u);
}

// Brotli takes about a second per megabyte, on the thread that answers the probes too.
TEST_F(StatusServerHeldTest, NoAnswerIsCompressedWhateverIsAccepted) {
  const TempDir dir;
  std::ofstream(dir.File("page.md")) << std::string(4 << 20, 'x');
  server_.ServeFiles("/", dir.path());
  Start();
  const auto held = Hold(10, "GET /page.md HTTP/1.1\r\nAccept-Encoding: br\r\n\r\n");
  ExpectProbesAnswered();
  for (const char* encodings : {"br", "gzip", "deflate, gzip, br"}) {
    for (const char* path : {"/page.md", "/metrics"}) {
      const auto answer = Client().Get(path, {{"Accept-Encoding", encodings}});
      ASSERT_TRUE(answer) << to_string(answer.error());
      EXPECT_EQ(answer->status, 200);
      EXPECT_FALSE(answer->has_header("Content-Encoding")) << path << " for " << encodings;
    }
  }
}

TEST_F(StatusServerTest, MissingDirectoryIsSaidAtTheStart) {
  server_.ServeFiles("/site", "/no/such/directory");
  const Status started = server_.Start("127.0.0.1:0");
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.error().message, HasSubstr("/no/such/directory"));
}

TEST_F(StatusServerTest, PortInUseIsInvalidAndSaysSo) {
  Start();
  StatusServer second(registry_);
  const std::string address = "127.0.0.1:" + std::to_string(server_.port());
  const Status started = second.Start(address);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(started.error().message, HasSubstr(address + ": Address already in use"));
}

TEST(HttpListenerTest, WithoutFileDescriptorsSaysSo) {
  for (const rlim_t left : {0, 1}) {  // none for its socket, none for what ends it
    HttpListener listener([](const std::string&) { return std::string(); });
    const int lowest = ::eventfd(0, EFD_CLOEXEC);
    ::close(lowest);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{static_cast<rlim_t>(lowest) + left, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const Status started = listener.Start("127.0.0.1", 0);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.error().message, "Too many open files");
  }
}

TEST_F(StatusServerTest, MalformedAddressIsInvalid) {
  for (const char* address : {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                              "127.0.0.1:65536", "127.0.0.1:-1"}) {
    StatusServer server(registry_);
    const Status started = server.Start(address);
    ASSERT_FALSE(started.ok()) << address;
    EXPECT_EQ(started.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(started.error().message, HasSubstr("HOST:PORT"));
  }
}

TEST_F(StatusServerTest, StopsAtOnceAndFreesItsPort) {
  auto first = std::make_unique<StatusServer>(registry_);
  ASSERT_TRUE(first->Start("127.0.0.1:0").ok());
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  first.reset();
  StatusServer second(registry_);
  const Status started = second.Start(address);
  EXPECT_TRUE(started.ok()) << started.error().message;
}

}  // namespace
}  // namespace paperboy
