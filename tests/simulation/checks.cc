#include "tests/simulation/checks.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/redis_keys.h"
#include "common/text.h"
#include "common/wire.h"

namespace paperboy::sim {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// A shorter silence makes nobody believe a peer dead.
constexpr seconds kUnheardLongEnough{5};
constexpr const char* kEveryScorer = "";
// A view of the limiter is 50 ms old at most, a request is 60 ms on its way, Redis
// is reached and answers within 10 ms; and as much again.
constexpr std::chrono::milliseconds kNewsOfAPause{250};
constexpr std::chrono::milliseconds kLastCallsWithoutRedis{250};

std::string UnitName(const wire::Batch& batch, const wire::BatchPaper& paper) {
  return batch.prompt().substr(0, batch.prompt().find('\n')) +
         (batch.stage() == wire::STAGE_TITLE ? "/title/" : "/abstract/") + paper.id();
}

// A page without what tells of time and money.
std::string Timeless(const std::string& page) {
  std::istringstream lines(page);
  std::string line, kept;
  while (std::getline(lines, line)) {
    if (line.starts_with("|") || line.starts_with("> Results generated")) continue;
    if (line.starts_with("<tr><th scope=\"row\">")) continue;  // the same in the site
    if (line.starts_with("<p>Results generated")) continue;
    kept += line + "\n";
  }
  return kept;
}

// What of a status file two runs must agree in.
json Gist(const std::string& status) {
  const json all = json::parse(status);
  json gist = {{"state", all["state"]}, {"mendable", all["mendable"]}, {"funnel", all["funnel"]}};
  for (const auto& row : all["rows"]) {
    json& kept = gist["rows"][row["id"].get<std::string>()];
    for (const char* name : {"state", "why", "relevance", "novelty", "position", "version"}) {
      if (row.contains(name)) kept[name] = row[name];
    }
  }
  return gist;
}

bool AddsUp(const json& f) {
  const auto n = [&](const char* name) { return f[name].get<int>(); };
  return n("arxiv") == n("refused") + n("not_wanted") + n("seen_before") + n("scanned") &&
         n("scanned") == n("author_gated") + n("title_dropped") + n("below_cutoff") +
                             n("selected") + n("unscored");
}

bool IsVerdict(const wire::PaperResult& paper) {
  return paper.kind() != wire::PaperResult::MISSING && paper.kind() != wire::PaperResult::REFUSED;
}

}  // namespace

// ---- while it runs ----------------------------------------------------------

void Witness::OnFrame(const std::string& from, const std::string& to, const std::string& service,
                      const std::string& frame) {
  if (service == kScorerService) {
    if (to.starts_with("scorer")) return OnScorerReply(to, frame);
    wire::ScorerMessage message;
    if (message.ParseFromString(frame) && message.has_result()) {
      results_[from][message.result().lease()] = message.result();
    }
    return;
  }
  if (to.starts_with("fetcher")) return OnFetcherReply(to, frame);
  wire::FetcherMessage message;
  if (message.ParseFromString(frame) && message.has_rows()) {
    rows_[from][message.request()] = message.rows();
  }
}

void Witness::OnScorerReply(const std::string& scorer, const std::string& frame) {
  wire::ScorerReply reply;
  reply.ParseFromString(frame);
  if (reply.has_batch()) {
    if (disk_.store->db().InTransaction()) world_.Violate("a batch leaves before its commit");
    for (const auto& paper : reply.batch().papers()) {
      const std::string name = UnitName(reply.batch(), paper);
      unit_of_[paper.key()] = name;
      keys_of_[name].insert(paper.key());
    }
  }
  if (!reply.has_ack()) return;
  const auto& results = results_[scorer];
  if (const auto result = results.find(reply.ack().lease()); result != results.end()) {
    CheckAcknowledged(result->second);
  }
}

void Witness::CheckAcknowledged(const wire::Result& result) const {
  Database& db = disk_.store->db();
  if (db.InTransaction()) {
    return world_.Violate("lease " + std::to_string(result.lease()) +
                          " is acknowledged before its commit");
  }
  for (const auto& paper : result.papers()) {
    if (!IsVerdict(paper)) continue;
    auto cursor = db.Query("SELECT state FROM work WHERE key = ?", Blob{paper.key()});
    // Of a ledger that is gone, and nobody asked for it yet in the one that is there.
    if (!cursor.Next() || !FindDigest(db, result.digest())) continue;
    const auto unit = unit_of_.find(paper.key());
    const std::string name = unit == unit_of_.end() ? "?" : unit->second;
    if (cursor.Text(0) == "open") {
      return world_.Violate("an answer about " + name + " is acknowledged and not in the ledger");
    }
    model_.Recorded(name);
  }
}

