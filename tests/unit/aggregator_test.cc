// The aggregator's turns on real sockets: what happens when the ledger cannot be
// written, and what broken peers send.
#include "aggregator/aggregator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "aggregator/inspect.h"
#include "aggregator/operator_link.h"
#include "common/eastern.h"
#include "common/redis_client.h"
#include "common/socket.h"
#include "common/wire.h"
#include "tests/support/temp_dir.h"
#include "tests/support/until.h"
#include "tests/unit/fake_aggregator.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;

class AggregatorTest : public testing::Test {
 protected:
  AggregatorTest() {
    auto opened = Store::OpenForWriting(dir_.File("data"));
    EXPECT_TRUE(opened.ok());
    store_ = std::move(opened).value();
    auto fetchers = BindRouter(context_, "tcp://127.0.0.1:*");
    auto scorers = BindRouter(context_, "tcp://127.0.0.1:*");
    fetchers_endpoint_ = fetchers->get(zmq::sockopt::last_endpoint);
    scorers_endpoint_ = scorers->get(zmq::sockopt::last_endpoint);
    fetchers_.emplace(loop_, std::move(fetchers).value());
    scorers_.emplace(loop_, std::move(scorers).value());
    aggregator_.emplace(
        Aggregator::World{.loop = loop_,
                          .store = *store_,
                          .out = out_,
                          .redis = redis_,
                          .fetchers = *fetchers_,
                          .scorers = *scorers_,
                          .prices = prices_,
                          .metrics = metrics_,
                          .wall_clock = [] { return std::chrono::system_clock::now(); }},
        0.2);
    fetcher_ = ConnectDealer(context_, fetchers_endpoint_).value();
  }

  // Runs the loop until `done`; false after 10 s.
  bool Until(const std::function<bool()>& done) { return RunUntil(loop_, done, 10s); }
  // Sends a request and returns its answer; nothing when there is none in time.
  std::optional<wire::FetcherReply> Ask(wire::FetcherMessage message, Milliseconds patience) {
    message.set_wire_major(kWireMajor);
    message.set_request(++request_);
    std::optional<wire::FetcherReply> answer;
    bool sent = false;
    const auto try_once = [&] {
      if (!sent) sent = Send(fetcher_, message.SerializeAsString());
      std::string body;
      while (Receive(fetcher_, &body)) {
        wire::FetcherReply reply;
        EXPECT_TRUE(reply.ParseFromString(body));
        if (reply.request() == request_) answer = reply;
        ++heard_;
      }
      return answer.has_value();
    };
    RunUntil(loop_, try_once, patience);
    return answer;
  }
  // Why the ledger does not take it now, as it is told; "" for any other answer, or none.
  std::string RefusedAsBusy(const wire::FetcherMessage& message) {
    const auto answer = Ask(message, 10s);
    const bool busy = answer && answer->refused().kind() == wire::REFUSAL_BUSY;
    return busy ? answer->refused().message() : "";
  }
  static wire::FetcherMessage OpenOf(const std::string& date) {
    wire::FetcherMessage message;
    auto* profile = message.mutable_open()->mutable_profile();
    profile->set_name("test");
    profile->set_revision("1");
    profile->add_categories("cs.LG");
    profile->add_announce_types(wire::ANNOUNCE_TYPE_NEW);
    profile->set_batch_size(4);
    profile->set_prompt("Score.\n[PAPER LIST HERE]");
    message.mutable_open()->set_date(date);
    message.mutable_open()->set_source("rss");
    return message;
  }
  static wire::FetcherMessage RowsOf(const wire::Opened& opened, int count) {
    wire::FetcherMessage message;
    auto* rows = message.mutable_rows();
    rows->set_digest(opened.digest());
    rows->set_edition(opened.edition());
    rows->set_category("cs.LG");
    for (int i = 0; i < count; ++i) {
      auto* row = rows->add_rows();
      row->set_id("2501." + std::to_string(10000 + i));
      row->set_announce_type(wire::ANNOUNCE_TYPE_NEW);
      row->mutable_paper()->set_id(row->id());
      row->mutable_paper()->set_title("A title");
      row->mutable_paper()->set_abstract(std::string(2000, 'a'));
    }
    return message;
  }
  static wire::FetcherMessage SealOf(const wire::Opened& opened) {
    wire::FetcherMessage message;
    message.mutable_seal()->set_digest(opened.digest());
    message.mutable_seal()->set_edition(opened.edition());
    message.mutable_seal()->set_category("cs.LG");
    return message;
  }
  int64_t Count(const char* sql) {
    auto cursor = store_->db().Query(sql);
    return cursor.Next() ? cursor.Int(0) : -1;
  }
  double Metric(const std::string& name) {
    for (const auto& family : metrics_.Collect()) {
      if (family.name != name) continue;
      const auto& metric = family.metric.at(0);
      return family.type == prometheus::MetricType::Gauge ? metric.gauge.value
                                                          : metric.counter.value;
    }
    return -1;
  }
  // The database may not grow: its disk is full.
  void FillDisk() {
    store_->db().Script("PRAGMA max_page_count = " + std::to_string(Count("PRAGMA page_count")));
  }
  void EmptyDisk() { store_->db().Script("PRAGMA max_page_count = 1000000"); }

