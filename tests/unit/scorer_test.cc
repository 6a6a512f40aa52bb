#include "tests/unit/scorer_fixture.h"

namespace paperboy {
namespace {

TEST_F(ScorerTest, ABatchThatComesTwiceIsWorkedOnOnce) {
  StartProvider();
  StartScorer();
  const uint64_t lease = aggregator_.HandOut({"2504.00001"});
  ResultOf(lease);
  ASSERT_TRUE(Until([&] { return link_->unacknowledged() == 0; }));
  aggregator_.HandOutAgain();
  Score({"2504.00002"});  // it has been read by then
  EXPECT_EQ(aggregator_.times[lease], 1);
  EXPECT_EQ(llm_->account().calls, 2u);
}

TEST_F(ScorerTest, NoCallBeginsForALeaseThatTheAggregatorDoesNotKnow) {
  StartProvider({.latency = 1s});
  settings_.concurrency = 4;
  StartScorer();
  // Until the model has answered once, the second batch waits for the first call.
  aggregator_.HandOut({"2504.00001"});
  const uint64_t waiting = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1 && scorer_->batches() == 2; }));
  wire::ScorerReply reply;
  reply.mutable_void_leases()->add_leases(waiting);
  aggregator_.Send(reply);
  EXPECT_EQ(ResultOf(waiting).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_TRUE(Until([&] { return scorer_->batches() == 0; }));
  EXPECT_EQ(llm_->account().calls, 1u);
}

