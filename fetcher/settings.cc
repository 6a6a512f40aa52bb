#include "fetcher/settings.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/calendar.h"
#include "common/text.h"
#include "fetcher/listing.h"

namespace paperboy {
namespace {

// arXiv's own, for all its services: https://info.arxiv.org/help/api/tou.html
constexpr std::chrono::duration<double> kArxivsInterval{3};

// It opened on that day. Files are of any date that ParseDate reads.
constexpr date::sys_days kArxivsFirstDay = date::year(1991) / 8 / 14;
constexpr date::sys_days kFilesFirstDay = date::year(1900) / 1 / 1;
constexpr size_t kShownChars = 40;  // of what is no date
constexpr size_t kFilesNamed = 3;

constexpr char kAbout[] =
    "Reads what arXiv announced on a day, delivers it to the aggregator, follows until the\n"
    "digest of each profile is published, and prints how it went.";

constexpr char kAfter[] = R"(Sources:
  auto        rss for the newest announcement, and api too once it is two hours late; api
              for an older date, or oai when that does not answer
  rss         arXiv's daily feed: the list as announced, of the newest date only
  api         arXiv's search: any date, rebuilt from ids and times of submission
  oai         the same from arXiv's OAI-PMH, which is read at once from the date until now:
              for whole months
  file:PATH   JSON lines, plain or .gz, one paper a line, for any date up to today;
              {date} in PATH stands for the date

Examples:
  paperboy-fetcher --profile config/profiles/default
        today's announcement, waited for if arXiv is late, after what the last week left
        unfinished; as a cron job at 00:30 US Eastern
  paperboy-fetcher --profile ml --profile robots --date 2026-09-24
        one day, two readers; arXiv is read once
  paperboy-fetcher --profile ml --from 2026-09-01 --to 2026-09-30
        a month that was missed, oldest day first
  paperboy-fetcher --profile ml --date 2026-09-24 --source file:papers.jsonl.gz
        papers of your own
  paperboy-fetcher --profile ml --from 2026-09-01 --to 2026-09-30 --dry-run
        what that month would cost
  paperboy-fetcher --profile ml gaps
        which dates the archive lacks, or has unfinished, and the commands that fill them;
        3 if there are any
  paperboy-fetcher parse feed.xml papers.jsonl
        what would be understood of these files, without sending anything; 0 if each holds
        a record and none had to be refused, else 1
  paperboy-fetcher calendar --from 2026-12-21 --to 2027-01-05
        which of these dates have an announcement, what was submitted when for each, why
        there is none; columns between tabs; without dates, today and the two weeks after

Exit codes:
  0  every digest is published and nothing is left to mend; also a holiday and a quiet day
  1  bad usage or configuration, or an announced day of a range has no file (file:...{date}...)
  2  arXiv, Redis, the aggregator or scorers could not be reached until the deadline
  3  a digest was withheld, or published with papers that a later run can score
  4  replaced by another revision of the profile; do not retry
  5  not announced by the deadline
  Of several, the first of 1, 2, 3, 5, 4. 129, 130 and 143: stopped by SIGHUP, SIGINT or
  SIGTERM; the aggregator goes on with what it has. Run again, it continues where the ledger
  stands.
)";

// `last` is what the message offers: what is later is for CheckDates to refuse.
Result<date::sys_days> DateOption(const Options& options, const std::string& name,
                                  SourceKind source, date::sys_days last) {
  const std::string text = options.String(name);
  const bool files = source == SourceKind::kFile;
  const date::sys_days first = files ? kFilesFirstDay : kArxivsFirstDay;
  const Result<date::sys_days> day = ParseDate(text);
  if (day && *day >= first) return *day;
  return Invalid("--" + name + " \"" + CutChars(CleanText(text), kShownChars) +
                 "\" is no date from " + FormatDate(first) + (files ? "" : ", arXiv's first day,") +
                 " to " + FormatDate(last) + "; write it as 2025-04-15");
}

Status ReadDatesUntil(date::sys_days last, const Options& options, FetcherSettings* settings) {
  const bool date = !options.String("date").empty();
  const bool from = !options.String("from").empty();
  const bool to = !options.String("to").empty();
  if (date && (from || to)) return Invalid("--date and --from/--to exclude each other; give one");
  if (from != to) return Invalid("--from and --to belong together; give both");
  if (!date && !from) return Ok();
  const auto read = [&](const char* name) {
    return DateOption(options, date ? "date" : name, settings->source, last);
  };
  const Result<date::sys_days> first = read("from");
  if (!first) return first.error();
  const Result<date::sys_days> end = read("to");
  if (!end) return end.error();
  if (*first > *end) return Invalid("--from is later than --to");
  settings->from = *first;
  settings->to = *end;
  settings->range = from;
  return Ok();
}

Status ReadSource(const std::string& text, FetcherSettings* settings) {
  constexpr std::string_view kFilePrefix = "file:";
  if (text.substr(0, kFilePrefix.size()) == kFilePrefix) {
    settings->source = SourceKind::kFile;
    settings->file = text.substr(kFilePrefix.size());
    if (settings->file.empty()) return Invalid("--source file: needs a path, as file:papers.jsonl");
    return Ok();
  }
  if (text == "auto")
    settings->source = SourceKind::kAuto;
  else if (text == "rss")
    settings->source = SourceKind::kRss;
  else if (text == "api")
    settings->source = SourceKind::kApi;
  else if (text == "oai")
    settings->source = SourceKind::kOai;
  else
    return Invalid("--source '" + text + "' is none of auto, rss, api, oai, file:PATH");
  return Ok();
}

date::sys_days LatestDate(SourceKind source, WallTime now) {
  const date::sys_days today = EasternDay(now);
  // After 20:00 Eastern the next morning's announcement is out already.
  return source == SourceKind::kFile ? today : std::max(today, NewestAnnounced(now));
}

Status CheckDates(const FetcherSettings& settings, date::sys_days latest) {
  if (!settings.to) return Ok();
  if (*settings.to > latest) {
    return Invalid((settings.range ? "--to " : "--date ") + FormatDate(*settings.to) +
                   " is in the future; the latest date possible now is " + FormatDate(latest) +
                   " (US Eastern)");
  }
  if (settings.range && settings.source == SourceKind::kRss) {
    return Invalid("--source rss has the newest announcement only; use api with --from/--to");
  }
  return Ok();
}

// The host in a URL, in lower case; "" if there is none.
std::string HostOf(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == url.npos) return "";
  std::string host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  host = host.substr(host.rfind('@') + 1);  // the whole without one
  host = FoldCase(host.substr(0, host.find(':')));
  while (host.ends_with('.')) host.pop_back();
  return host;
}

