// The provider's failures: those that are a paper's doing end with the paper, an
// outage costs no paper anything; and Redis away.
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

class DispatchFailuresTest : public LedgerTest {
 protected:
  DispatchFailuresTest() { PassAdoption(); }

  static bool Has(const wire::Batch& batch, const std::string& paper) {
    return std::any_of(batch.papers().begin(), batch.papers().end(),
                       [&](const auto& p) { return p.id() == paper; });
  }
  // A call that contains the poison fails, every other one is answered; until the
  // digest is done or after 200 rounds. Returns the sizes of the failed batches.
  std::vector<int> ScoreAllBut(const Digest& digest, uint64_t boot = 1, unsigned free = 4) {
    std::vector<int> failed;
    for (int round = 0; round < 200 && StateOf(digest) == "sealed"; ++round) {
      Ready(boot, free, {}, UINT64_MAX);
      for (const auto& batch : HandOut()) {
        if (Has(batch, poison)) {
          failed.push_back(batch.papers_size());
          Answer(Failure(batch, wire::ProviderFailure::TRANSIENT, "HTTP 500"), boot);
        } else {
          Answer(Scores(batch), boot);
        }
      }
      Minute();
      HandOut();
    }
    return failed;
  }
  // A minute in which the scorers beat.
  void Minute(const std::vector<uint64_t>& boots = {1}) {
    for (int second = 0; second < 60; ++second) {
      Pass(1s);
      for (const uint64_t boot : boots) Ready(boot, 0, {}, UINT64_MAX);
    }
  }
  // Everything fails for `rounds` minutes.
  void Outage(int rounds, uint64_t boot = 1) {
    for (int i = 0; i < rounds; ++i) {
      Ready(boot, 4, {}, UINT64_MAX);
      for (const auto& batch : HandOut()) {
        Answer(Failure(batch, wire::ProviderFailure::TRANSIENT, "HTTP 503"), boot);
      }
      Minute();
    }
  }

  const std::string poison = "2501.01003";
  const std::string end = "unscored(the provider fails on it: HTTP 500)";
};

// As where a key is revoked: what the provider had accepted is still answered.
TEST_F(DispatchFailuresTest, AnAnswerThatWasUnderWayIsNoNewsOfARefusal) {
  Deliver("2025-01-03", Papers(40));
  Ready(1, 4, {}, UINT64_MAX);
  const auto batches = HandOut();
  ASSERT_EQ(batches.size(), 4u);
  now.mono += 100ms;
  Answer(Failure(batches[0], wire::ProviderFailure::HARD, "401 Incorrect API key provided"));
  Answer(Scores(batches[1]));
  Ready(1, 4, {}, UINT64_MAX);
  EXPECT_EQ(HandOut().size(), 0u);
  now.mono += 1s;
  for (const auto& batch : {batches[2], batches[3]}) Answer(Scores(batch));
  Ready(1, 4, {}, UINT64_MAX);
  const auto probe = HandOut();
  ASSERT_EQ(probe.size(), 1u);
  Answer(Scores(probe[0]));
  Ready(1, 4, {}, UINT64_MAX);
  EXPECT_EQ(HandOut().size(), 4u) << "the key is accepted again";
}

TEST_F(DispatchFailuresTest, APaperThatFailsEveryCallIsGivenUpAndTheRestCompletes) {
  const Digest digest = Deliver("2025-01-03", Papers(40));
  const auto failed = ScoreAllBut(digest);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest), Contains(Pair(poison, end)));
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 39u);
  EXPECT_FALSE(FindDigest(store->db(), digest.id)->withhold);
  EXPECT_LE(failed.size(), 2u + 2u + kMaxAloneFailures + 1u);
  EXPECT_EQ(std::count(failed.begin(), failed.end(), 1), kMaxAloneFailures);
}

