// Units of work that are made in portions while their digest is handed out.
#include <algorithm>
#include <set>

#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::ElementsAre;

// Work that is made three rows at a time.
class Portions : public LedgerTest {
 protected:
  Portions() : LedgerTest(3) {}
  // Everything, one batch at a time: the ids in the order in which they go out.
  std::vector<std::string> InOrder() {
    std::vector<std::string> ids;
    for (int i = 0; i < 200; ++i) {
      Ready(1, 1, {}, UINT64_MAX);
      for (const auto& batch : HandOut()) {
        sizes.push_back(batch.papers_size());
        for (const auto& paper : batch.papers()) ids.push_back(paper.id());
        Answer(Scores(batch));
      }
    }
    return ids;
  }
  std::vector<int> sizes;
};

TEST_F(Portions, BatchesAreAsLargeAsOfWorkThatIsMadeAtOnce) {
  PassAdoption();
  concurrency = 1;
  profile.set_batch_size(4);
  const Digest digest = Deliver("2025-01-03", Papers(18));
  InOrder();
  EXPECT_THAT(sizes, ElementsAre(4, 4, 4, 4, 2));
  EXPECT_EQ(StateOf(digest), "complete");
}

TEST_F(Portions, FurtherReadingsComeAfterEveryRow) {
  PassAdoption();
  profile.set_batch_size(1);
  profile.set_rescore_samples(3);
  profile.set_rescore_margin(1);
  const auto papers = Papers(10);
  for (const auto& paper : papers) scores[paper.id] = {8, 7};
  const Digest digest = Deliver("2025-01-03", papers);
  const auto ids = InOrder();
  ASSERT_EQ(ids.size(), 30u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.begin() + 10).size(), 10u);
  EXPECT_EQ(StateOf(digest), "complete");
}

TEST_F(Portions, WhatIsAnsweredAlreadyCostsNothingAndHoldsNothingUp) {
  PassAdoption();
  Deliver("2025-01-03", Papers(10));
  InOrder();
  const int64_t calls = Count("SELECT count(*) FROM call");
  profile.set_name("other");
  const Digest digest = Deliver("2025-01-03", Papers(11));
  sizes.clear();
  EXPECT_THAT(InOrder(), ElementsAre(Papers(11).back().id));
  EXPECT_EQ(Count("SELECT count(*) FROM call"), calls + 1);
  EXPECT_EQ(StateOf(digest), "complete");
}

TEST_F(Portions, AGivenUpDigestKeepsWhatIsAnsweredAlready) {
  PassAdoption();
  Deliver("2025-01-03", Papers(10));
  InOrder();
  profile.set_name("other");
  auto papers = Papers(20);
  std::reverse(papers.begin(), papers.end());
  const Digest digest = Deliver("2025-01-03", papers);
  Ready(1, 1, {}, UINT64_MAX);
  ASSERT_EQ(HandOut().size(), 1u);
  ASSERT_TRUE(planner.GiveUp(digest.id, "given up", now.unix_seconds));
  EXPECT_EQ(CountFunnel(store->db(), digest.id).unscored(), 10u);
}

}  // namespace
}  // namespace paperboy