Status CheckInterval(const FetcherSettings& settings) {
  if (settings.arxiv_interval >= kArxivsInterval) return Ok();
  for (const std::string& url : {settings.rss_url, settings.api_url, settings.oai_url}) {
    if (!HostOf(url).ends_with("arxiv.org")) continue;
    return Invalid(
        "--arxiv-interval: arXiv asks for 3 s; less is for a simulated arXiv only, and " +
        HostOf(url) + " is none (--arxiv-rss-url, --arxiv-api-url and --arxiv-oai-url)");
  }
  return Ok();
}

// Semantic Scholar's address and key.
Status ReadScholar(const Options& options, FetcherSettings* settings) {
  settings->s2_url = options.String("s2-url");
  while (settings->s2_url.ends_with('/')) settings->s2_url.pop_back();
  if (HostOf(settings->s2_url).empty()) {
    return Invalid("--s2-url \"" + MaskPassword(settings->s2_url) +
                   "\": a URL such as https://api.semanticscholar.org");
  }
  settings->s2_key = Trim(options.String("s2-api-key"));
  if (const std::string& path = options.String("s2-api-key-file"); !path.empty()) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();  // sets fail where nothing can be read: of a directory too
    settings->s2_key = Trim(text.str());
    if (!file || settings->s2_key.empty()) {
      return Invalid("--s2-api-key-file " + path + ": cannot be read, or is empty");
    }
  }
  for (const unsigned char c : settings->s2_key) {
    if (c <= ' ' || c >= 0x7f) {
      return Invalid("Semantic Scholar's API key holds a character that no key has");
    }
  }
  return Ok();
}

}  // namespace