TEST_F(DispatchFailuresTest, ALaterRunTriesItAgainAloneAndCanScoreIt) {
  const Digest digest = Deliver("2025-01-03", Papers(40));
  ScoreAllBut(digest);
  Publish(digest);
  ASSERT_TRUE(IsMendable(store->db(), digest.id)) << "the fetcher exits with 3";
  Open("2025-01-03");
  Ready(1, 4, {}, UINT64_MAX);
  const auto batches = HandOut();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].papers_size(), 1);
  Answer(Scores(batches[0]));
  HandOut();
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 40u);
}

TEST_F(DispatchFailuresTest, ALaterRunOnWhichItFailsAgainEndsAlsoWhereNothingElseIsLeft) {
  const Digest digest = Deliver("2025-01-03", Papers(40));
  ScoreAllBut(digest);
  Publish(digest);
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);  // what was answered is forgotten
  PassAdoption();
  Open("2025-01-03");
  ASSERT_EQ(StateOf(digest), "sealed");
  EXPECT_EQ(ScoreAllBut(digest).size(), kMaxAloneFailures - 1u);
  EXPECT_THAT(States(digest), Contains(Pair(poison, end)));
  Publish(digest);
  EXPECT_EQ(planner.Retry(digest.id), 1);
  dispatch.OnWork(digest.id, now);
  EXPECT_EQ(ScoreAllBut(digest).size(), kMaxAloneFailures - 1u);
  EXPECT_THAT(States(digest), Contains(Pair(poison, end)));
}

TEST_F(DispatchFailuresTest, OneCallAtATimeEndsTheSame) {
  const Digest digest = Deliver("2025-01-03", Papers(12));
  ScoreAllBut(digest, 1, 1);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest), Contains(Pair(poison, end)));
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 11u);
}

// Its company is scored, so that nothing else is left that could be answered.
TEST_F(DispatchFailuresTest, ThePoisonousPaperThatIsLeftAloneEndsToo) {
  const Digest digest = Deliver("2025-01-03", Papers(4));
  ScoreAllBut(digest);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest), Contains(Pair(poison, end)));
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 3u);
}

TEST_F(DispatchFailuresTest, ARestartDoesNotForgetThatItFailedAlone) {
  const Digest digest = Deliver("2025-01-03", Papers(8));
  for (int round = 0; Count("SELECT max(alone_failures) FROM work") == 0; ++round) {
    ASSERT_LT(round, 100);
    Ready(1, 1, {}, UINT64_MAX);
    for (const auto& batch : HandOut()) {
      Answer(Has(batch, poison) ? Failure(batch, wire::ProviderFailure::TRANSIENT, "HTTP 500")
                                : Scores(batch));
    }
    Minute();
  }
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  PassAdoption();
  ScoreAllBut(digest);
  EXPECT_THAT(States(digest), Contains(Pair(poison, end)));
}

TEST_F(DispatchFailuresTest, AnOutageOfAnyLengthCostsNoPaperAnything) {
  const Digest digest = Deliver("2025-01-03", Papers(40));
  Ready(1, 2, {}, UINT64_MAX);
  for (const auto& batch : HandOut()) Answer(Scores(batch));  // it worked before
  Outage(500);
  EXPECT_EQ(StateOf(digest), "sealed");
  EXPECT_EQ(Count("SELECT max(misses + deaths + failures + alone_failures) FROM work"), 0);
  EXPECT_EQ(ScoreEverything(), 9) << "the probe is a small one";
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 40u);
}

TEST_F(DispatchFailuresTest, AnOutageThatLeavesOnePaperCostsItNothing) {
  const Digest digest = Deliver("2025-01-03", Papers(1));
  Outage(500);
  EXPECT_EQ(StateOf(digest), "sealed");
  EXPECT_EQ(Count("SELECT max(failures) FROM work"), 0);
  EXPECT_EQ(ScoreEverything(), 1);
}

