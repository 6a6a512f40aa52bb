// Batches by tokens and towards the end, forecasts, budgets, and what a digest gives up
// to fit them.
#include <nlohmann/json.hpp>

#include "aggregator/publish.h"
#include "common/profile.h"
#include "common/tokens.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<int> SizesOf(const std::vector<wire::Batch>& batches) {
  std::vector<int> sizes;
  for (const auto& batch : batches) sizes.push_back(batch.papers_size());
  return sizes;
}

class BudgetTest : public LedgerTest {
 protected:
  BudgetTest() { PassAdoption(); }
  // A scorer with a known number of calls at once.
  void Scorer(uint64_t boot, unsigned concurrency, unsigned rpm = 0) {
    wire::Ready ready;
    ready.set_boot(boot);
    ready.set_backend("openai");
    ready.set_model("gpt-4o");
    ready.set_temperature("0");
    ready.set_quota_key("quota");
    ready.set_free_calls(concurrency);
    ready.set_concurrency(concurrency);
    ready.set_rpm(rpm);
    ready.set_seen(UINT64_MAX);
    ready.set_number(++readies);
    dispatch.OnReady("peer-" + std::to_string(boot), ready, now);
  }
  // Hands out and scores until nothing is left; the sizes of the batches in turn.
  std::vector<int> ScoreAll(unsigned concurrency, unsigned rpm = 0) {
    std::vector<int> sizes;
    for (int round = 0; round < 1'000; ++round) {
      Scorer(1, concurrency, rpm);
      const auto batches = HandOut();
      if (batches.empty()) break;
      for (const int size : SizesOf(batches)) sizes.push_back(size);
      for (const auto& batch : batches) Answer(Reported(batch));
    }
    return sizes;
  }
  // Answered with the tokens that a quarter of the characters are, and 100 for a paper.
  wire::Result Reported(const wire::Batch& batch) {
    auto result = Scores(batch);
    size_t chars = batch.prompt().size() - (sizeof(kPaperListMarker) - 1);
    for (const auto& paper : batch.papers()) chars += PaperChars(batch.stage(), paper);
    result.mutable_calls(0)->set_prompt_tokens(chars / 4);
    result.mutable_calls(0)->set_completion_tokens(100 * batch.papers_size());
    result.mutable_calls(0)->set_model(batch.model());
    if (batch.stage() == wire::STAGE_TITLE) {
      for (auto& paper : *result.mutable_papers()) paper.set_kind(wire::PaperResult::KEEP);
    }
    return result;
  }
  wire::Forecast ForecastOf(const std::string& date, const std::vector<TestPaper>& papers) {
    wire::Forecast forecast;
    *forecast.mutable_profile() = OpenMessage(date).profile();
    forecast.set_date(date);
    for (const auto& p : papers) {
      auto* row = forecast.add_rows();
      row->set_id(p.id);
      row->set_version(p.version);
      row->set_announce_type(p.type);
      row->set_primary_category(p.category);
      *row->mutable_paper() = Text(p);
    }
    return forecast;
  }
  wire::Estimate Estimated(const std::string& date, const std::vector<TestPaper>& papers) {
    const auto estimate = dispatch.Estimate(ForecastOf(date, papers));
    EXPECT_TRUE(estimate.ok()) << estimate.error().message;
    return *estimate;
  }
  static std::vector<TestPaper> From(int first, int n) {
    std::vector<TestPaper> papers;
    for (int i = 0; i < n; ++i) papers.push_back({"2502.1" + std::to_string(1'000 + first + i)});
    return papers;
  }
  Picodollars Spent() {
    return Count("SELECT sum(prompt_picodollars + completion_picodollars) FROM call");
  }
  std::string PageOf(const Digest& digest) {
    return RenderMarkdown(LoadPage(store->db(), digest.id));
  }
  nlohmann::json StatusOf(const Digest& digest) {
    return nlohmann::json::parse(RenderStatusJson(LoadPage(store->db(), digest.id)));
  }
};

TEST_F(BudgetTest, TheForecastCountsFurtherReadingsOfWhatHasItsFirst) {
  const auto papers = From(0, 8);
  for (const auto& paper : papers) scores[paper.id] = {8, 7};
  scores[papers[0].id] = scores[papers[1].id] = {2, 2};
  profile.set_rescore_samples(3);
  profile.set_rescore_margin(1);
  const auto publish = [&] {
    const Digest digest = Deliver("2025-01-03", papers);
    ScoreEverything();
    planner.Advance(digest.id, now.unix_seconds);
  };
  publish();
  EXPECT_EQ(Estimated("2025-01-03", papers).calls(), 0u);
  profile.set_rescore_samples(5);
  profile.set_revision("more readings");
  const int64_t before = Count("SELECT count(*) FROM call");
  const auto estimate = Estimated("2025-01-03", papers);
  EXPECT_EQ(estimate.to_score(), 0u);
  publish();
  // 6 papers twice more, in batches of 4, of which none has a paper twice.
  const int64_t calls = Count("SELECT count(*) FROM call") - before;
  EXPECT_GE(calls, 3);
  EXPECT_NEAR(static_cast<double>(estimate.calls()), static_cast<double>(calls), 1);
  EXPECT_EQ(Estimated("2025-01-03", papers).calls(), 0u);
}

TEST_F(BudgetTest, ABatchIsFilledToItsTokens) {
  profile.set_batch_size(16);
  Deliver("2025-01-03", Papers(8));
  Scorer(1, 1);
  const auto whole = HandOut();
  ASSERT_THAT(SizesOf(whole), ElementsAre(8));
  const int64_t each = PaperTokens(PaperChars(wire::STAGE_ABSTRACT, whole[0].papers(0)));
  profile.set_name("other");
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  profile.set_batch_tokens(static_cast<uint32_t>(3 * each));
  Deliver("2025-01-03", Papers(8));
  Scorer(2, 8);
  EXPECT_THAT(SizesOf(HandOut()), Each(testing::Le(3)));
}

TEST_F(BudgetTest, TheLastBatchesOfADigestAreSmallerAndNotThoseOfAnotherBefore) {
  Deliver("2025-01-03", Papers(20));
  EXPECT_THAT(ScoreAll(2), ElementsAre(4, 4, 4, 4, 2, 2));
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  Deliver("2025-01-06", From(0, 20));
  EXPECT_THAT(ScoreAll(2, 60), ElementsAre(4, 4, 4, 4, 4)) << "60 calls a minute for 2 at once";
}

// ---- forecasts ------------------------------------------------------------------

TEST_F(BudgetTest, AForecastAgreesWithWhatThenHappensAndRecordsNothing) {
  Scorer(1, 3);
  const auto papers = From(0, 50);
  const auto forecast = Estimated("2025-01-06", papers);
  EXPECT_EQ(forecast.papers(), 50u);
  EXPECT_EQ(forecast.to_score(), 50u);
  EXPECT_TRUE(forecast.priced());
  EXPECT_TRUE(forecast.quota_known());
  EXPECT_EQ(forecast.model(), "gpt-4o");
  for (const char* table : {"SELECT count(*) FROM digest", "SELECT count(*) FROM paper",
                            "SELECT count(*) FROM work", "SELECT count(*) FROM profile"}) {
    EXPECT_EQ(Count(table), 0) << table;
  }
  Deliver("2025-01-06", papers);
  const auto sizes = ScoreAll(3);
  EXPECT_EQ(forecast.calls(), sizes.size());
  const auto prompt = static_cast<double>(Count("SELECT sum(prompt_tokens) FROM call"));
  EXPECT_NEAR(static_cast<double>(forecast.prompt_tokens()), prompt, 0.02 * prompt);
  const auto spent = static_cast<double>(Spent());
  EXPECT_NEAR(static_cast<double>(forecast.picodollars()), spent, 0.25 * spent)
      << "the rule for answers";
  // The next one has learnt how long the answers are.
  const auto next = Estimated("2025-01-07", From(100, 50));
  EXPECT_NEAR(static_cast<double>(next.picodollars()), spent, 0.02 * spent);
  EXPECT_EQ(Estimated("2025-01-06", papers).to_score(), 0u);
  EXPECT_EQ(Estimated("2025-01-06", papers).calls(), 0u);
  EXPECT_EQ(Estimated("2025-01-07", papers).papers(), 0u) << "seen before";
}

TEST_F(BudgetTest, WhatAForecastCannotKnowIsUnknown) {
  EXPECT_FALSE(Estimated("2025-01-06", Papers(4)).quota_known());
  EXPECT_FALSE(Estimated("2025-01-06", Papers(4)).priced()) << "no model is known";
  profile.set_model("some-unknown-model");
  Scorer(1, 3);
  const auto estimate = Estimated("2025-01-06", Papers(4));
  EXPECT_EQ(estimate.to_score(), 4u);
  EXPECT_FALSE(estimate.priced());
  profile.set_budget_picodollars_per_digest(1);
  const auto refused = dispatch.Estimate(ForecastOf("2025-01-06", Papers(4)));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("price of its model some-unknown-model"));
}

TEST_F(BudgetTest, WhatIsNotWantedIsInNoForecast) {
  Scorer(1, 3);
  auto papers = Papers(4);
  papers[0].type = wire::ANNOUNCE_TYPE_REPLACE;
  auto forecast = ForecastOf("2025-01-06", papers);
  forecast.mutable_rows(1)->set_refused("no title");
  forecast.mutable_rows(2)->clear_paper();
  EXPECT_EQ(dispatch.Estimate(forecast)->papers(), 1u);
}

// ---- budgets ----------------------------------------------------------------------

TEST_F(BudgetTest, TheBudgetOfADigestHoldsOverDaysAndEditions) {
  profile.set_budget_picodollars_per_digest(kPicodollarsPerDollar / 50);
  const Digest digest = Deliver("2025-01-03", Papers(40));
  ScoreAll(2);
  const Picodollars first = Spent();
  EXPECT_LE(first, kPicodollarsPerDollar / 50);
  EXPECT_GT(first, kPicodollarsPerDollar / 100);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(States(digest).rbegin()->second, HasSubstr("the digest's budget of $0.02 is used"));
  now.eastern_day = "2025-06-16";
  Publish(digest);
  Open("2025-01-03");
  ScoreAll(2);
  EXPECT_EQ(Spent(), first) << "the next day has no money of its own";
  EXPECT_EQ(StatusOf(digest)["mendable"], false);
  EXPECT_THAT(PageOf(digest), HasSubstr("is used up: raise budget_dollars_per_digest"));
  EXPECT_THAT(PageOf(digest), HasSubstr("Spent in all: " + FineDollars(first)));
  Publish(digest);
  profile.set_budget_picodollars_per_digest(kPicodollarsPerDollar);
  Open("2025-01-03");
  ScoreAll(2);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 40u);
}

TEST_F(BudgetTest, WhatIsAnsweredAlreadyNeedsNoMoney) {
  profile.set_name("rich");
  Deliver("2025-01-03", Papers(8));
  ScoreAll(2);
  profile.set_name("poor");
  profile.set_budget_picodollars_per_digest(1);
  auto papers = Papers(8);
  const auto more = From(0, 8);
  papers.insert(papers.end(), more.begin(), more.end());
  const Digest digest = Deliver("2025-01-03", papers);
  EXPECT_THAT(ScoreAll(2), IsEmpty());
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 8u);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).unscored(), 8u);
}

