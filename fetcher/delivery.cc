#include "fetcher/delivery.h"

#include <algorithm>

#include "common/text.h"
#include "common/trace.h"
#include "common/wire.h"
#include "spdlog/fmt/fmt.h"

namespace paperboy {
namespace {

// Well below kMaxFrameBytes: the last row of a message may be a large one.
constexpr size_t kMaxMessageBytes = 4 << 20;
// How often a refused delivery begins again: the ledger may have been replaced,
// or another fetcher may have completed the list meanwhile.
constexpr int kAttempts = 3;
constexpr int kOpenToldOften = 3;

}  // namespace

Delivery::Delivery(AggregatorClient& client, SeenHint& hint, SemanticScholar* scholar,
                   Progress& progress, Target target)
    : client_(client),
      hint_(hint),
      scholar_(scholar),
      shown_(progress),
      target_(std::move(target)),
      trace_(TraceOf(target_.profile.name(), target_.date, target_.profile.revision())) {}

LogFields Delivery::Fields() const {
  LogFields fields = {
      {"profile", target_.profile.name()}, {"date", target_.date}, {"trace", trace_}};
  if (digest() != 0) fields.push_back({"digest", digest()});
  return fields;
}

Status Delivery::Open(MonotonicTime deadline) {
  // Opening with this revision again would replace a newer edition.
  if (opened_before_) {
    if (const Status current = CheckEdition(deadline); !current) return current;
  }
  wire::FetcherMessage message;
  wire::OpenDigest* open = message.mutable_open();
  *open->mutable_profile() = target_.profile;
  open->set_date(target_.date);
  open->set_source(target_.source);
  open->set_remedial_from(target_.remedial_from);
  open->set_remedial_to(target_.remedial_to);
  Result<wire::FetcherReply> reply = client_.Call(std::move(message), deadline);
  if (!reply) return reply.error();
  if (!reply->has_opened())
    return Invalid("the aggregator answered an opening with something else");
  opened_ = reply->opened();
  sealed_ = {opened_.sealed().begin(), opened_.sealed().end()};
  opened_before_ = true;
  return Ok();
}

// An empty list of rows changes nothing and tells whether the edition stands. A
// digest that the ledger does not know is no conflict: the ledger was replaced.
Status Delivery::CheckEdition(MonotonicTime deadline) {
  wire::FetcherMessage message;
  message.mutable_rows()->set_digest(opened_.digest());
  message.mutable_rows()->set_edition(opened_.edition());
  message.mutable_rows()->set_category(target_.categories.front());
  const Result<wire::FetcherReply> reply = client_.Call(std::move(message), deadline);
  if (!reply && reply.error().kind != ErrorKind::kInvalid) return reply.error();
  return Ok();
}

Status Delivery::Deliver(const Listings& lists, MonotonicTime deadline) {
  Status status = Ok();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (const Status opened = Open(deadline); !opened) return opened;
    status = SendAuthors({opened_.authors().begin(), opened_.authors().end()}, deadline);
    if (!status && status.error().kind != ErrorKind::kInvalid) return status;
    opened_.clear_authors();
    for (const std::string& category : target_.categories) {
      if (!status || sealed_.contains(category)) continue;
      if (const auto list = lists.find(category); list != lists.end()) {
        status = Send(list->second, deadline);
      } else if (late_.contains(category)) {
        status = Seal(category, "", 0, true, deadline);
      }
      if (!status) break;
    }
    if (status || status.error().kind != ErrorKind::kInvalid) return status;
  }
  return status;
}

Status Delivery::DeliverAgain(const Listings& lists, MonotonicTime deadline) {
  if (digest() == 0) return Ok();
  for (const auto& [category, list] : lists) {
    if (!sealed_.contains(category)) continue;
    const Status sent = Send(list, deadline);
    if (sent) continue;
    if (sent.error().kind != ErrorKind::kInvalid) return sent;
    sealed_.erase(category);  // another ledger, or a text that it lacks: all of it anew
  }
  return Ok();
}

void Delivery::GoOnWithoutMissing() {
  for (std::string& category : Missing()) late_.insert(std::move(category));
}

std::vector<std::string> Delivery::Missing() const {
  std::vector<std::string> missing;
  for (const std::string& category : target_.categories) {
    if (!sealed_.contains(category) && !late_.contains(category)) missing.push_back(category);
  }
  return missing;
}

bool Delivery::Lacks() const {
  return opened_.authors_size() > 0 ||
         std::any_of(target_.categories.begin(), target_.categories.end(),
                     [this](const auto& category) { return !sealed_.contains(category); });
}

// Rows as they go into one message; those that Redis has seen go without text.
wire::Rows Delivery::MakeRows(const Listing& list, size_t begin) {
  const size_t most = std::min(list.rows.size(), begin + kMaxRowsPerMessage);
  std::vector<std::string> ids;
  for (size_t i = begin; i < most; ++i) ids.push_back(list.rows[i].id());
  const std::vector<bool> seen = hint_.Seen(opened_.ledger(), target_.profile.name(), ids);
  wire::Rows rows;
  rows.set_digest(opened_.digest());
  rows.set_edition(opened_.edition());
  rows.set_category(list.category);
  rows.set_source(list.source.empty() ? target_.source : list.source);
  size_t bytes = 0;
  for (size_t i = begin; i < most && bytes < kMaxMessageBytes; ++i) {
    wire::Row* row = rows.add_rows();
    *row = list.rows[i];
    if (seen[i - begin]) row->clear_paper();
    bytes += row->ByteSizeLong();
  }
  return rows;
}

