// What the fetcher is doing, for a person at standard error: on a terminal one
// line that updates, else a line when something changes; or for the log.
#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "common/loop.h"

namespace paperboy {

class Progress {
 public:
  // kEvents: what happened, as in kLog, but not how far everything is.
  enum class Mode { kTerminal, kPlain, kLog, kEvents, kNone };

  // `out` stays the caller's.
  Progress(const Loop& loop, Mode mode, std::FILE* out);
  ~Progress();  // leaves the cursor on a line of its own

  // --progress and --log-format as given; with JSON logs only lines of the log, else auto is
  // a terminal's line if `out` is one.
  static Mode ModeFor(const std::string& option, const std::string& log_format, std::FILE* out);

  using Level = spdlog::level::level_enum;
  // Something happened: a line that stays, in the log of that level.
  void Say(const std::string& text, Level level = spdlog::level::info);
  // Something happened that a person need not be told: a line of the log, which is at debug
  // unless the log is for machines.
  void Log(const std::string& text, Level level = spdlog::level::info) const;

  // What is being waited for, as "Redis at localhost:6379 (connection refused)";
  // empty: nothing. Shown when it changes and, but in the log, every minute; in the log of
  // that level.
  void Waiting(const std::string& what, Level level = spdlog::level::info);
  const std::string& waiting() const { return waiting_; }
  // Told of every change, whatever the mode.
  void OnWaitingChange(std::function<void(const std::string&)> fn) { on_change_ = std::move(fn); }

  // How far the model has got with the papers of the digests that are followed.
  // Plain lines come at most every 10 s.
  void Scoring(uint64_t scored, uint64_t to_score, uint32_t scorers);
  // Of several dates: how many are read, and published, of all. Scoring says it, and
  // counts the papers of those that are not read yet into the time left.
  void Dates(size_t read, size_t published, size_t all);

 private:
  void Show(const std::string& line, bool changed, std::chrono::seconds every,
            Level level = spdlog::level::info);
  void ClearLine();
  bool InLog() const { return mode_ == Mode::kLog || mode_ == Mode::kEvents; }

  const Loop& loop_;
  const Mode mode_;
  std::FILE* const out_;
  std::string waiting_;
  std::function<void(const std::string&)> on_change_;
  bool line_open_ = false;
  MonotonicTime shown_at_{};
  bool rate_started_ = false;
  MonotonicTime rate_from_{};
  uint64_t rate_scored_ = 0;
  uint64_t last_scored_ = 0;
  size_t dates_read_ = 1, dates_published_ = 0, dates_ = 1;
};

// "2 h 5 min", "3 min 10 s", "40 s".
std::string SpanText(std::chrono::seconds span);

}  // namespace paperboy
