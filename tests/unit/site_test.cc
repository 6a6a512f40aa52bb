// The archive as a site: every link leads somewhere, neighbours are neighbours, the
// calendar is the ledger's, and one day's publication writes no more than what shows it.
#include "aggregator/site.h"

#include <filesystem>
#include <set>

#include "aggregator/amend.h"
#include "aggregator/archive.h"
#include "aggregator/days.h"
#include "fetcher/gaps.h"
#include "tests/support/find.h"
#include "tests/unit/site_fixture.h"

namespace paperboy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Where a link on a page leads: a path below OUT.
std::string Target(const std::string& page, const std::string& href) {
  return (std::filesystem::path(page).parent_path() / href).lexically_normal();
}

TEST_F(SiteTest, EveryLinkLeadsToAPage) {
  PublishTwoMonths(nullptr);
  size_t pages = 0, links = 0;
  for (const auto& [path, html] : folder.files) {
    if (!path.starts_with("site/") || !path.ends_with(".html")) continue;
    ++pages;
    SCOPED_TRACE(path);
    for (const std::string& href : FindAll(html, R"re((?:href|src)="([^"]*)")re")) {
      ++links;
      if (href.starts_with("https://arxiv.org/abs/")) continue;
      if (href.starts_with('#')) {
        EXPECT_THAT(html, HasSubstr("id=\"" + href.substr(1) + "\"")) << href;
        continue;
      }
      EXPECT_TRUE(folder.files.contains(Target(path, href))) << href;
      EXPECT_TRUE(Target(path, href).starts_with("site/")) << href << " leads out of the site";
    }
    EXPECT_THAT(html, Not(HasSubstr("<script")));
    EXPECT_THAT(html, HasSubstr("<html lang=\"en\">"));
    EXPECT_THAT(html, HasSubstr("name=\"viewport\""));
  }
  EXPECT_EQ(pages, 1u + 2 * (1 + 2) + 19 + 17) << "front, two indexes and four months, days";
  EXPECT_GT(links, 250u);
}

TEST_F(SiteTest, PreviousAndNextAreThePublishedNeighbours) {
  PublishTwoMonths(nullptr);
  for (const std::string name : {"first", "second"}) {
    std::vector<std::string> dates = {""};
    auto cursor = store->db().Query(
        "SELECT date FROM digest WHERE profile = ? AND state = 'published' ORDER BY date", name);
    while (cursor.Next()) dates.push_back(cursor.Text(0));
    dates.push_back("");
    for (size_t i = 1; i + 1 < dates.size(); ++i) {
      const std::string& html = Page(name + "/" + dates[i] + ".html");
      EXPECT_EQ(First(html, R"re(rel="prev" href="([^"]*)\.html")re"), dates[i - 1]);
      EXPECT_EQ(First(html, R"re(rel="next" href="([^"]*)\.html")re"), dates[i + 1]);
      EXPECT_THAT(html, HasSubstr("<a href=\"" + dates[i].substr(0, 7) +
                                  ".html\">Monthly Overview " + dates[i].substr(0, 7) + "</a>"));
    }
  }
}

TEST_F(SiteTest, TheCalendarIsTheLedgers) {
  PublishTwoMonths(nullptr);
  for (const std::string name : {"first", "second"}) {
    for (const std::string month : {"2025-03", "2025-04"}) {
      std::map<int, std::string> expected;
      auto digests = store->db().Query(
          "SELECT date, count(*) FILTER (WHERE row.state = 'selected') FROM digest JOIN row "
          "ON row.digest = digest.id WHERE profile = ? AND date LIKE ? GROUP BY digest.id",
          name, month + "%");
      while (digests.Next()) {
        const int64_t papers = digests.Int(1);
        expected[std::stoi(digests.Text(0).substr(8))] = (papers == 0 ? "quiet " : "published ") +
                                                         std::to_string(papers) +
                                                         (papers == 1 ? " paper" : " papers");
      }
      auto days = store->db().Query("SELECT date, state FROM day WHERE profile = ? AND date LIKE ?",
                                    name, month + "%");
      while (days.Next()) expected[std::stoi(days.Text(0).substr(8))] = days.Text(1);
      for (const auto& gap : gaps) {
        if (gap.starts_with(month)) expected[std::stoi(gap.substr(8))] = "missing";
      }
      EXPECT_EQ(Calendar(Page(name + "/" + month + ".html")), expected) << name << " " << month;
    }
  }
}

class SiteInAnyOrder : public SiteTest, public testing::WithParamInterface<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Seeds, SiteInAnyOrder, testing::Range(1u, 5u));

TEST_P(SiteInAnyOrder, WhatWasWrittenDayByDayIsWhatTheLedgerGives) {
  std::mt19937 random(GetParam());
  PublishTwoMonths(&random);
  const auto anew = Anew();
  ASSERT_EQ(folder.files.size(), anew.size());
  for (const auto& [path, bytes] : anew) EXPECT_EQ(folder.files[path], bytes) << path;
}

TEST_F(SiteTest, ABackfilledDayMendsItsNeighboursAndNothingElse) {
  for (const char* date : {"2025-04-30", "2025-05-13", "2025-05-15", "2025-05-16", "2025-06-02"}) {
    Published(date);
  }
  EXPECT_THAT(Page("test/2025-05-13.html"), HasSubstr("Next Day 2025-05-15"));
  folder.written.clear();
  Published("2025-05-14");
  EXPECT_THAT(folder.written, ElementsAre("site/test/2025-05-13.html", "site/test/2025-05-14.html",
                                          "site/test/2025-05-15.html", "site/test/2025-05.html",
                                          "test/json/2025-05/2025-05-14-digest.json",
                                          "test/json/2025-05/2025-05-14-output.json",
                                          "test/md/2025-05/2025-05-14-output.md"));
  EXPECT_THAT(Page("test/2025-05-13.html"),
              HasSubstr("<a rel=\"next\" href=\"2025-05-14.html\">Next Day 2025-05-14</a>"));
  EXPECT_THAT(Page("test/2025-05-15.html"),
              HasSubstr("<a rel=\"prev\" href=\"2025-05-14.html\">Previous Day 2025-05-14</a>"));
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[14], "published 2 papers");
}

TEST_F(SiteTest, ADayThatIsPublishedAgainChangesItsOwnPageAndMonth) {
  for (const char* date : {"2025-05-13", "2025-05-14", "2025-05-15"}) Published(date);
  folder.written.clear();
  profile.set_relevance_cutoff(10);
  Publish(Open("2025-05-14"));
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[14], "quiet 0 papers");
  EXPECT_FALSE(folder.written.contains("site/test/2025-05-13.html"));
  EXPECT_FALSE(folder.written.contains("site/index.html"));
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, OfALargeArchiveADayLooksAtNoMoreThanOfASmallOne) {
  const auto looks = [&](const std::string& date) {
    const Digest digest = Complete(date, 2);
    publisher.Publish(digest.id);
    folder.reads = 0;
    EXPECT_TRUE(publisher.Reconcile(digest.id).ok());
    return folder.reads;
  };
  for (const char* date : {"2025-01-08", "2025-02-12", "2025-02-14", "2025-03-12"}) Published(date);
  const int small = looks("2025-02-13");
  PublishTwoMonths(nullptr);
  profile.set_name("test");
  for (const char* date : {"2025-04-15", "2025-05-12", "2025-05-14", "2025-06-11"}) Published(date);
  // Compared each time: the newest page of each profile, and the dates without a digest.
  EXPECT_EQ(looks("2025-05-13"), small + 2 + 2);
}

TEST_F(SiteTest, WhatCouldNotBeWrittenIsMadeUpFor) {
  Published("2025-05-13");
  Published("2025-05-15");
  const Digest digest = Complete("2025-05-14", 1);
  for (int writes = 0; writes < 5; ++writes) {
    folder.writes_left = 1;
    if (writes == 0) publisher.Publish(digest.id);
    // Of no digest in particular, as when a later tick tries again.
    EXPECT_FALSE(publisher.Reconcile(0).ok());
  }
  folder.writes_left = INT_MAX;
  EXPECT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, AStepWritesOneFileAndWhatIsRecordedMeanwhileComesAfter) {
  Published("2025-05-13");
  const Digest digest = Complete("2025-05-14", 1);
  publisher.Publish(digest.id);
  publisher.Begin(digest.id);
  int steps = 0;
  for (; !publisher.done(); ++steps) {
    const auto written = publisher.Step();
    ASSERT_TRUE(written.ok());
    EXPECT_LE(*written, 1);
    if (steps != 2) continue;
    wire::Day day;
    day.set_profile(profile.name());
    day.set_date("2025-05-16");
    day.set_state("failed");
    ASSERT_TRUE(intake.Day(day).ok());
    publisher.RecordDay(profile.name(), "2025-05-16");
  }
  EXPECT_GT(steps, 5);
  EXPECT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, WhatAKilledProcessDidNotWriteIsWrittenAtTheStart) {
  Published("2025-05-13");
  Published("2025-05-15");
  publisher.Publish(Complete("2025-05-14", 1).id);
  EXPECT_FALSE(folder.files.contains("site/test/2025-05-14.html"));
  EXPECT_TRUE(Publisher(store->db(), folder).Reconcile().ok());
  EXPECT_EQ(folder.files, Anew());
  EXPECT_THAT(Page("test/2025-05-13.html"), HasSubstr("Next Day 2025-05-14"));
}

TEST_F(SiteTest, WhatIsDeletedComesBack) {
  Published("2025-05-13");
  const Digest second = Published("2025-05-14");
  const auto files = folder.files;
  folder.files.clear();
  EXPECT_TRUE(publisher.Reconcile(second.id).ok());
  EXPECT_EQ(folder.files, files);
}

TEST_F(SiteTest, AnEmptyLedgerHasAFrontPage) {
  EXPECT_EQ(*publisher.Reconcile(), 2);
  EXPECT_THAT(Page("index.html"), HasSubstr("Nothing is published yet."));
  EXPECT_THAT(Page("style.css"), HasSubstr("prefers-color-scheme: dark"));
}

TEST_F(SiteTest, TheFrontPageIsTheNewestDay) {
  Published("2025-05-15");
  Published("2025-05-14");
  for (const char* path : {"index.html", "test/index.html"}) {
    EXPECT_THAT(Page(path), HasSubstr("<h1>Personalized Daily ArXiv Papers 2025-05-15</h1>"));
  }
  EXPECT_THAT(Page("index.html"), HasSubstr("href=\"test/2025-05-14.html\""));
  EXPECT_THAT(Page("index.html"), HasSubstr("href=\"style.css\""));
  EXPECT_THAT(Page("test/index.html"), HasSubstr("href=\"2025-05-14.html\""));
  EXPECT_THAT(Page("test/index.html"), HasSubstr("href=\"../style.css\""));
}

TEST_F(SiteTest, OfSeveralProfilesTheFrontPageIsAList) {
  Published("2025-05-14", 1);
  profile.set_name("other");
  Published("2025-05-15", 3);
  profile.set_name("third");
  Recorded("2025-05-16", "waiting", "not announced yet");
  const std::string& front = Page("index.html");
  EXPECT_THAT(front, HasSubstr("<a href=\"test/index.html\">test</a>: "
                               "<a href=\"test/2025-05-14.html\">2025-05-14</a>, 1 paper\n"));
  EXPECT_THAT(front, HasSubstr("<a href=\"other/2025-05-15.html\">2025-05-15</a>, 3 papers\n"));
  EXPECT_THAT(front, HasSubstr("<a href=\"third/2025-05.html\">2025-05-16</a>: "
                               "<span class=\"waiting\">waiting</span>"));
  EXPECT_THAT(Page("third/index.html"), HasSubstr("Monthly Overview 2025-05"));
}

TEST_F(SiteTest, NobodyTakesAnOldPageForTodays) {
  Published("2025-05-15");
  Recorded("2025-05-16", "failed", "arXiv says <b>no</b>");
  for (const char* path : {"index.html", "test/index.html"}) {
    EXPECT_THAT(Page(path), HasSubstr("Papers 2025-05-15</h1>"));
    EXPECT_THAT(Page(path), HasSubstr(">2025-05-16</a>: <span class=\"failed\">failed</span>: "
                                      "<bdi>arXiv says &lt;b&gt;no&lt;/b&gt;</bdi>"));
  }
  EXPECT_THAT(Page("test/2025-05-15.html"), Not(HasSubstr("2025-05-16")));
  Published("2025-05-16");
  EXPECT_THAT(Page("index.html"), Not(HasSubstr("failed")));
}

TEST_F(SiteTest, EveryStateLooksDifferent) {
  Published("2025-06-09");
  Published("2025-06-10", 0);
  Recorded("2025-06-11", "holiday", "no mailing");
  Recorded("2025-06-12", "failed", "arXiv does not answer");
  // 2025-06-13 is missing; 2025-06-20 is one of arXiv's days off.
  ASSERT_FALSE(AnnouncementFor(*ParseDate("2025-06-20")));
  Recorded("2025-06-25", "waiting", "not announced yet");
  const std::string& html = Page("test/2025-06.html");
  const auto calendar = Calendar(html);
  EXPECT_EQ(calendar.at(9), "published 2 papers");
  EXPECT_EQ(calendar.at(10), "quiet 0 papers");
  EXPECT_EQ(calendar.at(11), "holiday");
  EXPECT_EQ(calendar.at(12), "failed");
  EXPECT_EQ(calendar.at(13), "missing");
  EXPECT_EQ(calendar.at(20), "holiday");
  EXPECT_EQ(calendar.at(25), "waiting");
  EXPECT_FALSE(calendar.contains(6)) << "before the first day that is known";
  EXPECT_FALSE(calendar.contains(14)) << "a Saturday";
  EXPECT_FALSE(calendar.contains(26)) << "after the last";
  EXPECT_THAT(html,
              HasSubstr("Days: 1 published, 1 quiet, 2 holiday, 1 failed, 1 waiting, 7 missing."));
  EXPECT_THAT(html, HasSubstr("<li>2025-06-12: <span class=\"failed\">failed</span>: "
                              "<bdi>arXiv does not answer</bdi></li>"));
  EXPECT_THAT(html, HasSubstr("evening of 2025-06-19 (Juneteenth)"));
}

TEST_F(SiteTest, AnEarlierMonthMakesDaysOfALaterOneMissing) {
  Published("2025-05-12");
  EXPECT_FALSE(Calendar(Page("test/2025-05.html")).contains(9));
  EXPECT_THAT(Page("test/2025-05.html"), Not(HasSubstr("Previous Month")));
  Published("2025-03-28");
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[9], "missing");
  EXPECT_EQ(Calendar(Page("test/2025-03.html"))[31], "missing");
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("\"2025-03.html\">Previous Month 2025-03</a>"));
  EXPECT_THAT(Page("test/2025-03.html"), HasSubstr("\"2025-05.html\">Next Month 2025-05</a>"));
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, WhatIsMissingOnTheMonthPageIsAGap) {
  PublishTwoMonths(nullptr);
  profile.set_name("third");
  Published("2025-03-18");
  Published("2025-04-02");
  for (const std::string name : {"first", "second", "third"}) {
    std::set<std::string> missing, gaps_told;
    for (const std::string month : {"2025-03", "2025-04"}) {
      for (const auto& [day, text] : Calendar(Page(name + "/" + month + ".html"))) {
        if (text == "missing") missing.insert(fmt::format("{}-{:02}", month, day));
      }
    }
    wire::ListDays question;
    question.set_profile(name);
    question.set_from("2025-01-01");
    question.set_to("2025-04-16");
    const auto days = ListDays(store->db(), question);
    // To the newest date in the ledger, as if it were today's.
    for (const Gap& gap : GapsIn(*days, *ParseDate("2025-01-01"), *ParseDate("2025-04-16"))) {
      if (gap.state == "missing") gaps_told.insert(FormatDate(gap.day));
    }
    EXPECT_EQ(missing, gaps_told) << name;
    EXPECT_EQ(missing.contains("2025-04-15"), name == "third") << "after its newest record";
  }
}

TEST_F(SiteTest, ANewestDateMakesDaysOfOtherProfilesMissing) {
  Published("2025-05-12");
  profile.set_name("never");
  Recorded("2025-05-12", "failed", "arXiv does not answer");
  profile.set_name("other");
  Published("2025-05-14");
  for (const char* page : {"test/2025-05.html", "never/2025-05.html", "never/index.html"}) {
    const auto days = Calendar(Page(page));
    EXPECT_EQ(days.at(13), "missing") << page;
    EXPECT_EQ(days.at(14), "missing") << page;
    EXPECT_FALSE(days.contains(15)) << page << ": nobody has anything of it";
  }
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, WeekendsAndDaysOffAreShownThoughNobodyAskedForThem) {
  Published("2025-06-16");
  Recorded("2025-06-21", "holiday", "a Saturday");
  Published("2025-06-24");
  const std::string& html = Page("test/2025-06.html");
  EXPECT_THAT(html, HasSubstr("<td class=\"holiday\" title=\"no mailing on the evening of "
                              "2025-06-19 (Juneteenth)\"><span class=\"weekday\">Fri</span> 20 "
                              "<br />holiday</td>"));
  for (const char* day : {"a Saturday\"><span class=\"weekday\">Sat</span> 21<",
                          "a Sunday\"><span class=\"weekday\">Sun</span> 22<"}) {
    EXPECT_THAT(html, HasSubstr(std::string("<td class=\"weekend\" title=\"") + day));
  }
  EXPECT_THAT(html, HasSubstr("<td>15</td>")) << "a Sunday before the first record";
  EXPECT_THAT(html, HasSubstr("<td>28</td>")) << "a Saturday after the last";
  EXPECT_THAT(html, HasSubstr("Days: 2 published, 1 holiday, 4 missing."));
  EXPECT_THAT(html, Not(HasSubstr("<li>2025-06-21")));
}

TEST_F(SiteTest, NavigationSaysWhatItIsFor) {
  Published("2025-05-12");
  EXPECT_THAT(Page("test/2025-05-12.html"), HasSubstr("<nav aria-label=\"Days\">"));
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("<nav aria-label=\"Months\">"));
}

TEST_F(SiteTest, TotalsAreThoseOfPublishedDaysAndNameTheOthers) {
  Published("2025-05-12", 3);
  const Digest second = Deliver("2025-05-13", {{"2505.20001"}, {"2505.20002"}});
  ScoreEverything();
  store->db().Exec("UPDATE digest SET withhold = 1 WHERE id = ?", second.id);
  Publish(second);
  Recorded("2025-05-14", "failed", "arXiv does not answer");
  Recorded("2025-05-15", "waiting", "not announced yet");
  const std::string& html = Page("test/2025-05.html");
  EXPECT_THAT(html,
              HasSubstr("<p>Total arXiv papers: 4</p>\n<p>Total scanned papers: 4</p>\n"
                        "<p>Total relevant papers: 3</p>\n"
                        "<p>Not in these totals: 1 withheld day with 2 arXiv papers, 1 failed "
                        "day, 1 waiting day. Tokens and cost are with those of withheld "
                        "days.</p>"));
  EXPECT_THAT(html, HasSubstr("Token</th><td>2000</td><td>200</td><td>2200</td>"));
}

TEST_F(SiteTest, AMonthSaysWhatWasReadAndWhatItCost) {
  Published("2025-05-12", 3);
  Published("2025-05-13", 7);
  const std::string& html = Page("test/2025-05.html");
  EXPECT_THAT(html, HasSubstr("<p>Total arXiv papers: 12</p>"));
  EXPECT_THAT(html, HasSubstr("<p>Total scanned papers: 12</p>"));
  EXPECT_THAT(html, HasSubstr("<p>Total relevant papers: 10</p>"));
  // Three calls of 1000 and 100 tokens at $2.50 and $10 a million.
  EXPECT_THAT(html, HasSubstr("Token</th><td>3000</td><td>300</td><td>3300</td>"));
  EXPECT_THAT(html, HasSubstr("Cost</th><td>$0.01</td><td>$0.0</td><td>$0.01</td>"));
}

TEST_F(SiteTest, AnUnknownCostIsNotZero) {
  Published("2025-05-12");
  const Digest digest = Complete("2025-05-13", 1);
  store->db().Exec("UPDATE digest SET prompt_picodollars = NULL, tokens_reported = 0 WHERE id = ?",
                   digest.id);
  Publish(digest);
  const std::string& html = Page("test/2025-05.html");
  EXPECT_THAT(html, HasSubstr("<td>1000, not reported of 1 day</td>"));
  EXPECT_THAT(html, HasSubstr("Cost</th><td>$0.0, unknown of 1 day</td>"));
}

TEST_F(SiteTest, AWithheldDayFailedAndKeepsItsOlderPage) {
  const Digest first = Published("2025-05-12", 3);
  const Digest second = Deliver("2025-05-13", {{"2505.20001"}, {"2505.20002"}});
  planner.GiveUp(second.id, "401 key refused", now.unix_seconds);
  Publish(second);
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[13], "failed");
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("withheld: 2 of 2 papers could not be scored"));
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("401 key refused"));
  EXPECT_FALSE(folder.files.contains("site/test/2025-05-13.html"));
  EXPECT_THAT(Page("index.html"), HasSubstr("Papers 2025-05-12</h1>"));

  const std::string page = Page("test/2025-05-12.html");
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  planner.GiveUp(Open("2025-05-12").id, "401 key refused", now.unix_seconds);
  Publish(first);
  EXPECT_EQ(Page("test/2025-05-12.html"), page);
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[12], "failed 3 papers, 4 unscored");
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, AWithheldDayNamesNothingButTheReason) {
  remedial = true;
  profile.add_categories("cs.AI");
  const Digest digest = Open("2025-05-13");
  ASSERT_TRUE(Seal(digest, "cs.AI", 0).ok());
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2505.20001"}, {"2505.20002"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.LG", 2).ok());
  planner.GiveUp(digest.id, "401 key refused", now.unix_seconds);
  Publish(digest);
  EXPECT_THAT(Page("test/2025-05.html"),
              HasSubstr("<bdi>withheld: 2 of 2 papers could not be scored: 2 (401 key refused). A "
                        "later run can score them.</bdi>"));
}