Result<size_t> Delivery::SendRows(const Listing& list, size_t begin, MonotonicTime deadline,
                                  std::vector<std::string>* authors) {
  wire::FetcherMessage message;
  *message.mutable_rows() = MakeRows(list, begin);
  const size_t end = begin + message.rows().rows_size();
  const Result<wire::FetcherReply> reply = client_.Call(std::move(message), deadline);
  if (!reply) return reply.error();
  authors->insert(authors->end(), reply->want().authors().begin(), reply->want().authors().end());
  const std::set<std::string> ids = {reply->want().ids().begin(), reply->want().ids().end()};
  std::vector<const wire::Paper*> wanted;
  for (size_t i = begin; i < end; ++i) {
    const wire::Row& row = list.rows[i];
    if (row.has_paper() && ids.contains(row.id())) wanted.push_back(&row.paper());
  }
  if (const Status sent = SendPapers(wanted, deadline); !sent) return sent.error();
  return end;
}

Status Delivery::Send(const Listing& list, MonotonicTime deadline) {
  std::vector<std::string> authors;
  for (size_t begin = 0; begin < list.rows.size();) {
    const Result<size_t> end = SendRows(list, begin, deadline, &authors);
    if (!end) return end.error();
    begin = *end;
  }
  if (const Status sent = SendAuthors(authors, deadline); !sent) return sent;
  return Seal(list.category, list.source, list.rows.size(), false, deadline);
}

Status Delivery::Seal(const std::string& category, const std::string& source, uint64_t rows,
                      bool late, MonotonicTime deadline) {
  wire::FetcherMessage message;
  wire::Seal* seal = message.mutable_seal();
  seal->set_digest(opened_.digest());
  seal->set_edition(opened_.edition());
  seal->set_category(category);
  seal->set_rows(rows);
  seal->set_late(late);
  seal->set_source(source.empty() ? target_.source : source);
  const Result<wire::FetcherReply> reply = client_.Call(std::move(message), deadline);
  if (!reply) return reply.error();
  // Messages keep their order: what was told before this reply is of before this list.
  published_.reset();
  sealed_.insert(category);
  const LogScope scope{{"category", category}, {"rows", rows}};
  shown_.Log(fmt::format(
      "{} {}: {} {}", target_.date, target_.profile.name(), category,
      late ? "is late; sealed without it" : "is delivered and sealed, " + Counted(rows, "row")));
  return Ok();
}

Status Delivery::SendAuthors(const std::vector<std::string>& papers, MonotonicTime deadline) {
  if (papers.empty() || scholar_ == nullptr) return Ok();
  const auto found = scholar_->LookUp(target_.date, papers, deadline);
  for (size_t i = 0; i < found.size() || i == 0;) {
    wire::FetcherMessage message;
    wire::Authors* body = message.mutable_authors();
    body->set_digest(opened_.digest());
    body->set_edition(opened_.edition());
    for (size_t bytes = 0; i < found.size() && bytes < kMaxMessageBytes; ++i) {
      *body->add_papers() = found[i];
      bytes += found[i].ByteSizeLong();
    }
    body->set_more(i < found.size());
    const Result<wire::FetcherReply> reply = client_.Call(std::move(message), deadline);
    if (!reply) return reply.error();
    if (found.empty()) break;
  }
  return Ok();
}

Status Delivery::SendPapers(const std::vector<const wire::Paper*>& papers, MonotonicTime deadline) {
  for (size_t i = 0; i < papers.size();) {
    wire::FetcherMessage message;
    wire::Papers* body = message.mutable_papers();
    body->set_digest(opened_.digest());
    body->set_edition(opened_.edition());
    for (size_t bytes = 0; i < papers.size() && bytes < kMaxMessageBytes; ++i) {
      *body->add_papers() = *papers[i];
      bytes += papers[i]->ByteSizeLong();
    }
    const Result<wire::FetcherReply> reply = client_.Call(std::move(message), deadline);
    if (!reply) return reply.error();
  }
  return Ok();
}

void Delivery::OnPush(const wire::FetcherReply& reply, MonotonicTime now) {
  if (digest() == 0) return;
  if (reply.has_progress() && reply.progress().digest() == digest()) {
    progress_ = reply.progress();
    heard_at_ = now;
    // The digest was opened again (redo, or rows of a fetcher that died): what is
    // silent is delivered again. One word may have crossed with the last seal.
    const bool lacks = progress_.state() == "open" && Missing().empty();
    told_open_ = lacks ? told_open_ + 1 : 0;
    if (told_open_ < kOpenToldOften) return;
    told_open_ = 0;
    heard_at_ = MonotonicTime{};
  } else if (reply.has_published() && reply.published().digest() == digest()) {
    published_ = reply.published();
    heard_at_ = now;
  }
}

}  // namespace paperboy
