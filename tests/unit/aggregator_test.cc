// The aggregator's turns on real sockets: what happens when the ledger cannot be
// written.
#include "aggregator/aggregator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/redis_client.h"
#include "common/socket.h"
#include "common/wire.h"
#include "tests/support/temp_dir.h"

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
    const auto endpoint = fetchers->get(zmq::sockopt::last_endpoint);
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
    fetcher_ = ConnectDealer(context_, endpoint).value();
  }

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
    const auto poll = loop_.Every(5ms, [] {});
    loop_.RunUntil(try_once, loop_.now() + patience);
    loop_.Cancel(poll);
    return answer;
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
  int64_t Count(const char* sql) {
    auto cursor = store_->db().Query(sql);
    return cursor.Next() ? cursor.Int(0) : -1;
  }
  double Metric(const std::string& name) {
    for (const auto& family : metrics_.Collect()) {
      if (family.name == name) return family.metric.at(0).counter.value;
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
  zmq::socket_t fetcher_;
  uint64_t request_ = 0;
  int heard_ = 0;
};

TEST_F(AggregatorTest, NothingIsAcknowledgedThatWasNotStored) {
  const auto opened = Ask(OpenOf("2025-01-03"), 10s);
  ASSERT_TRUE(opened && opened->has_opened());
  FillDisk();
  const auto rows = RowsOf(opened->opened(), 100);
  EXPECT_FALSE(Ask(rows, 1s)) << "the disk is full";
  EXPECT_GT(Metric("paperboy_ledger_failed_commits_total"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM row"), 0) << "the turn never happened";
  EmptyDisk();
  const auto stored = Ask(rows, 10s);
  ASSERT_TRUE(stored && stored->has_want()) << "the same connection goes on";
  EXPECT_EQ(stored->want().ids_size(), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM row"), 100);
  EXPECT_EQ(Count("SELECT count(*) FROM paper"), 100);
  EXPECT_EQ(aggregator_->trouble(), "");
}

TEST_F(AggregatorTest, AFetcherOfADigestThatCouldNotBeStoredIsNotFollowedUp) {
  FillDisk();
  auto open = OpenOf("2025-01-03");
  open.mutable_open()->mutable_profile()->set_prompt(std::string(200'000, 'p') +
                                                     "\n[PAPER LIST HERE]");
  EXPECT_FALSE(Ask(open, 1s));
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

TEST_F(AggregatorTest, AnotherVersionOfTheWireIsToldSo) {
  wire::FetcherMessage message = OpenOf("2025-01-03");
  message.set_wire_major(kWireMajor + 1);
  message.set_request(77);
  std::string body;
  bool sent = false;
  const auto poll = loop_.Every(5ms, [] {});
  ASSERT_TRUE(loop_.RunUntil(
      [&] {
        if (!sent) sent = Send(fetcher_, message.SerializeAsString());
        return Receive(fetcher_, &body);
      },
      loop_.now() + 10s));
  loop_.Cancel(poll);
  wire::FetcherReply reply;
  ASSERT_TRUE(reply.ParseFromString(body));
  EXPECT_EQ(reply.request(), 77u);
  EXPECT_EQ(reply.refused().kind(), wire::REFUSAL_VERSION);
  EXPECT_EQ(Count("SELECT count(*) FROM digest"), 0);
}

}  // namespace
}  // namespace paperboy