TEST_F(SiteTest, StatesAreCountedOverAllProfiles) {
  Published("2025-05-08");
  Published("2025-05-12");
  Published("2025-05-13", 0);
  Recorded("2025-05-14", "failed", "arXiv does not answer");
  profile.set_name("other");
  const Digest digest = Deliver("2025-05-12", {{"2505.20001"}, {"2505.20002"}});
  planner.GiveUp(digest.id, "401 key refused", now.unix_seconds);
  Publish(digest);
  Recorded("2025-05-10", "holiday", "a Saturday");
  Published("2025-05-09");
  EXPECT_THAT(CountStatesAfter(store->db(), "2025-05-08"),
              ElementsAre(testing::Pair("failed", 1), testing::Pair("holiday", 1),
                          testing::Pair("partial", 0), testing::Pair("published", 2),
                          testing::Pair("quiet", 1), testing::Pair("waiting", 0),
                          testing::Pair("withheld", 1)));
}

TEST_F(SiteTest, ADayIsPartialUntilItsLateListComes) {
  Published("2025-05-12");
  profile.add_categories("cs.AI");
  const Digest digest = Deliver("2025-05-13", {{"2505.20001"}, {"2505.20002"}});
  ASSERT_TRUE(SealLate(digest, "cs.AI").ok());
  ScoreEverything();
  Publish(digest);
  const auto counted = [&](const std::string& state) {
    return CountStatesAfter(store->db(), "2025-05-12").at(state);
  };
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[13], "partial 2 papers");
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("Days: 1 published, 1 partial."));
  EXPECT_THAT(Page("test/2025-05.html"),
              HasSubstr("<li>2025-05-13: <span class=\"partial\">partial</span>: <bdi>not "
                        "announced in time: cs.AI</bdi></li>"));
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("<p>Total relevant papers: 4</p>"));
  EXPECT_EQ(counted("partial"), 1);
  EXPECT_EQ(counted("published"), 0);

  ASSERT_TRUE(SendRows(digest, "cs.AI", {{"2505.20003"}}).ok());
  ASSERT_TRUE(Seal(digest, "cs.AI", 1).ok());
  ScoreEverything();
  Publish(digest);
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[13], "published 3 papers");
  EXPECT_THAT(Page("test/2025-05.html"), testing::Not(HasSubstr("partial")));
  EXPECT_EQ(counted("partial"), 0);
  EXPECT_EQ(counted("published"), 1);
}

