// Batches for the provider's batch API: which they are, that they outlive scorers and
// restarts, and what they cost.
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DispatchDeferredTest : public LedgerTest {
 protected:
  DispatchDeferredTest() {
    profile.set_batch_api(true);
    remedial = true;
    deferred_free = 100;
  }
  void Begin(int papers) {
    digest = Deliver("2025-01-02", Papers(papers));
    PassAdoption();
  }
  // One batch that scorer 1 holds.
  wire::Batch HandOutOne() {
    Begin(4);
    Ready(1, 0);
    const auto out = HandOut();
    EXPECT_THAT(out, SizeIs(1));
    return out.at(0);
  }
  // What is out comes again as it was, to be asked for at the provider.
  void ExpectResumed(const wire::Batch& batch) {
    const auto out = HandOut();
    ASSERT_THAT(out, SizeIs(1));
    EXPECT_TRUE(out[0].resumed());
    wire::Batch same = out[0];
    same.set_resumed(false);
    same.set_heard(batch.heard());
    EXPECT_EQ(same.SerializeAsString(), batch.SerializeAsString());
  }
  wire::Result DeferredScores(const wire::Batch& batch) {
    auto result = Scores(batch);
    result.mutable_calls(0)->set_deferred(true);
    return result;
  }
  Dispatch::Wait Wait() { return dispatch.WaitingFor(*FindDigest(store->db(), digest.id), now); }
  std::string Waiting() { return Wait().what; }

  Digest digest;
};

TEST_F(DispatchDeferredTest, ARebuiltDayTakesNoFreeCallAndFullBatches) {
  concurrency = 8;
  Begin(10);
  Ready(1, 0);
  const auto out = HandOut();
  ASSERT_THAT(out, SizeIs(3)) << "4, 4 and 2: as few calls as can be";
  std::set<std::string> names;
  for (const auto& batch : out) {
    EXPECT_FALSE(batch.resumed());
    EXPECT_EQ(batch.account_key(), "account");
    EXPECT_EQ(batch.handed_out(), now.unix_seconds);
    names.insert(batch.custom_id());
    EXPECT_LE(batch.custom_id().size(), 64u) << "the most that the API takes";
  }
  EXPECT_THAT(names, SizeIs(3));
}

TEST_F(DispatchDeferredTest, NoMoreThanAScorerTakes) {
  deferred_free = 2;
  Begin(20);
  Ready(1, 8);
  EXPECT_THAT(HandOut(), SizeIs(2));
}

TEST_F(DispatchDeferredTest, TodaysPageAndOtherProfilesAreOrdinary) {
  remedial = false;
  Begin(4);
  Ready(1, 8);
  auto out = HandOut();
  ASSERT_FALSE(out.empty());
  EXPECT_EQ(out[0].custom_id(), "");
  remedial = true;
  profile.set_batch_api(false);
  profile.set_name("another");
  profile.set_prompt("Another.\n\n[PAPER LIST HERE]");
  Deliver("2025-01-02", Papers(4));
  out = HandOut();
  ASSERT_FALSE(out.empty());
  EXPECT_EQ(out[0].custom_id(), "");
}

TEST_F(DispatchDeferredTest, WordsAloneNeedNoBatchApi) {
  profile.set_model("lexical");
  deferred_free.reset();
  Begin(4);
  Ready(1, 4, {}, 0, "lexical");
  const auto out = HandOut();
  ASSERT_FALSE(out.empty());
  EXPECT_EQ(out[0].custom_id(), "");
}

TEST_F(DispatchDeferredTest, WithoutABatchApiNothingIsPaidInFull) {
  deferred_free.reset();
  Begin(4);
  Ready(1, 8);
  EXPECT_THAT(HandOut(), IsEmpty());
  EXPECT_THAT(Waiting(), AllOf(HasSubstr("batch API"), HasSubstr("batch_api")));
}

// ---- outliving ---------------------------------------------------------------------

TEST_F(DispatchDeferredTest, ABatchThatWasStoredWithoutATraceHasOneWhenItIsResumed) {
  const auto batch = HandOutOne();
  ASSERT_EQ(batch.trace(), TraceOf(digest));
  wire::Batch older = batch;
  older.clear_trace();
  store->db().Exec("UPDATE lease SET deferred = ?", Blob{older.SerializeAsString()});
  Pass(std::chrono::seconds(20));
  Ready(2, 8);
  ExpectResumed(batch);
}

