// Rebuilding past days with the real programs, from a simulated arXiv with the faults of
// the real one.
//
// With PAPERBOY_MONTH=DIR the papers are those of DIR/papers.jsonl, in the format of
// --source file: (lines without time of submission or categories are left out), and
// DIR/days.jsonl says what was announced on which date: a line has `date`, `weekday`
// and the ids of `cs_AI` and `cs_LG`. Else they are invented.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "tests/process/digest_test.h"
#include "tests/support/mailings.h"

namespace paperboy {
namespace {

using std::chrono::seconds;

struct Month {
  std::vector<ArxivPaper> papers;
  std::map<std::string, std::string> announced;  // the first date, by id
  date::sys_days from, to;                       // to rebuild
};

date::sys_days DayOf(const std::string& text) { return *ParseDate(text); }

// Two weeks with a holiday, and the papers before and after them.
Month InventMonth() {
  Month month{Mailings{}.Between(DayOf("2025-05-26"), DayOf("2025-07-01")),
              {},
              DayOf("2025-06-16"),
              DayOf("2025-06-27")};
  for (const ArxivPaper& paper : month.papers) month.announced[paper.id] = paper.announced;
  return month;
}

Month ReadMonth(const std::string& dir) {
  Month month{{}, {}, {}, {}};
  const TempDir temp;
  const std::string dated = temp.File("papers.jsonl");
  {
    std::ifstream in(dir + "/papers.jsonl");
    std::ofstream out(dated);
    for (std::string line; std::getline(in, line);) {
      auto paper = nlohmann::json::parse(line);
      if (paper["published"].is_null() || paper["categories"].is_null()) continue;
      if (paper["authors"].is_null()) paper["authors"] = nlohmann::json::array();
      out << paper.dump() << "\n";
    }
  }
  month.papers = ReadArxivPapers(dated, "2000-01-01");
  std::ifstream in(dir + "/days.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto day = nlohmann::json::parse(line);
    const auto date = DayOf(day["date"]);
    if (!AnnouncementFor(date)) continue;
    if (month.from == date::sys_days{}) month.from = date;
    month.to = date;
    for (const char* list : {"cs_AI", "cs_LG"}) {
      if (!day[list].is_array()) continue;
      for (const std::string id : day[list]) month.announced.emplace(id, day["date"]);
    }
  }
  return month;
}

Month TheMonth() {
  const char* dir = std::getenv("PAPERBOY_MONTH");
  return dir == nullptr ? InventMonth() : ReadMonth(dir);
}

constexpr double kInterval = 0.03;  // seconds between requests to the simulated arXiv

class Backfill : public testing::Test {
 protected:
  System& Start(const std::string& faults = "", int stall_seconds = 1) {
    System::Settings settings;
    settings.papers = month_.papers;
    settings.arxiv_faults = faults;
    settings.arxiv_stall = seconds(stall_seconds);
    systems_.push_back(std::make_unique<System>(std::move(settings)));
    System& system = *systems_.back();
    system.StartAggregator();
    system.StartScorers(2, "lexical");
    return system;
  }
  System::Arguments Range(date::sys_days from, date::sys_days to) const {
    return {"--from",
            FormatDate(from),
            "--to",
            FormatDate(to),
            "--arxiv-interval",
            std::to_string(kInterval),
            "--progress",
            "plain",
            "--deadline",
            "9m"};
  }
  System::Arguments Whole() const { return Range(month_.from, month_.to); }

