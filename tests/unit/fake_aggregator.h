// An aggregator that keeps its ledger in memory and publishes as soon as every
// list is sealed, on a thread of its own. Everything public may be called from
// any thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "common/socket.h"
#include "common/wire.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

class FakeAggregator {
 public:
  struct Digest {
    int64_t id = 0;  // 0: there is none
    uint32_t edition = 1;
    wire::OpenDigest open;
    std::map<std::string, std::set<std::string>> lists;  // ids by category
    std::map<std::string, wire::Row> rows;
    std::map<std::string, wire::Paper> papers;
    std::map<std::string, wire::PaperAuthors> authors;
    std::vector<std::string> log;  // "authors" and "seal", as they came
    std::set<std::string> sealed;
    std::set<std::string> late;                  // gone on without
    std::map<std::string, std::string> sources;  // of the sealed lists
    bool sealed_since_opening = false;
    size_t texts_with_rows = 0;  // rows that came with their text
    size_t openings = 0;
    std::set<std::string> followers;
  };

  struct Knobs {
    int swallow = 0;            // so many messages get no answer
    int busy = 0;               // so many are refused as busy
    bool publish = true;        // once every list is sealed
    bool talk = true;           // sends progress
    bool asks_authors = false;  // of every new row, and when opened again
    bool replaced = false;      // whatever is about an edition is refused
    std::string refuse;         // openings are refused as invalid, with this
    uint32_t wire_major = kWireMajor;
    std::string waiting_for;
    bool trouble = false;       // so is that
    wire::Published published;  // what is said besides the digest's number
    // Crosses with every seal: told between it and its answer, if it has a state.
    wire::Published crossing;
    wire::Days days;  // what is answered to whoever lists days
    // What was announced before, by category; a list of nothing else repeats it.
    std::map<std::string, std::set<std::string>> announced;
  };

