// Leases, deaths, misses, providers and budgets.
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

class DispatchTest : public LedgerTest {
 protected:
  // All four papers of a day, held by scorer 1.
  wire::Batch FourHandedOut() {
    PassAdoption();
    Deliver("2025-01-03", Papers(4));
    Ready(1, 1);
    return HandOut().at(0);
  }
};

TEST_F(DispatchTest, NothingIsHandedOutUntilScorersCouldSayWhatTheyHold) {
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  EXPECT_TRUE(HandOut().empty());
  PassAdoption();
  Ready(1, 1);
  EXPECT_EQ(HandOut().size(), 1u);
}

TEST_F(DispatchTest, CreditBoundsWhatIsHandedOut) {
  PassAdoption();
  Deliver("2025-01-03", Papers(40));
  Ready(1, 3);
  const auto batches = HandOut();
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].papers_size(), 4);
  EXPECT_TRUE(HandOut().empty());
  // The scorer has not seen the last two when it speaks: they count against its credit.
  Ready(1, 2, {batches[0].lease()}, batches[0].lease());
  EXPECT_TRUE(HandOut().empty());
}

TEST_F(DispatchTest, APaperIsHeldByOneScorerAtATime) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 4);
  Ready(2, 4);
  std::multiset<std::string> held;
  for (const auto& batch : HandOut()) {
    for (const auto& paper : batch.papers()) held.insert(paper.id());
  }
  EXPECT_EQ(held.size(), 4u);
  for (const auto& id : held) EXPECT_EQ(held.count(id), 1u) << id;
}

TEST_F(DispatchTest, ABatchThatAScorerLostGoesBack) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  const auto first = HandOut();
  ASSERT_EQ(first.size(), 1u);
  Ready(1, 1, {}, first[0].lease());
  EXPECT_EQ(HandOut().size(), 1u);
  EXPECT_EQ(Count("SELECT sum(deaths) FROM work"), 0);
}

TEST_F(DispatchTest, ASilentScorersPapersAreHandedOutAlone) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  const auto first = HandOut();
  Pass(kSilence + 1s);
  Ready(2, 8);
  const auto again = HandOut();
  ASSERT_EQ(again.size(), 4u);
  for (const auto& batch : again) EXPECT_EQ(batch.papers_size(), 1);
  // The dead one was only slow: its answer is welcome, and nothing is asked twice more.
  Answer(Scores(first[0]));
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'done'"), 4);
}

TEST_F(DispatchTest, ABatchThatCouldNotBeSentGoesBackAtOnceWithoutBlame) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  dispatch.HandOut(now);
  for (const auto& frame : dispatch.TakeFrames()) dispatch.OnUndelivered(frame, now);
  Ready(2, 1);
  const auto again = HandOut();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].papers_size(), 4);
}

TEST_F(DispatchTest, APaperThatKillsItsWorkersIsGivenUpAndTheRestCompletes) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(8));
  const std::string poison = "2501.01003";
  uint64_t boot = 1;
  for (int round = 0; round < 100 && StateOf(digest) == "sealed"; ++round) {
    Ready(++boot, 1);
    for (const auto& batch : HandOut()) {
      const bool dies = std::any_of(batch.papers().begin(), batch.papers().end(),
                                    [&](const auto& paper) { return paper.id() == poison; });
      if (!dies) Answer(Scores(batch), boot);
    }
    Pass(kSilence + 1s);
    dispatch.HandOut(now);
  }
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest), Contains(Pair(poison, "unscored(kills its worker)")));
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 7u);
}

TEST_F(DispatchTest, MissingPapersComeBackInSmallerBatchesAndAreGivenUpAlone) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(4));
  std::vector<int> sizes;
  for (int round = 0; round < 100; ++round) {
    Ready(1, 1, {}, UINT64_MAX);
    const auto batches = HandOut();
    if (batches.empty()) break;
    sizes.push_back(batches[0].papers_size());
    Answer(Miss(batches[0]));
  }
  EXPECT_EQ(sizes[0], 4);
  EXPECT_EQ(sizes[1], 2);
  EXPECT_EQ(sizes.back(), 1);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_TRUE(FindDigest(store->db(), digest.id)->withhold);
  EXPECT_FALSE(IsMendable(store->db(), digest.id)) << "the model's last word";
  EXPECT_THAT(States(digest).begin()->second, HasSubstr("refused"));
}