TEST_F(SiteTest, ADayThatWaitsForScorersIsBeingScored) {
  Published("2025-05-12");
  Deliver("2025-05-13", {{"2505.20001"}, {"2505.20002"}});
  EXPECT_TRUE(publisher.LookAtScoring());
  ASSERT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_FALSE(publisher.LookAtScoring());
  const std::string& html = Page("test/2025-05.html");
  EXPECT_EQ(Calendar(html)[13], "being scored");
  EXPECT_THAT(html, HasSubstr("Days: 1 published, 1 being scored."));
  EXPECT_THAT(html, HasSubstr("<p>Not in these totals: 1 day being scored.</p>"));
  EXPECT_THAT(Page("index.html"), HasSubstr("<a href=\"test/2025-05.html\">2025-05-13</a>: "
                                            "<span class=\"being-scored\">being scored</span>"));
  EXPECT_EQ(folder.files, Anew());

  ScoreEverything();
  Publish(*FindDigest(store->db(), "test", "2025-05-13"));
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[13], "published 2 papers");
  EXPECT_THAT(Page("index.html"), Not(HasSubstr("being scored")));
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, ADayThatIsScoredAgainKeepsItsPage) {
  Published("2025-05-12");
  Published("2025-05-13", 3);
  profile.set_prompt("Other.\n[PAPER LIST HERE]");
  Open("2025-05-13");
  const std::string page = Page("test/2025-05-13.html");
  ASSERT_TRUE(publisher.LookAtScoring());
  ASSERT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[13], "being scored 3 papers");
  EXPECT_THAT(Page("test/2025-05.html"), HasSubstr("<p>Total relevant papers: 5</p>"));
  EXPECT_EQ(Page("test/2025-05-13.html"), page);
  EXPECT_THAT(CountStatesAfter(store->db(), "2025-05-12"),
              testing::Contains(testing::Pair("published", 1)));
  EXPECT_EQ(folder.files, Anew());
}