TEST_F(ScorerTest, NoCallBeginsWhileTheAggregatorDoesNotHearTheScorer) {
  StartProvider();
  StartScorer();
  Score({"2504.00001"});
  aggregator_.deaf = true;
  ASSERT_FALSE(loop_.RunUntil([&] { return !link_->heard_lately(); }, loop_.now() + 1s));
  ASSERT_TRUE(Until([&] { return !link_->heard_lately(); }));
  const uint64_t late = aggregator_.HandOut({"2504.00002"});
  EXPECT_EQ(ResultOf(late).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(llm_->account().calls, 1u);
  aggregator_.deaf = false;
  EXPECT_EQ(Score({"2504.00003"}).papers(0).kind(), PaperResult::SCORE);
}

TEST_F(ScorerTest, ScoresABatch) {
  StartProvider(
      {.scores = LlmScores({{"2504.00001", {8, 7, "Owls."}}, {"2504.00002", {3, 4, "No."}}})});
  StartScorer();
  const wire::Result& result = Score({"2504.00001", "2504.00002"});
  EXPECT_EQ(result.digest(), 7);
  EXPECT_EQ(result.failure().kind(), ProviderFailure::NONE) << result.failure().message();
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(result.papers(0).key(), Sha256("2504.00001"));
  EXPECT_EQ(result.papers(0).relevance(), 8u);
  EXPECT_EQ(result.papers(0).novelty(), 7u);
  EXPECT_EQ(result.papers(0).comment(), "Owls.");
  EXPECT_EQ(result.papers(1).relevance(), 3u);
  ASSERT_EQ(result.calls_size(), 1);
  EXPECT_EQ(result.calls(0).id(), "0000000000000abc-1");
  EXPECT_EQ(result.papers(0).call(), result.calls(0).id());
  EXPECT_TRUE(result.calls(0).tokens_reported());
  EXPECT_GT(result.calls(0).prompt_tokens(), 0u);
  EXPECT_EQ(result.quota_key(), QuotaKey(settings_.server, "m"));
  ASSERT_TRUE(Until([&] {
    return aggregator_.ready->holding_size() == 0 && aggregator_.ready->seen() == result.lease();
  }));
  EXPECT_EQ(aggregator_.ready->pod(), "pod-1");
  EXPECT_EQ(metrics_.papers(), 2u);
}

TEST_F(ScorerTest, TheFirstCallGoesAlone) {
  StartProvider({.latency = 500ms});
  StartScorer();
  ASSERT_TRUE(UntilFree(1));
  std::vector<uint64_t> leases;
  for (const char* id : {"2504.00001", "2504.00002", "2504.00003"}) {
    leases.push_back(aggregator_.HandOut({id}));
  }
  ASSERT_TRUE(Until([&] { return scorer_->batches() == 3; }));
  uint64_t calls = 0;
  ASSERT_TRUE(Until([&] {
    if (scorer_->batches() < 3) return true;
    calls = llm_->account().calls;
    return false;
  }));
  EXPECT_EQ(calls, 1u) << "while the first had no result";
  for (const uint64_t lease : leases) ResultOf(lease);
  EXPECT_EQ(llm_->account().max_in_flight, 2u);
  EXPECT_TRUE(Until([&] {
    return aggregator_.ready->holding_size() == 0 &&
           aggregator_.ready->free_calls() >= Concurrency::kFirst;
  }));
}

TEST_F(ScorerTest, AServerThatGetsSlowIsUsedToTheFullAndNotDrowned) {
  constexpr size_t kCapacity = 5;
  StartProvider({.latency = 100ms, .jitter = 0.2, .capacity = kCapacity});
  settings_.concurrency = 100;
  StartScorer();
  size_t handed_out = 0;
  const auto hand_out_until = [&](size_t results) {
    return Until([&] {
      // What was handed out and is not in this Ready yet is not handed out again.
      const size_t open = handed_out - aggregator_.results.size();
      const size_t allowed = aggregator_.ready->free_calls() + aggregator_.ready->holding_size();
      for (size_t more = open; more < allowed; ++more) {
        aggregator_.HandOut({"2504." + std::to_string(10'000 + handed_out++)});
      }
      return aggregator_.results.size() >= results;
    });
  };
  ASSERT_TRUE(hand_out_until(100));
  const auto before = llm_->account();
  const MonotonicTime begin = loop_.now();
  ASSERT_TRUE(hand_out_until(400));
  const auto after = llm_->account();
  // Of 100 calls at once the server would refuse 95; concurrency_test is stricter.
  EXPECT_LT(after.overloaded - before.overloaded, 300u / 4);
  // What the server can do is kCapacity calls in its latency.
  const std::chrono::duration<double> span = loop_.now() - begin;
  RecordProperty("part_of_capacity", std::to_string(static_cast<double>(after.ok - before.ok) /
                                                    (kCapacity * span.count() / 0.1)));
  RecordProperty("overloaded", std::to_string(after.overloaded));
  EXPECT_GT(aggregator_.ready->latency_ms(), 0u);
}

TEST_F(ScorerTest, AKeyThatIsRevokedTakesItBackToOneCall) {
  StartWithAKeyThatWorks();
  llm_->SetKeys({"sk-new"});
  std::vector<uint64_t> leases;
  for (const char* id : {"2504.00002", "2504.00003"}) leases.push_back(aggregator_.HandOut({id}));
  for (const uint64_t lease : leases) {
    EXPECT_EQ(ResultOf(lease).failure().kind(), ProviderFailure::HARD);
  }
  ASSERT_TRUE(UntilFree(1));
  EXPECT_NE(scorer_->trouble().find("Incorrect API key"), std::string::npos) << scorer_->trouble();
  llm_->SetKeys({"sk-right"});
  EXPECT_EQ(Score({"2504.00004"}).papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(scorer_->trouble(), "");
  EXPECT_TRUE(UntilFree(4));
}

TEST_F(ScorerTest, AnAnswerThatWasUnderWayIsNoNewsOfARevokedKey) {
  StartWithAKeyThatWorks();
  const uint64_t under_way = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(Until([&] { return llm_->account().calls == 2; }));
  llm_->SetKeys({"sk-new"});
  EXPECT_EQ(ResultOf(aggregator_.HandOut({"2504.00003"})).failure().kind(), ProviderFailure::HARD);
  EXPECT_EQ(ResultOf(under_way).papers(0).kind(), PaperResult::SCORE);
  EXPECT_NE(scorer_->trouble().find("Incorrect API key"), std::string::npos) << scorer_->trouble();
  EXPECT_TRUE(UntilFree(1));
}

TEST_F(ScorerTest, OnlyARefusalForGoodGivesBackWhatWaits) {
  StartProvider();
  settings_.server.timeout = 2s;
  settings_.concurrency = 4;
  StartScorer();
  Score({"2504.00001"});
  // One call hangs, another is refused for good; a third waits to find out whether it still is.
  llm_->SetFaults("hang@2504.00002,401@2504.00003");
  const uint64_t hangs = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1; }));
  EXPECT_EQ(Score({"2504.00003"}).failure().kind(), ProviderFailure::HARD);
  const uint64_t waits = aggregator_.HandOut({"2504.00004"});
  EXPECT_EQ(ResultOf(hangs).failure().kind(), ProviderFailure::TRANSIENT);
  const wire::Result& result = ResultOf(waits);
  ASSERT_EQ(result.papers_size(), 1) << result.failure().message();
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
}

TEST_F(ScorerTest, ARefusedRequestSaysNothingAboutLatency) {
  StartProvider({.faults = "content_filter#1"});
  StartScorer();
  const wire::Result& refused = Score({"2504.00001"});
  ASSERT_EQ(refused.papers_size(), 1);
  EXPECT_EQ(refused.papers(0).kind(), PaperResult::REFUSED);
  const size_t readies = aggregator_.readies;
  ASSERT_TRUE(Until([&] { return aggregator_.readies > readies + 1; }));
  EXPECT_EQ(aggregator_.ready->latency_ms(), 0u);
  Score({"2504.00002"});
  EXPECT_TRUE(Until([&] { return aggregator_.ready->latency_ms() > 0; }));
}

TEST_F(ScorerTest, ACallLargerThanTheQuotaOfAWindowIsNotMade) {
  StartProvider();
  // Room for the call about one paper, not for that about forty.
  const auto tokens_of = [](size_t papers) { return MaxTokensSent({}, {.papers = papers}); };
  const int64_t quota = tokens_of(1) + 1'000;
  ASSERT_GT(tokens_of(40), quota);
  settings_.limits = {.tpm = 60 * quota, .window = 1s};
  StartScorer();
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) ids.push_back("2504." + std::to_string(10'000 + i));
  const wire::Result& many = Score(ids);
  EXPECT_EQ(many.failure().kind(), ProviderFailure::NONE) << many.failure().message();
  ASSERT_EQ(many.papers_size(), 40);
  for (const PaperResult& row : many.papers()) {
    EXPECT_EQ(row.kind(), PaperResult::MISSING);
    EXPECT_NE(row.why().find("the quota in force"), std::string::npos) << row.why();
  }
  EXPECT_EQ(llm_->account().calls, 0u);
  const wire::Result& one = Score({ids[0]});
  ASSERT_EQ(one.papers_size(), 1) << one.failure().message();
  EXPECT_EQ(one.papers(0).kind(), PaperResult::SCORE);
}

TEST_F(ScorerTest, APaperThatIsTooLongForTheQuotaStopsNoOther) {
  StartProvider();
  settings_.limits = {.tpm = 60 * (MaxTokensSent({}, {.papers = 1}) + 1'000), .window = 1s};
  StartScorer();
  aggregator_.abstract = std::string(8'000, 'x');
  const wire::Result& result = Score({"2504.00001"});
  EXPECT_EQ(result.failure().kind(), ProviderFailure::NONE) << result.failure().message();
  ASSERT_EQ(result.papers_size(), 1);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::REFUSED);
  EXPECT_NE(result.papers(0).why().find("about one paper takes up to"), std::string::npos)
      << result.papers(0).why();
  EXPECT_EQ(llm_->account().calls, 0u);
}

TEST_F(ScorerTest, APromptThatIsTooLongForTheQuotaSaysWhatToDo) {
  StartProvider();
  settings_.limits = {.tpm = 10};
  StartScorer();
  const wire::Result& result = Score({"2504.00001"});
  EXPECT_EQ(result.failure().kind(), ProviderFailure::HARD);
  for (const char* name : {"--tpm", "the prompt alone"}) {
    EXPECT_NE(result.failure().message().find(name), std::string::npos)
        << result.failure().message();
  }
  EXPECT_EQ(result.papers_size(), 0);
  EXPECT_EQ(llm_->account().calls, 0u);
}

TEST_F(ScorerTest, AnAnswerIsPaidForOnce) {
  StartProvider();
  StartScorer();
  const wire::Result first = Score({"2504.00001", "2504.00002"});
  const wire::Result again = Score({"2504.00001", "2504.00002"});
  EXPECT_EQ(llm_->account().calls, 1u);
  ASSERT_EQ(again.papers_size(), 2);
  EXPECT_EQ(again.papers(0).SerializeAsString(), first.papers(0).SerializeAsString());
  ASSERT_EQ(again.calls_size(), 1);
  EXPECT_EQ(again.calls(0).SerializeAsString(), first.calls(0).SerializeAsString());
  const wire::Result more = Score({"2504.00002", "2504.00003"});
  EXPECT_EQ(more.papers_size(), 2);
  EXPECT_EQ(more.calls_size(), 2);
  EXPECT_EQ(llm_->account().sent.at("2504.00002"), 1u);
}

TEST_F(ScorerTest, NamesWhatTheAnswerLacks) {
  StartProvider({.faults = "omit@2504.00002"});
  StartScorer();
  const wire::Result& result = Score({"2504.00001", "2504.00002"});
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(result.papers(1).kind(), PaperResult::MISSING);
  EXPECT_EQ(result.papers(1).why(), "not in the answer");
  llm_->SetFaults("");
  EXPECT_EQ(Score({"2504.00002"}).papers(0).kind(), PaperResult::SCORE) << "not cached";
}

TEST_F(ScorerTest, KeepsAResultUntilItIsAcknowledged) {
  StartProvider();
  StartScorer();
  aggregator_.acknowledges = false;
  const uint64_t lease = aggregator_.HandOut({"2504.00001"});
  ResultOf(lease);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->holding_size() == 1; }));
  EXPECT_EQ(aggregator_.ready->holding(0), lease);
  // A new start of the aggregator gets it at once.
  aggregator_.boot = 2;
  const MonotonicTime begin = loop_.now();
  ASSERT_TRUE(Until([&] { return aggregator_.times[lease] == 2; }));
  EXPECT_LT(loop_.now() - begin, kResendAfter);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->seen() == 0; }));
  // And without an acknowledgement once more.
  ASSERT_TRUE(Until([&] { return aggregator_.times[lease] == 3; }));
  aggregator_.acknowledges = true;
  ASSERT_TRUE(Until([&] { return aggregator_.ready->holding_size() == 0; }));
}

