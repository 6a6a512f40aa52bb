// What status and papers print.
#include "aggregator/inspect.h"

#include "aggregator/commands.h"
#include "aggregator/operator_link.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class InspectTest : public LedgerTest {
 protected:
  InspectTest() {
    PassAdoption();
    scores["2501.00001"] = {3, 2};
    first =
        Deliver("2025-01-03",
                {{"2501.00001"}, {"2501.00002"}, {"2501.00003", wire::ANNOUNCE_TYPE_REPLACE, 2}});
    ScoreEverything();
    Publish(first);
  }
  std::string Status(int limit = kStatusDigests) {
    return StatusText(store->db(), "data/ledger.db", limit);
  }
  std::string Papers(const std::string& date, const std::string& state = "") {
    auto text = PapersText(store->db(), date, state);
    EXPECT_TRUE(text.ok()) << text.error().message;
    return *text;
  }
  Digest first;
};

TEST_F(InspectTest, StatusListsDigestsNewestFirstWithWhatWaits) {
  Deliver("2025-01-06", LedgerTest::Papers(6));
  wire::Day day;
  day.set_profile("test");
  day.set_date("2025-01-04");
  day.set_state("holiday");
  day.set_why("a Saturday");
  ASSERT_TRUE(intake.Day(day).ok());
  Ready(1, 1, {}, UINT64_MAX);
  ASSERT_EQ(HandOut().size(), 1u);
  EXPECT_THAT(
      Status(),
      AllOf(HasSubstr("ledger  data/ledger.db: "), HasSubstr("schema 4, id " + store->id()),
            HasSubstr("leases  1 batch with 4 papers out"),
            ContainsRegex("test +2025-01-06 +sealed +1 +gpt-4o +6 +0 +0 +0 +0 +0 +2 +4 +\\$0.0\n"
                          "test +2025-01-04 +holiday\n"
                          "test +2025-01-03 +published +1 +gpt-4o +3 +1 +0 +2 +1 +0 +0 +0 +\\$0.0"),
            HasSubstr("test 2025-01-04: a Saturday")));
}

TEST_F(InspectTest, StatusSaysWhatAPartialPageLacksUntilItComes) {
  profile.add_categories("cs.AI");
  profile.add_categories("cs.CL");
  const Digest digest = Deliver("2025-01-06", {{"2501.00004"}});
  ASSERT_TRUE(SealLate(digest, "cs.CL").ok());
  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());
  ScoreEverything();
  Publish(digest);
  const auto whole = ContainsRegex("test +2025-01-06 +published +1 +gpt-4o +1 ");
  EXPECT_THAT(Status(),
              AllOf(ContainsRegex("test +2025-01-06 +partial, lacks cs.AI, cs.CL +1 +gpt-4o +1 "),
                    ContainsRegex("test +2025-01-03 +published ")));
  ASSERT_TRUE(Seal(digest, "cs.AI", 0).ok());
  ScoreEverything();
  Publish(digest);
  EXPECT_THAT(Status(), ContainsRegex("test +2025-01-06 +partial, lacks cs.CL +1 "));
  ASSERT_TRUE(Seal(digest, "cs.CL", 0).ok());
  ScoreEverything();
  Publish(digest);
  EXPECT_THAT(Status(), whole);
}

TEST_F(InspectTest, StatusIsLimitedAndSaysSo) {
  Deliver("2025-01-06", LedgerTest::Papers(1));
  EXPECT_THAT(Status(1), AllOf(HasSubstr("2025-01-06"), Not(HasSubstr("2025-01-03")),
                               HasSubstr("1 of 2 are shown; `status 2` shows all")));
}

TEST_F(InspectTest, AnUnknownCostIsUnknown) {
  store->db().Exec("UPDATE call SET prompt_picodollars = NULL");
  EXPECT_THAT(Status(), HasSubstr("unknown"));
}

TEST_F(InspectTest, PapersListsEveryRowAndWhereItEnded) {
  EXPECT_THAT(
      Papers("2025-01-03"),
      AllOf(ContainsRegex("test +2501.00002 +selected #1 +9 +8 +Title of 2501.00002\n"
                          "test +2501.00001 +below_cutoff +3 +2 +Title of 2501.00001\n"
                          "test +2501.00003 +not_wanted +- +- +announce_type: replace +Title")));
}

TEST_F(InspectTest, PapersOfOneStateOnly) {
  EXPECT_THAT(Papers("2025-01-03", "below_cutoff"),
              AllOf(HasSubstr("2501.00001"), Not(HasSubstr("2501.00002"))));
  EXPECT_EQ(Papers("2025-01-03", "unscored"), "no paper of 2025-01-03 is unscored\n");
  Deliver("2025-01-06", {{"2501.00009"}});
  EXPECT_THAT(Papers("2025-01-06", "waiting"), HasSubstr("2501.00009  waiting"));
}

TEST_F(InspectTest, AnEmptiedDayWaitsForPapers) {
  planner.Empty(first.id);
  EXPECT_EQ(Papers("2025-01-03"),
            "no paper of 2025-01-03 is here; it waits for papers: run paperboy-fetcher with --date "
            "2025-01-03\n");
}

TEST_F(InspectTest, AWrongDateOrStateIsSaidWithWhatThereIs) {
  auto error = [&](const std::string& date, const std::string& state) {
    return PapersText(store->db(), date, state).error().message;
  };
  EXPECT_THAT(error("03.01.2025", ""), HasSubstr("03.01.2025"));
  EXPECT_THAT(error("2025-01-03", "lost"),
              AllOf(HasSubstr("\"lost\""), HasSubstr("below_cutoff, selected, unscored, waiting")));
  EXPECT_THAT(error("2025-01-04", ""), HasSubstr("no digest of 2025-01-04"));
}

TEST(Endpoints, WhereToConnectFollowsFromWhereItIsBound) {
  EXPECT_EQ(*EndpointToConnect("tcp://*:5555"), "tcp://127.0.0.1:5555");
  EXPECT_EQ(*EndpointToConnect("tcp://0.0.0.0:7000"), "tcp://127.0.0.1:7000");
  EXPECT_EQ(*EndpointToConnect("tcp://[::]:7000"), "tcp://[::1]:7000");
  EXPECT_EQ(*EndpointToConnect("tcp://10.0.0.7:5555"), "tcp://10.0.0.7:5555");
  EXPECT_THAT(EndpointToConnect("tcp://*:*").error().message, HasSubstr("--bind-fetchers"));
}

TEST(Words, PruneBeforeIsThePruneOfThatDate) {
  auto words = [](std::vector<const char*> argv) {
    const auto kept = WithoutBefore(static_cast<int>(argv.size()), argv.data());
    return std::vector<std::string>(kept.begin(), kept.end());
  };
  EXPECT_THAT(words({"p", "prune", "--before", "2025-01-03"}),
              ElementsAre("p", "prune", "2025-01-03"));
  EXPECT_THAT(words({"p", "--data", "d", "prune", "--before=2025-01-03"}),
              ElementsAre("p", "--data", "d", "prune", "2025-01-03"));
  EXPECT_THAT(words({"p", "retry", "--before", "2025-01-03"}),
              ElementsAre("p", "retry", "--before", "2025-01-03"));
}

}  // namespace
}  // namespace paperboy
