// A ledger in memory with the parts of the aggregator around it, driven by hand:
// time stands still until the test moves it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "aggregator/dispatch.h"
#include "aggregator/intake.h"
#include "aggregator/page.h"
#include "aggregator/plan.h"
#include "aggregator/store.h"
#include "common/text.h"
#include "common/wire.h"

namespace paperboy {

struct TestPaper {
  std::string id;
  wire::AnnounceType type = wire::ANNOUNCE_TYPE_NEW;
  unsigned version = 1;
  std::string category = "cs.LG";
  std::string title = {};
  std::vector<std::string> authors = {"Ada Author"};
};

class LedgerTest : public testing::Test {
 protected:
  // Units of work are made so many at once.
  explicit LedgerTest(size_t made_at_once = kMadeAtOnce)
      : dispatch(store->db(), planner, prices, made_at_once) {
    dispatch.Reset(store->NextBoot(now.unix_seconds), now);
  }

  // ---- what a fetcher does
  wire::OpenDigest OpenMessage(const std::string& date, const std::string& source = "rss") {
    wire::OpenDigest open;
    *open.mutable_profile() = profile;
    open.mutable_profile()->set_revision(Sha256Hex(profile.SerializeAsString()));
    open.set_date(date);
    open.set_source(source);
    if (remedial) {
      open.set_remedial_from("01/01/2025");
      open.set_remedial_to("01/02/2025");
    }
    return open;
  }
  Digest Open(const std::string& date) {
    auto opened = intake.Open(OpenMessage(date));
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    if (opened->digest.state == "sealed") dispatch.OnWork(opened->digest.id, now);
    return opened->digest;
  }
  static wire::Paper Text(const TestPaper& p) {
    wire::Paper paper;
    paper.set_id(p.id);
    paper.set_version(p.version);
    paper.set_title(p.title.empty() ? "Title of " + p.id : p.title);
    paper.set_abstract("An abstract about " + p.id + ".");
    for (const auto& name : p.authors) paper.add_authors(name);
    paper.add_categories(p.category);
    paper.set_primary_category(p.category);
    return paper;
  }
  Result<Intake::Wanted> SendRows(const Digest& digest, const std::string& list,
                                  const std::vector<TestPaper>& papers) {
    wire::Rows rows;
    rows.set_digest(digest.id);
    rows.set_edition(digest.edition);
    rows.set_category(list);
    rows.set_source("rss");
    for (const auto& p : papers) {
      auto* row = rows.add_rows();
      row->set_id(p.id);
      row->set_version(p.version);
      row->set_announce_type(p.type);
      row->set_primary_category(p.category);
      *row->mutable_paper() = Text(p);
    }
    return intake.Rows(rows);
  }
  // True when the digest is planned with that.
  Result<bool> Seal(const Digest& digest, const std::string& list, uint64_t rows) {
    wire::Seal seal;
    seal.set_digest(digest.id);
    seal.set_edition(digest.edition);
    seal.set_category(list);
    seal.set_rows(rows);
    seal.set_source("rss");
    auto planned = intake.Seal(seal);
    if (planned && *planned) dispatch.OnWork(digest.id, now);
    return planned;
  }
  // The list is not announced in time: the digest goes on without it.
  Result<bool> SealLate(const Digest& digest, const std::string& list) {
    wire::Seal seal;
    seal.set_digest(digest.id);
    seal.set_edition(digest.edition);
    seal.set_category(list);
    seal.set_late(true);
    auto planned = intake.Seal(seal);
    if (planned && *planned) dispatch.OnWork(digest.id, now);
    return planned;
  }
  Digest Deliver(const std::string& date, const std::vector<TestPaper>& papers) {
    const Digest digest = Open(date);
    EXPECT_TRUE(SendRows(digest, "cs.LG", papers).ok());
    const auto status = Seal(digest, "cs.LG", papers.size());
    EXPECT_TRUE(status.ok()) << status.error().message;
    return digest;
  }