Options FetcherOptions() {
  std::vector<Option> table = CommonOptions("127.0.0.1:0");
  const std::vector<Option> own = {
      {.name = "profile",
       .type = OptionType::kList,
       .placeholder = "DIR",
       .help = "Folder of a profile; may be given several times: arXiv is read once, and each "
               "profile gets its digest."},
      {.name = "date",
       .placeholder = "YYYY-MM-DD",
       .help =
           "Announcement date. Default: today (US Eastern), waited for if it is not out yet; on "
           "a day without announcement the last one before."},
      {.name = "from",
       .placeholder = "YYYY-MM-DD",
       .help = "First date of a backfill, with --to. Pages carry the note of a remedial run."},
      {.name = "to", .placeholder = "YYYY-MM-DD", .help = "Last date of a backfill, with --from."},
      {.name = "source",
       .default_value = "auto",
       .placeholder = "SOURCE",
       .help = "auto, rss, api, oai or file:PATH; see below."},
      {.name = "aggregator",
       .default_value = "tcp://127.0.0.1:5555",
       .placeholder = "ENDPOINT",
       .help = "The aggregator's endpoint for fetchers."},
      {.name = "arxiv-rss-url",
       .default_value = "https://rss.arxiv.org/rss",
       .placeholder = "URL",
       .help = "arXiv's feeds; /CATEGORY is added."},
      {.name = "arxiv-api-url",
       .default_value = "https://export.arxiv.org/api/query",
       .placeholder = "URL",
       .help = "arXiv's API."},
      {.name = "arxiv-oai-url",
       .default_value = "https://oaipmh.arxiv.org/oai",
       .placeholder = "URL",
       .help = "arXiv's OAI-PMH."},
      {.name = "arxiv-interval",
       .type = OptionType::kNumber,
       .default_value = "3",
       .placeholder = "SECONDS",
       .help = "Seconds between the end of a request to arXiv and the start of the next, over all "
               "fetchers. arXiv asks for 3; less is for a simulated arXiv only. Polls and back-off "
               "scale with it.",
       .min = 0,
       .max = 3600},
      {.name = "deadline",
       .default_value = "",
       .placeholder = "TIME",
       .help = "How long to wait in all for the announcement, a dependency or scorers, as 90s, 5m "
               "or 8h. Empty: 8h, and 30h for past dates of a profile with batch_api. The "
               "aggregator goes on without the fetcher."},
      {.name = "no-wait",
       .type = OptionType::kFlag,
       .default_value = "false",
       .help = "Exit with 5 at once when the date is not announced yet."},
      {.name = "dry-run",
       .type = OptionType::kFlag,
       .default_value = "false",
       .help = "Only say what the run would take: papers, calls, tokens, dollars, minutes at the "
               "quota. Reads arXiv and asks the aggregator; nothing is recorded or waited for."},
      {.name = "progress",
       .default_value = "auto",
       .placeholder = "KIND",
       .help = "How to show progress on standard error: auto (with --log-format json lines of "
               "the log, else on a terminal a line that updates, else plain), plain (a line when "
               "something changes; not with JSON logs), none (with JSON logs what happened is "
               "logged still).",
       .choices = {"auto", "plain", "none"}},
      {.name = "contact",
       .default_value = "paperboy",
       .placeholder = "TEXT",
       .help = "Mail address or URL for arXiv's operators, sent in the User-Agent."},
      {.name = "s2-url",
       .default_value = "https://api.semanticscholar.org",
       .placeholder = "URL",
       .help = "Semantic Scholar, asked about authors where a profile follows some by id or ORCID "
               "or has an h-index gate."},
      {.name = "s2-api-key",
       .help = "Semantic Scholar's key; without one it is asked as one of many, and slower.",
       .secret = true,
       .env = "S2_API_KEY"},
      {.name = "s2-api-key-file",
       .placeholder = "FILE",
       .help = "A file with the key; wins over S2_API_KEY."},
  };
  table.insert(table.end(), own.begin(), own.end());
  Options options("fetcher", kAbout, kAfter, std::move(table));
  options.AllowWords(
      "A command, see the examples: parse FILE..., calendar or gaps; without one it fetches.");
  return options;
}

Status ReadDates(const Options& options, FetcherSettings* settings) {
  return ReadDatesUntil(kLastDate, options, settings);
}

std::string FileOf(const FetcherSettings& settings, const std::string& date) {
  constexpr std::string_view kPlaceholder = "{date}";
  std::string path = settings.file;
  if (const size_t at = path.find(kPlaceholder); at != path.npos) {
    path.replace(at, kPlaceholder.size(), date);
  }
  return path;
}

