// The archive as readers meet it: five weeks through the real programs, in any order,
// read over the aggregator's --http.
#include <httplib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <regex>
#include <set>

#include "common/calendar.h"
#include "spdlog/fmt/fmt.h"
#include "tests/process/digest_test.h"
#include "tests/support/find.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kFirst[] = "2025-06-09", kWaiting[] = "2025-07-11";
// Nobody runs the fetcher for these two; the second has no announcement.
constexpr char kMissing[] = "2025-06-25", kUntoldHoliday[] = "2025-07-07";
constexpr char kToldHoliday[] = "2025-06-20", kFailed[] = "2025-07-02", kQuiet[] = "2025-06-12";

// What a hostile author would send.
constexpr char kHostileTitle[] =
    "<script>alert(1)</script> ![beacon](https://elsewhere.example/b.png) "
    "[see](javascript:alert(2)) <img src=x onerror=alert(3)>";
const std::string kLongWord(400, 'W');

// Of a day with a page: 1 to 4, but on the quiet one none.
int PapersOf(const std::string& date) { return date == kQuiet ? 0 : 1 + (date.back() - '0') % 4; }

std::vector<ArxivPaper> PapersFor(const std::string& date) {
  auto papers = InventArxivPapers(5, date);
  for (size_t i = 0; i < papers.size(); ++i) {
    papers[i].id =
        fmt::format("{}{}.{}{:03}", date.substr(2, 2), date.substr(5, 2), date.substr(8, 2), i);
  }
  papers[0].title = kHostileTitle;
  papers[0].abstract = kHostileTitle + (" $x_i < y$ " + kLongWord);
  papers[0].authors = {"<b>Bold</b>", "Robert \"'; --"};
  return papers;
}

// A day as the calendar must show it: "published 2 papers", "missing".
using Calendar = std::map<std::string, std::string>;

class SiteOverHttp : public testing::Test {
 protected:
  static System::Settings SettingsOfArchive() {
    System::Settings settings;
    settings.date = "2025-07-10";
    std::map<std::string, LlmScore> scores;
    for (date::sys_days day : PagesBetween(*ParseDate(kFirst), *ParseDate(kWaiting))) {
      const std::string date = FormatDate(day);
      const auto papers = PapersFor(date);
      for (int i = 0; i < PapersOf(date); ++i) {
        scores[papers[static_cast<size_t>(i)].id] = {9, 8, "<i>On topic</i> & new."};
      }
    }
    settings.llm.scores = LlmScores(scores);
    return settings;
  }

  void SetUp() override {
    system_.StartAggregator();
    system_.StartScorers(1);
    std::vector<std::string> dates = {kToldHoliday, kFailed, kWaiting};
    expected_ = {{kToldHoliday, "holiday"},
                 {kUntoldHoliday, "holiday"},
                 {kMissing, "missing"},
                 {kFailed, "failed"},
                 {kWaiting, "waiting"}};
    for (date::sys_days day : PagesBetween(*ParseDate(kFirst), *ParseDate(kWaiting))) {
      const std::string date = FormatDate(day);
      if (expected_.contains(date)) continue;
      dates.push_back(date);
      published_.insert(date);
      const int papers = PapersOf(date);
      expected_[date] = fmt::format("{} {} paper{}", papers == 0 ? "quiet" : "published", papers,
                                    papers == 1 ? "" : "s");
    }
    std::shuffle(dates.begin(), dates.end(), std::mt19937(20250609));
    for (const auto& date : dates) ASSERT_NO_FATAL_FAILURE(Make(date));
  }

  void Make(const std::string& date) {
    System::Arguments arguments = {"--date", date, "--source"};
    int code = 0;
    if (date == kToldHoliday) {
      arguments.push_back("api");
    } else if (date == kWaiting) {
      arguments.insert(arguments.end(), {"rss", "--no-wait"});
      code = 5;
    } else if (date == kFailed) {
      system_.arxiv().SetFaults("500");
      arguments.insert(arguments.end(), {"api", "--deadline", "3s"});
      code = 2;
    } else {
      arguments.push_back("file:" + system_.WritePapers("day.jsonl", PapersFor(date)));
    }
    const auto run = system_.RunFetcher(arguments);
    system_.arxiv().SetFaults("");
    ASSERT_EQ(run.exit.code, code) << date << "\n" << run.out << run.err << system_.Logs();
  }

  std::string Get(const std::string& path) {
    const auto answer = httplib::Client(system_.aggregator_url()).Get(path);
    EXPECT_TRUE(answer && answer->status == 200) << path;
    return answer ? answer->body : "";
  }

