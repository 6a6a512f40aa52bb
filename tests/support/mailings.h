// Invented announcements as arXiv makes them: each mailing first with what moderation had
// held, then with the rest, both in the order of submission; ids in the order of the
// mailings. Repeatable.
#pragma once

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "common/calendar.h"
#include "tests/support/arxiv_paper.h"

namespace paperboy {

struct Mailings {
  int papers = 30;       // submitted in each window
  int one_held_in = 15;  // and comes out up to `longest` mailings late
  int longest = 5;
  unsigned seed = 11;

  // Papers in cs.LG, cs.AI or both whose `announced` is the page of their mailing.
  std::vector<ArxivPaper> Between(date::sys_days first, date::sys_days last) const {
    using std::chrono::seconds;
    std::mt19937 random(seed);
    std::vector<ArxivPaper> all;
    std::map<size_t, std::vector<WallTime>> held;  // by the mailing that they come out with
    const auto pages = PagesBetween(first, last);
    for (size_t i = 0; i < pages.size(); ++i) {
      const SubmissionWindow window = AnnouncementFor(pages[i])->submitted;
      const auto length = std::chrono::duration_cast<seconds>(window.to - window.from).count();
      std::vector<WallTime> regular;
      for (int n = 0; n < papers; ++n) {
        const WallTime at = window.from + seconds(random() % length);
        const bool late = random() % one_held_in == 0;
        (late ? held[i + 1 + random() % longest] : regular).push_back(at);
      }
      std::sort(held[i].begin(), held[i].end());
      std::sort(regular.begin(), regular.end());
      const std::string date = FormatDate(pages[i]);
      std::vector<ArxivPaper> texts =
          InventArxivPapers(static_cast<int>(held[i].size() + regular.size()), date);
      for (const auto* part : {&held[i], &regular}) {
        for (const WallTime at : *part) {
          ArxivPaper paper = texts[texts.size() - 1];
          texts.pop_back();
          const size_t number = all.size() + 1;
          char id[24];
          std::snprintf(id, sizeof id, "%s%s.%05zu", date.substr(2, 2).c_str(),
                        date.substr(5, 2).c_str(), number);
          paper.id = id;
          paper.title += " (" + paper.id + ")";
          paper.categories = number % 3 == 0   ? std::vector<std::string>{"cs.LG", "cs.AI"}
                             : number % 3 == 1 ? std::vector<std::string>{"cs.LG"}
                                               : std::vector<std::string>{"cs.AI"};
          paper.published = paper.updated = std::chrono::time_point_cast<seconds>(at);
          all.push_back(std::move(paper));
        }
      }
    }
    return all;
  }
};

}  // namespace paperboy
