#include <gmock/gmock.h>

#include <fstream>
#include <memory>
#include <utility>

#include "common/curl_client.h"
#include "common/epoll_loop.h"
#include "common/redis_client.h"
#include "common/redis_keys.h"
#include "common/socket.h"
#include "common/text.h"
#include "fetcher/run.h"
#include "tests/support/arxiv_server.h"
#include "tests/support/redis_server.h"
#include "tests/unit/fake_aggregator.h"

namespace paperboy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre, testing::HasSubstr;
using testing::IsEmpty, testing::SizeIs, testing::UnorderedElementsAre;

// Polls of 300 ms, back-off from 60 ms.
constexpr std::chrono::duration<double> kInterval(0.003);

ArxivPaper Paper(const std::string& id, const std::string& date, const std::string& type,
                 std::vector<std::string> categories, std::chrono::sys_seconds published) {
  return {.id = id,
          .title = "Of owls, part " + id,
          .abstract = "What owls of " + id + " do at night.",
          .authors = {"Ada Vale", "Bo Elm"},
          .categories = std::move(categories),
          .announce_type = type,
          .announced = date,
          .published = published,
          .updated = published};
}

// Tuesday, 15 September 2026 announces what came from Friday 14:00 (18:00 GMT)
// to Monday 14:00; Monday's page what came from Thursday to Friday.
std::vector<ArxivPaper> Papers() {
  using std::chrono::hours;
  const std::chrono::sys_seconds friday_cut_off = ParseDay("2026-09-11") + hours(18);
  const std::chrono::sys_seconds monday_cut_off = ParseDay("2026-09-14") + hours(18);
  return {
      Paper("2609.00001", "2026-09-14", "new", {"cs.LG"}, friday_cut_off - hours(1)),
      Paper("2609.00002", "2026-09-14", "new", {"cs.AI"}, friday_cut_off - seconds(1)),
      Paper("2609.00003", "2026-09-15", "new", {"cs.LG"}, friday_cut_off),
      Paper("2609.00004", "2026-09-15", "new", {"cs.LG", "cs.AI"}, monday_cut_off - hours(2)),
      Paper("2609.00005", "2026-09-15", "new", {"cs.AI"}, monday_cut_off - seconds(1)),
      Paper("2609.00006", "2026-09-16", "new", {"cs.AI"}, monday_cut_off),
  };
}

wire::Profile Reader(const std::string& name, const std::vector<std::string>& categories) {
  wire::Profile profile;
  profile.set_name(name);
  profile.set_revision("r1");
  for (const std::string& category : categories) profile.add_categories(category);
  profile.set_prompt("[PAPER LIST HERE]");
  return profile;
}

date::sys_days Day(const std::string& text) { return *ParseDate(text); }

class FetcherTest : public testing::Test {
 protected:
  FetcherTest() {
    settings_.arxiv_interval = kInterval;
    settings_.deadline = seconds(20);
    ServeArxiv("2026-09-15", "");
  }

  void ServeArxiv(const std::string& date, const std::string& faults) {
    ArxivServer::Options options;
    options.date = date;
    options.papers = Papers();
    options.faults = faults;
    arxiv_server_ = std::make_unique<ArxivServer>(std::move(options));
    arxiv_server_->Start();
  }

  void AskFor(const std::string& date, SourceKind source) {
    settings_.from = settings_.to = Day(date);
    settings_.source = source;
  }
  void AskForFile(const std::string& date, const std::string& lines) {
    AskFor(date, SourceKind::kFile);
    settings_.file = dir_.File("papers.jsonl");
    std::ofstream(settings_.file) << lines;
  }

  // One process's life. `meanwhile` is called every 50 ms.
  std::vector<Outcome> Fetch(const std::function<void(Pump&)>& meanwhile = nullptr) {
    EpollLoop loop;
    Pump pump(loop);
    if (meanwhile) loop.Every(milliseconds(50), [&] { meanwhile(pump); });
    Progress progress(loop, Progress::Mode::kNone, stderr);
    progress.OnWaitingChange([this](const std::string& what) {
      if (!what.empty()) waits_.push_back(what);
    });
    RedisClient redis(loop, *ParseRedisUrl(redis_server_.url()));
    CurlClient http(loop, 1);
    const auto clock = [this] { return now_; };
    ArxivClient arxiv(pump, redis, http, progress, clock, {kInterval, "tests", "owner"});
    ArxivSource source(arxiv, arxiv_server_->rss_url(), arxiv_server_->api_url());
    zmq::context_t context;
    ZmqDealer dealer(loop, ConnectDealer(context, endpoint_).value());
    AggregatorClient client(dealer, endpoint_, pump, progress);
    SeenHint hint(pump, redis);
    FetchRun run({pump, progress, arxiv, source, client, hint, clock}, settings_, profiles_);
    return run.Go();
  }