TEST_F(DispatchTest, AResultSentTwiceCountsOnce) {
  const wire::Batch batch = FourHandedOut();
  const auto miss = Miss(batch);
  Answer(miss);
  Answer(miss);
  EXPECT_EQ(Count("SELECT max(misses) FROM work"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM call"), 1);
}

TEST_F(DispatchTest, TowardsTheEndOfADigestBatchesGetSmaller) {
  PassAdoption();
  concurrency = 4;
  const Digest digest = Deliver("2025-01-03", Papers(40));
  EXPECT_EQ(ScoreEverything(), 12) << "7 full ones, and 5 towards the end";
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 40u);
}

TEST_F(DispatchTest, AWrongKeyStopsAfterAFewCallsAndIsMendedByTheSameCommand) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(40));
  int calls_made = 0;
  for (int round = 0; round < 50; ++round) {
    Ready(1, 1, {}, UINT64_MAX);
    for (const auto& batch : HandOut()) {
      ++calls_made;
      Answer(Failure(batch, wire::ProviderFailure::HARD, "401 Incorrect API key provided"));
    }
    Pass(1s);
    dispatch.OnTick(now);
  }
  EXPECT_EQ(calls_made, kMaxHardFailures);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_TRUE(FindDigest(store->db(), digest.id)->withhold);
  EXPECT_THAT(States(digest).begin()->second, HasSubstr("Incorrect API key"));
  Publish(digest);
  Open("2025-01-03");
  EXPECT_EQ(ScoreEverything(), 10);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 40u);
}

TEST_F(DispatchTest, ARestartedAggregatorAdoptsWhatScorersHoldAndFreesTheRest) {
  PassAdoption();
  profile.set_batch_size(1);
  Deliver("2025-01-03", Papers(2));
  Ready(1, 2);
  const auto batches = HandOut();
  ASSERT_EQ(batches.size(), 2u);
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  Ready(1, 1, {batches[0].lease()});
  PassAdoption();
  Ready(1, 1, {batches[0].lease()});
  EXPECT_TRUE(HandOut().empty()) << "whoever holds the rest may be busy connecting";
  Pass(kSilence - kAdoptionTime);
  Ready(1, 1, {batches[0].lease()});
  const auto again = HandOut();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].papers(0).id(), batches[1].papers(0).id());
  Answer(Scores(batches[0]));
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'done'"), 1);
}

TEST_F(DispatchTest, ABatchThatNeverArrivesGoesBackAlthoughItsScorerLives) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  ASSERT_EQ(HandOut().size(), 1u);
  Ready(1, 1);
  EXPECT_TRUE(HandOut().empty()) << "it may be on its way";
  for (int beat = 0; beat <= kSilence / kBeat; ++beat) {
    Pass(kBeat);
    Ready(1, 1);
  }
  EXPECT_EQ(HandOut().size(), 1u);
  EXPECT_EQ(Count("SELECT max(deaths) FROM work"), 0);
}

TEST_F(DispatchTest, AScorerIsToldOfLeasesThatTheLedgerDoesNotKnow) {
  const wire::Batch batch = FourHandedOut();
  Pass(kSilence + 1s);  // it fell silent, and its papers went back
  Ready(1, 0, {batch.lease()}, batch.lease());
  std::vector<uint64_t> told;
  for (const auto& frame : dispatch.TakeFrames()) {
    for (const uint64_t lease : frame.reply.void_leases().leases()) told.push_back(lease);
  }
  EXPECT_THAT(told, ElementsAre(batch.lease()));
}

