// The scorer and the provider's batch API: what is gathered, submitted, found again,
// answered; and that nothing is submitted twice.
#include "scorer/deferred.h"

#include <gmock/gmock.h>

#include "tests/support/gate.h"
#include "tests/unit/scorer_fixture.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr DeferredPace kFast{.step = 10ms,
                             .gather = 50ms,
                             .gather_most = 500ms,
                             .first_look = 20ms,
                             .last_look = 50ms,
                             .search_again = 50ms,
                             .first_retry = 20ms,
                             .last_retry = 100ms,
                             .gone_after = 200ms,
                             .watched_for = 0ms};

class DeferredTest : public ScorerTest {
 protected:
  DeferredTest() { settings_.deferred = kFast; }

  void Begin(LlmServer::Options options = {}) {
    StartProvider(std::move(options));
    StartScorer();
  }
  // What the provider answers waits while the gate is shut.
  void BeginBehindGate(const std::string& faults) {
    StartProvider({.faults = faults});
    gate_.emplace(llm_->port());
    settings_.server.timeout = 20s;
    settings_.server.base_url = "http://127.0.0.1:" + std::to_string(gate_->port()) + "/v1";
    StartScorer();
  }
  // Hands out a batch whose upload is under way, takes it away and gives it back as one that
  // another scorer held.
  uint64_t LoseInUpload() {
    gate_->Shut(Gate::Way::kFromTarget);
    const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
    EXPECT_TRUE(Until([&] { return !llm_->account().injected.empty(); })) << "the upload";
    aggregator_.Void(lease);
    EXPECT_TRUE(Until([&] { return aggregator_.ready->deferred_free() == kMaxJobCalls; }));
    aggregator_.ResumeLast();
    EXPECT_TRUE(Until([&] { return aggregator_.ready->searching_size() == 1; }));
    gate_->Open();
    return lease;
  }
  void NeverEnds() { llm_->jobs().SetTime(1h); }
  void EndsNow() { llm_->jobs().SetTime(0ms); }
  bool UntilJobs(size_t n) {
    return Until([&] { return llm_->jobs().jobs().size() == n; });
  }
  bool UntilSubmitted() {
    return Until(
        [&] { return aggregator_.ready->deferred_state().find("batch_") != std::string::npos; });
  }
  bool Scored(uint64_t lease) {
    const auto& result = ResultOf(lease);
    return result.papers_size() > 0 &&
           std::all_of(result.papers().begin(), result.papers().end(),
                       [](const auto& paper) { return paper.kind() == PaperResult::SCORE; });
  }
  void ExpectEachSentOnce(size_t papers) {
    const auto account = llm_->account();
    EXPECT_EQ(account.sent.size(), papers);
    EXPECT_THAT(account.sent, testing::Each(Pair(testing::_, 1u)));
  }
  // A scorer in place of this one, which is gone as if killed.
  void Replace() {
    scorer_.reset();
    NewScorer();
  }

  std::optional<Gate> gate_;
};

TEST_F(DeferredTest, BatchesAreOneJobAndComeBackAsResults) {
  Begin();
  ASSERT_TRUE(aggregator_.ready->defers());
  // None while it knows nothing of Redis.
  EXPECT_TRUE(Until([&] { return aggregator_.ready->deferred_free() == kMaxJobCalls; }));
  const uint64_t first = aggregator_.HandOutDeferred({"2501.00001", "2501.00002"});
  const uint64_t second = aggregator_.HandOutDeferred({"2501.00003"});
  EXPECT_TRUE(Scored(first));
  EXPECT_TRUE(Scored(second));
  const auto jobs = llm_->jobs().jobs();
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_THAT(jobs[0].custom_ids, SizeIs(2));
  const wire::Call& call = aggregator_.results[first].calls(0);
  EXPECT_EQ(call.id(), "ledger-" + std::to_string(first));
  EXPECT_TRUE(call.deferred());
  EXPECT_TRUE(call.tokens_reported());
  EXPECT_EQ(call.lease(), first);
  EXPECT_THAT(llm_->arrivals(), IsEmpty()) << "no ordinary call was made";
  ExpectEachSentOnce(3);
}