  TempDir dir_;
  zmq::context_t context_;
  EpollLoop loop_;
  RedisClient redis_{loop_, RedisUrl{"127.0.0.1", 1, 0, ""}};  // nobody is there
  Prices prices_ = Prices::Bundled();
  prometheus::Registry metrics_;
  std::unique_ptr<Store> store_;
  DiskFolder out_{dir_.File("out")};
  std::optional<ZmqRouter> fetchers_, scorers_;
  std::optional<Aggregator> aggregator_;
  std::string fetchers_endpoint_, scorers_endpoint_;
  zmq::socket_t fetcher_;
  uint64_t request_ = 0;
  uint64_t readies_ = 0;
  int heard_ = 0;
};

TEST_F(AggregatorTest, NothingIsAcknowledgedThatWasNotStored) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  FillDisk();
  const auto rows = RowsOf(opened->opened(), 100);
  EXPECT_THAT(RefusedAsBusy(rows), testing::HasSubstr("database or disk is full"));
  EXPECT_GT(Metric("paperboy_ledger_failed_commits_total"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM row"), 0) << "the turn never happened";
  EmptyDisk();
  const auto stored = Ask(rows, 10s);
  ASSERT_TRUE(stored && stored->has_want()) << "the same connection goes on";
  EXPECT_EQ(stored->want().ids_size(), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM row"), 100);
  EXPECT_EQ(Count("SELECT count(*) FROM paper"), 100);
  EXPECT_TRUE(RunUntil(
      loop_, [&] { return aggregator_->trouble().empty(); }, 2 * kNothingRefused));
}

TEST_F(AggregatorTest, AFetcherOfADigestThatCouldNotBeStoredIsNotFollowedUp) {
  FillDisk();
  auto open = OpenOf("2025-01-03");
  open.mutable_open()->mutable_profile()->set_prompt(std::string(200'000, 'p') +
                                                     "\n[PAPER LIST HERE]");
  EXPECT_NE(RefusedAsBusy(open), "");
  EmptyDisk();
  // Two ticks with space again, and nobody to tell about a digest that is not there.
  loop_.RunUntil([] { return false; }, loop_.now() + 2 * kBeat + 100ms);
  EXPECT_EQ(Count("SELECT count(*) FROM digest"), 0);
  const auto opened = Ask(open, 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  const int before = heard_;
  Ask(wire::FetcherMessage(), 2 * kBeat);
  EXPECT_GT(heard_, before) << "progress comes";
}

// A full disk takes what is small for a long time still.
TEST_F(AggregatorTest, TheTroubleLastsUntilNothingWasRefusedForAWhile) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  FillDisk();
  testing::internal::CaptureStdout();
  ASSERT_NE(RefusedAsBusy(RowsOf(opened->opened(), 100)), "");
  const double commits = Metric("paperboy_ledger_commits_total");
  EXPECT_TRUE(Until([&] {
    EXPECT_NE(aggregator_->trouble(), "");
    return Metric("paperboy_ledger_commits_total") > commits + 2;
  }));
  const MonotonicTime before = loop_.now();
  EXPECT_NE(RefusedAsBusy(RowsOf(opened->opened(), 100)), "");
  EmptyDisk();
  EXPECT_TRUE(Ask(RowsOf(opened->opened(), 100), 10s));
  EXPECT_TRUE(RunUntil(
      loop_, [&] { return aggregator_->trouble().empty(); }, 2 * kNothingRefused));
  EXPECT_GE(loop_.now() - before, kNothingRefused);
  const std::string logged = testing::internal::GetCapturedStdout();
  const auto times = [&](const std::string& words) {
    size_t found = 0;
    for (size_t at = logged.find(words); at != logged.npos; at = logged.find(words, at + 1)) {
      ++found;
    }
    return found;
  };
  EXPECT_EQ(times("the ledger cannot be written"), 1u) << logged;
  EXPECT_EQ(times("the trouble is over: the ledger is written again"), 1u) << logged;
}

TEST_F(AggregatorTest, WhatCannotBeWrittenBelowOutIsInTheLedgerUntilItIs) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  std::filesystem::create_directories(out_.path());
  std::ofstream(out_.path() + "/test") << "in the way of the folder";
  wire::FetcherMessage seal = SealOf(opened->opened());
  testing::internal::CaptureStdout();
  ASSERT_TRUE(Ask(seal, 10s)->has_ack());
  const auto status = [&] { return StatusText(store_->db(), "", 20); };
  EXPECT_TRUE(Until([&] { return Metric("paperboy_unwritten") == 1; }));
  EXPECT_TRUE(Until([&] { return !aggregator_->trouble().empty(); }));
  EXPECT_THAT(status(),
              testing::AllOf(testing::HasSubstr("published, not written"),
                             testing::ContainsRegex("test 2025-01-03: .* not written yet, .*"
                                                    "cannot make .*/out/test")));
  store_->db().Script(
      "CREATE TRIGGER keeps BEFORE DELETE ON meta BEGIN SELECT RAISE(ABORT, 'no'); END;");
  std::filesystem::remove(out_.path() + "/test");
  EXPECT_TRUE(Until([&] { return out_.Has("test/md/2025-01/2025-01-03-output.md"); }));
  loop_.RunUntil([] { return false; }, loop_.now() + 2 * kBeat);
  EXPECT_NE(aggregator_->trouble(), "") << "the ledger has it still";
  store_->db().Script("DROP TRIGGER keeps");
  EXPECT_TRUE(Until([&] { return aggregator_->trouble().empty(); }));
  EXPECT_THAT(status(), testing::Not(testing::HasSubstr("not written")));
  EXPECT_TRUE(Until([&] { return Metric("paperboy_unwritten") == 0; }));
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              testing::HasSubstr("test 2025-01-03: published, 0 of 0 papers selected"));
}

// Who is refused says the same again.
TEST_F(AggregatorTest, WhatWasNotCommittedIsNotLogged) {
  store_->db().Script(
      "CREATE TABLE spoiled(digest REFERENCES digest(id) DEFERRABLE INITIALLY DEFERRED);"
      "CREATE TRIGGER spoil AFTER INSERT ON digest BEGIN INSERT INTO spoiled VALUES (-1); END;");
  testing::internal::CaptureStdout();
  EXPECT_NE(RefusedAsBusy(OpenOf("2025-01-03")), "") << "the commit fails";
  EXPECT_NE(RefusedAsBusy(OpenOf("2025-01-03")), "");
  store_->db().Script("DROP TRIGGER spoil");
  EXPECT_TRUE(Ask(OpenOf("2025-01-03"), 10s));
  const std::string logged = testing::internal::GetCapturedStdout();
  const std::string line = "test 2025-01-03: opened by a fetcher; edition 1, open";
  const size_t first = logged.find(line);
  ASSERT_NE(first, std::string::npos) << logged;
  EXPECT_EQ(logged.find(line, first + 1), std::string::npos) << logged;
  EXPECT_GT(first, logged.find("nothing is acknowledged")) << logged;
}

// The word about the digest before a list that came late may have crossed with it.
TEST_F(AggregatorTest, WhoSealsAListIsToldHowTheDigestEndsAlsoIfItWasToldBefore) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  wire::FetcherMessage seal = SealOf(opened->opened());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Send(fetcher_, [&] {
      seal.set_wire_major(kWireMajor);
      seal.set_request(++request_);
      return seal.SerializeAsString();
    }()));
    EXPECT_TRUE(Until([&] {
      wire::FetcherReply reply;
      std::string body;
      return Receive(fetcher_, &body) && reply.ParseFromString(body) && reply.has_published();
    })) << i;
  }
}

