#include <algorithm>
#include <charconv>

#include "common/text.h"
#include "scorer/limiter_rate.h"
#include "scorer/provider.h"
#include "scorer/rows.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {
namespace {

constexpr char kKey[] = "sk-0123456789abcdef";

std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

// "name: value" lines up to an empty one.
void TakeHeaders(std::string_view* text, HttpResponse* response) {
  for (auto line = TakeLine(text); !line.empty(); line = TakeLine(text)) {
    const size_t colon = std::min(line.find(": "), line.size());
    const std::string_view value = line.substr(std::min(colon + 2, line.size()));
    response->headers.emplace_back(std::string(line.substr(0, colon)), std::string(value));
  }
}

std::vector<wire::BatchPaper> Papers(size_t count) {
  std::vector<wire::BatchPaper> papers(count);
  for (size_t i = 0; i < count; ++i) {
    papers[i].set_key("key" + std::to_string(i));
    papers[i].set_id("2609.0000" + std::to_string(i));
  }
  return papers;
}

void CheckRows(const ChatOutcome& outcome, wire::Stage stage) {
  for (const size_t count : {1, 3}) {
    const auto rows = RowsOf(outcome, stage, Papers(count), "call-1");
    const bool failed = outcome.kind == ChatOutcome::Kind::kFailed;
    FUZZ_CHECK(rows.size() == (failed ? 0 : count));
    for (const auto& row : rows) {
      CheckLines(row);
      FUZZ_CHECK(count == 1 || row.kind() != wire::PaperResult::REFUSED);
    }
  }
}

void CheckOutcome(const ChatOutcome& outcome) {
  CheckLines(outcome.call);
  CheckLines(outcome.failure);
  CheckLine(outcome.why);
  FUZZ_CHECK(outcome.failure.message().find(kKey) == std::string::npos);
  FUZZ_CHECK(outcome.why.find(kKey) == std::string::npos);
  FUZZ_CHECK(outcome.pause >= outcome.pause.zero() && outcome.pause <= kMaxPause);
  FUZZ_CHECK(outcome.limits.requests >= 0 && outcome.limits.tokens >= 0);
  if (outcome.kind == ChatOutcome::Kind::kFailed) {
    FUZZ_CHECK(outcome.failure.kind() != wire::ProviderFailure::NONE);
    FUZZ_CHECK(!outcome.failure.message().empty());
  }
  CheckRows(outcome, wire::STAGE_ABSTRACT);
  CheckRows(outcome, wire::STAGE_TITLE);
}

}  // namespace

// A provider's answer. The first line is backend and status, then headers, an empty line,
// the body.
FUZZ_TARGET(llm_response, bytes) {
  std::string_view first = TakeLine(&bytes);
  const size_t space = std::min(first.find(' '), first.size());
  LlmServerSettings server;
  server.backend = first.substr(0, space);
  server.base_url = "http://127.0.0.1/v1";
  server.key = kKey;
  if (ProviderNamed(server.backend) == nullptr) return;
  HttpResponse response;
  const std::string_view status = first.substr(std::min(space + 1, first.size()));
  std::from_chars(status.data(), status.data() + status.size(), response.status);
  if (response.status < 100 || response.status > 999) return;  // none that HTTP can give
  TakeHeaders(&bytes, &response);
  response.body = bytes;
  const WallTime now = std::chrono::system_clock::from_time_t(1'790'000'000);
  for (const bool worked : {false, true}) {
    CheckOutcome(InterpretChat(server, {}, "a-model", worked, now, response));
  }
}

}  // namespace paperboy::fuzz
