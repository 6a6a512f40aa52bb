// How the fetcher gets along with the aggregator, without Redis, and with a stop.
#include "tests/unit/fetcher_fixture.h"

namespace paperboy {
namespace {

using testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;
using testing::SizeIs;

TEST_F(FetcherTest, AskedToPublishAgainReadsNothing) {
  AskFor("2026-09-14", SourceKind::kApi);
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const size_t before = RequestsToArxiv();

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_EQ(RequestsToArxiv(), before);
}

TEST_F(FetcherTest, SaysWhatTheAggregatorWaitsFor) {
  settings_.deadline = seconds(2);
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->waiting_for = "no scorer is connected";
  });

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not published", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("no scorer is connected"));
  EXPECT_THAT(waits_, testing::Contains("no scorer is connected"));
}

// It may be on its way while a late list is sent.
TEST_F(FetcherTest, WhatWasPublishedBeforeTheLastListIsNotTheOutcome) {
  aggregator_.Set([](auto* knobs) {
    knobs->crossing.set_state("published");
    knobs->crossing.set_model("before");
    knobs->published.set_model("after");
    knobs->publish = false;
  });
  int looks = 0;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2 || ++looks < 4) return;
    aggregator_.Set([](auto* knobs) { knobs->publish = true; });
  });

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].published->model(), "after");
}

TEST_F(FetcherTest, UnscoredPapersAndWithheldDigestsExitWith3) {
  aggregator_.Set([](auto* knobs) { knobs->published.set_mendable(true); });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitWithheld)));
  aggregator_.Set([](auto* knobs) { knobs->published.set_state("withheld"); });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("withheld", kExitWithheld)));
}

TEST_F(FetcherTest, SendsAgainWhatWasNotAnswered) {
  aggregator_.Set([](auto* knobs) { knobs->swallow = 1; });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

TEST_F(FetcherTest, ABusyAggregatorIsAskedAgain) {
  aggregator_.Set([](auto* knobs) { knobs->busy = 1; });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(waits_, testing::Contains(HasSubstr("starting")));
}

TEST_F(FetcherTest, DeliversAgainToAnEmptyLedger) {
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->talk = false;
  });
  bool forgotten = false;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (forgotten || aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    forgotten = true;
    aggregator_.ForgetAll();
    aggregator_.Set([](auto* knobs) {
      knobs->publish = true;
      knobs->talk = true;
    });
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_GT(digest.id, 100);
  EXPECT_THAT(digest.papers, SizeIs(3));
}

TEST_F(FetcherTest, AListThatTheLedgerLostAndThisRunNeverReadIsAFailure) {
  AskFor("2026-09-14", SourceKind::kApi);
  profiles_ = {Reader("ml", {"cs.LG"})};
  aggregator_.Set([](auto* knobs) { knobs->publish = knobs->talk = false; });
  Fetch([&](Pump& pump) {
    if (!aggregator_.DigestOf("ml", "2026-09-14").sealed.empty()) pump.Stop(15);
  });
  profiles_.push_back(Reader("ai", {"cs.AI"}));
  ServeArxiv("2026-09-15", "error_feed");  // what "ai" lacks cannot be read
  bool forgotten = false;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (RequestsToArxiv() > 0 && !std::exchange(forgotten, true)) aggregator_.ForgetAll();
  });

  ASSERT_THAT(outcomes,
              ElementsAre(Ended("failed", kExitUnreachable), Ended("failed", kExitUnreachable)));
  EXPECT_EQ(outcomes[1].profile, "ml");
  EXPECT_THAT(outcomes[1].why, HasSubstr("the aggregator lost a list"));
}

TEST_F(FetcherTest, ARefusedProfileIsAnErrorOfUsage) {
  aggregator_.Set([](auto* knobs) { knobs->refuse = "a budget without a price"; });
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUsage)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("a budget without a price"));
}

TEST_F(FetcherTest, AReplacedEditionIsLeftAlone) {
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->talk = false;
  });

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    aggregator_.Set([](auto* knobs) { knobs->replaced = true; });
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("replaced", kExitReplaced)));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-15").openings, 1u);
}

TEST_F(FetcherTest, AnotherVersionIsWaitedForWithAClearMessage) {
  settings_.deadline = seconds(2);
  aggregator_.Set([](auto* knobs) { knobs->wire_major = kWireMajor + 1; });

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("upgrade the older one"));
}

TEST_F(FetcherTest, AnAggregatorThatIsNotThereIsWaitedForUntilTheDeadline) {
  endpoint_ = "tcp://127.0.0.1:1";  // nobody listens there
  settings_.deadline = milliseconds(1'500);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("the aggregator at tcp://127.0.0.1:1"));
}

TEST_F(FetcherTest, WithoutRedisNothingIsAskedOfArxiv) {
  redis_server_.Kill();
  settings_.deadline = milliseconds(1'500);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("Redis"));
  EXPECT_EQ(RequestsToArxiv(), 0u);
}

TEST_F(FetcherTest, AFileNeedsNoRedis) {
  redis_server_.Kill();
  AskForFile("2026-09-14", R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

TEST_F(FetcherTest, AStopEndsTheWaiting) {
  aggregator_.Set([](auto* knobs) { knobs->publish = false; });
  const MonotonicTime begin = std::chrono::steady_clock::now();

  const std::vector<Outcome> outcomes = Fetch([&](Pump& pump) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() == 2) pump.Stop(15);
  });

  EXPECT_THAT(outcomes, IsEmpty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, settings_.deadline);
}

TEST_F(FetcherTest, LooksUpTheAuthorsThatTheLedgerAsksFor) {
  profiles_ = {Reader("ml", {"cs.LG"})};
  ScholarServer::Options options;
  options.papers["2609.00003"] = {{"Ada Vale", "17", "", 4}, {"Bo Elm", "18"}};
  ServeScholar(std::move(options));
  aggregator_.Set([](auto* knobs) { knobs->asks_authors = true; });

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.log, ElementsAre("authors", "seal")) << "before the list is sealed";
  ASSERT_THAT(digest.authors, SizeIs(1));
  EXPECT_EQ(digest.authors.at("2609.00003").authors(0).id(), "17");
  ASSERT_THAT(scholar_server_->requests(), SizeIs(1));
  EXPECT_THAT(scholar_server_->requests()[0].ids, SizeIs(2)) << "both papers in one request";

  // Run again: what the list was sealed with is there, the other paper is asked about.
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").log,
              ElementsAre("authors", "seal", "authors", "seal"));
  EXPECT_THAT(scholar_server_->requests(), SizeIs(1)) << "Redis knows that it is not known";
}

TEST_F(FetcherTest, WhatCannotBeLookedUpHoldsNothingUp) {
  ScholarServer::Options options;
  options.faults = "503";
  ServeScholar(std::move(options));
  settings_.deadline = seconds(8);
  aggregator_.Set([](auto* knobs) { knobs->asks_authors = true; });
  const auto begin = std::chrono::steady_clock::now();

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_LE(std::chrono::steady_clock::now() - begin, seconds(5));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_THAT(digest.authors, IsEmpty());
  EXPECT_THAT(digest.log, ElementsAre("authors", "seal", "authors", "seal"))
      << "the ledger is told that nothing more is coming";
}

}  // namespace
}  // namespace paperboy