  size_t RequestsToArxiv() { return arxiv_server_->account().requests.size(); }

  RedisServer redis_server_;
  std::unique_ptr<ArxivServer> arxiv_server_;
  FakeAggregator aggregator_;
  std::string endpoint_ = aggregator_.endpoint();
  TempDir dir_;
  FetcherSettings settings_;
  std::vector<wire::Profile> profiles_ = {Reader("ml", {"cs.LG", "cs.AI"})};
  WallTime now_ = EasternTime(Day("2026-09-15"), std::chrono::hours(10));
  std::vector<std::string> waits_;  // everything that was waited for
};

MATCHER_P2(Ended, state, code, "") { return arg.state == state && arg.exit_code == code; }

TEST_F(FetcherTest, DeliversTheNewestAnnouncement) {
  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-15");
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.open.source(), "rss");
  EXPECT_EQ(digest.open.remedial_from(), "");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00003", "2609.00004"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00004", "2609.00005"));
  EXPECT_EQ(digest.papers.at("2609.00003").abstract(), "What owls of 2609.00003 do at night.");
}

TEST_F(FetcherTest, ReadsArxivOnceForSeveralProfiles) {
  profiles_ = {Reader("ml", {"cs.LG"}), Reader("ai", {"cs.AI", "cs.LG"})};

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk), Ended("published", kExitOk)));

  EXPECT_EQ(RequestsToArxiv(), 2u);
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists, SizeIs(1));
  EXPECT_THAT(aggregator_.DigestOf("ai", "2026-09-15").lists, SizeIs(2));
}

TEST_F(FetcherTest, RebuildsAPastDateFromTheApi) {
  AskFor("2026-09-14", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-14");
  EXPECT_EQ(digest.open.source(), "api");
  EXPECT_EQ(digest.open.remedial_from(), "09/10/2026");
  EXPECT_EQ(digest.open.remedial_to(), "09/11/2026");
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00001"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00002"));
}

TEST_F(FetcherTest, WindowsOfSubmissionAreHalfOpen) {
  AskFor("2026-09-15", SourceKind::kApi);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.open.remedial_from(), "");  // today's page is a live one
  EXPECT_THAT(digest.lists.at("cs.LG"), ElementsAre("2609.00003", "2609.00004"));
  EXPECT_THAT(digest.lists.at("cs.AI"), ElementsAre("2609.00004", "2609.00005"));
  EXPECT_EQ(digest.rows.at("2609.00005").announce_type(), wire::ANNOUNCE_TYPE_NEW);
}

TEST_F(FetcherTest, TakesARangeOfDatesInOrder) {
  settings_.from = Day("2026-09-12");  // a Saturday
  settings_.to = Day("2026-09-15");
  settings_.range = true;

  const std::vector<Outcome> outcomes = Fetch();

  EXPECT_THAT(outcomes, ElementsAre(Ended("holiday", kExitOk), Ended("holiday", kExitOk),
                                    Ended("published", kExitOk), Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.days(), SizeIs(2));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-15").open.remedial_from(), "09/11/2026");
}

TEST_F(FetcherTest, DeliversAFileAndItsRefusals) {
  AskForFile("2026-09-13", R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})"
                           "\nspam\n");

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-13");
  EXPECT_EQ(digest.open.source(), "file");
  EXPECT_THAT(digest.lists.at("*"), UnorderedElementsAre("2609.00001", "line 2"));
  EXPECT_THAT(digest.rows.at("line 2").refused(), HasSubstr("bad JSON"));
  EXPECT_EQ(RequestsToArxiv(), 0u);
}

TEST_F(FetcherTest, CutsALongListIntoMessages) {
  std::string lines;
  for (int i = 0; i < 1'001; ++i) {
    lines += R"({"id": "2609.)" + std::to_string(10'000 + i) + R"(", "title": "T", "abstract": ")" +
             std::string(30'000, 'x') + R"(", "authors": []})" + "\n";
  }
  AskForFile("2026-09-14", lines);
  settings_.deadline = seconds(120);  // thirty megabytes take their time under a sanitizer

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").papers, SizeIs(1'001));
}

TEST_F(FetcherTest, AFileThatIsNotThereIsAnError) {
  AskFor("2026-09-14", SourceKind::kFile);
  settings_.file = dir_.File("missing");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUsage)));
}