TEST_F(DispatchDeferredTest, ABatchOutlivesItsScorer) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  EXPECT_EQ(dispatch.scorers(), 0u);
  Ready(2, 8);
  ExpectResumed(batch);
  EXPECT_THAT(HandOut(), IsEmpty()) << "once";
  EXPECT_EQ(Count("SELECT sum(deaths) FROM work"), 0) << "no paper is blamed";
  Answer(DeferredScores(batch), 2);
  HandOut();
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(Count("SELECT count(*) FROM lease"), 0);
}

TEST_F(DispatchDeferredTest, ABatchOutlivesTheAggregator) {
  const auto batch = HandOutOne();
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  PassAdoption();
  Ready(2, 8);
  EXPECT_THAT(HandOut(), IsEmpty()) << "its scorer may be about to say that it holds it";
  for (int i = 0; i < 8; ++i) {
    Pass(std::chrono::seconds(1));
    Ready(2, 8);
  }
  ExpectResumed(batch);
}

TEST_F(DispatchDeferredTest, AScorerThatHoldsItKeepsIt) {
  const auto batch = HandOutOne();
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  Ready(1, 8, {batch.lease()});
  for (int i = 0; i < 12; ++i) {
    Pass(std::chrono::seconds(1));
    Ready(1, 8, {batch.lease()});
    Ready(2, 8);
    EXPECT_THAT(HandOut(), IsEmpty());
  }
  EXPECT_THAT(Waiting(), AllOf(HasSubstr("the provider's batch API"), HasSubstr("batch_1")));
  EXPECT_TRUE(Wait().usual);
}

TEST_F(DispatchDeferredTest, ItComesBackToTheScorerThatWasTakenForDead) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  Ready(1, 8, {batch.lease()}, batch.lease());
  EXPECT_THAT(HandOut(), IsEmpty()) << "it is there and still has it";
  EXPECT_EQ(dispatch.leases(), 1u);
}

TEST_F(DispatchDeferredTest, WhoeverLosesItIsToldSo) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  Ready(2, 8);
  ExpectResumed(batch);
  Ready(1, 8, {batch.lease()}, batch.lease());
  dispatch.HandOut(now);
  const auto frames = dispatch.TakeFrames();
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].peer, "peer-1");
  ASSERT_TRUE(frames[0].reply.has_void_leases());
  EXPECT_EQ(frames[0].reply.void_leases().leases(0), batch.lease());
}

// Its papers are out under another name by then.
TEST_F(DispatchDeferredTest, WhoComesBackAfterOthersGaveItBackIsToldSo) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  Ready(2, 8);
  ExpectResumed(batch);
  Answer(Failure(batch, wire::ProviderFailure::AGAIN, "it was never submitted"), 2);
  dispatch.TakeFrames();
  Ready(1, 8, {batch.lease()});
  const auto frames = dispatch.TakeFrames();
  ASSERT_THAT(frames, SizeIs(1));
  ASSERT_TRUE(frames[0].reply.has_void_leases());
  EXPECT_EQ(frames[0].reply.void_leases().leases(0), batch.lease());
  EXPECT_EQ(dispatch.leases(), 0u);
}

TEST_F(DispatchDeferredTest, AResumedBatchIsOnItsWayUntilItIsOverdue) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  Ready(2, 8, {}, UINT64_MAX);
  ExpectResumed(batch);
  // Its number is lower than what the scorer has seen: that says nothing.
  Ready(2, 8, {}, UINT64_MAX);
  EXPECT_THAT(HandOut(), IsEmpty());
  for (int i = 0; i < 12; ++i) {
    Pass(std::chrono::seconds(1));
    Ready(2, 8, {}, UINT64_MAX);
  }
  ExpectResumed(batch);
}

TEST_F(DispatchDeferredTest, AScorerThatLeavesGivesItToTheNext) {
  const auto batch = HandOutOne();
  wire::Ready goodbye;
  goodbye.set_boot(1);
  goodbye.set_leaving(true);
  goodbye.set_number(1'000);
  goodbye.set_seen(batch.lease());
  dispatch.OnReady("peer-1", goodbye, now);
  Ready(2, 8);
  ExpectResumed(batch);
}

TEST_F(DispatchDeferredTest, ALateResultCounts) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  Answer(DeferredScores(batch));
  HandOut();
  EXPECT_EQ(StateOf(digest), "complete");
  Ready(2, 8);
  EXPECT_THAT(HandOut(), IsEmpty());
}

TEST_F(DispatchDeferredTest, OnlyWhoSeesItsJobGetsIt) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  account = "another";
  Ready(2, 8);
  EXPECT_THAT(HandOut(), IsEmpty());
  EXPECT_THAT(Waiting(), HasSubstr("a scorer with the key and URL"));
  EXPECT_FALSE(Wait().usual);
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-03", now), 0u);
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 1u);
  const auto out = HandOut();
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_NE(out[0].custom_id(), batch.custom_id());
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 1 AND deferred IS NULL"), 1);
}