TEST_F(AggregatorTest, ProgressSaysThatSomebodyMayHaveToMendWhatIsWaitedFor) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  const auto next = [&](bool waits) {
    wire::Progress told;
    const auto heard = [&] {
      wire::FetcherReply reply;
      std::string body;
      while (Receive(fetcher_, &body)) {
        EXPECT_TRUE(reply.ParseFromString(body));
        if (reply.has_progress()) told = reply.progress();
      }
      return !told.state().empty() && told.waiting_for().empty() != waits;
    };
    EXPECT_TRUE(RunUntil(loop_, heard, 60s)) << "that there is no scorer is said after a while";
    return told;
  };
  EXPECT_FALSE(next(false).trouble());
  ASSERT_TRUE(Ask(RowsOf(opened->opened(), 3), 10s));
  ASSERT_TRUE(Ask(SealOf(opened->opened()), 10s));
  const wire::Progress waits = next(true);
  EXPECT_THAT(waits.waiting_for(), testing::HasSubstr("no scorer is connected"));
  EXPECT_TRUE(waits.trouble());
}

TEST_F(AggregatorTest, AProfileWithBatchesThatNoProfileMayHaveIsRefused) {
  auto open = OpenOf("2025-01-03");
  open.mutable_open()->mutable_profile()->set_batch_size(268'436'266);
  const wire::Refused refused = Ask(open, 10s).value_or(wire::FetcherReply()).refused();
  EXPECT_EQ(refused.kind(), wire::REFUSAL_INVALID);
  EXPECT_THAT(refused.message(), testing::HasSubstr("batch of 268436266 papers"));
  EXPECT_EQ(Count("SELECT count(*) FROM digest"), 0);
}