TEST_F(SiteTest, TheFirstDayOfAnArchiveIsShownWhileItIsScored) {
  ASSERT_TRUE(publisher.Reconcile().ok());
  Deliver("2025-05-13", {{"2505.20001"}});
  ASSERT_TRUE(publisher.LookAtScoring());
  ASSERT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_EQ(Calendar(Page("test/2025-05.html"))[13], "being scored");
  EXPECT_THAT(Page("index.html"), HasSubstr("being scored"));
  EXPECT_EQ(folder.files, Anew());
}

// A month, and the index of a profile, that the site had only for that digest.
TEST_F(SiteTest, WhatIsNoLongerBeingScoredLeavesNoPages) {
  Published("2025-05-30");
  const auto before = folder.files;
  const auto begin_scoring = [&] {
    profile.set_name("test");
    Deliver("2025-06-02", {{"2506.20001"}});
    profile.set_name("other");
    Deliver("2025-06-02", {{"2506.20001"}});
    ASSERT_TRUE(publisher.LookAtScoring());
    ASSERT_TRUE(publisher.Reconcile(0).ok());
    for (const char* page : {"test/2025-06.html", "other/2025-06.html", "other/index.html"}) {
      EXPECT_THAT(Page(page), HasSubstr("being scored")) << page;
    }
    EXPECT_EQ(folder.files, Anew());
  };
  begin_scoring();
  ASSERT_TRUE(RedoDate(store->db(), planner, "2025-06-02").ok());
  ASSERT_TRUE(publisher.LookAtScoring());
  ASSERT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_EQ(folder.files, before);

  begin_scoring();
  ASSERT_TRUE(RedoDate(store->db(), planner, "2025-06-02").ok());
  Publisher after_a_kill{store->db(), folder};
  ASSERT_TRUE(after_a_kill.Reconcile().ok());
  EXPECT_EQ(folder.files, before);
}