TEST_F(BudgetTest, ABatchThatWaitsForMoneyIsNotForgotten) {
  Scorer(1, 2, 60);
  const auto forecast = Estimated("2025-01-03", Papers(8)).picodollars();
  profile.set_budget_picodollars_per_digest(forecast * 8 / 5);
  const Digest digest = Deliver("2025-01-03", Papers(8));
  const auto first = HandOut();
  ASSERT_THAT(SizesOf(first), ElementsAre(4)) << "two are beyond the budget, as reserved";
  EXPECT_THAT(HandOut(), IsEmpty());
  Answer(Reported(first[0]));
  const auto second = HandOut();
  ASSERT_THAT(SizesOf(second), ElementsAre(4));
  Answer(Reported(second[0]));
  dispatch.HandOut(now);
  EXPECT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(CountFunnel(store->db(), digest.id).unscored(), 0u);
}

TEST_F(BudgetTest, ACallCountsForTheDayOnWhichItsMoneyWasReserved) {
  Deliver("2025-01-03", Papers(4));
  Scorer(1, 1);
  const auto batch = HandOut().at(0);
  now.eastern_day = "2025-06-16";
  Answer(Reported(batch));
  EXPECT_EQ(Count("SELECT count(*) FROM call WHERE day = '2025-06-15'"), 1);
}