Status CheckFiles(const FetcherSettings& settings) {
  if (settings.source != SourceKind::kFile || !settings.range) return Ok();
  std::vector<std::string> names;
  bool any_due = false;
  for (date::sys_days day = *settings.from; day <= *settings.to; day += date::days(1)) {
    any_due |= AnnouncementFor(day).has_value();
    names.push_back(FileOf(settings, FormatDate(day)));
    // One file for all dates is asked for by its name, and missed by it.
    std::error_code none;
    if (names.back() == settings.file || std::filesystem::exists(names.back(), none)) return Ok();
  }
  if (!any_due) return Ok();
  return Invalid("--source file:" + settings.file + ": no date from " + FormatDate(*settings.from) +
                 " to " + FormatDate(*settings.to) + " has its file; looked for " +
                 NameSome(names, names.size(), kFilesNamed));
}

Result<std::chrono::milliseconds> ParseSpan(const std::string& text) {
  constexpr int64_t kYearSeconds = 366 * 86'400;
  int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(read.ptr, text.data() + text.size() - read.ptr);
  const int64_t seconds = unit == "s"   ? 1
                          : unit == "m" ? 60
                          : unit == "h" ? 3'600
                          : unit == "d" ? 86'400
                                        : 0;
  if (read.ec != std::errc() || seconds == 0 || number < 0 || number > kYearSeconds / seconds) {
    return Invalid("'" + text + "' is no span of time; write 90s, 5m, 8h or 2d, at most a year");
  }
  return std::chrono::milliseconds(number * seconds * 1'000);
}

Result<FetcherSettings> ReadFetcherSettings(const Options& options, WallTime now) {
  FetcherSettings settings;
  settings.profile_dirs = options.List("profile");
  if (settings.profile_dirs.empty()) {
    return Invalid("no profile: give --profile DIR, a folder with profile.toml and prompt.md");
  }
  if (const Status source = ReadSource(options.String("source"), &settings); !source) {
    return source.error();
  }
  const date::sys_days latest = LatestDate(settings.source, now);
  if (const Status dates = ReadDatesUntil(latest, options, &settings); !dates) {
    return dates.error();
  }
  if (const Status dates = CheckDates(settings, latest); !dates) return dates.error();
  if (const std::string text = options.String("deadline"); !text.empty()) {
    const Result<std::chrono::milliseconds> deadline = ParseSpan(text);
    if (!deadline) return Invalid("--deadline: " + deadline.error().message);
    settings.deadline = *deadline;
    settings.deadline_given = true;
  }
  settings.aggregator = {options.String("aggregator"), options.String("keys"), "fetcher"};
  settings.rss_url = options.String("arxiv-rss-url");
  settings.api_url = options.String("arxiv-api-url");
  settings.oai_url = options.String("arxiv-oai-url");
  settings.arxiv_interval = std::chrono::duration<double>(options.Number("arxiv-interval"));
  if (const Status interval = CheckInterval(settings); !interval) return interval.error();
  if (const Status scholar = ReadScholar(options, &settings); !scholar) return scholar.error();
  settings.wait = !options.Flag("no-wait");
  settings.dry_run = options.Flag("dry-run");
  settings.progress = options.String("progress");
  if (settings.progress == "plain" && options.String("log-format") == "json") {
    return Invalid(
        "--progress plain would mix its lines with the objects of --log-format json on standard "
        "error; leave --progress out, and the log has them");
  }
  settings.contact = options.String("contact");
  const bool printable = std::all_of(settings.contact.begin(), settings.contact.end(),
                                     [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
  if (!printable) return Invalid("--contact: only printable ASCII goes into a header");
  return settings;
}

std::chrono::milliseconds DeadlineFor(const FetcherSettings& settings,
                                      const std::vector<wire::Profile>& profiles, WallTime now) {
  const bool rebuilds = settings.from && *settings.from < EasternDay(now);
  const bool defers = std::any_of(profiles.begin(), profiles.end(),
                                  [](const auto& profile) { return profile.batch_api(); });
  if (settings.deadline_given || !rebuilds || !defers) return settings.deadline;
  return kBatchApiDeadline;
}

}  // namespace paperboy