TEST_F(ScorerTest, AResultOutlastsAnyNumberOfStartsOfTheAggregator) {
  StartProvider();
  StartScorer();
  aggregator_.acknowledges = false;
  const uint64_t lease = aggregator_.HandOut({"2504.00001"});
  ResultOf(lease);
  constexpr int kStarts = 300;
  for (int i = 0; i < kStarts; ++i) {
    ++aggregator_.boot;
    const int before = aggregator_.times[lease];
    aggregator_.Beat();
    ASSERT_TRUE(Until([&] { return aggregator_.times[lease] > before; })) << "start " << i;
  }
  EXPECT_EQ(link_->unacknowledged(), 1u);
  aggregator_.acknowledges = true;
  ASSERT_TRUE(Until([&] { return link_->unacknowledged() == 0; }));
}

TEST_F(ScorerTest, ARateLimitPausesTheNextCall) {
  StartProvider({.faults = "429#1"});
  StartScorer();
  const wire::Result& refused = Score({"2504.00001"});
  EXPECT_EQ(refused.failure().kind(), ProviderFailure::RATE_LIMITED);
  EXPECT_EQ(refused.papers_size(), 0);
  EXPECT_EQ(refused.calls(0).outcome(), "rate_limited");
  const MonotonicTime begin = loop_.now();
  EXPECT_EQ(Score({"2504.00001"}).failure().kind(), ProviderFailure::NONE);
  EXPECT_GT(loop_.now() - begin, 900ms) << "retry-after: 1";
}

