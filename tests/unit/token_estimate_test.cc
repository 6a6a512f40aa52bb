#include "scorer/token_estimate.h"

#include <gtest/gtest.h>

namespace paperboy {
namespace {

TEST(TokenEstimate, BeginsWithAQuarterOfTheCharactersAndTheWholeAnswer) {
  EXPECT_EQ(TokenEstimate(TokenCharge::kMaximum).Of(4'000, 4, 700), 1'700);
  EXPECT_EQ(TokenEstimate(TokenCharge::kUsed).Of(4'000, 4, 700), 1'700);
}

TEST(TokenEstimate, ChargedByTheMaximumOnlyDenserTextCounts) {
  TokenEstimate estimate(TokenCharge::kMaximum);
  estimate.Learn(4'000, 4, 800, 10);
  EXPECT_EQ(estimate.Of(4'000, 4, 700), 1'700);
  TokenEstimate dense(TokenCharge::kMaximum);
  dense.Learn(4'000, 4, 2'000, 10);
  EXPECT_EQ(dense.Of(4'000, 4, 700), 2'700);
}

TEST(TokenEstimate, ChargedByUseItComesNearToWhatCallsUse) {
  TokenEstimate estimate(TokenCharge::kUsed);
  for (int i = 0; i < 200; ++i) estimate.Learn(4'000, 4, i % 2 ? 800 : 1'200, i % 2 ? 100 : 140);
  EXPECT_NEAR(static_cast<double>(estimate.Of(4'000, 4, 700)), 1'120, 0.03 * 1'120);
  EXPECT_NEAR(static_cast<double>(estimate.Of(8'000, 8, 1'400)), 2'240, 0.03 * 2'240);
}

TEST(TokenEstimate, AnAnswerIsNeverExpectedBeyondItsMaximum) {
  TokenEstimate estimate(TokenCharge::kUsed);
  estimate.Learn(4'000, 1, 1'000, 500);
  EXPECT_LE(estimate.Of(4'000, 4, 700), 1.02 * 1'700);
}

TEST(TokenEstimate, AnEmptyCallTeachesNothing) {
  TokenEstimate estimate(TokenCharge::kUsed);
  estimate.Learn(0, 0, 10, 10);
  EXPECT_EQ(estimate.Of(4'000, 4, 700), 1'700);
}

}  // namespace
}  // namespace paperboy