  // Pages, but for when and at what cost they were made.
  std::map<std::string, std::string> Pages(const System& system) const {
    std::map<std::string, std::string> pages;
    for (const auto day : PagesBetween(month_.from, month_.to)) {
      std::istringstream lines(system.Page(FormatDate(day)));
      std::string kept;
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("|") || line.find("Results generated on") != line.npos) continue;
        kept += line + "\n";
      }
      pages[FormatDate(day)] = kept;
    }
    return pages;
  }
  // Where each paper ended that belongs to a digest; a failure where it is in two.
  std::map<std::string, std::string> Owners(const System& system) const {
    std::map<std::string, std::string> owners;
    for (const auto day : PagesBetween(month_.from, month_.to)) {
      const auto digest = system.DigestJson(FormatDate(day));
      if (digest.is_null()) {
        ADD_FAILURE() << "no digest of " << FormatDate(day);
        continue;
      }
      EXPECT_EQ(digest["state"], "published") << FormatDate(day);
      ExpectFunnelAddsUp(digest);
      for (const auto& row : digest["rows"]) {
        if (row["state"] == "seen_before") continue;
        const auto [known, fresh] = owners.emplace(row["id"], FormatDate(day));
        EXPECT_TRUE(fresh) << row["id"] << " on " << known->second << " and " << FormatDate(day);
      }
    }
    return owners;
  }
  // What is announced after the first half of the look back, as what is before may
  // belong to a page before the first; of it, how much was found, and on its day.
  void ExpectOwnDays(const std::map<std::string, std::string>& owners, double least) const {
    std::set<std::string> served;
    for (const ArxivPaper& paper : month_.papers) served.insert(paper.id);
    size_t all = 0, found = 0, own = 0;
    for (const auto& [id, date] : month_.announced) {
      if (date < FormatDate(month_.from) || date > FormatDate(month_.to)) continue;
      if (!served.contains(id)) continue;
      ++all;
      const auto owner = owners.find(id);
      if (owner == owners.end()) continue;
      ++found;
      own += owner->second == date ? 1 : 0;
    }
    std::printf("announced %zu, found %zu (%.2f %%), on their own day %zu (%.2f %%)\n", all, found,
                100.0 * found / all, own, 100.0 * own / all);
    ASSERT_GT(all, 0u);
    EXPECT_GE(own, all * least);
  }

  Month month_ = TheMonth();
  std::vector<std::unique_ptr<System>> systems_;
};

