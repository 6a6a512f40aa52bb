// What goes wrong between the model's server and the scorer, over real HTTP: no
// paper is lost or gets a wrong score, what a call reports is booked, and people
// are told what happened. The table of all bad answers is in answer_test.cc.
#include <gmock/gmock.h>

#include "common/redis_keys.h"
#include "tests/support/environment.h"
#include "tests/support/tls_server.h"
#include "tests/unit/scorer_fixture.h"

namespace paperboy {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kPapers = {"2504.00001", "2504.00002"};

class BadAnswerTest : public ScorerTest {
 protected:
  BadAnswerTest() { settings_.server.key = "sk-secret-1234567890"; }

  // Every paper has the server's score, in one call.
  void ExpectScored(const wire::Result& result) {
    EXPECT_EQ(result.failure().kind(), ProviderFailure::NONE) << result.failure().message();
    ASSERT_EQ(result.papers_size(), 2);
    for (int i = 0; i < 2; ++i) {
      const LlmScore score = LlmScores().Of(kPapers[static_cast<size_t>(i)]);
      EXPECT_EQ(result.papers(i).kind(), PaperResult::SCORE) << result.papers(i).why();
      EXPECT_EQ(result.papers(i).relevance(), static_cast<uint32_t>(score.relevance));
      EXPECT_EQ(result.papers(i).novelty(), static_cast<uint32_t>(score.novelty));
    }
    EXPECT_EQ(result.calls_size(), 1);
  }
  // Nothing is known of any paper, and the failure says `message`.
  void ExpectFailed(const wire::Result& result, ProviderFailure::Kind kind,
                    const std::string& outcome, const std::string& message) {
    EXPECT_EQ(result.failure().kind(), kind) << result.failure().message();
    EXPECT_THAT(result.failure().message(), HasSubstr(message));
    EXPECT_THAT(result.failure().message(), Not(HasSubstr("1234567890")));
    EXPECT_EQ(result.papers_size(), 0);
    ASSERT_EQ(result.calls_size(), 1);
    EXPECT_EQ(result.calls(0).outcome(), outcome);
  }
};

struct Case {
  const char* fault;
  ProviderFailure::Kind kind;  // NONE: an answer
  const char* outcome;         // of the call
  const char* why;             // in what people are told; "" where the papers are scored
  bool reported = false;       // the call's tokens
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.fault; }

class BadAnswer : public BadAnswerTest, public testing::WithParamInterface<Case> {};

TEST_P(BadAnswer, LosesNoPaperAndTheNextCallIsFine) {
  const Case& c = GetParam();
  StartProvider({.faults = std::string(c.fault) + "#1"});
  if (c.outcome == std::string("timeout")) settings_.server.timeout = 1500ms;
  StartScorer();
  const wire::Result result = Score(kPapers);
  ASSERT_EQ(result.calls_size(), 1);
  EXPECT_EQ(result.calls(0).tokens_reported(), c.reported);
  EXPECT_EQ(result.calls(0).prompt_tokens() > 0, c.reported);
  if (c.kind != ProviderFailure::NONE) {
    ExpectFailed(result, c.kind, c.outcome, c.why);
  } else if (*c.why == '\0') {
    ExpectScored(result);
  } else {
    EXPECT_EQ(result.failure().kind(), ProviderFailure::NONE) << result.failure().message();
    EXPECT_EQ(result.calls(0).outcome(), c.outcome);
    ASSERT_EQ(result.papers_size(), 2);
    EXPECT_EQ(result.papers(1).kind(), PaperResult::MISSING);
    EXPECT_THAT(result.papers(1).why(), HasSubstr(c.why));
  }
  EXPECT_EQ(llm_->account().calls, 1u) << "nothing is sent twice";
  // Other papers, so that nothing comes from the cache.
  wire::Result next = Score({"2504.00003"});
  if (std::string(c.fault) == "close" && next.failure().kind() == ProviderFailure::TRANSIENT) {
    // Sent just while the connection was closed: the provider may have worked on it, so that
    // it is the ledger that asks again.
    EXPECT_EQ(next.calls(0).outcome(), "connection");
    next = Score({"2504.00004"});
  }
  ASSERT_EQ(next.papers_size(), 1) << next.failure().message();
  EXPECT_EQ(next.papers(0).kind(), PaperResult::SCORE);
}

using F = ProviderFailure;
INSTANTIATE_TEST_SUITE_P(
    Faults, BadAnswer,
    testing::Values(Case{"fence", F::NONE, "ok", "", true}, Case{"prose", F::NONE, "ok", "", true},
                    Case{"strings", F::NONE, "ok", "", true},
                    Case{"alien", F::NONE, "ok", "", true}, Case{"no_usage", F::NONE, "ok", ""},
                    Case{"bare", F::NONE, "ok", ""}, Case{"text", F::NONE, "ok", "", true},
                    Case{"close", F::NONE, "ok", "", true},
                    Case{"garbage", F::NONE, "ok", "not in the answer", true},
                    Case{"partial", F::NONE, "ok", "not in the answer", true},
                    Case{"range", F::NONE, "ok", "not between 1 and 10", true},
                    Case{"length", F::NONE, "cut_off", "cut off at its greatest length", true},
                    Case{"refusal", F::NONE, "refused", "the model declined: I'm sorry", true},
                    Case{"filtered", F::NONE, "content_filter", "content filter stopped the answer",
                         true},
                    Case{"content_filter", F::NONE, "content_filter", "content management policy"},
                    Case{"cut_body", F::TRANSIENT, "bad_answer", "something that is not JSON"},
                    Case{"html200", F::TRANSIENT, "bad_answer", "Sign in to the network"},
                    Case{"html502", F::TRANSIENT, "server_error", "502 Bad Gateway"},
                    Case{"html", F::HARD, "auth", "403 Forbidden"},
                    Case{"big", F::TRANSIENT, "connection", "answer longer than 2097152 bytes"},
                    Case{"drip", F::TRANSIENT, "timeout", "timed out after 1500 ms"},
                    Case{"hang", F::TRANSIENT, "timeout", "timed out after 1500 ms"},
                    Case{"drop", F::TRANSIENT, "connection", "http://127.0.0.1:"},
                    Case{"reset_body", F::TRANSIENT, "connection", "http://127.0.0.1:"}),
    [](const auto& info) { return std::string(info.param.fault); });

TEST_F(BadAnswerTest, AContradictedPaperIsMissingAndTheOtherIsScored) {
  StartProvider({.faults = "double"});
  StartScorer();
  const wire::Result& result = Score(kPapers);
  ASSERT_EQ(result.papers_size(), 2);
  EXPECT_EQ(result.papers(0).kind(), PaperResult::MISSING);
  EXPECT_EQ(result.papers(0).why(), "scored twice with different scores");
  EXPECT_EQ(result.papers(1).kind(), PaperResult::SCORE);
}

TEST_F(BadAnswerTest, APaperAloneThatIsDeclinedIsRefused) {
  StartProvider({.faults = "content_filter#1,refusal#1,filtered#1"});
  StartScorer();
  for (const char* id : {"2504.00001", "2504.00002", "2504.00003"}) {
    const wire::Result& result = Score({id});
    ASSERT_EQ(result.papers_size(), 1) << result.failure().message();
    EXPECT_EQ(result.papers(0).kind(), PaperResult::REFUSED);
    EXPECT_NE(result.papers(0).why(), "");
  }
}

TEST_F(BadAnswerTest, AConnectionClosedWhileIdleCostsNoPaperAndNoSecondCall) {
  StartProvider({.faults = "close"});
  StartScorer();
  size_t answered = 0;
  for (int i = 1; i <= 5; ++i) {
    const std::string id = "2504.0000" + std::to_string(i);
    const wire::Result& result = Score({id});
    // A call that crosses the connection's end on its way fails, and says so.
    if (result.failure().kind() == ProviderFailure::TRANSIENT) continue;
    ASSERT_EQ(result.papers_size(), 1) << result.failure().message();
    EXPECT_EQ(llm_->account().sent.at(id), 1u);
    ++answered;
  }
  EXPECT_GT(answered, 0u);
}

TEST_F(BadAnswerTest, ARedirectIsNotFollowedAndSaysWhereItLeads) {
  LlmServer other({});
  other.Start();
  StartProvider(
      {.faults = "redirect", .elsewhere = other.url() + "/chat/completions?t=1234567890"});
  StartScorer();
  const wire::Result& result = Score(kPapers);
  ExpectFailed(result, ProviderFailure::HARD, "redirected", other.url() + "/chat/completions");
  EXPECT_THAT(result.failure().message(), HasSubstr("--llm-url"));
  EXPECT_EQ(other.account().calls, 0u);
}

TEST_F(BadAnswerTest, ACertificateThatCannotBeVerifiedIsHardAndTheKeyIsNotSent) {
  const TlsServer server;
  settings_.server.base_url = server.url() + "v1";
  StartScorer();
  ExpectFailed(Score(kPapers), ProviderFailure::HARD, "not_sent", "CURL_CA_BUNDLE");
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(BadAnswerTest, ACertificateThatHasExpiredSaysSo) {
  const TlsServer server(TlsServer::Certificate::kExpired);
  const Environment bundle("CURL_CA_BUNDLE", server.certificate());
  settings_.server.base_url = server.url() + "v1";
  StartScorer();
  ExpectFailed(Score(kPapers), ProviderFailure::HARD, "not_sent", "certificate has expired");
}

TEST_F(BadAnswerTest, ACertificateOfAnotherHostNamesTheHost) {
  const TlsServer server(TlsServer::Certificate::kOtherHost);
  const Environment bundle("CURL_CA_BUNDLE", server.certificate());
  settings_.server.base_url = server.url() + "v1";
  StartScorer();
  ExpectFailed(Score(kPapers), ProviderFailure::HARD, "not_sent", "127.0.0.1");
}

TEST_F(BadAnswerTest, AServerThatIsNotThereIsTransientAndCostsNothing) {
  StartProvider();
  llm_->Stop();
  StartScorer();
  ExpectFailed(Score(kPapers), ProviderFailure::TRANSIENT, "not_sent", "http://127.0.0.1:");
  llm_->Start();
  ExpectScored(Score(kPapers));
}

// ---- other providers --------------------------------------------------------

class OtherProvider : public BadAnswerTest, public testing::WithParamInterface<const char*> {
 protected:
  void StartBoth(LlmServer::Options options) {
    options.keys = {settings_.server.key};
    StartProvider(std::move(options));
    settings_.server.backend = GetParam();
    if (settings_.server.backend == "azure") {
      settings_.server.base_url = llm_->url().substr(0, llm_->url().rfind('/'));
    }
    StartScorer();
    EXPECT_EQ(aggregator_.ready->backend(), GetParam());
  }
};

TEST_P(OtherProvider, ScoresAndBooksTokensAndFollowsLimits) {
  settings_.limits = {.rpm = 6'000, .window = 1s};
  StartBoth({.models = {"m"}, .quota = {.requests_per_minute = 3'000}, .cache = true});
  const wire::Result& result = Score(kPapers);
  ExpectScored(result);
  const LlmServer::Account account = llm_->account();
  EXPECT_EQ(result.calls(0).prompt_tokens(), account.prompt_tokens);
  EXPECT_EQ(result.calls(0).completion_tokens(), account.completion_tokens);
  EXPECT_EQ(account.formats.at("json_schema"), 1u);
  EXPECT_EQ(result.calls(0).model(), "m");
  // The server's headers name half of what is configured.
  const std::string state = redis_keys::Limit(QuotaKey(settings_.server, "m"));
  const auto found = std::make_shared<std::string>();  // an answer may come after the test
  EXPECT_TRUE(Until([&] {
    redis_->Command({"HGET", state, "fr"}, 1s, [found](const Result<RedisReply>& reply) {
      if (reply) *found = reply->string;
    });
    return *found == "3000";
  })) << *found;
}

TEST_P(OtherProvider, CachedTokensArePartOfThePrompt) {
  StartBoth({.cache = true});
  Score(kPapers);
  const LlmServer::Account first = llm_->account();
  const wire::Result& result = Score({"2504.00003"});
  const LlmServer::Account both = llm_->account();
  EXPECT_EQ(result.calls(0).prompt_tokens(), both.prompt_tokens - first.prompt_tokens);
  EXPECT_EQ(result.calls(0).cached_tokens(), both.cached_tokens - first.cached_tokens);
}

TEST_P(OtherProvider, SaysWhatIsWrong) {
  StartBoth({.models = {"m"},
             .faults = "500#1,529#1,429#1,length#1,refusal#1,insufficient_quota#1,401#1"});
  const auto fails = [&](ProviderFailure::Kind kind, const char* outcome, const char* message) {
    ExpectFailed(Score({"2504.00001"}), kind, outcome, message);
  };
  fails(ProviderFailure::TRANSIENT, "server_error", "HTTP 500");
  fails(ProviderFailure::TRANSIENT, "server_error", "HTTP 529");
  fails(ProviderFailure::RATE_LIMITED, "rate_limited", "Rate limit reached");
  EXPECT_EQ(Score({"2504.00001"}).calls(0).outcome(), "cut_off");
  const wire::Result& refused = Score({"2504.00002"});
  ASSERT_EQ(refused.papers_size(), 1) << refused.failure().message();
  EXPECT_EQ(refused.papers(0).kind(), PaperResult::REFUSED);
  fails(ProviderFailure::HARD, "no_quota", "");
  fails(ProviderFailure::HARD, "auth", "HTTP 401");
  EXPECT_EQ(Score({"2504.00001"}).papers(0).kind(), PaperResult::SCORE);
}

TEST_P(OtherProvider, AServerWithoutSchemasIsAskedForPlainText) {
  StartBoth({.faults = "refuse_schema"});
  EXPECT_EQ(Score(kPapers).failure().kind(), ProviderFailure::AGAIN);
  ExpectScored(Score(kPapers));
}

TEST_P(OtherProvider, ABatchForAnotherBackendIsRefused) {
  StartBoth({});
  const wire::Result& result = ResultOf(aggregator_.HandOut(kPapers, "openai"));
  EXPECT_EQ(result.failure().kind(), ProviderFailure::HARD);
  EXPECT_THAT(result.failure().message(), HasSubstr("does not have the backend openai"));
  EXPECT_EQ(llm_->account().calls, 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, OtherProvider, testing::Values("azure", "anthropic"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(BadAnswerTest, AzuresDeploymentThatDoesNotExistIsHard) {
  StartProvider({.models = {"another"}});
  settings_.server.backend = "azure";
  settings_.server.base_url = llm_->url().substr(0, llm_->url().rfind('/'));
  StartScorer();
  ExpectFailed(Score(kPapers), ProviderFailure::HARD, "not_found", "HTTP 404");
}

}  // namespace
}  // namespace paperboy