// Whose quota it is depends on the model, and what its jobs are does not.
TEST_F(DispatchDeferredTest, AScorerWithAnotherModelSeesItToo) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  quota = "another";
  Ready(2, 8, {}, 0, "gpt-4o-mini");
  ExpectResumed(batch);
  EXPECT_THAT(Waiting(), HasSubstr("batch_1")) << "what it asked is under way";
}

TEST_F(DispatchDeferredTest, WhatIsLookedForInVainIsGivenUpAfterADay) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  Ready(2, 8);
  ExpectResumed(batch);
  const auto search = [&](std::chrono::seconds time) {
    searching = {batch.lease()};
    for (const auto end = now.mono + time; now.mono < end;) {
      Pass(std::chrono::seconds(5));
      Ready(2, 8, {batch.lease()});
    }
  };
  search(kJobTime - std::chrono::minutes(2));
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 0u);
  search(std::chrono::minutes(3));
  searching.clear();
  Ready(2, 8, {batch.lease()});
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 0u) << "it is in a job now";
  searching = {batch.lease()};
  Ready(2, 8, {batch.lease()});
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-03", now), 0u);
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 1u);
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 1 AND deferred IS NULL"), 1);
  const auto out = HandOut();
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_FALSE(out[0].resumed());
}

// As after a scorer was replaced: it looks for a minute.
TEST_F(DispatchDeferredTest, WhatHasJustBegunToBeLookedForIsNotGivenUp) {
  const auto batch = HandOutOne();
  Pass(kJobTime);
  searching = {batch.lease()};
  Ready(2, 8);
  ExpectResumed(batch);
  Ready(2, 8, {batch.lease()});
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 0u);
}

TEST_F(DispatchDeferredTest, WhatSomebodyCouldAskForIsNotGivenUp) {
  const auto batch = HandOutOne();
  Pass(std::chrono::seconds(20));
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 0u) << "who can may be about to come";
  deferred_free = 0;
  Ready(2, 8);
  EXPECT_EQ(dispatch.GiveUpDeferred("2025-01-02", now), 0u) << "it is here";
  deferred_free = 100;
  Ready(2, 8);
  ExpectResumed(batch);
}

// It may be in a job: what that costs is booked, and the money reserved for it set free.
TEST_F(DispatchDeferredTest, WhatNobodyAsksAboutAnyMoreIsLookedForAndBooked) {
  const auto batch = HandOutOne();
  profile.set_budget_picodollars_per_digest(
      Count("SELECT estimate_picodollars * 3 / 2 FROM lease"));
  profile.set_prompt("Another prompt.\n\n[PAPER LIST HERE]");
  Pass(std::chrono::seconds(20));
  digest = Open("2025-01-02");
  Ready(2, 8);
  ExpectResumed(batch);
  EXPECT_THAT(HandOut(), IsEmpty()) << "the money is reserved";
  EXPECT_THAT(Waiting(), HasSubstr("batch_1"));
  auto result = DeferredScores(batch);
  result.mutable_calls(0)->set_lease(batch.lease());
  Answer(result, 2);
  const auto out = HandOut();
  ASSERT_FALSE(out.empty());
  EXPECT_FALSE(out[0].resumed());
  EXPECT_NE(out[0].prompt(), batch.prompt());
  EXPECT_EQ(Count("SELECT count(*) FROM call"), 1);
}

TEST_F(DispatchDeferredTest, WhatWasNeverSubmittedIsHandedOutAnewOnlyIfItIsWanted) {
  const auto first = HandOutOne();
  Pass(std::chrono::seconds(20));
  Ready(2, 8);
  ExpectResumed(first);
  Answer(Failure(first, wire::ProviderFailure::AGAIN, "it was never submitted"), 2);
  const auto again = HandOut();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].prompt(), first.prompt());
  EXPECT_NE(again[0].custom_id(), first.custom_id());
  EXPECT_FALSE(again[0].resumed());
  Pass(std::chrono::seconds(20));
  profile.set_prompt("Another prompt.\n\n[PAPER LIST HERE]");
  Open("2025-01-02");
  Ready(3, 8);
  EXPECT_THAT(HandOut(), SizeIs(2)) << "looked for, and asked with the new prompt";
  Answer(Failure(again[0], wire::ProviderFailure::AGAIN, "it was never submitted"), 3);
  EXPECT_THAT(HandOut(), IsEmpty());
  EXPECT_EQ(Count("SELECT count(*) FROM lease"), 1);
}