TEST_F(ScorerTest, AProviderThatFailsCountsForNoPaper) {
  StartProvider({.faults = "500#1"});
  StartScorer();
  const wire::Result& result = Score({"2504.00001"});
  EXPECT_EQ(result.failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_EQ(result.papers_size(), 0);
  EXPECT_EQ(result.calls_size(), 1);
}

TEST_F(ScorerTest, AServerWithoutSchemasIsAskedForPlainText) {
  StartProvider({.faults = "refuse_schema"});
  StartScorer();
  EXPECT_EQ(Score({"2504.00001"}).failure().kind(), ProviderFailure::AGAIN);
  const wire::Result& result = Score({"2504.00001"});
  ASSERT_EQ(result.papers_size(), 1) << result.failure().message();
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(llm_->account().formats.at("text"), 1u);
}

TEST_F(ScorerTest, ARefusedKeyIsHardForEverybodyWhoWaits) {
  settings_.server.key = "sk-wrong-1234567890";
  StartProvider({.keys = {"sk-right"}, .latency = 100ms});
  StartScorer();
  std::vector<uint64_t> leases;
  for (const char* id : {"2504.00001", "2504.00002"}) leases.push_back(aggregator_.HandOut({id}));
  for (const uint64_t lease : leases) {
    const wire::Result& result = ResultOf(lease);
    EXPECT_EQ(result.failure().kind(), ProviderFailure::HARD);
    EXPECT_EQ(result.failure().message().find("1234567890"), std::string::npos);
  }
  EXPECT_EQ(llm_->account().bad_key, 1u);
}

TEST_F(ScorerTest, DropsTitles) {
  StartProvider({.scores = LlmScores({{"2504.00001", {8, 7, ""}}})});
  StartScorer();
  const wire::Result& result =
      ResultOf(aggregator_.HandOut({"2504.00001", "2504.00002"}, "openai", wire::STAGE_TITLE));
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::KEEP);
  EXPECT_EQ(result.papers(1).kind(), PaperResult::DROP);
}

