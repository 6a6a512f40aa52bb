// Followed authors and the h-index gate with the real programs.
#include <fstream>
#include <map>

#include "tests/process/digest_test.h"

namespace paperboy {
namespace {

using testing::HasSubstr;

// A day of eight papers by as many people: of the first four somebody is followed.
Day DayOfPeople() {
  Day day = DayOf(8);
  auto& papers = day.settings.papers;
  papers[0].authors = {"Bo Elm", "Ren\\'e Sch\\\"urholt"};
  papers[1].authors = {"Ada Vale"};
  papers[2].authors = {"Ada Vale"};  // a namesake
  papers[3].authors = {"Cy Fir"};
  for (int i = 4; i < 8; ++i) papers[i].authors = {"Dee Oak", "Eli Yew"};
  auto& known = day.settings.scholar.papers;
  known[papers[1].id] = {{"A. Vale", "17", "", 3}};
  known[papers[2].id] = {{"A. Vale", "18", "", 3}};
  known[papers[3].id] = {{"C. Fir", "19", "0000-0002-1825-0097", 1}};
  known[papers[4].id] = {{"D. Oak", "20", "", 4}, {"E. Yew", "21", "", 40}};
  known[papers[5].id] = {{"D. Oak", "20", "", 4}, {"E. Yew", "22", "", 9}};
  known[papers[6].id] = {{"D. Oak", "20", "", 4}, {"E. Yew", ""}};
  return day;
}

std::string WriteProfile(System& system, const std::string& toml, const std::string& authors) {
  const std::string folder = system.WriteProfile("people", toml);
  std::ofstream(folder + "/authors.txt") << authors;
  return folder;
}

constexpr char kFollowed[] =
    "# friends\nRen\u00E9 Schu\u0308rholt\nAda Vale, 17\nCy Fir, 0000-0002-1825-0097\n";

System::Arguments With(const Day& day, System& system, const std::string& profile,
                       const std::string& deadline = "60s") {
  auto arguments = day.FromFile(system);
  arguments.insert(arguments.end(), {"--profile", profile, "--deadline", deadline});
  return arguments;
}

std::map<std::string, nlohmann::json> RowsOf(const nlohmann::json& digest) {
  std::map<std::string, nlohmann::json> rows;
  for (const auto& row : digest["rows"]) rows[row["id"]] = row;
  return rows;
}

TEST(People, FollowedAuthorsAreShownAndTheGateKeepsOutWhomItKnows) {
  Day day = DayOfPeople();
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  const std::string profile = WriteProfile(system, "h_index_cutoff = 10", kFollowed);
  const auto run = system.RunFetcher(With(day, system, profile));
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();

  const auto digest = system.DigestJson(kDate, "people");
  ExpectFunnelAddsUp(digest);
  const auto& papers = day.settings.papers;
  auto rows = RowsOf(digest);
  EXPECT_EQ(rows[papers[0].id]["why"], "author match: Ren\u00E9 Schu\u0308rholt, by name");
  EXPECT_EQ(rows[papers[1].id]["why"], "author match: Ada Vale, Semantic Scholar 17");
  EXPECT_EQ(rows[papers[2].id]["state"], "author_gated") << "a namesake";
  EXPECT_EQ(rows[papers[3].id]["why"], "author match: Cy Fir, ORCID 0000-0002-1825-0097");
  EXPECT_TRUE(system.llm().account().sent.contains(papers[4].id)) << "one of them is known enough";
  EXPECT_EQ(rows[papers[5].id]["why"],
            "the highest h-index of its authors is 9 (E. Yew), below 10");
  EXPECT_EQ(rows[papers[6].id]["authors_unknown"], true) << "nobody knows one of them";
  EXPECT_EQ(rows[papers[7].id]["authors_unknown"], true) << "the paper is not known";
  EXPECT_EQ(digest["funnel"]["author_gated"], 2);
  EXPECT_EQ(digest["authors_unknown"], 2);
  const std::string note = "The authors of 2 of 8 papers are not known to Semantic Scholar";
  const std::string page = system.Page(kDate, "people");
  EXPECT_THAT(page, testing::StartsWith("> " + note));
  EXPECT_THAT(run.out, HasSubstr(note));
  EXPECT_THAT(page, HasSubstr("**Comment:** Author match\n\n---"));
  const auto json = system.PapersJson(kDate, "people");
  for (const int i : {0, 1, 3}) {
    EXPECT_EQ(json[papers[i].id]["SCORE"], 20) << i;
    EXPECT_FALSE(system.llm().account().sent.contains(papers[i].id)) << "no call asks about it";
  }
  ASSERT_EQ(system.scholar().requests().size(), 1u);
  EXPECT_EQ(system.scholar().requests()[0].ids.size(), 8u);

  // The same again asks nobody, and a lower gate is planned from what is known.
  ASSERT_EQ(system.RunFetcher(With(day, system, profile)).exit.code, 0);
  const std::string lower = WriteProfile(system, "h_index_cutoff = 9", kFollowed);
  ASSERT_EQ(system.RunFetcher(With(day, system, lower)).exit.code, 0) << system.Logs();
  EXPECT_EQ(system.DigestJson(kDate, "people")["funnel"]["author_gated"], 1);
  EXPECT_EQ(system.DigestJson(kDate, "people")["authors_unknown"], 2);
  EXPECT_EQ(system.scholar().requests().size(), 1u) << "what is not known either is in Redis";
}

// An outage empties no day and delays none: what is followed by name is there, the rest
// passes, and the page says so.
class ScholarOut : public testing::TestWithParam<std::string> {};

TEST_P(ScholarOut, PublishesTheDayInTimeWithEverythingPassedAndCounted) {
  Day day = DayOfPeople();
  day.settings.scholar.faults = GetParam();
  System system(day.settings);
  system.StartAggregator();
  system.StartScorers(1);
  const std::string profile = WriteProfile(system, "h_index_cutoff = 10", kFollowed);
  const auto begin = std::chrono::steady_clock::now();
  const auto run = system.RunFetcher(With(day, system, profile, "24s"));
  ASSERT_EQ(run.exit.code, 0) << run.err << system.Logs();
  EXPECT_LE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(16));
  const auto digest = system.DigestJson(kDate, "people");
  ExpectFunnelAddsUp(digest);
  EXPECT_EQ(digest["state"], "published");
  EXPECT_EQ(digest["funnel"]["author_gated"], 0);
  EXPECT_EQ(digest["funnel"]["scanned"], 8);
  EXPECT_EQ(digest["authors_unknown"], 4) << "all but those that a name showed";
  EXPECT_THAT(run.out, HasSubstr("The authors of 4 of 8 papers are not known"));
  EXPECT_THAT(run.err, HasSubstr("the authors of 8 papers could not be looked up"));
  EXPECT_THAT(system.Page(kDate, "people"), HasSubstr("followed authors were looked for by name"));
}

INSTANTIATE_TEST_SUITE_P(Moods, ScholarOut, testing::Values("429", "500", "stall", "html"));

}  // namespace
}  // namespace paperboy