  FakeAggregator() {
    knobs_.published.set_state("published");
    auto socket = BindRouter(context_, "tcp://127.0.0.1:*");
    if (!socket) throw std::runtime_error(socket.error().message);
    socket_ = std::move(*socket);
    endpoint_ = socket_.get(zmq::sockopt::last_endpoint);
    thread_ = std::thread([this] { Serve(); });
  }
  ~FakeAggregator() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    thread_.join();
  }

  const std::string& endpoint() const { return endpoint_; }

  void Set(const std::function<void(Knobs*)>& change) {
    const std::lock_guard lock(mutex_);
    change(&knobs_);
  }
  Digest DigestOf(const std::string& profile, const std::string& date) const {
    const std::lock_guard lock(mutex_);
    for (const Digest& digest : digests_) {
      if (digest.open.profile().name() == profile && digest.open.date() == date) return digest;
    }
    return {};
  }
  std::vector<wire::Day> days() const {
    const std::lock_guard lock(mutex_);
    return days_;
  }
  size_t digests() const {
    const std::lock_guard lock(mutex_);
    return digests_.size();
  }
  // As after a restart with an empty store: another ledger, other numbers.
  void ForgetAll() {
    const std::lock_guard lock(mutex_);
    digests_.clear();
    next_id_ += 100;
  }

 private:
  void Serve() {
    for (;;) {
      zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
      zmq::poll(&item, 1, std::chrono::milliseconds(20));
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      Frame frame;
      while (ReceiveFrom(socket_, &frame)) {
        wire::FetcherMessage message;
        if (!message.ParseFromString(frame.body)) ADD_FAILURE() << "an unreadable message";
        if (knobs_.swallow > 0) {
          --knobs_.swallow;
        } else {
          Answer(frame.peer, message);
        }
      }
      for (Digest& digest : digests_) Tell(digest);
    }
  }

  void Tell(Digest& digest) {
    if (!knobs_.talk) return;
    wire::FetcherReply reply;
    const auto& categories = digest.open.profile().categories();
    const bool complete =
        digest.open.source() == "file"
            ? digest.sealed.contains("*")
            : std::all_of(categories.begin(), categories.end(), [&](const auto& category) {
                return digest.sealed.contains(category) || digest.late.contains(category);
              });
    // Where a list is about to come it is told after that.
    const bool more_comes = !digest.late.empty() && !digest.sealed_since_opening;
    if (complete && knobs_.publish && !more_comes) {
      *reply.mutable_published() = knobs_.published;
      reply.mutable_published()->set_digest(digest.id);
      for (const auto& category : digest.late) reply.mutable_published()->add_late(category);
    } else {
      reply.mutable_progress()->set_digest(digest.id);
      reply.mutable_progress()->set_to_score(digest.rows.size());
      reply.mutable_progress()->set_waiting_for(knobs_.waiting_for);
      reply.mutable_progress()->set_trouble(knobs_.trouble);
    }
    for (const std::string& peer : digest.followers) Send(peer, reply);
    if (reply.has_published()) digest.followers.clear();
  }

  void Answer(const std::string& peer, const wire::FetcherMessage& message) {
    wire::FetcherReply reply;
    reply.set_request(message.request());
    if (knobs_.busy > 0) {
      --knobs_.busy;
      Refuse(wire::REFUSAL_BUSY, "starting", &reply);
    } else if (message.has_open()) {
      Open(peer, message.open(), &reply);
    } else if (message.has_day()) {
      days_.push_back(message.day());
      reply.mutable_ack();
    } else if (message.has_list_days()) {
      *reply.mutable_days() = knobs_.days;
      ListDigests(message.list_days(), reply.mutable_days());
    } else if (message.has_compare()) {
      Compare(message.compare(), reply.mutable_compared());
    } else if (message.has_rows()) {
      Rows(message.rows(), &reply);
    } else if (message.has_papers()) {
      if (Digest* digest = Find(message.papers(), &reply); digest != nullptr) {
        for (const auto& paper : message.papers().papers()) digest->papers[paper.id()] = paper;
        reply.mutable_ack();
      }
    } else if (message.has_authors()) {
      if (Digest* digest = Find(message.authors(), &reply); digest != nullptr) {
        digest->log.push_back("authors");
        for (const auto& paper : message.authors().papers()) digest->authors[paper.id()] = paper;
        reply.mutable_ack();
      }
    } else if (Digest* digest = Find(message.seal(), &reply); digest != nullptr) {
      const wire::Seal& seal = message.seal();
      if (!knobs_.crossing.state().empty()) {
        wire::FetcherReply told;
        *told.mutable_published() = knobs_.crossing;
        told.mutable_published()->set_digest(digest->id);
        Send(peer, std::move(told));
      }
      digest->log.push_back("seal");
      digest->sealed_since_opening = true;
      digest->followers.insert(peer);
      if (seal.late()) {
        digest->late.insert(seal.category());
        reply.mutable_ack();
      } else if (digest->lists[seal.category()].size() == seal.rows()) {
        digest->sealed.insert(seal.category());
        digest->sources[seal.category()] = seal.source();
        digest->late.erase(seal.category());
        reply.mutable_ack();
      } else {
        Refuse(wire::REFUSAL_INVALID, "another number of rows", &reply);
      }
    }
    Send(peer, reply);
  }

  void ListDigests(const wire::ListDays& question, wire::Days* days) const {
    for (const Digest& digest : digests_) {
      const auto& [date, profile] = std::pair(digest.open.date(), digest.open.profile());
      if (profile.name() != question.profile()) continue;
      if (date < question.from() || date > question.to()) continue;
      wire::DayState* day = days->add_days();
      day->set_date(date);
      day->set_state("open");
      day->set_revision(profile.revision());
    }
  }

  void Compare(const wire::Compare& compare, wire::Compared* compared) {
    const auto known = knobs_.announced.find(compare.category());
    if (known == knobs_.announced.end()) return;
    compared->set_newest_date("2026-09-14");
    const auto& rows = compare.rows();
    compared->set_repeats(!rows.empty() &&
                          std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
                            return known->second.contains(row.id());
                          }));
  }

  void Open(const std::string& peer, const wire::OpenDigest& open, wire::FetcherReply* reply) {
    if (!knobs_.refuse.empty()) return Refuse(wire::REFUSAL_INVALID, knobs_.refuse, reply);
    auto digest = std::find_if(digests_.begin(), digests_.end(), [&](const Digest& d) {
      return d.open.profile().name() == open.profile().name() && d.open.date() == open.date();
    });
    if (digest == digests_.end()) {
      digest = digests_.insert(digests_.end(), Digest{.id = next_id_++});
      digest->open = open;
    }
    ++digest->openings;
    digest->sealed_since_opening = false;
    digest->followers.insert(peer);
    wire::Opened* opened = reply->mutable_opened();
    opened->set_digest(digest->id);
    opened->set_edition(digest->edition);
    opened->set_ledger("ledger");
    opened->set_rows(digest->rows.size());
    for (const auto& [id, row] : digest->rows) {
      if (knobs_.asks_authors && !digest->authors.contains(id)) opened->add_authors(id);
    }
    if (open.source() == "file") return;
    for (const std::string& category : digest->sealed) opened->add_sealed(category);
  }

  void Rows(const wire::Rows& rows, wire::FetcherReply* reply) {
    Digest* digest = Find(rows, reply);
    if (digest == nullptr) return;
    reply->mutable_want();
    for (const wire::Row& row : rows.rows()) {
      const bool added = digest->lists[rows.category()].insert(row.id()).second;
      digest->rows[row.id()] = row;
      if (knobs_.asks_authors && added) reply->mutable_want()->add_authors(row.id());
      if (row.has_paper()) {
        ++digest->texts_with_rows;
        digest->papers[row.id()] = row.paper();
      } else if (row.refused().empty() && !digest->papers.contains(row.id())) {
        reply->mutable_want()->add_ids(row.id());
      }
    }
  }

  template <class Message>
  Digest* Find(const Message& message, wire::FetcherReply* reply) {
    if (knobs_.replaced) {
      Refuse(wire::REFUSAL_REPLACED, "opened with another revision", reply);
      return nullptr;
    }
    for (Digest& digest : digests_) {
      if (digest.id == message.digest() && digest.edition == message.edition()) return &digest;
    }
    Refuse(wire::REFUSAL_INVALID, "no such digest", reply);
    return nullptr;
  }

  void Send(const std::string& peer, wire::FetcherReply reply) {
    reply.set_wire_major(knobs_.wire_major);
    SendTo(socket_, peer, reply.SerializeAsString());
  }

  static void Refuse(wire::RefusalKind kind, const std::string& why, wire::FetcherReply* reply) {
    reply->mutable_refused()->set_kind(kind);
    reply->mutable_refused()->set_message(why);
  }

  mutable std::mutex mutex_;
  Knobs knobs_;
  std::vector<Digest> digests_;
  std::vector<wire::Day> days_;
  int64_t next_id_ = 1;
  bool stop_ = false;
  zmq::context_t context_;
  zmq::socket_t socket_;
  std::string endpoint_;
  std::thread thread_;
};

}  // namespace paperboy