TEST_F(DispatchTest, AfterTheLedgerWasReplacedAPaidAnswerIsWelcomeByItsKey) {
  auto result = Scores(FourHandedOut());
  result.set_digest(result.digest() + 1'000);  // as another ledger numbered it
  result.set_lease(result.lease() - (uint64_t{1} << 32));
  Answer(result);
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'done'"), 4);
  EXPECT_EQ(Count("SELECT count(*) FROM call"), 1);
  EXPECT_EQ(dispatch.refused_messages(), 0u);
}

TEST_F(DispatchTest, ALeaseWhoseCostNobodyKnowsIsSettledAlsoAfterARestart) {
  const wire::Batch batch = FourHandedOut();
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  auto failed = Failure(batch, wire::ProviderFailure::TRANSIENT, "connection reset");
  failed.add_calls()->set_id("call-1");  // no status: it may have been paid for
  Answer(failed);
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 0"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 1"), 1) << "the estimate stays spent";
}

TEST_F(DispatchTest, ACallThatNeverLeftCostsNothing) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  auto failed = Failure(HandOut().at(0), wire::ProviderFailure::TRANSIENT, "refused");
  failed.add_calls()->set_id("call-1");
  failed.mutable_calls(0)->set_outcome("not_sent");
  Answer(failed);
  EXPECT_EQ(Count("SELECT count(*) FROM lease"), 0);
}

TEST_F(DispatchTest, WhatAnEarlierStartHandedOutAndGetsBackGoesOutAgain) {
  const wire::Batch batch = FourHandedOut();
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  PassAdoption();
  Ready(2, 1);
  ASSERT_TRUE(HandOut().empty());
  // Its result comes before its scorer has said that it is there.
  Answer(Failure(batch, wire::ProviderFailure::AGAIN, "not heard of lately"));
  Ready(2, 1);
  EXPECT_EQ(HandOut().size(), 1u);
}

TEST_F(DispatchTest, WordsOfBeforeAPauseTakeNoLeaseAway) {
  const wire::Batch batch = FourHandedOut();
  Sleep(kSilence + 2s);
  Ready(1, 1, {}, batch.lease() - 1);  // said before the batch came
  Ready(2, 1, {}, batch.lease() - 1);
  EXPECT_TRUE(HandOut().empty()) << "its holder may be calling";
}

TEST_F(DispatchTest, AReadyThatWasOvertakenSaysNothing) {
  const wire::Batch batch = FourHandedOut();
  Ready(1, 0, {batch.lease()}, batch.lease());
  wire::Ready old;
  old.set_boot(1);
  old.set_backend("openai");
  old.set_free_calls(1);
  old.set_number(1);
  dispatch.OnReady("an-earlier-connection", old, now);
  Ready(2, 1);
  EXPECT_TRUE(HandOut().empty());
}

TEST_F(DispatchTest, ATurnThatNeverHappenedTeachesNothingAboutTheProvider) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  const auto batch = HandOut().at(0);
  for (int turn = 0; turn < kMaxHardFailures; ++turn) {
    const auto lessons = dispatch.SaveLessons();
    const Transaction rolled_back(store->db());
    dispatch.Reset(store->NextBoot(now.unix_seconds), now);
    Ready(1, 0, {batch.lease()});
    Answer(Failure(batch, wire::ProviderFailure::HARD, "401"));
    now.mono += 3s;
    dispatch.Forget(*lessons);
  }
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  Ready(1, 1);
  Answer(Failure(batch, wire::ProviderFailure::AGAIN, "given back"));
  Pass(kSilence + 2s);
  Ready(1, 1);
  dispatch.OnTick(now);
  EXPECT_EQ(StateOf(digest), "sealed");
}