TEST_F(ScorerTest, LeavesWithNothingLost) {
  StartProvider({.latency = 1s});
  settings_.concurrency = 2;
  StartScorer();
  const uint64_t in_flight = aggregator_.HandOut({"2504.00001"});
  const uint64_t waiting = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1; }));
  aggregator_.acknowledges = false;
  scorer_->Leave();
  EXPECT_EQ(ResultOf(waiting).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(ResultOf(in_flight).papers(0).kind(), PaperResult::SCORE);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->leaving(); }));
  EXPECT_EQ(aggregator_.ready->free_calls(), 0u);
  EXPECT_FALSE(loop_.stopped()) << "not before all is acknowledged";
  aggregator_.acknowledges = true;
  loop_.RunUntil([] { return false; }, loop_.now() + kPatience);
  EXPECT_TRUE(loop_.stopped());
  EXPECT_EQ(link_->unacknowledged(), 0u);
}

TEST_F(ScorerTest, WithoutRedisNoNewCallsAndWhatIsInFlightIsDelivered) {
  StartProvider({.latency = 500ms});
  StartScorer();
  const uint64_t in_flight = aggregator_.HandOut({"2504.00001"});
  ASSERT_TRUE(Until([&] { return llm_->account().in_flight == 1; }));
  redis_server_->Kill();
  ASSERT_TRUE(Until([&] { return !redis_->ready(); }));
  const uint64_t later = aggregator_.HandOut({"2504.00002"});
  EXPECT_EQ(ResultOf(in_flight).papers(0).kind(), PaperResult::SCORE);
  ASSERT_TRUE(UntilFree(0));
  EXPECT_NE(scorer_->trouble().find("Redis"), std::string::npos);
  EXPECT_EQ(llm_->account().calls, 1u);
  redis_server_->Restart();
  EXPECT_EQ(ResultOf(later).papers(0).kind(), PaperResult::SCORE);
  EXPECT_EQ(scorer_->trouble(), "");
  EXPECT_TRUE(UntilFree(Concurrency::kFirst));
}

TEST_F(ScorerTest, AsksForNoMoreWorkWhileACallWaitsBeyondTheHorizon) {
  StartProvider();
  settings_.limits = {.rpm = 20, .window = 1s, .horizon = 200ms};
  StartScorer();
  Score({"2504.00001"});  // after the hold-off
  ASSERT_TRUE(UntilFree(Concurrency::kFirst));
  const uint64_t second = aggregator_.HandOut({"2504.00002"});
  ASSERT_TRUE(UntilFree(0));
  EXPECT_EQ(scorer_->batches(), 1u);
  ResultOf(second);
  EXPECT_TRUE(UntilFree(Concurrency::kFirst));
}