TEST_F(AggregatorTest, AnotherVersionOfTheWireIsToldSo) {
  wire::FetcherMessage message = OpenOf("2025-01-03");
  message.set_wire_major(kWireMajor + 1);
  message.set_request(77);
  std::string body;
  bool sent = false;
  ASSERT_TRUE(Until([&] {
    if (!sent) sent = Send(fetcher_, message.SerializeAsString());
    return Receive(fetcher_, &body);
  }));
  wire::FetcherReply reply;
  ASSERT_TRUE(reply.ParseFromString(body));
  EXPECT_EQ(reply.request(), 77u);
  EXPECT_EQ(reply.refused().kind(), wire::REFUSAL_VERSION);
  EXPECT_EQ(Count("SELECT count(*) FROM digest"), 0);
}

// What a peer that is broken, of another version, or lying sends: refused, counted,
// and harmless to the others.
class MalformedTest : public AggregatorTest {
 protected:
  MalformedTest() { scorer_ = ConnectDealer(context_, scorers_endpoint_).value(); }

  // Sends the frame as it is.
  void SendRaw(zmq::socket_t& socket, const std::string& frame) {
    ASSERT_TRUE(Until([&] { return Send(socket, frame); }));
  }
  void SendScorer(wire::ScorerMessage message) {
    message.set_wire_major(kWireMajor);
    SendRaw(scorer_, message.SerializeAsString());
  }
  // The next answer to the scorer that is no beat.
  std::optional<wire::ScorerReply> Hear() {
    std::optional<wire::ScorerReply> heard;
    Until([&] {
      std::string body;
      while (!heard && Receive(scorer_, &body)) {
        wire::ScorerReply reply;
        EXPECT_TRUE(reply.ParseFromString(body));
        if (!reply.has_beat()) heard = reply;
      }
      return heard.has_value();
    });
    return heard;
  }
  wire::ScorerMessage ReadyOf(uint64_t boot, uint32_t free,
                              const std::vector<uint64_t>& holding = {}) {
    wire::ScorerMessage message;
    auto* ready = message.mutable_ready();
    ready->set_pod("pod");
    ready->set_boot(boot);
    ready->set_backend("lexical");
    ready->set_model("lexical");
    ready->set_free_calls(free);
    ready->set_seen(UINT64_MAX);
    ready->set_number(++readies_);
    for (const uint64_t lease : holding) ready->add_holding(lease);
    return message;
  }
  bool RefusedAtLeast(double n) {
    return Until([&] { return Metric("paperboy_refused_messages_total") >= n; });
  }
  // A whole day goes through: delivered, scored, published.
  void ExpectThatItGoesOn() {
    const auto opened = Ask(OpenOf("2025-01-03"), 10s);
    ASSERT_TRUE(opened && opened->has_opened());
    ASSERT_TRUE(Ask(RowsOf(opened->opened(), 3), 10s));
    wire::FetcherMessage seal;
    seal.mutable_seal()->set_digest(opened->opened().digest());
    seal.mutable_seal()->set_edition(opened->opened().edition());
    seal.mutable_seal()->set_category("cs.LG");
    seal.mutable_seal()->set_rows(3);
    ASSERT_TRUE(Ask(seal, 10s));
    auto good = ConnectDealer(context_, scorers_endpoint_).value();
    std::swap(good, scorer_);
    SendScorer(ReadyOf(42, 1));
    const auto batch = Hear();
    ASSERT_TRUE(batch && batch->has_batch());
    ASSERT_EQ(batch->batch().papers_size(), 3);
    wire::ScorerMessage message;
    auto* result = message.mutable_result();
    result->set_lease(batch->batch().lease());
    result->set_digest(batch->batch().digest());
    for (const auto& paper : batch->batch().papers()) {
      auto* score = result->add_papers();
      score->set_key(paper.key());
      score->set_kind(wire::PaperResult::SCORE);
      score->set_relevance(9);
      score->set_novelty(9);
    }
    SendScorer(message);
    EXPECT_TRUE(
        Until([&] { return Count("SELECT count(*) FROM digest WHERE state = 'published'") == 1; }));
    EXPECT_EQ(Count("SELECT count(*) FROM row WHERE state = 'selected'"), 3);
  }