TEST_F(DispatchTest, ADigestsNumberIsNeverGivenTwice) {
  const Digest before = Open("2025-01-03");
  // The ledger is deleted, and a new one starts a second later.
  store = Store::InMemory();
  store->NextBoot(now.unix_seconds + 1);
  Planner new_planner(store->db(), 0.2);
  Intake new_intake(store->db(), new_planner, prices);
  const auto after = new_intake.Open(OpenMessage("2025-01-06"));
  ASSERT_TRUE(after.ok());
  EXPECT_GT(after->digest.id, before.id + 1'000);
}

TEST_F(DispatchTest, ADigestIsScoredByOneModel) {
  PassAdoption();
  Deliver("2025-01-03", Papers(8));
  Ready(1, 1, {}, 0, "gpt-4o");
  ASSERT_EQ(HandOut().size(), 1u);
  Ready(2, 4, {}, 0, "lexical");
  EXPECT_TRUE(HandOut().empty());
}

TEST_F(DispatchTest, TheBudgetOfADayIsNotExceeded) {
  PassAdoption();
  profile.set_budget_picodollars_per_day(kPicodollarsPerDollar / 20);  // 5 cents
  profile.set_prompt(std::string(12'000, 'p') + "\n[PAPER LIST HERE]");
  const Digest digest = Deliver("2025-01-03", Papers(40));
  for (int round = 0; round < 50; ++round) {
    Ready(1, 4, {}, UINT64_MAX);
    const auto batches = HandOut();
    for (const auto& batch : batches) {
      auto result = Scores(batch);
      result.mutable_calls(0)->set_prompt_tokens(4000);  // one cent, and a tenth for the answer
      Answer(result);
    }
    if (batches.empty()) break;
  }
  EXPECT_LE(Count("SELECT sum(prompt_picodollars + completion_picodollars) FROM call"),
            kPicodollarsPerDollar / 20);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_TRUE(IsMendable(store->db(), digest.id));
  EXPECT_THAT(States(digest).rbegin()->second, HasSubstr("budget of $0.05 is used up"));
  // The next day goes on.
  now.eastern_day = "2025-06-16";
  Publish(digest);
  Open("2025-01-03");
  Ready(1, 1, {}, UINT64_MAX);
  EXPECT_EQ(HandOut().size(), 1u);
}

TEST_F(DispatchTest, ABudgetForAModelWithoutAPriceIsSaidAndSpendsNothing) {
  PassAdoption();
  profile.set_budget_picodollars_per_day(kPicodollarsPerDollar);
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Ready(1, 4, {}, 0, "some-unknown-model");
  EXPECT_TRUE(HandOut().empty());
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest).begin()->second, HasSubstr("price of some-unknown-model is unknown"));
  profile.set_model("another-unknown-model");
  auto refused = intake.Open(OpenMessage("2025-01-03"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("price"));
}

TEST_F(DispatchTest, WhatNobodyAskedAboutIsRefusedAndHarmless) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  const auto batch = HandOut().at(0);
  auto forged = Scores(batch);
  forged.mutable_papers(0)->set_key("nobody asked about this");
  forged.mutable_papers(1)->set_relevance(57);
  Answer(forged);
  EXPECT_EQ(dispatch.refused_messages(), 2u);
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 4u);
}

TEST_F(DispatchTest, ALeaseThatAnotherScorerWasGivenCannotBeClaimed) {
  const wire::Batch batch = FourHandedOut();
  Ready(2, 1, {batch.lease()}, batch.lease());
  EXPECT_EQ(dispatch.refused_messages(), 1u);
  Ready(2, 1, {batch.lease() + 1, (batch.lease() >> 32 << 33) + 1}, UINT64_MAX);
  EXPECT_EQ(dispatch.refused_messages(), 3u) << "never handed out, of this start and a later one";
  EXPECT_TRUE(HandOut().empty()) << "nothing changed hands";
  // The liar's end frees nothing, and the true holder is heard.
  Pass(kSilence / 2);
  Ready(1, 0, {batch.lease()}, batch.lease());
  Pass(kSilence / 2 + 1s);
  EXPECT_EQ(dispatch.scorers(), 1u);
  EXPECT_EQ(Count("SELECT max(deaths) FROM work"), 0);
  EXPECT_EQ(dispatch.leases(), 1u);
  Answer(Scores(batch));
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'done'"), 4);
}