TEST_F(DispatchFailuresTest, AScorerThatReachesNoProviderHarmsNoPaper) {
  const Digest digest = Deliver("2025-01-03", Papers(200));
  for (int round = 0; round < 500 && StateOf(digest) == "sealed"; ++round) {
    Ready(1, 1, {}, UINT64_MAX);
    Ready(2, 1, {}, UINT64_MAX);
    dispatch.HandOut(now);
    for (const auto& frame : dispatch.TakeFrames()) {
      if (!frame.reply.has_batch()) continue;
      const auto& batch = frame.reply.batch();
      const bool cut_off = frame.peer == "peer-2";
      Answer(cut_off ? Failure(batch, wire::ProviderFailure::TRANSIENT, "cannot connect")
                     : Scores(batch),
             cut_off ? 2 : 1);
    }
    Pass(1s);
    HandOut();
  }
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 200u);
  EXPECT_EQ(Count("SELECT max(failures) FROM work"), 0);
}

TEST_F(DispatchFailuresTest, ATooFastClientHarmsNoPaper) {
  const Digest digest = Deliver("2025-01-03", Papers(8));
  for (int round = 0; round < 50; ++round) {
    Ready(1, 2, {}, UINT64_MAX);
    const auto batches = HandOut();
    for (const auto& batch : batches) {
      Answer(Has(batch, poison) ? Failure(batch, wire::ProviderFailure::RATE_LIMITED, "HTTP 429")
                                : Scores(batch));
    }
    Minute();
  }
  EXPECT_EQ(Count("SELECT max(failures) FROM work"), 0);
  ScoreEverything();
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 8u);
}

TEST_F(DispatchFailuresTest, ATitleThatFailsGoesOnToTheAbstract) {
  profile.set_title_stage(true);
  const Digest digest = Deliver("2025-01-03", Papers(8));
  for (int round = 0; round < 200 && StateOf(digest) == "sealed"; ++round) {
    Ready(1, 2, {}, UINT64_MAX);
    for (const auto& batch : HandOut()) {
      auto result = Scores(batch);
      if (batch.stage() == wire::STAGE_TITLE) {
        for (auto& paper : *result.mutable_papers()) paper.set_kind(wire::PaperResult::KEEP);
        if (Has(batch, poison)) {
          result = Failure(batch, wire::ProviderFailure::TRANSIENT, "HTTP 500");
        }
      }
      Answer(result);
    }
    Minute();
    HandOut();
  }
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 8u);
}

TEST_F(DispatchFailuresTest, ScorersThatWaitForRedisAreSaidToWaitForIt) {
  const Digest digest = Deliver("2025-01-03", Papers(2));
  const auto waiting = [&] {
    return dispatch.WaitingFor(*FindDigest(store->db(), digest.id), now).what;
  };
  trouble = "Redis: connection refused";
  Ready(1, 0);
  EXPECT_THAT(waiting(), HasSubstr("Redis: connection refused"));
  trouble.clear();
  Ready(2, 1);
  EXPECT_EQ(waiting(), "") << "another scorer can work";
}

TEST_F(DispatchFailuresTest, AProviderThatFailsForAWhileCostsNoPaperAnything) {
  const Digest digest = Deliver("2025-01-03", Papers(8));
  for (int i = 0; i < 20; ++i) {
    Ready(1, 2, {}, UINT64_MAX);
    for (const auto& batch : HandOut()) {
      Answer(Failure(batch, wire::ProviderFailure::TRANSIENT, "HTTP 503"));
    }
    Pass(kMaxBackoff);
    dispatch.OnTick(now);
  }
  Ready(1, 2, {}, UINT64_MAX);
  EXPECT_THAT(dispatch.WaitingFor(*FindDigest(store->db(), digest.id), now).what,
              HasSubstr("HTTP 503"));
  EXPECT_EQ(ScoreEverything(), 3) << "the probe is a small one";
  EXPECT_EQ(Count("SELECT max(misses + deaths + failures) FROM work"), 0);
}

}  // namespace
}  // namespace paperboy
