// The disk full, the ledger deleted or restored from a backup, OUT deleted, and
// two aggregators on one store.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <zmq.hpp>

#include "common/socket.h"
#include "common/wire.h"
#include "proto/paperboy.pb.h"
#include "tests/process/chaos.h"
#include "tests/support/small_disk.h"

namespace paperboy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::HasSubstr;

// A fetcher of which the test sees every frame.
class Peer {
 public:
  explicit Peer(int port) {
    auto socket = ConnectDealer(context_, "tcp://127.0.0.1:" + std::to_string(port));
    if (!socket) throw std::runtime_error(socket.error().message);
    socket_ = std::move(*socket);
  }
  // Sends a request and returns its number.
  uint64_t Ask(wire::FetcherMessage message) {
    message.set_wire_major(kWireMajor);
    message.set_request(++requests_);
    const std::string frame = message.SerializeAsString();
    WaitUntil([&] { return Send(socket_, frame); }, 10s);
    return requests_;
  }
  // The next answer to a request, or nothing within `time`.
  std::optional<wire::FetcherReply> Answer(std::chrono::seconds time) {
    std::optional<wire::FetcherReply> answer;
    WaitUntil(
        [&] {
          std::string body;
          wire::FetcherReply reply;
          while (!answer && Receive(socket_, &body) && reply.ParseFromString(body)) {
            if (reply.request() != 0) answer = reply;
          }
          return answer.has_value();
        },
        time);
    return answer;
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
  uint64_t requests_ = 0;
};

wire::OpenDigest Opening() {
  wire::OpenDigest open;
  open.mutable_profile()->set_name("peer");
  open.mutable_profile()->set_revision("1");
  open.mutable_profile()->set_prompt("[PAPER LIST HERE]\n");
  open.set_date(kDate);
  open.set_source("file");
  return open;
}

// A message with one row and its text, some kilobytes long.
wire::FetcherMessage RowNumber(const wire::Opened& opened, int number) {
  wire::FetcherMessage message;
  wire::Rows& rows = *message.mutable_rows();
  rows.set_digest(opened.digest());
  rows.set_edition(opened.edition());
  rows.set_category("*");
  wire::Row& row = *rows.add_rows();
  char id[16];
  std::snprintf(id, sizeof id, "2609.%05d", number);
  row.set_id(id);
  row.set_version(1);
  row.mutable_paper()->set_id(id);
  row.mutable_paper()->set_version(1);
  row.mutable_paper()->set_title("Paper " + std::to_string(number));
  row.mutable_paper()->set_abstract(std::string(4'000, 'x'));
  return message;
}

class DiskFull : public testing::Test {
 protected:
  std::string ledger() const { return chaos.system.data_dir() + "/ledger.db"; }
  bool Troubled() const {
    return chaos.system.Logs().find("nothing is acknowledged") != std::string::npos;
  }
  Chaos chaos{DayOf(100, 200ms)};
  SmallDisk disk{chaos.system.data_dir()};
};

TEST_F(DiskFull, TheDigestCompletesByItselfWhenThereIsSpace) {
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.2));
  std::printf("disk full\n");
  disk.Fill(chaos.system.aggregator().pid(), ledger() + "-wal");
  EXPECT_TRUE(WaitUntil([&] { return Troubled(); }, 20s));
  EXPECT_TRUE(chaos.fetcher().WaitForOutput("the ledger cannot be written", 10s));
  // Nothing moves, however long it lasts.
  EXPECT_TRUE(WaitUntil([&] { return chaos.system.llm().account().in_flight == 0; }, 10s));
  const auto settled = chaos.Settled();
  const auto calls = chaos.system.llm().account().calls;
  EXPECT_TRUE(StaysTrue([&] { return chaos.system.llm().account().calls == calls; }, 3s));
  EXPECT_EQ(chaos.Settled(), settled);
  EXPECT_LT(settled.size(), chaos.day().settings.papers.size());
  disk.Free(chaos.system.aggregator().pid());
  chaos.ExpectRecovered();
}

TEST_F(DiskFull, WhatWasAcknowledgedIsInTheLedger) {
  chaos.system.StartAggregator();
  Peer peer(chaos.system.fetcher_port());
  wire::FetcherMessage open;
  *open.mutable_open() = Opening();
  peer.Ask(open);
  const auto opened = peer.Answer(10s);
  ASSERT_TRUE(opened && opened->has_opened()) << chaos.system.Logs();
  // Room for some of the rows: the disk is full in the middle of them. A few at a
  // time, so that there are many commits.
  constexpr int kRows = 200;
  constexpr size_t kUnanswered = 5;
  disk.Fill(chaos.system.aggregator().pid(), ledger() + "-wal", 600'000);
  std::map<uint64_t, std::string> asked;
  std::set<std::string> acknowledged;
  bool full = false;  // one was refused, or its answer did not come
  for (int row = 0; row < kRows; ++row) {
    const auto message = RowNumber(opened->opened(), row);
    asked[peer.Ask(message)] = message.rows().rows(0).id();
    while (asked.size() - acknowledged.size() >= kUnanswered || row == kRows - 1) {
      const auto answer = peer.Answer(full ? 0s : 3s);
      full |= !answer;
      if (!answer) break;
      if (answer->refused().kind() == wire::REFUSAL_BUSY) {
        EXPECT_THAT(answer->refused().message(), HasSubstr("the ledger cannot be written"));
        full = true;
        continue;
      }
      EXPECT_TRUE(answer->has_want()) << answer->ShortDebugString();
      acknowledged.insert(asked.at(answer->request()));
    }
  }
  EXPECT_TRUE(full);
  EXPECT_TRUE(Troubled());
  chaos.system.KillAggregator();
  const std::string copy = chaos.system.File("copy");
  fs::copy(chaos.system.data_dir(), copy);
  Database ledger(copy + "/ledger.db", Access::kWrite);
  std::set<std::string> stored;
  {
    auto cursor = ledger.Query("SELECT row.paper FROM row JOIN paper ON paper.id = row.paper");
    while (cursor.Next()) stored.insert(cursor.Text(0));
  }
  std::printf("%d rows sent, %zu acknowledged, %zu stored\n", kRows, acknowledged.size(),
              stored.size());
  EXPECT_THAT(stored, testing::IsSupersetOf(acknowledged));
  EXPECT_GT(acknowledged.size(), 0u);
  EXPECT_LT(acknowledged.size(), static_cast<size_t>(kRows));
  // With space the same command goes through.
  disk.Free(chaos.system.aggregator().pid());
  chaos.Start(2);
  chaos.ExpectRecovered();
}

// ---- two aggregators --------------------------------------------------------

TEST(OneStore, ASecondAggregatorLeavesAndTheFirstGoesOn) {
  Chaos chaos(DayOf(60, 200ms));
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  Process second({PAPERBOY_BIN_DIR "/paperboy-aggregator", "--data", chaos.system.data_dir(),
                  "--out", chaos.system.out_dir(), "--redis", chaos.system.redis().url(),
                  "--bind-fetchers", "tcp://127.0.0.1:*", "--bind-scorers", "tcp://127.0.0.1:*",
                  "--http", "127.0.0.1:0"});
  EXPECT_EQ(second.Wait(20s).value_or(Process::Exit{}).code, 1);
  EXPECT_THAT(second.Stderr(), HasSubstr("ledger.lock"));
  std::printf("the second says: %s", second.Stderr().c_str());
  chaos.ExpectRecovered();
}

// ---- the ledger lost or old -------------------------------------------------

class LedgerLost : public testing::Test {
 protected:
  std::string data() const { return chaos.system.data_dir(); }
  // With nothing in flight, so that all that was paid for is in Redis.
  void StopAggregator() {
    chaos.system.KillAggregator();
    Chaos::Pass(1s);  // a batch that was handed out before begins, and is in flight
    ASSERT_TRUE(WaitUntil([&] { return chaos.system.llm().account().in_flight == 0; }, 20s));
  }
  Chaos chaos{DayOf(80, 400ms)};
};

TEST_F(LedgerLost, DeletedWhileAFetcherFollows) {
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  ASSERT_NO_FATAL_FAILURE(StopAggregator());
  std::printf("ledger deleted\n");
  fs::remove_all(data());
  chaos.system.RestartAggregator();
  chaos.ExpectRecovered();
}

TEST_F(LedgerLost, DeletedAfterPublicationAndTheCommandRunAgain) {
  chaos.Start(2);
  chaos.ExpectRecovered();
  const auto calls = chaos.system.llm().account().calls;
  chaos.system.KillAggregator();
  fs::remove_all(data());
  chaos.system.RestartAggregator();
  chaos.StartFetcher();
  chaos.ExpectRecovered();
  EXPECT_EQ(chaos.system.llm().account().calls, calls) << "paid for already";
}

TEST_F(LedgerLost, RestoredFromAnOlderBackup) {
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.2));
  const std::string backup = chaos.system.File("backup");
  chaos.system.aggregator().Kill(SIGTERM);
  ASSERT_EQ(chaos.system.aggregator().Wait(20s).value_or(Process::Exit{}).code, 0);
  std::printf("backup\n");
  fs::copy(data(), backup);
  chaos.system.RestartAggregator();
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.6));
  ASSERT_NO_FATAL_FAILURE(StopAggregator());
  std::printf("restored\n");
  fs::remove_all(data());
  fs::copy(backup, data());
  chaos.system.RestartAggregator();
  chaos.ExpectRecovered();
  // And from before the digest was out.
  const auto calls = chaos.system.llm().account().calls;
  chaos.system.KillAggregator();
  fs::remove_all(data());
  fs::copy(backup, data());
  chaos.system.RestartAggregator();
  chaos.StartFetcher();
  chaos.ExpectRecovered();
  EXPECT_EQ(chaos.system.llm().account().calls, calls) << "paid for already";
}