void Witness::OnFetcherReply(const std::string& fetcher, const std::string& frame) {
  wire::FetcherReply reply;
  reply.ParseFromString(frame);
  if (reply.request() == 0 || reply.has_refused()) return;
  if (disk_.store->db().InTransaction()) {
    return world_.Violate("a fetcher is answered before the commit");
  }
  if (!reply.has_want()) return;
  const auto& sent = rows_[fetcher];
  if (const auto rows = sent.find(reply.request()); rows != sent.end()) CheckRows(rows->second);
}

void Witness::CheckRows(const wire::Rows& rows) const {
  for (const auto& row : rows.rows()) {
    const bool stored =
        disk_.store->db()
            .Query("SELECT 1 FROM row WHERE digest = ? AND paper = ?", rows.digest(), row.id())
            .Next();
    if (!stored) return world_.Violate("row " + row.id() + " is acknowledged and not stored");
  }
}

void Witness::OnRedisWrite(const std::vector<std::string>& args) {
  if (args[0] == "SET" && args[1].starts_with("paperboy:score:")) {
    wire::CachedScore cached;
    cached.ParseFromString(args[2]);
    if (const auto unit = unit_of_.find(cached.paper().key()); unit != unit_of_.end()) {
      model_.Cached(unit->second);
    }
  }
  if (args[0] != "SADD" || !args[1].starts_with("paperboy:seen:" + disk_.store->id())) return;
  Database& db = disk_.store->db();
  const std::string profile = args[1].substr(args[1].rfind(':') + 1);
  for (size_t i = 2; i < args.size(); ++i) {
    const bool recorded = db.Query(
                                "SELECT 1 FROM row JOIN digest ON digest.id = row.digest "
                                "WHERE row.paper = ? AND digest.profile = ?",
                                args[i], profile)
                              .Next();
    if (!recorded) {
      return world_.Violate("paper " + args[i] + " is marked as seen and not in the ledger");
    }
  }
}

// Without Redis no call begins; what had its last look before may be under way.
void Witness::OnCall(const std::string& scorer) {
  const auto out = redis_.out_since();
  if (out && world_.now() - *out > kLastCallsWithoutRedis) {
    world_.Violate(scorer + " calls the model without Redis");
  }
}

void Witness::OnScorerGone(const std::string& scorer, uint64_t life, bool killed) {
  // Who leaves by itself has delivered its results, or Redis has them.
  if (killed || RedisUnsure()) deaths_[{scorer, life}] = world_.now();
}

void Witness::OnUnheard(const std::string& node, MonotonicTime from, MonotonicTime to) {
  if (node.starts_with("scorer")) spans_.push_back({node, from, to});
}

// The calls that are under way, or begin while their scorers believe that they are
// heard, belong to leases that the ledger may not know.
void Witness::OnLedgerReplaced() {
  ++ledgers_replaced_;
  spans_.push_back({kEveryScorer, world_.now(), world_.now() + kHeardLately});
}

// ---- at the end -------------------------------------------------------------

// Since when nothing that happens to its scorer can lose the answer.
std::optional<MonotonicTime> Witness::SafeSince(const Model::Unit& unit) const {
  if (RedisUnsure() || !unit.cached) return unit.recorded;
  return unit.recorded ? std::min(*unit.recorded, *unit.cached) : unit.cached;
}

// Long enough to be believed dead, alone or together with another one close by.
bool Witness::LongEnough(const Span& span) const {
  return span.to - span.from >= kUnheardLongEnough ||
         std::any_of(spans_.begin(), spans_.end(), [&](const Span& other) {
           return &other != &span && other.node == span.node && other.from <= span.to + kSilence &&
                  span.from <= other.to + kSilence;
         });
}

bool Witness::Hit(const Model::Call& call, const Model::Unit& unit, const Span& span) const {
  const bool concerned = span.node == kEveryScorer || span.node == call.scorer;
  if (!concerned || !LongEnough(span)) return false;
  const auto safe = SafeSince(unit);
  return call.sent <= span.to && (!safe || span.from <= *safe);
}