TEST_F(SiteTest, WhatNewRowsOpenAgainLeavesNoPages) {
  const Digest digest = Deliver("2025-05-13", {{"2505.20001"}});
  ASSERT_TRUE(publisher.Reconcile(0).ok());
  ASSERT_TRUE(folder.files.contains("site/test/2025-05.html"));
  ASSERT_TRUE(SendRows(digest, "cs.LG", {{"2505.20002"}}).ok());
  ASSERT_EQ(FindDigest(store->db(), digest.id)->state, "open");
  ASSERT_TRUE(publisher.Reconcile(0).ok());
  EXPECT_EQ(folder.files, Anew());
  EXPECT_FALSE(folder.files.contains("site/test/2025-05.html"));
}

TEST_F(SiteTest, ADigestThatIsBeingAmendedChangesNoPage) {
  Published("2025-05-12");
  const Digest digest = Published("2025-05-13");
  const auto files = folder.files;
  planner.Empty(digest.id);
  EXPECT_EQ(Anew(), files);
}

TEST_F(SiteTest, ADamagedRecordIsAFailedDay) {
  Published("2025-05-12");
  store->db().Exec("UPDATE file SET content = x'00' WHERE path LIKE '%digest.json'");
  EXPECT_EQ(*publisher.Reconcile(), 3) << "the month, and both front pages say so";
  EXPECT_THAT(Calendar(Page("test/2025-05.html"))[12], HasSubstr("failed"));
}

}  // namespace
}  // namespace paperboy