// ---- OUT --------------------------------------------------------------------

TEST(OutDeleted, WhileADigestIsScored) {
  Chaos chaos(DayOf(60, 200ms));
  chaos.Start(2);
  ASSERT_NO_FATAL_FAILURE(chaos.AtRandomInstantAfter(0.3));
  std::printf("OUT deleted\n");
  fs::remove_all(chaos.system.out_dir());
  chaos.ExpectRecovered();
}

// What was out before comes back with the next publication.
TEST(OutDeleted, WithPagesInIt) {
  Chaos chaos(DayOf(40, 100ms));
  const auto another_day = [&](System& system) {
    auto command = Chaos::Command(system, chaos.day(), "");
    command[1] = "2026-09-16";
    return system.RunFetcher(command).exit.code;
  };
  chaos.Start(2);
  EXPECT_EQ(chaos.fetcher().Wait(60s).value_or(Process::Exit{}).code, 0);
  const std::string page = chaos.system.Page(kDate, "day");
  fs::remove_all(chaos.system.out_dir());
  EXPECT_EQ(another_day(chaos.system), 0);
  EXPECT_EQ(chaos.system.Page(kDate, "day"), page) << "byte for byte";
  chaos.ExpectRecovered({.undisturbed =
                             [&](System& calm) {
                               auto command = Chaos::Command(calm, chaos.day(), "");
                               EXPECT_EQ(calm.RunFetcher(command).exit.code, 0);
                               EXPECT_EQ(another_day(calm), 0);
                             },
                         .digests = {{}, {.date = "2026-09-16"}}});
}

}  // namespace
}  // namespace paperboy
