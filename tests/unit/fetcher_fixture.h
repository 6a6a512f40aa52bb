// A fetcher between a simulated arXiv, a played aggregator and a real Redis.
#pragma once

#include <gmock/gmock.h>

#include <fstream>
#include <memory>
#include <optional>
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
#include "tests/support/scholar_server.h"
#include "tests/unit/fake_aggregator.h"

namespace paperboy {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Polls of 300 ms, back-off from 60 ms.
inline constexpr std::chrono::duration<double> kInterval(0.003);

inline ArxivPaper Paper(const std::string& id, const std::string& date, const std::string& type,
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
inline std::vector<ArxivPaper> Papers() {
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

inline std::vector<ArxivPaper> PapersWithout(const std::string& id) {
  auto papers = Papers();
  std::erase_if(papers, [&](const ArxivPaper& paper) { return paper.id == id; });
  return papers;
}

inline wire::Profile Reader(const std::string& name, const std::vector<std::string>& categories) {
  wire::Profile profile;
  profile.set_name(name);
  profile.set_revision("r1");
  for (const std::string& category : categories) profile.add_categories(category);
  profile.set_prompt("[PAPER LIST HERE]");
  return profile;
}

inline date::sys_days Day(const std::string& text) { return *ParseDate(text); }

class FetcherTest : public testing::Test {
 protected:
  FetcherTest() {
    settings_.arxiv_interval = kInterval;
    settings_.deadline = seconds(20);
    ServeArxiv("2026-09-15", "");
  }

  void Serve(const std::string& date, std::vector<ArxivPaper> papers,
             const std::string& faults = "") {
    ArxivServer::Options options;
    options.date = date;
    options.papers = std::move(papers);
    options.faults = faults;
    arxiv_server_ = std::make_unique<ArxivServer>(std::move(options));
    arxiv_server_->Start();
  }
  void ServeArxiv(const std::string& date, const std::string& faults) {
    Serve(date, Papers(), faults);
  }

  // Its search works, and has nothing new in that category.
  void ServeAPaperOfAnEarlierDayIn(const std::string& category) {
    auto papers = Papers();
    papers.push_back(Paper("2609.00000", "2026-09-09", "new", {category},
                           ParseDay("2026-09-08") + std::chrono::hours(12)));
    Serve("2026-09-15", std::move(papers));
  }

  void WasAnnounced(const std::string& category, const std::set<std::string>& ids) {
    aggregator_.Set([&](auto* knobs) { knobs->announced[category] = ids; });
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

  void ServeScholar(ScholarServer::Options options) {
    scholar_server_ = std::make_unique<ScholarServer>(std::move(options));
    scholar_server_->Start();
  }

  // One process's life. `meanwhile` is called every 50 ms.
  std::vector<Outcome> Fetch(const std::function<void(Pump&)>& meanwhile = nullptr) {
    EpollLoop loop;
    Pump pump(loop);
    if (meanwhile) loop.Every(milliseconds(50), [&] { meanwhile(pump); });
    Progress progress(loop, mode_, stderr);
    progress.OnWaitingChange([this](const std::string& what) {
      if (!what.empty()) waits_.push_back(what);
    });
    RedisClient redis(loop, *ParseRedisUrl(redis_server_.url()));
    CurlClient http(loop, 1);
    const auto clock = [this] { return now_; };
    ArxivClient arxiv(pump, redis, http, progress, clock,
                      {settings_.arxiv_interval, "tests", "owner"});
    ArxivSource source(arxiv, arxiv_server_->rss_url(), arxiv_server_->api_url(),
                       arxiv_server_->oai_url());
    zmq::context_t context;
    ZmqDealer dealer(loop, ConnectDealer(context, endpoint_).value());
    AggregatorClient client(dealer, endpoint_, pump, progress);
    SeenHint hint(pump, redis);
    std::optional<SemanticScholar> scholar;
    if (scholar_server_) {
      scholar.emplace(pump, redis, http, progress, clock,
                      SemanticScholar::Config{
                          .url = scholar_server_->url(), .owner = "owner", .interval = kInterval});
    }
    FetchRun run(
        {pump, progress, arxiv, source, client, hint, clock, scholar ? &*scholar : nullptr},
        settings_, profiles_);
    return run.Go();
  }

  size_t RequestsToArxiv() { return arxiv_server_->account().requests.size(); }

  RedisServer redis_server_;
  std::unique_ptr<ArxivServer> arxiv_server_;
  std::unique_ptr<ScholarServer> scholar_server_;  // null: nobody looks an author up
  FakeAggregator aggregator_;
  std::string endpoint_ = aggregator_.endpoint();
  TempDir dir_;
  FetcherSettings settings_;
  std::vector<wire::Profile> profiles_ = {Reader("ml", {"cs.LG", "cs.AI"})};
  // No feed is late before 7.2 s.
  WallTime now_ = EasternTime(Day("2026-09-15"), {});
  std::vector<std::string> waits_;  // everything that was waited for
  Progress::Mode mode_ = Progress::Mode::kNone;
};

MATCHER_P2(Ended, state, code, "") { return arg.state == state && arg.exit_code == code; }

}  // namespace paperboy