// Once; once more for each answer that lacked it; and for each fault that hit a
// call holding it.
uint64_t Witness::Allowed(const std::string& name) const {
  uint64_t allowed = 1 + (RedisUnsure() ? ledgers_replaced_ : 0);
  for (const Model::Call& call : model_.calls()) {
    for (const Model::Unit& unit : call.units) {
      if (unit.name != name) continue;
      if (unit.lacking) ++allowed;
      if (unit.lacking) continue;
      for (const Span& span : spans_) allowed += Hit(call, unit, span);
      const auto death = deaths_.find({call.scorer, call.life});
      if (death == deaths_.end()) continue;
      const auto safe = SafeSince(unit);
      if (!safe || death->second <= *safe) ++allowed;
    }
  }
  return allowed;
}

size_t Witness::repeats() const {
  std::map<std::string, size_t> sent;
  for (const Model::Call& call : model_.calls()) {
    for (const Model::Unit& unit : call.units) ++sent[unit.name];
  }
  size_t repeats = 0;
  for (const auto& [unit, times] : sent) repeats += times - 1;
  return repeats;
}

void Witness::CheckSends() const {
  std::map<std::string, uint64_t> sent;
  for (const Model::Call& call : model_.calls()) {
    for (const Model::Unit& unit : call.units) ++sent[unit.name];
  }
  for (const auto& [unit, times] : sent) {
    // Of several readings a call does not say which one it was about.
    const auto keys = keys_of_.find(unit);
    if (times == 1 || (keys != keys_of_.end() && keys->second.size() > 1)) continue;
    if (const uint64_t allowed = Allowed(unit); times > allowed) {
      return world_.Violate(unit + " was sent " + std::to_string(times) + " times, " +
                            std::to_string(allowed) + " explained");
    }
  }
}

// Two refusals a window to two apart measure a quota that was used all the time in
// between: the first such two, or nullopt.
std::optional<MonotonicTime> FirstOfAPair(const std::vector<MonotonicTime>& refused,
                                          Microseconds window) {
  for (const MonotonicTime first : refused) {
    const bool paired = std::any_of(refused.begin(), refused.end(), [&](MonotonicTime other) {
      return other - first >= window * 98 / 100 && other - first <= 2 * window;
    });
    if (paired) return first;
  }
  return std::nullopt;
}

// No call is beyond the quota; of one that was lowered without notice, none but those
// that find it, within two windows of the first.
void Witness::CheckQuota(const Scenario& scenario) const {
  if (!model_.rejected().empty()) {
    return world_.Violate(std::to_string(model_.rejected().size()) +
                          " calls were beyond the model's quota");
  }
  const auto& rejected = model_.rejected_when_lowered();
  // It may be forgotten, and found again.
  if (rejected.empty() || RedisUnsure() || world_.clock_is_back()) return;
  const auto window = std::chrono::duration_cast<Microseconds>(model_.quota().window);
  const auto begin = FirstOfAPair(rejected, window);
  const auto late = std::count_if(rejected.begin(), rejected.end(), [&](MonotonicTime at) {
    return begin && at > *begin + 2 * window + kNewsOfAPause;
  });
  // What a scorer was granted and took along into its death, or slept over, makes the
  // limit found too large until a few more refusals mend it.
  const size_t lost = deaths_.size() + spans_.size();
  if (late > static_cast<ptrdiff_t>(3 * lost)) {
    return world_.Violate(std::to_string(late) + " of " + std::to_string(rejected.size()) +
                          " calls were beyond the lowered quota after two windows");
  }
  // A server that refuses at random too may have the limit found too low.
  if (scenario.model.refuses > 0) return;
  const auto found = redis_.Execute(
      {"HGET", redis_keys::Limit(QuotaKey(scenario.scorer.server, scenario.scorer.model)), "fr"});
  const double windows_a_minute = 60 / model_.quota().window.count();
  const double all = std::floor(*scenario.lowered_to / windows_a_minute) * windows_a_minute;
  // Of a limit that is found by its refusals a hundredth less is kept to.
  const double whole = std::floor(scenario.model.names_limits ? all : 0.99 * all);
  if (found && !found->string.empty() && found->string != "0" && std::stod(found->string) < whole) {
    world_.Violate("the limit found is " + found->string + " instead of " + std::to_string(whole));
  }
}

// A 429 anywhere stops everybody's next call.
void Witness::CheckPauses() const {
  if (RedisUnsure()) return;  // the news may be lost
  const auto troubled = [&](const Model::Call& call) {
    return deaths_.contains({call.scorer, call.life}) ||
           std::any_of(spans_.begin(), spans_.end(),
                       [&](const Span& span) { return span.node == call.scorer; });
  };
  for (const Model::Call& told : model_.calls()) {
    if (!told.told_to_wait || troubled(told)) continue;
    for (const Model::Call& call : model_.calls()) {
      if (troubled(call)) continue;
      if (call.sent > told.sent + kNewsOfAPause && call.sent < told.sent + Model::kRetryAfter) {
        return world_.Violate(call.scorer + " calls the model while everybody waits");
      }
    }
  }
}