TEST_F(DeferredTest, ItSaysWhatItHoldsAndWaitsFor) {
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilSubmitted());
  EXPECT_THAT(aggregator_.ready->holding(), Contains(lease));
  EXPECT_EQ(aggregator_.ready->deferred_free(), kMaxJobCalls - 1);
  EXPECT_EQ(aggregator_.ready->free_calls(), 1u) << "as if nothing were held";
  EXPECT_THAT(
      aggregator_.ready->deferred_state(),
      AllOf(HasSubstr("batch job batch_"), HasSubstr("of 1 call"), HasSubstr("submitted at 20")));
  EXPECT_TRUE(Scored(aggregator_.HandOut({"2501.00002"}))) << "ordinary calls go on beside it";
  EndsNow();
  EXPECT_TRUE(Scored(lease));
}

TEST_F(DeferredTest, OnlyTheOpenAiBackendHasIt) {
  for (const char* backend : {"azure", "anthropic"}) {
    EXPECT_FALSE(ProviderNamed(backend)->has_batch_api()) << backend;
  }
  settings_.server.backend = "anthropic";
  Begin();
  EXPECT_FALSE(aggregator_.ready->defers());
  EXPECT_EQ(aggregator_.ready->deferred_free(), 0u);
}

// ---- never twice -------------------------------------------------------------------

TEST_F(DeferredTest, AResumedBatchIsFoundInItsJob) {
  Begin();
  NeverEnds();
  aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  Replace();
  aggregator_.ResumeLast();
  ASSERT_TRUE(UntilSubmitted());
  EndsNow();
  EXPECT_TRUE(Scored((aggregator_.boot << 32) + 1));
  EXPECT_THAT(llm_->jobs().jobs(), SizeIs(1));
  ExpectEachSentOnce(1);
}

TEST_F(DeferredTest, AResumedBatchIsFoundAmongManyJobsOfManyPages) {
  Begin();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(Scored(lease));
  CurlClient other(loop_, 8);
  const std::string file = "file-1";
  size_t made = 0;
  for (int i = 0; i < 2 * kJobsPerPage + 5; ++i) {
    other.Start(BuildCreateJob(settings_.server, file, "other-1", "other-2"),
                [&](const Result<HttpResponse>&) { ++made; });
  }
  ASSERT_TRUE(Until([&] { return made == 2 * kJobsPerPage + 5; }));
  const auto sent = llm_->account().sent;
  redis_server_->Command("FLUSHALL");
  Replace();
  aggregator_.results.clear();
  aggregator_.ResumeLast();
  EXPECT_TRUE(Scored(lease));
  EXPECT_EQ(llm_->account().sent, sent) << "no job is made for it";
}