TEST_F(BudgetTest, ABudgetWithACheaperModelWithoutAPriceIsRefusedEarly) {
  profile.set_budget_picodollars_per_digest(kPicodollarsPerDollar);
  profile.add_degrade(kGiveUpModel);
  profile.set_cheaper_model("some-unknown-model");
  const auto refused = intake.Open(OpenMessage("2025-01-03"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("price of its cheaper_model some-unknown-model"));
}

TEST_F(BudgetTest, ALostCallIsOnThePageWithWhatItCostAtMost) {
  const Digest digest = Deliver("2025-01-03", Papers(8));
  Scorer(1, 1);
  ASSERT_EQ(HandOut().size(), 1u);
  Pass(kSilence + std::chrono::seconds(1));  // its scorer is dead
  now.eastern_day = "2025-06-16";
  ScoreAll(4);
  ASSERT_EQ(StateOf(digest), "complete");
  EXPECT_THAT(PageOf(digest),
              HasSubstr("| **Cost not known of** | 1 call   | estimated    | at most $0.0"));
  EXPECT_EQ(StatusOf(digest)["lost_calls"], 1);
  EXPECT_GT(StatusOf(digest)["lost_dollars_at_most"], 0.0);
}

TEST_F(BudgetTest, AReasoningModelIsGivenRoomToThinkAndMoneyIsReservedForIt) {
  profile.set_budget_picodollars_per_digest(kPicodollarsPerDollar);
  Deliver("2025-01-03", Papers(4));
  Scorer(1, 1);
  const auto plain = HandOut().at(0);
  EXPECT_EQ(plain.max_answer_tokens(), MaxAnswerTokens(wire::STAGE_ABSTRACT, 4));
  const auto reserved = Count("SELECT estimate_picodollars FROM lease");
  auto too_little = Failure(plain, wire::ProviderFailure::AGAIN, "it needs more room");
  too_little.set_reasoning(true);
  Answer(too_little);
  Scorer(1, 1);
  const auto roomy = HandOut().at(0);
  EXPECT_EQ(roomy.max_answer_tokens(), plain.max_answer_tokens() + kReasoningTokens);
  EXPECT_EQ(Count("SELECT estimate_picodollars FROM lease"),
            reserved + kReasoningTokens * prices.Of("gpt-4o")->completion);
}

TEST_F(BudgetTest, ACallThatTheCacheReportsForADeadScorerIsPaidOnce) {
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Scorer(1, 1);
  auto lost = HandOut().at(0);
  Pass(kSilence + std::chrono::seconds(1));
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 1"), 1);
  now.eastern_day = "2025-06-16";
  auto answered = Reported(lost);
  answered.mutable_calls(0)->set_lease(lost.lease());
  for (int i = 0; i < 4; ++i) {  // each alone now
    Scorer(2, 1);
    const auto batch = HandOut().at(0);
    auto cached = ResultOf(batch);
    *cached.add_calls() = answered.calls(0);
    for (const auto& paper : answered.papers()) {
      if (paper.key() == batch.papers(0).key()) *cached.add_papers() = paper;
    }
    Answer(cached, 2);
  }
  dispatch.HandOut(now);
  ASSERT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(Count("SELECT count(*) FROM lease"), 0);
  EXPECT_EQ(Count("SELECT count(*) FROM call"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM call WHERE day = '2025-06-15' AND prompt_chars = 0"), 1)
      << "on the day of its own batch, and nothing is learnt from it";
  EXPECT_EQ(StatusOf(digest).count("lost_calls"), 0u);
}

TEST_F(BudgetTest, ACallThatDoesNotSayWhatItCostKeepsItsEstimate) {
  const Digest digest = Deliver("2025-01-03", Papers(4));
  Scorer(1, 1);
  auto result = Reported(HandOut().at(0));
  result.mutable_calls(0)->set_tokens_reported(false);
  Answer(result);
  Answer(result);
  dispatch.HandOut(now);
  ASSERT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(Count("SELECT count(*) FROM lease WHERE lost = 1 AND id > 0"), 1);
  EXPECT_EQ(Count("SELECT sum(deaths) FROM work"), 0);
  EXPECT_EQ(StatusOf(digest)["lost_calls"], 1);
}

TEST_F(BudgetTest, ANewEditionStatesItsOwnBudget) {
  const Picodollars first = kPicodollarsPerDollar / 50, second = kPicodollarsPerDollar / 2;
  profile.set_budget_picodollars_per_day(first);
  const Digest digest = Deliver("2025-01-03", Papers(40));
  ScoreAll(2);
  EXPECT_EQ(StatusOf(digest)["budget"]["dollars"], 0.02);
  EXPECT_THAT(PageOf(digest), HasSubstr("Of the day's budget of $0.02 $0.0200 were left for this "
                                        "digest on 2025-06-15, when"));
  Publish(digest);
  profile.set_budget_picodollars_per_day(second);
  Open("2025-01-03");
  const Picodollars spent = Spent();
  ScoreAll(2);
  const auto budget = StatusOf(digest)["budget"];
  EXPECT_EQ(budget["dollars"], 0.5);
  EXPECT_NEAR(budget["left_dollars"].get<double>(),
              static_cast<double>(second - spent) / kPicodollarsPerDollar, 1e-9);
  EXPECT_EQ(CountFunnel(store->db(), digest.id).unscored(), 0u);
  Publish(digest);
  profile.set_budget_picodollars_per_day(kPicodollarsPerDollar);
  Open("2025-01-03");
  ScoreAll(2);
  EXPECT_EQ(StatusOf(digest).count("budget"), 0u) << "nothing was measured, nothing is said";
}

// ---- what is given up ----------------------------------------------------------------

class DegradeTest : public BudgetTest {
 protected:
  // What scoring 40 papers takes as configured.
  Picodollars Full() {
    Scorer(1, 2);
    auto profile_now = profile;
    profile = DefaultProfile();
    profile.set_prompt(prompt);
    const auto estimate = Estimated("2025-01-03", Papers(40));
    profile = profile_now;
    return estimate.picodollars();
  }
  // A long prompt: most of the money is its share.
  const std::string prompt = std::string(60'000, 'p') + "\n\n[PAPER LIST HERE]";
};

TEST_F(DegradeTest, NothingIsGivenUpWhereItFits) {
  profile.set_prompt(prompt);
  profile.set_budget_picodollars_per_day(2 * Full());
  profile.add_degrade(kGiveUpSmallBatches);
  const Digest digest = Deliver("2025-01-03", Papers(40));
  ScoreAll(2);
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, "");
  EXPECT_THAT(PageOf(digest), Not(HasSubstr("budget")));
  EXPECT_EQ(StatusOf(digest)["budget"]["per"], "day");
  EXPECT_EQ(StatusOf(digest)["budget"]["given_up"].size(), 0u);
}

TEST_F(DegradeTest, StepsAreTakenInTurnUntilItFitsAndThePageSaysSo) {
  profile.set_prompt(prompt);
  const Picodollars budget = Full() / 2;
  profile.set_budget_picodollars_per_digest(budget);
  profile.add_degrade(kGiveUpSmallBatches);
  profile.add_degrade(kGiveUpModel);
  profile.set_cheaper_model("gpt-4o-mini");
  const Digest digest = Deliver("2025-01-03", Papers(40));
  const auto sizes = ScoreAll(2);
  EXPECT_EQ(sizes.front(), 16);
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, "larger_batches");
  EXPECT_EQ(CountFunnel(store->db(), digest.id).selected(), 40u);
  EXPECT_LE(Spent(), budget);
  EXPECT_THAT(
      PageOf(digest),
      AllOf(HasSubstr("> Of the digest's budget of $"),
            HasSubstr("when its forecast as configured"),
            HasSubstr("Given up: small batches: up to 16 papers are judged in a call, not 4."),
            HasSubstr("Spent in all: " + FineDollars(Spent()) + ".")));
  const auto status = StatusOf(digest)["budget"];
  EXPECT_EQ(status["given_up"], nlohmann::json({"larger_batches"}));
  EXPECT_GT(status["forecast_dollars"], status["left_dollars"]);
  EXPECT_LE(status["forecast_with_that_dollars"], status["left_dollars"]);
}

TEST_F(DegradeTest, TheDecisionOutlivesCrashesAndRunsAndCostsNothingTwice) {
  profile.set_prompt(prompt);
  profile.set_budget_picodollars_per_digest(Full() / 8);
  for (const char* step : {kGiveUpTitles, kGiveUpSmallBatches, kGiveUpModel}) {
    profile.add_degrade(step);
  }
  profile.set_cheaper_model("gpt-4o-mini");
  const Digest digest = Deliver("2025-01-03", Papers(40));
  Scorer(1, 1);
  const auto batch = HandOut().at(0);
  EXPECT_EQ(batch.model(), "gpt-4o-mini");
  const std::string given_up = FindDigest(store->db(), digest.id)->given_up;
  EXPECT_THAT(given_up, HasSubstr("cheaper_model"));
  dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  Pass(kSilence);
  ScoreAll(1);
  Answer(Reported(batch));
  dispatch.HandOut(now);
  ASSERT_EQ(StateOf(digest), "complete");
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, given_up);
  EXPECT_EQ(FindDigest(store->db(), digest.id)->voice->model, "gpt-4o-mini");
  Publish(digest);
  const int64_t calls_made = Count("SELECT count(*) FROM call");
  profile.set_relevance_cutoff(2);
  Open("2025-01-03");
  ScoreAll(1);
  EXPECT_EQ(Count("SELECT count(*) FROM call"), calls_made) << "a changed cut-off costs no call";
  Publish(digest);
  // With money enough the next edition is scored as configured.
  profile.set_budget_picodollars_per_digest(kPicodollarsPerDollar);
  Open("2025-01-03");
  ScoreAll(1);
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, "");
  EXPECT_EQ(FindDigest(store->db(), digest.id)->voice->model, "gpt-4o");
}