TEST_F(FetcherTest, FilesOfARangeAreNamedByDate) {
  AskForFile("2026-09-14", "");
  std::ofstream(dir_.File("2026-09-14.jsonl"))
      << R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})";
  settings_.file = dir_.File("{date}.jsonl");
  settings_.to = Day("2026-09-15");
  settings_.range = true;

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk), Ended("skipped", kExitOk)));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-14").open.remedial_from(), "");
}

TEST_F(FetcherTest, SendsNoTextOfWhatRedisHasSeenUnlessTheLedgerWantsIt) {
  EpollLoop loop;
  RedisClient redis(loop, *ParseRedisUrl(redis_server_.url()));
  ASSERT_TRUE(loop.RunUntil([&] { return redis.ready(); }, loop.now() + seconds(5)));
  bool stored = false;
  redis.Command({"SADD", redis_keys::Seen("ledger", "ml"), "2609.00003"}, seconds(1),
                [&](Result<RedisReply> reply) { stored = reply.ok(); });
  ASSERT_TRUE(loop.RunUntil([&] { return stored; }, loop.now() + seconds(5)));
  profiles_ = {Reader("ml", {"cs.LG"})};

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_EQ(digest.texts_with_rows, 1u);
  EXPECT_THAT(digest.papers, SizeIs(2));
}

TEST_F(FetcherTest, ADayWithoutAnnouncementIsAHoliday) {
  now_ = EasternTime(Day("2026-09-19"), std::chrono::hours(10));
  ServeArxiv("2026-09-19", "");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("holiday", kExitOk)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("Saturday"));
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "holiday");
  EXPECT_EQ(aggregator_.days()[0].date(), "2026-09-19");
  EXPECT_EQ(aggregator_.digests(), 0u);
}

TEST_F(FetcherTest, WaitsForALateFeed) {
  ServeArxiv("2026-09-15", "lag#2");
  AskFor("2026-09-15", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_THAT(waits_, testing::Contains(HasSubstr("arXiv to announce 2026-09-15")));
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "waiting");
}

TEST_F(FetcherTest, DeliversWhatIsOutWhileOneCategoryIsLate) {
  ServeArxiv("2026-09-15", "lag@/rss/cs.AI");
  AskFor("2026-09-15", SourceKind::kRss);

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.contains("cs.LG")) {
      arxiv_server_->SetFaults("");
    }
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.AI", "cs.LG"));
}

TEST_F(FetcherTest, AnEmptyFeedOnAnOrdinaryDayIsWaitedFor) {
  ServeArxiv("2026-09-15", "empty#2");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.LG"), SizeIs(2));
}

TEST_F(FetcherTest, OneCategoryMayHaveNothingIfThreeLooksSaySo) {
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"})};
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").sealed, ElementsAre("cs.LG", "cs.OS"));
  EXPECT_EQ(RequestsToArxiv(), 4u);
  EXPECT_THAT(waits_, testing::Contains(HasSubstr("empty list of cs.OS")));
}

TEST_F(FetcherTest, AnEmptyListOfOneCategoryIsLookedAtAgain) {
  ServeArxiv("2026-09-15", "empty@/rss/cs.AI#2");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"), SizeIs(2));
}

TEST_F(FetcherTest, TheApiIsAskedThreeTimesForACategoryWithNothing) {
  profiles_ = {Reader("ml", {"cs.LG", "cs.OS"})};
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").sealed, ElementsAre("cs.LG", "cs.OS"));
  EXPECT_EQ(RequestsToArxiv(), 4u);
}

TEST_F(FetcherTest, APastDayOfWhichTheApiFindsNothingIsAFailedDay) {
  profiles_ = {Reader("os", {"cs.OS", "cs.PL"})};
  AskFor("2026-09-14", SourceKind::kAuto);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("cs.OS, cs.PL, 3 times"));
  EXPECT_EQ(RequestsToArxiv(), 6u);
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "failed");
}

TEST_F(FetcherTest, WithoutADateALateFeedIsWaitedFor) {
  ServeArxiv("2026-09-15", "lag#2");

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(outcomes[0].date, "2026-09-15");
  EXPECT_EQ(aggregator_.digests(), 1u);
}

TEST_F(FetcherTest, WithoutADateYesterdaysFeedIsNotPublishedAgain) {
  ServeArxiv("2026-09-14", "");
  settings_.wait = false;

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  EXPECT_EQ(outcomes[0].date, "2026-09-15");
  EXPECT_EQ(aggregator_.digests(), 0u);
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "waiting");
}