TEST_F(DispatchTest, AResultForALeaseThatDoesNotExistIsHarmless) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  const auto batch = HandOut().at(0);
  auto made_up = Miss(batch);
  made_up.set_lease(batch.lease() + 77);
  Answer(made_up);
  EXPECT_EQ(Count("SELECT max(misses) FROM work"), 0);
  EXPECT_EQ(dispatch.leases(), 1u);
  made_up.set_digest(99);
  Answer(made_up);
  EXPECT_EQ(Count("SELECT max(misses) FROM work"), 0) << "the papers are known, the lease is not";
  made_up.clear_papers();
  Answer(made_up);
  EXPECT_EQ(dispatch.refused_messages(), 1u);
  Answer(Scores(batch));
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 0u) << "not advanced yet";
  HandOut();
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 4u);
}

TEST_F(DispatchTest, AfterAPauseOfItsOwnTheAggregatorBlamesNobody) {
  const wire::Batch batch = FourHandedOut();
  dispatch.OnTick(now);
  Sleep(10 * kSilence);
  dispatch.OnTick(now);
  Ready(1, 0, {batch.lease()}, batch.lease());
  Ready(2, 8);
  EXPECT_TRUE(HandOut().empty()) << "its first call still runs";
  Answer(Scores(batch));
  EXPECT_EQ(Count("SELECT max(deaths) FROM work"), 0);
}

TEST_F(DispatchTest, AVolleyOfFailuresCountsOnce) {
  PassAdoption();
  Deliver("2025-01-03", Papers(64));
  Ready(1, 16);
  const auto volley = HandOut();
  ASSERT_EQ(volley.size(), 16u);
  Pass(1s);
  for (const auto& batch : volley) {
    Answer(Failure(batch, wire::ProviderFailure::TRANSIENT, "HTTP 502"));
  }
  Ready(1, 16, {}, UINT64_MAX);
  EXPECT_EQ(HandOut().size(), 16u) << "a second's outage holds nobody back";
}

TEST_F(DispatchTest, AModelThatDoesNotExistHarmsNoOtherProfile) {
  PassAdoption();
  profile.set_model("gpt-4oo");
  const Digest typo = Deliver("2025-01-03", Papers(4));
  profile.set_name("other");
  profile.set_model("gpt-4o");
  const Digest fine = Deliver("2025-01-03", Papers(4));
  for (int round = 0; round < 20; ++round) {
    Ready(1, 4, {}, UINT64_MAX);
    for (const auto& batch : HandOut()) {
      if (batch.model() == "gpt-4oo") {
        Answer(Failure(batch, wire::ProviderFailure::HARD, "404 no such model"));
      } else {
        Answer(Scores(batch));
      }
    }
    Pass(1s);
    dispatch.HandOut(now);
  }
  EXPECT_TRUE(FindDigest(store->db(), typo.id)->withhold);
  EXPECT_EQ(CountFunnel(store->db(), fine.id).selected(), 4u);
}

TEST_F(DispatchTest, ANewDigestTriesAProviderThatWasOutYesterday) {
  PassAdoption();
  const Digest yesterday = Deliver("2025-01-03", Papers(4));
  for (int round = 0; round < 10; ++round) {
    Ready(1, 1, {}, UINT64_MAX);
    for (const auto& batch : HandOut()) {
      Answer(Failure(batch, wire::ProviderFailure::HARD, "no quota left"));
    }
    Pass(1s);
  }
  ASSERT_EQ(StateOf(yesterday), "complete");
  const Digest a = Deliver("2025-01-06", {{"2501.02001"}});
  profile.set_name("other");
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  const Digest b = Deliver("2025-01-06", {{"2501.02001"}});
  Ready(1, 1, {}, UINT64_MAX);
  dispatch.OnTick(now);
  const auto probe = HandOut();
  ASSERT_EQ(probe.size(), 1u);
  dispatch.OnTick(now);
  EXPECT_EQ(StateOf(b), "sealed") << "the last word is not spoken";
  Answer(Scores(probe[0]));
  ScoreEverything();
  EXPECT_EQ(CountFunnel(store->db(), a.id).selected(), 1u);
  EXPECT_EQ(CountFunnel(store->db(), b.id).selected(), 1u);
}