TEST_F(DispatchDeferredTest, WhoHeldItBeforeCannotEndItWithoutACall) {
  const auto batch = HandOutOne();
  const auto refused = Failure(batch, wire::ProviderFailure::HARD, "the key is not accepted");
  Pass(std::chrono::seconds(20));
  Answer(refused);
  Ready(2, 8);
  ExpectResumed(batch);
  Answer(refused);
  EXPECT_EQ(dispatch.leases(), 1u);
  EXPECT_THAT(HandOut(), IsEmpty());
  Answer(DeferredScores(batch), 2);
  HandOut();
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(Count("SELECT count(*) FROM lease"), 0);
}

// ---- bounds --------------------------------------------------------------------------

TEST_F(DispatchDeferredTest, ATurnHandsOutAFewAndTheNextGoesOn) {
  deferred_free = 1'000;
  Begin(4 * 100);
  Ready(1, 0);
  EXPECT_THAT(HandOut(), SizeIs(kDeferredAtOnce));
  EXPECT_THAT(HandOut(), SizeIs(100 - kDeferredAtOnce));
  Pass(std::chrono::seconds(20));
  Ready(2, 0);
  EXPECT_THAT(HandOut(), SizeIs(kDeferredAtOnce));
  EXPECT_THAT(HandOut(), SizeIs(100 - kDeferredAtOnce));
  EXPECT_EQ(Count("SELECT count(*) FROM lease"), 100);
}

TEST_F(DispatchDeferredTest, NoMoreAreOutInAllThanTheLimit) {
  profile.set_batch_size(1);
  deferred_free = 1'000'000;
  digest = Open("2025-01-02");
  const size_t papers = kMostDeferred + 10;
  std::vector<TestPaper> message;
  for (size_t i = 0; i < papers; ++i) {
    message.push_back({"2501." + std::to_string(10'000 + i)});
    if (message.size() < kMaxRowsPerMessage && i + 1 < papers) continue;
    ASSERT_TRUE(SendRows(digest, "cs.LG", std::exchange(message, {})).ok());
  }
  ASSERT_TRUE(Seal(digest, "cs.LG", papers).ok());
  PassAdoption();
  Ready(1, 0);
  size_t out = 0;
  for (size_t n = 1; n > 0; out += n) n = HandOut().size();
  EXPECT_EQ(out, kMostDeferred);
  EXPECT_EQ(dispatch.leases(), kMostDeferred);
}

TEST_F(DispatchDeferredTest, WhatComesBackUnansweredGoesOutAnew) {
  const auto batch = HandOutOne();
  Answer(Failure(batch, wire::ProviderFailure::AGAIN, "batch job batch_1, expired"));
  const auto out = HandOut();
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_NE(out[0].custom_id(), batch.custom_id());
  EXPECT_FALSE(out[0].resumed());
}

// ---- a provider that refuses ---------------------------------------------------------

TEST_F(DispatchDeferredTest, AProviderWithoutBatchApiIsFoundOutAndOthersGoOn) {
  Begin(4);
  for (int i = 0; i < kMaxHardFailures; ++i) {
    Pass(kProbeInterval);
    Ready(1, 0);
    const auto out = HandOut();
    ASSERT_THAT(out, SizeIs(1));
    Answer(Failure(out[0], wire::ProviderFailure::HARD, "the server has no batch API"));
  }
  Pass(std::chrono::seconds(1));
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest).begin()->second, HasSubstr("the server has no batch API"));
  remedial = false;
  const Digest live = Deliver("2025-01-03", {{"2501.09999"}});
  Ready(1, 4);
  EXPECT_THAT(HandOut(), SizeIs(1)) << "ordinary calls are another matter";
  EXPECT_EQ(StateOf(live), "sealed");
}

// A job has a day. One that ends without having begun its calls tells nothing about papers.
TEST_F(DispatchDeferredTest, JobsThatAlwaysExpireEnd) {
  Begin(4);
  for (int i = 0; i < kMaxHardFailures; ++i) {
    EXPECT_EQ(StateOf(digest), "sealed");
    Pass(kJobTime);
    Ready(1, 0);
    const auto out = HandOut();
    ASSERT_THAT(out, SizeIs(1));
    auto expired = Failure(out[0], wire::ProviderFailure::AGAIN, "batch job batch_1, expired");
    AddCall(&expired);
    expired.mutable_calls(0)->set_http_status(0);
    expired.mutable_calls(0)->set_outcome("not_sent");
    expired.mutable_calls(0)->set_deferred(true);
    Answer(expired);
  }
  Pass(std::chrono::seconds(1));
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest).begin()->second, HasSubstr("expired"));
}