// Under a name that others may have held nothing is submitted.
TEST_F(DeferredTest, AResumedBatchThatWasNeverSubmittedGoesBack) {
  Begin();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"}, /*resumed=*/true);
  const wire::Result& result = ResultOf(lease);
  EXPECT_EQ(result.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(result.calls_size(), 0);
  EXPECT_THAT(llm_->jobs().jobs(), IsEmpty());
}

TEST_F(DeferredTest, WhatWasLostWhileItWasUploadedAndResumedIsInNoJob) {
  BeginBehindGate("slow@POST /v1/files");
  EXPECT_EQ(ResultOf(LoseInUpload()).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_THAT(llm_->jobs().jobs(), IsEmpty());
}

TEST_F(DeferredTest, WhatWasLostAndResumedIsNotEndedByItsUploadThatFails) {
  BeginBehindGate("401@POST /v1/files");
  const wire::Result& result = ResultOf(LoseInUpload());
  EXPECT_EQ(result.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_THAT(result.failure().message(), HasSubstr("never submitted"));
}

TEST_F(DeferredTest, NothingIsSubmittedOnHalfAList) {
  Begin({.faults = "500@GET /v1/batches"});
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"}, /*resumed=*/true);
  ASSERT_TRUE(Until([&] { return llm_->account().injected["500"] > 5; }));
  EXPECT_THAT(llm_->jobs().jobs(), IsEmpty());
  EXPECT_THAT(scorer_->trouble(), HasSubstr("the batch API"));
  EXPECT_FALSE(aggregator_.results.contains(lease));
  llm_->SetFaults("");
  EXPECT_EQ(ResultOf(lease).failure().kind(), ProviderFailure::AGAIN);
}

// As of a gateway whose server is away for a moment: it is no list, and no input.
TEST_F(DeferredTest, WhatIsSaidNotToBeThereForAMomentIsFoundLater) {
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->SetFaults("404@GET /v1/batches#5,404@GET /v1/files#5");
  Replace();
  aggregator_.ResumeLast();
  ASSERT_TRUE(Until([&] { return llm_->account().injected["404"] == 10; }));
  EXPECT_FALSE(aggregator_.results.contains(lease));
  ASSERT_TRUE(UntilSubmitted());
  EndsNow();
  EXPECT_TRUE(Scored(lease));
  ExpectEachSentOnce(1);
}

TEST_F(DeferredTest, AJobThatIsSaidNotToBeThereForAMomentIsWaitedFor) {
  settings_.deferred.gone_after = 1h;
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->SetFaults("404@GET /v1/batches/#5");
  ASSERT_TRUE(Until([&] { return llm_->account().injected["404"] == 5; }));
  EndsNow();
  EXPECT_TRUE(Scored(lease));
}

TEST_F(DeferredTest, ASearchHasAnEnd) {
  settings_.deferred.give_up_after = 0ms;
  settings_.deferred.watched_for = 500ms;
  Begin({.faults = "401@GET /v1/batches"});
  const wire::Result& result = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}, true));
  EXPECT_GT(llm_->account().injected["401"], 0u);
  EXPECT_EQ(result.failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_THAT(result.failure().message(), HasSubstr("given up"));
  ASSERT_EQ(result.calls_size(), 1);
  EXPECT_NE(result.calls(0).outcome(), "not_sent") << "what it costs is not known";
  EXPECT_TRUE(Until([&] { return scorer_->trouble().empty(); })) << "it holds nothing";
}

// The calendar may jump.
TEST_F(DeferredTest, NothingIsOverdueThatWasNotWatchedForLong) {
  settings_.deferred.cancel_after = 0ms;
  settings_.deferred.give_up_after = 0ms;
  settings_.deferred.watched_for = 1h;
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilSubmitted());
  const size_t readies = aggregator_.readies;
  ASSERT_TRUE(Until([&] { return aggregator_.readies >= readies + 3; })) << "it is looked at";
  EXPECT_NE(llm_->jobs().jobs()[0].status, "cancelled");
  EndsNow();
  EXPECT_TRUE(Scored(lease));
}

TEST_F(DeferredTest, AJobThatWasMadeWithoutAnAnswerIsLookedFor) {
  Begin({.faults = "job_lost@POST /v1/batches#1"});
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  EXPECT_TRUE(Scored(lease));
  EXPECT_THAT(llm_->jobs().jobs(), SizeIs(1));
  ExpectEachSentOnce(1);
}

TEST_F(DeferredTest, EveryRequestMayFailForAWhile) {
  Begin({.faults = "500@POST /v1/files#2,429@POST /v1/files#1,500@POST /v1/batches#1,"
                   "500@GET /v1/batches#2,502@GET /v1/files#2,drop@GET /v1/batches#1,"
                   "drop@POST /v1/files#1"});
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  EXPECT_TRUE(Scored(lease));
  ExpectEachSentOnce(1);
  EXPECT_EQ(aggregator_.times[lease], 1);
}

TEST_F(DeferredTest, WhatTheAggregatorDoesNotConfirmIsNotSubmitted) {
  Begin();
  aggregator_.deaf = true;
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  const size_t readies = aggregator_.readies;
  ASSERT_TRUE(Until([&] { return aggregator_.readies >= readies + 2; }));
  EXPECT_THAT(llm_->jobs().jobs(), IsEmpty());
  aggregator_.Void(lease);
  ASSERT_TRUE(Until([&] { return aggregator_.ready->deferred_free() == kMaxJobCalls; }));
  aggregator_.deaf = false;
  const uint64_t next = aggregator_.HandOutDeferred({"2501.00002"});
  EXPECT_TRUE(Scored(next));
  ExpectEachSentOnce(1);
  EXPECT_FALSE(aggregator_.results.contains(lease));
}

