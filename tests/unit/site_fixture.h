// An archive published into a folder in memory, day by day, and its calendar read back.
#pragma once

#include <algorithm>
#include <climits>
#include <map>
#include <random>
#include <regex>
#include <set>

#include "aggregator/folder.h"
#include "aggregator/publish.h"
#include "aggregator/site_html.h"
#include "common/calendar.h"
#include "spdlog/fmt/fmt.h"
#include "tests/unit/ledger_fixture.h"

namespace paperboy {

// A folder in memory that counts what is read and written below it.
class MemoryFolder : public Folder {
 public:
  const std::string& path() const override { return path_; }
  bool Has(const std::string& path) override { return files.contains(path); }
  std::optional<std::string> Read(const std::string& path) override {
    ++reads;
    const auto it = files.find(path);
    if (it == files.end()) return std::nullopt;
    return it->second;
  }
  Status Write(const std::string& path, const std::string& content) override {
    if (writes_left == 0) return Error{ErrorKind::kStorage, "the disk is full"};
    --writes_left;
    files[path] = content;
    written.insert(path);
    return Ok();
  }

  Status Remove(const std::string& path) override {
    files.erase(path);
    return Ok();
  }

  std::map<std::string, std::string> files;
  std::set<std::string> written;
  int reads = 0;
  int writes_left = INT_MAX;

 private:
  const std::string path_ = "memory";
};

class SiteTest : public LedgerTest {
 protected:
  SiteTest() { PassAdoption(); }

  // `selected` papers on the page, and one below the cut-off.
  Digest Complete(const std::string& date, int selected) {
    std::vector<TestPaper> papers;
    for (int i = 0; i <= selected; ++i) {
      papers.push_back({fmt::format("{}{}.{:05}", date.substr(2, 2), date.substr(5, 2), ++ids_)});
    }
    scores[papers[0].id] = {2, 2};
    const Digest digest = Deliver(date, papers);
    ScoreEverything();
    return digest;
  }
  Digest Published(const std::string& date, int selected = 2) {
    const Digest digest = Complete(date, selected);
    Publish(digest);
    return digest;
  }
  void Publish(const Digest& digest) {
    publisher.Publish(digest.id);
    EXPECT_TRUE(publisher.Reconcile(digest.id).ok());
  }
  void Recorded(const std::string& date, const std::string& state, const std::string& why = "") {
    wire::Day day;
    day.set_profile(profile.name());
    day.set_date(date);
    day.set_state(state);
    day.set_why(why);
    ASSERT_TRUE(intake.Day(day).ok());
    publisher.RecordDay(profile.name(), date);
    ASSERT_TRUE(publisher.Reconcile(0).ok());
  }
  // The pages as a new start would write them.
  std::map<std::string, std::string> Anew() {
    MemoryFolder fresh;
    EXPECT_TRUE(Publisher(store->db(), fresh).Reconcile().ok());
    return fresh.files;
  }
  const std::string& Page(const std::string& path) { return folder.files.at("site/" + path); }
  // "19" → "published 2 papers", of the days that have a state; weekends have none.
  std::map<int, std::string> Calendar(const std::string& html) {
    std::map<int, std::string> days;
    const std::regex cell(
        R"re(<td class="([\w-]+)"(?: title="[^"]*")?><span class="weekday">\w{3}</span> (?:<a href="([^"]*)">)?(\d+)(?:</a>)?(?: <br />([\w ]+))?(?: <br />([^<]*))?</td>)re");
    for (std::sregex_iterator it(html.begin(), html.end(), cell), end; it != end; ++it) {
      if ((*it)[1] == "weekend" && !(*it)[4].matched) continue;
      EXPECT_EQ((*it)[1], StateClass((*it)[4]));
      days[std::stoi((*it)[3])] = (*it)[4].str() + ((*it)[5].matched ? " " + (*it)[5].str() : "");
      EXPECT_EQ((*it)[2].matched, (*it)[5].matched) << "a page has a link and a number";
    }
    return days;
  }
  // Some 40 days of two profiles: March and April 2025, without four days and with a
  // holiday, a failed day and a waiting one. In the order of `shuffle`.
  void PublishTwoMonths(std::mt19937* shuffle) {
    std::vector<std::pair<std::string, std::string>> days;  // profile, date
    for (date::sys_days day = *ParseDate("2025-03-17"); day <= *ParseDate("2025-04-16");
         day += date::days(1)) {
      const std::string date = FormatDate(day);
      if (!AnnouncementFor(day) || gaps.contains(date)) continue;
      days.emplace_back("first", date);
      days.emplace_back("second", date);
    }
    if (shuffle != nullptr) std::shuffle(days.begin(), days.end(), *shuffle);
    for (const auto& [name, date] : days) {
      profile.set_name(name);
      if (name == "second" && date == "2025-03-28") {
        Recorded(date, "failed", "arXiv does not answer");
      } else if (name == "second" && date == "2025-04-16") {
        Recorded(date, "waiting", "not announced yet");
      } else {
        Published(date, static_cast<int>(date.back() - '0') % 4);
      }
    }
  }
  static inline const std::set<std::string> gaps = {"2025-03-20", "2025-03-31", "2025-04-01",
                                                    "2025-04-09"};

  MemoryFolder folder;
  Publisher publisher{store->db(), folder};

 private:
  int ids_ = 10000;
};

}  // namespace paperboy