int64_t Witness::Count(const char* sql) const {
  auto cursor = disk_.store->db().Query(sql);
  return cursor.Next() ? cursor.Int(0) : 0;
}

void Witness::CheckLedger(const Scenario& scenario) const {
  Database& db = disk_.store->db();
  if (Count("SELECT count(*) FROM work WHERE lease IS NOT NULL") > 0 ||
      Count("SELECT count(*) FROM lease WHERE lost = 0") > 0) {
    return world_.Violate("a lease is left");
  }
  if (Count("SELECT count(*) FROM pragma_foreign_key_check") > 0) {
    return world_.Violate("the ledger points at what it does not have");
  }
  for (const Day& day : scenario.days) {
    for (const auto& profile : scenario.profiles) {
      std::set<std::string> rows;
      auto cursor = db.Query(
          "SELECT paper FROM row JOIN digest ON digest.id = row.digest "
          "WHERE profile = ? AND date = ?",
          profile.name(), day.date);
      while (cursor.Next()) rows.insert(cursor.Text(0));
      if (rows != IdsOf(day)) {
        return world_.Violate(profile.name() + " " + day.date + " has " +
                              std::to_string(rows.size()) + " rows of " +
                              std::to_string(IdsOf(day).size()));
      }
    }
  }
  const auto booked = static_cast<uint64_t>(
      Count("SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM call"));
  if (booked > model_.tokens_answered()) {
    return world_.Violate("more tokens are booked than were used");
  }
  if (booked < model_.tokens_answered() && deaths_.empty() && ledgers_replaced_ == 0) {
    world_.Violate(std::to_string(model_.tokens_answered() - booked) +
                   " tokens were used and not booked");
  }
}

// What was paid is booked, or set aside for a call whose cost is not known; and both
// together are within the budgets.
void Witness::CheckMoney(const Scenario& scenario) const {
  if (ledgers_replaced_ > 0) return;  // what was spent before is not known any more
  const int64_t accounted = Count(
      "SELECT (SELECT coalesce(sum(prompt_picodollars + completion_picodollars), 0) FROM call) + "
      "(SELECT coalesce(sum(estimate_picodollars), 0) FROM lease)");
  if (model_.charged() > accounted) {
    return world_.Violate("the model charged " + std::to_string(model_.charged()) +
                          " picodollars, and " + std::to_string(accounted) + " are accounted for");
  }
  for (const auto& profile : scenario.last_profiles()) {
    for (const auto& [budget, group] :
         {std::pair{profile.budget_picodollars_per_digest(), "digest"},
          std::pair{profile.budget_picodollars_per_day(), "day"}}) {
      const std::string sql =
          std::string(
              "SELECT sum(amount) AS spent FROM (SELECT digest, day, prompt_picodollars + "
              "completion_picodollars AS amount FROM call UNION ALL SELECT digest, day, "
              "estimate_picodollars FROM lease) JOIN digest ON digest.id = digest "
              "WHERE profile = ? GROUP BY ") +
          group + " ORDER BY spent DESC";
      auto cursor = disk_.store->db().Query(sql.c_str(), profile.name());
      if (budget == 0 || !cursor.Next() || cursor.Int(0) <= budget) continue;
      world_.Violate(profile.name() + " spent " + std::to_string(cursor.Int(0)) +
                     " picodollars of " + std::to_string(budget));
    }
  }
}

void Witness::CheckFiles(const Files& files, const Files& expected) const {
  if (files.size() != expected.size()) {
    return world_.Violate(std::to_string(files.size()) + " files were published instead of " +
                          std::to_string(expected.size()));
  }
  for (const auto& [path, want] : expected) {
    const auto have = files.find(path);
    if (have == files.end()) return world_.Violate(path + " is missing");
    bool same = have->second == want;
    if (path.ends_with(".md") || path.ends_with(".html"))
      same = Timeless(have->second) == Timeless(want);
    if (path.ends_with("-digest.json")) {
      const json gist = Gist(have->second);
      same = gist == Gist(want);
      if (!AddsUp(gist["funnel"])) return world_.Violate(path + ": the funnel does not add up");
      if (!same) {
        return world_.Violate(path +
                              " differs: " + json::diff(Gist(want), gist).dump().substr(0, 400));
      }
    }
    if (!same) return world_.Violate(path + " is not that of an undisturbed run");
  }
}

}  // namespace paperboy::sim