  // ---- what a scorer does
  void Ready(uint64_t boot, unsigned free, std::vector<uint64_t> holding = {}, uint64_t seen = 0,
             const std::string& model = "gpt-4o") {
    wire::Ready ready;
    ready.set_pod("pod-" + std::to_string(boot));
    ready.set_boot(boot);
    ready.set_backend(model == "lexical" ? "lexical" : "openai");
    ready.set_model(model);
    ready.set_temperature("0");
    ready.set_quota_key(quota);
    ready.set_account_key(account);
    for (const uint64_t lease : searching) ready.add_searching(lease);
    ready.set_defers(deferred_free.has_value());
    ready.set_deferred_free(deferred_free.value_or(0));
    ready.set_deferred_state("batch job batch_1 of 2 calls, in progress");
    ready.set_free_calls(free);
    ready.set_concurrency(concurrency);
    ready.set_trouble(trouble);
    for (const uint64_t lease : holding) ready.add_holding(lease);
    ready.set_seen(seen);
    ready.set_number(++readies);
    dispatch.OnReady("peer-" + std::to_string(boot), ready, now);
  }
  std::vector<wire::Batch> HandOut() {
    dispatch.HandOut(now);
    std::vector<wire::Batch> batches;
    for (const auto& frame : dispatch.TakeFrames()) {
      if (frame.reply.has_batch()) batches.push_back(frame.reply.batch());
    }
    return batches;
  }
  static wire::Result ResultOf(const wire::Batch& batch) {
    wire::Result result;
    result.set_lease(batch.lease());
    result.set_digest(batch.digest());
    result.set_quota_key("quota");
    return result;
  }
  void AddCall(wire::Result* result, unsigned prompt_tokens = 1000,
               unsigned completion_tokens = 100) {
    auto* call = result->add_calls();
    call->set_id("call-" + std::to_string(++calls));
    call->set_model("gpt-4o");
    call->set_http_status(200);
    call->set_outcome("ok");
    call->set_tokens_reported(true);
    call->set_prompt_tokens(prompt_tokens);
    call->set_completion_tokens(completion_tokens);
  }
  // Scores every paper of the batch as `scores` says, else 9 and 8.
  wire::Result Scores(const wire::Batch& batch) {
    auto result = ResultOf(batch);
    AddCall(&result);
    for (const auto& paper : batch.papers()) {
      auto* score = result.add_papers();
      score->set_key(paper.key());
      const auto it = scores.find(paper.id());
      score->set_kind(wire::PaperResult::SCORE);
      score->set_relevance(it == scores.end() ? 9 : it->second.first);
      score->set_novelty(it == scores.end() ? 8 : it->second.second);
      score->set_comment("About " + paper.id());
      score->set_call(result.calls(0).id());
    }
    return result;
  }
  void Answer(const wire::Result& result, uint64_t boot = 1) {
    dispatch.OnResult("peer-" + std::to_string(boot), result, now);
  }
  static std::vector<TestPaper> Papers(int n) {
    std::vector<TestPaper> papers;
    for (int i = 0; i < n; ++i) papers.push_back({"2501.0" + std::to_string(1000 + i)});
    return papers;
  }
  wire::Result Miss(const wire::Batch& batch) {
    auto result = ResultOf(batch);
    AddCall(&result);
    for (const auto& paper : batch.papers()) {
      auto* missing = result.add_papers();
      missing->set_key(paper.key());
      missing->set_kind(wire::PaperResult::MISSING);
      missing->set_why("not in the answer");
    }
    return result;
  }
  static wire::Result Failure(const wire::Batch& batch, wire::ProviderFailure::Kind kind,
                              const std::string& message) {
    auto result = ResultOf(batch);
    result.mutable_failure()->set_kind(kind);
    result.mutable_failure()->set_message(message);
    return result;
  }
  // Hands out and scores until nothing is left.
  int ScoreEverything(const std::string& model = "gpt-4o") {
    int batches = 0;
    for (int round = 0; round < 1000; ++round) {
      Ready(1, 4, {}, UINT64_MAX, model);
      const auto out = HandOut();
      if (out.empty()) break;
      for (const auto& batch : out) {
        Answer(Scores(batch));
        ++batches;
      }
    }
    return batches;
  }

  // Time passes, with the ticks that the loop makes meanwhile.
  void Pass(std::chrono::milliseconds time) {
    now.unix_seconds += time.count() / 1000;
    for (const MonotonicTime end = now.mono + time; now.mono < end;) {
      now.mono = std::min<MonotonicTime>(now.mono + kBeat, end);
      dispatch.OnTick(now);
    }
  }
  // Time passes and nobody notices: the process was stopped.
  void Sleep(std::chrono::milliseconds time) { now.mono += time; }
  void Publish(const Digest& digest) {
    store->db().Exec(
        "UPDATE digest SET state = iif(withhold, 'withheld', 'published') "
        "WHERE id = ? AND state = 'complete'",
        digest.id);
  }
  void PassAdoption() { Pass(kAdoptionTime); }

  // id → state, or "state(why)".
  std::map<std::string, std::string> States(const Digest& digest) {
    std::map<std::string, std::string> states;
    auto cursor =
        store->db().Query("SELECT paper, state, why FROM row WHERE digest = ?", digest.id);
    while (cursor.Next()) {
      const std::string why = cursor.Text(2);
      states[cursor.Text(0)] = cursor.Text(1) + (why.empty() ? "" : "(" + why + ")");
    }
    return states;
  }
  std::string StateOf(const Digest& digest) { return FindDigest(store->db(), digest.id)->state; }
  int64_t Count(const char* sql) {
    auto cursor = store->db().Query(sql);
    return cursor.Next() ? cursor.Int(0) : -1;
  }

  static wire::Profile DefaultProfile() {
    wire::Profile profile;
    profile.set_name("test");
    profile.add_categories("cs.LG");
    profile.add_announce_types(wire::ANNOUNCE_TYPE_NEW);
    profile.add_announce_types(wire::ANNOUNCE_TYPE_CROSS);
    profile.set_relevance_cutoff(8);
    profile.set_novelty_cutoff(7);
    profile.set_batch_size(4);
    profile.set_prompt("Score these.\n\n[PAPER LIST HERE]");
    return profile;
  }

  wire::Profile profile = DefaultProfile();
  std::unique_ptr<Store> store = Store::InMemory();
  Prices prices = Prices::Bundled();
  Planner planner{store->db(), 0.2};
  Intake intake{store->db(), planner, prices};
  Dispatch dispatch;
  Instant now{MonotonicTime{} + std::chrono::hours(1), 1'750'000'000, "2025-06-15"};
  uint32_t concurrency = 0;               // as scorers say it; 0: they do not
  std::string trouble;                    // as they say it
  std::string quota = "quota";            // of the scorers that say Ready
  std::string account = "account";        // of them
  std::vector<uint64_t> searching;        // deferred leases that they look for
  std::optional<uint32_t> deferred_free;  // of them; nullopt: they have no batch API
  bool remedial = false;                  // days are opened as rebuilt ones
  std::map<std::string, std::pair<int, int>> scores;
  int calls = 0;
  uint64_t readies = 0;
};

}  // namespace paperboy