// ---- money -----------------------------------------------------------------------------

TEST_F(DispatchDeferredTest, ItCostsHalfAndThePageSaysSo) {
  const auto batch = HandOutOne();
  const int64_t reserved = Count("SELECT estimate_picodollars FROM lease");
  Answer(DeferredScores(batch));
  HandOut();
  ASSERT_EQ(StateOf(digest), "complete");
  const Price full = *prices.Of("gpt-4o");
  const DigestPage page = LoadPage(store->db(), digest.id);
  EXPECT_EQ(*page.prompt_cost, 1000 * full.prompt / 2);
  EXPECT_EQ(*page.completion_cost, 100 * full.completion / 2);
  EXPECT_EQ(page.deferred_calls, 1);
  EXPECT_THAT(Notes(page), testing::Contains("Through the provider's batch API, at half the "
                                             "price: 1 of 1 calls."));
  EXPECT_THAT(RenderStatusJson(page), HasSubstr("\"batch_api_calls\": 1"));
  Forecaster forecaster(store->db(), prices);
  const size_t bytes = batch.prompt().size();
  EXPECT_EQ(forecaster.Reserve("gpt-4o", wire::STAGE_ABSTRACT, bytes, 4, true).cost * 2,
            forecaster.Reserve("gpt-4o", wire::STAGE_ABSTRACT, bytes, 4, false).cost);
  EXPECT_GT(reserved, 0);
}

// It may be reserved for a day, and would be in the way of a page that is due now.
TEST_F(DispatchDeferredTest, TodaysPageDoesNotWaitForMoneyThatIsReservedForJobs) {
  Begin(4);
  Ready(1, 0);
  ASSERT_THAT(HandOut(), SizeIs(1));
  remedial = false;
  profile.set_budget_picodollars_per_day(Count("SELECT estimate_picodollars FROM lease"));
  const Digest live = Deliver("2025-01-03", {{"2501.09999"}});
  Ready(1, 4);
  EXPECT_THAT(HandOut(), IsEmpty());
  EXPECT_EQ(StateOf(live), "complete");
  EXPECT_THAT(States(live).begin()->second, HasSubstr("is used up"));
}

TEST_F(DispatchDeferredTest, ANewDayHasMoneyOfItsOwn) {
  Begin(4);
  Ready(1, 0);
  ASSERT_THAT(HandOut(), SizeIs(1));
  profile.set_budget_picodollars_per_day(Count("SELECT estimate_picodollars FROM lease"));
  Deliver("2025-01-03", {{"2501.09999"}});
  EXPECT_THAT(HandOut(), IsEmpty()) << "it is reserved for the job";
  now.eastern_day = "2025-06-16";
  Pass(std::chrono::seconds(1));
  EXPECT_THAT(HandOut(), SizeIs(1));
}

TEST_F(DispatchDeferredTest, OnlyAnsweredCallsCountAsThoseOfTheBatchApi) {
  const auto batch = HandOutOne();
  auto expired = Failure(batch, wire::ProviderFailure::AGAIN, "batch job batch_1, expired");
  AddCall(&expired);
  expired.mutable_calls(0)->set_http_status(0);
  expired.mutable_calls(0)->set_outcome("not_sent");
  expired.mutable_calls(0)->set_deferred(true);
  Answer(expired);
  const auto again = HandOut();
  ASSERT_THAT(again, SizeIs(1));
  Answer(DeferredScores(again[0]));
  HandOut();
  ASSERT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(LoadPage(store->db(), digest.id).deferred_calls, 1);
}

TEST_F(DispatchDeferredTest, TheForecastOfARebuiltDayIsHalf) {
  Ready(1, 4);
  wire::Forecast forecast;
  *forecast.mutable_profile() = profile;
  forecast.set_date("2025-01-02");
  for (const auto& p : Papers(8)) {
    auto* row = forecast.add_rows();
    row->set_id(p.id);
    row->set_announce_type(wire::ANNOUNCE_TYPE_NEW);
    row->set_primary_category("cs.LG");
    *row->mutable_paper() = Text(p);
  }
  const wire::Estimate full = dispatch.Estimate(forecast).value();
  forecast.set_remedial(true);
  const wire::Estimate half = dispatch.Estimate(forecast).value();
  EXPECT_FALSE(full.deferred());
  EXPECT_TRUE(half.deferred());
  EXPECT_EQ(half.calls(), 2u);
  EXPECT_NEAR(static_cast<double>(half.picodollars()) * 2, static_cast<double>(full.picodollars()),
              4);
}

}  // namespace
}  // namespace paperboy