TEST_F(FetcherTest, OnASaturdayFridaysFeedIsTheOneThatIsDue) {
  now_ = EasternTime(Day("2026-09-19"), std::chrono::hours(10));
  settings_.wait = false;  // the feed is at Tuesday

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not announced", kExitNotAnnounced)));
  EXPECT_EQ(outcomes[0].date, "2026-09-18");
}

TEST_F(FetcherTest, WithoutADateAnArxivThatFailsIsAFailedDay) {
  ServeArxiv("2026-09-15", "503");
  settings_.deadline = milliseconds(1'500);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUnreachable)));

  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "failed");
  EXPECT_EQ(aggregator_.days()[0].date(), "2026-09-15");
}

TEST_F(FetcherTest, AForbiddenOrMissingFeedIsAskedForAgain) {
  ServeArxiv("2026-09-15", "404#1,403#1");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  ServeArxiv("2026-09-15", "404");
  settings_.deadline = milliseconds(1'500);
  AskFor("2026-09-15", SourceKind::kRss);
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("HTTP 404 for http"));
}

TEST_F(FetcherTest, GivesUpWaitingAtTheDeadline) {
  ServeArxiv("2026-09-15", "lag");
  AskFor("2026-09-15", SourceKind::kRss);
  settings_.deadline = milliseconds(1'500);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("not announced", kExitNotAnnounced)));
}

TEST_F(FetcherTest, AFeedThatHasMovedOnIsReplacedByTheApi) {
  now_ = EasternTime(Day("2026-09-14"), std::chrono::hours(23));  // just before midnight
  AskFor("2026-09-14", SourceKind::kAuto);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-14").open.source(), "api");
}

TEST_F(FetcherTest, AFeedThatHasMovedOnIsAnErrorWithRss) {
  AskFor("2026-09-14", SourceKind::kRss);
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUsage)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("--source api"));
}

TEST_F(FetcherTest, EmptyPagesOfTheApiAreAskedForAgain) {
  ServeArxiv("2026-09-15", "empty_pages#3");
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-14").lists.at("cs.LG"), SizeIs(1));
}

TEST_F(FetcherTest, ShortPagesOfTheApiAreContinued) {
  ServeArxiv("2026-09-15", "short_pages#1");
  AskFor("2026-09-15", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(aggregator_.DigestOf("ml", "2026-09-15").lists.at("cs.AI"), SizeIs(2));
}

TEST_F(FetcherTest, AnApiThatStaysEmptyIsAFailedDay) {
  ServeArxiv("2026-09-15", "empty_pages");
  AskFor("2026-09-14", SourceKind::kApi);

  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUnreachable)));
  ASSERT_THAT(aggregator_.days(), SizeIs(1));
  EXPECT_EQ(aggregator_.days()[0].state(), "failed");
}

TEST_F(FetcherTest, AnErrorFeedIsFinal) {
  ServeArxiv("2026-09-15", "error_feed");
  AskFor("2026-09-14", SourceKind::kApi);
  EXPECT_THAT(Fetch(), ElementsAre(Ended("failed", kExitUsage)));
  EXPECT_EQ(RequestsToArxiv(), 1u);
}

TEST_F(FetcherTest, AskedToPublishAgainReadsNothing) {
  AskFor("2026-09-14", SourceKind::kApi);
  ASSERT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  const size_t before = RequestsToArxiv();

  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));

  EXPECT_EQ(RequestsToArxiv(), before);
}

TEST_F(FetcherTest, SaysWhatTheAggregatorWaitsFor) {
  settings_.deadline = seconds(2);
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->waiting_for = "no scorer is connected";
  });

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("not published", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("no scorer is connected"));
  EXPECT_THAT(waits_, testing::Contains("no scorer is connected"));
}

TEST_F(FetcherTest, UnscoredPapersAndWithheldDigestsExitWith3) {
  aggregator_.Set([](auto* knobs) { knobs->published.set_mendable(true); });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitWithheld)));
  aggregator_.Set([](auto* knobs) { knobs->published.set_state("withheld"); });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("withheld", kExitWithheld)));
}

