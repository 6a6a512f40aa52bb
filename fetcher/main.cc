#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <random>
#include <set>

#include "common/aggregator_socket.h"
#include "common/calendar.h"
#include "common/curl_client.h"
#include "common/log.h"
#include "common/profile.h"
#include "common/redis_client.h"
#include "common/start.h"
#include "common/status_server.h"
#include "fetcher/calendar_command.h"
#include "fetcher/dry_run.h"
#include "fetcher/gaps.h"
#include "fetcher/parse_command.h"
#include "fetcher/run.h"
#include "fetcher/semantic_scholar.h"
#include "fetcher/settings.h"

namespace paperboy {
namespace {

using Clock = std::chrono::system_clock;

// Whoever asks for gaps sits and waits.
constexpr std::chrono::seconds kGapsDeadline{15};

int Usage(const Error& error) {
  SayError(error.message);
  return kExitUsage;
}

int Parse(const std::vector<std::string>& words) {
  std::vector<ParseReport> reports;
  bool ok = true;
  for (size_t i = 1; i < words.size(); ++i) {
    reports.push_back(ReportOnFile(words[i]));
    std::fputs(reports.back().text.c_str(), stdout);
    ok &= reports.back().whole();
  }
  std::fputs(Sums(reports).c_str(), stdout);
  return ok ? kExitOk : kExitUsage;
}

int PrintCalendar(const Options& options) {
  FetcherSettings settings;
  if (const Status read = ReadDates(options, &settings); !read) return Usage(read.error());
  const date::sys_days from = settings.from.value_or(EasternDay(Clock::now()));
  const date::sys_days to = settings.to.value_or(from + date::weeks(2));
  std::fputs(CalendarCaveat(from).c_str(), stderr);
  std::fputs(kCalendarHeader, stdout);
  for (date::sys_days day = from; day <= to; day += date::days(1)) {
    std::fputs(CalendarLine(day).c_str(), stdout);
  }
  return kExitOk;
}

Result<std::vector<wire::Profile>> LoadProfiles(const std::vector<std::string>& dirs) {
  std::vector<wire::Profile> profiles;
  std::set<std::string> names;
  for (const std::string& dir : dirs) {
    Result<wire::Profile> profile = LoadProfile(dir);
    if (!profile) return profile.error();
    if (!names.insert(profile->name()).second) {
      return Invalid(dir + ": another profile is named " + profile->name() +
                     " too; names are "
                     "identities, give each its own");
    }
    profiles.push_back(std::move(*profile));
  }
  return profiles;
}

// The dates that the ledger lacks, or has unfinished, of each profile.
int ShowGaps(const Options& options, const std::string& program) {
  const Result<FetcherSettings> settings = ReadFetcherSettings(options, Clock::now());
  if (!settings) return Usage(settings.error());
  const Result<std::vector<wire::Profile>> profiles = LoadProfiles(settings->profile_dirs);
  if (!profiles) return Usage(profiles.error());
  EpollLoop loop;
  Pump pump(loop);
  loop.OnStopSignal([&](int signal) { pump.Stop(signal); });
  Progress progress(
      loop, Progress::ModeFor(settings->progress, options.String("log-format"), stderr), stderr);
  zmq::context_t context;
  const auto dealer = AggregatorSocket::Connect(loop, context, settings->aggregator);
  if (!dealer) return Usage(dealer.error());
  AggregatorClient aggregator(**dealer, settings->aggregator.endpoint, pump, progress);
  const auto deadline =
      loop.now() + (settings->deadline_given ? settings->deadline : kGapsDeadline);
  const date::sys_days due = PreviousPage(EasternDay(Clock::now()) + date::days(1));
  bool any = false;
  for (size_t i = 0; i < profiles->size(); ++i) {
    const std::string& name = (*profiles)[i].name();
    const date::sys_days from = settings->from.value_or(FirstListedDay());
    const date::sys_days to = settings->to.value_or(due);
    Result<wire::Days> days = AskForDays(aggregator, name, from, to, deadline);
    if (!days) {
      SayError(days.error().message);
      return pump.stopped() ? 128 + pump.stop_signal() : kExitUnreachable;
    }
    // Whoever names the first date wants all from there on.
    if (settings->from) days->set_first(FormatDate(from));
    const date::sys_days first = days->first().empty() ? to : *ParseDate(days->first());
    const date::sys_days begin = std::max(from, first);
    const std::vector<Gap> gaps = GapsIn(*days, from, to);
    any |= !gaps.empty();
    const FillCommands commands = CommandsFor(options, program, settings->profile_dirs[i]);
    std::fputs(CalendarCaveat(begin).c_str(), stderr);
    std::fputs((GapsText(name, commands, gaps) + GuessesText(*days, begin, to)).c_str(), stdout);
  }
  return any ? kExitWithheld : kExitOk;
}

int RunCommand(const Options& options, const std::string& program) {
  const std::vector<std::string>& words = options.words();
  if (words.front() == "parse" && words.size() > 1) return Parse(words);
  if (words.front() == "calendar" && words.size() == 1) return PrintCalendar(options);
  if (words.front() == "gaps" && words.size() == 1) return ShowGaps(options, program);
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " ") + word;
  return Usage(Invalid("'" + all + "' is no command; there are parse FILE..., calendar and gaps"));
}

// Who holds the lock for arXiv; no two processes alike.
std::string RandomOwner() {
  std::random_device random;
  char text[33];
  std::snprintf(text, sizeof text, "%08x%08x%08x%08x", random(), random(), random(), random());
  return text;
}

int Report(const std::vector<Outcome>& outcomes, int stop_signal, const std::string& log_format) {
  std::fputs(Summary(outcomes).c_str(), stdout);
  std::fflush(stdout);
  if (stop_signal == 0) return WorstOf(outcomes);
  const std::string stopped = fmt::format(
      "stopped by {}; the aggregator goes on with what it has. The same command "
      "continues where the ledger stands.",
      "SIG" + std::string(::sigabbrev_np(stop_signal)));
  if (log_format == "json") {
    spdlog::warn("{}", stopped);
  } else {
    std::fprintf(stderr, "%s\n", stopped.c_str());
  }
  return 128 + stop_signal;
}

int ReportForecast(const std::vector<ForecastLine>& lines,
                   const std::vector<wire::Profile>& profiles, int stop_signal) {
  std::fputs(ForecastTable(lines, profiles).c_str(), stdout);
  std::fflush(stdout);
  if (stop_signal != 0) return 128 + stop_signal;
  std::vector<ExitCode> codes;
  for (const ForecastLine& line : lines) codes.push_back(line.exit_code);
  return WorstOf(codes);
}

int Fetch(const Options& options, const FetcherSettings& settings,
          std::vector<wire::Profile> profiles) {
  const Result<RedisUrl> redis_url = ReadRedisUrl(options);
  if (!redis_url) return Usage(redis_url.error());

  EpollLoop loop;
  Pump pump(loop);
  loop.OnStopSignal([&](int signal) { pump.Stop(signal); });
  const auto registry = std::make_shared<prometheus::Registry>();
  auto& requests = prometheus::BuildCounter()
                       .Name("paperboy_fetcher_arxiv_requests_total")
                       .Help("Requests to arXiv by HTTP status, or \"no answer\"")
                       .Register(*registry);
  auto& scholar_requests =
      prometheus::BuildCounter()
          .Name("paperboy_fetcher_s2_requests_total")
          .Help("Requests to Semantic Scholar by HTTP status, or \"no answer\"")
          .Register(*registry);
  StatusServer status(registry);
  if (const Status started = status.Start(options.String("http")); !started) {
    return Usage(started.error());
  }
  spdlog::info("status on http port {}", status.port());
  loop.OnTurnEnd([&] { status.LoopTurned(); });
  loop.Every(std::chrono::seconds(1), [] {});  // turns while nothing happens
  status.LoopTurned();
  status.SetTrouble("");

  Progress progress(
      loop, Progress::ModeFor(settings.progress, options.String("log-format"), stderr), stderr);
  progress.OnWaitingChange([&](const std::string& what) {
    status.SetTrouble(what.empty() ? "" : "waiting for " + what);
  });
  RedisClient redis(loop, *redis_url);
  CurlClient http(loop, 1);
  ArxivClient arxiv(pump, redis, http, progress, Clock::now,
                    {settings.arxiv_interval, settings.contact, RandomOwner()});
  arxiv.SetOnRequest([&](const std::string& outcome) {
    requests.Add({{"outcome", outcome}}).Increment();
  });
  ArxivSource source(arxiv, settings.rss_url, settings.api_url, settings.oai_url);
  zmq::context_t context;
  const auto dealer = AggregatorSocket::Connect(loop, context, settings.aggregator);
  if (!dealer) return Usage(dealer.error());
  AggregatorClient aggregator(**dealer, settings.aggregator.endpoint, pump, progress);
  SeenHint hint(pump, redis);
  SemanticScholar scholar(pump, redis, http, progress, Clock::now,
                          {.url = settings.s2_url, .key = settings.s2_key, .owner = RandomOwner()});
  scholar.SetOnRequest([&](const std::string& outcome) {
    scholar_requests.Add({{"outcome", outcome}}).Increment();
  });
  if (settings.dry_run) {
    DryRun run({pump, progress, arxiv, source, aggregator, Clock::now}, settings, profiles);
    return ReportForecast(run.Go(), profiles, pump.stop_signal());
  }
  FetchRun run({pump, progress, arxiv, source, aggregator, hint, Clock::now, &scholar}, settings,
               std::move(profiles));
  const std::vector<Outcome> outcomes = run.Go();
  progress.Waiting("");
  return Report(outcomes, pump.stop_signal(), options.String("log-format"));
}

int Main(int argc, const char* const* argv) {
  Options options = FetcherOptions();
  if (const auto code = Start("fetcher", argc, argv, &options)) return *code;
  if (!options.words().empty()) return RunCommand(options, argv[0]);
  Result<FetcherSettings> settings = ReadFetcherSettings(options, Clock::now());
  if (!settings) return Usage(settings.error());
  if (const Status files = CheckFiles(*settings); !files) return Usage(files.error());
  Result<std::vector<wire::Profile>> profiles = LoadProfiles(settings->profile_dirs);
  if (!profiles) return Usage(profiles.error());
  settings->deadline = DeadlineFor(*settings, *profiles, Clock::now());
  return Fetch(options, *settings, std::move(*profiles));
}

}  // namespace
}  // namespace paperboy

int main(int argc, char** argv) { return paperboy::Main(argc, argv); }