TEST_F(DeferredTest, AKeyThatIsRefusedWhileAJobRunsGivesNothingBack) {
  settings_.server.key = "good";
  Begin({.keys = {"good"}});
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->SetKeys({"another"});
  ASSERT_TRUE(Until([&] { return llm_->account().bad_key > 3; }));
  EXPECT_THAT(scorer_->trouble(), HasSubstr("key is not accepted"));
  EXPECT_FALSE(aggregator_.results.contains(lease));
  llm_->SetKeys({"good"});
  EndsNow();
  EXPECT_TRUE(Scored(lease));
  ExpectEachSentOnce(1);
}

TEST_F(DeferredTest, AStopLeavesTheJobAndHoldsNothing) {
  Begin();
  NeverEnds();
  aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilSubmitted());
  scorer_->Leave();
  link_->OnTurnEnd();
  EXPECT_TRUE(loop_.stopped());
  EXPECT_THAT(aggregator_.results, IsEmpty()) << "it was submitted: it does not go back";
  EXPECT_NE(llm_->jobs().jobs()[0].status, "cancelled");
}

// ---- what comes back ---------------------------------------------------------------

TEST_F(DeferredTest, AJobThatExpiresGivesTheRestBack) {
  Begin({.faults = "job_half@POST /v1/batches"});
  const uint64_t first = aggregator_.HandOutDeferred({"2501.00001"});
  const uint64_t second = aggregator_.HandOutDeferred({"2501.00002"});
  EXPECT_TRUE(Scored(first));
  const wire::Result& rest = ResultOf(second);
  EXPECT_EQ(rest.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_THAT(rest.failure().message(), HasSubstr("expired"));
  EXPECT_EQ(rest.calls(0).outcome(), "not_sent") << "it costs nothing";
  EXPECT_EQ(rest.papers_size(), 0);
}

TEST_F(DeferredTest, AJobThatIsCancelledElsewhereGivesAllBack) {
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->jobs().CancelAll();
  EXPECT_EQ(ResultOf(lease).failure().kind(), ProviderFailure::AGAIN);
}

TEST_F(DeferredTest, OfACancelledJobCountsWhatWasAnswered) {
  Begin();
  NeverEnds();
  const uint64_t first = aggregator_.HandOutDeferred({"2501.00001"});
  const uint64_t second = aggregator_.HandOutDeferred({"2501.00002"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->jobs().CancelAll(/*answered=*/1);
  EXPECT_TRUE(Scored(first));
  EXPECT_EQ(ResultOf(second).failure().kind(), ProviderFailure::AGAIN);
  EXPECT_EQ(ResultOf(second).calls(0).outcome(), "not_sent");
}

TEST_F(DeferredTest, AJobThatIsOverdueIsCancelled) {
  settings_.deferred.cancel_after = 0ms;
  Begin();
  NeverEnds();
  const wire::Result& result = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(result.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_THAT(result.failure().message(), HasSubstr("cancelled"));
  EXPECT_EQ(llm_->jobs().jobs()[0].status, "cancelled");
}

TEST_F(DeferredTest, AJobThatDoesNotEndEvenSoIsGivenUp) {
  settings_.deferred.cancel_after = 0ms;
  settings_.deferred.give_up_after = 2s;
  Begin({.faults = "500@/cancel"});
  NeverEnds();
  const wire::Result& result = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(result.failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_THAT(result.failure().message(), HasSubstr("given up because it did not end"));
  EXPECT_NE(result.calls(0).outcome(), "not_sent") << "what it costs is not known";
  EXPECT_GT(llm_->account().injected["500"], 0u);
}

TEST_F(DeferredTest, AJobThatNobodyMayLookAtIsGivenUpInTheEnd) {
  settings_.deferred.give_up_after = 0ms;
  settings_.deferred.watched_for = 2s;
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->SetFaults("401@GET /v1/batches/");
  EXPECT_EQ(ResultOf(lease).failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_THAT(ResultOf(lease).failure().message(), HasSubstr("cannot be looked at"));
  EXPECT_NE(ResultOf(lease).calls(0).outcome(), "not_sent");
}

TEST_F(DeferredTest, AJobThatIsRefusedIsAHardFailure) {
  Begin({.faults = "job_fails@POST /v1/batches"});
  const uint64_t first = aggregator_.HandOutDeferred({"2501.00001"});
  const uint64_t second = aggregator_.HandOutDeferred({"2501.00002"});
  for (const uint64_t lease : {first, second}) {
    EXPECT_EQ(ResultOf(lease).failure().kind(), ProviderFailure::HARD);
    EXPECT_THAT(ResultOf(lease).failure().message(), HasSubstr("not supported by the Batch API"));
  }
  EXPECT_THAT(llm_->jobs().jobs(), SizeIs(1));
  EXPECT_THAT(scorer_->trouble(), IsEmpty()) << "it can do everything else";
}

TEST_F(DeferredTest, NoErrorOfAJobShowsTheKey) {
  settings_.server.key = "good";
  Begin({.keys = {"good"}, .faults = "job_fails@POST /v1/batches#1"});
  llm_->jobs().SetErrors("the key good is not for sk-abc123");
  const std::string refused =
      ResultOf(aggregator_.HandOutDeferred({"2501.00001"})).failure().message();
  EXPECT_THAT(refused, HasSubstr("the key [key] is not for [key]"));
  llm_->SetFaults("job_half@POST /v1/batches");
  const std::string expired =
      ResultOf(aggregator_.HandOutDeferred({"2501.00002"})).failure().message();
  EXPECT_THAT(expired, HasSubstr("the key [key] is not for [key]"));
}

TEST_F(DeferredTest, AServerWithoutBatchApiOrAKeyThatIsRefusedIsAHardFailure) {
  Begin({.faults = "404@POST /v1/files#1,401@POST /v1/files#1"});
  const wire::Result none = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(none.failure().kind(), ProviderFailure::HARD);
  EXPECT_THAT(none.failure().message(), HasSubstr("the server has no batch API"));
  const wire::Result key = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(key.failure().kind(), ProviderFailure::HARD);
  EXPECT_THAT(key.failure().message(), HasSubstr("key is not accepted"));
  EXPECT_THAT(llm_->account().sent, IsEmpty());
}

// One server's word that it has no batch API is not the word that nothing was submitted.
TEST_F(DeferredTest, WithoutBatchApiAResumedBatchWaitsAndSaysSo) {
  Begin({.faults = "404@GET /v1/batches,404@POST /v1/files"});
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"}, true);
  ASSERT_TRUE(Until([&] { return llm_->account().injected["404"] > 5; }));
  EXPECT_FALSE(aggregator_.results.contains(lease));
  EXPECT_THAT(scorer_->trouble(), AllOf(HasSubstr("the batch API"), HasSubstr("404")));
}

TEST_F(DeferredTest, AFullQueueIsWaitedForWithSmallerJobs) {
  settings_.deferred.last_look = 20ms;
  Begin({.faults = "job_crowded@POST /v1/batches#2"});
  std::vector<uint64_t> leases;
  for (int i = 0; i < 8; ++i) {
    leases.push_back(aggregator_.HandOutDeferred({"2501.0000" + std::to_string(i)}));
  }
  for (const uint64_t lease : leases) EXPECT_TRUE(Scored(lease));
  const auto jobs = llm_->jobs().jobs();
  ASSERT_GE(jobs.size(), 4u);
  EXPECT_THAT(jobs[0].custom_ids, SizeIs(8));
  EXPECT_THAT(jobs[1].custom_ids, SizeIs(4));
  EXPECT_THAT(jobs[2].custom_ids, SizeIs(2));
  ExpectEachSentOnce(8);
}

TEST_F(DeferredTest, AFullQueueIsNoTrouble) {
  settings_.deferred.last_look = 20ms;
  Begin({.faults = "job_crowded@POST /v1/batches"});
  aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(3));
  EXPECT_THAT(scorer_->trouble(), IsEmpty());
}

TEST_F(DeferredTest, ACallForWhichThereIsNeverRoomIsRefused) {
  settings_.deferred.last_look = 20ms;
  settings_.deferred.give_up_after = 0ms;
  settings_.deferred.watched_for = 3s;
  Begin({.faults = "job_crowded@POST /v1/batches"});
  const wire::Result& result = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_GT(llm_->jobs().jobs().size(), 1u);
  EXPECT_EQ(result.failure().kind(), ProviderFailure::HARD);
  EXPECT_THAT(result.failure().message(), HasSubstr("Enqueued token limit"));
}

TEST_F(DeferredTest, AJobThatLacksAnswersCostsAnUnknownAmount) {
  Begin({.faults = "job_empty@POST /v1/batches#1"});
  const wire::Result& result = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(result.failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_EQ(result.calls(0).http_status(), 0u);
  EXPECT_NE(result.calls(0).outcome(), "not_sent");
}

TEST_F(DeferredTest, AJobWhoseFilesAreGoneIsGivenUp) {
  Begin();
  NeverEnds();
  const uint64_t lease = aggregator_.HandOutDeferred({"2501.00001"});
  ASSERT_TRUE(UntilJobs(1));
  llm_->jobs().DeleteFiles();
  EndsNow();
  EXPECT_EQ(ResultOf(lease).failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_THAT(ResultOf(lease).failure().message(), HasSubstr("gone, has no answer"));
}

TEST_F(DeferredTest, ALineThatFailsIsWhatTheSameCallWouldBe) {
  Begin({.faults = "500@2501.00002,content_filter@2501.00003,garbage@2501.00004"});
  const uint64_t good = aggregator_.HandOutDeferred({"2501.00001"});
  const uint64_t broken = aggregator_.HandOutDeferred({"2501.00002"});
  const uint64_t refused = aggregator_.HandOutDeferred({"2501.00003"});
  const uint64_t nonsense = aggregator_.HandOutDeferred({"2501.00004"});
  EXPECT_TRUE(Scored(good));
  EXPECT_EQ(ResultOf(broken).failure().kind(), ProviderFailure::TRANSIENT);
  EXPECT_EQ(ResultOf(refused).papers(0).kind(), PaperResult::REFUSED);
  EXPECT_EQ(ResultOf(nonsense).papers(0).kind(), PaperResult::MISSING);
}

TEST_F(DeferredTest, WhatAModelDoesNotTakeIsLearntFromALine) {
  Begin({.faults = "refuse_schema"});
  const wire::Result& first = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(first.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_TRUE(Scored(aggregator_.HandOutDeferred({"2501.00001"})));
}

// They go into URLs and logs.
TEST(JobApi, IdsAndStatesAreWords) {
  EXPECT_TRUE(ReadJob(R"({"id": "batch_1", "status": "in_progress"})").has_value());
  EXPECT_FALSE(ReadJob(R"({"id": "batch 1\nGET /", "status": "in_progress"})").has_value());
  EXPECT_FALSE(ReadJob(R"({"id": "batch_1", "status": "in\u001bprogress"})").has_value());
  EXPECT_FALSE(ReadJob(R"({"id": ")" + std::string(1'000, 'a') + R"(", "status": "failed"})"));
}

// ---- the cache ---------------------------------------------------------------------

TEST_F(DeferredTest, WhatIsCachedIsNotSubmitted) {
  Begin();
  ASSERT_TRUE(Scored(aggregator_.HandOutDeferred({"2501.00001"})));
  const uint64_t again = aggregator_.HandOutDeferred({"2501.00001"});
  EXPECT_TRUE(Scored(again));
  EXPECT_TRUE(aggregator_.results[again].calls(0).deferred()) << "at the price that it had";
  const wire::Result& part = ResultOf(aggregator_.HandOutDeferred({"2501.00001", "2501.00002"}));
  EXPECT_EQ(part.papers_size(), 1);
  EXPECT_EQ(part.failure().kind(), ProviderFailure::AGAIN)
      << "the rest comes in a batch of its own";
  EXPECT_THAT(llm_->jobs().jobs(), SizeIs(1));
}

TEST_F(DeferredTest, AReasoningModelNeedsMoreMoneyReserved) {
  Begin();
  aggregator_.max_answer_tokens = 100;
  const wire::Result& result = ResultOf(aggregator_.HandOutDeferred({"2501.00001"}));
  EXPECT_EQ(result.failure().kind(), ProviderFailure::AGAIN);
  EXPECT_THAT(result.failure().message(), HasSubstr("more money"));
  EXPECT_THAT(llm_->jobs().jobs(), IsEmpty());
  aggregator_.max_answer_tokens = 20'000;
  EXPECT_TRUE(Scored(aggregator_.HandOutDeferred({"2501.00001"})));
}

}  // namespace
}  // namespace paperboy