// Three fetchers are started at once for all of it, and arXiv has a bad day.
TEST_F(Backfill, FaultsAndThreeFetchers) {
  const int stall = std::getenv("PAPERBOY_MONTH") == nullptr ? 1 : 30;
  System& system = Start(
      "stall#1,error_feed#1,503#2,429#2,truncated#2,empty_pages=0.08,short_pages=0.08,429=0.02,"
      "503=0.02,truncated=0.02",
      stall);
  std::vector<std::unique_ptr<Process>> fetchers;
  // The stall is in earnest while patience is scaled: no refuge in OAI-PMH.
  System::Arguments arguments = Whole();
  arguments.insert(arguments.end(), {"--source", "api"});
  for (int i = 0; i < 3; ++i) fetchers.push_back(system.StartFetcher(arguments));
  for (const auto& fetcher : fetchers) {
    const auto exit = fetcher->Wait(seconds(540));
    ASSERT_TRUE(exit) << fetcher->Stderr() << system.Logs();
    EXPECT_EQ(exit->code, 0) << fetcher->Stdout() << fetcher->Stderr();
  }

  const ArxivServer::Account account = system.arxiv().account();
  std::map<std::string, size_t> faults;
  for (const auto& request : account.requests) ++faults[request.fault];
  std::printf("%zu requests,", account.requests.size());
  for (const auto& [fault, count] : faults) {
    if (!fault.empty()) std::printf(" %s %zu", fault.c_str(), count);
  }
  std::printf(
      "; at most %zu at once, at least %.0f ms apart (%.0f ms asked for)\n", account.max_concurrent,
      std::chrono::duration<double, std::milli>(account.smallest_gap).count(), 1'000 * kInterval);
  EXPECT_EQ(account.max_concurrent, 1u);
  EXPECT_GE(std::chrono::duration<double>(account.smallest_gap).count(), kInterval);
  ExpectOwnDays(Owners(system), 0.98);
}

TEST_F(Backfill, TheSamePagesInWhateverOrder) {
  System& ordered = Start();
  const System::Run run = ordered.RunFetcher(Whole(), seconds(540));
  ASSERT_EQ(run.exit.code, 0) << run.out << run.err << ordered.Logs();
  ExpectOwnDays(Owners(ordered), 0.98);

  System& shuffled = Start();
  auto pages = PagesBetween(month_.from, month_.to);
  std::mt19937 random(5);
  std::shuffle(pages.begin(), pages.end(), random);
  for (const auto day : pages) {
    const System::Run one = shuffled.RunFetcher(Range(day, day), seconds(120));
    ASSERT_EQ(one.exit.code, 0) << one.out << one.err << shuffled.Logs();
  }

  System& together = Start();
  std::vector<std::unique_ptr<Process>> fetchers;
  for (int i = 0; i < 3; ++i) fetchers.push_back(together.StartFetcher(Whole()));
  for (const auto& fetcher : fetchers) {
    const auto exit = fetcher->Wait(seconds(540));
    ASSERT_TRUE(exit && exit->code == 0) << fetcher->Stderr() << together.Logs();
  }

  const auto expected = Pages(ordered);
  EXPECT_EQ(Pages(shuffled), expected);
  EXPECT_EQ(Pages(together), expected);
  std::printf("%zu pages, the same in date order, in random order and by three fetchers\n",
              expected.size());
}

TEST_F(Backfill, KilledTimeAndAgainItGivesTheSamePages) {
  System& undisturbed = Start();
  ASSERT_EQ(undisturbed.RunFetcher(Whole(), seconds(540)).exit.code, 0) << undisturbed.Logs();

  System& system = Start();
  std::random_device random;
  const size_t requests = undisturbed.arxiv().account().requests.size();
  for (int kill = 0; kill < 5; ++kill) {
    const auto fetcher = system.StartFetcher(Whole());
    const size_t before = system.arxiv().account().requests.size();
    const size_t more = 1 + random() % std::max<size_t>(requests / 5, 2);
    EXPECT_TRUE(WaitUntil(
        [&] {
          return system.arxiv().account().requests.size() >= before + more || !fetcher->running();
        },
        seconds(60)));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    fetcher->Kill(SIGKILL);
    fetcher->Wait(seconds(10));
    std::printf("killed after %zu requests\n", system.arxiv().account().requests.size() - before);
  }
  const System::Run last = system.RunFetcher(Whole(), seconds(540));
  ASSERT_EQ(last.exit.code, 0) << last.out << last.err << system.Logs();

  EXPECT_EQ(Pages(system), Pages(undisturbed));
  EXPECT_EQ(Owners(system), Owners(undisturbed));
}

// What is complete is not read again, and a table tells of every date.
TEST_F(Backfill, WhatIsCompleteIsNotReadAgain) {
  System& system = Start();
  const auto pages = PagesBetween(month_.from, month_.to);
  ASSERT_EQ(system.RunFetcher(Range(pages[0], pages[2]), seconds(120)).exit.code, 0);
  const size_t before = system.arxiv().account().requests.size();

  const System::Run again = system.RunFetcher(Range(pages[0], pages[2]), seconds(60));

  EXPECT_EQ(again.exit.code, 0) << again.out << again.err;
  EXPECT_EQ(system.arxiv().account().requests.size(), before);
}

// A week with a weekend and Juneteenth's Friday.
TEST_F(Backfill, AMonthEndsWithATableOfItsDates) {
  System& system = Start();
  System::Arguments week = Range(month_.from, month_.from + date::days(6));
  const std::string profile = system.WriteProfile("ml");
  week.insert(week.end(), {"--profile", profile});
  const System::Run run = system.RunFetcher(week, seconds(240));
  ASSERT_EQ(run.exit.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, testing::HasSubstr("(Juneteenth)"));
  EXPECT_THAT(run.out, testing::HasSubstr("3 holiday, 4 published\n"));
  EXPECT_THAT(run.err, testing::HasSubstr("time: "));
  week.insert(week.end(), {"--dry-run"});
  const System::Run plan = system.RunFetcher(week, seconds(60));
  EXPECT_EQ(plan.exit.code, 0) << plan.err;
  EXPECT_THAT(plan.out, testing::HasSubstr("2025-06-16  published: nothing to do"));
}

}  // namespace
}  // namespace paperboy
