#include "tests/fuzz/conversation.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/text_format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

constexpr int kMaxTurns = 100;

class NoErrors : public google::protobuf::io::ErrorCollector {
  void AddError(int, int, const std::string&) override {}
};

}  // namespace

std::vector<Turn> TurnsOf(std::string_view bytes) {
  NoErrors errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  Conversation conversation;
  if (!parser.ParseFromString(std::string(bytes), &conversation)) return {};
  const int count = std::min(conversation.turns_size(), kMaxTurns);
  return {conversation.turns().begin(), conversation.turns().begin() + count};
}

Loop::TimerId PlayedLoop::After(Milliseconds delay, std::function<void()> fn) {
  timers_[next_] = {now_ + delay, Milliseconds(0), std::move(fn)};
  return next_++;
}

Loop::TimerId PlayedLoop::Every(Milliseconds period, std::function<void()> fn) {
  timers_[next_] = {now_ + period, period, std::move(fn)};
  return next_++;
}

bool PlayedLoop::RunNext(MonotonicTime until) {
  const auto next =
      std::min_element(timers_.begin(), timers_.end(),
                       [](const auto& a, const auto& b) { return a.second.at < b.second.at; });
  if (next == timers_.end() || next->second.at > until) return false;
  now_ = std::max(now_, next->second.at);
  const std::function<void()> fn = next->second.fn;
  if (next->second.period > Milliseconds(0)) {
    next->second.at = now_ + next->second.period;
  } else {
    timers_.erase(next);
  }
  fn();
  EndTurn();
  return true;
}

bool PlayedLoop::RunUntil(const std::function<bool()>& done, MonotonicTime deadline) {
  while (!done()) {
    if (stopped_ || now_ >= deadline) return false;
    if (!RunNext(deadline)) now_ = deadline;
  }
  return true;
}

void PlayedLoop::Pass(Milliseconds time) {
  const MonotonicTime end = now_ + time;
  while (RunNext(end)) {
  }
  now_ = end;
}

void PlayedLoop::EndTurn() {
  if (turn_end_) turn_end_();
}

bool PlayedRouter::SendTo(const std::string& peer, const std::string& frame) {
  sent_.push_back({peer, frame});
  return true;
}

bool PlayedRouter::Receive(Frame* frame) {
  if (inbox_.empty()) return false;
  *frame = std::move(inbox_.front());
  inbox_.pop_front();
  return true;
}

void PlayedRouter::Deliver(const std::string& peer, std::string body) {
  inbox_.push_back({peer, std::move(body)});
  if (readable_) readable_();
}

bool PlayedDealer::Send(const std::string& frame) {
  sent_.push_back(frame);
  return true;
}

bool PlayedDealer::Receive(std::string* body) {
  if (inbox_.empty()) return false;
  *body = std::move(inbox_.front());
  inbox_.pop_front();
  return true;
}

void PlayedDealer::Deliver(std::string body) {
  inbox_.push_back(std::move(body));
  if (readable_) readable_();
}

void PlayedRedis::Command(std::vector<std::string>, Milliseconds, Callback done) {
  loop_.After(Milliseconds(0), [done = std::move(done)] { done(RedisReply{}); });
}

void PlayedRedis::Eval(const RedisScript&, std::vector<std::string>, std::vector<std::string>,
                       Milliseconds, Callback done) {
  loop_.After(Milliseconds(0), [done = std::move(done)] { done(Invalid("no such script")); });
}

void Quiet() {
  spdlog::set_level(spdlog::level::off);
  google::protobuf::SetLogHandler(nullptr);
}

}  // namespace paperboy::fuzz
