// A fuzz target: a parser of outside bytes, and what must hold whatever they are. Each is
// a few lines in NAME_fuzz.cc:
//
//   FUZZ_TARGET(rss, bytes) { ...; FUZZ_CHECK(...); }
//
// With the preset fuzz each is a libFuzzer program of its own; otherwise all are in
// fuzz_replay_test, which runs them over seeds/NAME and regressions/NAME.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/result.h"

namespace paperboy::fuzz {

// Ends the process: that is how libFuzzer learns of a fault.
[[noreturn]] void Fail(const char* file, int line, const std::string& what);

#define FUZZ_CHECK(condition) \
  ((condition) ? void() : paperboy::fuzz::Fail(__FILE__, __LINE__, #condition))

// One line that a log, a terminal and a protobuf string can take: valid UTF-8, no control
// character.
void CheckLine(const std::string& text);
// A refusal says something, in one line.
void CheckError(const Error& error);
// Every string of the message, at any depth, is such a line.
void CheckLines(const google::protobuf::Message& message);

// Takes the part of `*bytes` before the line `mark` off it, and the line; all of it when
// there is none. For inputs of several parts.
std::string_view TakePart(std::string_view* bytes, std::string_view mark);

using Target = void (*)(std::string_view bytes);
std::map<std::string, Target>& Targets();  // by name

struct Registered {
  Registered(const char* name, Target target) { Targets()[name] = target; }
};

#ifdef PAPERBOY_LIBFUZZER
#define FUZZ_TARGET(name, bytes)                                             \
  static void Run_##name(std::string_view);                                  \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {  \
    Run_##name(std::string_view(reinterpret_cast<const char*>(data), size)); \
    return 0;                                                                \
  }                                                                          \
  static void Run_##name(std::string_view bytes)
#else
#define FUZZ_TARGET(name, bytes)                                                \
  static void Run_##name(std::string_view);                                     \
  static const paperboy::fuzz::Registered registered_##name(#name, Run_##name); \
  static void Run_##name(std::string_view bytes)
#endif

}  // namespace paperboy::fuzz