TEST_F(DegradeTest, TheCheaperModelIsNotAskedWhileItsProviderFails) {
  profile.set_name("other");
  profile.set_model("gpt-4o-mini");
  Deliver("2025-01-03", Papers(4));
  for (int i = 0; i < kTransientFailuresBeforeBackoff; ++i) {
    Scorer(1, 1);
    Answer(Failure(HandOut().at(0), wire::ProviderFailure::TRANSIENT, "503"));
  }
  profile = DefaultProfile();
  profile.set_prompt(prompt);
  profile.set_budget_picodollars_per_day(Full() / 8);
  profile.add_degrade(kGiveUpModel);
  profile.set_cheaper_model("gpt-4o-mini");
  const Digest digest = Deliver("2025-01-03", Papers(40));
  Scorer(1, 1);
  EXPECT_THAT(HandOut(), IsEmpty());
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, "cheaper_model");
}

TEST_F(BudgetTest, BatchesShrinkWhereTheOtherDigestThatWaitsIsNotForTheseScorers) {
  profile.set_name("words");
  profile.set_model("lexical");
  Deliver("2025-01-03", Papers(8));
  profile = DefaultProfile();
  Deliver("2025-01-06", From(0, 8));
  Scorer(1, 4);
  EXPECT_THAT(SizesOf(HandOut()), ElementsAre(2, 2, 2, 2));
}