TEST_F(DispatchTest, ADigestThatGotNewRowsIsNeitherHandedOutNorGivenUp) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(4));
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2501.09999"}}).ok());
  ASSERT_EQ(StateOf(digest), "open");
  Ready(1, 4);
  EXPECT_TRUE(HandOut().empty());
  EXPECT_FALSE(planner.GiveUp(digest.id, "the provider is out", now.unix_seconds));
  ASSERT_TRUE(Seal(digest, "cs.LG", 5).ok());
  EXPECT_EQ(ScoreEverything(), 2);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 5u);
}

TEST_F(DispatchTest, AnEditionWithAnotherPromptNeverAnswersUnderTheOldKeys) {
  PassAdoption();
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Ready(1, 0);
  dispatch.HandOut(now);
  store->db().Exec("UPDATE digest SET backend = 'openai', model = 'gpt-4o', temperature = '0'");
  planner.Plan(digest.id);  // its work stands under the first prompt
  const int64_t before = Count("SELECT count(*) FROM work");
  ASSERT_EQ(before, 4);
  profile.set_prompt("Other words.\n[PAPER LIST HERE]");
  profile.add_categories("cs.AI");  // a list that is not in: the digest is open again
  const Digest second = Open("2025-01-03");
  ASSERT_EQ(StateOf(second), "open");
  Ready(1, 4);
  EXPECT_TRUE(HandOut().empty());
  ASSERT_TRUE(SendRows(second, "cs.LG", Papers(4)).ok());
  ASSERT_TRUE(Seal(second, "cs.LG", 4).ok());
  ASSERT_TRUE(Seal(second, "cs.AI", 0).ok());
  EXPECT_EQ(ScoreEverything(), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'done'"), 4);
  EXPECT_EQ(Count("SELECT count(*) FROM work WHERE state = 'open'"), 4) << "the old keys";
}

TEST_F(DispatchTest, AScorerThatLeavesIsNotBlamedForWhatIsOnItsWay) {
  PassAdoption();
  Deliver("2025-01-03", Papers(4));
  Ready(1, 1);
  ASSERT_EQ(HandOut().size(), 1u);
  wire::Ready leaving;
  leaving.set_pod("pod-1");
  leaving.set_boot(1);
  leaving.set_backend("openai");
  leaving.set_leaving(true);
  leaving.set_number(++readies);
  dispatch.OnReady("peer-1", leaving, now);
  Pass(kSilence + 1s);
  EXPECT_EQ(Count("SELECT max(deaths) FROM work"), 0);
  Ready(2, 1);
  EXPECT_EQ(HandOut().at(0).papers_size(), 4);
}

TEST_F(DispatchTest, LiveDigestsGoBeforeRebuiltOnesAndProfilesInTurn) {
  PassAdoption();
  auto rebuilt = OpenMessage("2024-12-30");
  rebuilt.set_remedial_from("12/26/2024");
  rebuilt.set_remedial_to("12/27/2024");
  auto old = intake.Open(rebuilt);
  ASSERT_TRUE(old.ok());
  ASSERT_TRUE(SendRows(old->digest, "cs.LG", {{"2412.00001"}}).ok());
  ASSERT_TRUE(Seal(old->digest, "cs.LG", 1).ok());
  profile.set_batch_size(1);
  const Digest a = Deliver("2025-01-03", Papers(2));
  profile.set_name("other");
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  const Digest b = Deliver("2025-01-03", Papers(2));
  Ready(1, 5);
  std::vector<DigestId> order;
  for (const auto& batch : HandOut()) order.push_back(batch.digest());
  EXPECT_THAT(order, ElementsAre(a.id, b.id, a.id, b.id, old->digest.id));
}

TEST_F(DispatchTest, TokensThatCannotBeAreNotReported) {
  const auto batch = FourHandedOut();
  auto result = Scores(batch);
  result.mutable_calls(0)->set_prompt_tokens(999'999'999'999'999);
  result.mutable_calls(0)->set_completion_tokens(UINT64_MAX);
  Answer(result);
  dispatch.HandOut(now);
  EXPECT_EQ(Count("SELECT count(*) FROM digest WHERE state = 'complete'"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM call WHERE tokens_reported = 0 AND prompt_tokens = 0"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 1"), 1) << "its estimate stays spent";
}

}  // namespace
}  // namespace paperboy
