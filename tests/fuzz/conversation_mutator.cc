// Changes conversations by their fields, so that what comes out is one again: of random
// changes to the text hardly any is.
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/fuzz/conversation.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace paperboy::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

struct Place {
  Message* message;
  const FieldDescriptor* field;
};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  void Change(Conversation* conversation) {
    places_.clear(), messages_.clear();
    Collect(conversation);
    ChangeAt(places_[Below(places_.size())]);
  }

  size_t Below(size_t limit) { return random_() % limit; }

 private:
  void Collect(Message* message) {
    messages_.push_back(message);
    const auto* reflection = message->GetReflection();
    for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message->GetDescriptor()->field(i);
      places_.push_back({message, field});
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        if (reflection->HasField(*message, field)) {
          Collect(reflection->MutableMessage(message, field));
        }
        continue;
      }
      for (int j = 0; j < reflection->FieldSize(*message, field); ++j) {
        Collect(reflection->MutableRepeatedMessage(message, field, j));
      }
    }
  }

  void ChangeAt(const Place& place) {
    const auto* reflection = place.message->GetReflection();
    if (Below(8) == 0) return reflection->ClearField(place.message, place.field);
    if (place.field->is_repeated()) {
      ChangeList(place);
    } else if (place.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const std::string another = Another(place.field);
      reflection->MutableMessage(place.message, place.field)->ParsePartialFromString(another);
    } else {
      ChangeValue(place);
    }
  }

  // A message of the field's kind that is in the conversation already, serialised; else
  // an empty one. To be asked for before the field is touched: setting one of a oneof frees
  // another.
  std::string Another(const FieldDescriptor* field) {
    std::vector<const Message*> others;
    for (const Message* message : messages_) {
      if (message->GetDescriptor() == field->message_type()) others.push_back(message);
    }
    return others.empty() ? "" : others[Below(others.size())]->SerializePartialAsString();
  }

  void ChangeList(const Place& place) {
    const auto* reflection = place.message->GetReflection();
    const int size = reflection->FieldSize(*place.message, place.field);
    if (size > 1 && Below(3) == 0) {
      reflection->SwapElements(place.message, place.field, static_cast<int>(Below(size)),
                               static_cast<int>(Below(size)));
    } else if (size > 0 && Below(3) == 0) {
      reflection->RemoveLast(place.message, place.field);
    } else {
      Add(place);
    }
  }

  void Add(const Place& place) {
    const auto* reflection = place.message->GetReflection();
    switch (place.field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const std::string another = Another(place.field);
        reflection->AddMessage(place.message, place.field)->ParsePartialFromString(another);
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->AddString(place.message, place.field, Mutated(""));
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection->AddEnumValue(place.message, place.field, static_cast<int>(Below(6)));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection->AddUInt64(place.message, place.field, Number());
      default:
        return;
    }
  }

  void ChangeValue(const Place& place) {
    Message* message = place.message;
    const FieldDescriptor* field = place.field;
    const auto* reflection = message->GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection->SetBool(message, field, !reflection->GetBool(*message, field));
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection->SetEnumValue(message, field, static_cast<int>(Below(6)));
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection->SetUInt32(message, field, static_cast<uint32_t>(Number()));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection->SetUInt64(message, field, Number());
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection->SetInt64(message, field, static_cast<int64_t>(Number()));
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->SetString(message, field,
                                     Mutated(reflection->GetString(*message, field)));
      default:
        return;
    }
  }

  // Small ones, those at the edges, and others.
  uint64_t Number() {
    if (Below(2) == 0) return Below(12);
    const uint64_t edge = uint64_t{1} << Below(64);
    return Below(2) == 0 ? edge - Below(2) : edge + Below(1000);
  }

  static std::string Mutated(std::string text) {
    const size_t size = text.size();
    text.resize(size + 16);
    text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), size, text.size()));
    return text;
  }

  std::minstd_rand random_;
  std::vector<Place> places_;
  std::vector<Message*> messages_;
};

}  // namespace
}  // namespace paperboy::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  using namespace paperboy::fuzz;  // NOLINT(google-build-using-namespace)
  Conversation conversation;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (Turn& turn : TurnsOf(bytes)) *conversation.add_turns() = std::move(turn);
  Mutator mutator(seed);
  for (size_t changes = 1 + mutator.Below(4); changes > 0; --changes) {
    mutator.Change(&conversation);
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(conversation, &text);
  if (text.size() > max_size) return size;
  std::memcpy(data, text.data(), text.size());
  return text.size();
}