TEST_F(BudgetTest, ThePaceOfAScorerIsThatOfTheModelThatAnsweredIt) {
  wire::Ready ready;
  ready.set_boot(1);
  ready.set_backend("openai");
  ready.set_model("gpt-4o");
  ready.set_paced_model("gpt-4o-mini");
  ready.set_concurrency(7);
  ready.set_number(1);
  dispatch.OnReady("peer", ready, now);
  const auto paces = dispatch.Paces();
  EXPECT_EQ(paces.count("gpt-4o"), 0u);
  EXPECT_EQ(paces.at("gpt-4o-mini").concurrency, 7u);
}

TEST_F(DegradeTest, WhereNothingSufficesAllIsGivenUpAndTheRestIsUnscored) {
  profile.set_prompt(prompt);
  const Picodollars budget = Full() / 60;
  profile.set_budget_picodollars_per_day(budget);
  profile.add_degrade(kGiveUpModel);
  profile.set_cheaper_model("gpt-4o-mini");
  const Digest digest = Deliver("2025-01-03", Papers(40));
  ScoreAll(2);
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, "cheaper_model");
  EXPECT_GT(CountFunnel(store->db(), digest.id).unscored(), 0u);
  EXPECT_LE(Spent(), budget);
  EXPECT_THAT(PageOf(digest), AllOf(HasSubstr("is used up"),
                                    HasSubstr("the scorers' model: gpt-4o-mini scores instead")));
}