  // Every page that the front page leads to, by its path.
  std::map<std::string, std::string> Crawl() {
    std::map<std::string, std::string> pages;
    std::vector<std::string> open = {"/"};
    while (!open.empty()) {
      const std::string path = open.back();
      open.pop_back();
      if (pages.contains(path)) continue;
      pages[path] = Get(path);
      for (std::string link : FindAll(pages[path], R"re(\b(?:href|src)="([^"]*)")re")) {
        if (link.starts_with("https://arxiv.org/abs/")) continue;
        if (link.starts_with("#")) {
          EXPECT_THAT(pages[path], HasSubstr("id=\"" + link.substr(1) + "\"")) << path;
          continue;
        }
        EXPECT_THAT(link, testing::MatchesRegex("[a-z0-9./-]+")) << path;
        const auto to = std::filesystem::path(path).parent_path() / link;
        open.push_back(to.lexically_normal().string());
      }
    }
    return pages;
  }

  System system_{SettingsOfArchive()};
  Calendar expected_;
  std::set<std::string> published_;
};

Calendar CalendarOf(const std::string& html, const std::string& month) {
  Calendar days;
  const std::regex cell(
      R"re(<td class="(\w+)"(?: title="[^"]*")?><span class="weekday">\w{3}</span> (?:<a href="([^"]*)">)?(\d+)(?:</a>)? <br />(\w+)(?: <br />([^<]*))?</td>)re");
  for (std::sregex_iterator it(html.begin(), html.end(), cell), end; it != end; ++it) {
    const std::string date = fmt::format("{}-{:02}", month, std::stoi((*it)[3]));
    days[date] = (*it)[4].str() + ((*it)[5].matched ? " " + (*it)[5].str() : "");
    EXPECT_EQ((*it)[2].str(), (*it)[5].matched ? date + ".html" : "") << date;
  }
  return days;
}

void ExpectLoadsNothing(const std::string& path, const std::string& page) {
  for (const char* never : {"<script", "<img", "<iframe", "<object", "<embed", "<form", "<base",
                            "<style", "http-equiv", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(never))) << path;
  }
  EXPECT_TRUE(FindAll(page, R"re(<[^>]*\s(on\w+|src|style)=)re").empty()) << path;
  EXPECT_TRUE(FindAll(page, R"re((href="\s*(?:javascript|data|vbscript):))re").empty()) << path;
}

TEST_F(SiteOverHttp, LinksNeighboursAndCalendarAreTheLedgers) {
  const auto pages = Crawl();
  for (const auto& [path, page] : pages) ExpectLoadsNothing(path, page);
  for (auto it = published_.begin(); it != published_.end(); ++it) {
    const std::string page = pages.at("/default/" + *it + ".html");
    const auto next = std::next(it);
    EXPECT_EQ(First(page, R"re(rel="prev" href="([^"]*)")re"),
              it == published_.begin() ? "" : *std::prev(it) + ".html");
    EXPECT_EQ(First(page, R"re(rel="next" href="([^"]*)")re"),
              next == published_.end() ? "" : *next + ".html");
    EXPECT_EQ(system_.DigestJson(*it)["funnel"]["selected"], PapersOf(*it)) << *it;
    if (PapersOf(*it) == 0) continue;
    EXPECT_THAT(page, HasSubstr("[see](javascript:alert(2))")) << *it;
  }
  EXPECT_EQ(pages.size(), published_.size() + 2 + 4)
      << "days, months, two front pages of which one also without a name, the style";
  Calendar shown = CalendarOf(pages.at("/default/2025-06.html"), "2025-06");
  shown.merge(CalendarOf(pages.at("/default/2025-07.html"), "2025-07"));
  EXPECT_EQ(shown, expected_);
  EXPECT_THAT(pages.at("/"), AllOf(HasSubstr("Papers " + *published_.rbegin() + "</h1>"),
                                   HasSubstr(kWaiting), HasSubstr("waiting")));
  EXPECT_EQ(system_.RunCommand({"verify"}).exit.code, 0);

  // With a browser at hand (tests/acceptance/site) it renders each of them in silence.
  const char* browser = std::getenv("PAPERBOY_TEST_BROWSER");
  if (browser == nullptr) return;
  const char* pictures = std::getenv("PAPERBOY_TEST_PICTURES");
  const std::string folder = pictures != nullptr ? pictures : system_.File("pictures");
  std::filesystem::create_directories(folder);
  for (const auto& [path, page] : pages) {
    if (!path.ends_with(".html")) continue;
    std::string name = path.substr(1, path.rfind('.') - 1);
    std::replace(name.begin(), name.end(), '/', '-');
    for (const char* size : {"1200,1600", "390,1600"}) {
      const std::string picture = folder + "/" + name + "-" + size + ".png";
      Process run({browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   "--enable-logging=stderr", "--user-data-dir=" + system_.File("browser"),
                   std::string("--window-size=") + size, "--screenshot=" + picture,
                   system_.aggregator_url() + path});
      const auto exit = run.Wait(std::chrono::seconds(60));
      EXPECT_EQ(exit.value_or(Process::Exit{}).code, 0) << path << run.Stderr();
      EXPECT_THAT(run.Stderr(), Not(HasSubstr("CONSOLE"))) << path;
      EXPECT_TRUE(std::filesystem::exists(picture)) << path;
    }
  }
}

}  // namespace
}  // namespace paperboy