  zmq::socket_t scorer_;
};

TEST_F(MalformedTest, FramesThatAreNotProtobufAreCountedOnBothEndpointsAndLoggedOnce) {
  testing::internal::CaptureStdout();
  for (int i = 0; i < 50; ++i) {
    SendRaw(fetcher_, "not protobuf \xff\xff\xff");
    SendRaw(scorer_, std::string(1000, '\xff'));
    SendRaw(scorer_, "");
  }
  EXPECT_TRUE(RefusedAtLeast(150));
  const std::string logged = testing::internal::GetCapturedStdout();
  const auto lines = std::count(logged.begin(), logged.end(), '\n');
  EXPECT_GE(lines, 1);
  EXPECT_LE(lines, 10) << logged;
  ExpectThatItGoesOn();
}

TEST_F(MalformedTest, AnUnknownVersionOfTheWireIsToldSoOnBothEndpoints) {
  wire::ScorerMessage ready = ReadyOf(1, 1);
  ready.set_wire_major(kWireMajor + 1);
  SendRaw(scorer_, ready.SerializeAsString());
  const auto told = Hear();
  ASSERT_TRUE(told && told->has_refused());
  EXPECT_EQ(told->refused().kind(), wire::REFUSAL_VERSION);
  EXPECT_THAT(told->refused().message(), testing::HasSubstr("the same version"));
  EXPECT_EQ(Metric("paperboy_scorers"), 0);
  wire::FetcherMessage open = OpenOf("2025-01-02");
  open.set_wire_major(kWireMajor + 1);
  SendRaw(fetcher_, open.SerializeAsString());
  EXPECT_TRUE(RefusedAtLeast(2));
  EXPECT_EQ(Count("SELECT count(*) FROM digest"), 0);
  ExpectThatItGoesOn();
}