TEST_F(DegradeTest, AStepThatSavesNothingIsNotTaken) {
  profile.set_prompt(prompt);
  profile.set_title_stage(true);
  profile.set_budget_picodollars_per_day(1'000'000);
  profile.add_degrade(kGiveUpTitles);
  const Digest digest = Deliver("2025-01-03", Papers(8));
  ScoreAll(2);
  EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up, "");
  EXPECT_EQ(CountFunnel(store->db(), digest.id).unscored(), 8u);
}

// Batches are admitted by what they cost at most; that must not leave the last of them
// unscored where the money would do.
TEST_F(DegradeTest, WhatIsSaidToFitIsScoredWhole) {
  profile.set_name("teacher");
  Deliver("2025-01-02", From(500, 40));
  ScoreAll(2);
  const auto forecast = Estimated("2025-01-03", Papers(40)).picodollars();
  for (const int percent : {100, 105, 110, 120, 130, 150}) {
    profile = DefaultProfile();
    profile.set_name("budget-" + std::to_string(percent));
    profile.set_prompt("Budget " + std::to_string(percent) + ".\n\n[PAPER LIST HERE]");
    profile.set_budget_picodollars_per_digest(forecast * percent / 100);
    profile.add_degrade(kGiveUpModel);
    profile.set_cheaper_model("gpt-4o-mini");
    const Digest digest = Deliver("2025-01-03", Papers(40));
    ScoreAll(2);
    EXPECT_EQ(CountFunnel(store->db(), digest.id).unscored(), 0u) << percent;
    EXPECT_EQ(FindDigest(store->db(), digest.id)->given_up.empty(), percent >= 110) << percent;
  }
}

TEST_F(BudgetTest, TheRestOfABudgetIsSpentInSmallerBatches) {
  Scorer(1, 1);
  const auto forecast = Estimated("2025-01-03", Papers(40)).picodollars();
  profile.set_budget_picodollars_per_digest(forecast / 2);
  const Digest digest = Deliver("2025-01-03", Papers(40));
  const auto sizes = ScoreAll(1);
  EXPECT_EQ(sizes.front(), 4);
  EXPECT_LT(sizes.back(), 3) << "the last calls for four papers are two each as configured";
  EXPECT_GT(CountFunnel(store->db(), digest.id).unscored(), 0u);
  const Picodollars left = forecast / 2 - Spent();
  EXPECT_GE(left, 0);
  const auto price = *prices.Of("gpt-4o");
  EXPECT_LT(left, 100 * price.prompt + MaxAnswerTokens(wire::STAGE_ABSTRACT, 1) * price.completion)
      << "not enough for a single paper";
}

}  // namespace
}  // namespace paperboy