TEST_F(FetcherTest, SendsAgainWhatWasNotAnswered) {
  aggregator_.Set([](auto* knobs) { knobs->swallow = 1; });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

TEST_F(FetcherTest, ABusyAggregatorIsAskedAgain) {
  aggregator_.Set([](auto* knobs) { knobs->busy = 1; });
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
  EXPECT_THAT(waits_, testing::Contains(HasSubstr("starting")));
}

TEST_F(FetcherTest, DeliversAgainToAnEmptyLedger) {
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->talk = false;
  });
  bool forgotten = false;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (forgotten || aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    forgotten = true;
    aggregator_.ForgetAll();
    aggregator_.Set([](auto* knobs) {
      knobs->publish = true;
      knobs->talk = true;
    });
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("published", kExitOk)));
  const auto digest = aggregator_.DigestOf("ml", "2026-09-15");
  EXPECT_GT(digest.id, 100);
  EXPECT_THAT(digest.papers, SizeIs(3));
}

TEST_F(FetcherTest, AListThatTheLedgerLostAndThisRunNeverReadIsAFailure) {
  AskFor("2026-09-14", SourceKind::kApi);
  profiles_ = {Reader("ml", {"cs.LG"})};
  aggregator_.Set([](auto* knobs) { knobs->publish = knobs->talk = false; });
  Fetch([&](Pump& pump) {
    if (!aggregator_.DigestOf("ml", "2026-09-14").sealed.empty()) pump.Stop(15);
  });
  profiles_.push_back(Reader("ai", {"cs.AI"}));
  ServeArxiv("2026-09-15", "error_feed");  // what "ai" lacks cannot be read
  bool forgotten = false;

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (RequestsToArxiv() > 0 && !std::exchange(forgotten, true)) aggregator_.ForgetAll();
  });

  ASSERT_THAT(outcomes,
              ElementsAre(Ended("failed", kExitUsage), Ended("failed", kExitUnreachable)));
  EXPECT_EQ(outcomes[1].profile, "ml");
  EXPECT_THAT(outcomes[1].why, HasSubstr("the aggregator lost a list"));
}

TEST_F(FetcherTest, ARefusedProfileIsAnErrorOfUsage) {
  aggregator_.Set([](auto* knobs) { knobs->refuse = "a budget without a price"; });
  const std::vector<Outcome> outcomes = Fetch();
  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUsage)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("a budget without a price"));
}

TEST_F(FetcherTest, AReplacedEditionIsLeftAlone) {
  aggregator_.Set([](auto* knobs) {
    knobs->publish = false;
    knobs->talk = false;
  });

  const std::vector<Outcome> outcomes = Fetch([&](Pump&) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() < 2) return;
    aggregator_.Set([](auto* knobs) { knobs->replaced = true; });
  });

  EXPECT_THAT(outcomes, ElementsAre(Ended("replaced", kExitReplaced)));
  EXPECT_EQ(aggregator_.DigestOf("ml", "2026-09-15").openings, 1u);
}

TEST_F(FetcherTest, AnotherVersionIsWaitedForWithAClearMessage) {
  settings_.deadline = seconds(2);
  aggregator_.Set([](auto* knobs) { knobs->wire_major = kWireMajor + 1; });

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("upgrade the older one"));
}

TEST_F(FetcherTest, AnAggregatorThatIsNotThereIsWaitedForUntilTheDeadline) {
  endpoint_ = "tcp://127.0.0.1:1";  // nobody listens there
  settings_.deadline = milliseconds(1'500);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("the aggregator at tcp://127.0.0.1:1"));
}

TEST_F(FetcherTest, WithoutRedisNothingIsAskedOfArxiv) {
  redis_server_.Kill();
  settings_.deadline = milliseconds(1'500);

  const std::vector<Outcome> outcomes = Fetch();

  ASSERT_THAT(outcomes, ElementsAre(Ended("failed", kExitUnreachable)));
  EXPECT_THAT(outcomes[0].why, HasSubstr("Redis"));
  EXPECT_EQ(RequestsToArxiv(), 0u);
}

TEST_F(FetcherTest, AFileNeedsNoRedis) {
  redis_server_.Kill();
  AskForFile("2026-09-14", R"({"id": "2609.00001", "title": "T", "abstract": "A", "authors": []})");
  EXPECT_THAT(Fetch(), ElementsAre(Ended("published", kExitOk)));
}

TEST_F(FetcherTest, AStopEndsTheWaiting) {
  aggregator_.Set([](auto* knobs) { knobs->publish = false; });
  const MonotonicTime begin = std::chrono::steady_clock::now();

  const std::vector<Outcome> outcomes = Fetch([&](Pump& pump) {
    if (aggregator_.DigestOf("ml", "2026-09-15").sealed.size() == 2) pump.Stop(15);
  });

  EXPECT_THAT(outcomes, IsEmpty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, settings_.deadline);
}

}  // namespace
}  // namespace paperboy
