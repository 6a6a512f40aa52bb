#include "fetcher/progress.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace paperboy {
namespace {

// Between two plain lines.
constexpr std::chrono::seconds kScoringEvery{10};
constexpr std::chrono::seconds kWaitingEvery{60};
// A rate from less is noise.
constexpr std::chrono::seconds kRateAfter{3};

}  // namespace

std::string SpanText(std::chrono::seconds span) {
  const int64_t s = span.count();
  if (s >= 3'600) return fmt::format("{} h {} min", s / 3'600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

Progress::Progress(const Loop& loop, Mode mode, std::FILE* out)
    : loop_(loop), mode_(mode), out_(out) {}

Progress::~Progress() { ClearLine(); }

Progress::Mode Progress::ModeFor(const std::string& option, const std::string& log_format,
                                 std::FILE* out) {
  if (log_format == "json") return option == "none" ? Mode::kEvents : Mode::kLog;
  if (option == "none") return Mode::kNone;
  if (option == "plain") return Mode::kPlain;
  return ::isatty(::fileno(out)) == 1 ? Mode::kTerminal : Mode::kPlain;
}

void Progress::ClearLine() {
  if (!line_open_) return;
  std::fputs("\r\x1b[K", out_);
  std::fflush(out_);
  line_open_ = false;
}

void Progress::Say(const std::string& text, Level level) {
  if (InLog()) return Log(text, level);
  if (mode_ == Mode::kNone) return;
  ClearLine();
  std::fprintf(out_, "%s\n", text.c_str());
  std::fflush(out_);
}

void Progress::Log(const std::string& text, Level level) const {
  spdlog::log(InLog() ? level : spdlog::level::debug, "{}", text);
}

void Progress::Show(const std::string& line, bool changed, std::chrono::seconds every,
                    Level level) {
  const MonotonicTime now = loop_.now();
  if (mode_ == Mode::kEvents) return;
  if (mode_ == Mode::kLog) {
    if (changed) Log(line, level);
  } else if (mode_ == Mode::kTerminal) {
    std::fprintf(out_, "\r\x1b[K%s", line.c_str());
    std::fflush(out_);
    line_open_ = true;
  } else if (changed || now - shown_at_ >= every) {
    Say(line);
    shown_at_ = now;
  }
}

void Progress::Waiting(const std::string& what, Level level) {
  const bool changed = what != waiting_;
  waiting_ = what;
  if (changed && on_change_) on_change_(what);
  if (!what.empty()) Show("waiting for " + what, changed, kWaitingEvery, level);
}

void Progress::Dates(size_t read, size_t published, size_t all) {
  dates_read_ = std::max<size_t>(read, 1);
  dates_published_ = published;
  dates_ = all;
}

void Progress::Scoring(uint64_t scored, uint64_t to_score, uint32_t scorers) {
  const MonotonicTime now = loop_.now();
  if (!rate_started_ || scored < rate_scored_) {
    rate_started_ = true;
    rate_from_ = now;
    rate_scored_ = scored;
  }
  std::string line = fmt::format("scored {} of {}", scored, to_score);
  const uint64_t expected = to_score * std::max(dates_, dates_read_) / dates_read_;
  const double seconds = std::chrono::duration<double>(now - rate_from_).count();
  if (const uint64_t done = scored - rate_scored_; done > 0 && now - rate_from_ >= kRateAfter) {
    const double rate = static_cast<double>(done) / seconds;
    line += fmt::format(", {:.1f} a second", rate);
    if (scored < expected) {
      const auto left = static_cast<int64_t>(static_cast<double>(expected - scored) / rate);
      line += ", " + SpanText(std::chrono::seconds(left)) + " left";
    }
  }
  line += fmt::format(", {} scorer{}", scorers, scorers == 1 ? "" : "s");
  if (dates_ > 1) {
    line =
        fmt::format("{} of {} dates read, {} published; ", dates_read_, dates_, dates_published_) +
        line;
  }
  const bool finished = scored == to_score && scored != last_scored_;
  last_scored_ = scored;
  Show(line, finished, kScoringEvery);
}

}  // namespace paperboy
