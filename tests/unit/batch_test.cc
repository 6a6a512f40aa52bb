// How large a batch may be.
#include "aggregator/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BatchLimit, IsFullWhileThereIsEnoughAndAnEvenShareTowardsTheEnd) {
  wire::Profile profile;
  profile.set_batch_size(8);
  const Capacity four{.calls = 4};
  EXPECT_EQ(BatchLimit(profile, kCandidates, four), 8u);
  EXPECT_EQ(BatchLimit(profile, 32, four), 8u);
  EXPECT_EQ(BatchLimit(profile, 28, four), 7u);
  EXPECT_EQ(BatchLimit(profile, 17, four), 5u);
  EXPECT_EQ(BatchLimit(profile, 3, four), 4u) << "never less than half";
  EXPECT_EQ(BatchLimit(profile, 3, {.calls = 1'000}), 4u);
}

TEST(BatchLimit, StaysFullWhereCallsAreTheScarceThing) {
  wire::Profile profile;
  profile.set_batch_size(8);
  EXPECT_EQ(BatchLimit(profile, 8, {.calls = 64, .rpm = 500}), 8u);
  EXPECT_EQ(BatchLimit(profile, 8, {.calls = 8, .rpm = 500}), 4u) << "a quota that is wide enough";
  EXPECT_EQ(BatchLimit(profile, 8, {}), 8u) << "nobody is known to be there";
}

TEST(BatchesOf, AreThoseThatTheRuleMakes) {
  wire::Profile profile;
  profile.set_batch_size(4);
  EXPECT_THAT(BatchesOf(profile, {}, {.calls = 2}), IsEmpty());
  // The last eight are shared evenly.
  EXPECT_THAT(BatchesOf(profile, std::vector<int64_t>(20, 100), {.calls = 2}),
              ElementsAre(4, 4, 4, 4, 2, 2));
  EXPECT_EQ(BatchesOf(profile, std::vector<int64_t>(20, 100), {}).size(), 5u);
  profile.set_batch_tokens(250);
  EXPECT_EQ(BatchesOf(profile, std::vector<int64_t>(20, 100), {}).size(), 10u);
  EXPECT_THAT(BatchesOf(profile, {900, 100, 100}, {}), ElementsAre(1, 2))
      << "one that is too long goes alone";
}

}  // namespace
}  // namespace paperboy