TEST_F(MalformedTest, AMessageWithoutABodyIsRefused) {
  const auto told = Ask(wire::FetcherMessage(), 10s);
  ASSERT_TRUE(told && told->has_refused());
  SendScorer(wire::ScorerMessage());
  EXPECT_TRUE(RefusedAtLeast(2));
  ExpectThatItGoesOn();
}

TEST_F(MalformedTest, AnOversizedFrameDropsItsConnectionAndNothingElse) {
  const std::string huge(kMaxFrameBytes + 1, 'x');
  auto broken_fetcher = ConnectDealer(context_, fetchers_endpoint_).value();
  auto broken_scorer = ConnectDealer(context_, scorers_endpoint_).value();
  SendRaw(broken_fetcher, huge);
  SendRaw(broken_scorer, huge);
  ExpectThatItGoesOn();
  EXPECT_EQ(Metric("paperboy_refused_messages_total"), 0) << "it never got in";
}

TEST_F(MalformedTest, ScoresThatNobodyAskedForAreRefusedAndAcknowledged) {
  const auto opened = Ask(OpenOf("2025-01-02"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  wire::ScorerMessage message;
  auto* result = message.mutable_result();
  result->set_lease(7);
  result->set_digest(opened->opened().digest());
  auto* score = result->add_papers();
  score->set_key("nobody asked");
  score->set_kind(wire::PaperResult::SCORE);
  score->set_relevance(9);
  score->set_novelty(9);
  SendScorer(message);
  const auto acknowledged = Hear();
  ASSERT_TRUE(acknowledged && acknowledged->has_ack()) << "else it would be sent for ever";
  EXPECT_TRUE(RefusedAtLeast(1));
  EXPECT_EQ(Count("SELECT count(*) FROM work"), 0);
  ExpectThatItGoesOn();
}

TEST_F(MalformedTest, AResultForADigestThatDoesNotExistIsRefusedAndAcknowledged) {
  wire::ScorerMessage message;
  message.mutable_result()->set_lease(7);
  message.mutable_result()->set_digest(12345);
  message.mutable_result()->add_calls()->set_id("made-up");
  SendScorer(message);
  const auto acknowledged = Hear();
  ASSERT_TRUE(acknowledged && acknowledged->has_ack());
  EXPECT_EQ(acknowledged->ack().lease(), 7u);
  EXPECT_TRUE(RefusedAtLeast(1));
  EXPECT_EQ(Count("SELECT count(*) FROM call"), 0);
  ExpectThatItGoesOn();
}

TEST_F(MalformedTest, MadeUpLeasesAreRefusedAndBlockNothing) {
  SendScorer(ReadyOf(1, 1, {UINT64_MAX, UINT64_MAX - 1, uint64_t{1} << 62}));
  EXPECT_TRUE(RefusedAtLeast(3));
  SendScorer(ReadyOf(1, 0));
  ExpectThatItGoesOn();
}

TEST_F(MalformedTest, RowsForADigestThatDoesNotExistAreRefused) {
  wire::Opened made_up;
  made_up.set_digest(777);
  made_up.set_edition(1);
  const auto told = Ask(RowsOf(made_up, 1), 10s);
  ASSERT_TRUE(told && told->has_refused());
  EXPECT_THAT(told->refused().message(), testing::HasSubstr("no digest 777"));
  EXPECT_EQ(Count("SELECT count(*) FROM row"), 0);
  ExpectThatItGoesOn();
}

TEST_F(AggregatorTest, MetricsTellTheStatesOfTheLastDays) {
  const auto days = [&](const std::string& state) {
    for (const auto& family : metrics_.Collect()) {
      if (family.name != "paperboy_dates") continue;
      for (const auto& metric : family.metric) {
        if (metric.label.at(0).value == state) return metric.gauge.value;
      }
    }
    return -1.0;
  };
  EXPECT_TRUE(Until([&] { return days("waiting") == 0; })) << "each state is named from the start";
  const date::sys_days today = EasternDay(std::chrono::system_clock::now());
  for (const auto& [ago, state] :
       std::map<int, const char*>{{0, "waiting"}, {6, "failed"}, {7, "failed"}}) {
    wire::FetcherMessage message;
    message.mutable_day()->set_profile("test");
    message.mutable_day()->set_date(FormatDate(today - date::days(ago)));
    message.mutable_day()->set_state(state);
    ASSERT_TRUE(Ask(message, 10s)->has_ack());
  }
  EXPECT_TRUE(Until([&] { return days("waiting") == 1 && days("failed") == 1; }))
      << days("waiting") << " " << days("failed");
}

TEST_F(AggregatorTest, TheSiteShowsADigestThatWaitsForScorers) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  ASSERT_TRUE(Ask(RowsOf(opened->opened(), 3), 10s));
  const auto shown = [&] {
    const auto month = out_.Read("site/test/2025-01.html");
    return month && month->find("<td class=\"being-scored\">") != month->npos;
  };
  RunUntil(
      loop_, [] { return false; }, 2 * kBeat + 100ms);
  EXPECT_FALSE(shown()) << "its list is not in";
  wire::FetcherMessage seal = SealOf(opened->opened());
  seal.mutable_seal()->set_rows(3);
  ASSERT_TRUE(Ask(seal, 10s));
  EXPECT_TRUE(Until(shown));
}

TEST_F(AggregatorTest, CommandsAreAnsweredAfterTheCommit) {
  ASSERT_TRUE(Ask(OpenOf("2025-01-03"), 10s)->has_opened());
  wire::FetcherMessage redo;
  redo.mutable_redo()->set_date("2025-01-03");
  const auto done = Ask(redo, 10s);
  ASSERT_TRUE(done && done->has_done());
  EXPECT_THAT(done->done().lines(0), testing::HasSubstr("test 2025-01-03: open again"));
  wire::FetcherMessage retry;
  retry.mutable_retry()->set_date("2025-01-09");
  const auto refused = Ask(retry, 10s);
  ASSERT_TRUE(refused && refused->has_refused());
  EXPECT_THAT(refused->refused().message(), testing::HasSubstr("no digest of 2025-01-09"));
  FillDisk();
  wire::FetcherMessage prune;
  prune.mutable_prune()->set_before("2025-01-09");
  EXPECT_TRUE(Ask(prune, 10s)) << "nothing to write";
}

TEST_F(AggregatorTest, ACommandThatTheLedgerDoesNotTakeSaysWhy) {
  FakeAggregator busy;
  busy.Set([](auto* knobs) { knobs->busy = 1'000; });
  auto link = OperatorLink::Connect(busy.endpoint());
  const auto done = (*link)->Ask({}, 1s);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(done.error().message, testing::HasSubstr("within 1 s: starting"));
}

TEST_F(AggregatorTest, ACommandThatNobodyAnswersSaysWhatToDo) {
  auto nobody = BindRouter(context_, "tcp://127.0.0.1:*");
  auto link = OperatorLink::Connect(nobody->get(zmq::sockopt::last_endpoint));
  const auto done = (*link)->Ask({}, 300ms);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(done.error().message, testing::HasSubstr("If none runs, start one"));
}

}  // namespace
}  // namespace paperboy
