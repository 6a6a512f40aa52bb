#include "aggregator/gatekeeper.h"

#include <array>
#include <vector>

#include "common/socket.h"
#include "prometheus/registry.h"
#include "spdlog/spdlog.h"

namespace paperboy {
namespace {

constexpr char kQuestions[] = "inproc://zeromq.zap.01";
constexpr std::array<const char*, 2> kRoles = {"fetcher", "scorer"};
constexpr std::array<const char*, 5> kReasons = {"unknown_key", "other_role", "no_key",
                                                 "wrong_server_key", "broken_off"};
// A question of ZAP 1.0, by CURVE: its parts. (A ROUTER and no REP takes them, which after
// one answer that could not be sent would take no other question.)
enum Part {
  kPeer,
  kEmpty,
  kVersion,
  kRequest,
  kDomain,
  kAddress,
  kRoutingId,
  kMechanism,
  kKey,
  kParts
};
constexpr size_t kKeyBytes = 32;
constexpr uint32_t kWelcome = 200;
// How long a list can be broken or open to others before the log says so.
constexpr Milliseconds kLook{5'000};

std::string Z85(const std::string& bytes) {
  std::array<char, 41> text{};
  zmq_z85_encode(text.data(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return text.data();
}

std::vector<std::string> ReceiveParts(zmq::socket_t& socket) {
  std::vector<std::string> parts;
  zmq::message_t part;
  do {
    if (!socket.recv(part, zmq::recv_flags::dontwait)) break;
    parts.push_back(part.to_string());
  } while (part.more());
  return parts;
}

void Reply(zmq::socket_t& socket, const std::vector<std::string>& question, uint32_t status) {
  const std::array<std::string, 8> parts = {question[kPeer],
                                            "",
                                            "1.0",
                                            question[kRequest],
                                            std::to_string(status),
                                            status == kWelcome ? "OK" : "not let in",
                                            "",
                                            ""};
  for (size_t i = 0; i < parts.size(); ++i) {
    socket.send(zmq::buffer(parts[i]), i + 1 < parts.size()
                                           ? zmq::send_flags::sndmore | zmq::send_flags::dontwait
                                           : zmq::send_flags::dontwait);
  }
}

}  // namespace

Status Gatekeeper::List::Read() {
  Result<AllowList> read = ReadAllowList(path_);
  if (!read) return read.error();
  allowed_ = std::move(*read);
  return Ok();
}

void Gatekeeper::List::ReadAgain() {
  const Status read = Read();
  std::string trouble = read ? "" : read.error().message;
  if (trouble == trouble_) return;
  trouble_ = std::move(trouble);
  if (read) {
    spdlog::info("{} is read again (keys: {})", path_, allowed_.size());
  } else {
    spdlog::warn(
        "{}; in force is what was last read from it (keys: {}). To let nobody in, leave it empty",
        trouble_, allowed_.size());
  }
}

Gatekeeper::Gatekeeper(EpollLoop& loop, zmq::context_t& context, std::string folder,
                       prometheus::Registry& metrics)
    : loop_(loop),
      context_(context),
      folder_(std::move(folder)),
      access_(folder_, "aggregator"),
      refused_(prometheus::BuildCounter()
                   .Name("paperboy_refused_connections_total")
                   .Help("Connections refused for their key, by endpoint and reason.")
                   .Register(metrics)) {
  for (const std::string role : kRoles) {
    lists_.emplace(role, AllowFile(folder_, role));
    for (const char* reason : kReasons) {
      refused_.Add({{"endpoint", role + "s"}, {"reason", reason}});
    }
  }
}

Gatekeeper::~Gatekeeper() {
  loop_.Cancel(timer_);
  if (questions_) loop_.UnwatchZmq(questions_);
  for (auto& [role, handshakes] : handshakes_) loop_.UnwatchZmq(handshakes.events());
}

Result<std::unique_ptr<Gatekeeper>> Gatekeeper::Start(EpollLoop& loop, zmq::context_t& context,
                                                      const std::string& folder,
                                                      prometheus::Registry& metrics) {
  std::unique_ptr<Gatekeeper> self(new Gatekeeper(loop, context, folder, metrics));
  Result<KeyPair> own = ReadKeyPair(KeyFile(folder, "aggregator"));
  if (!own) return Invalid("--keys: " + own.error().message);
  self->own_ = std::move(*own);
  for (auto& [role, list] : self->lists_) {
    if (const Status read = list.Read(); !read) return Invalid("--keys: " + read.error().message);
  }
  self->access_.Look();
  self->timer_ = loop.Every(kLook, [gate = self.get()] {
    gate->ReadLists();
    gate->access_.Look();
  });
  self->questions_ = zmq::socket_t(context, zmq::socket_type::router);
  self->questions_.set(zmq::sockopt::linger, 0);
  self->questions_.bind(kQuestions);
  loop.WatchZmq(self->questions_, [gate = self.get()] { gate->Answer(); });
  return self;
}

Result<zmq::socket_t> Gatekeeper::Bind(const std::string& role, const std::string& endpoint) {
  Result<zmq::socket_t> socket = BindRouter(context_, endpoint, &own_, role);
  if (!socket) return socket.error();
  const auto [at, made] = handshakes_.try_emplace(role, context_, *socket);
  loop_.WatchZmq(at->second.events(), [this, role] { OnHandshakes(role); });
  return socket;
}

void Gatekeeper::Answer() try {
  const std::vector<std::string> question = ReceiveParts(questions_);
  if (question.size() <= kRequest) return;
  const bool understood = question.size() == kParts && question[kVersion] == "1.0" &&
                          question[kMechanism] == "CURVE" && question[kKey].size() == kKeyBytes &&
                          lists_.contains(question[kDomain]);
  if (!understood) return Reply(questions_, question, kUnknownKeyStatus);
  const std::string& role = question[kDomain];
  const std::string key = Z85(question[kKey]);
  const std::string objection = Objection(role, key);
  const bool other = objection == "other_role";
  if (objection.empty()) return Reply(questions_, question, kWelcome);
  Reply(questions_, question, other ? kOtherRoleStatus : kUnknownKeyStatus);
  const std::string list = AllowFile(folder_, role);
  Count(role, objection,
        "from " + question[kAddress] + ": its key " + key +
            (other ? " is of another role, and in " + list + " it would open both; it needs a " +
                         role + "'s own"
                   : " is not in " + list +
                         "; if it is one of yours, a line there with it, a blank and a name lets "
                         "it in"));
} catch (const zmq::error_t&) {
  // Interrupted by a signal: the peer comes again.
}

void Gatekeeper::ReadLists() {
  for (auto& [role, list] : lists_) list.ReadAgain();
}

std::string Gatekeeper::Objection(const std::string& role, const std::string& key) {
  ReadLists();
  if (lists_.at(role).Has(key)) return "";
  // The aggregator's own commands come to the fetchers' endpoint with its own key.
  if (key == own_.public_key) return role == "fetcher" ? "" : "other_role";
  for (const auto& [name, list] : lists_) {
    if (list.Has(key)) return "other_role";
  }
  return "unknown_key";
}

void Gatekeeper::OnHandshakes(const std::string& role) {
  while (const std::optional<Handshake> handshake = handshakes_.at(role).Next()) {
    switch (*handshake) {
      case Handshake::kDone:
      case Handshake::kRefused:  // counted when they were asked about
      case Handshake::kOtherRole:
        break;
      case Handshake::kUnlike:
        Count(role, "no_key", "of a process without a key: it needs --keys");
        break;
      case Handshake::kUnreadable:
        Count(role, "wrong_server_key",
              "that was meant for another key: its aggregator.pub is not this aggregator's");
        break;
      case Handshake::kBrokenOff:
        Count(role, "broken_off", "that ended before it said who it is");
        break;
    }
  }
}

void Gatekeeper::Count(const std::string& role, const std::string& reason,
                       const std::string& what) {
  refused_.Add({{"endpoint", role + "s"}, {"reason", reason}}).Increment();
  const uint64_t count = ++counted_[role + " " + reason];
  if ((count & (count - 1)) != 0) return;
  spdlog::warn("refused a connection to the {}s' endpoint {} ({} of this kind so far)", role, what,
               count);
}

}  // namespace paperboy