TEST_F(ScorerTest, ScoresByWordsWithoutRedisOrNetwork) {
  settings_.lexical = true;
  StartScorer();
  EXPECT_EQ(aggregator_.ready->backend(), "lexical");
  const wire::Result& result = ResultOf(aggregator_.HandOut({"2504.00001"}, "lexical"));
  ASSERT_EQ(result.papers_size(), 1);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::SCORE);
  EXPECT_GE(result.papers(0).relevance(), 1u);
  EXPECT_EQ(result.papers(0).call(), "");
  EXPECT_EQ(result.calls_size(), 0);
  EXPECT_EQ(ResultOf(aggregator_.HandOut({"2504.00002"}, "openai")).failure().kind(),
            ProviderFailure::HARD);
}

TEST_F(ScorerTest, ABatchBeyondItsCreditGoesBack) {
  StartProvider({.latency = 300ms});
  settings_.concurrency = 1;
  StartScorer();
  const uint64_t first = aggregator_.HandOut({"2504.00001"});
  EXPECT_EQ(ResultOf(aggregator_.HandOut({"2504.00002"})).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(ResultOf(first).papers(0).kind(), PaperResult::SCORE);
}

TEST_F(ScorerTest, AnAggregatorOfAnotherVersionIsLeftAlone) {
  StartProvider();
  StartScorer();
  aggregator_.refuses_version = true;
  ASSERT_TRUE(Until([&] { return !scorer_->trouble().empty(); }));
  EXPECT_NE(scorer_->trouble().find("version"), std::string::npos) << scorer_->trouble();
  const size_t readies = aggregator_.readies;
  const MonotonicTime begin = loop_.now();
  aggregator_.refuses_version = false;
  ASSERT_TRUE(Until([&] { return aggregator_.readies > readies; }));
  EXPECT_GT(loop_.now() - begin, kFirstVersionWait - 2 * kBeat);
  EXPECT_TRUE(Until([&] { return scorer_->trouble().empty(); }));
}

TEST_F(ScorerTest, ACallThatCouldCostMoreThanIsReservedIsNotMade) {
  StartProvider();
  StartScorer();
  aggregator_.max_answer_tokens = 10;
  const auto& result = Score({"2504.00001"});
  EXPECT_EQ(result.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(result.calls_size(), 0);
  aggregator_.max_answer_tokens = 1'000;
  const auto& second = Score({"2504.00001"});
  ASSERT_EQ(second.calls_size(), 1);
  EXPECT_EQ(second.calls(0).lease(), second.lease());
  EXPECT_EQ(llm_->account().calls, 1u);
}

TEST_F(ScorerTest, SaysTheQuotaThatHoldsAndNotTheOneThatItWasGiven) {
  StartProvider({.quota = {.requests_per_minute = 300}});
  settings_.limits.rpm = 6'000;
  StartScorer();
  EXPECT_EQ(aggregator_.ready->rpm(), 6'000u);
  Score({"2504.00001"});
  EXPECT_TRUE(Until([&] { return aggregator_.ready->rpm() == 300; })) << aggregator_.ready->rpm();
}

// In an outage batches come again with fewer papers, which says nothing about the calls that
// the tokens allow.
TEST_F(ScorerTest, CountsWhatAnsweredCallsAreChargedAndNoOthers) {
  StartProvider({.faults = "503@2504.00004=1"});
  settings_.limits.tpm = 1'000'000;
  StartScorer();
  Score({"2504.00001", "2504.00002", "2504.00003"});
  ASSERT_TRUE(Until([&] { return aggregator_.ready->calls_per_minute() > 0; }));
  const uint32_t of_three = aggregator_.ready->calls_per_minute();
  EXPECT_TRUE(Score({"2504.00004"}).has_failure());
  const size_t readies = aggregator_.readies;
  ASSERT_TRUE(Until([&] { return aggregator_.readies > readies + 1; }));
  EXPECT_EQ(aggregator_.ready->calls_per_minute(), of_three);
  Score({"2504.00005"});
  EXPECT_TRUE(Until([&] { return aggregator_.ready->calls_per_minute() > of_three; }));
}

}  // namespace
}  // namespace paperboy
